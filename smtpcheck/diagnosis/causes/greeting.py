"""What may be behind a greeting or EHLO that went wrong?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.core import Mode, Stage
from smtpcheck.diagnosis import network
from smtpcheck.diagnosis.case import Case, Cause, speaks, unknown
from smtpcheck.diagnosis.causes.names import MAILBOX_HOST, MISLED
from smtpcheck.diagnosis.causes.tls import NAME_REFUSED, other_mode
from smtpcheck.diagnosis.words.causes import by_words
from smtpcheck.route import ModeFacts

# Seconds; the longest greet-pauses seen
_TARPIT_SECONDS = 120.0


def name_refused(case: Case) -> bool | None:
    """The server says itself that it minds the name in EHLO."""
    return NAME_REFUSED.search(str(case.finding.seen.get("text", ""))[:4096]) is not None


def implicit_on_587(case: Case) -> bool | None:
    """The port that is STARTTLS's by custom speaks TLS from the first octet."""
    return other_mode(Mode.IMPLICIT)(case) if case.result.subject.port == 587 else False


def waited_long(case: Case) -> bool | None:
    """Both modes were tried; RFC 5321 section 4.5.3.2.1 would wait five minutes, and tarpits make two of them."""
    seconds = float(str(case.finding.seen.get("seconds", 0)))
    return None if case.of(ModeFacts) is None or seconds < _TARPIT_SECONDS else True


def both_modes_tried(case: Case) -> bool | None:
    """Nothing was said, and nothing was answered to a TLS handshake either."""
    return case.of(ModeFacts) is not None


# What cuts a conversation off without a word; which of them it was nobody tells
CUT_OFF = (
    Cause("connect-reset-by-middlebox", unknown),
    Cause("ip-banned-after-failures", unknown),
)
_ONE_OF_SEVERAL = Cause("flaky-lb-node", network.another_address_answers)


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "greeting-silent": (
        Cause("port587-implicit-at-provider", implicit_on_587),
        Cause("plain-on-implicit-tls-port", other_mode(Mode.IMPLICIT)),
        _ONE_OF_SEVERAL,
        Cause("greeting-never", waited_long, leads=both_modes_tried),
        Cause("greeting-delayed-tarpit", unknown),
    ),
    "greeting-closed": (_ONE_OF_SEVERAL, *CUT_OFF),
    "greeting-reset": (_ONE_OF_SEVERAL, *CUT_OFF),
    "greeting-not-smtp": (
        *MISLED,
        Cause("starttls-on-implicit-tls-port", speaks("tls")),
        MAILBOX_HOST,
        Cause("greeting-not-smtp", speaks("http", "ssh", "imap", "pop3", "vnc", "telnet")),
    ),
    "ehlo-rejected": (
        Cause("greeting-not-smtp", speaks("ftp")),
        Cause("ehlo-name-rejected", name_refused),
    ),
    "ehlo-busy": (Cause("ehlo-name-rejected", name_refused),),
    "greeting-rejected": by_words(Stage.GREETING),
    "greeting-busy": by_words(Stage.GREETING),
}
