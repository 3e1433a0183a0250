"""Does the server say goodbye, and what do programs make of it that listen?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Direction, Finding, Kind, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import NotNeeded
from smtpcheck.wire.smtp import readable


@dataclass(frozen=True, slots=True, kw_only=True)
class FarewellFacts:
    """How QUIT was answered."""

    broke: Kind | None
    raw: bytes
    """What was said, masked."""
    accepted: bool
    """A login or a message was accepted before."""


@dataclass(frozen=True, slots=True)
class Farewell(Probe[FarewellFacts]):
    """Reads the end of the primary endpoint's conversation; no packet of its own."""

    name = "farewell"
    last = True
    rules = (Rule("quit-error-after-success", Severity.NOTE, Stage.QUIT, "RFC 5321 section 4.1.1.10"),)

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The endpoint that the verdict is about."""
        subject = route.chosen(target, earlier)
        return (subject,) if subject and subject.address else ()

    async def observe(self, subject: Subject, ctx: Context) -> FarewellFacts:
        """Nothing is asked: the conversation is over."""
        record = ctx.dialogue(subject).record
        step = next((step for step in record.steps if step.stage is Stage.QUIT), None)
        if step is None:
            raise NotNeeded(because("no-quit"))
        said = [event.raw for event in record.events if event.stage is Stage.QUIT and event.dir is Direction.IN]
        mine = route.results_of(subject, ctx.results)
        accepted = any(name in mine and mine[name].status in ("ok", "note", "warn") for name in ("auth", "message"))
        return FarewellFacts(broke=step.broke, raw=b" / ".join(said)[:512], accepted=accepted)

    def judge(self, facts: FarewellFacts) -> Iterator[Finding]:
        """An error at this point undoes nothing that was accepted."""
        if facts.broke:
            yield self.found(
                "quit-error-after-success",
                how=str(facts.broke),
                said=readable(facts.raw[:120]),
                accepted=facts.accepted,
            )
