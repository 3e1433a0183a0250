"""Me, my network, or them? What is known of a matrix of addresses, ports and names, and where one more look decides.

Pure: a saved report is read the same way again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import providers, route
from smtpcheck.core import Blocked, Contact, Failure, Kind, Result, Subject, Target, TargetKind
from smtpcheck.net import Door
from smtpcheck.route import AddressFacts, SubmissionFacts
from smtpcheck.system import parse_server
from smtpcheck.wire import dns

# What stands in a control host's place where no port was named (tcpmux, RFC 1078; nobody serves it).
_UNSAID = 1
LOST = frozenset({Kind.TIMEOUT, Kind.UNREACHABLE, Kind.RESET})
"""No answer of the host itself."""
# After these somebody else may have answered: a filter, a portal, a wrong address.
_STRANGE = frozenset({"chain-wrong-host", "tls-not-offered", "greeting-not-smtp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SiblingFacts:
    """How another port of the same address answered."""

    port: int
    broke: Kind | None
    detail: str = ""

    @property
    def answers(self) -> bool:
        """The host itself spoke: it is up, and packets come back."""
        return self.broke in (None, Kind.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFacts:
    """How the control host fared."""

    host: str
    address: str
    port: int
    broke: Kind | None = None
    detail: str = ""
    said: bytes = b""
    """Its greeting, where that comes in clear."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """Where the mailboxes of the login's domain lie."""

    host: str
    """The host that was asked to log in."""
    domain: str
    mx: dns.Answer
    provider: str
    """The known provider that runs the exchangers; empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFacts:
    """Whether mail is taken without login and TLS."""

    accepted: bool
    detail: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """Whether a handshake that stalled comes about in small segments."""

    segment: int
    broke: Kind | None
    """How the handshake in small segments ended short."""
    again: Kind | None = None
    """How one more in the usual ones did; it is made only where the small ones helped."""

    @property
    def helps(self) -> bool:
        """Only the size made the difference."""
        return self.broke is None and self.again is Kind.TIMEOUT


def control(target: Target) -> tuple[str, int]:
    """Host and port of the control host; port 0 where none was named: the one asked for is meant."""
    host, port = parse_server(target.control, _UNSAID)
    return host, 0 if port == _UNSAID else port


def contacts(target: Target, door: Door) -> tuple[Contact, ...]:
    """Everybody who may be spoken to, known before the first packet."""
    found = [Contact("target", target.name, target.kind.value)]
    found += [Contact("resolver", f"{host}:{port}") for host, port in door.resolvers]
    found += [Contact("detour", text) for text in target.connect_to]
    if target.ntp:
        found.append(Contact("ntp", target.ntp))
    if target.control and target.experiments and not target.only_target:
        found.append(Contact("control", target.control, "only where something broke, to compare with"))
    where = route.mailbox(target) if target.send else None
    if where:
        found.append(Contact("mailbox", f"{where[0]}:{where[1]}", "to see whether the message arrived"))
    if target.kind is TargetKind.MX and not target.only_target:
        found.append(Contact("policy", f"mta-sts.{target.name}:443", "only where DNS announces an MTA-STS policy"))
    if not target.only_target:
        found.append(Contact("issuer", "the URL in the server's certificate", "only where its issuer is missing"))
    return tuple(found)


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
    return tuple(s for s in shut(target, results) if getattr(known[s].facts, "broke", None) in LOST)


def strange(target: Target, results: Sequence[Result[Any]]) -> tuple[Subject, ...]:
    """Endpoints at which somebody else may have answered, where none verified."""
    if any(r.probe == "chain" and r.facts is not None and r.facts.verdict.verified for r in results):
        return ()
    # an exchanger's certificate need not verify (RFC 7435), so that a healthy one may be named so
    telling = _STRANGE - {"chain-wrong-host"} if target.kind is TargetKind.MX else _STRANGE
    found = (r.subject for r in results for f in r.findings if f.code in telling)
    return tuple(dict.fromkeys(subject for subject in found if subject.address))


def no_route(name: str, port: int, results: Sequence[Result[Any]]) -> tuple[str, ...]:
    """The addresses of that host and port to which this machine has no route."""
    return tuple(
        r.subject.address
        for r in results
        if r.probe == "port" and (r.subject.name, r.subject.port) == (name, port)
        if isinstance(r.outcome, Failure) and r.outcome.kind is Kind.NO_ROUTE
    )


def promised(target: Target, subject: Subject, results: Sequence[Result[Any]]) -> str:
    """Who says that this very port is served: `provider`, `srv` or `mx`; empty where only the user does."""
    row = providers.by_host(subject.name)
    if row is not None and subject.port in {endpoint.port for endpoint in row.smtp}:
        return "provider"
    if target.kind is TargetKind.MX and subject.port == 25:
        return "provider" if providers.by_mx(subject.name) else "mx"
    located = (r.facts for r in results if isinstance(r.facts, SubmissionFacts) and r.facts.source == "srv")
    named = {(c.host, c.port) for facts in located for c in facts.candidates}
    return "srv" if (subject.name, subject.port) in named else ""


def believed(name: str, results: Sequence[Result[Any]]) -> AddressFacts | None:
    """What was looked up for a host."""
    found = (r.facts for r in results if r.probe == "address" and r.subject.name == name)
    return next((facts for facts in found if isinstance(facts, AddressFacts)), None)


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
