"""Do IPv4 and IPv6 both lead there?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Failure, Finding, Kind, Result, Rule, Severity, Stage, Status, Subject, Target

_OPEN = frozenset({Status.OK, Status.NOTE, Status.WARN})


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyFacts:
    """How each family fared at one host and port, as statuses of its `port` results."""

    port: int
    v4: tuple[Status, ...]
    v6: tuple[Status, ...]


@dataclass(frozen=True, slots=True)
class Family(Probe[FamilyFacts]):
    """Compares what is known of a host's addresses; no packet of its own."""

    name = "family"
    rules = (
        Rule("ipv6-preferred-broken", Severity.WARN, Stage.CONNECT, "RFC 8305"),
        Rule("ipv4-broken", Severity.WARN, Stage.CONNECT, "RFC 8305"),
        Rule("dns-ipv6-only-name", Severity.FAIL, Stage.CONNECT, "RFC 3974 section 2"),
        Rule("mx-aaaa-without-route", Severity.NOTE, Stage.CONNECT, "RFC 6724 section 5"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Hosts and ports of which both families are known."""
        seen: dict[Subject, set[bool]] = {}
        for result in _ports(earlier):
            where = Subject(result.subject.name, "", result.subject.port)
            seen.setdefault(where, set()).add(":" in result.subject.address)
        lonely = {(r.subject.name, r.subject.port) for r in _ports(earlier) if _without_route(r)}
        return [
            where
            for where, families in seen.items()
            if len(families) == 2 or ((where.name, where.port) in lonely and _has_no_ipv4(where.name, earlier))
        ]

    async def observe(self, subject: Subject, ctx: Context) -> FamilyFacts:
        """Reads the results of the port probe."""
        mine = [r for r in _ports(ctx.results) if (r.subject.name, r.subject.port) == (subject.name, subject.port)]
        return FamilyFacts(
            port=subject.port,
            v4=tuple(r.status for r in mine if ":" not in r.subject.address),
            v6=tuple(r.status for r in mine if ":" in r.subject.address),
        )

    def judge(self, facts: FamilyFacts) -> Iterator[Finding]:
        """Programs that try the dead family first hang or fail; no route of ours is harmless."""
        if not facts.v4 and facts.v6 and all(status is Status.INCONCLUSIVE for status in facts.v6):
            yield self.found("dns-ipv6-only-name", port=facts.port)
            return
        v4, v6 = (any(status in _OPEN for status in family) for family in (facts.v4, facts.v6))
        if v4 and not v6:
            ours = all(status is Status.INCONCLUSIVE for status in facts.v6)
            yield self.found("mx-aaaa-without-route" if ours else "ipv6-preferred-broken", port=facts.port)
        elif v6 and not v4 and any(status is Status.FAIL for status in facts.v4):
            yield self.found("ipv4-broken", port=facts.port)


def _ports(results: Sequence[Result[Any]]) -> Iterator[Result[Any]]:
    return (r for r in results if r.probe == "port" and r.subject.address)


def _without_route(result: Result[Any]) -> bool:
    """To an IPv6 address this machine has no route."""
    outcome = result.outcome
    return ":" in result.subject.address and isinstance(outcome, Failure) and outcome.kind is Kind.NO_ROUTE


def _has_no_ipv4(name: str, results: Sequence[Result[Any]]) -> bool:
    known = route.believed(name, results)
    return known is not None and known.a.absent
