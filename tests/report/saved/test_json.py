"""Does a report come back equal from its JSON, and is everything else refused?"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from importlib.resources import files
from typing import Annotated, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck import contract, core
from smtpcheck.core import Kind, Mode, Severity, Stage, Subject
from smtpcheck.report.saved import json as report_json
from smtpcheck.report.saved.json import catalog, decode, decode_many, facts_type, render, render_many, schema
from smtpcheck.report.saved.values import escape_bytes, parse_subject, refusals, subject_text, unescape_bytes
from smtpcheck.wire import ProtocolError

AT = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
HOSTILE = '\0 \x1b[31m \x9b1m \u2028 \u202e \x7f "\\ \\ud800 \ud83d\ude00 \udcff 😀 中文 \r\n'
SECRET = 'canary/+="é中'


class Version(IntEnum):
    TLS12 = 0x0303
    TLS13 = 0x0304


@dataclass(frozen=True, slots=True)
class Certificate:
    der: Annotated[bytes, "base64"]
    until: datetime
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Renewed(Certificate):
    """Would come back as a mere Certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WideFacts:
    """One field of every sort that facts may have."""

    text: str = ""
    raw: bytes = b""
    count: int = 0
    share: float = 0.0
    yes: bool = False
    at: datetime = AT
    broke: Kind | None = None
    version: Version | None = None
    where: Subject | None = None
    chain: tuple[Certificate, ...] = ()
    pair: tuple[int, str] = (0, "")
    nothing: tuple[()] = ()
    words: Mapping[str, core.Scalar] = field(default_factory=dict)
    timed: Mapping[Stage, float] = field(default_factory=dict)
    first: Certificate | str | int | None = None
    lines: tuple[tuple[bytes, ...], ...] = ()


class _Pure:
    def subjects(self, target, earlier):
        return ()

    async def observe(self, subject, ctx):
        raise NotImplementedError

    def judge(self, facts):
        yield from ()


@dataclass(frozen=True, slots=True)
class Wide(_Pure, contract.Probe[WideFacts]):
    name = "wide"
    rules = (core.Rule("wide-odd", Severity.WARN, Stage.TLS, "RFC 8314 section 3"),)


CATALOG = catalog([Wide])


class Spoken:
    def about(self, report):
        return self

    def summary(self, diagnosis):
        return f"{diagnosis.code} 坏了"

    def steps(self, diagnosis):
        return [("renew", "Renew it.\u202e"), ("tell", HOSTILE)]

    def decided_by(self, diagnosis, alternative):
        return f"ask about {alternative.code}"

    def evidence(self, evidence, diagnosis):
        return f"words for {evidence.text!a}"


PLAIN = Subject("mx.test")


def target(**given: Any) -> core.Target:
    base = {"spec": "me@qq.com", "kind": core.TargetKind.ACCOUNT, "name": "qq.com", "secret": "env:SMTPCHECK_PASSWORD"}
    return core.Target(**(base | given))


def result(outcome: Any, subject: Subject = PLAIN, probe: str = "wide", findings: int = 0) -> core.Result[Any]:
    found = tuple(
        core.Finding("wide-odd", Severity.WARN, Stage.TLS, str(subject), {"n": i, "x": None, HOSTILE: HOSTILE})
        for i in range(findings)
    )
    return core.Result(probe=probe, subject=subject, outcome=outcome, findings=found, started=AT, elapsed=0.25)


def report(**given: Any) -> core.Report:
    base = {"target": target(), "started": AT, "elapsed": 1.5, "complete": True, "verdict": core.Verdict.HEALTHY}
    return core.Report(**(base | given))


V6 = Subject("mx.test", "2001:db8::1", 465, Mode.IMPLICIT)
FULL = report(
    target=target(
        port=587,
        mode=Mode.STARTTLS,
        user="我@qq.com",
        until=Stage.AUTH,
        allow=("plaintext-auth",),
        connect_to=("a:25:127.0.0.1:2525",),
        deadline=30,
    ),
    verdict=core.Verdict.BROKEN,
    not_tested=(Stage.RCPT, Stage.DATA),
    diagnoses=(
        core.Diagnosis(
            stage=Stage.CERTIFICATE,
            code="tls-missing-intermediate",
            subject="mx.test:465",
            confidence=core.Confidence.LIKELY,
            alternatives=(core.Alternative("private-root", core.Confidence.POSSIBLE),),
            evidence=(
                core.Evidence(core.Who.SERVER, AT, Stage.AUTH, b"535 \xb5\xc7 \\\x00\r\n", "reply"),
                core.Evidence(core.Who.SMTPCHECK, AT.replace(microsecond=0), Stage.TLS, "登录".encode(), HOSTILE),
            ),
            blocked=(Stage.AUTH,),
            seen={"days": 3, "ratio": 0.5, "on": True, "none": None, "words": HOSTILE},
        ),
        core.Diagnosis(stage=Stage.CLOCK, code="clock-off", subject="", confidence=core.Confidence.CERTAIN),
    ),
    results=(
        result(WideFacts(chain=(Certificate(b"\x30\x82\x00\xff", AT),), first=Certificate(b"", AT)), V6, findings=2),
        result(core.Failure(Kind.DEADLINE, Stage.TLS, HOSTILE, {HOSTILE: HOSTILE}), Subject("b.test")),
        result(core.Failure(Kind.BUG, Stage.TLS), Subject("c.test")),
        result(
            core.Blocked(Stage.CONNECT, Kind.REFUSED, "system-error", {"errno": "ECONNREFUSED", "os": "by a.test"}),
            Subject("a[b]:25/plain"),
        ),
        result(core.Skipped("no-times"), Subject("")),
        result(WideFacts(), Subject("a", "", 25), findings=1),
        result(WideFacts(), Subject("a:25"), findings=3),
    ),
    conversations=(
        core.Conversation(
            subject=V6,
            started=AT,
            steps=(core.Step(Stage.TLS, 0.0, 0.125, Kind.ALERT), core.Step(Stage.CONNECT, 1, 2)),
            events=(
                core.Event(0.5, core.Direction.IN, Stage.EHLO, b"250 \x1b[2J\xff\r\n"),
                core.Event(0.75, core.Direction.OUT, Stage.AUTH, b"AUTH PLAIN <secret>\r\n", True),
            ),
        ),
    ),
    experiments=(core.Experiment("mode", "mx.test:465"),),
    contacts=(core.Contact("resolver", "127.0.0.1:53", "contact-control", {"names": 2}),),
    environment={"python": "3.11", HOSTILE: HOSTILE},
)


def rendered(value: core.Report) -> str:
    return render(value, words=Spoken(), catalog=CATALOG)


def back(value: core.Report) -> core.Report:
    return decode(rendered(value).encode("utf-8"), CATALOG)


def nothing_left_out(report: core.Report) -> bool:
    return all(getattr(report, f.name) for f in fields(report))


# Round trips


def test_a_report_with_every_noun_comes_back_equal():
    assert nothing_left_out(FULL)
    assert back(FULL) == FULL
    assert back(report()) == report()


def test_a_decoded_report_renders_to_the_same_text():
    assert rendered(back(FULL)) == rendered(FULL)


def test_findings_return_to_their_own_result_in_order():
    assert [[f.seen["n"] for f in r.findings] for r in back(FULL).results] == [[0, 1], [], [], [], [], [0], [0, 1, 2]]


characters = st.characters() | st.sampled_from("\0\x1b\x7f\x9b\u2028\u202e\\/:%[]@") | st.characters(categories=["Cs"])
texts = st.text(characters, max_size=12)
instants = st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
floats = st.floats(allow_nan=False, allow_infinity=False)
scalars = texts | st.integers() | floats | st.booleans() | st.none()
subjects = st.builds(Subject, texts, texts, st.integers(0, 65535), st.sampled_from(Mode))
certificates = st.builds(Certificate, st.binary(max_size=20), instants, st.lists(texts, max_size=2).map(tuple))
wide = st.builds(
    WideFacts,
    text=texts,
    raw=st.binary(),
    count=st.integers(),
    share=floats,
    yes=st.booleans(),
    at=instants,
    broke=st.none() | st.sampled_from(Kind),
    version=st.none() | st.sampled_from(Version),
    where=st.none() | subjects,
    chain=st.lists(certificates, max_size=2).map(tuple),
    pair=st.tuples(st.integers(), texts),
    words=st.dictionaries(texts, scalars, max_size=3),
    timed=st.dictionaries(st.sampled_from(Stage), floats, max_size=2),
    first=st.none() | certificates | texts | st.integers(),
    lines=st.lists(st.lists(st.binary(), max_size=2).map(tuple), max_size=2).map(tuple),
)


@given(wide, subjects, texts, st.binary())
def test_any_facts_about_any_subject_come_back_equal_and_fit_the_schema(facts, subject, text, raw):
    evidence = core.Evidence(core.Who.OS, AT, Stage.DNS, raw, text)
    diagnosis = replace(FULL.diagnoses[0], evidence=(evidence,), subject=text)
    given = report(results=(result(facts, subject, findings=1),), diagnoses=(diagnosis,), environment={text: text})
    assert back(given) == given
    VALIDATOR.validate(json.loads(rendered(given)))


@given(st.binary() | texts.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_come_back_from_their_text(raw):
    text = escape_bytes(raw)
    assert unescape_bytes(text) == raw
    assert text.isprintable()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"250 ok", "250 ok"),
        (b"a\\x41\r\n", r"a\\x41\x0d\x0a"),
        ("登录é".encode(), "登录é"),
        ("登录".encode("gb18030"), r"\xb5\xc7\xc2\xbc"),
        (b"\xc3", r"\xc3"),
        ("\u202e\x9b".encode(), r"\xe2\x80\xae\xc2\x9b"),
    ],
)
def test_bytes_are_shown_as_text_only_where_they_print(raw, text):
    assert escape_bytes(raw) == text


@given(subjects)
def test_any_subject_comes_back_from_its_text(subject):
    assert parse_subject(subject_text(subject)) == subject


@pytest.mark.parametrize(
    "subject",
    [
        Subject("mx.test"),
        Subject("mx.test", "192.0.2.1"),
        Subject("mx.test", "fe80::1%eth0", 25),
        V6,
        Subject("邮件.test", "", 587, Mode.STARTTLS),
        Subject("", "::1", 25),
        Subject("::1", "", 587),
        Subject("::1"),
        Subject("me@mx.test", "", 0, Mode.PLAIN),
    ],
)
def test_an_ordinary_subject_is_written_as_it_shows_itself(subject):
    assert subject_text(subject) == str(subject)


def test_a_name_that_reads_as_another_subject_is_quoted():
    assert subject_text(Subject("a:25/plain")) == "a%3A25%2Fplain"
    assert subject_text(Subject("a%3A25")) == "a%253A25"


def test_der_is_base64_and_stays_near_its_size():
    chain = tuple(Certificate(bytes(range(256)) * 6, AT) for _ in range(3))
    text = rendered(report(results=(result(WideFacts(chain=chain)),)))
    assert text.count("AAECAwQFBgc") >= 3
    assert len(text) < 9_000


def test_a_time_elsewhere_is_written_in_utc():
    elsewhere = AT.astimezone(timezone(timedelta(hours=8)))
    assert '"started": "2026-02-03T04:05:06.789012Z"' in rendered(report(started=elsewhere))
    assert back(report(started=elsewhere)) == report(started=AT)


# What it looks like


def test_keys_stand_in_the_order_of_the_contract():
    document = json.loads(rendered(FULL))
    assert list(document) == [
        *("schema", "target", "started", "elapsed", "complete", "verdict", "not_tested", "diagnosis", "diagnoses"),
        *("findings", "results", "conversations", "experiments", "contacts", "environment"),
    ]
    assert list(document["findings"][0]) == ["code", "severity", "stage", "probe", "subject", "seen", "ref"]
    assert list(document["results"][0]) == ["probe", "subject", "status", "started", "elapsed", "kind", "outcome"]
    assert list(document["target"]) == [f.name for f in fields(core.Target)]
    assert document["diagnosis"] == document["diagnoses"][0]
    assert document["findings"][0]["ref"] == "RFC 8314 section 3"
    statuses = [item["status"] for item in document["results"]]
    assert statuses == ["warn", "inconclusive", "bug", "blocked", "skipped", "warn", "warn"]


def test_the_text_is_printable_lines_of_utf_8():
    text = rendered(FULL)
    assert text.encode("utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert "坏了" in text


def test_words_are_those_of_the_language_and_the_code_stays_beside_them():
    evidence = json.loads(rendered(FULL))["diagnosis"]["evidence"][0]
    assert evidence["shows"] == "reply"
    assert evidence["text"] == "words for 'reply'"

    class Other(Spoken):
        def summary(self, diagnosis):
            return "something else"

    assert decode(render(FULL, words=Other(), catalog=CATALOG), CATALOG) == FULL


def test_several_reports_are_one_document():
    given = (FULL, report())
    text = render_many(given, words=Spoken(), catalog=CATALOG)
    assert decode_many(text, CATALOG) == given
    VALIDATOR.validate(json.loads(text))
    assert decode_many(render_many((), words=Spoken(), catalog=CATALOG), CATALOG) == ()
    with pytest.raises(ProtocolError):
        decode(text, CATALOG)
    with pytest.raises(ProtocolError):
        decode_many(rendered(FULL), CATALOG)


# Probes that are known, and one whose file is gone


def test_the_facts_type_is_read_from_the_class():
    assert facts_type(Wide) is WideFacts

    class Further(Wide):
        pass

    assert facts_type(Further) is WideFacts
    with pytest.raises(TypeError):
        facts_type(contract.Probe)


def test_facts_of_an_unknown_probe_are_a_read_only_mapping():
    text = rendered(FULL)
    read = decode(text, catalog([]))
    outcome = read.results[0].outcome
    assert isinstance(outcome, Mapping)
    assert outcome["pair"] == (0, "")
    with pytest.raises(TypeError):
        outcome["chain"][0]["der"] = ""
    assert read.results[1:5] == FULL.results[1:5]
    assert rendered(read) == text


def test_facts_of_an_unknown_probe_are_bounded_in_depth():
    deep = json.loads("[" * 40 + "]" * 40)
    with pytest.raises(ProtocolError, match=r"\$\.results\[0\]\.outcome: nested too deep"):
        decode(changed(lambda d: d["results"][0].update(outcome={"a": deep})), catalog([]))


def test_facts_from_before_a_field_was_added_are_read_with_its_default():
    text = changed(lambda d: d["results"][5]["outcome"].pop("share"))
    assert decode(text, CATALOG) == FULL


OPTIONS = [f.name for f in fields(core.Target) if f.default is not MISSING]


@pytest.mark.parametrize("name", OPTIONS)
def test_a_report_from_before_an_option_of_the_target_was_added_is_read_with_its_default(name):
    text = changed(lambda d: d["target"].pop(name))
    default = next(f.default for f in fields(core.Target) if f.name == name)
    assert decode(text, CATALOG) == replace(FULL, target=replace(FULL.target, **{name: default}))
    assert VALIDATOR.is_valid(json.loads(text))


@dataclass(frozen=True)
class Odd:
    a: list[str]
    b: bytes | str
    c: tuple[Certificate | WideFacts, ...]
    d: int | None
    e: Mapping[str, "Odd"]


@dataclass(frozen=True)
class Hidden:
    a: "Missing"  # noqa: F821


def test_a_type_that_facts_may_not_hold_is_named():
    assert list(refusals(WideFacts)) == []
    assert [line.split(":")[0] for line in refusals(Hidden)] == ["facts"]
    assert [line.split(":")[0] for line in refusals(Odd)] == ["facts.a", "facts.b", "facts.c[]"]


# Strictness


def changed(change: Any) -> str:
    document = json.loads(rendered(FULL))
    change(document)
    return json.dumps(document)


BROKEN = {
    "$.schema": lambda d: d.update(schema=3),
    "$.schema: ": lambda d: d.update(schema=True),
    "$: unknown key 'extra'": lambda d: d.update(extra=1),
    "$: no verdict": lambda d: d.pop("verdict"),
    "$.verdict": lambda d: d.update(verdict="fine"),
    "$.elapsed": lambda d: d.update(elapsed="1"),
    "$.elapsed: ": lambda d: d.update(elapsed=True),
    "$.elapsed: int too large": lambda d: d.update(elapsed=10**400),
    "$.started": lambda d: d.update(started="2026-02-03T04:05:06+00:00"),
    "$.started: ": lambda d: d.update(started="2026-02-31T04:05:06Z"),
    "$.started: not": lambda d: d.update(started="2026-02-03T04:05:06Z\n"),
    "$.complete": lambda d: d.update(complete=1),
    "$.not_tested[1]": lambda d: d.update(not_tested=["dns", "nowhere"]),
    "$.not_tested": lambda d: d.update(not_tested="dns"),
    "$.target: no spec": lambda d: d["target"].pop("spec"),
    "$.target: unknown": lambda d: d["target"].update(extra=1),
    "$.target.deadline": lambda d: d["target"].update(deadline=None),
    "$.target.secret": lambda d: d["target"].update(secret=SECRET),
    "$.environment['a']": lambda d: d["environment"].update(a=1),
    "$.contacts[0]: unknown": lambda d: d["contacts"][0].update(extra=1),
    "$.diagnosis": lambda d: d.update(diagnosis=None),
    "$.diagnoses[1].summary": lambda d: d["diagnoses"][1].update(summary=1),
    "$.diagnoses[1].steps[0]": lambda d: d["diagnoses"][1]["steps"][0].update(extra=""),
    "$.diagnoses[1].evidence": lambda d: d["diagnoses"][1].update(evidence={}),
    "$.diagnoses[1].evidence[0]: no text": lambda d: d["diagnoses"][1].update(evidence=[{}]),
    "$.diagnoses[1].seen['a']": lambda d: d["diagnoses"][1].update(seen={"a": []}),
    "$.results": lambda d: d["results"].append(d["results"][0]),
    "$.results[0].status": lambda d: d["results"][0].update(status="ok"),
    "$.results[0].kind": lambda d: d["results"][0].update(kind="guess"),
    "$.results[1].outcome": lambda d: d["results"][1].update(kind="skipped"),
    "$.results[0].outcome: unknown": lambda d: d["results"][0]["outcome"].update(extra=1),
    "$.results[0].outcome.pair": lambda d: d["results"][0]["outcome"].update(pair=[1]),
    "$.results[0].outcome.count": lambda d: d["results"][0]["outcome"].update(count=1.0),
    "$.results[0].outcome.version": lambda d: d["results"][0]["outcome"].update(version=1),
    "$.results[0].outcome.raw": lambda d: d["results"][0]["outcome"].update(raw="\\x4"),
    "$.results[0].outcome.raw: ": lambda d: d["results"][0]["outcome"].update(raw="\ud800"),
    "$.results[0].outcome.text": lambda d: d["results"][0]["outcome"].update(text="\udfff"),
    "$.results[0].outcome.text: text": lambda d: d["results"][0]["outcome"].update(text="\0a"),
    "$.results[0].outcome.chain[0]: no der": lambda d: d["results"][0]["outcome"]["chain"][0].pop("der"),
    "$.results[0].outcome.chain[0].der": lambda d: d["results"][0]["outcome"]["chain"][0].update(der="MI I="),
    "$.findings": lambda d: d["results"].pop(0),
    "$.findings[0].subject": lambda d: d["findings"][0].update(subject="a]"),
    "$.findings[0].seen": lambda d: d["findings"][0].update(seen=[]),
    "$.conversations[0].events[0].text": lambda d: d["conversations"][0]["events"][0].update(text="\\"),
    "$.conversations[0].steps[0].broke": lambda d: d["conversations"][0]["steps"][0].update(broke=""),
}


@pytest.mark.parametrize("where", BROKEN)
def test_what_render_would_not_write_is_refused_with_its_path(where):
    with pytest.raises(ProtocolError, match=f"^{re.escape(where)}") as caught:
        decode(changed(BROKEN[where]), CATALOG)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"\x00"',
        b"\xff{}",
        "{} {}",
        '{"schema": 1, "schema": 1}',
        '{"schema": NaN}',
        "[" * 200_000,
        '{"schema":' * 200_000,
        '{"schema": ' + "1" * 5000 + "}",
    ],
    ids=range(11),
)
def test_what_is_no_report_at_all_is_refused(text):
    with pytest.raises(ProtocolError):
        decode(text, CATALOG)


def test_a_key_that_stands_twice_is_refused():
    text = rendered(FULL).replace('"complete": true', '"complete": true, "complete": true')
    with pytest.raises(ProtocolError, match="twice"):
        decode(text, CATALOG)


def test_a_number_out_of_range_is_refused_everywhere():
    text = rendered(FULL).replace('"elapsed": 1.5', '"elapsed": 1e999')
    with pytest.raises(ProtocolError, match=r"^\$\.elapsed"):
        decode(text, CATALOG)
    text = rendered(FULL).replace('"share": 0.0', '"share": 1e999')
    with pytest.raises(ProtocolError, match=r"^\$\.results\[0\]\.outcome"):
        decode(text, catalog([]))


def test_a_document_is_bounded_in_size():
    with pytest.raises(ProtocolError, match="longer"):
        decode(b" " * (report_json.SIZE_LIMIT + 1), CATALOG)


def test_whole_seconds_that_lost_their_point_are_still_seconds():
    assert decode(changed(lambda d: d.update(elapsed=2)), CATALOG).elapsed == 2.0


@given(st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)))
def test_anything_in_place_of_a_part_is_refused_by_protocol_error_alone(value):
    for key in ("target", "diagnoses", "findings", "results", "conversations", "not_tested", "environment", "started"):
        text = changed(lambda d, key=key: d.update({key: value}))
        try:
            decode(text, CATALOG)
        except ProtocolError as error:
            assert str(error).startswith("$")
        else:
            assert key == "environment" or value == []


@pytest.mark.parametrize(
    ("given", "path"),
    [
        (report(elapsed=float("nan")), "$.elapsed"),
        (report(elapsed=float("inf")), "$.elapsed"),
        (report(started=AT.replace(tzinfo=None)), "$.started"),
        (report(environment={"a": 1}), "$.environment['a']"),
        (report(not_tested=[Stage.DNS]), "$.not_tested"),
        (report(results=(result(WideFacts(pair=(1, "a", 2))),)), "$.results[0].outcome.pair"),
        (report(results=(result(WideFacts(words={"a": b""})),)), "$.results[0].outcome.words['a']"),
        (report(results=(result("facts that are no dataclass"),)), "$.results[0].outcome"),
        (report(results=(result(WideFacts(chain=(Renewed(b"", AT),))),)), "$.results[0].outcome.chain[0]"),
        (report(results=(result(WideFacts()), result(WideFacts()))), "$.results"),
        (report(results=(replace(result(WideFacts(), findings=1), subject=Subject("b")),)), "$.findings"),
    ],
)
def test_a_report_outside_the_contract_is_not_written(given, path):
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(path)}"):
        rendered(given)


# Secrets


def test_a_secret_in_place_of_its_reference_is_neither_written_nor_echoed():
    for secret in (SECRET, "envious", "env:", " file:x"):
        with pytest.raises(ValueError, match="not a reference") as caught:
            rendered(report(target=target(secret=secret)))
        assert secret not in str(caught.value).replace("env:NAME", "")


def test_no_field_of_a_target_is_made_for_a_secret():
    suspicious = re.compile("pass|passwd|pwd|token|credential|key|secret", re.IGNORECASE)
    assert [f.name for f in fields(core.Target) if suspicious.search(f.name)] == ["secret", "imap_secret"]
    assert {str(f.type) for f in fields(core.Target)} <= {
        *("str", "int | None", "float", "bool", "tuple[str, ...]", "TargetKind", "Mode", "Stage | None"),
    }


# The schema

VALIDATOR = jsonschema.Draft202012Validator(schema())


def test_the_schema_is_in_the_package_and_is_valid():
    assert files("smtpcheck.report.saved").joinpath("schema.json").is_file()
    jsonschema.Draft202012Validator.check_schema(schema())


def test_what_is_rendered_fits_the_schema():
    for written in (FULL, report()):
        VALIDATOR.validate(json.loads(rendered(written)))


def test_the_schema_is_closed_but_for_facts():
    def open_objects(node: Any, at: str) -> list[str]:
        if isinstance(node, list):
            return [found for i, item in enumerate(node) for found in open_objects(item, f"{at}/{i}")]
        if not isinstance(node, dict):
            return []
        inner = [found for key, item in node.items() for found in open_objects(item, f"{at}/{key}")]
        is_open = node.get("type") == "object" and node.get("additionalProperties", True) is True
        return inner + [at] * is_open

    assert open_objects(schema(), "") == ["/$defs/result/properties/outcome"]


# what two places say to each other, the calendar, sizes and facts are beyond a schema; `$` of Python's re forgives a \n
BEYOND = {
    *("$.diagnosis", "$.findings", "$.results", "$.results[0].status", "$.findings[0].subject"),
    *("$.started: ", "$.started: not", "$.elapsed: int too large"),
}


@pytest.mark.parametrize("where", [w for w in BROKEN if w not in BEYOND and not w.startswith("$.results[0].outcome")])
def test_the_schema_refuses_what_decode_refuses(where):
    assert not VALIDATOR.is_valid(json.loads(changed(BROKEN[where])))


NOUNS = {
    "target": core.Target,
    "failure": core.Failure,
    "blocked": core.Blocked,
    "skipped": core.Skipped,
    "conversation": core.Conversation,
    "walked": core.Step,
    "event": core.Event,
    "experiment": core.Experiment,
    "contact": core.Contact,
    "evidence": core.Evidence,
    "alternative": core.Alternative,
    "diagnosis": core.Diagnosis,
    "finding": core.Finding,
    "result": core.Result,
    "report": core.Report,
}
RENAMED = {"event": {"raw": "text"}, "evidence": {"text": "shows"}}
ADDED = {
    "evidence": {"text"},
    "alternative": {"decided_by"},
    "diagnosis": {"summary", "steps"},
    "finding": {"probe", "ref"},
    "result": {"status", "kind"},
    "report": {"schema", "diagnosis", "findings"},
}


@pytest.mark.parametrize("name", NOUNS)
def test_schema_and_dataclass_have_the_same_keys(name):
    keys = {RENAMED.get(name, {}).get(f.name, f.name) for f in fields(NOUNS[name])} | ADDED.get(name, set())
    if name == "result":
        keys -= {"findings"}
    described = schema()["$defs"][name]
    assert set(described["properties"]) == keys
    optional = set(OPTIONS) if name == "target" else set()
    assert set(described["required"]) == keys - optional


def test_schema_and_enums_have_the_same_values():
    defs = schema()["$defs"]
    for described, enum in [
        (defs["stage"], Stage),
        (defs["kind"], Kind),
        (defs["severity"], Severity),
        (defs["confidence"], core.Confidence),
        (defs["target"]["properties"]["kind"], core.TargetKind),
        (defs["target"]["properties"]["mode"], Mode),
        (defs["evidence"]["properties"]["who"], core.Who),
        (defs["event"]["properties"]["dir"], core.Direction),
        (defs["result"]["properties"]["status"], core.Status),
        (defs["report"]["properties"]["verdict"], core.Verdict),
    ]:
        assert described["enum"] == [member.value for member in enum]
