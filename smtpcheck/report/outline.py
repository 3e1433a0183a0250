"""How far did the mail get, and what else of a report is told? The choices that every layout for people shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import advice, route
from smtpcheck.advice import Words
from smtpcheck.core import (
    PATHS,
    Blocked,
    Contact,
    Diagnosis,
    Evidence,
    Failure,
    Finding,
    Mode,
    Report,
    Result,
    Severity,
    Skipped,
    Stage,
    Status,
    Subject,
    TargetKind,
    Verdict,
    Who,
)
from smtpcheck.report import escape

# Steps of the stage before them, to a person; named where they are what broke.
_FOLDED = frozenset({Stage.EHLO, Stage.STARTTLS})
_QUIET = frozenset({Status.OK, Status.NOTE, Status.BLOCKED, Status.SKIPPED})
_ENDED = frozenset({Status.FAIL, Status.INCONCLUSIVE, Status.BLOCKED, Status.BUG})
_WORST = (Status.BUG, Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.BLOCKED, Status.NOTE, Status.OK)
_ANSWERED = frozenset({Status.OK, Status.NOTE, Status.WARN, Status.FAIL})
_SEVERE = (Severity.FAIL, Severity.WARN, Severity.NOTE)


SYMBOLS: Mapping[Status, str] = {
    Status.OK: "✓",
    Status.NOTE: "✓",
    Status.WARN: "!",
    Status.FAIL: "✗",
    Status.INCONCLUSIVE: "?",
    Status.BLOCKED: "·",
    Status.SKIPPED: "–",
    Status.BUG: "#",
}
OF_VERDICT: Mapping[Verdict, Status] = {
    Verdict.HEALTHY: Status.OK,
    Verdict.BROKEN: Status.FAIL,
    Verdict.INCONCLUSIVE: Status.INCONCLUSIVE,
    Verdict.BUG: Status.BUG,
}
_UI = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Leg:
    """One stage of the way, and how it went."""

    stage: Stage
    status: Status


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding beside the diagnosis; `times` over how many subjects."""

    finding: Finding
    times: int = 1


def legs(report: Report, *, full: bool = False) -> tuple[Leg, ...]:
    """The asked stages in the order walked, then the clock; without `full` the quiet in-between steps are left away."""
    subject = route.chosen(report.target, report.results)
    walked: list[Leg] = []
    for stage in _asked(report, subject):
        own = status_of(stage, subject, report.results)
        ended = any(leg.status in _ENDED for leg in walked)
        walked.append(Leg(stage, own or (Status.BLOCKED if ended else Status.SKIPPED)))
    kept = [leg for leg in walked if full or not _folded(leg, walked)]
    config = _worst(_status_at(Stage.CONFIG, result) for result in report.results)
    clock = _worst(_status_at(Stage.CLOCK, result) for result in report.results if result.probe == "clock")
    if config in (Status.FAIL, Status.WARN):
        kept.insert(0, Leg(Stage.CONFIG, config))
    return (*kept, Leg(Stage.CLOCK, clock)) if clock else tuple(kept)


def _asked(report: Report, subject: Subject | None) -> tuple[Stage, ...]:
    asked = route.asked(report.target)
    path = PATHS[subject.mode if subject else Mode.STARTTLS] if not subject or subject.mode in PATHS else ()
    login = report.target.kind is not TargetKind.MX
    return tuple(stage for stage in path if stage in asked and (login or stage is not Stage.AUTH))


def _folded(leg: Leg, walked: Sequence[Leg]) -> bool:
    return leg.stage in _FOLDED and leg.status in _QUIET and leg is not walked[-1]


def status_of(stage: Stage, subject: Subject | None, results: Sequence[Result[Any]]) -> Status | None:
    """How the results about the stage went, None when none says anything about it."""
    if stage is Stage.DNS:
        names = [r for r in results if r.probe in ("mx", "submission") or _resolves(r, subject)]
        return _worst(_status_at(stage, result) for result in names)
    if stage is Stage.DELIVERY:
        return _worst(_status_at(stage, result, subject) for result in results if result.probe == "delivery")
    mine = route.results_of(subject, results) if subject else {}
    concerned = [mine[name] for name, stages in route.CONCERNS.items() if stage in stages and name in mine]
    return _worst(_status_at(stage, result, subject) for result in concerned)


def _resolves(result: Result[Any], subject: Subject | None) -> bool:
    return result.probe == "address" and (subject is None or result.subject.name == subject.name)


def _status_at(stage: Stage, result: Result[Any], subject: Subject | None = None) -> Status | None:
    """What a result says about one stage; a break before the stage leaves nothing to say about it."""
    outcome = result.outcome
    path = PATHS.get(subject.mode, ()) if subject else ()
    if isinstance(outcome, Failure):
        if outcome.stage is stage or stage not in path or outcome.stage not in path:
            return result.status
        return Status.OK if path.index(stage) < path.index(outcome.stage) else None
    if isinstance(outcome, Blocked):
        return Status.BLOCKED
    if result.facts is None:
        return Status.SKIPPED
    severities = {finding.severity for finding in result.findings if finding.stage is stage}
    broken = [f.stage for f in result.findings if f.severity is Severity.FAIL and f.stage in path]
    if any(path.index(at) < path.index(stage) for at in broken if stage in path):
        return None
    return next((Status(severity) for severity in _SEVERE if severity in severities), Status.OK)


def _worst(statuses: Iterator[Status | None]) -> Status | None:
    found = set(statuses)
    known = next((status for status in _WORST if status in found), None)
    return known or (Status.SKIPPED if Status.SKIPPED in found else None)


def reached(walked: Sequence[Leg]) -> Stage | None:
    """The last stage that went well before anything ended short, the clock aside."""
    last = None
    for leg in walked:
        if leg.stage is Stage.CLOCK:
            continue
        if leg.status in _ENDED:
            break
        last = leg.stage if leg.status is not Status.SKIPPED else last
    return last


def untested(report: Report) -> tuple[Stage, ...]:
    """What was not tested, without the stages that the path shows with an answer."""
    fine = {leg.stage for leg in legs(report, full=True) if leg.status in _ANSWERED}
    login = report.target.kind is not TargetKind.MX
    return tuple(s for s in report.not_tested if s not in fine and (login or s is not Stage.AUTH))


def stopped(report: Report) -> tuple[Result[Any], ...]:
    """The results that kept the verdict from being known: our own mistakes, else what stopped us on the way."""
    failed = [r for r in report.results if isinstance(r.outcome, Failure)]
    if bugs := [r for r in failed if r.status is Status.BUG]:
        return tuple(bugs)
    subject = route.chosen(report.target, report.results)
    on_path = [r for r in failed if (r.subject == subject or not r.subject.address) and r.probe != "clock"]
    blocked = [r for r in report.results if r.subject == subject and r.status is Status.BLOCKED]
    return tuple(on_path or failed or blocked[:1])


def connections(report: Report) -> int:
    """How many connections for mail were opened or tried."""
    return sum(1 for conversation in report.conversations if conversation.subject.address)


def _witness(evidence: Evidence, report: Report) -> Finding | None:
    """The finding that an observation without bytes stands for."""
    found = [f for f in report.findings if f.code == evidence.text]
    return min(found, key=lambda f: _SEVERE.index(f.severity), default=None)


def remarks(report: Report) -> tuple[Remark, ...]:
    """The findings that no diagnosis tells already, the worst first; the same one about several subjects once."""
    told = {(e.text, d.subject) for d in report.diagnoses for e in d.evidence if _is_first(e, d.evidence)}
    off_path = {e.text for d in report.diagnoses for e in d.evidence[1:]}
    found: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if (finding.code, finding.subject) not in told and finding.code not in off_path:
            found.setdefault(finding.code, []).append(finding)
    worst = sorted(found.values(), key=lambda same: min(_SEVERE.index(f.severity) for f in same))
    return tuple(Remark(min(same, key=lambda f: _SEVERE.index(f.severity)), len(same)) for same in worst)


def _is_first(evidence: Evidence, all_of_it: Sequence[Evidence]) -> bool:
    return evidence is all_of_it[0]


def headline(report: Report, ui: _UI) -> str:
    """The verdict in words, with what it does not cover."""
    if report.verdict is not Verdict.HEALTHY:
        return ui[f"verdict.{report.verdict}"]
    last = reached(legs(report, full=True))
    open_ends = [stage for stage in (Stage.AUTH, Stage.DELIVERY) if stage in untested(report)]
    if last is None:
        return ui["verdict.healthy"]
    sentence = ui["sentence.healthy-not-tested" if open_ends else "sentence.healthy"]
    return sentence.format(stage=ui[f"stage.{last}"], not_tested=stage_list(open_ends, ui))


def stage_list(stages: Iterable[Stage], ui: _UI) -> str:
    """The names of stages in one line."""
    return ui["list.separator"].join(ui[f"stage.{stage}"] for stage in stages)


def short(stage: Stage, ui: _UI) -> str:
    """The name of a stage where there is little room."""
    return ui.get(f"short.{stage}", ui[f"stage.{stage}"])


def testimony(
    recorded: Diagnosis, report: Report, words: Words, limit: int, *, plain: bool = False
) -> list[tuple[str, str]]:
    """Who said it and what, for every observation; one that would only repeat the summary is cut short.

    In `plain` text a library's words, which smtpcheck heard and did not write, are quoted as the language does it.
    """
    told = escape.diagnosis(recorded)
    summary = words.summary(told)
    lines = []
    for one in recorded.evidence:
        text = _shown(one, told, report, words, limit)
        if plain and one.raw and one.who is Who.SMTPCHECK:
            text = words.ui["list.quoted"].format(text=text)
        lines.append((words.ui[f"who.{one.who}"], text if text != summary else _in_short(one.text, words.ui)))
    return lines


def _in_short(code: str, ui: _UI) -> str:
    """The finding's kind in words, else its code."""
    return ui.get(f"kind.{code.partition('-')[2]}", escape.visible(code, 80))


def _shown(evidence: Evidence, told: Diagnosis, report: Report, words: Words, limit: int) -> str:
    if evidence.raw:
        return escape.said(evidence.raw, limit)
    found = _witness(evidence, report)
    return words.finding(escape.finding(found)) if found else words.evidence(escape.evidence(evidence), told)


def remark_text(remark: Remark, words: Words) -> str:
    """A remark on one line, with its stage."""
    times = f" (x{remark.times})" if remark.times > 1 else ""
    stage = colon(words.ui[f"stage.{remark.finding.stage}"], words.ui)
    return f"{stage}{words.finding(escape.finding(remark.finding))}{times}"


def colon(text: str, ui: _UI) -> str:
    """The text as a label, as the language writes it."""
    return text + ui.get("list.colon", ": ")


def effort(report: Report, ui: _UI) -> str:
    """The time taken and the connections made."""
    seconds = ui["sentence.elapsed"].format(seconds=f"{report.elapsed:.2f}")
    return ui["list.separator"].join(
        (seconds, ui.get("sentence.connections", "TCP: {count}").format(count=connections(report)))
    )


def reason(result: Result[Any], ui: _UI, limit: int = 240) -> str:
    """Why a result has no facts, in words; empty when it has."""
    match result.outcome:
        case Failure(kind=kind, stage=stage, reason=reason) | Blocked(kind=kind, stage=stage, reason=reason):
            text = colon(ui[f"stage.{stage}"], ui) + ui.get(f"kind-at.{stage}-{kind}", ui[f"kind.{kind}"])
            more = escape.visible(advice.reason(reason, ui), limit)
            return text + brackets(more, ui) if more else text
        case Skipped(reason=reason):
            return escape.visible(advice.reason(reason, ui), limit)
    return ""


def contact(one: Contact, ui: _UI, limit: int = 240) -> str:
    """Where a party is, and when or what for it is spoken to."""
    where, reason = escape.visible(one.where, limit), escape.visible(advice.reason(one.reason, ui), limit)
    return where + brackets(reason, ui) if where and reason else where or reason


def shortfalls(report: Report, ui: _UI) -> tuple[str, ...]:
    """Why the verdict is not known, each reason once; empty for a verdict that is."""
    if report.verdict not in (Verdict.INCONCLUSIVE, Verdict.BUG):
        return ()
    return tuple(dict.fromkeys(reason(result, ui) for result in stopped(report)))


def brackets(text: str, ui: _UI) -> str:
    """The text as an aside after another."""
    return f"（{text}）" if colon("", ui) == "：" else f" ({text})"


def unknown(report: Report, ui: _UI) -> tuple[str, ...]:
    """What could not be learnt beside a verdict that is known, each reason once."""
    if report.verdict in (Verdict.INCONCLUSIVE, Verdict.BUG):
        return ()
    found = (r for r in report.results if isinstance(r.outcome, Failure))
    return tuple(dict.fromkeys(reason(result, ui) for result in found))


def login_skipped(report: Report) -> bool:
    """The login was left out for want of a password alone."""
    target = report.target
    learnt = report.verdict is Verdict.HEALTHY and target.kind is not TargetKind.MX
    return learnt and not target.secret and Stage.AUTH in report.not_tested


def cut(text: str, limit: int) -> str:
    """A text of the catalogue, ended at a word where it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    head = text[:limit].rpartition(" ")[0]
    return (head if len(head) > limit // 2 else text[:limit]) + "..."
