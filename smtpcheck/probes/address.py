"""Which addresses has this host, and who says so?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Result, Rule, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.net.door import Door
from smtpcheck.route import AddressFacts
from smtpcheck.wire import dns
from smtpcheck.wire.address import literal

# The resolver's trouble says more than the absence of the other family, so it is looked at first.
_BROKEN = {
    **route.UNANSWERED,
    Kind.NODATA: Rule("dns-no-address", Severity.FAIL, Stage.DNS, "RFC 2308 section 2.2"),
    Kind.NXDOMAIN: Rule("dns-nxdomain", Severity.FAIL, Stage.DNS, "RFC 2308 section 2.1"),
}


@dataclass(frozen=True, slots=True)
class Address(Probe[AddressFacts]):
    """Asks for A and AAAA at once; an IP literal, a detour and the hosts file come first."""

    name = "address"
    rules = (
        *_BROKEN.values(),
        Rule("dns-half-known", Severity.WARN, Stage.DNS, "RFC 2308"),
        Rule("dns-from-hosts-file", Severity.NOTE, Stage.DNS, "hosts(5)"),
        Rule("dns-replaced-by-connect-to", Severity.NOTE, Stage.DNS),
        Rule("dns-no-ipv4", Severity.NOTE, Stage.DNS, "RFC 3974 section 2"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Every host on the way."""
        if target.kind is TargetKind.HOST:
            return (Subject(target.name),)
        return [Subject(host) for host in dict.fromkeys(c.host for c in route.candidates(target, earlier))][
            : route.MAX_HOSTS
        ]

    async def observe(self, subject: Subject, ctx: Context) -> AddressFacts:
        """One round trip."""
        host = subject.name
        fixed = literal(host)
        if fixed:
            return _fixed(host, (fixed,), "literal")
        detoured = tuple(dict.fromkeys(d.address for d in ctx.door.detours if d.host in ("", host)))
        if detoured:
            return _fixed(host, detoured, "connect-to")
        a, aaaa = await asyncio.gather(_look_up(ctx.door, host, "A"), _look_up(ctx.door, host, "AAAA"))
        return AddressFacts(host=host, a=a, aaaa=aaaa)

    def judge(self, facts: AddressFacts) -> Iterator[Finding]:
        """One break for the host, or what is odd about its addresses."""
        both = (facts.a, facts.aaaa)
        if not facts.addresses:
            answer = min(both, key=lambda a: list(_BROKEN).index(a.broke or Kind.NXDOMAIN))
            rule = _BROKEN[answer.broke or Kind.NXDOMAIN]
            yield self.found(rule.code, answer.reason, name=facts.host, resolver=answer.source)
            return
        for answer in both:
            if answer.broke and not answer.absent:
                yield self.found("dns-half-known", name=facts.host, type=answer.type, how=str(answer.broke))
        source = next(a.source for a in both if a.addresses)
        if source == "connect-to":
            yield self.found("dns-replaced-by-connect-to", name=facts.host, address=facts.addresses[0])
        elif source.startswith("/"):
            yield self.found("dns-from-hosts-file", name=facts.host, address=facts.addresses[0], file=source)
        elif not facts.a.addresses and source != "literal":
            yield self.found("dns-no-ipv4", name=facts.host, address=facts.addresses[0])


def _fixed(host: str, addresses: tuple[str, ...], source: str) -> AddressFacts:
    four = tuple(a for a in addresses if ":" not in a)
    six = tuple(a for a in addresses if ":" in a)
    return AddressFacts(
        host=host,
        a=dns.Answer(name=host, type="A", addresses=four, source=source, broke=None if four else Kind.NODATA),
        aaaa=dns.Answer(name=host, type="AAAA", addresses=six, source=source, broke=None if six else Kind.NODATA),
    )


async def _look_up(door: Door, host: str, type_: str) -> dns.Answer:
    """As a program would: hosts file, then the resolver, a single label with the search domains first."""
    other = door.hosts_file(host, "A" if type_ == "AAAA" else "AAAA")
    in_hosts = door.hosts_file(host, type_)
    if in_hosts or other:
        return in_hosts or dns.Answer(name=host, type=type_, broke=Kind.NODATA, source=door.hosts_source)
    if "." not in host.rstrip("."):
        for domain in door.search[:3]:
            answer = await door.ask(f"{host}.{domain}", type_)
            if answer.addresses:
                return answer
    return await door.ask(host, type_)
