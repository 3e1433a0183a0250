"""What has the server said so far? The state of one SMTP session (RFC 5321 section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from smtpcheck.wire import sasl, smtp, x509
from smtpcheck.wire.challenges import OAuthRefusal
from smtpcheck.wire.smtp import Reply
from smtpcheck.wire.tls import TlsSession


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
class RecipientReply:
    """One recipient and the reply to its RCPT."""

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
class Session:
    """The replies so far and what follows from them, also of a session that broke."""

    greeting: Reply | None = None
    greeting_seconds: float = 0.0
    """Seconds from the connection to the greeting."""
    ehlo: Reply | None = None
    capabilities: smtp.Capabilities | None = None
    starttls: Reply | None = None
    plain: bool = False
    """No TLS was offered and none was required."""
    tls: TlsSession | None = None
    verdict: x509.Verdict | None = None
    verified_at: datetime | None = None
    secure_ehlo: Reply | None = None
    secure_capabilities: smtp.Capabilities | None = None
    login: Login = field(default_factory=Login)
    mail: Reply | None = None
    rcpt: tuple[RecipientReply, ...] = ()
    control: RecipientReply | None = None
    """The reply to postmaster@ of the first refused recipient's domain, where that was asked."""
    data: Reply | None = None
    """The reply to DATA."""
    end_of_data: Reply | None = None
    """The reply to the final dot (RFC 5321 section 4.1.1.4)."""
    dotted_at: datetime | None = None
    """When the final dot was written: from then on the message may be on its way, whatever is replied."""
    closing: bool = False
    """A 421 came (RFC 5321 section 3.8): nothing more is tried here."""
