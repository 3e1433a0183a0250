"""Me, my network, or them? What the matrix of addresses, ports, families and a control host leaves of a break."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

from smtpcheck import route
from smtpcheck.core import Failure, Kind, Result, Scalar, Subject, Target, TargetKind
from smtpcheck.diagnosis.words.login import OWN_DOMAINS_ONLY
from smtpcheck.probes import names
from smtpcheck.probes.control import ControlFacts
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.probes.home import HomeFacts
from smtpcheck.probes.names import NamesFacts
from smtpcheck.probes.relay import RelayFacts
from smtpcheck.probes.sibling import SiblingFacts
from smtpcheck.route import MxFacts, SubmissionFacts
from smtpcheck.target import providers

if TYPE_CHECKING:
    from smtpcheck.diagnosis.case import Case

Holds = Callable[["Case"], bool | None]

# "220 host.example.net ESMTP ...", "220-host.example.net ..."
_GREETED_BY = re.compile(r"(?:220[ -])?\s*([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)")
_EXAMPLES = tuple(map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
_MAIL_PORTS = frozenset({25, 465, 587, 994, 2525})


def control(case: Case) -> ControlFacts | None:
    """How the control host fared, where it was asked on the very port."""
    facts = case.of(ControlFacts, here=False)
    return facts if facts is not None and facts.port == case.result.subject.port else None


def sibling(case: Case) -> SiblingFacts | None:
    """How another port of the host fared."""
    return case.of(SiblingFacts, here=False)


def _answered(case: Case) -> bool:
    """The host itself answered on some port: it is up, and packets come back."""
    other = sibling(case)
    mine = (r.facts for r in _ports(case) if r.subject.port != case.result.subject.port)
    refused = any(facts is not None and facts.broke is Kind.REFUSED for facts in mine)
    return refused or (other is not None and other.answers)


def _ports(case: Case) -> list[Any]:
    name = case.result.subject.name
    return [r for r in case.results if r.probe == "port" and r.subject.address and r.subject.name == name]


def _all_lost(case: Case) -> bool:
    """Every address of the host, in every family that this machine has, is silent on that port."""
    port = case.result.subject.port
    asked = [r.facts.broke for r in _ports(case) if r.subject.port == port and r.facts is not None]
    return bool(asked) and all(kind in route.LOST for kind in asked)


# Between


def blocked(*, port25: bool) -> Holds:
    """This network lets no connection to that port out; None where the host itself may be what drops it."""

    def holds(case: Case) -> bool | None:
        port = case.result.subject.port
        if port not in _MAIL_PORTS or (port == 25) is not port25:
            return False
        compared = control(case)
        if compared is not None and compared.broke is None:
            return False
        same = compared is not None and compared.broke is getattr(case.result.facts, "broke", None)
        if same and (_answered(case) or _works(case)):
            return True
        if same:
            return None
        if not _all_lost(case) or not _answered(case):
            return None if leads_to_block(case) else False
        return True if _promised(case) == "provider" else None

    return holds


def leads_to_block(case: Case) -> bool | None:
    """Somebody says that the port is served, all of it is silent, and the host or a house of many exchangers lives."""
    if control(case) is not None or not _all_lost(case):
        return False
    said = _promised(case)
    return bool(said) and (_answered(case) or _great_house(case))


def _promised(case: Case) -> str:
    return promised(case.target, case.result.subject, case.results)


def _great_house(case: Case) -> bool:
    """All exchangers of one of the large providers at once: they are never down together."""
    hosts = {r.subject.name for r in case.results if r.probe == "port" and r.subject.address}
    return case.target.kind is TargetKind.MX and len(hosts) > 1 and _promised(case) == "provider"


def _works(case: Case) -> bool:
    """The control host was asked on another port and opened."""
    facts = case.of(ControlFacts, here=False)
    return facts is not None and facts.broke is None and facts.port != case.result.subject.port


# Them


def host_down(case: Case) -> bool | None:
    """The control host opens on the same port, and nothing of the server asked answers on any."""
    compared = control(case)
    return compared is not None and compared.broke is None and _all_lost(case) and not _answered(case)


def another_address_answers(case: Case) -> bool | None:
    """One of the host's addresses greets on the same port, so that only this one is at fault."""
    mine = case.result.subject
    others = [
        r
        for r in case.results
        if r.probe == "greeting" and (r.subject.name, r.subject.port) == (mine.name, mine.port)
        if r.subject.address != mine.address
    ]
    return any(r.facts is not None and r.facts.greeting is not None and r.facts.greeting.positive for r in others)


# Me


def masked_by_ipv6(case: Case) -> bool | None:
    """IPv4 is silent, and programs that show the last error show the one of IPv6, to which there is no route."""
    mine = case.result.subject
    return ":" not in mine.address and bool(no_route(mine.name, mine.port, case.results))


def proxy_unused(case: Case) -> bool | None:
    """A proxy is set for other programs, and nothing of the host answers directly; what it would do is not known."""
    named = any(f.code == "proxy-set" for r in case.results if r.probe == "config" for f in r.findings)
    return None if named and not _answered(case) and control(case) is None else False


# Names


def invented(case: Case) -> bool | None:
    """The resolver gives that very address for a name that can not exist."""
    facts = _names(case)
    return facts is not None and bool(set(facts.invented) & set(facts.believed))


def hosts_file(case: Case) -> bool | None:
    """The hosts file says another address than DNS; that one opening proves that the line is what is wrong."""
    facts = _names(case)
    if facts is None or not facts.source.startswith("/") or names.contradiction(facts) is None:
        return False
    return True if facts.opened else None


def forged(case: Case) -> bool | None:
    """The resolver's answer came twice, with different addresses."""
    facts = _names(case)
    return facts is not None and bool(names.forged(facts))


def split_horizon(case: Case) -> bool | None:
    """One resolver says an address of this site, another one a public address."""
    other = _other_resolver(case)
    facts = _names(case)
    if other is None or facts is None or _inside(facts.believed) is _inside(other):
        return False
    return True if facts.opened else None


def stale(case: Case) -> bool | None:
    """Two resolvers say different public addresses: one may be from before a move, or each is near somebody else."""
    other = _other_resolver(case)
    facts = _names(case)
    if other is None or facts is None or _inside(facts.believed) is not _inside(other):
        return False
    return None


def stale_leads(case: Case) -> bool | None:
    """What the other resolver says opens."""
    facts = _names(case)
    return stale(case) is None and facts is not None and bool(facts.opened)


def _other_resolver(case: Case) -> tuple[str, ...] | None:
    facts = _names(case)
    if facts is None or facts.source.startswith("/") or names.forged(facts):
        return None
    other = names.contradiction(facts)
    return other.addresses if other else None


def _names(case: Case) -> NamesFacts | None:
    facts = case.of(NamesFacts, here=False)
    return facts if facts is not None and facts.host == case.result.subject.name else None


def _inside(addresses: tuple[str, ...]) -> bool:
    """None of them can be reached from anywhere; those of examples (RFC 5737, RFC 3849) stand for public ones."""
    return not any(
        ip_address(each).is_global or any(ip_address(each) in net for net in _EXAMPLES) for each in addresses
    )


# Exchangers


def at_exchanger(case: Case) -> bool | None:
    """The name is one that MX gives."""
    return case.target.kind is TargetKind.MX


def implicit_exchanger(case: Case) -> bool | None:
    """There is no MX, and the domain's own address, which is mostly a web site's, takes no mail."""
    facts = case.of(MxFacts, here=False)
    return facts is not None and facts.implicit


def private_exchanger(case: Case) -> bool | None:
    """MX leads to addresses that exist in somebody's own network alone, and not even a refusal comes from there."""
    known = route.believed(case.result.subject.name, case.results)
    silent = getattr(case.result.facts, "broke", None) in route.LOST
    return case.target.kind is TargetKind.MX and silent and known is not None and _inside(known.addresses)


# Another house


def home_elsewhere(case: Case) -> bool | None:
    """The login's mailbox lies with another provider, and this one knows its own alone."""
    facts, row = _home(case), providers.by_host(case.result.subject.name)
    if facts is None or row is None or not facts.provider or facts.provider == row.id:
        return False
    return True if row.id in OWN_DOMAINS_ONLY else None


def at_own_exchanger(case: Case) -> bool | None:
    """The host is one of the exchangers of the login's own domain, asked at the port of exchangers.

    A small server is both; without logins at another port it is a submission service that is not set up.
    """
    facts = _home(case)
    if case.result.subject.port != 25:
        return False
    return facts is not None and any(entry.exchange == facts.host for entry in facts.mx.mx)


def _home(case: Case) -> HomeFacts | None:
    return case.of(HomeFacts)


def relay_by_address(case: Case) -> bool | None:
    """An inner relay that takes mail from its own network without login and TLS; None: it was not tried."""
    subject = case.result.subject
    if case.target.kind is TargetKind.MX or subject.port != 25 or _inside((subject.address,)) is False:
        return False
    facts = case.of(RelayFacts)
    return facts.accepted if facts is not None else None


# Somebody in between


def redirected(case: Case) -> bool | None:
    """Another host answers in its place: the control host greets as the same one, or all of it is somebody else's."""
    said = _greeted_by(case)
    if not said:
        return False
    compared = case.of(ControlFacts, here=False)
    if compared is not None and compared.said and compared.host != case.result.subject.name:
        other = _GREETED_BY.match(compared.said.decode("latin-1"))
        if other and other[1].lower() == said:
            return True
    return _stranger(case, said)


def redirected_leads(case: Case) -> bool | None:
    """A known provider's host greets as somebody else's and offers no TLS, so that no certificate says more."""
    return redirected(case) is None


def _stranger(case: Case, said: str) -> bool | None:
    """A known provider's host greets as somebody else's and shows that somebody's certificate; None: it shows none."""
    host = case.result.subject.name
    row = providers.by_host(host)
    if row is None or _of_the_house(said, row):
        return False
    names = str(case.finding.seen.get("presented", ""))
    listed = [name.strip().removeprefix("*.").lower() for name in names.split(",") if name.strip()]
    return any(_same_party(said, name) for name in listed) if listed else None


def _of_the_house(name: str, row: providers.Provider) -> bool:
    known = providers.by_host(name) or providers.by_mx(name)
    own = [endpoint.host for endpoint in row.smtp] + list(row.domains) + ([row.imap.host] if row.imap else [])
    return (known is not None and known.id == row.id) or any(_same_party(name, each) for each in own)


def _same_party(one: str, other: str) -> bool:
    """Under one domain, as far as two labels tell."""
    return one.split(".")[-2:] == other.split(".")[-2:]


def _greeted_by(case: Case) -> str:
    facts = case.of(GreetingFacts)
    greeting = getattr(facts, "greeting", None)
    found = _GREETED_BY.match(greeting.text) if greeting is not None else None
    return found[1].lower() if found else ""


def seen_of_matrix(case: Case) -> Mapping[str, Scalar]:
    """Port and host, for the texts."""
    subject: Subject = case.result.subject
    return {"port": subject.port, "host": subject.name}


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
