"""Does the certificate change with the name that is asked for?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Result, Rule, Severity, Stage, Subject, Target, TargetKind, because
from smtpcheck.net.failures import NotNeeded
from smtpcheck.wire import ProtocolError, x509
from smtpcheck.wire.address import literal
from smtpcheck.wire.certificate import describe
from smtpcheck.wire.dns import reverse
from smtpcheck.wire.tls import Hello


@dataclass(frozen=True, slots=True, kw_only=True)
class SniFacts:
    """Who the leaf speaks for when asked in the other way."""

    asked: str
    """The name sent in the second handshake; empty: none was sent."""
    presented: tuple[str, ...]
    fits: bool
    """That leaf speaks for the name asked for, or without one for the endpoint's."""
    differs: bool
    """It is another one than before."""


@dataclass(frozen=True, slots=True)
class Sni(Probe[SniFacts]):
    """Where the name does not fit: without SNI if it was sent, else with the name that the address has in DNS."""

    name = "sni"
    experiment = True
    rules = (
        Rule("certificate-sni-needed", Severity.NOTE, Stage.CERTIFICATE, "RFC 6066 section 3"),
        Rule("certificate-sni-misleads", Severity.NOTE, Stage.CERTIFICATE, "RFC 6066 section 3"),
        Rule("certificate-sni-same", Severity.NOTE, Stage.CERTIFICATE, "RFC 6066 section 3"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Endpoints whose certificate speaks for somebody else; at an exchanger that stops no mail (RFC 7435)."""
        if target.kind is TargetKind.MX:
            return ()
        return [
            result.subject
            for result in earlier
            for finding in result.findings
            if finding.code == "certificate-wrong-host"
        ]

    async def observe(self, subject: Subject, ctx: Context) -> SniFacts:
        """One more handshake."""
        first = (await ctx.dialogue(subject).reach(Stage.CERTIFICATE)).session
        asked = await _name_of(subject.address, ctx) if literal(subject.name) else ""
        if literal(subject.name) and not asked:
            raise NotNeeded(because("no-name-to-ask"))
        second = ctx.beside(subject, Hello(server_name=asked))
        async with ctx.experiment(self.name, subject):
            try:
                session = (await second.reach(Stage.TLS)).session
            finally:
                await second.close()
        if first is None or session is None or not session.chain:
            raise NotNeeded(because("no-certificate"))
        match = x509.match_host(describe(session.chain[0]), asked or subject.name)
        return SniFacts(
            asked=asked, presented=match.names, fits=match.matched, differs=session.chain[0] != first.chain[0]
        )

    def judge(self, facts: SniFacts) -> Iterator[Finding]:
        """Another certificate that fits, or nothing new."""
        code = "certificate-sni-same"
        if facts.fits and facts.differs:
            code = "certificate-sni-needed" if facts.asked else "certificate-sni-misleads"
        yield self.found(code, asked=facts.asked, presented=", ".join(facts.presented[:8]))


async def _name_of(address: str, ctx: Context) -> str:
    try:
        return next(iter((await ctx.door.ask(reverse(address), "PTR")).texts), "")
    except ProtocolError:
        return ""
