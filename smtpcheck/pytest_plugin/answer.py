"""What does a failed question say? The cause, the evidence and the steps, as the command would, and no traceback."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from smtpcheck.advice import Words
from smtpcheck.core import Report, Severity, Status, Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.questions import UNTESTED, Answer
from smtpcheck.report.terminal import screen

_MOST = 100


class TerminalWriter(Protocol):
    """What pytest hands to whoever shows a failure."""

    hasmarkup: bool

    def line(self, s: str = "") -> None: ...  # noqa: D102  # pytest's own


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


@dataclass(frozen=True, slots=True)
class Crash:
    """Where the summary and JUnit read the one line, as they do for any failure."""

    path: str
    lineno: int
    message: str


@dataclass(frozen=True, slots=True)
class Screen:
    """What a failed question shows in place of a traceback: in colour where the terminal has any."""

    text: str
    coloured: str
    reprcrash: Crash

    def toterminal(self, tw: TerminalWriter) -> None:
        """As pytest shows every failure."""
        tw.line(self.coloured if tw.hasmarkup and self.coloured else self.text)

    def __str__(self) -> str:
        return self.text


def screen_of(failed: Failed, file: str, line: int) -> Screen:
    """What pytest shows of it. A worker of xdist hands on the text alone."""
    text, *more = map(str, failed.args)
    message, coloured = (*more, "", "")[:2]
    return Screen(text, coloured, Crash(file, line + 1, message or text.split("\n")[0]))
