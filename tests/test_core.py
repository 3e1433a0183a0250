"""Are facts looked up by their type, and read alike whichever probe observed them?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from smtpcheck.core import Blocked, Kind, Mode, Result, Stage, Subject, facts_of
from smtpcheck.probes.port import PortFacts
from smtpcheck.probes.segment import SegmentFacts
from smtpcheck.probes.tls import TlsFacts

HERE, THERE = Subject("mail.example.test", "192.0.2.1", 587), Subject("mail.example.test", "192.0.2.2", 587)
OPEN, SHUT = PortFacts(broke=None, seconds=0.1), PortFacts(broke=Kind.REFUSED, seconds=0.1)
TLS = TlsFacts(
    mode=Mode.STARTTLS, starttls=None, plain=False, broke=Kind.REJECTED, stage=Stage.STARTTLS, raw=b"454 no\r\n"
)


def result(subject: Subject, outcome: Any, probe: str = "port") -> Result[Any]:
    return Result(probe=probe, subject=subject, outcome=outcome, started=datetime.now(UTC), elapsed=0.0)


def test_facts_are_found_by_their_type_about_one_subject_or_about_any_in_order() -> None:
    blocked = Blocked(Stage.CONNECT, Kind.TIMEOUT)
    results = [result(THERE, SHUT), result(HERE, blocked), result(HERE, TLS, "tls"), result(HERE, OPEN)]

    assert list(facts_of(PortFacts, results)) == [SHUT, OPEN]
    assert list(facts_of(PortFacts, results, HERE)) == [OPEN]
    assert list(facts_of(TlsFacts, results, THERE)) == []
    assert list(facts_of(SegmentFacts, results)) == []


@pytest.mark.parametrize(
    ("outcome", "broke", "at", "raw"),
    [
        (OPEN, None, None, b""),
        (SHUT, Kind.REFUSED, None, b""),
        (TLS, Kind.REJECTED, Stage.STARTTLS, b"454 no\r\n"),
        (Blocked(Stage.CONNECT, Kind.TIMEOUT), None, None, b""),
        ({"broke": "refused"}, None, None, b""),
    ],
    ids=["it did not", "broke", "where, and what was said", "not asked", "facts of an unknown probe"],
)
def test_a_result_says_how_its_question_ended_short(
    outcome: Any, broke: Kind | None, at: Stage | None, raw: bytes
) -> None:
    one = result(HERE, outcome)
    assert (one.broke, one.broke_at, one.raw) == (broke, at, raw)
