"""Would a client trust this certificate, for this name, at this time?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Mode, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import NotNeeded
from smtpcheck.wire import ProtocolError, x509
from smtpcheck.wire.address import literal
from smtpcheck.wire.certificate import CertificateFacts, ChainOrder, chain_order, describe, revoked
from smtpcheck.wire.inspectors import inspector
from smtpcheck.wire.x509 import Flaw, Verdict

# OpenSSL's reasons that have advice of their own; every other one is certificate-invalid with OpenSSL's own words.
_LEAF = {
    "expired": "certificate-expired",
    "not-yet-valid": "certificate-not-yet-valid",
    "wrong-purpose": "certificate-wrong-purpose",
}
_ISSUER = {
    "expired": "certificate-issuer-expired",
    "not-yet-valid": "certificate-issuer-not-yet-valid",
}
_ANY = {
    "self-signed": "certificate-self-signed",
    "self-signed-in-chain": "certificate-untrusted-root",
    "issuer-unknown": "certificate-issuer-unknown",
    "leaf-unverified": "certificate-issuer-unknown",
    "weak-key": "certificate-weak-key",
    "weak-signature": "certificate-weak-signature",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFacts:
    """The chain as sent, and what verification of it said at the gate before AUTH."""

    name: str
    at: datetime
    roots: str
    """SHA-256 fingerprint of the root store."""
    roots_source: str
    chain: tuple[Annotated[bytes, "base64"], ...]
    """DER, leaf first."""
    certificates: tuple[CertificateFacts, ...]
    order: ChainOrder
    verdict: Verdict
    interpreter: str = ""
    """What this Python's own ssl says to the same chain; empty where it was not asked."""
    store: int = -1
    """How many roots the store holds; -1: not noted."""
    stapled: bool = True
    """An OCSP response came with the handshake."""
    revoked: bool = False
    """That response says that the leaf is revoked."""

    @property
    def broke(self) -> Kind | None:
        """What stops a login at the gate."""
        return None if self.verdict.verified else Kind.UNVERIFIED


@dataclass(frozen=True, slots=True)
class Chain(Probe[ChainFacts]):
    """Reads the verdict of the gate: all errors, not the first."""

    warn_days: int = 14
    """Authorities and monitors remind at 14 days; for short-lived certificates a third of the lifetime counts."""

    name = "chain"
    rules = (
        Rule("certificate-wrong-host", Severity.FAIL, Stage.CERTIFICATE, "RFC 9525 section 6"),
        Rule("certificate-wildcard-depth", Severity.FAIL, Stage.CERTIFICATE, "RFC 9525 section 6.3"),
        Rule("certificate-cn-only", Severity.FAIL, Stage.CERTIFICATE, "RFC 9525 section 2"),
        Rule("certificate-self-signed", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 6.1"),
        Rule("certificate-untrusted-root", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 6.1"),
        Rule("certificate-issuer-unknown", Severity.FAIL, Stage.CERTIFICATE, "RFC 8446 section 4.4.2"),
        Rule("certificate-expired", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 4.1.2.5"),
        Rule("certificate-not-yet-valid", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 4.1.2.5"),
        Rule("certificate-issuer-expired", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 4.1.2.5"),
        Rule("certificate-issuer-not-yet-valid", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 4.1.2.5"),
        Rule("certificate-wrong-purpose", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 4.2.1.12"),
        Rule("certificate-weak-key", Severity.FAIL, Stage.CERTIFICATE, "RFC 9325 section 4.5"),
        Rule("certificate-weak-signature", Severity.FAIL, Stage.CERTIFICATE, "RFC 9155"),
        Rule("certificate-invalid", Severity.FAIL, Stage.CERTIFICATE, "RFC 5280 section 6.1"),
        Rule("certificate-expires-soon", Severity.WARN, Stage.CERTIFICATE, "RFC 5280 section 4.1.2.5"),
        Rule("certificate-strict", Severity.WARN, Stage.CERTIFICATE, "Python 3.13 ssl.VERIFY_X509_STRICT"),
        Rule("certificate-inspected", Severity.WARN, Stage.CERTIFICATE, "wire/inspectors.toml"),
        Rule("certificate-unstapled", Severity.WARN, Stage.CERTIFICATE, "RFC 7633 section 4.2.3"),
        Rule("certificate-revoked", Severity.WARN, Stage.CERTIFICATE, "RFC 6960 section 2.2"),
        Rule("certificate-wrong-order", Severity.NOTE, Stage.CERTIFICATE, "RFC 8446 section 4.4.2"),
        Rule("certificate-superfluous-root", Severity.NOTE, Stage.CERTIFICATE, "RFC 8446 section 4.4.2"),
        Rule("certificate-unrelated", Severity.NOTE, Stage.CERTIFICATE, "RFC 8446 section 4.4.2"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Every endpoint that is meant to speak TLS."""
        return [s for s in route.endpoints(target, earlier) if s.mode is not Mode.PLAIN]

    async def observe(self, subject: Subject, ctx: Context) -> ChainFacts:
        """No packet of its own: the chain came with the handshake."""
        session = await ctx.dialogue(subject).reach(Stage.CERTIFICATE)
        if session.tls is None or session.verdict is None or session.verified_at is None:
            raise NotNeeded(because("no-tls"))
        certificates = tuple(_readable(session.tls.chain))
        clean = session.verdict.verified and not session.verdict.strict
        return ChainFacts(
            name=subject.name,
            at=session.verified_at,
            roots=ctx.roots.fingerprint,
            roots_source=ctx.roots.source,
            chain=session.tls.chain,
            certificates=certificates,
            order=chain_order(certificates),
            verdict=session.verdict,
            store=len(ctx.roots.der),
            stapled=bool(session.tls.staple),
            revoked=bool(certificates) and revoked(session.tls.staple, certificates[0].serial),
            interpreter="" if clean else x509.interpreter_says(session.tls.chain, subject.name, ctx.roots),
        )

    def judge(self, facts: ChainFacts) -> Iterator[Finding]:
        """The name, the trust, the dates, then what is untidy."""
        yield from self._name(facts)
        yield from self._flaws(facts)
        found = inspector(facts.certificates)
        if found and found[0].kind != "bridge":  # which is the server itself
            yield self.found("certificate-inspected", product=found[0].product, issuer=found[1])
        if facts.verdict.verified:
            yield from self._remarks(facts)
            yield from self._revocation(facts)

    def _name(self, facts: ChainFacts) -> Iterator[Finding]:
        host = facts.verdict.host
        if host.matched or not facts.certificates:
            return
        leaf = facts.certificates[0]
        names = ", ".join(host.names[:8]) or ", ".join(leaf.common_names[:1])
        if host.how == "cn-only":
            yield self.found("certificate-cn-only", name=facts.name, presented=names)
        elif any(_reaches_too_deep(pattern, facts.name) for pattern in leaf.san_dns):
            yield self.found("certificate-wildcard-depth", name=facts.name, presented=names)
        else:
            address = bool(literal(facts.name))
            yield self.found("certificate-wrong-host", name=facts.name, presented=names, address=address)

    def _flaws(self, facts: ChainFacts) -> Iterator[Finding]:
        seen: set[str] = set()
        for flaw in facts.verdict.flaws:
            by_depth = (_LEAF if flaw.depth == 0 else _ISSUER).get(flaw.code)
            code = by_depth or _ANY.get(flaw.code, "certificate-invalid")
            if code not in seen:
                seen.add(code)
                yield self._flawed(code, flaw, facts)

    def _flawed(self, code: str, flaw: Flaw, facts: ChainFacts) -> Finding:
        whose = _whose(flaw, facts)
        return self.found(
            code,
            name=facts.name,
            who=flaw.subject,
            depth=flaw.depth,
            error=flaw.errno,
            text=flaw.text,
            issuer=whose.issuer if whose else "",
            issuer_url=next(iter(whose.aia_issuers), "") if whose else "",
            not_before=f"{whose.not_before:%Y-%m-%d %H:%M} UTC" if whose else "",
            not_after=f"{whose.not_after:%Y-%m-%d %H:%M} UTC" if whose else "",
            days=abs((facts.at - (whose.not_before if "not-yet" in code else whose.not_after)).days) if whose else 0,
            key=f"{whose.key} {whose.bits}" if whose else "",
            signature=whose.signature_hash if whose else "",
            at=f"{facts.at:%Y-%m-%d %H:%M} UTC",
            sent=len(facts.chain),
        )

    def _remarks(self, facts: ChainFacts) -> Iterator[Finding]:
        leaf = facts.certificates[0]
        left = leaf.not_after - facts.at
        if left < min(timedelta(days=self.warn_days), (leaf.not_after - leaf.not_before) / 3):
            yield self.found(
                "certificate-expires-soon", days=left.days, not_after=f"{leaf.not_after:%Y-%m-%d %H:%M} UTC"
            )
        if flaw := next(iter((*facts.verdict.strict, *_lax(facts))), None):
            yield self.found("certificate-strict", text=flaw.text, error=flaw.errno, who=flaw.subject)
        if facts.order.misplaced:
            yield self.found("certificate-wrong-order", position=facts.order.misplaced[0], sent=len(facts.chain))
        if facts.order.roots:
            yield self.found("certificate-superfluous-root", position=facts.order.roots[0])
        if facts.order.unrelated:
            yield self.found("certificate-unrelated", position=facts.order.unrelated[0])

    def _revocation(self, facts: ChainFacts) -> Iterator[Finding]:
        """Most mail programs never ask; those that do refuse."""
        if facts.revoked:
            yield self.found("certificate-revoked", who=facts.certificates[0].subject)
        elif facts.certificates[0].must_staple and not facts.stapled:
            yield self.found("certificate-unstapled", who=facts.certificates[0].subject)


def _readable(chain: tuple[bytes, ...]) -> Iterator[CertificateFacts]:
    for der in chain:
        try:
            yield describe(der)
        except ProtocolError:
            return


def _lax(facts: ChainFacts) -> Iterator[Flaw]:
    """What OpenSSL 3 minds in a strict check, and 4 no more: Python 3.13 and 3.14 come with the former."""
    text = "Basic Constraints of CA cert not marked critical"
    for depth, each in enumerate(facts.certificates):
        if each.lax_constraints:
            yield Flaw("ca-not-critical", 89, depth, each.subject, text)


def _whose(flaw: Flaw, facts: ChainFacts) -> CertificateFacts | None:
    """The certificate that a flaw speaks of; by its name, since depth counts the path and not the order sent.

    None where it was not sent, as a root of the store: its dates are not known, the leaf's must not stand for them.
    """
    return next((c for c in facts.certificates if c.subject == flaw.subject), None)


def _reaches_too_deep(pattern: str, name: str) -> bool:
    """RFC 9525 section 6.3: a wildcard stands for one label; here the name has more than one in its place."""
    return pattern.startswith("*.") and name.endswith(pattern[1:]) and "." in name.removesuffix(pattern[1:])
