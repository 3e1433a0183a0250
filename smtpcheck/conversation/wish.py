"""What is to be said in a conversation, and how long may each answer take?"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from smtpcheck.conversation.session import Heard
from smtpcheck.target import providers
from smtpcheck.target.credentials import Secret
from smtpcheck.wire import sasl, tls

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
class Wish:
    """What to say in a conversation."""

    ehlo: str = ""
    """The name for EHLO; empty: our own address as a literal (RFC 5321 section 4.1.4)."""
    user: str = ""
    secret: Secret | None = None
    mechanism: str = ""
    offered_order: tuple[str, ...] = tuple(sasl.MECHANISMS)
    """Where no mechanism is named and TLS is on; a provider's own order comes before it."""
    allow: tuple[str, ...] = ()
    entrusted: frozenset[str] = frozenset()
    """The hosts that may have the secret."""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    message: bytes | None = None
    """What to hand over after RCPT, dot-stuffed and ended already; None: the transaction is reset."""
    octets: int = 0
    """The message's size as RFC 1870 counts it."""
    control: bool = False
    """Where a recipient is refused for good and nothing is sent: ask for its postmaster too."""
    needs: frozenset[str] = frozenset()
    """Extensions that the message or an address needs: 8BITMIME, SMTPUTF8."""
    tls_required: bool = True
    segment: int = 0
    """The largest TCP segment to be sent to us; 0: what the system asks for."""
    hello: tls.Hello = field(default_factory=tls.Hello)
    """How to introduce ourselves to TLS."""


def chosen_mechanism(wish: Wish, heard: Heard, row: providers.Provider | None) -> str:
    """The SASL mechanism to log in with, of those offered, which are noted; empty: none in common."""
    login = heard.login
    before, now = heard.capabilities, heard.secure_capabilities or heard.capabilities
    login.offered_in_clear = before.mechanisms if before and heard.session else ()
    login.offered = now.mechanisms if now else ()
    order = sasl.preference(
        wish.offered_order,
        encrypted=heard.session is not None,
        hints=row.mechanisms if row else (),
        token=row is not None and row.credential.kind == "oauth2",
    )
    wanted = (wish.mechanism,) if wish.mechanism else order
    return next((m for m in wanted if m in login.offered and m in sasl.KNOWN), "")


def control_recipient(wish: Wish, heard: Heard) -> str:
    """The postmaster to compare with, whom every domain has (RFC 5321 section 4.5.1); empty: nobody is to be asked."""
    refused = next((answer.recipient for answer in heard.rcpt if answer.refused), "")
    _, at, domain = refused.rpartition("@")
    if not (wish.control and at) or wish.message is not None or heard.told_to_go:
        return ""
    postmaster = f"postmaster@{domain}"
    return "" if postmaster.lower() in {answer.recipient.lower() for answer in heard.rcpt} else postmaster
