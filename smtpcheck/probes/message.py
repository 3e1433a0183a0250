"""Does the server take the message?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import NO_REASON, Finding, Kind, Reason, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import Broken, CouldNotAsk
from smtpcheck.wire.smtp import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFacts:
    """The message as it was handed over, or was not."""

    token: str
    message_id: str
    octets: int
    accepted: tuple[str, ...]
    """The recipients it was handed over for."""
    data: Reply | None
    """The answer to DATA."""
    reply: Reply | None
    """The answer to the final dot."""
    dotted_at: datetime | None
    """When the final dot was written; None: the message certainly did not leave."""
    broke: Kind | None = None
    reason: Reason = NO_REASON
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Message(Probe[MessageFacts]):
    """DATA (RFC 5321 section 4.1.1.4) at the primary endpoint, once."""

    name = "message"
    intrusive = True
    rules = (
        Rule("message-refused", Severity.FAIL, Stage.DATA, "RFC 5321 section 4.2.5"),
        Rule("message-deferred", Severity.FAIL, Stage.DATA, "RFC 5321 section 4.2.5"),
        Rule("message-cut-off", Severity.FAIL, Stage.DATA, "RFC 5321 section 4.1.1.4"),
        Rule("message-fate-unknown", Severity.FAIL, Stage.DATA, "RFC 1047, RFC 5321 section 4.5.3.2.6"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The primary endpoint, where a message is to be sent."""
        if not target.send or Stage.DATA not in route.asked(target):
            return ()
        elected = route.primary(target, earlier)
        return (elected,) if elected else ()

    async def observe(self, subject: Subject, ctx: Context) -> MessageFacts:
        """To the answer after the final dot."""
        if ctx.message is None:
            raise CouldNotAsk(Stage.DATA, Kind.LOCAL, because("no-message"))
        dialogue = ctx.dialogue(subject)
        error: Broken | None = None
        try:
            await dialogue.reach(Stage.DATA)
        except Broken as broken:
            error = broken.unless(Stage.DATA)
        heard = dialogue.heard
        return MessageFacts(
            token=ctx.message.token,
            message_id=ctx.message.message_id,
            octets=len(ctx.message.message),
            accepted=tuple(a.recipient for a in heard.rcpt if a.accepted),
            data=heard.data,
            reply=heard.handed or heard.data,
            dotted_at=heard.dotted_at,
            broke=error.kind if error else None,
            reason=error.reason if error else NO_REASON,
            raw=error.raw if error else b"",
        )

    def judge(self, facts: MessageFacts) -> Iterator[Finding]:
        """A line lost after the final dot leaves the fate open; before it, nothing left."""
        if facts.broke is None:
            return
        reply = facts.reply
        if facts.broke is Kind.REJECTED and reply is not None:
            yield self.found(
                "message-deferred" if reply.temporary else "message-refused",
                code=reply.code,
                enhanced=reply.enhanced,
                text=reply.text,
                octets=facts.octets,
                after_dot=facts.dotted_at is not None,
            )
        else:
            code = "message-fate-unknown" if facts.dotted_at else "message-cut-off"
            yield self.found(code, facts.reason, octets=facts.octets, message_id=facts.message_id)
