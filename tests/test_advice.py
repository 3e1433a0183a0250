"""Is every code explained in every language, truthfully and completely, and is a stranger's value harmless in it?"""

import ast
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path

import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck import advice
from smtpcheck.advice import LANGUAGES, VALUE_LIMIT, Entry, Words, entry, fill, language, placeholders, ui
from smtpcheck.advice.examples import REPLY, SEEN, STANDARD
from smtpcheck.core import (
    Alternative,
    Confidence,
    Diagnosis,
    Evidence,
    Finding,
    Kind,
    Mode,
    Rule,
    Scalar,
    Severity,
    Stage,
    Status,
    Verdict,
    Who,
)
from smtpcheck.diagnosis.causes import CAUSES
from smtpcheck.diagnosis.evidence import UNKNOWN_WORDS
from smtpcheck.probes import probes, rules
from smtpcheck.wire import sasl
from tests.every import every

ROOM = Path(advice.__file__).parent
CAUSE_CODES = {cause.code for causes in CAUSES.values() for cause in causes}
# Findings that are more than what another is told by: their own entry says what to do.
ITSELF = CAUSE_CODES & CAUSES.keys()
# Faults that people know by these names and that are no cause: nobody sees them from here, or they break nothing.
KNOWN = (ROOM.parent.parent / "docs" / "faults.txt").read_text("utf-8").split()
EXPLAINED = (
    {code for code in KNOWN if (ROOM / code.partition("-")[0] / f"{code}.toml").exists()} - CAUSE_CODES - rules().keys()
)
CODES = sorted({*rules(), *CAUSE_CODES, *EXPLAINED, *UNKNOWN_WORDS})
KEYS = {"summary", "short", "why", "steps", "otherwise", "decides"}
HAN = re.compile("[一-鿿]")
# words that begin a sentence but are no verb
NO_VERB = {
    *("a", "an", "the", "this", "that", "these", "those", "it", "you", "your", "if", "when", "where", "there"),
    *("no", "not", "in", "on", "at", "for", "with", "please"),
}

# Which values has a finding? Read from the probes' source: every `self.found(code, key=..., **values)`.


class Calls:
    """The calls of `self.found` in one probe's module, with the codes and keys that each may have."""

    def __init__(self, module: str) -> None:
        self.module = import_module(module)
        self.tree = ast.parse(inspect.getsource(self.module))
        self.functions = [
            node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]

    def found(self) -> Iterator[tuple[set[str], set[str]]]:
        """(codes, keys) of each call."""
        for function in self.functions:
            for call in calls(function, "found"):
                yield self.codes(call.args[0], function), keys(call, function)

    def codes(self, node: ast.AST, function: ast.AST) -> set[str]:
        """All rules whose code can be reached from the expression, through names, tables and parameters."""
        return {
            code for pattern in self.patterns(node, function, set()) for code in rules() if re.fullmatch(pattern, code)
        }

    def patterns(self, node: ast.AST, function: ast.AST, been: set[tuple[str, ast.AST]]) -> Iterator[str]:
        for part in ast.walk(node):
            if isinstance(part, ast.JoinedStr):
                yield "".join(f"(?:{'|'.join(self.patterns(v, function, been)) or '.+'})" for v in part.values)
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield re.escape(part.value)
            elif isinstance(part, ast.Name) and (part.id, function) not in been:
                been = been | {(part.id, function)}
                table = getattr(self.module, part.id, None)
                if isinstance(table, Mapping):
                    yield from (re.escape(each.code) for each in table.values() if isinstance(each, Rule))
                for value, scope in self.values(part.id, function):
                    yield from self.patterns(value, scope, been)

    def values(self, name: str, function: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """What the name may stand for: assigned here, passed by a caller, or a table of the module."""
        yield from ((value, function) for value in assigned(name, function))
        parameters = [arg.arg for arg in function.args.args] if isinstance(function, ast.FunctionDef) else []
        if name in parameters[1:]:
            for caller in self.functions:
                for call in calls(caller, function.name):
                    place = parameters.index(name) - 1
                    yield from ((arg, caller) for arg in call.args[place : place + 1])
        tables = (node for node in self.tree.body if isinstance(node, ast.Assign | ast.AnnAssign))
        yield from ((value, self.tree) for table in tables for value in assigned(name, table))


def calls(function: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
            yield node


def assigned(name: str, scope: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(scope):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            yield getattr(node, "value", None) or ast.Constant("")


def keys(call: ast.Call, function: ast.AST) -> set[str]:
    """The keyword names, those of a `**values` with a dict literal behind it included, and `detail` for a reason."""
    named = {keyword.arg for keyword in call.keywords if keyword.arg} | {"detail" for _ in call.args[1:]}
    for keyword in call.keywords:
        if keyword.arg is None and isinstance(keyword.value, ast.Name):
            for table in assigned(keyword.value.id, function):
                assert isinstance(table, ast.Dict)
                named |= {key.value for key in table.keys if isinstance(key, ast.Constant)}
    return named


def offered_by_findings() -> dict[str, set[str]]:
    """The values that every finding of a code has."""
    offered: dict[str, set[str]] = {}
    for module in {type(probe).__module__ for probe in probes()}:
        for codes, names in Calls(module).found():
            for code in codes:
                offered[code] = offered.get(code, names) & names
    return offered


OFFERED = offered_by_findings()
# by the name of `Cause.seen`
BROUGHT = {
    "_nothing": set[str](),
    "measured": OFFERED["clock-ahead"],
    "ehlo_reply": {"code", "text"},
    "_suggestion": {"suggestion"},
    "_recipients_domain": {"name"},
    "drift_seen": OFFERED["clock-ahead"],
    "inspected": {"product", "kind", "issuer"},
    "stores_seen": {"own", "roots", "other", "others"},
    "name_seen": {"asked"},
    "hello_seen": {"version", "cipher"},
    "chosen": {"version", "cipher"},
    "witnessed": OFFERED["clock-contradicted"],
}


def ways(code: str) -> list[set[str]]:
    """The values that a text may use, for each way that leads to the code: found itself, or the cause of a finding."""
    if code in UNKNOWN_WORDS:
        return [{"code", "enhanced", "subject"}]
    found = [OFFERED[code]] if code in OFFERED else []
    for finding, causes in CAUSES.items():
        brought = [BROUGHT[getattr(cause.seen, "__name__", "")] for cause in causes if cause.code == code]
        found.extend(OFFERED[finding] | more for more in brought)
    return [way | {"subject"} for way in found or [set[str]()]]


def offered_to(code: str) -> set[str]:
    """What is at hand whichever way leads to the code."""
    return set.intersection(*ways(code))


def content(code: str, lang: str) -> dict[str, object]:
    """The file itself, without the fall-back to English."""
    found: dict[str, dict[str, object]] = read(code)
    assert found.keys() == set(LANGUAGES), f"{code} has no text in every language"
    return found[lang]


@cache
def read(code: str) -> dict[str, dict[str, object]]:
    path = ROOM / code.partition("-")[0] / f"{code}.toml"
    assert path.is_file(), f"{code} has no text"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def texts(found: Entry) -> list[str]:
    return [found.summary, found.short, found.why, *found.steps, found.otherwise]


def used(code: str, lang: str) -> set[str]:
    content(code, lang)
    found = entry(code, lang)
    assert found
    return {name for text in texts(found) for name in placeholders(text)}


def test_the_source_of_the_probes_is_understood() -> None:
    assert set(rules()) - OFFERED.keys() == set()
    assert OFFERED["clock-ahead"] >= {"seconds", "server", "uncertainty"}
    assert OFFERED["sender-refused"] == {"address", "accepted", "code", "enhanced", "text"}
    assert OFFERED["sender-cut-off"] == {"address", "detail"}
    assert OFFERED["connect-refused"] == {"detail", "seconds"}
    assert "not_after" in OFFERED["certificate-issuer-expired"]
    assert OFFERED["mode-found"] == {"tried", "found"}


# The entries


@every(code=CODES, lang=LANGUAGES)
def test_every_code_has_a_complete_entry_of_its_own(code: str, lang: str) -> None:
    assert content(code, lang).keys() <= KEYS
    found = entry(code, lang)
    assert found
    assert found.code == code
    assert found.summary
    to_repair = code in CAUSE_CODES | EXPLAINED or (code in rules() and rules()[code].severity is not Severity.NOTE)
    if to_repair:
        assert found.why
        assert found.steps
    if found.steps:
        assert found.otherwise
    told_apart = code in CAUSE_CODES | EXPLAINED
    assert found.decides or not told_apart, "each cause has what decides"
    assert not found.decides or told_apart or code in rules()


@every(code=CODES, lang=LANGUAGES)
def test_texts_are_formed_alike(code: str, lang: str) -> None:
    content(code, lang)
    found = entry(code, lang)
    assert found
    for text in (*texts(found), found.decides):
        assert text == text.strip()
        assert "\n" not in text
        assert not re.search("[!！]$", text)
        assert text.count("`") % 2 == 0
        assert not re.search(r"[{}]", re.sub(r"`[^`]*`|\{[a-z_]+\}", "", text)), "a brace that is no placeholder"
    assert not found.summary.endswith((".", "。"))
    if found.otherwise:
        assert found.otherwise.startswith(ui(lang)["head.otherwise"])


@every(code=CODES)
def test_english_is_plain_and_steps_begin_with_a_verb(code: str) -> None:
    content(code, "en")
    found = entry(code, "en")
    assert found
    first = found.summary.split()[0].strip("{}")
    assert first[0].islower() or sum(map(str.isupper, first)) > 1 or first == "Google", "lower-case, but for names"
    assert not HAN.search(found.summary)
    for step in found.steps:
        word = step.split()[0]
        assert re.fullmatch("[A-Z][a-z]+[:,]?", word), step
        assert word.lower().rstrip(":,") not in NO_VERB, step


@every(code=CODES)
def test_chinese_is_chinese(code: str) -> None:
    content(code, "zh-CN")
    chinese, english = entry(code, "zh-CN"), entry(code, "en")
    assert chinese
    assert english
    for text in filter(None, (*texts(chinese), chinese.decides)):
        assert HAN.search(text), text
    assert not set(texts(chinese)) & set(filter(None, texts(english)))


@every(code=CODES)
def test_both_languages_show_the_same_values_and_only_those_at_hand(code: str) -> None:
    english, chinese = used(code, "en"), used(code, "zh-CN")
    assert english == chinese
    found = entry(code, "en")
    assert found
    body = {name for text in (found.why, *found.steps, found.otherwise) for name in placeholders(text)}
    assert body <= offered_to(code) | STANDARD.keys()


@every(code=CODES, lang=LANGUAGES)
def test_a_summary_shows_only_what_was_seen(code: str, lang: str) -> None:
    """It names findings in tables, where no report is at hand."""
    content(code, lang)
    found = entry(code, lang)
    assert found
    for way in ways(code):
        assert placeholders(found.summary) <= way or (found.short and placeholders(found.short) <= way)


# What a reader would have to fill in: named as a value is that a report knows, or as people name such a blank.
BLANKS = {part.upper() for name in (*STANDARD, *SEEN, *REPLY) for part in (name, *name.split("_"))} | {
    *("FILE", "DEVICE", "HASH", "HOSTNAME", "IFACE", "INTERFACE", "MAILBOX", "MXHOST", "NUMBER", "PASSWORD", "PROXY"),
    *("ROOT", "SELECTOR", "SERVICE", "YOU", "YOUR", "OLD", "NEW", "YOUR-ADDRESS"),
}
# But for words of the protocols, which stand there as they are sent.
WORDS_OF_PROTOCOLS = {
    *(kind.name for kind in dns.rdatatype.RdataType),
    *sasl.KNOWN,
    *("EHLO", "AUTH", "STARTTLS", "MAIL", "RCPT", "DATA", "QUIT", "RSET", "IMAP", "ID"),
}


def blanks(text: str) -> set[str]:
    """The words in its commands that a reader has to replace; a variable of the shell is none."""
    commands = " ".join(text.split("`")[1::2])
    words = set(re.findall(r"(?<![\w$}{-])[A-Z][A-Z0-9_-]*(?![\w}]|:\{)", commands))
    return words & (BLANKS - WORDS_OF_PROTOCOLS)


@every(code=CODES, lang=LANGUAGES)
def test_no_command_has_a_blank_to_fill_in(code: str, lang: str) -> None:
    content(code, lang)
    found = entry(code, lang)
    assert found
    assert set().union(*map(blanks, found.texts)) == set()


def test_a_blank_is_told_from_a_word_of_the_protocol() -> None:
    text = (
        "HOST `nc HOST 587` `dig {name} MX` `AUTH LOGIN` `echo $NAME ${USER}` `IP:{ip}` `SSL_CERT_FILE=x -d OLD.NAME`"
    )
    assert blanks(text) == {"HOST", "OLD", "NAME"}


@every(code=sorted(CAUSE_CODES), lang=LANGUAGES)
def test_what_decides_needs_no_values_of_its_own(code: str, lang: str) -> None:
    """It is shown where the cause is only an alternative, and what was seen there is another finding's."""
    content(code, lang)
    found = entry(code, lang)
    assert found
    assert placeholders(found.decides) <= STANDARD.keys()


@every(code=sorted(CAUSE_CODES), lang=LANGUAGES)
def test_an_alternative_is_named_without_values_that_only_a_certain_cause_has(code: str, lang: str) -> None:
    content(code, lang)
    found = entry(code, lang)
    assert found
    theirs = [OFFERED[f] | {"subject"} for f, causes in CAUSES.items() if code in {cause.code for cause in causes}]
    assert all(placeholders(found.summary) <= names or placeholders(found.short or "{?}") <= names for names in theirs)
    needless = all(placeholders(found.summary) <= names for names in (*theirs, *ways(code)))
    assert not (found.short and needless), "short is not needed"


def test_the_codes_with_a_text() -> None:
    assert advice.codes() == tuple(CODES)


def test_no_text_without_a_code() -> None:
    files = {path.relative_to(ROOM).as_posix() for path in ROOM.rglob("*.toml")}
    ours = {"ui/en.toml", "ui/zh-CN.toml", "examples.toml"}
    assert files - ours == {f"{code.partition('-')[0]}/{code}.toml" for code in CODES}


# Which entry


def test_an_unknown_code_has_no_entry() -> None:
    assert entry("no-such-code", "en") is None
    assert entry("no-such-code", "zh-CN") is None


@pytest.mark.parametrize(
    "code", ["", "_ui", "../en/connect-refused", "connect-refused\n", "PORT-REFUSED", "/", "a" * 10_000, "\0"]
)
def test_a_code_can_not_name_another_file(code: str) -> None:
    assert entry(code, "en") is None


def test_a_language_not_spoken_is_an_error() -> None:
    with pytest.raises(ValueError, match="language"):
        entry("connect-refused", "../../../etc")


def test_a_code_without_chinese_is_explained_in_english(tmp_path: Path) -> None:
    room = copied_room(tmp_path)
    (room / "new").mkdir()
    (room / "new" / "new-thing.toml").write_text('[en]\nsummary = "a new thing"\n', encoding="utf-8")
    assert said(tmp_path, "entry('new-thing', 'zh-CN').summary") == "a new thing"


@pytest.mark.parametrize(
    "body", ['summary = "x"\ncolour = "red"', "summary = 3", 'summary = "x"\nsteps = "one"', 'why = "x"']
)
def test_a_malformed_entry_is_an_error(tmp_path: Path, body: str) -> None:
    room = copied_room(tmp_path) / "new"
    room.mkdir()
    (room / "new-thing.toml").write_text(f"[en]\n{body}", encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        said(tmp_path, "entry('new-thing', 'en')")
    assert "ValueError: en/new-thing" in caught.value.stderr


def copied_room(where: Path) -> Path:
    """The package with room for other files, so that the one under test stays as it is."""
    package = ROOM.parent
    for path in package.rglob("*"):
        if path.suffix in (".py", ".toml") and "lab" not in path.parts:
            copy = where / "smtpcheck" / path.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    return where / "smtpcheck" / "advice"


def said(where: Path, expression: str) -> str:
    """What another Python says, with the package taken from `where`."""
    program = f"from smtpcheck.advice import entry; print({expression})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(where), "PYTHONIOENCODING": "utf-8"},
        cwd=where,
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("option", "environ", "expected"),
    [
        ("", {}, "en"),
        ("zh-CN", {"LANG": "en_US.UTF-8"}, "zh-CN"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
        ("", {"LANG": "zh_CN.UTF-8"}, "zh-CN"),
        ("", {"LANG": "zh_TW.UTF-8"}, "zh-CN"),
        ("", {"LANG": "ZH"}, "zh-CN"),
        ("", {"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "de_DE.UTF-8"}, "en"),
        ("", {"LC_MESSAGES": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ("", {"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh-CN"),
        ("", {"LC_ALL": "C", "SMTPCHECK_LANG": "zh-CN"}, "zh-CN"),
        ("de", {}, "en"),
    ],
)
def test_the_language_asked_for(option: str, environ: Mapping[str, str], expected: str) -> None:
    assert language(option, environ) == expected


# Values


def test_values_are_filled_in() -> None:
    seen: dict[str, Scalar] = {"port": 465, "limit": 3.0, "seconds": 3.1}
    assert fill("{subject}: {port}, {seconds} s, {limit} s", seen, "h:1") == "h:1: 465, 3.1 s, 3 s"


def test_a_value_that_is_missing_shows_as_a_question_mark() -> None:
    assert fill("at {where}", {}, "") == "at ?"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no answer: {x}", "no answer"),
        ("没有应答：{x}", "没有应答"),
        ("failed ({x}) here", "failed here"),
        ("失败（{x}）了", "失败了"),
        ("code {x}", "code"),
    ],
)
def test_an_empty_value_takes_its_introduction_along(text: str, expected: str) -> None:
    assert fill(text, {"x": ""}, "") == expected
    assert fill(text, {"x": "y"}, "") == text.replace("{x}", "y")


@pytest.mark.parametrize(
    "text", ["{0.__class__}", "{x.__class__}", "{x!r}", "{x:>99999999}", "{x[0]}", "{}", "{X}", "%s", "{{x"]
)
def test_only_plain_names_are_filled(text: str) -> None:
    assert fill(text, {"x": "y", "0": "z"}, "s") == text


def test_a_value_is_not_filled_again() -> None:
    assert fill("{x} {y}", {"x": "{y}", "y": "{subject}"}, "secret") == "{y} {subject}"


@pytest.mark.parametrize(
    "value", ["\x1b[31m", "a\r\nb", "\0", "\x7f", "\x9b2J", "\u202e", "\u2028", "\u200b", "\udc80", "\ue000", "`rm`"]
)
def test_nothing_invisible_comes_through(value: str) -> None:
    shown = fill("{x}{subject}", {"x": value}, value)
    assert shown.isprintable()
    assert "\\" in shown
    assert "`" not in shown


@given(
    st.dictionaries(st.sampled_from(["x", "y"]), st.text() | st.none() | st.booleans() | st.integers() | st.floats())
)
def test_any_value_is_shown_on_one_short_line(seen: dict[str, Scalar]) -> None:
    shown = fill("{x} ({y}) `{x}`", seen, "")
    assert shown.isprintable()
    assert shown.count("`") == 2
    assert len(shown) < 3 * VALUE_LIMIT + 20


def test_a_huge_value_is_cut() -> None:
    shown = fill("{x}", {"x": "\x1b" * 10**6}, "")
    assert len(shown) == VALUE_LIMIT
    assert shown.endswith("…")
    assert fill("{x}", {"x": "y" * VALUE_LIMIT}, "") == "y" * VALUE_LIMIT


@pytest.mark.parametrize(
    "value", ["a;id", "$(id)", "a b", "-oProxyCommand", "a|b", "a&b", "a'b", 'a"b', "a>b", "a*", "~", "é"]
)
def test_a_command_to_copy_holds_no_value_that_a_shell_would_read(value: str) -> None:
    assert fill("run `dig {name} A` for {name}", {"name": value}, "") == f"run `dig NAME A` for {value}"


@pytest.mark.parametrize(
    "value", ["smtp.example.com", "_submission._tcp.example.com", "127.0.0.1:53", "[::1]:25", "AAAA"]
)
def test_a_command_to_copy_holds_a_plain_value(value: str) -> None:
    assert fill("`dig {name}`", {"name": value}, "") == f"`dig {value}`"


# The words of a report


def diagnosis(code: str, **seen: Scalar) -> Diagnosis:
    return Diagnosis(stage=Stage.DNS, code=code, subject="h[::1]:25", confidence=Confidence.CERTAIN, seen=seen)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_diagnosis_in_words(lang: str) -> None:
    words, found = (
        Words(lang),
        diagnosis("dns-nxdomain", name="smtp.example.com", resolver="127.0.0.1:53", detail=""),
    )
    plain = entry("dns-nxdomain", lang)
    assert plain
    assert "smtp.example.com" in words.summary(found)
    assert "127.0.0.1:53" in words.why(found)
    steps = words.steps(found)
    assert [id_ for id_, _ in steps] == [f"dns-nxdomain.{i + 1}" for i in range(len(plain.steps))]
    assert any("smtp.example.com A`" in text for _, text in steps)
    assert words.otherwise(found) == plain.otherwise.replace("{domain}", "example.com")
    assert (
        words.decided_by(found, Alternative("connect-refused", Confidence.LIKELY))
        == entry("connect-refused", lang).decides
    )
    assert "?" not in words.summary(found) + words.why(found)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", ["clock-ahead", "clock-behind", "host-typo"])
def test_an_alternative_whose_values_are_unknown_is_named_in_short(code: str, lang: str) -> None:
    plain = entry(code, lang)
    assert plain
    short = Words(lang).summary(diagnosis(code, name="smtp.qq.con"))
    assert short == plain.short.replace("{name}", "smtp.qq.con")
    full = Words(lang).summary(diagnosis(code, name="smtp.qq.con", suggestion="smtp.qq.com", server="s", minutes=7.0))
    assert full != short
    assert "?" not in full


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_finding_in_words(lang: str) -> None:
    found = Finding("mx-null", Severity.FAIL, Stage.DNS, "example.com", {"name": "example.com"})
    assert "example.com" in Words(lang).finding(found)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_code_of_another_release_is_named_as_such(lang: str) -> None:
    words, found = Words(lang), diagnosis("x-\x1b[31m")
    assert r"x-\x1b[31m" in words.summary(found)
    assert words.steps(found) == []
    assert words.why(found) == words.otherwise(found) == ""
    assert words.decided_by(found, Alternative("x-1", Confidence.LIKELY)) == ""


@pytest.mark.parametrize("lang", LANGUAGES)
def test_evidence_in_words_never_shows_a_gap(lang: str) -> None:
    words = Words(lang)
    found = diagnosis("dns-nxdomain", name="smtp.example.com", resolver="127.0.0.1:53")
    proof = Evidence(Who.RESOLVER, datetime(2024, 1, 1, tzinfo=UTC), Stage.DNS, b"", "dns-nxdomain")
    assert "smtp.example.com" in words.evidence(proof, found)
    assert words.evidence(proof) == ui(lang)["evidence.resolver"].replace("{stage}", ui(lang)["stage.dns"])
    foreign = Evidence(Who.SERVER, proof.at, Stage.TLS, b"", "mode-found")
    assert "?" not in words.evidence(foreign, found)
    assert words.evidence(Evidence(Who.OS, proof.at, Stage.CONNECT, b"", "../x"))


# The words of the renderers


def test_both_languages_have_the_same_words() -> None:
    assert ui("en").keys() == ui("zh-CN").keys()
    for key, text in ui("en").items():
        assert text
        assert placeholders(text) == placeholders(ui("zh-CN")[key]), key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_noun_has_a_name(lang: str) -> None:
    nouns = {
        "verdict": Verdict,
        "stage": Stage,
        "short": Stage,
        "mode": Mode,
        "status": Status,
        "severity": Severity,
        "confidence": Confidence,
        "who": Who,
        "evidence": Who,
        "kind": Kind,
    }
    for table, noun in nouns.items():
        names = {key.partition(".")[2] for key in ui(lang) if key.startswith(f"{table}.")}
        assert names == set(noun), table


def test_chinese_words_are_chinese() -> None:
    same = {key for key, text in ui("en").items() if ui("zh-CN")[key] == text}
    without_words = {key for key in same if re.fullmatch(r"\{[a-z_]+\}", ui("en")[key])}
    assert {key.partition(".")[2] for key in same - without_words} <= {"ehlo", "starttls", "quit", "tls"}
