"""What may be behind TLS that did not come about?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smtpcheck.core import Mode, Stage
from smtpcheck.diagnosis import reached
from smtpcheck.diagnosis.case import Case, Cause, Holds, always, in_mode, speaks, unknown
from smtpcheck.diagnosis.causes.names import MISLED
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.reach import SegmentFacts
from smtpcheck.route import ModeFacts

# Cisco PIX and ASA, inspection of SMTP: all of the greeting but 2, 0 and blanks becomes asterisks, and the keyword
# STARTTLS is overwritten in its length.
_MASKED = re.compile(r"(?=.*\*{4})[*02 ]{8,}")
_OVERWRITTEN = "XXXXXXXA"


def other_mode(found: Mode) -> Holds:
    """The port was found to speak that mode."""

    def holds(case: Case) -> bool | None:
        if in_mode(case, found):  # spoken already
            return False
        facts = case.facts("mode")
        return facts.found is found if isinstance(facts, ModeFacts) else None

    return holds


def rewritten(case: Case) -> bool | None:
    """A firewall writes into the conversation: STARTTLS overwritten, or the greeting masked and EHLO unknown."""
    facts = case.facts("greeting")
    if not isinstance(facts, GreetingFacts):
        return None
    if facts.capabilities and _OVERWRITTEN in facts.capabilities.keywords:
        return True
    if not _masked(facts):
        return False
    return True if facts.helo is not None and facts.helo.positive else None


def not_rewritten(case: Case) -> bool | None:
    """Nothing shows that a firewall writes into the conversation."""
    found = rewritten(case)
    return None if found is None and case.facts("greeting") is None else found is False


def _masked(facts: GreetingFacts) -> bool:
    return facts.greeting is not None and bool(_MASKED.fullmatch(facts.greeting.text))


def helo_only(case: Case) -> bool | None:
    """HELO was accepted where EHLO was not."""
    facts = case.facts("greeting")
    return facts.helo is not None and facts.helo.positive if isinstance(facts, GreetingFacts) else None


def in_small_segments(case: Case) -> bool | None:
    """The handshake that stalled came about when the server was asked for small segments."""
    facts = case.facts("segment")
    return facts.helps if isinstance(facts, SegmentFacts) else None


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "tls-not-offered": (
        *MISLED,
        Cause("transparent-smtp-redirect", reached.redirected, leads=reached.redirected_leads),
        Cause("relay-cred-not-needed", reached.relay_by_address),
        Cause("cisco-smtp-fixup", rewritten),
        Cause("ehlo-helo-only", helo_only, Stage.EHLO),
        Cause("starttls-not-offered", not_rewritten),
    ),
    "tls-refused": (Cause("starttls-broken", always),),
    "tls-injected": (Cause("starttls-injection-response", always),),
    "tls-plaintext": (
        Cause("tls-implicit-on-starttls-port", lambda case: in_mode(case, Mode.IMPLICIT) and speaks("smtp")(case)),
        Cause("starttls-broken", lambda case: in_mode(case, Mode.STARTTLS)),
        Cause("banner-not-smtp", speaks("http", "ssh", "imap", "pop3", "vnc")),
    ),
    "tls-silent": (
        Cause("mtu-blackhole", lambda case: in_small_segments(case) is True),
        Cause("tls-handshake-hang", always),
    ),
    "tls-reset": (Cause("conn-reset-by-middlebox", unknown), Cause("starttls-broken", unknown)),
    "tls-old-version": (Cause("tls-server-too-old", always),),
}
