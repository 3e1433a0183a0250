"""Would a sender that honours DANE hand its mail over?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Mode, Result, Rule, Severity, Stage, Subject, Target, TargetKind, because, facts_of
from smtpcheck.net.failures import NotNeeded
from smtpcheck.route import MxFacts
from smtpcheck.wire.dns import Tlsa
from smtpcheck.wire.tlsa import Dane, presented, usable, weigh


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """One exchange and its TLSA records."""

    host: str
    records: tuple[Tlsa, ...]
    secure: bool
    """The resolver vouches for them (AD)."""
    dane: Dane | None
    """None: no certificate was seen, or there is no record."""
    plain: bool
    """STARTTLS is not offered."""
    shown: str = ""
    """What the first usable record should hold for the leaf shown, in hexadecimal."""

    @property
    def refused(self) -> bool:
        """A sender that honours DANE does not deliver there."""
        return self.secure and bool(self.records) and (self.plain or self.dane is Dane.MISMATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class DaneFacts:
    """The exchanges of a domain; none where DNSSEC does not vouch for its MX records."""

    domain: str
    exchanges: tuple[Association, ...]


@dataclass(frozen=True, slots=True)
class DaneTlsa(Probe[DaneFacts]):
    """TLSA at _25._tcp of every exchange, only where the resolver vouches for the MX records."""

    name = "dane"
    rules = (
        Rule("dane-tlsa-mismatch", Severity.FAIL, Stage.POLICY, "RFC 7672 section 3.1"),
        Rule("dane-without-tls", Severity.FAIL, Stage.POLICY, "RFC 7672 section 2.2"),
        Rule("dane-partly", Severity.WARN, Stage.POLICY, "RFC 7672 section 2.2"),
        Rule("dane-unusable", Severity.NOTE, Stage.POLICY, "RFC 7672 section 3.1.3"),
        Rule("dane-insecure", Severity.NOTE, Stage.POLICY, "RFC 7672 section 2.1.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The domain, once every exchange showed its certificate or did not."""
        if target.kind is not TargetKind.MX or target.mode is Mode.PLAIN:
            return ()
        found = {subject for subject in route.endpoints(target, earlier) if subject.address}
        seen = {result.subject for result in earlier if result.probe == "chain"}
        return (Subject(target.name),) if found and found <= seen else ()

    async def observe(self, subject: Subject, ctx: Context) -> DaneFacts:
        """One question to the resolver for each exchange; none where nobody vouches for the MX records."""
        if not any(facts.mx.authenticated for facts in facts_of(MxFacts, ctx.results)):
            return DaneFacts(domain=subject.name, exchanges=())
        found = dict.fromkeys((s.name, s.port) for s in route.endpoints(ctx.target, ctx.results) if s.address)
        if not found:
            raise NotNeeded(because("no-exchange"))
        each = [await _association(host, port, subject.name, ctx) for host, port in found]
        return DaneFacts(domain=subject.name, exchanges=tuple(each))

    def judge(self, facts: DaneFacts) -> Iterator[Finding]:
        """One exchange that senders deliver to is enough; the others are worth a repair."""
        refused = [each for each in facts.exchanges if each.refused]
        for each in refused[:1]:
            code = "dane-without-tls" if each.plain else "dane-tlsa-mismatch"
            record = next((r for r in each.records if usable(r)), each.records[0])
            yield self.found(
                code if len(refused) == len(facts.exchanges) else "dane-partly",
                exchange=each.host,
                record=f"{record.usage} {record.selector} {record.matching} {record.data[:64]}",
                shown=each.shown[:64],
                said=f"_25._tcp.{each.host} TLSA {record.usage} {record.selector} {record.matching} {record.data[:64]}",
            )
        for each in facts.exchanges:
            if each.records and not each.secure:
                yield self.found("dane-insecure", exchange=each.host)
            elif each.dane is Dane.UNUSABLE:
                yield self.found("dane-unusable", exchange=each.host)


async def _association(host: str, port: int, domain: str, ctx: Context) -> Association:
    answer = await ctx.resolver.ask(f"_{port}._tcp.{host}", "TLSA")
    mine = [r for r in ctx.results if r.subject.name == host]
    chain = next((r.facts for r in mine if r.probe == "chain" and r.facts is not None), None)
    plain = any(getattr(r.facts, "plain", False) for r in mine if r.probe == "tls")
    record = next((r for r in answer.tlsa if usable(r)), None)
    shown = presented(chain.chain[0], record) if chain and chain.chain and record else ""
    judged = weigh(answer.tlsa, chain.chain, (host, domain), chain.at) if chain and answer.tlsa else None
    return Association(
        host=host, records=answer.tlsa, secure=answer.authenticated, dane=judged, plain=plain, shown=shown
    )
