"""Is only a handshake that size alone decides called a black hole?"""

from __future__ import annotations

import pytest

from smtpcheck.core import Kind
from smtpcheck.lab import Lab
from smtpcheck.probes.segment import Segment, SegmentFacts
from tests.checking import checked


@pytest.mark.parametrize(
    ("small", "again", "code"),
    [
        (None, Kind.TIMEOUT, "segment-helps"),
        # it would have come about anyhow: the stall was over by itself
        (None, None, "segment-same"),
        # another end than silence is another fault
        (None, Kind.RESET, "segment-same"),
        (Kind.TIMEOUT, None, "segment-same"),
    ],
)
def test_size_alone_must_make_the_difference(small: Kind | None, again: Kind | None, code: str) -> None:
    (finding,) = Segment().judge(SegmentFacts(segment=536, broke=small, again=again))

    assert finding.code == code


async def test_both_handshakes_are_listed_and_neither_logs_in() -> None:
    async with Lab() as lab:
        practice = await lab.start("mtu-blackhole")
        report = await checked(practice)

        assert [experiment.probe for experiment in report.experiments] == ["segment", "segment"]
        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 0
        assert practice.smtp.ledger.connections == 3
