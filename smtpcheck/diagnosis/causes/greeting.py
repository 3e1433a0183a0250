"""What may be behind a greeting or EHLO that went wrong?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smtpcheck.core import Mode, Stage
from smtpcheck.diagnosis.case import Case, Cause, speaks
from smtpcheck.diagnosis.causes.config import MAILBOX_HOST
from smtpcheck.diagnosis.causes.tls import other_mode
from smtpcheck.diagnosis.words import by_words

# Postfix "Helo command rejected: ...", Exim "Syntactically invalid EHLO argument(s)", Sendmail and Exchange "Invalid
# domain name", Outlook "Access Denied, Bad HELO", NetEase "MI:NHD"
_NAME_REFUSED = re.compile(
    r"(?i)\b(?:helo|ehlo) command rejected|\b(?:invalid|bad) (?:helo|ehlo)\b|invalid domain name"
    r"|\b(?:helo|ehlo) requires domain|\bMI:NHD\b"
)


def name_refused(case: Case) -> bool | None:
    """The server says itself that it minds the name in EHLO."""
    return _NAME_REFUSED.search(str(case.finding.seen.get("text", ""))[:4096]) is not None


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "greeting-silent": (
        Cause("plain-on-implicit-tls-port", other_mode(Mode.IMPLICIT)),
        Cause("greeting-never", lambda case: case.facts("mode") is not None),
    ),
    "greeting-not-smtp": (
        Cause("plain-on-implicit-tls-port", speaks("tls")),
        MAILBOX_HOST,
        Cause("banner-not-smtp", speaks("http", "ssh", "imap", "pop3", "vnc", "telnet")),
    ),
    "greeting-ehlo-rejected": (
        Cause("banner-not-smtp", speaks("ftp")),
        Cause("ehlo-name-rejected", name_refused),
    ),
    "greeting-ehlo-busy": (Cause("ehlo-name-rejected", name_refused),),
    "greeting-rejected": by_words(Stage.GREETING),
    "greeting-busy": by_words(Stage.GREETING),
}
