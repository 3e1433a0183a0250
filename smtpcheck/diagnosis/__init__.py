"""What is the one root cause? All results read together: what broke first, what it blocks, what else looks the same.

Pure: a saved report is diagnosed again, on another machine, with better rules.

Theory of operation. `judge` makes the findings anew from the facts. `diagnose` takes the faults on the asked part of
the way, the earliest stage first, and within a stage the one that makes the others irrelevant; later ones count only
where they are independent of it. Clock and policy stand beside the way.

Each finding has a row of causes in `causes/`, asked in their order whether they hold. A cause that holds is certain if
all before it do not; the first that can't be told (None) ends that: each one left is then an alternative, likely where
it holds or evidence speaks for it (`Cause.likely`), else only possible. One with enough evidence (`Cause.leads`) is
named as likely. Else the finding names itself, and so it does, for certain, where all its causes are ruled out. Its own
code in the row says at which place, behind which others, it is the cause.

What a server replies is read in `words/`: a row of the table gives the causes that its words may mean, the row's
decider and an accepted control recipient narrow them, and `words/login.py` adds what else speaks for or against each
cause of a refused login. `network` answers for ports and names from the matrix of addresses, families and control host.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Probe
from smtpcheck.core import (
    PATHS,
    Alternative,
    Confidence,
    Diagnosis,
    Finding,
    Mode,
    Result,
    Severity,
    Stage,
    Subject,
    Target,
    TargetKind,
)
from smtpcheck.diagnosis.case import Case, Cause, always
from smtpcheck.diagnosis.causes import CAUSES
from smtpcheck.diagnosis.evidence import evidence
from smtpcheck.diagnosis.verdict import not_tested
from smtpcheck.diagnosis.words.causes import rank
from smtpcheck.probes import named
from smtpcheck.probes.auth import AuthFacts

# Within a stage, the finding that makes the others irrelevant comes first: a certificate for another name
# need not be completed, and an incomplete chain need not be renewed.
_WEIGHT = (
    "certificate-wrong-host",
    "certificate-wildcard-depth",
    "certificate-self-signed",
    "certificate-issuer-unknown",
    "certificate-untrusted-root",
    "certificate-cn-only",
    "certificate-expired",
    "certificate-not-yet-valid",
    "certificate-issuer-expired",
    "certificate-issuer-not-yet-valid",
)
_OF_THE_LOGIN = ("secret-", "auth-user-", "host-wrong-provider-endpoint")
_CLOCKS = ("clock-ahead", "clock-behind", "clock-time-zone")
_AFTER_CERTIFICATE = frozenset({Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DELIVERY})
_AND_ON = _AFTER_CERTIFICATE | {Stage.CERTIFICATE}


def judge(target: Target, results: Sequence[Result[Any]], probes: Sequence[Probe[Any]] = ()) -> tuple[Result[Any], ...]:
    """The results with their findings made anew from the facts, by `probes` with their knobs, else by those of today.

    Only the primary endpoint's faults are faults of the account: those of others become notes.
    """
    tuned = {probe.name: probe for probe in probes}
    judged = tuple(_judged(result, tuned.get(result.probe) or named(result.probe)) for result in results)
    subject = route.chosen(target, judged)
    proven = any(map(_logged_in, judged))
    return tuple(_demoted(_disproved(result) if proven else result, target, subject) for result in judged)


def _judged(result: Result[Any], probe: Probe[Any] | None) -> Result[Any]:
    if probe is None or result.facts is None:
        return result
    return replace(result, findings=probe.judged(result.subject, result.facts))


def _disproved(result: Result[Any]) -> Result[Any]:
    """What the looks of user and password speak against is no warning where the server took them as they are."""

    def milder(finding: Finding) -> Finding:
        return replace(finding, severity=Severity.NOTE) if finding.code.startswith(_OF_THE_LOGIN) else finding

    return replace(result, findings=tuple(map(milder, result.findings)))


def _logged_in(result: Result[Any]) -> bool:
    facts = result.facts
    return isinstance(facts, AuthFacts) and facts.broke is None and facts.reply is not None and facts.reply.positive


def _demoted(result: Result[Any], target: Target, primary: Subject | None) -> Result[Any]:
    def milder(finding: Finding) -> Finding:
        if finding.severity is not Severity.FAIL:
            return finding
        # Senders to an MX encrypt without verifying (RFC 7435), so its certificate stops no mail.
        if target.kind is TargetKind.MX and finding.stage is Stage.CERTIFICATE:
            return replace(finding, severity=Severity.WARN)
        aside = result.subject.address and result.subject != primary
        elsewhere = (
            result.probe in ("address", "family") and primary is not None and result.subject.name != primary.name
        )
        return replace(finding, severity=Severity.NOTE) if aside or elsewhere else finding

    return replace(result, findings=tuple(map(milder, result.findings)))


def diagnose(target: Target, results: Sequence[Result[Any]]) -> tuple[Diagnosis, ...]:
    """The causes in the order of repair; empty when nothing that was asked about is broken."""
    subject = route.chosen(target, results)
    on_path = _independent(list(_breaks(target, subject, results)))
    clock = [(r, f) for r in results for f in r.findings if f.stage is Stage.CLOCK and f.severity is Severity.FAIL]
    # what honouring senders refuse is no break of the way, which others take (RFC 8461 section 5, RFC 7672 section 2.2)
    policy = [(r, f) for r in results for f in r.findings if f.stage is Stage.POLICY and f.severity is Severity.FAIL]
    first = on_path + clock[:1] + policy
    cases = (Case(target, tuple(results), result, finding, subject) for result, finding in first)
    return tuple(_once([_name(case) for case in cases]))


def _independent(found: list[tuple[Result[Any], Finding]]) -> list[tuple[Result[Any], Finding]]:
    """The first break, and what broke at later stages that were reached all the same.

    That takes consent to log in over a certificate that does not verify, or a recipient beside the refused one. Faults
    of the settings explain what follows them.
    """
    stages = [finding.stage for _, finding in found]
    return [
        pair
        for place, pair in enumerate(found)
        if place == 0 or (stages[0] in _AND_ON and stages[place] in _AND_ON and stages[place] not in stages[:place])
    ]


def _once(diagnoses: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """A clock that explains the break is named once, by the break, whose blocked stages it keeps."""
    seen: set[str] = set()
    for diagnosis in diagnoses:
        if diagnosis.code not in seen:
            seen |= {diagnosis.code, *(_CLOCKS if diagnosis.code == "clock-drift-token" else ())}
            yield diagnosis


def _breaks(
    target: Target, subject: Subject | None, results: Sequence[Result[Any]]
) -> Iterator[tuple[Result[Any], Finding]]:
    """The FAIL findings on the asked part of the way, first stage first, heaviest first within a stage."""
    path = (Stage.CONFIG, *PATHS[subject.mode if subject else Mode.STARTTLS])
    until = route.asked(target)
    found = [
        (result, finding)
        for result in results
        for finding in result.findings
        if finding.severity is Severity.FAIL and finding.stage in path and finding.stage in (Stage.CONFIG, *until)
        if not result.subject.address or result.subject == subject
        if result.probe != "mode"
    ]
    # what worked all the same was no fault of the settings
    found = found if any(finding.stage is not Stage.CONFIG for _, finding in found) else []
    order = {code: place for place, code in enumerate(_WEIGHT)}
    yield from sorted(found, key=lambda pair: (path.index(pair[1].stage), order.get(pair[1].code, len(order))))


def _name(case: Case) -> Diagnosis:
    """The cause where it is certain, else the finding itself with what it may be.

    A finding may be a cause of itself, in its place among the others: what it is once those are ruled out.
    """
    code = case.finding.code
    causes = CAUSES.get(code, ())
    answers = [(cause, cause.holds(case)) for cause in causes]
    for cause, holds in answers:
        if holds is None:
            break
        if holds:
            return _diagnosis(case, cause, Confidence.CERTAIN)
    possible = [(cause, holds) for cause, holds in answers if holds is not False]
    itself = next((cause for cause in causes if cause.code == code), Cause(code, always))
    if not possible:
        return _diagnosis(case, itself, Confidence.CERTAIN)
    likely = {cause.code for cause, holds in possible if holds or cause.likely(case)}
    possible.sort(key=lambda pair: (pair[0].code not in likely, rank(case, pair[0].code)))
    leader = next((cause for cause, _ in possible if cause.leads(case)), None)
    named = leader or itself
    sure = Confidence.LIKELY if leader or code in likely else Confidence.POSSIBLE
    others = tuple(
        Alternative(cause.code, Confidence.LIKELY if cause.code in likely else Confidence.POSSIBLE)
        for cause, _ in possible
        if cause.code != named.code
    )
    return _diagnosis(case, named, sure, others)


def _diagnosis(
    case: Case, cause: Cause, confidence: Confidence, alternatives: tuple[Alternative, ...] = ()
) -> Diagnosis:
    return Diagnosis(
        stage=cause.stage or case.finding.stage,
        code=cause.code,
        subject=case.finding.subject,
        confidence=confidence,
        alternatives=alternatives,
        evidence=evidence(case, cause),
        blocked=_blocked(case),
        seen={**case.finding.seen, **cause.seen(case)},
    )


def _blocked(case: Case) -> tuple[Stage, ...]:
    """The asked stages that could not be reached because of this."""
    stage = case.finding.stage
    path = PATHS[case.primary.mode if case.primary else Mode.STARTTLS]
    if stage not in path:
        return ()
    later = path[path.index(stage) + 1 :]
    # the certificate stops nothing but the login and what stands on it
    standing = (s for s in later if stage is not Stage.CERTIFICATE or s in _AFTER_CERTIFICATE)
    open_questions = set(not_tested(case.target, case.results)) & set(route.asked(case.target))
    return tuple(s for s in standing if s in open_questions)
