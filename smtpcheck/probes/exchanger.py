"""Can mail reach the hosts that MX names?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Result, Rule, Severity, Stage, Status, Subject, Target, TargetKind
from smtpcheck.route import AddressFacts

_OPEN = frozenset({Status.OK, Status.NOTE, Status.WARN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanger:
    """One exchange as its name resolved and its port answered."""

    name: str
    absent: bool
    """The resolver says that there is no such name or no address."""
    unknown: Kind | None
    """Why its addresses could not be learnt."""
    alias: str
    addresses: tuple[str, ...]
    reached: bool
    tried: bool
    """At least one attempt to connect came to an end that says something about the exchange, and not about us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangerFacts:
    """All exchanges of a domain, best first."""

    domain: str
    exchangers: tuple[Exchanger, ...]


@dataclass(frozen=True, slots=True)
class Exchangers(Probe[ExchangerFacts]):
    """Reads what is known of every exchange; no packet of its own."""

    name = "exchanger"
    rules = (
        Rule("mx-target-cname", Severity.WARN, Stage.DNS, "RFC 2181 section 10.3"),
        Rule("mx-target-no-address", Severity.WARN, Stage.DNS, "RFC 5321 section 5.1"),
        Rule("mx-target-unknown", Severity.WARN, Stage.DNS, "RFC 5321 section 5.1"),
        Rule("mx-target-private", Severity.WARN, Stage.DNS, "RFC 6890"),
        Rule("mx-first-dead-second-ok", Severity.WARN, Stage.CONNECT, "RFC 5321 section 5.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The domain, once every exchange was looked up and every port tried."""
        if target.kind is not TargetKind.MX:
            return ()
        hosts = set(_hosts(target, earlier))
        looked_up = {result.subject.name for result in earlier if result.probe == "address"}
        tried = {result.subject for result in earlier if result.probe == "port"}
        done = hosts and hosts <= looked_up and set(route.endpoints(target, earlier)) <= tried
        return (Subject(target.name),) if done else ()

    async def observe(self, subject: Subject, ctx: Context) -> ExchangerFacts:
        """Reads the results of the address and port probes."""
        hosts = _hosts(ctx.target, ctx.results)
        known = {r.subject.name: r.facts for r in ctx.results if r.probe == "address"}
        found = [_exchanger(host, known.get(host), ctx.results) for host in hosts]
        return ExchangerFacts(domain=subject.name, exchangers=tuple(found))

    def judge(self, facts: ExchangerFacts) -> Iterator[Finding]:
        """One good exchange is enough; the others cost time and are worth a repair."""
        any_reached = any(exchanger.reached for exchanger in facts.exchangers)
        for exchanger in facts.exchangers:
            yield from self._about(exchanger, any_reached=any_reached)

    def _about(self, exchanger: Exchanger, *, any_reached: bool) -> Iterator[Finding]:
        if exchanger.alias:
            yield self.found("mx-target-cname", exchange=exchanger.name, alias=exchanger.alias)
        if exchanger.absent:
            yield self.found("mx-target-no-address", name=exchanger.name)
        elif exchanger.unknown:
            yield self.found("mx-target-unknown", exchange=exchanger.name, how=str(exchanger.unknown))
        private = next((a for a in exchanger.addresses if not ip_address(a).is_global), "")
        if private:
            yield self.found("mx-target-private", exchange=exchanger.name, address=private)
        if any_reached and exchanger.tried and exchanger.addresses and not exchanger.reached:
            yield self.found("mx-first-dead-second-ok", exchange=exchanger.name, address=exchanger.addresses[0])


def _hosts(target: Target, results: Sequence[Result[Any]]) -> list[str]:
    """As many exchanges as are looked up."""
    return list(dict.fromkeys(candidate.host for candidate in route.candidates(target, results)))[: route.MAX_HOSTS]


def _exchanger(host: str, facts: Any, results: Sequence[Result[Any]]) -> Exchanger:
    ports = [r for r in results if r.probe == "port" and r.subject.name == host and r.subject.address]
    known = facts if isinstance(facts, AddressFacts) else None
    answers = (known.a, known.aaaa) if known else ()
    nowhere = known is not None and not known.addresses
    return Exchanger(
        name=host,
        absent=nowhere and all(answer.absent for answer in answers),
        unknown=next((a.broke for a in answers if a.broke and not a.absent), None) if nowhere else None,
        alias=next((answer.aliases[-1] for answer in answers if answer.aliases), ""),
        addresses=known.addresses if known else (),
        reached=any(r.status in _OPEN and r.facts is not None and r.facts.broke is None for r in ports),
        tried=any(r.facts is not None for r in ports),
    )
