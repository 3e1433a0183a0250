"""Does another port of the same address answer, where the one asked for does not?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import NO_REASON, Finding, Kind, Reason, Result, Rule, Severity, Stage, Subject, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SiblingFacts:
    """How another port of the same address answered."""

    port: int
    broke: Kind | None
    reason: Reason = NO_REASON

    @property
    def answers(self) -> bool:
        """The host itself spoke: it is up, and packets come back."""
        return self.broke in (None, Kind.REFUSED)


# What mail hosts serve besides, and the web, which hardly any network filters.
_OTHERS = (587, 465, 443)


@dataclass(frozen=True, slots=True)
class Sibling(Probe[SiblingFacts]):
    """One more connection, where no port asked for opened: an answer of any kind says that the host is up."""

    name = "sibling"
    experiment = True
    rules = (
        Rule("sibling-answers", Severity.NOTE, Stage.CONNECT, "RFC 9293 section 3.5"),
        Rule("sibling-dead", Severity.NOTE, Stage.CONNECT, "RFC 9293 section 3.5"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The first endpoint, where none opened and packets to one at least got lost."""
        lost = route.lost(target, earlier)
        return lost[:1]

    async def observe(self, subject: Subject, ctx: Context) -> SiblingFacts:
        """One connection, closed at once."""
        asked = {endpoint.port for endpoint in route.endpoints(ctx.target, ctx.results)}
        port = next(port for port in _OTHERS if port not in asked)
        async with ctx.experiment(self.name, subject):
            broke, reason = await ctx.door.knock(subject.name, subject.address, port, ctx.limits.connect / 2)
        return SiblingFacts(port=port, broke=broke, reason=reason)

    def judge(self, facts: SiblingFacts) -> Iterator[Finding]:
        """Open, or refused by the host itself: both are answers."""
        how = str(facts.broke or "open")
        yield self.found("sibling-answers" if facts.answers else "sibling-dead", port=facts.port, how=how)
