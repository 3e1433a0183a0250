"""Can it be believed where this name leads? The resolver is asked for a name that can not exist, others are heard."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Result, Rule, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import NotNeeded


@dataclass(frozen=True, slots=True)
class Said:
    """One answer about a host's IPv4 addresses, and who gave it."""

    source: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesFacts:
    """What else is said about a host's addresses, and whether the resolver can be believed."""

    host: str
    port: int
    believed: tuple[str, ...]
    """The addresses that were used."""
    source: str
    invented: tuple[str, ...]
    """What the resolver gives for a name that can not exist."""
    said: tuple[Said, ...]
    """Every answer heard, a second one to the same question too."""
    opened: str = ""
    """An address that was not used, and whose port opens."""


def forged(facts: NamesFacts) -> tuple[str, str] | None:
    """Two answers to one question that name different addresses: one of them came from somebody else."""
    first: dict[str, Said] = {}
    for one in facts.said:
        earlier = first.setdefault(one.source, one)
        if not set(earlier.addresses) & set(one.addresses):
            return ", ".join(earlier.addresses), ", ".join(one.addresses)
    return None


def contradiction(facts: NamesFacts) -> Said | None:
    """Who names only addresses that were not used."""
    return next((one for one in facts.said if not set(one.addresses) & set(facts.believed)), None)


@dataclass(frozen=True, slots=True)
class Names(Probe[NamesFacts]):
    """A few questions to the resolvers that are configured anyway, and one connection where they contradict."""

    window_seconds: float = 1.0
    """A forged answer comes some milliseconds before the true one, which may take a good part of a second."""

    name = "names"
    experiment = True
    rules = (
        Rule("dns-invented", Severity.WARN, Stage.DNS, "RFC 6761 section 6.4"),
        Rule("dns-forged", Severity.WARN, Stage.DNS, "RFC 5452 section 9"),
        Rule("dns-differs", Severity.NOTE, Stage.DNS, "RFC 8499 section 6"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The first endpoint, where none opened or where a stranger may have answered."""
        return (*route.shut(target, earlier), *route.strange(target, earlier))[:1]

    async def observe(self, subject: Subject, ctx: Context) -> NamesFacts:
        """Nothing where the address was given by hand."""
        known = route.believed(subject.name, ctx.results)
        used = known.addresses if known else ()
        source = next((answer.source for answer in (known.a, known.aaaa) if answer.addresses), "") if known else ""
        if not used or source in ("literal", "connect-to") or not ctx.door.resolvers:
            raise NotNeeded(because("no-resolver-said"))
        async with ctx.experiment(self.name, subject):
            made_up = await ctx.door.ask(f"{secrets.token_hex(8)}.invalid", "A")
            window = min(self.window_seconds, ctx.limits.dns)
            heard = [
                answer
                for server in ctx.door.resolvers[:3]
                for answer in await ctx.door.hear(server, subject.name, "A", window)
            ]
            said = tuple(Said(answer.source, tuple(sorted(answer.addresses))) for answer in heard if answer.addresses)
            others = [a for one in said for a in one.addresses if a not in used]
            opened = ""
            if others:
                broke, _ = await ctx.door.knock(subject.name, others[0], subject.port, ctx.limits.connect / 2)
                opened = "" if broke else others[0]
        return NamesFacts(
            host=subject.name,
            port=subject.port,
            believed=used,
            source=source,
            invented=made_up.addresses,
            said=said,
            opened=opened,
        )

    def judge(self, facts: NamesFacts) -> Iterator[Finding]:
        """What the resolver does to names, then who contradicts it."""
        if facts.invented:
            yield self.found("dns-invented", address=facts.invented[0], resolver=facts.source)
        if pair := forged(facts):
            yield self.found("dns-forged", name=facts.host, resolver=facts.source, first=pair[0], second=pair[1])
        elif other := contradiction(facts):
            yield self.found(
                "dns-differs",
                name=facts.host,
                address=facts.believed[0],
                source=facts.source,
                other=other.addresses[0],
                by=other.source,
                opened=bool(facts.opened),
            )
