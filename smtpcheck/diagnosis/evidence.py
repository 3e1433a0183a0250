"""What proves it? The observation under a diagnosis, with who said it: the server, the resolver, the system or us."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from smtpcheck.core import Evidence, Finding, Result, Scalar, Severity, Stage, Who
from smtpcheck.diagnosis.words import postmaster, replies
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.probes.chain import Chain
from smtpcheck.probes.envelope import EnvelopeFacts
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.probes.message import MessageFacts
from smtpcheck.probes.tls import TlsFacts
from smtpcheck.wire.smtp import Reply

if TYPE_CHECKING:
    from smtpcheck.diagnosis.case import Case, Cause

# what the same probe found besides, and what decides
_BESIDE = frozenset(
    {"certificate-inspected", "auth-token-window", "recipient-control-accepted", "recipient-control-refused"}
)
# what makes a certificate at an exchanger fail for senders that look at it
_REFUSED = frozenset(rule.code for rule in Chain.rules if rule.severity is Severity.FAIL)
_QUOTED = ("said", "text", "os", "how", "other", "first", "exchange")
# RFC 3463 section 3: what the second number of an enhanced code is about, from 0
UNKNOWN_WORDS = (
    "words-unknown-other",
    "words-unknown-address",
    "words-unknown-mailbox",
    "words-unknown-system",
    "words-unknown-network",
    "words-unknown-protocol",
    "words-unknown-content",
    "words-unknown-policy",
)
"""The texts of evidence that say so."""


def evidence(case: Case, cause: Cause) -> tuple[Evidence, ...]:
    """The finding itself, then the other probes' results that decided for this cause."""
    own = _of(case.result, case.finding)
    deciding = {
        Stage.DNS: ("dnssec",),
        Stage.CONNECT: ("sibling", "control", "names"),
        Stage.CERTIFICATE: ("issuer", "stores", "sni", "names", "control"),
        Stage.TLS: ("mode", "hello", "segment"),
        Stage.STARTTLS: ("control", "names", "relay"),
        Stage.GREETING: ("mode", "names", "control"),
        Stage.AUTH: ("home", "relay"),
    }.get(case.finding.stage, ())
    others = [
        _of(result, finding)
        for result in case.results
        for finding in result.findings
        if (result.probe in deciding and result.subject == case.result.subject)
        or (cause.stage is Stage.CLOCK and result.probe == "clock")
        or (case.finding.stage is Stage.CLOCK and result.probe == "times")
        or (cause.code == "clock-drift-token" and result.probe == "clock")
        or (cause.code == "mta-sts-certificate" and result.probe == "chain" and finding.code in _REFUSED)
        or (result is case.result and finding.code in _BESIDE)
    ]
    return (own, *_unknown(case, cause), *others)


def _unknown(case: Case, cause: Cause) -> tuple[Evidence, ...]:
    """That no table holds the server's words, with what the code alone says."""
    seen = case.finding.seen
    if not {"code", "enhanced"} <= seen.keys():
        return ()
    if cause.code != case.finding.code and not postmaster.leads(case):
        return ()
    if replies.row_of(case.finding, case.target):
        return ()
    subject = str(seen["enhanced"]).split(".")[1:2]
    about = int(subject[0]) if subject and int(subject[0]) < len(UNKNOWN_WORDS) else 0
    at = case.result.started + timedelta(seconds=case.result.elapsed)
    return (Evidence(Who.SMTPCHECK, at, case.finding.stage, b"", UNKNOWN_WORDS[about]),)


def _of(result: Result[Any], finding: Finding) -> Evidence:
    raw = _raw(result, finding)
    at = result.started + timedelta(seconds=result.elapsed)
    return Evidence(_who(result, finding, raw), at, finding.stage, raw, finding.code)


def _raw(result: Result[Any], finding: Finding) -> bytes:
    facts, address = result.facts, finding.seen.get("address")
    if isinstance(facts, EnvelopeFacts) and facts.control and address == facts.control.recipient:
        return facts.control.reply.raw
    refused = next((reply for reply in _replies(facts, address) if reply and reply.code >= 400), None)
    if refused and "code" in finding.seen:
        return refused.raw
    if result.raw:
        return result.raw
    return next((str(finding.seen[name]).encode() for name in _QUOTED if finding.seen.get(name)), b"")


def _replies(facts: object, address: Scalar) -> tuple[Reply | None, ...]:
    """Where a refusal may stand in the facts; of recipients, the one about that address."""
    match facts:
        case GreetingFacts():
            return facts.secure_ehlo, facts.greeting
        case TlsFacts():
            return (facts.starttls,)
        case AuthFacts() | MessageFacts():
            return (facts.reply,)
        case EnvelopeFacts():
            return facts.mail, *(answer.reply for answer in facts.rcpt if answer.recipient == address)
    return ()


def _who(result: Result[Any], finding: Finding, raw: bytes) -> Who:
    if raw == str(finding.seen.get("os") or "").encode() != b"":
        return Who.OS
    if finding.stage is Stage.DNS or result.probe == "dane":
        return Who.RESOLVER
    if finding.stage is Stage.CONNECT and raw:
        return Who.OS
    spoken = "code" in finding.seen or result.raw == raw != b""
    return Who.SERVER if spoken else Who.SMTPCHECK
