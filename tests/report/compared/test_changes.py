"""Does a comparison find what differs, what may explain a new break, and nothing in what differs by itself?"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from smtpcheck import core
from smtpcheck.core import Kind, Mode, Report, Stage, Subject, Verdict
from smtpcheck.lab import Lab
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.probes.port import PortFacts
from smtpcheck.probes.tls import TlsFacts
from smtpcheck.report.compared.aspects import counterpart, software, traits
from smtpcheck.report.compared.changes import CLOCK_MOVED, LATER, SLOWER, Change, Comparison, compare
from smtpcheck.route import AddressFacts, Candidate, SubmissionFacts
from smtpcheck.run import assemble
from smtpcheck.wire.smtp import Reply
from tests.checking import checked
from tests.report import samples

SITE = {"domain": "firma.test", "host": "smtp.firma.test", "ports": [587]}
FAULTS = (
    "healthy",
    "certificate-chain-incomplete",
    "connect-refused",
    "greeting-never",
    "auth-refused",
    "clock-behind",
)


async def _reports() -> dict[str, Report]:
    """One account, met on several days."""
    found = {}
    async with Lab() as lab:
        for day, fault in enumerate(FAULTS):
            report = await checked(await lab.start(fault, **SITE))
            # the lab's own detours and ports are no change of the account
            aim = replace(report.target, ca_file="", connect_to=(), dns="127.0.0.1", ntp="")
            contacts = (core.Contact("resolver", "127.0.0.1:53"),)
            at = report.started + timedelta(days=day)
            found[fault] = replace(report, target=aim, contacts=contacts, started=at)
    return found


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return asyncio.run(_reports())


def seen(report: Report, probe: str, **changed: Any) -> Report:
    """The report with other facts of a probe."""
    results = tuple(
        replace(r, outcome=replace(r.facts, **changed)) if r.probe == probe and r.facts is not None else r
        for r in report.results
    )
    return replace(report, results=results)


def later(report: Report, **changed: Any) -> Report:
    return replace(report, started=report.started + timedelta(days=30), **changed)


def codes(comparison: Comparison, *, explaining: bool = False) -> set[str]:
    return {c.code for c in comparison.changes if c.explains or not explaining}


def only(comparison: Comparison) -> Change:
    (change,) = comparison.changes
    return change


def facts_of(report: Report, kind: type[Any]) -> Any:
    return next(r.facts for r in report.results if isinstance(r.facts, kind))


def test_a_report_and_itself_differ_in_nothing(reports: dict[str, Report]) -> None:
    for report in reports.values():
        comparison = compare(report, later(report))
        assert comparison.changes == ()
        assert not comparison.changed
        assert comparison.unknown == ()


def test_the_older_report_is_the_old_one_whatever_the_order(reports: dict[str, Report]) -> None:
    one, other = reports["healthy"], reports["connect-refused"]
    assert compare(other, one) == compare(one, other)
    assert compare(other, one).old is one


def test_reports_of_different_targets_are_refused(reports: dict[str, Report]) -> None:
    other = replace(reports["healthy"], target=replace(reports["healthy"].target, spec="you@firma.test"))
    with pytest.raises(ValueError, match="different targets"):
        compare(reports["healthy"], other)


@pytest.mark.parametrize(
    ("fault", "stage", "first"),
    [
        ("certificate-chain-incomplete", Stage.CERTIFICATE, "chain"),
        ("connect-refused", Stage.CONNECT, "port"),
        ("clock-behind", Stage.CLOCK, "clock"),
    ],
)
def test_what_may_explain_a_new_break_comes_first(
    reports: dict[str, Report], fault: str, stage: Stage, first: str
) -> None:
    comparison = compare(reports["healthy"], reports[fault])
    assert comparison.broken is stage
    assert comparison.changes[0].code == first
    assert comparison.changes[0].explains
    explaining = [change.explains for change in comparison.changes]
    assert explaining == sorted(explaining, reverse=True)


@pytest.mark.parametrize("fault", ["greeting-never", "auth-refused"])
def test_a_break_without_a_difference_behind_it_is_explained_by_nothing(reports: dict[str, Report], fault: str) -> None:
    comparison = compare(reports["healthy"], reports[fault])
    assert comparison.broken
    assert codes(comparison, explaining=True) <= {"mechanisms"}
    assert comparison.changed


def test_what_one_report_alone_knows_is_no_change(reports: dict[str, Report]) -> None:
    comparison = compare(reports["healthy"], reports["connect-refused"])
    assert {"banner", "capabilities", "issuer", "tls-version"} <= {code for code, _ in comparison.unknown}
    assert codes(comparison).isdisjoint({code for code, _ in comparison.unknown})


def test_a_recovery_explains_nothing(reports: dict[str, Report]) -> None:
    comparison = compare(reports["connect-refused"], later(reports["healthy"]))
    assert comparison.broken is None
    assert {"port", "verdict", "diagnosis"} <= codes(comparison)
    assert not codes(comparison, explaining=True)


def test_the_same_break_as_before_is_no_new_one(reports: dict[str, Report]) -> None:
    comparison = compare(reports["connect-refused"], later(reports["connect-refused"]))
    assert comparison.broken is None


def test_a_certificate_that_ran_out_meanwhile_is_told_as_that(reports: dict[str, Report]) -> None:
    old = reports["healthy"]
    end = facts_of(old, ChainFacts).certificates[0].not_after
    day = end + timedelta(days=3)
    expired = core.Finding("certificate-expired", core.Severity.FAIL, Stage.CERTIFICATE, "", {})
    told = core.Diagnosis(
        stage=Stage.CERTIFICATE, code="certificate-expired", subject="", confidence=core.Confidence.CERTAIN
    )
    results = tuple(replace(r, findings=(expired,)) if r.probe == "chain" else r for r in old.results)
    new = replace(old, started=day, results=results, verdict=Verdict.BROKEN, diagnoses=(told,))
    comparison = compare(old, new)
    assert comparison.changes[0].code == "expired-since"
    assert comparison.changes[0].explains
    assert codes(comparison) == {"expired-since", "verdict", "diagnosis"}


def test_a_renewal_is_a_change_of_the_certificate_alone(reports: dict[str, Report]) -> None:
    facts = facts_of(reports["healthy"], ChainFacts)
    leaf = facts.certificates[0]
    renewed = replace(leaf, sha256="ab" * 32, not_after=leaf.not_after + timedelta(days=60), issuer="CN=Other")
    comparison = compare(
        reports["healthy"], later(seen(reports["healthy"], "chain", certificates=(renewed, *facts.certificates[1:])))
    )
    assert codes(comparison) == {"certificate", "expiry", "issuer"}
    assert comparison.changed


def on_two_ports(versions: dict[int, str], *, refused: int = 0) -> Report:
    """An account that can be sent from by two ports; the verdict is about the first that is well."""
    ways = tuple(Candidate(samples.NAME, port, mode) for port, mode in ((465, Mode.IMPLICIT), (587, Mode.STARTTLS)))
    results = [r for r in samples.walk() if r.probe in ("address", "clock")]
    way = SubmissionFacts(domain="example.test", source="guess", candidates=ways)
    results.append(samples.result("submission", Subject("example.test"), outcome=way))
    for one in ways:
        subject = Subject(samples.NAME, "127.0.0.1", one.port, one.mode)
        broke = Kind.REFUSED if one.port == refused else None
        results.append(samples.result("port", subject, outcome=PortFacts(broke=broke, seconds=0.1)))
        tls = TlsFacts(mode=one.mode, starttls=None, plain=False, version=versions[one.port], cipher="x")
        results += (
            [samples.result("tls", subject, outcome=tls), samples.result("greeting", subject)] if not broke else []
        )
        results += [samples.result("chain", subject)] if not broke else []
    return samples.report(tuple(results))


def test_an_endpoint_is_compared_with_itself_also_when_another_was_the_best_then() -> None:
    old = on_two_ports({465: "TLSv1.3", 587: "TLSv1.2"})
    new = later(on_two_ports({465: "TLSv1.3", 587: "TLSv1.2"}, refused=465))
    assert [subject.port for subject in counterpart(old, new) if subject] == [587, 587]
    assert codes(compare(old, new)) == {"port"}
    worse = later(on_two_ports({465: "TLSv1.3", 587: "TLSv1.0"}, refused=465))
    assert codes(compare(old, worse)) == {"port", "tls-version"}


# What differs by itself


def test_ids_dates_and_versions_in_a_greeting_are_no_other_software() -> None:
    assert software("220 mx.test ESMTP d2e1a72fcca58-7a.12 - gsmtp") == software("220 mx.test ESMTP 9b1c-8.4 - gsmtp")
    assert software("220 mx.test ESMTP Postfix") != software("220 mx.test ESMTP Exim 4.98")


def greeted(report: Report, text: str) -> Report:
    return later(seen(report, "greeting", greeting=Reply(220, (text.encode(),))))


def test_another_id_in_the_greeting_does_not_count_and_another_software_does(reports: dict[str, Report]) -> None:
    old = greeted(reports["healthy"], "mx.test ESMTP id 1a2b")
    quiet = compare(old, greeted(old, "mx.test ESMTP id 3c4d"))
    assert only(quiet).code == "banner"
    assert not quiet.changed
    loud = compare(old, greeted(old, "mx.test ESMTP Exim 1a2b"))
    assert loud.changed


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.3"), False),
        (("192.0.2.1",), ("192.0.2.1",), None),
        (("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "192.0.2.2"), None),
        (("192.0.2.1",), ("198.51.100.1",), True),
    ],
)
def test_a_pool_that_turns_is_no_move(
    reports: dict[str, Report], old: tuple[str, ...], new: tuple[str, ...], changed: bool | None
) -> None:
    facts = facts_of(reports["healthy"], AddressFacts)
    pair = [
        seen(reports["healthy"], "address", a=replace(facts.a, addresses=some), aaaa=facts.aaaa) for some in (old, new)
    ]
    comparison = compare(pair[0], later(pair[1]))
    found = [c.counts for c in comparison.changes if c.code == "addresses"]
    assert found == ([] if changed is None else [changed])


def timed(report: Report, seconds: float) -> Report:
    talks = tuple(
        replace(t, steps=tuple(replace(s, elapsed=seconds if s.stage is Stage.TLS else 0.01) for s in t.steps))
        for t in report.conversations
    )
    return replace(report, conversations=talks)


@pytest.mark.parametrize(
    ("then", "now", "changed"),
    [
        (0.02, 0.02 * SLOWER * 2, False),  # many times as long, and yet nothing
        (1.0, 1.0 + LATER, False),  # half a second, and yet as long as before
        (0.2, 0.21 + LATER, True),
        (0.21 + LATER, 0.2, True),
        (4.0, 4.0 * SLOWER - 0.1, False),
    ],
)
def test_a_time_counts_beyond_the_noise_only(
    reports: dict[str, Report], then: float, now: float, changed: bool
) -> None:
    comparison = compare(timed(reports["healthy"], then), later(timed(reports["healthy"], now)))
    assert [(c.code, c.stage) for c in comparison.changes] == ([("latency", Stage.TLS)] if changed else [])


@pytest.mark.parametrize(("offset", "changed"), [(CLOCK_MOVED - 1, False), (CLOCK_MOVED + 1, True)])
def test_a_clock_counts_beyond_what_both_measurements_may_be_off(
    reports: dict[str, Report], offset: float, changed: bool
) -> None:
    old = seen(reports["healthy"], "clock", offset=0.0, uncertainty=0.1)
    new = later(seen(reports["healthy"], "clock", offset=offset, uncertainty=0.1))
    assert codes(compare(old, new)) == ({"clock"} if changed else set())
    doubtful = seen(new, "clock", uncertainty=3.0)
    assert not compare(old, doubtful).changes


# What the user did


def test_an_option_explains_only_what_it_bears_on(reports: dict[str, Report]) -> None:
    old = reports["healthy"]
    for option, explains in ((("ca_file", "/x.pem"), False), (("connect_to", ("a:1:b:2",)), True)):
        new = replace(reports["greeting-never"], target=replace(old.target, **{option[0]: option[1]}))
        (change,) = (c for c in compare(old, new).changes if c.code == "setting")
        assert change.explains is explains, option


def test_another_resolver_explains_a_break_only_by_other_addresses(reports: dict[str, Report]) -> None:
    new = replace(reports["greeting-never"], contacts=(core.Contact("resolver", "192.0.2.53:53"),))
    same = compare(reports["healthy"], new)
    assert [c.explains for c in same.changes if c.code == "resolver"] == [False]
    facts = facts_of(new, AddressFacts)
    moved = seen(new, "address", a=replace(facts.a, addresses=("127.0.0.9",)), aaaa=facts.aaaa)
    other = compare(reports["healthy"], moved)
    assert [c.explains for c in other.changes if c.code == "resolver"] == [True]


def test_a_secret_is_told_as_there_or_not_and_never_as_what_it_is(reports: dict[str, Report]) -> None:
    values = [t.values for t in traits(reports["healthy"]) if t.code == "secret"]
    assert values == [("yes",)]


def test_lost_extensions_and_mechanisms_are_told_one_by_one(reports: dict[str, Report]) -> None:
    facts = facts_of(reports["healthy"], GreetingFacts)
    offers = dict(facts.secure_capabilities.keywords)
    fewer = {word: value for word, value in offers.items() if word != "SIZE"} | {"AUTH": "LOGIN"}
    new = seen(reports["healthy"], "greeting", secure_capabilities=replace(facts.secure_capabilities, keywords=fewer))
    found = {c.code: c for c in compare(reports["healthy"], later(new)).changes}
    assert found.keys() == {"capabilities", "mechanisms"}
    assert [text.split()[0] for text in found["capabilities"].lost] == ["SIZE"]
    assert found["capabilities"].gained == ()
    assert "PLAIN" in found["mechanisms"].lost


def test_reports_that_were_judged_again_compare_the_same(reports: dict[str, Report]) -> None:
    old, new = reports["healthy"], reports["certificate-chain-incomplete"]
    assert compare(assemble(old), assemble(new)).changes == compare(old, new).changes


def test_every_measured_clock_is_a_trait(reports: dict[str, Report]) -> None:
    assert facts_of(reports["clock-behind"], ClockFacts).offset > 300
    (trait,) = (t for t in traits(reports["clock-behind"]) if t.code == "clock")
    assert trait.values[0].startswith("-4"), "behind is negative, as people say it"
