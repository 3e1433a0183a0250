"""Is the observation that proves a break the one shown, in the words of who made it?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smtpcheck.conversation.session import Answered
from smtpcheck.core import Blocked, Finding, Kind, Result, Severity, Stage, Subject, Who
from smtpcheck.diagnosis.case import Case, Cause, always
from smtpcheck.diagnosis.evidence import evidence
from smtpcheck.probes.envelope import EnvelopeFacts
from smtpcheck.target.grammar import parse_target
from smtpcheck.wire.smtp import Reply

AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
HERE, THERE = Subject("h.test", "93.184.216.34", 587), Subject("h.test", "93.184.216.119", 587)
CAUSE = Cause("something", always)
NOTHING = Blocked(Stage.DNS, Kind.NXDOMAIN)


def result(
    probe: str, code: str, stage: Stage, subject: Subject = HERE, facts: Any = NOTHING, /, **seen: Any
) -> Result[Any]:
    finding = Finding(code, Severity.FAIL, stage, str(subject), seen)
    return Result(probe=probe, subject=subject, outcome=facts, findings=(finding,), started=AT, elapsed=2.0)


def shown(own: Result[Any], *others: Result[Any], cause: Cause = CAUSE) -> list[tuple[Who, bytes, str]]:
    case = Case(parse_target("h.test:587"), (own, *others), own, own.findings[0])
    return [(proof.who, proof.raw, proof.text) for proof in evidence(case, cause)]


@pytest.mark.parametrize(
    ("probe", "code", "stage", "who"),
    [
        ("address", "dns-nxdomain", Stage.DNS, Who.RESOLVER),
        ("dane", "dane-tlsa-mismatch", Stage.POLICY, Who.RESOLVER),
        ("port", "connect-refused", Stage.CONNECT, Who.OS),
        ("chain", "certificate-expired", Stage.CERTIFICATE, Who.SMTPCHECK),
    ],
)
def test_who_made_the_observation(probe: str, code: str, stage: Stage, who: Who) -> None:
    assert shown(result(probe, code, stage, said="seen")) == [(who, b"seen", code)]


def test_it_dates_from_the_end_of_the_question() -> None:
    own = result("port", "connect-refused", Stage.CONNECT)
    (proof,) = evidence(Case(parse_target("h.test:587"), (own,), own, own.findings[0]), CAUSE)

    assert proof.at == AT + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("address", "raw"),
    [
        ("one@x.test", b"550 5.1.1 unknown"),
        ("two@x.test", b"550 5.7.1 no"),
        ("postmaster@x.test", b"550 5.1.1 nor postmaster"),
    ],
)
def test_a_refused_recipient_is_proven_by_the_answer_to_that_recipient(address: str, raw: bytes) -> None:
    refused = [("one@x.test", b"5.1.1 unknown"), ("two@x.test", b"5.7.1 no"), ("ok@x.test", b"")]
    answers = tuple(Answered(who, Reply(550 if text else 250, (text,))) for who, text in refused)
    facts = EnvelopeFacts(
        sender="me@x.test",
        recipients=tuple(who for who, _ in refused),
        mail=Reply(250, (b"ok",)),
        rcpt=answers,
        control=Answered("postmaster@x.test", Reply(550, (b"5.1.1 nor postmaster",))),
    )
    own = result("envelope", "recipient-refused", Stage.RCPT, HERE, facts, code=550, address=address, text="t")

    assert shown(own) == [(Who.SERVER, raw, "recipient-refused")]


@pytest.mark.parametrize(
    ("stage", "probe", "told"),
    [
        (Stage.DNS, "dnssec", True),
        (Stage.CONNECT, "sibling", True),
        (Stage.CERTIFICATE, "issuer", True),
        (Stage.TLS, "hello", True),
        (Stage.STARTTLS, "relay", True),
        (Stage.GREETING, "mode", True),
        (Stage.AUTH, "home", True),
        (Stage.CONNECT, "issuer", False),
        (Stage.CLOCK, "times", True),
        (Stage.CONNECT, "clock", False),
    ],
)
def test_beside_it_stands_what_decided_at_that_stage_and_place(stage: Stage, probe: str, told: bool) -> None:
    own = result("own", "own-code", stage)
    here, there = result(probe, "decided", stage), result(probe, "elsewhere", stage, THERE)
    texts = [text for _, _, text in shown(own, here, there)]

    # the clock is one for all places
    anywhere = ["elsewhere"] if stage is Stage.CLOCK else []
    assert texts == ["own-code", *(["decided", *anywhere] if told else [])]


def test_a_cause_that_is_the_clock_s_shows_the_clock() -> None:
    own = result("chain", "certificate-expired", Stage.CERTIFICATE)
    clock = result("clock", "clock-ahead", Stage.CLOCK, Subject("ntp.test"))

    by_clock = [text for _, _, text in shown(own, clock, cause=Cause("clock-ahead", always, Stage.CLOCK))]
    assert by_clock == ["certificate-expired", "clock-ahead"]
    assert [text for _, _, text in shown(own, clock)] == ["certificate-expired"]


def test_a_refusal_proves_only_what_is_found_in_its_words() -> None:
    facts = EnvelopeFacts(sender="me@x.test", recipients=(), mail=Reply(550, (b"5.7.1 no",)), rcpt=())
    found = result("envelope", "sender-refused", Stage.MAIL, HERE, facts, code=550, text="t")
    beside = result("envelope", "recipient-partly-refused", Stage.RCPT, HERE, facts, said="seen")

    assert shown(found) == [(Who.SERVER, b"550 5.7.1 no", "sender-refused")]
    assert shown(beside) == [(Who.SMTPCHECK, b"seen", "recipient-partly-refused")]


def test_that_the_words_are_unknown_is_told_where_no_cause_was_found_by_other_means() -> None:
    own = result("message", "message-refused", Stage.DATA, HERE, NOTHING, code=550, enhanced="5.7.1", text="zzz")
    undecided = Cause(own.findings[0].code, always)

    assert [text for _, _, text in shown(own, cause=undecided)] == ["message-refused", "words-unknown-policy"]
    assert [text for _, _, text in shown(own)] == ["message-refused"]


def test_a_policy_s_certificate_shows_what_is_wrong_with_the_certificate_and_no_more() -> None:
    own = result("mtasts", "mta-sts-certificate", Stage.POLICY, Subject("x.test"))
    bad = result("chain", "certificate-expired", Stage.CERTIFICATE)
    untidy = result("chain", "certificate-superfluous-root", Stage.CERTIFICATE)
    other = result("stores", "certificate-expired", Stage.CERTIFICATE)

    texts = [text for _, _, text in shown(own, bad, untidy, other, cause=Cause("mta-sts-certificate", always))]
    assert texts == ["mta-sts-certificate", "certificate-expired"]
    assert [text for _, _, text in shown(own, bad)] == ["mta-sts-certificate"]
