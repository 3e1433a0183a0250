"""What may be behind TLS that did not come about?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smtpcheck.core import Mode, Scalar, Stage
from smtpcheck.diagnosis import network
from smtpcheck.diagnosis.case import Case, Cause, Holds, always, in_mode, speaks, unknown
from smtpcheck.diagnosis.causes.names import MISLED
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.probes.hello import HelloFacts
from smtpcheck.probes.segment import SegmentFacts
from smtpcheck.route import ModeFacts
from smtpcheck.target import providers
from smtpcheck.wire.suffixes import registrable
from smtpcheck.wire.tls import NOTHING_IN_COMMON

# Postfix "Helo command rejected: ...", Exim "Syntactically invalid EHLO argument(s)", Sendmail and Exchange "Invalid
# domain name", Outlook "Access Denied, Bad HELO", NetEase "MI:NHD"
NAME_REFUSED = re.compile(
    r"(?i)\b(?:helo|ehlo) command rejected|\b(?:invalid|bad) (?:helo|ehlo)\b|invalid domain name"
    r"|\b(?:helo|ehlo) requires domain|\bMI:NHD\b"
)
# Cisco PIX and ASA, inspection of SMTP: all of the greeting but 2, 0 and blanks becomes asterisks, and the keyword
# STARTTLS is overwritten in its length.
_MASKED = re.compile(r"(?=.*\*{4})[*02 ]{8,}")
_OVERWRITTEN = "XXXXXXXA"
# Postfix "TLS not available due to local problem", Exim "TLS currently unavailable", Sendmail "TLS not available"; what
# was announced a moment before and is then not known is not to be had either
_NOT_TO_BE_HAD = re.compile(
    r"(?i)\b(?:start)?tls (?:is )?(?:currently |temporarily )?(?:not (?:available|supported|enabled)|unavailable)"
    r"|\b(?:no|disabled|un(?:known|recogni[sz]ed)|not (?:implemented|supported)) (?:command|starttls|tls)\b"
    r"|\bcommand (?:\S+ )?(?:unknown|un\w+|not (?:implemented|recogni[sz]ed|supported|available|enabled))"
    r"|\b(?:tls|certificate|private key)\b.{0,80}\b(?:error|failed|failure|missing|problem)\b"
)


def other_mode(found: Mode) -> Holds:
    """The port was found to speak that mode."""

    def holds(case: Case) -> bool | None:
        if in_mode(case, found):  # spoken already
            return False
        facts = case.of(ModeFacts)
        return facts.found is found if facts is not None else None

    return holds


def rewritten(case: Case) -> bool | None:
    """A firewall writes into the conversation: STARTTLS overwritten, or the greeting masked and EHLO unknown."""
    facts = case.of(GreetingFacts)
    if facts is None:
        return None
    if facts.capabilities and _OVERWRITTEN in facts.capabilities.keywords:
        return True
    if not _masked(facts):
        return False
    return True if facts.helo is not None and facts.helo.positive else None


def not_rewritten(case: Case) -> bool | None:
    """Nothing shows that a firewall writes into the conversation."""
    found = rewritten(case)
    return None if found is None and case.of(GreetingFacts) is None else found is False


def _masked(facts: GreetingFacts) -> bool:
    return facts.greeting is not None and bool(_MASKED.fullmatch(facts.greeting.text))


def ehlo_name_refused(case: Case) -> bool | None:
    """EHLO was refused because of the name in it, although HELO was accepted with the same."""
    facts = case.of(GreetingFacts)
    return facts is not None and facts.ehlo is not None and bool(NAME_REFUSED.search(facts.ehlo.text))


def ehlo_said(case: Case) -> Mapping[str, Scalar]:
    """The answer to EHLO."""
    facts = case.of(GreetingFacts)
    reply = facts.ehlo if facts is not None else None
    return {"code": reply.code, "text": reply.text} if reply else {}


def helo_only(case: Case) -> bool | None:
    """HELO was accepted where EHLO was not."""
    facts = case.of(GreetingFacts)
    return facts.helo is not None and facts.helo.positive if facts is not None else None


def tls_not_to_be_had(case: Case) -> bool | None:
    """The refusal of STARTTLS speaks of TLS or of the command; None: its reason lies elsewhere, or is not told."""
    seen = case.finding.seen
    return True if _NOT_TO_BE_HAD.search(str(seen.get("text", ""))[:4096]) else None


def in_small_segments(case: Case) -> bool | None:
    """The handshake that stalled came about when the server was asked for small segments."""
    facts = case.of(SegmentFacts)
    return facts.helps if facts is not None else None


def stripped(case: Case) -> bool | None:
    """The provider's table says STARTTLS on this very port, and the provider's own server answered there."""
    host, port = case.result.subject.name, case.result.subject.port
    row = providers.by_host(host)
    expected = row is not None and any(
        (each.host, each.port, each.mode) == (host, port, Mode.STARTTLS) for each in row.smtp
    )
    if not expected:
        return False
    facts = case.of(GreetingFacts)
    said = facts.greeting.text.lower() if facts is not None and facts.greeting else ""
    domain = registrable(host) or host
    # another name in the greeting: another server answers, which may have no TLS of its own
    return True if re.search(rf"(?:^|[\s.]){re.escape(domain)}(?:[\s.:,]|$)", said) else None


def not_stripped(case: Case) -> bool | None:
    """Nobody promised STARTTLS there, and nothing shows that a firewall writes into the conversation."""
    found = stripped(case)
    return not_rewritten(case) if found is False else None if found is None else False


def nothing_in_common(case: Case) -> bool:
    """The alert says so, and not that the server met with another trouble."""
    return case.finding.seen.get("number") in NOTHING_IN_COMMON


def taken(code: str) -> Holds:
    """The second greeting was answered, and it was that which was missing."""

    def holds(case: Case) -> bool | None:
        if not nothing_in_common(case):
            return False
        facts = case.of(HelloFacts)
        if facts is None or not facts.version:
            return None
        return any(f.code == code for r in case.results if r.subject == case.result.subject for f in r.findings)

    return holds


def hello_seen(case: Case) -> Mapping[str, Scalar]:
    """What the second greeting was answered with."""
    facts = case.of(HelloFacts)
    return {"version": facts.version, "cipher": facts.cipher} if facts is not None else {}


def chosen(case: Case) -> Mapping[str, Scalar]:
    """The version in the server's answer."""
    return {"version": case.finding.seen.get("version", ""), "cipher": ""}


def chose_an_older_one(case: Case) -> bool | None:
    """The server answered with SSL 3.0 or older."""
    return "version" in case.finding.seen


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "starttls-not-offered": (
        *MISLED,
        Cause("transparent-smtp-redirect", network.redirected, leads=network.redirected_leads),
        Cause("relay-cred-not-needed", network.relay_by_address),
        Cause("cisco-smtp-fixup", rewritten),
        Cause("ehlo-name-rejected", ehlo_name_refused, Stage.EHLO, ehlo_said),
        Cause("ehlo-helo-only", helo_only, Stage.EHLO),
        Cause("starttls-stripped", stripped, likely=lambda case: stripped(case) is None),
        Cause("starttls-not-offered", not_stripped),
    ),
    "starttls-refused": (Cause("starttls-broken", tls_not_to_be_had),),
    "tls-plaintext": (
        Cause("tls-implicit-on-starttls-port", lambda case: in_mode(case, Mode.IMPLICIT) and speaks("smtp")(case)),
        Cause("starttls-broken", lambda case: in_mode(case, Mode.STARTTLS)),
        Cause("greeting-not-smtp", speaks("http", "ssh", "imap", "pop3", "vnc")),
    ),
    "tls-handshake-hang": (
        Cause("mtu-blackhole", lambda case: in_small_segments(case) is True),
        Cause("tls-handshake-hang", always),
    ),
    "tls-reset": (Cause("connect-reset-by-middlebox", unknown), Cause("starttls-broken", unknown)),
    "tls-alert": (
        Cause("tls-server-too-old", taken("tls-hello-old"), seen=hello_seen),
        Cause("tls-no-common-cipher", taken("tls-hello-weak-cipher"), seen=hello_seen),
    ),
    "tls-handshake": (Cause("tls-server-too-old", chose_an_older_one, seen=chosen),),
}
