"""Does nothing in the diagnosis stumble over what is not known: no facts, no values, no address, half a report?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from smtpcheck.core import Blocked, Finding, Kind, Mode, Result, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.diagnosis import diagnose, judge
from smtpcheck.diagnosis.case import Case, Cause, always
from smtpcheck.diagnosis.causes import CAUSES
from smtpcheck.diagnosis.evidence import evidence
from smtpcheck.diagnosis.network import redirected
from smtpcheck.probes import probes, rules
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.run import assemble
from smtpcheck.wire.smtp import Reply
from tests.checking import check_fault

AT = datetime(2026, 6, 1, tzinfo=UTC)
SUBJECTS = (Subject("mail.test"), Subject("smtp.qq.com", "93.184.216.34", 25, Mode.STARTTLS))


def lonely(code: str, subject: Subject, kind: TargetKind, /, **seen: Any) -> Case:
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


@pytest.mark.parametrize(
    ("enhanced", "about"),
    [
        ("", "other"),
        ("5.0.0", "other"),
        ("5.1.1", "address"),
        ("5.7.1", "policy"),
        ("5.8.1", "other"),
        ("5.99.1", "other"),
    ],
)
def test_words_that_no_table_knows_are_told_as_far_as_the_code_says_what_they_are_about(
    enhanced: str, about: str
) -> None:
    case = lonely("message-refused", SUBJECTS[0], TargetKind.HOST, code=550, enhanced=enhanced, text="zzz")

    texts = [proof.text for proof in evidence(case, Cause(case.finding.code, always))]
    assert texts == ["message-refused", f"words-unknown-{about}"]


def test_a_provider_without_mailboxes_has_no_host_for_them_to_be_greeted_by() -> None:
    subject = Subject("smtp.sendgrid.net", "93.184.216.34", 587, Mode.STARTTLS)
    case = lonely("starttls-not-offered", subject, TargetKind.HOST)
    hello = Reply(220, (b"gateway.cafe.test ESMTP",))
    facts = GreetingFacts(
        greeting=hello, seconds=0.1, ehlo=None, capabilities=None, secure_ehlo=None, secure_capabilities=None
    )
    greeted: Result[Any] = Result(probe="greeting", subject=subject, outcome=facts, started=AT, elapsed=0.0)

    assert redirected(replace(case, results=(*case.results, greeted))) is None


FAULTS = (
    "healthy",
    "auth-refused",
    "certificate-chain-incomplete",
    "port25-egress-blocked-control",
    "mta-sts-certificate",
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
