"""Which hosts take mail for this domain?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Result, Rule, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.route import UNANSWERED, MxFacts
from smtpcheck.target import providers
from smtpcheck.wire.address import literal

_BROKEN = {
    **UNANSWERED,
    Kind.NXDOMAIN: Rule("mx-domain-nxdomain", Severity.FAIL, Stage.DNS, "RFC 2308 section 2.1"),
}


@dataclass(frozen=True, slots=True)
class MailExchangers(Probe[MxFacts]):
    """Asks for MX, and for the domain's own address where there is none (RFC 5321 section 5.1)."""

    name = "mx"
    rules = (
        Rule("mx-null", Severity.FAIL, Stage.DNS, "RFC 7505"),
        Rule("mx-null-mixed", Severity.WARN, Stage.DNS, "RFC 7505 section 3"),
        Rule("mx-none-no-a", Severity.FAIL, Stage.DNS, "RFC 5321 section 5.1"),
        Rule("mx-none-fallback-a", Severity.NOTE, Stage.DNS, "RFC 5321 section 5.1"),
        Rule("mx-wildcard-typo-accepts", Severity.NOTE, Stage.DNS, "Damerau (1964): one slip of the hand"),
        Rule("mx-address-literal", Severity.WARN, Stage.DNS, "RFC 1035 section 3.3.9"),
        Rule("mx-own-address-unknown", Severity.FAIL, Stage.DNS, "RFC 5321 section 5.1"),
        *_BROKEN.values(),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The domain of mx:."""
        return (Subject(target.name),) if target.kind is TargetKind.MX else ()

    async def observe(self, subject: Subject, ctx: Context) -> MxFacts:
        """One question, two more where the domain exists without MX."""
        mx = await ctx.door.ask(subject.name, "MX")
        if mx.broke is not Kind.NODATA:
            return MxFacts(domain=subject.name, mx=mx)
        own = await asyncio.gather(ctx.door.ask(subject.name, "A"), ctx.door.ask(subject.name, "AAAA"))
        return MxFacts(domain=subject.name, mx=mx, own=tuple(own))

    def judge(self, facts: MxFacts) -> Iterator[Finding]:
        """Only a resolver's own word makes a record absent."""
        if facts.mx.broke in _BROKEN:
            yield self.found(_BROKEN[facts.mx.broke].code, facts.mx.reason, name=facts.domain, resolver=facts.mx.source)
        elif facts.null:
            yield self.found("mx-null-mixed" if facts.exchanges else "mx-null", name=facts.domain)
        elif facts.implicit:
            yield self.found("mx-none-fallback-a", name=facts.domain)
        elif facts.mx.broke is Kind.NODATA:
            known = all(answer.absent for answer in facts.own)
            yield self.found("mx-none-no-a" if known else "mx-own-address-unknown", name=facts.domain)
        if near := providers.nearest_domain(facts.domain):
            yield self.found("mx-wildcard-typo-accepts", name=facts.domain, near=near)
        for exchange in facts.exchanges:
            if literal(exchange):
                yield self.found("mx-address-literal", name=facts.domain, exchange=exchange)
