"""Is the port open from here?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import NO_REASON, Finding, Kind, Reason, Result, Rule, Severity, Stage, Subject, Target
from smtpcheck.net.failures import Broken, CouldNotAsk

_BROKEN = {
    Kind.REFUSED: "connect-refused",
    Kind.TIMEOUT: "connect-timeout",
    Kind.RESET: "connect-reset",
    Kind.UNREACHABLE: "connect-unreachable",
    Kind.LOCAL: "local-firewall-app",
}

_FORBIDDEN = ("EPERM", "EACCES")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFacts:
    """How the attempt to connect ended."""

    broke: Kind | None
    reason: Reason = NO_REASON
    seconds: float
    """From the first packet to the end of the attempt."""


@dataclass(frozen=True, slots=True)
class Port(Probe[PortFacts]):
    """Connects to every address and port."""

    slow_seconds: float = 3.0
    """A lost SYN is repeated after 1 s and again after 3 s (RFC 6298): slower than this means lost packets."""

    name = "port"
    rules = (
        *(Rule(code, Severity.FAIL, Stage.CONNECT, "RFC 9293 section 3.5") for code in _BROKEN.values()),
        Rule("connect-slow", Severity.WARN, Stage.CONNECT, "RFC 6298"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Every endpoint."""
        return route.endpoints(target, earlier)

    async def observe(self, subject: Subject, ctx: Context) -> PortFacts:
        """The first step of the conversation."""
        dialogue = ctx.dialogue(subject)
        broke, reason = None, NO_REASON
        try:
            await dialogue.reach(Stage.CONNECT)
        except Broken as error:
            broke, reason = error.unless(Stage.CONNECT).kind, error.reason
        except CouldNotAsk as error:
            # EPERM and EACCES are the system's own word: a rule of this machine stops this program
            if error.reason.seen.get("errno") not in _FORBIDDEN:
                raise
            broke, reason = Kind.LOCAL, error.reason
        seconds = next(step.elapsed for step in dialogue.record.steps if step.stage is Stage.CONNECT)
        return PortFacts(broke=broke, reason=reason, seconds=seconds)

    def judge(self, facts: PortFacts) -> Iterator[Finding]:
        """Refused, dropped, reset and unreachable mean four different repairs."""
        if facts.broke:
            yield self.found(_BROKEN[facts.broke], facts.reason, seconds=round(facts.seconds, 1))
        elif facts.seconds > self.slow_seconds:
            yield self.found("connect-slow", seconds=round(facts.seconds, 1), limit=self.slow_seconds)
