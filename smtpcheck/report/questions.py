"""Which questions does a target raise, and what did each come to? One probe is one question, as a test is one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from smtpcheck import route
from smtpcheck.advice import Words
from smtpcheck.contract import Probe
from smtpcheck.core import (
    PATHS,
    Diagnosis,
    Finding,
    Mode,
    Report,
    Result,
    Severity,
    Stage,
    Status,
    Subject,
    Target,
    Verdict,
)
from smtpcheck.report import escape, outline
from smtpcheck.wire import dns
from smtpcheck.wire.address import literal

_PATH = PATHS[Mode.STARTTLS]
_WORST = (
    *(Status.BUG, Status.FAIL, Status.INCONCLUSIVE, Status.BLOCKED, Status.WARN, Status.NOTE, Status.OK),
    Status.SKIPPED,
)
UNTESTED = frozenset({Status.INCONCLUSIVE, Status.BLOCKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a report says to one question; `why` it has no answer, `told` the diagnosis where it failed."""

    probe: str
    status: Status
    why: str = ""
    findings: tuple[Finding, ...] = ()
    told: Diagnosis | None = None


def answer(report: Report, probe: str, words: Words) -> Answer:
    """What the report says to the question of that probe, about the endpoint that the verdict is about."""
    mine = _mine(report, probe)
    if not mine:
        return _not_reached(report, probe, words)
    failing = tuple(f for result in mine for f in result.findings if _counts(f, report))
    # what worked all the same, or was not asked about, fails no question
    statuses = {Status.WARN if r.status is Status.FAIL and not failing else r.status for r in mine}
    status = next(status for status in _WORST if status in statuses)
    whys = (outline.reason(result, words.ui) for result in mine if result.status is status)
    return Answer(
        probe=probe,
        status=status,
        why="; ".join(dict.fromkeys(why for why in whys if why)),
        findings=failing or tuple(f for result in mine for f in result.findings),
        told=_told(report, failing) if failing else None,
    )


def _mine(report: Report, probe: str) -> list[Result[Any]]:
    subject = route.chosen(report.target, report.results)

    def concerns(result: Result[Any]) -> bool:
        # that the only family leads nowhere is what the port's question ends with
        lonely = probe == "port" and result.probe == "family" and result.status is Status.FAIL
        if result.probe != probe and not lonely:
            return False
        if result.subject.address:
            return result.subject == subject
        # of several names that of the endpoint; an endpoint without address is one whose name did not resolve
        return probe != "address" or subject is None or result.subject.name == subject.name

    return [result for result in report.results if concerns(result)]


def _not_reached(report: Report, probe: str, words: Words) -> Answer:
    if report.verdict is Verdict.HEALTHY:
        return Answer(probe=probe, status=Status.SKIPPED, why=words.ui["pytest.not-asked"])
    subject = route.chosen(report.target, report.results)
    beside = (r for r in report.results if r.status is Status.BLOCKED and r.subject == subject)
    known = [*(outline.reason(result, words.ui) for result in beside), *outline.shortfalls(report, words.ui)]
    if report.diagnosis and not known:
        told = escape.diagnosis(report.diagnosis)
        known = [outline.colon(words.ui[f"stage.{told.stage}"], words.ui) + words.summary(told)]
    why = next(iter(known), words.ui["pytest.not-asked"])
    return Answer(probe=probe, status=Status.BLOCKED, why=why)


def _counts(finding: Finding, report: Report) -> bool:
    """As the diagnosis reads it: a fault of the way as asked, of clock or policy, or of settings that broke it."""
    if finding.severity is not Severity.FAIL or report.verdict is not Verdict.BROKEN:
        return False
    if finding.stage is Stage.CONFIG:
        return any(told.stage is not Stage.CLOCK for told in report.diagnoses)
    return finding.stage in (Stage.CLOCK, Stage.POLICY, *route.asked(report.target))


def _told(report: Report, failing: Sequence[Finding]) -> Diagnosis | None:
    """The diagnosis that explains these findings: one that rests on them, else of their stage, else the first."""
    codes, stages = {f.code for f in failing}, {f.stage for f in failing}
    resting = (d for d in report.diagnoses if codes & {e.text for e in d.evidence})
    beside = (d for d in report.diagnoses if d.stage in stages)
    return next(resting, None) or next(beside, None) or report.diagnosis


# Which questions there are


@dataclass(frozen=True, slots=True)
class _Fine:
    """Facts of which nothing is known but that nothing broke."""

    broke: None = None


def questions(target: Target, probes: Sequence[Probe[Any]]) -> tuple[Probe[Any], ...]:
    """The probes that have something to ask when all goes well, in the order of the way: the check rehearsed."""
    supposed: dict[tuple[str, Subject], Result[Any]] = {}
    plain = [probe for probe in probes if not (probe.experiment or probe.last)]
    grew = True
    while grew:
        earlier = tuple(supposed.values())
        asked = {(probe.name, subject) for probe in plain for subject in probe.subjects(target, earlier)}
        grew = bool(asked - supposed.keys())
        for name, subject in sorted(asked - supposed.keys(), key=str):
            supposed[name, subject] = _supposed(name, subject)
    names = {name for name, _ in supposed}
    return tuple(probe for probe in plain if probe.name in names)


def _supposed(name: str, subject: Subject) -> Result[Any]:
    host = subject.name if literal(subject.name) else f"host.{subject.name}"
    facts: Any = _Fine()
    if name == "submission":
        one = route.Candidate(host, 465, Mode.IMPLICIT)
        facts = route.SubmissionFacts(domain=subject.name, source="guess", candidates=(one,))
    elif name == "mx":
        answer = dns.Answer(name=subject.name, type="MX", mx=(dns.Mx(10, host),))
        facts = route.MxFacts(domain=subject.name, mx=answer)
    elif name == "address":
        a = dns.Answer(name=subject.name, type="A", addresses=(literal(subject.name) or "127.0.0.1",))
        facts = route.AddressFacts(host=subject.name, a=a, aaaa=dns.Answer(name=subject.name, type="AAAA"))
    return Result(probe=name, subject=subject, outcome=facts, started=datetime.now(UTC), elapsed=0.0)


def narrowed(
    target: Target, probes: Sequence[Probe[Any]], wanted: Collection[str]
) -> tuple[Target, tuple[Probe[Any], ...]]:
    """The target and the probes with which the questions wanted, and no later ones, are answered."""
    until = _depth(target, probes, wanted)
    asked = route.asked(target)
    last = max((_PATH.index(stage) for stage in asked if stage in _PATH), default=0)
    if _PATH.index(until) >= last:
        return target, tuple(probes)
    early = _PATH.index(until) <= _PATH.index(Stage.CONNECT)
    kept = tuple(p for p in probes if not early or p.name in wanted or _first(p) <= _PATH.index(until))
    login = target.secret if until not in _PATH[: _PATH.index(Stage.AUTH)] else ""
    sends = target.send and _PATH.index(until) >= _PATH.index(Stage.DATA)
    return replace(target, until=until, secret=login, send=sends), kept


def _depth(target: Target, probes: Sequence[Probe[Any]], wanted: Collection[str]) -> Stage:
    deep = max(
        (_PATH.index(r.stage) for p in probes if p.name in wanted for r in p.rules if r.stage in _PATH), default=0
    )
    # what lies between comes over one connection, in an order that is known only when it is walked
    if _PATH.index(Stage.CONNECT) < deep < _PATH.index(Stage.AUTH):
        return Stage.EHLO if target.mode is Mode.PLAIN else Stage.CERTIFICATE
    return _PATH[deep]


def _first(probe: Probe[Any]) -> int:
    """Where on the way a probe begins: the settings before it, and what is off the way (clock) when it is wanted."""
    stages = [_PATH.index(rule.stage) for rule in probe.rules if rule.stage in _PATH]
    settings = any(rule.stage is Stage.CONFIG for rule in probe.rules)
    return 0 if settings else min(stages, default=len(_PATH))
