"""What does a build server read? A test suite for each target, a test case for each question and subject."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence

from smtpcheck.advice import Words
from smtpcheck.core import Report, Status, Verdict
from smtpcheck.report import escape, outline, plain
from smtpcheck.report.plain import Case

SUFFIX = ".xml"

_ELEMENT = {Status.FAIL: "failure", Status.BUG: "error"}
_SKIPPED = frozenset({Status.INCONCLUSIVE, Status.BLOCKED, Status.SKIPPED})
_OF_VERDICT = {
    Verdict.HEALTHY: "",
    Verdict.BROKEN: "failure",
    Verdict.BUG: "error",
    Verdict.INCONCLUSIVE: "skipped",
}


def render(reports: Sequence[Report], *, lang: str) -> str:
    """`testsuites` as Jenkins reads it: could not tell is skipped, with its reason, and said as a property."""
    words = Words(lang)
    suites = [_suite(report, words) for report in reports]
    totals = [sum(counts[i] for counts, _, _ in suites) for i in range(4)]
    seconds = sum(report.elapsed for report in reports)
    body = [line for _, opened, lines in suites for line in (opened, *lines, "  </testsuite>")]
    head = f"<testsuites{_attributes([('name', 'smtpcheck'), *_counts(totals), ('time', f'{seconds:.3f}')])}>"
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *body, "</testsuites>"]) + "\n"


def _suite(report: Report, words: Words) -> tuple[list[int], str, list[str]]:
    cases = [_case(case, report, words) for case in plain.cases(report, words)]
    kinds = [kind for kind, _ in cases]
    # every verdict but "healthy" shows, also where no single question carries it
    if (own := _OF_VERDICT[report.verdict]) and own not in kinds:
        cases.append(_verdict(report, own, words))
        kinds.append(own)
    counts = [len(kinds), *(kinds.count(kind) for kind in ("failure", "error", "skipped"))]
    attributes = [
        ("name", plain.spec(report)),
        ("timestamp", f"{report.started:%Y-%m-%dT%H:%M:%S}"),
        *_counts(counts),
        ("time", f"{report.elapsed:.3f}"),
    ]
    lines = ["    <properties>", *_properties(report, words), "    </properties>"]
    lines += [line for _, case in cases for line in case]
    return counts, f"  <testsuite{_attributes(attributes)}>", lines


def _counts(counts: Sequence[int]) -> Iterator[tuple[str, str]]:
    return zip(("tests", "failures", "errors", "skipped"), map(str, counts), strict=True)


def _properties(report: Report, words: Words) -> Iterator[str]:
    """What a green list of tests would hide."""
    told = report.diagnosis
    pairs = [
        ("verdict", str(report.verdict)),
        ("summary", plain.sentence(report, words)),
        ("diagnosis", told.code if told else ""),
        ("confidence", str(told.confidence) if told else ""),
        ("complete", str(report.complete).lower()),
        ("not_tested", " ".join(outline.untested(report))),
        *((f"could_not_test.{status}", _names(report, status)) for status in sorted(_SKIPPED)),
    ]
    for name, value in pairs:
        if value:
            yield f"      <property{_attributes([('name', f'smtpcheck.{name}'), ('value', value)])}/>"


def _names(report: Report, status: Status) -> str:
    return " ".join(dict.fromkeys(r.probe for r in report.results if r.status is status))


def _case(case: Case, report: Report, words: Words) -> tuple[str, list[str]]:
    attributes = [
        ("classname", f"smtpcheck.{case.name}"),
        ("name", f"{case.name} {case.subject}"),
        ("time", f"{case.result.elapsed:.3f}"),
    ]
    kind = "skipped" if case.status in _SKIPPED else _ELEMENT.get(case.status, "")
    inner: list[str] = []
    if kind == "skipped":
        inner = [
            _element(kind, outline.colon(words.ui[f"status.{case.status}"], words.ui) + case.reason, str(case.status))
        ]
    elif kind == "error":
        inner = [_element(kind, case.reason, "bug", [words.ui["sentence.bug"]])]
    elif kind:
        text = plain.advice(case.told, report, words) if case.told else case.texts
        message = plain.sentence(report, words) if case.told is report.diagnosis and case.told else case.texts[0]
        inner = [_element(kind, message, case.told.code if case.told else case.result.findings[0].code, text)]
    elif case.texts:
        inner = [f"      <system-out>{_text(case.texts)}</system-out>"]
    return kind, _testcase(attributes, inner)


def _verdict(report: Report, kind: str, words: Words) -> tuple[str, list[str]]:
    told = report.diagnosis
    text = plain.advice(told, report, words) if told else plain.notes(report, words)
    attributes = [("classname", "smtpcheck.verdict"), ("name", f"verdict {plain.spec(report)}"), ("time", "0.000")]
    code = told.code if told else str(report.verdict)
    inner = _element(kind, plain.sentence(report, words), code, () if kind == "skipped" else text)
    return kind, _testcase(attributes, [inner])


def _testcase(attributes: Iterable[tuple[str, str]], inner: Sequence[str]) -> list[str]:
    opened = f"    <testcase{_attributes(attributes)}"
    return [f"{opened}>", *inner, "    </testcase>"] if inner else [f"{opened}/>"]


def _element(name: str, message: str, kind: str, text: Iterable[str] = ()) -> str:
    opened = f"      <{name}{_attributes([('message', message), ('type', escape.visible(kind, 80))])}"
    body = _text(text)
    return f"{opened}>{body}</{name}>" if body else f"{opened}/>"


def _attributes(pairs: Iterable[tuple[str, str]]) -> str:
    # no control character passes `visible`, so none of what XML 1.0 section 2.2 forbids
    return "".join(f' {name}="{html.escape(escape.visible(value, 2000))}"' for name, value in pairs)


def _text(lines: Iterable[str]) -> str:
    return "\n".join(html.escape(escape.visible(line, 2000), quote=False) for line in lines)
