"""What does a failed question say? The cause, the evidence and the steps, as the command would, and no traceback."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from typing import Any

from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback
from _pytest._io import TerminalWriter

from smtpcheck.advice import Words
from smtpcheck.core import Report, Severity, Status, Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.questions import UNTESTED, Answer
from smtpcheck.report.terminal import screen

_MOST = 100


class Failed(Exception):
    """A question was answered badly: Failed(all of it, in one line, all of it in colour)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One answer as plain words, which go from a worker of xdist to the controller, and into the summary."""

    target: str
    probe: str
    status: Status
    why: str
    verdict: str
    symbol: str
    headline: str
    line: str
    """The cause in a line; empty where nothing is broken."""
    warnings: tuple[str, ...]
    counts: bool
    """It was asked for and has no answer, unlike a time server that is silent beside a good verdict."""

    def plain(self) -> dict[str, Any]:
        """As what execnet carries."""
        return asdict(self) | {"status": self.status.value, "warnings": list(self.warnings)}


def told(report: Report, answer: Answer, words: Words, target: str, *, withheld: bool = False) -> Told:
    """What the summary needs to know; `withheld`: it was not even tried."""
    warnings = [outline.remark_text(r, words) for r in outline.remarks(report) if r.finding.severity is Severity.WARN]
    return Told(
        target=target,
        probe=answer.probe,
        status=answer.status,
        why=answer.why,
        verdict=report.verdict.value,
        symbol=outline.SYMBOLS[outline.OF_VERDICT[report.verdict]],
        headline=outline.headline(report, words.ui),
        line=_line(report, answer, words),
        warnings=tuple(warnings),
        counts=answer.status in UNTESTED and (withheld or report.verdict is not Verdict.HEALTHY),
    )


def _line(report: Report, answer: Answer, words: Words) -> str:
    first = answer.told or report.diagnosis
    if first is None:
        return next(iter(outline.shortfalls(report, words.ui)), "")
    sure = outline.brackets(words.ui[f"confidence.{first.confidence}"], words.ui)
    return outline.colon(first.code, words.ui) + words.summary(escape.diagnosis(first)) + sure


def failure(report: Report, answer: Answer, words: Words, line: str, *, brief: bool) -> Failed:
    """The screen of the command about what this question failed for, or its verdict alone."""
    width = min(shutil.get_terminal_size((80, 24)).columns, _MOST)
    if answer.told:
        others = tuple(d for d in report.diagnoses if d is not answer.told)
        report = replace(report, diagnoses=(answer.told, *others))
    plain, coloured = (
        screen.render(report, lang=words.lang, width=width, color=color, quiet=brief) for color in (False, True)
    )
    return Failed(plain, line, coloured)


class _Screen(ReprEntryNative):
    """In colour where the terminal has any."""

    coloured = ""

    def toterminal(self, tw: TerminalWriter) -> None:
        if tw.hasmarkup and self.coloured:
            tw.line(self.coloured)
        else:
            super().toterminal(tw)


def entry_of(failed: Failed, file: str, line: int, *, travels: bool) -> ReprExceptionInfo:
    """As pytest shows what a native traceback would be: it may travel between workers, and gives JUnit a line."""
    text, *more = map(str, failed.args)
    entry = ReprEntryNative([text + "\n"])
    if not travels:
        entry = _Screen(entry.lines)
        entry.coloured = more[1] if more else ""
    where = ReprFileLocation(file, line + 1, more[0] if more else text.split("\n")[0])
    return ReprExceptionInfo(reprtraceback=ReprTraceback([entry], None, style="native"), reprcrash=where)
