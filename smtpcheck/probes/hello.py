"""What would a server speak that refuses every modern greeting?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import NO_REASON, Finding, Kind, Reason, Result, Rule, Severity, Stage, Subject, Target
from smtpcheck.net.failures import Broken
from smtpcheck.wire.tls import CURRENT, NOTHING_IN_COMMON, Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloFacts:
    """What was agreed on when everything was offered that a client should not; empty where still nothing was."""

    version: str = ""
    cipher: str = ""
    bits: int = 0
    broke: Kind | None = None
    reason: Reason = NO_REASON


@dataclass(frozen=True, slots=True)
class Ladder(Probe[HelloFacts]):
    """After a handshake alert: once more with TLS 1.2 at most and suites without encryption or certificate."""

    least_bits: int = 112
    """Suites of fewer are none that a client has: NIST SP 800-131A."""

    name = "hello"
    experiment = True
    rules = (
        Rule("tls-hello-old", Severity.NOTE, Stage.TLS, "RFC 8996"),
        Rule("tls-hello-weak-cipher", Severity.NOTE, Stage.TLS, "RFC 9325 section 4.1"),
        Rule("tls-hello-nothing", Severity.NOTE, Stage.TLS, "RFC 8446 section 6.2"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Endpoints that ended the handshake with such an alert."""
        return [
            result.subject
            for result in earlier
            for finding in result.findings
            if finding.code == "tls-alert" and finding.seen.get("number") in NOTHING_IN_COMMON
        ]

    async def observe(self, subject: Subject, ctx: Context) -> HelloFacts:
        """One more handshake, after which nothing is said but QUIT."""
        second = ctx.beside(subject, Hello(any_cipher=True))
        async with ctx.experiment(self.name, subject):
            try:
                session = (await second.reach(Stage.TLS)).session
            except Broken as error:
                broken = error.unless(Stage.TLS)
                return HelloFacts(broke=broken.kind, reason=broken.reason)
            finally:
                await second.close()
        return (
            HelloFacts(version=session.version, cipher=session.cipher, bits=session.bits) if session else HelloFacts()
        )

    def judge(self, facts: HelloFacts) -> Iterator[Finding]:
        """Nothing, no encryption worth the name, or a server that a newer greeting confuses."""
        if not facts.version:
            yield self.found("tls-hello-nothing", facts.reason)
        else:
            weak = facts.bits < self.least_bits or facts.cipher.startswith(("ADH-", "AECDH-"))
            code = "tls-hello-weak-cipher" if weak and facts.version in CURRENT else "tls-hello-old"
            yield self.found(code, version=facts.version, cipher=facts.cipher)
