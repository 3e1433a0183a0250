"""Does nothing in the diagnosis stumble over what is not known: no facts, no values, no address, half a report?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from smtpcheck.core import Blocked, Finding, Kind, Mode, Result, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.diagnosis import diagnose, judge
from smtpcheck.diagnosis.case import Case
from smtpcheck.diagnosis.causes import CAUSES
from smtpcheck.diagnosis.evidence import evidence
from smtpcheck.probes import probes, rules
from smtpcheck.run import assemble
from tests.checking import check_fault

AT = datetime(2026, 6, 1, tzinfo=UTC)
SUBJECTS = (Subject("mail.test"), Subject("smtp.qq.com", "93.184.216.34", 25, Mode.STARTTLS))


def lonely(code: str, subject: Subject, kind: TargetKind, **seen: Any) -> Case:
    """A finding of which nothing is known but its code."""
    rule = rules()[code]
    probe = next(probe for probe in probes() if rule in probe.rules)
    finding = Finding(code, Severity.FAIL, rule.stage, str(subject), seen)
    outcome = Blocked(rule.stage, Kind.CLOSED)
    result: Result[Any] = Result(
        probe=probe.name, subject=subject, outcome=outcome, findings=(finding,), started=AT, elapsed=0.0
    )
    return Case(Target(spec="x", kind=kind, name="mail.test"), (result,), result, finding)


@pytest.mark.parametrize("code", CAUSES)
@pytest.mark.parametrize("kind", TargetKind)
@pytest.mark.parametrize("subject", SUBJECTS, ids=["name", "endpoint"])
def test_a_cause_answers_also_where_nothing_else_is_known(code: str, kind: TargetKind, subject: Subject) -> None:
    case = lonely(code, subject, kind)
    for cause in CAUSES[code]:
        for holds in (cause.holds, cause.likely, cause.leads):
            assert holds(case) in (True, False, None)
        assert dict(cause.seen(case)) is not None
        assert evidence(case, cause)[0].text == code
    (named,) = diagnose(case.target, case.results) or (None,)
    assert named is None or named.stage in Stage


FAULTS = (
    "healthy",
    "auth-refused",
    "cert-chain-incomplete",
    "port25-egress-blocked-control",
    "mta-sts-cert-fail",
    "clock-explains-cert",
    "starttls-stripped",
    "user-unknown",
)


@pytest.mark.parametrize("fault", FAULTS)
async def test_half_a_report_is_diagnosed_without_stumbling(fault: str) -> None:
    whole = await check_fault(fault)

    for name in dict.fromkeys(result.probe for result in whole.results):
        rest = tuple(result for result in whole.results if result.probe != name)
        blocked = tuple(
            replace(result, outcome=Blocked(Stage.DNS, Kind.NXDOMAIN)) if result.probe == name else result
            for result in whole.results
        )
        for results in (rest, blocked):
            report = assemble(replace(whole, results=results))
            assert report.diagnoses == diagnose(whole.target, judge(whole.target, results))
