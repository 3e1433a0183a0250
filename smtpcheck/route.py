"""Which way does this mail take? Candidates, endpoints, the one that gets the login, and how far each got.

Pure: everything is derived from the target and the results so far, so a saved report takes the same way again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.core import (
    PATHS,
    Blocked,
    Failure,
    Kind,
    Mode,
    Result,
    Rule,
    Severity,
    Skipped,
    Stage,
    Status,
    Subject,
    Target,
    TargetKind,
    facts_of,
)
from smtpcheck.target import providers
from smtpcheck.target.grammar import usual_mode
from smtpcheck.wire import dns
from smtpcheck.wire.address import parse_server

# RFC 8314 section 3.3 prefers implicit TLS; 2525 is a custom of hosts whose networks filter 587 and 25.
SUBMISSION_PORTS = (465, 587, 2525, 25)
MAX_ENDPOINTS = 8
# Whose addresses are looked up; more exchanges than any healthy domain has.
MAX_HOSTS = 16
# The probes that an endpoint has to pass before it is preferred to others.
_DEEP = ("port", "greeting", "tls", "chain")
CONCERNS = {
    "port": (Stage.CONNECT,),
    "greeting": (Stage.GREETING, Stage.EHLO),
    "tls": (Stage.STARTTLS, Stage.TLS),
    "chain": (Stage.CERTIFICATE,),
    "auth": (Stage.AUTH,),
    "envelope": (Stage.MAIL, Stage.RCPT),
    "message": (Stage.DATA,),
    "delivery": (Stage.DELIVERY,),
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host and port that mail may be handed to."""

    host: str
    port: int
    mode: Mode


def _unanswered(code: str) -> Rule:
    return Rule(code, Severity.FAIL, Stage.DNS, "RFC 1035 section 4.1.1")


# The order in which they are told: a resolver's trouble says more than one server's.
UNANSWERED: Mapping[Kind, Rule] = {
    Kind.RESOLVER_DOWN: _unanswered("dns-resolver-down"),
    Kind.RESOLVER_SILENT: _unanswered("dns-resolver-silent"),
    Kind.SERVFAIL: _unanswered("dns-servfail"),
    Kind.DNS_REFUSED: _unanswered("dns-refused"),
    Kind.TRUNCATED: _unanswered("dns-truncated-tcp-blocked"),
    Kind.GARBAGE: _unanswered("dns-garbage"),
}
"""What every look-up may come to, whatever is asked for; the name is left as unknown as before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFacts:
    """Where an account's mail is handed in, and who says so."""

    domain: str
    source: str
    """provider, srv, mx or guess."""
    provider: str = ""
    candidates: tuple[Candidate, ...] = ()
    srv: tuple[dns.Answer, ...] = ()
    mx: dns.Answer | None = None
    declined: bool = False
    """SRV says that there is no submission service (RFC 2782: the target `.`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MxFacts:
    """The mail exchangers of a domain, and its own addresses where it has none."""

    domain: str
    mx: dns.Answer
    own: tuple[dns.Answer, ...] = ()

    @property
    def null(self) -> bool:
        """The domain takes no mail (RFC 7505)."""
        return any(mx.exchange == "." for mx in self.mx.mx)

    @property
    def implicit(self) -> bool:
        """No MX, but an address (RFC 5321 section 5.1)."""
        return self.mx.broke is Kind.NODATA and any(answer.addresses for answer in self.own)

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Hosts to try, best first."""
        if self.implicit:
            return (self.domain,)
        return tuple(dict.fromkeys(mx.exchange for mx in self.mx.mx if mx.exchange != "."))


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressFacts:
    """The addresses of a host, IPv4 and IPv6 apart."""

    host: str
    a: dns.Answer
    aaaa: dns.Answer

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses, IPv6 first as RFC 6724 section 2.1 has it."""
        return tuple(dict.fromkeys(self.aaaa.addresses + self.a.addresses))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeFacts:
    """Which TLS mode an endpoint really speaks, found on a second connection."""

    tried: Mode
    found: Mode | None
    """The other mode where it was answered, else None."""
    stated: bool
    """The user named the mode, so another one is a mistake of the settings."""
    said: bytes = b""


def candidates(target: Target, earlier: Sequence[Result[Any]]) -> tuple[Candidate, ...]:
    """Hosts and ports in order of preference; empty while the way to them is not known yet."""
    if target.kind is TargetKind.MX:
        mode = Mode.STARTTLS if target.mode is Mode.AUTO else target.mode
        hosts = (host for facts in facts_of(MxFacts, earlier) for host in facts.exchanges)
        return tuple(Candidate(host, target.port or 25, mode) for host in hosts)
    if target.kind is TargetKind.ACCOUNT:
        located = facts_of(SubmissionFacts, earlier)
        return tuple(_stated(c, target) for facts in located for c in facts.candidates)
    ports = (target.port,) if target.port else _ports(target.mode)
    return tuple(_stated(Candidate(target.name, port, usual_mode(port)), target) for port in ports)


def _stated(candidate: Candidate, target: Target) -> Candidate:
    mode = candidate.mode if target.mode is Mode.AUTO else target.mode
    return Candidate(candidate.host, target.port or candidate.port, mode)


def _ports(mode: Mode) -> tuple[int, ...]:
    if mode is Mode.IMPLICIT:
        return (465,)
    return SUBMISSION_PORTS if mode is Mode.AUTO else (587, 2525, 25)


def endpoints(target: Target, earlier: Sequence[Result[Any]]) -> tuple[Subject, ...]:
    """Every endpoint to look at, best first; without address where its name did not resolve."""
    known = {r.subject.name: r for r in earlier if r.probe == "address"}
    found: dict[Subject, None] = {}
    for candidate in candidates(target, earlier):
        resolved = known.get(candidate.host)
        if resolved is None:
            break  # a place is given away only when all better ones are known, so that there are never more
        facts = resolved.facts
        addresses = facts.addresses if isinstance(facts, AddressFacts) else ()
        for address in addresses or ("",):
            found[Subject(candidate.host, address, candidate.port, candidate.mode)] = None
    limit = None if target.all_addresses else MAX_ENDPOINTS
    kept = tuple(found)[:limit]
    return kept + tuple(other for subject in kept if (other := _other_mode(target, subject, earlier)))


def _other_mode(target: Target, subject: Subject, earlier: Sequence[Result[Any]]) -> Subject | None:
    """The endpoint again in the mode that it was found to speak, where nobody stated one."""
    facts = next(facts_of(ModeFacts, earlier, subject), None)
    return speaking(subject, facts.found) if facts and facts.found and not facts.stated else None


def speaking(subject: Subject, mode: Mode) -> Subject:
    """The same endpoint in another mode."""
    return Subject(subject.name, subject.address, subject.port, mode)


def results_of(subject: Subject, results: Sequence[Result[Any]]) -> dict[str, Result[Any]]:
    """The results about exactly that subject, by probe."""
    return {result.probe: result for result in results if result.subject == subject}


def primary(target: Target, results: Sequence[Result[Any]]) -> Subject | None:
    """The one endpoint that gets the login; None while a better one may still turn up, or none is fit.

    With one port asked its first address that connects; else the first, in order, that spoke verified TLS.
    Once there is one it stays: what is learnt later puts no other before it, so that nobody logs in twice.
    """
    subject, fit = next(_fit(target, results), (None, False))
    return subject if fit else None


def eligible(target: Target, results: Sequence[Result[Any]]) -> tuple[Subject, ...]:
    """Who may still become the primary endpoint, best first; the one alone once it is elected."""
    found: list[Subject] = []
    for subject, fit in _fit(target, results):
        found.append(subject)
        if fit:
            break
    return tuple(found)


def _fit(target: Target, results: Sequence[Result[Any]]) -> Iterator[tuple[Subject, bool]]:
    """Endpoints in order with whether they are fit for the login, without those that are not."""
    # senders to an MX encrypt without verifying (RFC 7435), so its certificate costs it no mail
    deep = _DEEP[:-1] if target.kind is TargetKind.MX else _DEEP
    names = deep if _several(target, results) else _DEEP[:1]
    for subject in _in_order(target, results):
        standing = _standing(subject, results, names)
        if standing is not False:
            yield subject, standing is True


def _several(target: Target, results: Sequence[Result[Any]]) -> bool:
    return len({(c.host, c.port) for c in candidates(target, results)}) > 1


def _in_order(target: Target, results: Sequence[Result[Any]]) -> tuple[Subject, ...]:
    """Endpoints with the mode that was found instead of the one that failed.

    Of several ports one in another mode than its number suggests comes last, in the order in which they were found:
    by then another may have had the login.
    """
    found = endpoints(target, results)
    replaced = {s: other for s in found if (other := _other_mode(target, s, results))}
    if not _several(target, results):
        return tuple(dict.fromkeys(replaced.get(s, s) for s in found if s not in replaced.values()))
    expected = (s for s in found if s not in replaced and s not in replaced.values())
    late = (replaced[r.subject] for r in results if r.probe == "mode" and r.subject in replaced)
    return tuple(dict.fromkeys((*expected, *late)))


def _standing(subject: Subject, results: Sequence[Result[Any]], names: tuple[str, ...]) -> bool | None:
    """Fit for the login (True), not fit (False), or not known yet (None)."""
    mine = results_of(subject, results)
    if any(break_of(mine[name]) for name in names if name in mine):
        return False
    plain = subject.mode is Mode.PLAIN
    needed = [name for name in names if not (plain and name in ("tls", "chain"))]
    if any(name not in mine for name in needed):
        return None
    return mine[needed[-1]].status is not Status.BLOCKED


def chosen(target: Target, results: Sequence[Result[Any]]) -> Subject | None:
    """The endpoint that the verdict is about: the primary one, else the one that got furthest."""
    elected = primary(target, results)
    if elected:
        return elected
    ordered = _in_order(target, results)
    return max(ordered, key=lambda s: _progress(s, results), default=None)


def _progress(subject: Subject, results: Sequence[Result[Any]]) -> tuple[int, bool]:
    path = PATHS[subject.mode]
    stage, result = first_break(subject, results)
    if stage is None or result is None:
        return len(path), True
    return path.index(stage) if stage in path else 0, not isinstance(result.outcome, Failure)


def first_break(
    subject: Subject, results: Sequence[Result[Any]], until: Sequence[Stage] = tuple(Stage)
) -> tuple[Stage | None, Result[Any] | None]:
    """The first stage of the path that broke or was not learnt, and the result that says so."""
    mine = results_of(subject, results)
    address = results_of(Subject(subject.name), results).get("address")
    if address is not None and break_of(address):
        return Stage.DNS, address
    for stage in PATHS[subject.mode]:
        if stage not in until:
            continue
        for name, stages in CONCERNS.items():
            if stage in stages and name in mine and break_of(mine[name]) is stage:
                return stage, mine[name]
    return None, None


def break_of(result: Result[Any]) -> Stage | None:
    """The stage at which this result says that the way ended, None where it does not.

    Read from the facts, because the findings about side endpoints are only notes.
    """
    own = CONCERNS.get(result.probe, (Stage.DNS,))[0]
    match result.outcome:
        case Failure() as failure:
            return failure.stage
        case Blocked() | Skipped():
            return None
        case AddressFacts() as facts:
            return None if facts.addresses else Stage.DNS
    if result.broke:
        return result.broke_at or own
    return next((f.stage for f in result.findings if f.severity is Severity.FAIL), None)


def mailbox(target: Target) -> tuple[str, int] | None:
    """Host and port of the mailbox to look into: the one named, else the recipient's provider's."""
    if target.imap:
        return parse_server(target.imap, 993)
    provider = providers.by_domain(mailbox_user(target).rpartition("@")[2])
    return (provider.imap.host, provider.imap.port) if provider and provider.imap else None


def mailbox_user(target: Target) -> str:
    """Whose mailbox it is: the user named, else the first recipient."""
    return target.imap_user or next(iter(target.recipients), "")


def asked(target: Target) -> tuple[Stage, ...]:
    """The stages whose health the verdict is about, in no particular order of walking."""
    until = target.until or _default_until(target)
    path = PATHS[Mode.PLAIN if target.mode is Mode.PLAIN else Mode.STARTTLS]
    stages = path[: path.index(until) + 1] if until in path else (until,)
    return tuple(s for s in stages if s is not Stage.AUTH or target.kind is not TargetKind.MX)


def _default_until(target: Target) -> Stage:
    if target.send:
        return Stage.DELIVERY
    if target.recipients and target.sender:
        return Stage.RCPT
    if target.secret and target.kind is not TargetKind.MX:
        return Stage.AUTH
    return Stage.EHLO if target.mode is Mode.PLAIN else Stage.CERTIFICATE


LOST = frozenset({Kind.TIMEOUT, Kind.UNREACHABLE, Kind.RESET})
"""No answer of the host itself."""


# After these somebody else may have answered: a filter, a portal, a wrong address.
_STRANGE = frozenset({"certificate-wrong-host", "starttls-not-offered", "greeting-not-smtp"})


def ports(target: Target, results: Sequence[Result[Any]]) -> dict[Subject, Result[Any]] | None:
    """Every endpoint with how its port fared; None while that of one is still to come."""
    found = route.endpoints(target, results)
    known = {result.subject: result for result in results if result.probe == "port"}
    looked_up = {result.subject.name for result in results if result.probe == "address"}
    wanted = [candidate.host for candidate in route.candidates(target, results)][: route.MAX_HOSTS]
    if not found or not set(wanted) <= looked_up or not set(found) <= known.keys():
        return None
    return {subject: known[subject] for subject in found if subject.address}


def is_open(result: Result[Any]) -> bool:
    """A connection came about."""
    if isinstance(result.outcome, Failure | Blocked):
        return False
    return result.facts is not None and result.facts.broke is None


def shut(target: Target, results: Sequence[Result[Any]]) -> tuple[Subject, ...]:
    """The endpoints whose port did not open, where none at all did."""
    known = ports(target, results)
    if not known or any(map(is_open, known.values())):
        return ()
    return tuple(s for s, result in known.items() if result.facts is not None and result.facts.broke is not Kind.LOCAL)


def lost(target: Target, results: Sequence[Result[Any]]) -> tuple[Subject, ...]:
    """Those of them from which not even a refusal came."""
    known = ports(target, results) or {}
    return tuple(s for s in shut(target, results) if known[s].broke in LOST)


def strange(target: Target, results: Sequence[Result[Any]]) -> tuple[Subject, ...]:
    """Endpoints at which somebody else may have answered, where none verified."""
    if any(r.probe == "chain" and r.facts is not None and r.facts.verdict.verified for r in results):
        return ()
    # an exchanger's certificate need not verify (RFC 7435), so that a healthy one may be named so
    telling = _STRANGE - {"certificate-wrong-host"} if target.kind is TargetKind.MX else _STRANGE
    found = (r.subject for r in results for f in r.findings if f.code in telling)
    return tuple(dict.fromkeys(subject for subject in found if subject.address))


def believed(name: str, results: Sequence[Result[Any]]) -> AddressFacts | None:
    """What was looked up for a host."""
    return next(facts_of(AddressFacts, results, Subject(name)), None)
