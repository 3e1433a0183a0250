"""What does a monitoring plugin say? One line of status with performance data, the rest below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smtpcheck import route
from smtpcheck.advice import Words
from smtpcheck.core import Report, Severity, Status, Verdict
from smtpcheck.report import escape, outline, plain

SUFFIX = ".nagios"

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
"""The plugin API's own exit codes (Monitoring Plugins Development Guidelines, "Plugin Return Codes")."""
_NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_WORST = (CRITICAL, UNKNOWN, WARNING, OK)
_OF_VERDICT = {Verdict.BROKEN: CRITICAL, Verdict.INCONCLUSIVE: UNKNOWN, Verdict.BUG: UNKNOWN}
MAX_LINE = 1000
"""Characters of one line; a plugin's whole output is cut at 8192 octets by default (Nagios Core 4)."""


def state(reports: Sequence[Report]) -> int:
    """The exit code: broken is critical, not learnt is unknown, healthy with a warning on its way is a warning."""
    found = {_state(report) for report in reports}
    return next((code for code in _WORST if code in found), UNKNOWN)


def _state(report: Report) -> int:
    if report.verdict is not Verdict.HEALTHY:
        return _OF_VERDICT[report.verdict]
    return WARNING if next(_warnings(report), None) else OK


def _warnings(report: Report) -> Iterator[outline.Remark]:
    """Warnings about what the verdict is about: other endpoints of the host wake nobody."""
    subject = route.chosen(report.target, report.results)
    mine = {str(r.subject) for r in report.results if r.subject == subject or not r.subject.address}
    for remark in outline.remarks(report):
        if remark.finding.severity is Severity.WARN and remark.finding.subject in mine:
            yield remark


def render(reports: Sequence[Report], *, lang: str) -> str:
    """`SMTPCHECK OK - text | perfdata`, then a line for every target or, of one, what to do."""
    words = Words(lang)
    head = f"SMTPCHECK {_NAMES[state(reports)]} - {_plain(_overview(reports, words))}"
    data = " ".join(one for report in reports for one in _perfdata(report, many=len(reports) > 1))
    below = _below(reports[0], words) if len(reports) == 1 else (_line(report, words) for report in reports)
    return "\n".join([f"{head} | {data}", *map(_plain, below)]) + "\n"


def _overview(reports: Sequence[Report], words: Words) -> str:
    if len(reports) == 1:
        return f"{plain.spec(reports[0])}: {_told(reports[0], words)}"
    counts = plain.counted(reports)
    return ", ".join(f"{counts[v]} {words.ui[f'verdict.{v}']}" for v in Verdict if counts[v])


def _told(report: Report, words: Words) -> str:
    warning = next(_warnings(report), None) if report.verdict is Verdict.HEALTHY else None
    said = plain.sentence(report, words)
    return said + outline.brackets(outline.remark_text(warning, words), words.ui) if warning else said


def _line(report: Report, words: Words) -> str:
    return f"{_NAMES[_state(report)]}: {plain.spec(report)}: {_told(report, words)}"


def _below(report: Report, words: Words) -> Iterator[str]:
    for told in report.diagnoses:
        yield from plain.advice(told, report, words)
    yield from plain.notes(report, words)


def _plain(text: str) -> str:
    """One line; a bar begins the performance data, so none may stand in the text."""
    return escape.visible(text, MAX_LINE).replace("|", "\\x7c")


def _perfdata(report: Report, *, many: bool) -> Iterator[str]:
    """'label'=value[unit];warn;crit;min, with the labels of one target or, of several, TARGET::label."""
    prefix = f"{plain.spec(report)}::" if many else ""
    yield _datum(f"{prefix}time", f"{report.elapsed:.3f}s;;;0")
    for stage, seconds in plain.seconds_of_stages(report).items():
        yield _datum(f"{prefix}{stage}", f"{seconds:.4f}s;;;0")
    if ends := plain.expiry(report):
        yield _datum(f"{prefix}certificate_days", f"{(ends[0] - ends[1]).total_seconds() / 86400:.1f};;0:")
    if measured := plain.clock(report):
        yield _datum(f"{prefix}clock_offset", f"{measured.offset:.3f}s")
    failed = sum(result.status is Status.FAIL for result in report.results)
    yield _datum(f"{prefix}broken", f"{failed};;;0")


def _datum(label: str, value: str) -> str:
    # a label may hold neither the equals sign nor a single quote nor a bar (Guidelines, "Performance data")
    plain = "".join("_" if char in "='|" else char for char in label)
    return f"'{plain}'={value}"
