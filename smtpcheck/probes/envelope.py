"""Does the server accept this sender and this recipient?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.conversation.session import Answered
from smtpcheck.core import NO_REASON, Finding, Kind, Reason, Result, Rule, Scalar, Severity, Stage, Subject, Target
from smtpcheck.net.failures import Broken, CouldNotAsk
from smtpcheck.wire.smtp import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeFacts:
    """MAIL and RCPT as answered; the transaction was reset, nothing was sent."""

    sender: str
    recipients: tuple[str, ...]
    mail: Reply | None
    rcpt: tuple[Answered, ...]
    """Every recipient with its answer, in the order asked."""
    broke: Kind | None = None
    stage: Stage = Stage.RCPT
    reason: Reason = NO_REASON
    control: Answered | None = None
    """What was said to postmaster@ of the first refused recipient's domain, where that was asked."""


@dataclass(frozen=True, slots=True)
class Envelope(Probe[EnvelopeFacts]):
    """MAIL, RCPT, RSET at the primary endpoint (RFC 5321 section 3.3)."""

    name = "envelope"
    intrusive = True
    rules = (
        Rule("sender-refused", Severity.FAIL, Stage.MAIL, "RFC 5321 section 4.1.1.2"),
        Rule("sender-deferred", Severity.FAIL, Stage.MAIL, "RFC 5321 section 4.1.1.2"),
        Rule("sender-cut-off", Severity.FAIL, Stage.MAIL, "RFC 5321 section 4.1.1.2"),
        Rule("recipient-refused", Severity.FAIL, Stage.RCPT, "RFC 5321 section 4.1.1.3"),
        Rule("recipient-deferred", Severity.FAIL, Stage.RCPT, "RFC 5321 section 4.1.1.3"),
        Rule("recipient-cut-off", Severity.FAIL, Stage.RCPT, "RFC 5321 section 4.1.1.3"),
        Rule("recipient-partly-refused", Severity.WARN, Stage.RCPT, "RFC 5321 section 3.3"),
        Rule("recipient-control-accepted", Severity.NOTE, Stage.RCPT, "RFC 5321 section 4.5.1"),
        Rule("recipient-control-refused", Severity.NOTE, Stage.RCPT, "RFC 5321 section 4.5.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The primary endpoint, where a recipient was named."""
        if Stage.RCPT not in route.asked(target) or not target.recipients:
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
            if error.kind is Kind.NOT_OFFERED:
                # nobody refused anything: this message can't be said to this server
                raise CouldNotAsk(error.stage, Kind.UNSUPPORTED, error.reason) from None
        return EnvelopeFacts(
            sender=ctx.target.sender,
            recipients=ctx.target.recipients,
            mail=dialogue.heard.mail,
            rcpt=dialogue.heard.rcpt,
            broke=error.kind if error else None,
            stage=error.stage if error else Stage.RCPT,
            reason=error.reason if error else NO_REASON,
            control=dialogue.heard.control,
        )

    def judge(self, facts: EnvelopeFacts) -> Iterator[Finding]:
        """Which party was refused, for good or for now, or whether the line was lost."""
        if facts.stage is Stage.MAIL and facts.broke:
            yield self._sender(facts)
            return
        refused = [answer for answer in facts.rcpt if not answer.accepted]
        accepted = len(facts.rcpt) - len(refused)
        for answer in refused:
            yield self._recipient(answer, facts, accepted)
        if 0 < len(refused) < len(facts.rcpt):
            yield self.found("recipient-partly-refused", accepted=accepted, asked=len(facts.rcpt))
        if facts.control and (facts.control.accepted or facts.control.refused):
            yield self._compared(facts.control)
        if facts.broke and not refused:
            yield self.found("recipient-cut-off", facts.reason, address=facts.recipients[len(facts.rcpt)])

    def _sender(self, facts: EnvelopeFacts) -> Finding:
        reply = facts.mail
        if reply is None or reply.positive:
            return self.found("sender-cut-off", facts.reason, address=facts.sender)
        return self._refused("sender-deferred" if reply.temporary else "sender-refused", facts.sender, reply, 0)

    def _recipient(self, answer: Answered, facts: EnvelopeFacts, accepted: int) -> Finding:
        reply = answer.reply
        if reply.positive:  # out of step, and no refusal
            return self.found("recipient-cut-off", facts.reason, address=answer.recipient)
        code = "recipient-deferred" if reply.temporary else "recipient-refused"
        return self._refused(code, answer.recipient, reply, accepted)

    def _compared(self, control: Answered) -> Finding:
        reply = control.reply
        return self.found(
            "recipient-control-accepted" if control.accepted else "recipient-control-refused",
            address=control.recipient,
            code=reply.code,
            enhanced=reply.enhanced,
            text=reply.text,
        )

    def _refused(self, code: str, address: str, reply: Reply, accepted: int) -> Finding:
        seen: dict[str, Scalar] = {"code": reply.code, "enhanced": reply.enhanced, "text": reply.text}
        return self.found(code, address=address, accepted=accepted, **seen)
