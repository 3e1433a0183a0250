"""Does the server accept this sender and this recipient?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.context import Context
from smtpcheck.core import Finding, Kind, Probe, Result, Rule, Severity, Stage, Subject, Target
from smtpcheck.failures import Broken
from smtpcheck.wire.smtp import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeFacts:
    """MAIL and RCPT as answered; the transaction was reset, nothing was sent."""

    sender: str
    recipient: str
    mail: Reply | None
    rcpt: Reply | None
    broke: Kind | None = None
    stage: Stage = Stage.RCPT
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Envelope(Probe[EnvelopeFacts]):
    """MAIL, RCPT, RSET at the primary endpoint (RFC 5321 section 3.3)."""

    name = "envelope"
    intrusive = True
    rules = (
        Rule("envelope-sender-refused", Severity.FAIL, Stage.MAIL, "RFC 5321 section 4.1.1.2"),
        Rule("envelope-sender-deferred", Severity.FAIL, Stage.MAIL, "RFC 5321 section 4.1.1.2"),
        Rule("envelope-sender-cut-off", Severity.FAIL, Stage.MAIL, "RFC 5321 section 4.1.1.2"),
        Rule("envelope-recipient-refused", Severity.FAIL, Stage.RCPT, "RFC 5321 section 4.1.1.3"),
        Rule("envelope-recipient-deferred", Severity.FAIL, Stage.RCPT, "RFC 5321 section 4.1.1.3"),
        Rule("envelope-recipient-cut-off", Severity.FAIL, Stage.RCPT, "RFC 5321 section 4.1.1.3"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The primary endpoint, where a recipient was named."""
        if Stage.RCPT not in route.asked(target) or not target.recipient:
            return ()
        elected = route.primary(target, earlier)
        return (elected,) if elected else ()

    async def observe(self, subject: Subject, ctx: Context) -> EnvelopeFacts:
        """To RCPT and back."""
        dialogue = ctx.dialogue(subject)
        error: Broken | None = None
        try:
            await dialogue.reach(Stage.RCPT)
        except Broken as broken:
            error = broken.unless(Stage.MAIL, Stage.RCPT)
        return EnvelopeFacts(
            sender=ctx.target.sender,
            recipient=ctx.target.recipient,
            mail=dialogue.heard.mail,
            rcpt=dialogue.heard.rcpt,
            broke=error.kind if error else None,
            stage=error.stage if error else Stage.RCPT,
            detail=error.detail if error else "",
        )

    def judge(self, facts: EnvelopeFacts) -> Iterator[Finding]:
        """Which of the two was refused, and for good or for now."""
        if facts.broke is None:
            return
        party = "sender" if facts.stage is Stage.MAIL else "recipient"
        reply = facts.mail if facts.stage is Stage.MAIL else facts.rcpt
        address = facts.sender if facts.stage is Stage.MAIL else facts.recipient
        if facts.broke is not Kind.REJECTED or reply is None:
            yield self.found(f"envelope-{party}-cut-off", address=address, detail=facts.detail)
            return
        code = f"envelope-{party}-{'deferred' if reply.temporary else 'refused'}"
        yield self.found(code, address=address, code=reply.code, enhanced=reply.enhanced, text=reply.text)
