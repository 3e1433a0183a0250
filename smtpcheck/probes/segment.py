"""Does a handshake that stalled come about in small segments?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Mode, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import Broken, CouldNotAsk, NotNeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """Whether a handshake that stalled comes about in small segments."""

    segment: int
    broke: Kind | None
    """How the handshake in small segments ended short."""
    again: Kind | None = None
    """How one more in the usual ones did; it is made only where the small ones helped."""

    @property
    def helps(self) -> bool:
        """Only the size made the difference."""
        return self.broke is None and self.again is Kind.TIMEOUT


@dataclass(frozen=True, slots=True)
class Segment(Probe[SegmentFacts]):
    """Once more, with the smallest segments that every host must take; where that helps, as before for comparison."""

    octets: int = 536
    """RFC 9293 section 3.7.1: the default of TCP over IPv4."""

    name = "segment"
    experiment = True
    rules = (
        Rule("segment-helps", Severity.NOTE, Stage.TLS, "RFC 2923 section 2.1"),
        Rule("segment-same", Severity.NOTE, Stage.TLS, "RFC 2923 section 2.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Endpoints that fell silent within the handshake."""
        found = [r.subject for r in earlier for f in r.findings if f.code == "tls-handshake-hang"]
        return found[:1] if target.mode is not Mode.PLAIN else ()

    async def observe(self, subject: Subject, ctx: Context) -> SegmentFacts:
        """One or two more handshakes, after which nothing is said but QUIT."""
        if not ctx.door.direct:
            raise NotNeeded(because("no-segments"))
        small = await self._handshake(subject, ctx, self.octets)
        # a stall that was over by itself would look the same
        again = await self._handshake(subject, ctx, 0) if small is None else None
        return SegmentFacts(segment=self.octets, broke=small, again=again)

    async def _handshake(self, subject: Subject, ctx: Context, octets: int) -> Kind | None:
        dialogue = ctx.beside(subject, segment=octets)
        async with ctx.experiment(self.name, subject):
            try:
                await dialogue.reach(Stage.TLS)
            except (Broken, CouldNotAsk) as error:
                return error.kind
            finally:
                await dialogue.close()
        return None

    def judge(self, facts: SegmentFacts) -> Iterator[Finding]:
        """It helps: larger packets get lost on the way."""
        yield self.found("segment-helps" if facts.helps else "segment-same", octets=facts.segment)
