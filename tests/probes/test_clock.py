"""Is the clock's own reason told where it is asked alone, and is nobody kept waiting for it in a report?"""

from __future__ import annotations

import asyncio

import smtpcheck
from smtpcheck.core import Failure
from smtpcheck.lab import Lab
from tests.checking import checked

WHY = {
    "ntp-kod": ("untrustworthy", "ntp-kiss-of-death"),
    "ntp-unsynchronised": ("untrustworthy", "ntp-unsynchronised"),
    "ntp-short": ("garbage", "ntp-unreadable"),
    "ntp-blocked": ("silent", "no-answer"),
}


async def alone(lab: Lab, fault: str) -> Failure:
    """What comes of asking for the clock and nothing else."""
    practice = await lab.start(fault)
    (result,) = await smtpcheck.aprobe("clock", practice.target, **practice.options)
    assert isinstance(result.outcome, Failure)
    return result.outcome


async def test_asked_alone_the_clock_is_waited_for_and_says_its_own_reason() -> None:
    async with Lab() as lab:
        found = await asyncio.gather(*(alone(lab, fault) for fault in WHY))

    assert {fault: (failure.kind, failure.code) for fault, failure in zip(WHY, found, strict=True)} == WHY


async def test_a_report_does_not_wait_for_a_silent_time_server() -> None:
    async with Lab() as lab:
        report = await checked(await lab.start("ntp-blocked"))

    (result,) = [result for result in report.results if result.probe == "clock"]
    assert isinstance(result.outcome, Failure)
    assert result.outcome.code == "not-waited-for"
