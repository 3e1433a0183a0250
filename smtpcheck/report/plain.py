"""What does every plain format tell of a report? The words without any layout, harmless already, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from smtpcheck import route
from smtpcheck.advice import Words
from smtpcheck.core import Diagnosis, Finding, Report, Result, Severity, Stage, Status, Verdict, facts_of
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.report import escape, outline
from smtpcheck.report.page.labels import opening
from smtpcheck.report.terminal.lines import title

MAX_RAW = 600
"""Characters of a raw line under a diagnosis."""
LEARNT = frozenset({Status.OK, Status.NOTE, Status.WARN, Status.FAIL})
"""The statuses of a question that got an answer."""


def spec(report: Report) -> str:
    """What was asked for."""
    return escape.visible(report.target.spec, 120)


def sentence(report: Report, words: Words) -> str:
    """The verdict with its cause, or with what kept it from being known, in one sentence."""
    told = report.diagnosis
    if told is not None and report.verdict is Verdict.BROKEN:
        unsure = told.confidence != "certain" and told.alternatives
        key = "sentence.broken-possible" if unsure else "sentence.broken"
        stage = words.ui[f"stage.{told.stage}"]
        return words.ui[key].format(stage=stage, summary=one_line(words.summary(escape.diagnosis(told))))
    if report.verdict is Verdict.HEALTHY:
        return outline.headline(report, words.ui)
    reasons = outline.shortfalls(report, words.ui)
    said = words.ui["sentence.bug"] if report.verdict is Verdict.BUG else outline.headline(report, words.ui)
    return outline.colon(said, words.ui) + reasons[0] if reasons else said


def one_line(text: str) -> str:
    """A text of the catalogue without its line ends."""
    return " ".join(filter(None, escape.paragraphs(text)))


def advice(recorded: Diagnosis, report: Report, words: Words) -> Iterator[str]:
    """A diagnosis as lines of plain text: where, what was said, what to do, what else it could be."""
    told, ui, words = escape.diagnosis(recorded), words.ui, words.about(report)
    sure = f"[{escape.visible(told.code, 80)}, {ui[f'confidence.{told.confidence}']}]"
    yield f"{label('cause', words)}{one_line(words.summary(told))} {sure}"
    if told.subject:
        yield f"{label('where', words)}{told.subject}"
    for who, text in outline.testimony(recorded, report, words, MAX_RAW):
        yield outline.colon(opening(who), ui) + text
    for number, (_, step) in enumerate(words.steps(told), 1):
        yield f"{number}. {one_line(step)}"
    if otherwise := words.otherwise(told):
        yield opening(one_line(otherwise))
    for summary, decides in alternatives(told, words):
        yield f"{label('could-also-be', words)}{summary}" + (f" ({decides})" if decides else "")


def alternatives(told: Diagnosis, words: Words) -> Iterator[tuple[str, str]]:
    """What else the diagnosis could be, each with what would decide."""
    for one in told.alternatives:
        summary = one_line(words.summary(replace(told, code=one.code)))
        yield f"{summary} [{escape.visible(one.code, 80)}]", one_line(words.decided_by(told, one))


def label(name: str, words: Words) -> str:
    """A heading as the start of a line."""
    return outline.colon(title(words.ui[f"head.{name}"]), words.ui)


def notes(report: Report, words: Words) -> Iterator[str]:
    """What the verdict does not cover, and why: interrupted, not learnt, not tested."""
    ui = words.ui
    if not report.complete:
        yield title(ui["sentence.interrupted"])
    yield from outline.shortfalls(report, ui)
    yield from outline.unknown(report, ui)
    if untested := outline.untested(report):
        yield label("not-tested", words) + outline.stage_list(untested, ui)
    if outline.login_skipped(report):
        yield title(ui["sentence.login-skipped"])


# One question and its answer


@dataclass(frozen=True, slots=True)
class Case:
    """One probe on one subject, in words."""

    result: Result[Any]
    name: str
    subject: str
    reason: str
    """Why there is no answer; empty where there is one."""
    texts: tuple[str, ...]
    """One for every finding, as `severity: text [code]`."""
    told: Diagnosis | None = None
    """The diagnosis that this result is the first evidence for."""

    @property
    def status(self) -> Status:
        """How it ended."""
        return self.result.status


def cases(report: Report, words: Words) -> tuple[Case, ...]:
    """Every result; the failed one that a diagnosis rests on carries it."""
    told = {d.evidence[0].text: d for d in reversed(report.diagnoses) if d.evidence}
    return tuple(_case(result, told, words) for result in report.results)


def _case(result: Result[Any], told: Mapping[str, Diagnosis], words: Words) -> Case:
    worst = [f for f in result.findings if f.severity is Severity.FAIL]
    mine = next((told[f.code] for f in worst if f.code in told and told[f.code].subject == f.subject), None)
    return Case(
        result,
        escape.visible(result.probe, 40),
        escape.visible(str(result.subject), 160),
        outline.reason(result, words.ui) or ("" if result.status in LEARNT else words.ui[f"status.{result.status}"]),
        tuple(finding_text(f, words) for f in result.findings),
        mine,
    )


def finding_text(finding: Finding, words: Words) -> str:
    """A finding on one line: how bad, what, its code."""
    severity = outline.colon(words.ui[f"severity.{finding.severity}"], words.ui)
    return f"{severity}{one_line(words.finding(escape.finding(finding)))} [{escape.visible(finding.code, 80)}]"


# Numbers


def seconds_of_stages(report: Report) -> Mapping[Stage, float]:
    """How long each stage took at the endpoint that the verdict is about, in the order walked."""
    subject = route.chosen(report.target, report.results)
    took: dict[Stage, float] = {}
    for result in report.results:
        if subject and result.probe == "address" and result.subject.name == subject.name:
            took[Stage.DNS] = result.elapsed
    talk = next((c for c in report.conversations if c.subject == subject), None)
    for step in talk.steps if talk else ():
        took[step.stage] = took.get(step.stage, 0.0) + step.elapsed
    return took


def expiry(report: Report) -> tuple[datetime, datetime] | None:
    """When the server's own certificate at that endpoint ends, and when it was looked at."""
    subject = route.chosen(report.target, report.results)
    known = facts_of(ChainFacts, report.results, subject) if subject else ()
    return next(((facts.certificates[0].not_after, facts.at) for facts in known if facts.certificates), None)


def clock(report: Report) -> ClockFacts | None:
    """The measurement of this machine's clock."""
    return next(facts_of(ClockFacts, report.results), None)


def counted(reports: Sequence[Report]) -> Mapping[Verdict, int]:
    """How many reports of each verdict."""
    return {verdict: sum(report.verdict is verdict for report in reports) for verdict in Verdict}
