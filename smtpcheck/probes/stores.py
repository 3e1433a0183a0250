"""What do the roots of other programs say to the same chain?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Result, Rule, Severity, Stage, Subject, Target, TargetKind, because
from smtpcheck.net.failures import NotNeeded
from smtpcheck.wire import x509

# what another root store may see otherwise; a name or a date of the leaf it does not
_DOUBTS = frozenset({"certificate-issuer-unknown", "certificate-untrusted-root", "certificate-issuer-expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresFacts:
    """Two root stores and the second one's verdict on the chain as sent."""

    own: str
    own_roots: int
    other: str
    other_roots: int
    trusted: bool
    """The other store leads to a positive answer without any flaw, the name aside."""
    verdict: x509.Verdict


@dataclass(frozen=True, slots=True)
class Stores(Probe[StoresFacts]):
    """Verifies the chain again with certifi's roots, or those of --ca-compare, where ours do not lead to trust."""

    name = "stores"
    experiment = True
    rules = (
        Rule("trust-store-other-trusts", Severity.NOTE, Stage.CERTIFICATE, "RFC 5280 section 6.1"),
        Rule("trust-store-all-agree", Severity.NOTE, Stage.CERTIFICATE, "RFC 5280 section 6.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Endpoints whose chain leads to no trusted root; of an exchanger only where its policy makes that a fault."""
        minded = any(finding.code == "mta-sts-certificate" for result in earlier for finding in result.findings)
        if target.kind is TargetKind.MX and not minded:
            return ()
        return dict.fromkeys(r.subject for r in earlier for finding in r.findings if finding.code in _DOUBTS)

    async def observe(self, subject: Subject, ctx: Context) -> StoresFacts:
        """No packet: the chain is at hand."""
        heard = await ctx.dialogue(subject).reach(Stage.CERTIFICATE)
        other = ctx.compared()
        if other is None or heard.session is None or heard.verified_at is None:
            raise NotNeeded(because("no-roots-to-compare"))
        verdict = x509.verify(heard.session.chain, subject.name, other, heard.verified_at)
        return StoresFacts(
            own=ctx.roots.source,
            own_roots=len(ctx.roots.der),
            other=other.source,
            other_roots=len(other.der),
            trusted=verdict.answered and not verdict.flaws,
            verdict=verdict,
        )

    def judge(self, facts: StoresFacts) -> Iterator[Finding]:
        """Which of the two trusts it."""
        code = "trust-store-other-trusts" if facts.trusted else "trust-store-all-agree"
        yield self.found(code, own=facts.own, roots=facts.own_roots, other=facts.other, others=facts.other_roots)
