"""Does each question get the report's answer? That a broken report fails one is held in tests/test_faults.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from smtpcheck.advice import Words
from smtpcheck.api import check
from smtpcheck.core import Report, Stage, Status, Verdict
from smtpcheck.lab import Background, Practice, background
from smtpcheck.probes import probes
from smtpcheck.report.questions import answer, narrowed, questions
from smtpcheck.target.grammar import parse_target
from tests.checking import aim

WORDS = Words("en")


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


def report_of(practice: Practice, **options: Any) -> Report:
    return check(aim(practice, **options), password=practice.password)


def statuses(report: Report) -> dict[str, Status]:
    return {probe.name: answer(report, probe.name, WORDS).status for probe in questions(report.target, probes())}


# Which there are


@pytest.mark.parametrize(
    ("spec", "options", "expected"),
    [
        ("h.test:587", {}, "config address port greeting tls chain"),
        ("h.test", {"ntp": "n.test"}, "config address port greeting tls chain clock"),
        ("h.test:25", {"mode": "plain"}, "config address port greeting"),
        ("mx:h.test", {}, "config address exchanger mx port greeting tls chain dane mtasts"),
        ("me@h.test", {"secret": "env:X"}, "config address submission port greeting tls chain auth consent"),
        ("me@h.test", {"recipients": ("a@b.c",)}, "config address submission port greeting tls chain envelope"),
        (
            "me@h.test",
            {"secret": "env:X", "send": True, "imap": "i.h.test"},
            "config address submission port greeting tls chain auth consent envelope message delivery",
        ),
        ("127.0.0.1:25", {}, "config address port greeting tls chain"),
    ],
)
def test_the_questions_of_a_target_are_those_a_healthy_one_would_be_asked(
    spec: str, options: dict[str, Any], expected: str
) -> None:
    target = parse_target(spec, **options)

    assert " ".join(probe.name for probe in questions(target, probes())) == expected


@pytest.mark.parametrize("fault", ["healthy", "healthy-implicit", "delivered", "mx-healthy"])
def test_the_rehearsal_asks_what_the_check_of_a_healthy_server_asks(lab: Background, fault: str) -> None:
    report = report_of(lab.start(fault))

    # what is remarked on when all is over is no question
    asked = {result.probe for result in report.results} - {probe.name for probe in probes() if probe.last}
    assert {probe.name for probe in questions(report.target, probes())} == asked
    assert set(statuses(report).values()) <= {Status.OK, Status.NOTE, Status.WARN}


# What came of them


@pytest.mark.parametrize(
    ("fault", "failing", "blocked"),
    [
        ("certificate-expired", {"chain"}, {"auth"}),
        ("connect-refused", {"port"}, {"greeting", "tls", "chain", "auth"}),
        ("auth-refused", {"auth"}, set()),
        ("starttls-not-offered", {"tls"}, {"auth"}),
        ("clock-behind", {"clock"}, set()),
        ("dns-no-address", {"address"}, {"port", "greeting", "tls", "chain", "auth"}),
        ("plain-on-implicit-tls-port", {"greeting"}, {"tls", "chain", "auth"}),
        ("recipient-refused", {"envelope"}, {"message", "delivery"}),
        ("mx-null", {"mx"}, {"address", "port", "greeting", "tls", "chain", "exchanger"}),
    ],
)
def test_the_broken_question_fails_and_those_behind_it_are_not_tested(
    lab: Background, fault: str, failing: set[str], blocked: set[str]
) -> None:
    report = report_of(lab.start(fault))

    found = statuses(report)

    assert {name for name, status in found.items() if status is Status.FAIL} == failing
    assert {name for name, s in found.items() if s in (Status.BLOCKED, Status.INCONCLUSIVE)} >= blocked
    for name in failing:
        told = answer(report, name, WORDS)
        assert told.told == report.diagnosis
        assert told.findings
    for name in blocked:
        assert answer(report, name, WORDS).why


def test_a_fault_of_another_endpoint_fails_nothing(lab: Background) -> None:
    """The IPv6 address refuses; mail goes by IPv4."""
    report = report_of(lab.start("ipv6-preferred-broken"))

    assert report.verdict is Verdict.HEALTHY
    assert any(result.status is Status.BLOCKED for result in report.results)
    assert set(statuses(report).values()) <= {Status.OK, Status.NOTE, Status.WARN}


def test_what_was_never_asked_is_skipped_when_all_is_well(lab: Background) -> None:
    report = report_of(lab.start("healthy"))

    assert answer(report, "mx", WORDS).status is Status.SKIPPED


# How far


@pytest.mark.parametrize(
    ("wanted", "until"),
    [
        ({"config"}, Stage.DNS),
        ({"clock"}, Stage.DNS),
        ({"port"}, Stage.CONNECT),
        ({"greeting"}, Stage.CERTIFICATE),
        ({"chain", "port"}, Stage.CERTIFICATE),
        ({"auth"}, Stage.AUTH),
        ({"envelope"}, Stage.RCPT),
        ({"message"}, Stage.DATA),
    ],
)
def test_a_check_goes_no_further_than_the_questions_wanted(wanted: set[str], until: Stage) -> None:
    target = parse_target("me@h.test", secret="env:X", send=True, imap="i.h.test")

    aimed, kept = narrowed(target, probes(), wanted)

    assert aimed.until is until
    assert bool(aimed.secret) is (until in (Stage.AUTH, Stage.RCPT, Stage.DATA))
    assert aimed.send is (until is Stage.DATA)
    assert wanted <= {probe.name for probe in kept}
    assert ("greeting" in {probe.name for probe in kept}) is (until not in (Stage.DNS, Stage.CONNECT))


def test_questions_to_the_end_leave_the_target_as_it_is() -> None:
    target = parse_target("me@h.test", secret="env:X")

    assert narrowed(target, probes(), {"chain", "auth"}) == (target, probes())
