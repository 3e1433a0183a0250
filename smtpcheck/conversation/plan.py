"""What is to be said in a conversation, and how long may each answer take?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from smtpcheck.conversation.session import Session
from smtpcheck.core import Target, TargetKind
from smtpcheck.messages.compose import Composed
from smtpcheck.target import providers
from smtpcheck.target.credentials import Secret
from smtpcheck.wire import message, sasl, tls

# Seconds of a check that are for all else but the greeting.
_AROUND_GREETING = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a peer has for one stage; running out is the peer's doing and a fact.

    RFC 5321 section 4.5.3.2 would wait five minutes; a person does not, and these see every healthy server:
    greet-pauses of 8 s are common, Linux repeats a lost SYN after 1, 3 and 7 s.
    """

    dns: float = 2.0
    """For each of two tries; glibc's resolver waits 5 s twice."""
    connect: float = 10.0
    """An experiment has half of it: three that end in silence still fit into a check's thirty seconds."""
    quiet: float = 4.0
    """Without a greeting until then, the other TLS mode is tried beside."""
    greeting: float = 15.0
    reply: float = 10.0
    tls: float = 10.0
    auth: float = 15.0
    data: float = 60.0
    """Content filters take their time after the final dot; RFC 5321 section 4.5.3.2.6 would wait ten minutes."""


def limits_within(deadline: float) -> Limits:
    """The usual limits; who gives the whole check minutes wants to see a late greeting (RFC 5321 section 4.5.3.2.1)."""
    usual = Limits()
    return replace(usual, greeting=min(300.0, max(usual.greeting, deadline - _AROUND_GREETING)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to say in a conversation: what the target asks for, and what is at hand for it."""

    target: Target
    secret: Secret | None = None
    """None: no login."""
    message: Composed | None = None
    """What to hand over after RCPT; None: the transaction is reset."""
    entrusted: frozenset[str] = frozenset()
    """The hosts that may have the secret."""
    experiment: bool = False
    """Beside the conversation that the verdict is about: it ends at nothing that only that one has need of."""
    segment: int = 0
    """The largest TCP segment to be sent to us; 0: what the system asks for."""
    hello: tls.Hello = field(default_factory=tls.Hello)
    """How to introduce ourselves to TLS."""

    def for_experiment(self, hello: tls.Hello | None = None, *, segment: int = 0) -> Plan:
        """The same without login, without message, and without need of TLS."""
        return replace(self, secret=None, message=None, experiment=True, hello=hello or tls.Hello(), segment=segment)

    @property
    def requires_tls(self) -> bool:
        """An exchanger takes mail without it (RFC 3207 section 5)."""
        return self.target.kind is not TargetKind.MX and not self.experiment

    @property
    def needs(self) -> frozenset[str]:
        """Extensions that the message or an address needs: 8BITMIME, SMTPUTF8."""
        raw = self.message.message if self.message else b""
        return message.needs(raw, (self.target.sender, *self.target.recipients))

    @property
    def octets(self) -> int:
        """The message's size as RFC 1870 counts it."""
        return message.size(self.message.message) if self.message else 0


def choose_mechanism(plan: Plan, session: Session, row: providers.Provider | None) -> str:
    """The SASL mechanism to log in with, of those offered, which are noted; empty: none in common."""
    login = session.login
    before, now = session.capabilities, session.secure_capabilities or session.capabilities
    login.offered_in_clear = before.mechanisms if before and session.tls else ()
    login.offered = now.mechanisms if now else ()
    order = sasl.preference(
        tuple(sasl.MECHANISMS),
        encrypted=session.tls is not None,
        hints=row.mechanisms if row else (),
        token=row is not None and row.credential.kind == "oauth2",
    )
    wanted = (plan.target.auth.upper(),) if plan.target.auth else order
    return next((m for m in wanted if m in login.offered and m in sasl.KNOWN), "")


def control_recipient(plan: Plan, session: Session) -> str:
    """The postmaster to compare with, whom every domain has (RFC 5321 section 4.5.1); empty: nobody is to be asked."""
    refused = next((answer.recipient for answer in session.rcpt if answer.refused), "")
    _, at, domain = refused.rpartition("@")
    if not (plan.target.control_recipient and at) or plan.message is not None or session.closing:
        return ""
    postmaster = f"postmaster@{domain}"
    return "" if postmaster.lower() in {answer.recipient.lower() for answer in session.rcpt} else postmaster
