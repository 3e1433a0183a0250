"""Does the resolver refuse an answer because its signature does not hold?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Result, Rule, Severity, Stage, Subject, Target
from smtpcheck.route import AddressFacts, MxFacts
from smtpcheck.wire import dns


@dataclass(frozen=True, slots=True, kw_only=True)
class DnssecFacts:
    """What a resolver says when it is told not to check signatures."""

    answer: dns.Answer


@dataclass(frozen=True, slots=True)
class Dnssec(Probe[DnssecFacts]):
    """Asks again with checking disabled, where the resolver failed."""

    name = "dnssec"
    experiment = True
    rules = (
        Rule("dnssec-answers-unchecked", Severity.NOTE, Stage.DNS, "RFC 4035 section 3.2.2"),
        Rule("dnssec-not-the-cause", Severity.NOTE, Stage.DNS, "RFC 4035 section 3.2.2"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The first name for which SERVFAIL came and which is needed."""
        return [result.subject for result in earlier if _failed(result)][:1]

    async def observe(self, subject: Subject, ctx: Context) -> DnssecFacts:
        """One question more, to the same resolver."""
        failed = next(a for r in ctx.results if r.subject == subject for a in _failed(r))
        async with ctx.experiment(self.name, subject):
            return DnssecFacts(answer=await ctx.resolver.ask_unchecked(failed.name, failed.type))

    def judge(self, facts: DnssecFacts) -> Iterator[Finding]:
        """An answer: the zone is there, and its signature is not. None: the name servers fail."""
        known = facts.answer.broke is None or facts.answer.absent
        code = "dnssec-answers-unchecked" if known else "dnssec-not-the-cause"
        yield self.found(code, name=facts.answer.name, type=facts.answer.type, resolver=facts.answer.source)


def _failed(result: Result[Any]) -> tuple[dns.Answer, ...]:
    """The look-ups that ended with SERVFAIL, where they left nothing to go on with."""
    answers: tuple[dns.Answer, ...]
    match result.facts:
        case AddressFacts() as facts if not facts.addresses:
            answers = (facts.a, facts.aaaa)
        case MxFacts() as facts:
            answers = (facts.mx,)
        case _:
            return ()
    return tuple(answer for answer in answers if answer.broke is Kind.SERVFAIL and answer.source)
