"""What is to be said in a conversation, and what was heard in it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from smtpcheck.wire import sasl, smtp, tls, x509
from smtpcheck.wire.challenges import OAuthRefusal
from smtpcheck.wire.smtp import Reply


@dataclass(slots=True)
class Login:
    """The login as it went; the reply is the server's own words, masked."""

    offered: tuple[str, ...] = ()
    offered_in_clear: tuple[str, ...] = ()
    mechanism: str = ""
    attempts: int = 0
    reply: Reply | None = None
    looks: sasl.Looks | None = None
    refusal: OAuthRefusal | None = None
    """Why a token was refused, masked."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One recipient and what was said to it."""

    recipient: str
    reply: Reply

    @property
    def accepted(self) -> bool:
        """2yz (RFC 5321 section 4.2.1): 250, 251, and 252 from servers that will only try."""
        return 200 <= self.reply.code < 300

    @property
    def refused(self) -> bool:
        """5yz: for good."""
        return self.reply.code >= 500


@dataclass(slots=True)
class Heard:
    """What was learnt so far, also by a walk that broke."""

    greeting: Reply | None = None
    greeted_after: float = 0.0
    """Seconds from the connection to the greeting."""
    ehlo: Reply | None = None
    capabilities: smtp.Capabilities | None = None
    starttls: Reply | None = None
    plain: bool = False
    """No TLS was offered and none was required."""
    session: tls.TlsSession | None = None
    verdict: x509.Verdict | None = None
    verified_at: datetime | None = None
    secure_ehlo: Reply | None = None
    secure_capabilities: smtp.Capabilities | None = None
    login: Login = field(default_factory=Login)
    mail: Reply | None = None
    rcpt: tuple[Answered, ...] = ()
    control: Answered | None = None
    """What was said to postmaster@ of the first refused recipient's domain, where that was asked."""
    data: Reply | None = None
    """The answer to DATA."""
    handed: Reply | None = None
    """The answer to the final dot."""
    dotted_at: datetime | None = None
    """When the final dot was written: from then on the message may be on its way, whatever is heard."""
    told_to_go: bool = False
    """A 421 was said: nothing more is tried here."""
