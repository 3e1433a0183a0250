"""Does the issuer's certificate, fetched from where the leaf says, complete the chain?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import CouldNotAsk
from smtpcheck.wire import ProtocolError, x509
from smtpcheck.wire.certificate import describe

# Longer ladders of intermediates are not seen in practice.
MAX_STEPS = 3
_NO_ROOT = frozenset({"issuer-unknown", "leaf-unverified", "self-signed-in-chain", "bad-signature"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerFacts:
    """What was fetched, and whether the chain verifies with it."""

    urls: tuple[str, ...]
    fetched: tuple[Annotated[bytes, "base64"], ...]
    """DER, nearest to the leaf first."""
    names: tuple[str, ...]
    completes: bool
    completes_elsewhere: bool = False
    """With the roots of other programs."""


@dataclass(frozen=True, slots=True)
class Issuer(Probe[IssuerFacts]):
    """Fetches caIssuers (RFC 5280 section 4.2.2.1) where the issuer is unknown, and verifies again with it."""

    name = "issuer"
    experiment = True
    rules = (
        Rule("certificate-issuer-completes", Severity.NOTE, Stage.CERTIFICATE, "RFC 5280 section 4.2.2.1"),
        Rule("certificate-issuer-does-not-complete", Severity.NOTE, Stage.CERTIFICATE, "RFC 5280 section 4.2.2.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Endpoints whose leaf's issuer was not sent and is not in the store, and which say where it is."""
        if target.only_target:
            return ()
        return [
            result.subject
            for result in earlier
            for finding in result.findings
            if finding.code == "certificate-issuer-unknown" and finding.seen.get("issuer_url")
        ]

    async def observe(self, subject: Subject, ctx: Context) -> IssuerFacts:
        """At most three small HTTP fetches, guarded."""
        heard = await ctx.dialogue(subject).reach(Stage.CERTIFICATE)
        if heard.session is None or heard.verified_at is None:
            raise CouldNotAsk(Stage.CERTIFICATE, Kind.LOCAL, because("no-chain"))
        chain, urls = list(heard.session.chain), []
        async with ctx.experiment(self.name, subject):
            for _ in range(MAX_STEPS):
                url = next(iter(describe(chain[-1]).aia_issuers), "")
                if not url or url in urls:
                    break
                urls.append(url)
                chain.append(_certificate(await ctx.door.fetch(url, near=subject.address)))
                verdict = x509.verify(tuple(chain), subject.name, ctx.roots, heard.verified_at)
                if not any(flaw.code in ("issuer-unknown", "leaf-unverified") for flaw in verdict.flaws):
                    break
        fetched = tuple(chain[len(heard.session.chain) :])
        completes, other = _leads_to_a_root(verdict), None
        if not completes and (roots := ctx.compared()):
            other = x509.verify(tuple(chain), subject.name, roots, heard.verified_at)
        return IssuerFacts(
            urls=tuple(urls),
            fetched=fetched,
            names=tuple(describe(der).subject for der in fetched),
            completes=completes,
            completes_elsewhere=other is not None and _leads_to_a_root(other),
        )

    def judge(self, facts: IssuerFacts) -> Iterator[Finding]:
        """Completed: the server forgot it. Not completed: its root is not in the store."""
        code = "certificate-issuer-completes" if facts.completes else "certificate-issuer-does-not-complete"
        yield self.found(code, url=facts.urls[0], names=" <- ".join(facts.names))


def _leads_to_a_root(verdict: x509.Verdict) -> bool:
    return not {flaw.code for flaw in verdict.flaws} & _NO_ROOT


def _certificate(body: bytes) -> bytes:
    """RFC 5280 section 4.2.2.1: one DER certificate, or a PKCS #7 bundle of them."""
    try:
        describe(body)
    except ProtocolError:
        return _from_bundle(body)
    return body


def _from_bundle(body: bytes) -> bytes:
    # 12 ms to import, for the rare authority that gives a bundle
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

    try:
        return load_der_pkcs7_certificates(body)[0].public_bytes(Encoding.DER)
    except (ValueError, IndexError) as error:
        raise CouldNotAsk(Stage.CERTIFICATE, Kind.GARBAGE, because("issuer-no-certificate")) from error
