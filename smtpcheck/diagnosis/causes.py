"""What may be behind a symptom? For each finding its possible causes, in the order in which they are decided.

Each answers True, False or None (unknown) from the results; a cause is certain only when it is True and every one
above it is False. Adding a cause is a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from smtpcheck import providers
from smtpcheck.core import Finding, Mode, Result, Scalar, Stage, Subject, Target
from smtpcheck.diagnosis import between, login, replies
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.probes.issuer import IssuerFacts
from smtpcheck.route import ModeFacts

# Cisco PIX and ASA, inspection of SMTP: all of the greeting but 2, 0 and blanks becomes asterisks, and the keyword
# STARTTLS is overwritten in its length.
_MASKED = re.compile(r"(?=.*\*{4})[*02 ]{8,}")
_OVERWRITTEN = "XXXXXXXA"
# Postfix "Helo command rejected: ...", Exim "Syntactically invalid EHLO argument(s)", Sendmail and Exchange "Invalid
# domain name", Outlook "Access Denied, Bad HELO", NetEase "MI:NHD"
_NAME_REFUSED = re.compile(
    r"(?i)\b(?:helo|ehlo) command rejected|\b(?:invalid|bad) (?:helo|ehlo)\b|invalid domain name"
    r"|\b(?:helo|ehlo) requires domain|\bMI:NHD\b"
)
# RFC 2606 section 3, what templates say, and what programs write for nothing
_PLACEHOLDER = re.compile(
    r"(?:.+\.)?example\.(?:com|net|org)|(?:.+\.)?your[-_]?(?:smtp|mail|domain|provider|company|server|host)[^.]*(?:\..+)?"
    r"|none|null|undefined|changeme|(?:smtp|mail)[-_](?:host|server)"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One finding with everything else that is known."""

    target: Target
    results: tuple[Result[Any], ...]
    result: Result[Any]
    finding: Finding
    primary: Subject | None = None
    """The endpoint that the verdict is about."""

    def facts(self, probe: str, *, here: bool = True) -> Any:
        """The facts of another probe about the same subject (or about any), None where there are none."""
        mine = (r for r in self.results if r.probe == probe and (not here or r.subject == self.result.subject))
        return next((r.facts for r in mine if r.facts is not None), None)

    def finding_of(self, probe: str) -> Finding | None:
        """The first finding of another probe."""
        return next((f for r in self.results if r.probe == probe for f in r.findings), None)


Holds = Callable[[Case], bool | None]


def _nothing(case: Case) -> Mapping[str, Scalar]:
    return {}


def never(case: Case) -> bool | None:
    """No evidence for it."""
    return False


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause, the test for it, its own stage where that is another one, and the values its text needs besides."""

    code: str
    holds: Holds
    stage: Stage | None = None
    seen: Callable[[Case], Mapping[str, Scalar]] = field(default=_nothing)
    likely: Holds = field(default=never)
    """Offline evidence for it among others that can't be told apart."""


# Tests


def always(case: Case) -> bool | None:
    """The finding is the cause."""
    return True


def unknown(case: Case) -> bool | None:
    """Can't be told from here."""
    return None


def issuer_completes(case: Case) -> bool | None:
    """The chain verifies with the issuer fetched from where the leaf says."""
    facts = case.facts("issuer")
    return facts.completes if isinstance(facts, IssuerFacts) else None


def issuer_does_not_complete(case: Case) -> bool | None:
    """The issuer was fetched and its root is not in the store either."""
    completes = issuer_completes(case)
    return None if completes is None else not completes


def clock_ahead(case: Case) -> bool | None:
    """The local clock is ahead by enough that every certificate shown as expired is valid in truth."""
    return _clock_explains(case, ahead=True)


def clock_behind(case: Case) -> bool | None:
    """The same for certificates that seem not yet valid."""
    return _clock_explains(case, ahead=False)


def _clock_explains(case: Case, *, ahead: bool) -> bool | None:
    facts = case.facts("chain")
    clock = case.facts("clock", here=False)
    if not isinstance(facts, ChainFacts) or not isinstance(clock, ClockFacts):
        return None
    if (clock.offset < 0) is not ahead or abs(clock.offset) <= clock.uncertainty:
        return False
    now = facts.at + timedelta(seconds=clock.offset)
    return all(c.not_before <= now <= c.not_after for c in facts.certificates)


def other_mode(found: Mode) -> Holds:
    """The port was found to speak that mode."""

    def holds(case: Case) -> bool | None:
        if _mode(case, found):  # spoken already
            return False
        facts = case.facts("mode")
        return facts.found is found if isinstance(facts, ModeFacts) else None

    return holds


def speaks(*protocols: str) -> Holds:
    """The bytes that came belong to that protocol."""
    return lambda case: case.finding.seen.get("speaks") in protocols


def _mode(case: Case, mode: Mode) -> bool:
    return case.result.subject.mode is mode


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


def name_refused(case: Case) -> bool | None:
    """The server says itself that it minds the name in EHLO."""
    return _NAME_REFUSED.search(str(case.finding.seen.get("text", ""))[:4096]) is not None


def address_literal(case: Case) -> bool | None:
    """The name asked for is an IP address."""
    return case.finding.seen.get("address") is True


def near_a_known_host(case: Case) -> bool | None:
    """The name is a slip of a provider's; any other name may be one too."""
    return True if providers.nearest_host(case.result.subject.name) else None


def _suggestion(case: Case) -> Mapping[str, Scalar]:
    return {"suggestion": providers.nearest_host(case.result.subject.name) or ""}


def configured(code: str) -> Holds:
    """The settings themselves show it, before any packet."""
    return lambda case: any(f.code == code for r in case.results if r.probe == "config" for f in r.findings)


def exchanger_asked_to_submit(case: Case) -> bool | None:
    """An exchanger takes mail on port 25 alone, so that no other port of it needs to answer."""
    return case.result.subject.port != 25 and configured("config-host-exchanger")(case)


def placeholder(case: Case) -> bool | None:
    """The name was copied from an example (RFC 2606 section 3), or is what a variable that was not set turns into."""
    return _PLACEHOLDER.fullmatch(case.result.subject.name.lower()) is not None


def replied(cause: str) -> Holds:
    """The table of replies names that cause for what the server said; None: other possible ones say the same."""

    def holds(case: Case) -> bool | None:
        row = replies.row_of(case.finding, case.target)
        said = between.narrowed(case, row.among or (row.cause,)) if row else ()
        left = [code for code in said if not login.RULED_OUT.get(code, never)(case)]
        return (True if len(left) == 1 else None) if cause in left else False

    return holds


def by_words(stage: Stage, *others: Cause) -> tuple[Cause, ...]:
    """The causes that replies at that stage may have; `others` where no row knows the words."""
    known = [Cause(code, replied(code), likely=HINTS.get(code, never)) for code in replies.causes(stage)]
    return (*known, *(Cause(other.code, unspoken(other.holds), likely=other.likely) for other in others))


def login_refused() -> tuple[Cause, ...]:
    """By words, after what the words leave open and other facts speak for."""
    suspects = [Cause(code, suspicious(code), likely=HINTS.get(code, never)) for code in login.SUSPECTS]
    told = [cause for cause in by_words(Stage.AUTH) if cause.code not in {*login.SUSPECTS, _TOKEN.code}]
    # words that no row knows: most refusals are about the credentials, which is no proof
    others = [
        Cause("auth-credentials-refused", unspoken(unknown)),
        Cause("qq-password-not-authcode", unspoken(login.no_code_at("qq", "foxmail"))),
    ]
    return (*suspects, *told, *others)


def suspicious(cause: str) -> Holds:
    """As `replied`; None where other evidence than the words speaks for it."""
    by_reply = replied(cause)

    def holds(case: Case) -> bool | None:
        said = by_reply(case)
        return None if said is False and login.suspected(case, cause) else said

    return holds


def token_refused() -> tuple[Cause, ...]:
    """What is said to a token: the words about user and password mean the token then."""
    told = (cause for cause in by_words(Stage.AUTH) if cause.code not in {*login.BLAMING, _TOKEN.code})
    return (*told, _TOKEN)


def unspoken(holds: Holds) -> Holds:
    """That test, where no row knows the words."""
    return lambda case: holds(case) if replies.row_of(case.finding, case.target) is None else False


def rank(case: Case, code: str) -> tuple[int, int]:
    """The place of a cause among those that say the same."""
    row = replies.row_of(case.finding, case.target)
    return login.place(case, code), row.among.index(code) if row and code in row.among else len(CAUSES)


def symptom(finding: Finding) -> str:
    """The code of a break whose cause is not known further: its stage and what broke, as connect-reset."""
    what = finding.code.partition("-")[2].removeprefix(f"{finding.stage}-")
    return f"{finding.stage}-{what}"


def _clock(case: Case) -> Mapping[str, Scalar]:
    finding = case.finding_of("clock")
    return dict(finding.seen) if finding else {}


HINTS: Mapping[str, Holds] = {**login.LIKELY}

_AHEAD = Cause("clock-ahead", clock_ahead, Stage.CLOCK, _clock)
_TOKEN = Cause("xoauth2-token-expired-or-scope", login.unfit_token)
_BEHIND = Cause("clock-behind", clock_behind, Stage.CLOCK, _clock)
# QQ hangs up on logins that it distrusts, and so hides what it would have refused them with
_HUNG_UP = tuple(
    Cause(code, lambda case: None if login.at("qq", "foxmail")(case) else False)
    for code in ("qq-silent-close-on-auth", "qq-authcode-revoked", "qq-login-rate-limited")
)

_MAILBOX_HOST = Cause("config-host-mailbox", configured("config-host-mailbox"))
_CLOSED_PORT = Cause("port-not-served-by-provider", configured("config-port-closed"))
_WRONG_DOOR = (_MAILBOX_HOST, Cause("host-mx-used-as-submission", exchanger_asked_to_submit), _CLOSED_PORT)

CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "config-host-empty": (Cause("host-empty-or-placeholder", always),),
    "config-host-character": (Cause("host-whitespace-or-punct", always),),
    "config-host-url": (Cause("host-has-scheme-or-port", always),),
    "config-host-mailbox": (_MAILBOX_HOST,),
    "config-host-exchanger": (Cause("host-mx-used-as-submission", always),),
    "config-host-foreign": (Cause("host-wrong-provider-endpoint", always),),
    "config-port-closed": (_CLOSED_PORT,),
    "config-recipients-joined": (Cause("rcpt-list-as-string", always),),
    "config-ehlo-non-ascii": (Cause("ehlo-name-non-ascii", always),),
    "config-secret-empty": (Cause("env-var-missing", always),),
    "config-secret-unexpanded": (Cause("secret-interpolated", always),),
    "config-secret-quoted": (Cause("secret-interpolated", always),),
    "config-secret-padded": (Cause("secret-trailing-newline", always),),
    "config-secret-full-width": (Cause("secret-invisible-char", always),),
    "config-secret-invisible": (Cause("secret-invisible-char", always),),
    "address-nxdomain": (
        Cause("host-empty-or-placeholder", placeholder),
        Cause("host-typo", near_a_known_host, None, _suggestion),
    ),
    "address-nodata": (Cause("dns-nodata-host", always),),
    "address-servfail": (Cause("dns-servfail", always),),
    "address-resolver-down": (Cause("dns-resolver-down", always),),
    "address-resolver-silent": (Cause("dns-resolver-timeout-slow", always),),
    "address-truncated": (Cause("dns-truncated-tcp-blocked", always),),
    "mx-null": (Cause("mx-null", always),),
    "mx-nxdomain": (Cause("mx-domain-nxdomain", always),),
    "mx-absent": (Cause("mx-none-no-a", always),),
    "mx-servfail": (Cause("dns-servfail", always),),
    "mx-resolver-down": (Cause("dns-resolver-down", always),),
    "mx-resolver-silent": (Cause("dns-resolver-timeout-slow", always),),
    "mx-truncated": (Cause("dns-truncated-tcp-blocked", always),),
    "port-refused": (*_WRONG_DOOR, Cause("conn-refused", always)),
    "port-timeout": (*_WRONG_DOOR, Cause("conn-timeout-drop", always)),
    "greeting-silent": (
        Cause("plain-on-implicit-tls-port", other_mode(Mode.IMPLICIT)),
        Cause("greeting-never", lambda case: case.facts("mode") is not None),
    ),
    "greeting-not-smtp": (
        Cause("plain-on-implicit-tls-port", speaks("tls")),
        _MAILBOX_HOST,
        Cause("banner-not-smtp", speaks("http", "ssh", "imap", "pop3", "vnc", "telnet")),
    ),
    "greeting-ehlo-rejected": (
        Cause("banner-not-smtp", speaks("ftp")),
        Cause("ehlo-name-rejected", name_refused),
    ),
    "greeting-ehlo-busy": (Cause("ehlo-name-rejected", name_refused),),
    "greeting-rejected": by_words(Stage.GREETING),
    "tls-not-offered": (
        Cause("cisco-smtp-fixup", rewritten),
        Cause("ehlo-helo-only", helo_only, Stage.EHLO),
        Cause("starttls-not-offered", not_rewritten),
    ),
    "tls-refused": (Cause("starttls-broken", always),),
    "tls-injected": (Cause("starttls-injection-response", always),),
    "tls-plaintext": (
        Cause("tls-implicit-on-starttls-port", lambda case: _mode(case, Mode.IMPLICIT) and speaks("smtp")(case)),
        Cause("starttls-broken", lambda case: _mode(case, Mode.STARTTLS)),
        Cause("banner-not-smtp", speaks("http", "ssh", "imap", "pop3", "vnc")),
    ),
    "tls-silent": (Cause("tls-handshake-hang", always),),
    "tls-old-version": (Cause("tls-server-too-old", always),),
    "chain-wrong-host": (
        Cause("cert-host-is-ip", address_literal),
        Cause("cert-hostname-mismatch", always),
    ),
    "chain-wildcard-depth": (Cause("cert-hostname-mismatch", always),),
    "chain-cn-only": (Cause("cert-cn-only", always),),
    "chain-self-signed": (Cause("cert-self-signed", always),),
    "chain-untrusted-root": (Cause("cert-private-ca", always),),
    "chain-issuer-unknown": (
        Cause("cert-chain-incomplete", issuer_completes),
        Cause("cert-private-ca", issuer_does_not_complete),
    ),
    "chain-expired": (_AHEAD, Cause("cert-expired", always)),
    "chain-issuer-expired": (_AHEAD, Cause("cert-intermediate-or-root-expired", always)),
    "chain-not-yet-valid": (_BEHIND, Cause("cert-not-yet-valid", always)),
    "chain-issuer-not-yet-valid": (_BEHIND, Cause("cert-not-yet-valid", always)),
    "chain-weak-key": (Cause("cert-weak-key-or-sig", always),),
    "chain-weak-signature": (Cause("cert-weak-key-or-sig", always),),
    "auth-refused": login_refused(),
    "auth-token-refused": token_refused(),
    "auth-closed": _HUNG_UP,
    "auth-reset": _HUNG_UP,
    "auth-temporary": tuple(cause for cause in by_words(Stage.AUTH) if cause.code != _TOKEN.code),
    "greeting-busy": by_words(Stage.GREETING),
    "envelope-sender-refused": by_words(Stage.MAIL),
    "envelope-sender-deferred": by_words(Stage.MAIL),
    "envelope-recipient-refused": by_words(Stage.RCPT),
    "envelope-recipient-deferred": by_words(Stage.RCPT),
    "message-refused": by_words(Stage.DATA),
    "message-deferred": by_words(Stage.DATA),
    "message-fate-unknown": (Cause("data-end-timeout", between.dot_unanswered),),
    "delivery-in-junk": (Cause("accepted-then-spam-folder", always),),
    "auth-not-offered": (Cause("host-mx-used-as-submission", configured("config-host-exchanger")),),
    "auth-no-common": (
        Cause("auth-mech-plain-refused", login.asked_for_plain),
        Cause("auth-mech-none-common", always),
    ),
    "clock-ahead": (Cause("clock-ahead", always),),
    "clock-behind": (Cause("clock-behind", always),),
    "clock-timezone": (Cause("clock-tz-as-utc", always),),
}
