"""Which TLS mode does this port really speak?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.core import Finding, Kind, Mode, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import Broken, CouldNotAsk, NotNeeded
from smtpcheck.route import ModeFacts


@dataclass(frozen=True, slots=True)
class TlsMode(Probe[ModeFacts]):
    """Where the expected mode gets no answer or the other one's, tries the other on a second connection."""

    name = "mode"
    experiment = True
    rules = (
        Rule("mode-mismatch", Severity.FAIL, Stage.TLS, "RFC 8314 section 3.3"),
        Rule("mode-found", Severity.NOTE, Stage.TLS, "RFC 8314 section 3.3"),
        Rule("mode-neither", Severity.NOTE, Stage.TLS, "RFC 8314 section 3.3"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Every endpoint as first tried; whether there is a doubt shows while its greeting is awaited."""
        found = route.endpoints(target, earlier)
        others = {other for result in earlier if (other := _other(result))}
        return [subject for subject in found if subject not in others and subject.address]

    async def observe(self, subject: Subject, ctx: Context) -> ModeFacts:
        """Nothing on a healthy endpoint; one more connection where there is a doubt."""
        dialogue = ctx.dialogue(subject)
        doubt = await _doubt(dialogue)
        if doubt is None:
            raise NotNeeded(because("mode-as-expected"))
        other = Mode.STARTTLS if subject.mode is Mode.IMPLICIT else Mode.IMPLICIT
        second = ctx.dialogue(route.speaking(subject, other))
        stated, found = ctx.target.mode is not Mode.AUTO, False
        async with ctx.experiment(self.name, subject):
            try:
                found = await _speaks(second)
            finally:
                if stated or not found:
                    await second.close()
        if found:
            dialogue.abandon()
        return ModeFacts(tried=subject.mode, found=other if found else None, stated=stated, said=doubt)

    def judge(self, facts: ModeFacts) -> Iterator[Finding]:
        """A mismatch is a fault only against a mode that somebody stated."""
        if facts.found is None:
            yield self.found("mode-neither", tried=str(facts.tried))
        else:
            code = "mode-mismatch" if facts.stated else "mode-found"
            yield self.found(code, tried=str(facts.tried), found=str(facts.found))


def _other(result: Result[Any]) -> Subject | None:
    facts = result.facts
    if isinstance(facts, ModeFacts) and facts.found:
        return route.speaking(result.subject, facts.found)
    return None


async def _doubt(dialogue: Dialogue) -> bytes | None:
    """What was said that belongs to the other mode, empty for silence; None where there is no doubt."""
    if dialogue.subject.mode is not Mode.IMPLICIT:
        return b"" if await dialogue.silent() else None
    try:
        await dialogue.reach(Stage.TLS)
    except Broken as error:
        # the raw bytes `220 ` fed to a TLS engine already prove a port that speaks in clear
        if error.kind is Kind.NOT_TLS and error.raw[:3].isdigit():
            return error.raw
    return None


async def _speaks(dialogue: Dialogue) -> bool:
    try:
        await dialogue.reach(Stage.TLS if dialogue.subject.mode is Mode.IMPLICIT else Stage.GREETING)
    except (Broken, CouldNotAsk):
        return False
    return True
