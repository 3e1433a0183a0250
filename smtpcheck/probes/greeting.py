"""Does an SMTP server answer, and what does it announce?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.core import NO_REASON, Finding, Kind, Reason, Result, Rule, Severity, Stage, Subject, Target
from smtpcheck.net.failures import Broken
from smtpcheck.wire.smtp import Capabilities, Reply, begins_reply, disguised, foreign, readable

_GREETING = {
    Kind.TIMEOUT: "greeting-silent",
    Kind.CLOSED: "greeting-closed",
    Kind.RESET: "greeting-reset",
    Kind.GARBAGE: "greeting-not-smtp",
    Kind.INJECTED: "greeting-extra-reply",
}
_EHLO = {
    Kind.TIMEOUT: "ehlo-silent",
    Kind.CLOSED: "ehlo-closed",
    Kind.RESET: "ehlo-reset",
    Kind.GARBAGE: "ehlo-garbage",
    Kind.INJECTED: "ehlo-extra-reply",
}
# where what came began as a reply does
_GREETING_BEGUN = {Kind.TIMEOUT: "greeting-unfinished", Kind.GARBAGE: "greeting-unreadable"}
_EHLO_BEGUN = {Kind.TIMEOUT: "ehlo-unfinished"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetingFacts:
    """What was said before any login."""

    greeting: Reply | None
    seconds: float
    """From the connection (or the end of the handshake, with implicit TLS) to the greeting."""
    ehlo: Reply | None
    capabilities: Capabilities | None
    secure_ehlo: Reply | None
    secure_capabilities: Capabilities | None
    helo: Reply | None = None
    """The answer to HELO, which is asked where EHLO is not known."""
    broke: Kind | None = None
    stage: Stage = Stage.EHLO
    reason: Reason = NO_REASON
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Greeting(Probe[GreetingFacts]):
    """Reads the greeting and EHLO, before and after TLS."""

    slow_seconds: float = 5.0
    """Greet-pauses against spam robots are about this long; many programs give up after 10 s."""

    name = "greeting"
    rules = (
        *(Rule(code, Severity.FAIL, Stage.GREETING, "RFC 5321 section 3.1") for code in _GREETING.values()),
        *(Rule(code, Severity.FAIL, Stage.GREETING, "RFC 5321 section 4.2") for code in _GREETING_BEGUN.values()),
        Rule("greeting-rejected", Severity.FAIL, Stage.GREETING, "RFC 5321 section 3.1"),
        Rule("greeting-busy", Severity.FAIL, Stage.GREETING, "RFC 5321 section 3.8"),
        Rule("greeting-delayed-tarpit", Severity.NOTE, Stage.GREETING, "RFC 5321 section 4.5.3.2.1"),
        *(Rule(code, Severity.FAIL, Stage.EHLO, "RFC 5321 section 4.1.1.1") for code in _EHLO.values()),
        *(Rule(code, Severity.FAIL, Stage.EHLO, "RFC 5321 section 4.2") for code in _EHLO_BEGUN.values()),
        Rule("ehlo-rejected", Severity.FAIL, Stage.EHLO, "RFC 5321 section 4.1.1.1"),
        Rule("ehlo-busy", Severity.FAIL, Stage.EHLO, "RFC 5321 section 3.8"),
        Rule("ehlo-helo-only", Severity.WARN, Stage.EHLO, "RFC 5321 section 3.2"),
        Rule("greeting-malformed", Severity.NOTE, Stage.EHLO, "RFC 5321 section 4.2"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Every endpoint."""
        return route.endpoints(target, earlier)

    async def observe(self, subject: Subject, ctx: Context) -> GreetingFacts:
        """To the last EHLO; a break in TLS between the two is another probe's fact."""
        dialogue = ctx.dialogue(subject)
        try:
            await dialogue.reach(Stage.EHLO)
        except Broken as error:
            if error.stage in (Stage.STARTTLS, Stage.TLS) and dialogue.heard.capabilities:
                return _facts(dialogue)
            error.unless(Stage.GREETING, Stage.EHLO)
            return _facts(dialogue, error)
        return _facts(dialogue)

    def judge(self, facts: GreetingFacts) -> Iterator[Finding]:
        """What broke, else what is odd."""
        if facts.broke:
            yield self._broken(facts, facts.broke)
        elif facts.helo and facts.ehlo:
            yield self.found("ehlo-helo-only", code=facts.ehlo.code, text=facts.ehlo.text)
        if facts.greeting and facts.seconds > self.slow_seconds:
            yield self.found("greeting-delayed-tarpit", seconds=round(facts.seconds, 1))
        replies = (facts.greeting, facts.ehlo, facts.helo, facts.secure_ehlo)
        flaws = {flaw for reply in replies if reply for flaw in reply.flaws}
        if flaws:
            yield self.found("greeting-malformed", flaws=", ".join(sorted(flaws)))

    def _broken(self, facts: GreetingFacts, kind: Kind) -> Finding:
        at_greeting = facts.stage is Stage.GREETING
        if kind is Kind.REJECTED:
            reply = facts.greeting if at_greeting else facts.secure_ehlo or facts.ehlo
            return self._rejected(facts, reply, at_greeting=at_greeting)
        code = (_GREETING if at_greeting else _EHLO).get(
            kind, "greeting-not-smtp" if at_greeting else _EHLO[Kind.GARBAGE]
        )
        if begins_reply(facts.raw) and not (at_greeting and facts.greeting):
            code = (_GREETING_BEGUN if at_greeting else _EHLO_BEGUN).get(kind, code)
        return self.found(
            code,
            facts.reason,
            seconds=round(facts.seconds, 1),
            speaks=foreign(facts.raw),
            said=readable(facts.raw[:120]),
            after_tls=facts.secure_capabilities is None and facts.capabilities is not None,
        )

    def _rejected(self, facts: GreetingFacts, reply: Reply | None, *, at_greeting: bool) -> Finding:
        busy = reply is not None and reply.temporary
        if at_greeting:
            code = "greeting-busy" if busy else "greeting-rejected"
        else:
            code = "ehlo-busy" if busy else "ehlo-rejected"
        return self.found(
            code,
            code=reply.code if reply else 0,
            enhanced=reply.enhanced if reply else "",
            text=reply.text if reply else "",
            speaks=disguised(facts.greeting, reply) if facts.greeting and reply and not at_greeting else "",
            said=facts.greeting.text[:120] if facts.greeting else "",
        )


def _facts(dialogue: Dialogue, error: Broken | None = None) -> GreetingFacts:
    heard = dialogue.heard
    step = next((s for s in dialogue.record.steps if s.stage is Stage.GREETING), None)
    return GreetingFacts(
        greeting=heard.greeting,
        seconds=heard.greeted_after or (step.elapsed if step else 0.0),
        ehlo=heard.ehlo,
        capabilities=heard.capabilities,
        secure_ehlo=heard.secure_ehlo,
        secure_capabilities=heard.secure_capabilities,
        helo=dialogue.helo,
        broke=error.kind if error else None,
        stage=error.stage if error else Stage.EHLO,
        reason=error.reason if error else NO_REASON,
        raw=error.raw if error else b"",
    )
