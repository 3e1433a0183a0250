"""What does a TAP harness read? A test point for each question and subject, several targets as subtests (TAP 14)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from smtpcheck.advice import Words
from smtpcheck.core import Report, Status, Verdict
from smtpcheck.report import escape, plain
from smtpcheck.report.plain import Case

SUFFIX = ".tap"

_FAILED = frozenset({Status.FAIL, Status.BUG})


def render(reports: Sequence[Report], *, lang: str) -> str:
    """TAP 14. What could not be told is `# SKIP` with its reason, which a harness counts apart from what passed."""
    words = Words(lang)
    lines = ["TAP version 14"]
    if len(reports) == 1:
        return "\n".join([*lines, *_points(reports[0], words)]) + "\n"
    lines.append(f"1..{len(reports)}")
    for number, report in enumerate(reports, 1):
        lines.append(f"# Subtest: {_described(plain.spec(report))}")
        lines += [f"    {line}" for line in _points(report, words)]
        good = report.verdict in (Verdict.HEALTHY, Verdict.INCONCLUSIVE)
        skip = f" # SKIP {_described(plain.sentence(report, words))}" if report.verdict is Verdict.INCONCLUSIVE else ""
        lines.append(f"{'ok' if good else 'not ok'} {number} - {_described(plain.spec(report))}{skip}")
    return "\n".join(lines) + "\n"


def _points(report: Report, words: Words) -> Iterator[str]:
    cases = plain.cases(report, words)
    shown = any(case.status in _FAILED for case in cases)
    # every verdict but "healthy" shows, also where no single question carries it
    own = not (report.verdict is Verdict.HEALTHY or (shown and report.verdict is not Verdict.INCONCLUSIVE))
    yield f"1..{len(cases) + own}"
    for line in (plain.sentence(report, words), *plain.notes(report, words)):
        yield f"# {escape.visible(line, 1000)}"
    for number, case in enumerate(cases, 1):
        yield from _point(number, case, report, words)
    if own:
        yield from _verdict(len(cases) + 1, report, words)


def _point(number: int, case: Case, report: Report, words: Words) -> Iterator[str]:
    said = _described(f"{case.name} {case.subject}")
    if case.status in _FAILED:
        yield f"not ok {number} - {said}"
    elif case.status in plain.LEARNT:
        yield f"ok {number} - {said}"
    else:
        yield f"ok {number} - {said} # SKIP {_described(f'{case.status}: {case.reason}')}"
        return
    text = list(plain.advice(case.told, report, words)) if case.told else [*case.texts]
    text += [case.reason] if case.reason else []
    if text:
        yield from _block(str(case.status), case.result.elapsed, text)


def _verdict(number: int, report: Report, words: Words) -> Iterator[str]:
    sentence = plain.sentence(report, words)
    if report.verdict is Verdict.INCONCLUSIVE:
        yield f"ok {number} - verdict # SKIP {_described(sentence)}"
        return
    yield f"not ok {number} - verdict"
    told = report.diagnosis
    yield from _block(str(report.verdict), report.elapsed, [*plain.advice(told, report, words)] if told else [sentence])


def _block(status: str, seconds: float, text: Sequence[str]) -> Iterator[str]:
    """A YAML diagnostic block; a JSON string is a YAML string, whatever is in it."""
    yield "  ---"
    yield f"  status: {status}"
    yield f"  seconds: {seconds:.3f}"
    yield "  said:"
    for line in text:
        yield f"    - {json.dumps(escape.visible(line, 2000), ensure_ascii=False)}"
    yield "  ..."


def _described(text: str) -> str:
    """On one line, and never a directive: `#` and the backslash are escaped."""
    return re.sub(r"([\\#])", r"\\\1", escape.visible(text, 400))
