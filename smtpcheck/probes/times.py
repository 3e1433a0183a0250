"""Does what else is known of the time agree with the time server?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import NotNeeded

_OFF = frozenset({"clock-ahead", "clock-behind", "clock-time-zone"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TimesFacts:
    """The window of a certificate that verifies by our clock, and the time by the time server."""

    server: str
    name: str
    """The host that showed the certificate."""
    told: datetime
    """When it was shown, by the time server."""
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Times(Probe[TimesFacts]):
    """Where the time server says that our clock is off: a certificate that verifies is a witness. No packet."""

    name = "times"
    experiment = True
    rules = (
        Rule("clock-contradicted", Severity.NOTE, Stage.CLOCK, "RFC 5280 section 4.1.2.5"),
        Rule("clock-in-doubt", Severity.NOTE, Stage.CLOCK, "RFC 5280 section 4.1.2.5"),
        Rule("clock-fits", Severity.NOTE, Stage.CLOCK, "RFC 5280 section 4.1.2.5"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The first certificate that verified, once the time server called our clock wrong."""
        off = any(finding.code in _OFF for result in earlier for finding in result.findings)
        verified = (r.subject for r in earlier if r.probe == "chain" and r.facts and r.facts.verdict.verified)
        first = next(verified, None)
        return (first,) if off and first else ()

    async def observe(self, subject: Subject, ctx: Context) -> TimesFacts:
        """Reads the results of the clock and chain probes."""
        clock = next((r.facts for r in ctx.results if r.probe == "clock" and r.facts), None)
        chain = next((r.facts for r in ctx.results if r.probe == "chain" and r.subject == subject and r.facts), None)
        if clock is None or chain is None:
            raise NotNeeded(because("no-times"))
        leaf = chain.certificates[0]
        return TimesFacts(
            server=clock.server,
            name=subject.name,
            told=chain.at + timedelta(seconds=clock.offset),
            not_before=leaf.not_before,
            not_after=leaf.not_after,
        )

    def judge(self, facts: TimesFacts) -> Iterator[Finding]:
        """Nobody shows a certificate before it is made; one that is over is shown by mistake every day."""
        code = "clock-fits"
        if facts.told < facts.not_before:
            code = "clock-contradicted"
        elif facts.told > facts.not_after:
            code = "clock-in-doubt"
        yield self.found(
            code,
            server=facts.server,
            name=facts.name,
            told=f"{facts.told:%Y-%m-%d %H:%M} UTC",
            not_before=f"{facts.not_before:%Y-%m-%d %H:%M} UTC",
            not_after=f"{facts.not_after:%Y-%m-%d %H:%M} UTC",
        )
