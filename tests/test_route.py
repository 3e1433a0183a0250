"""Is everybody listed who may be spoken to, and what is known of addresses, ports and names read as it is?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from smtpcheck import probes, route
from smtpcheck.core import (
    PATHS,
    Blocked,
    Contact,
    Failure,
    Finding,
    Kind,
    Mode,
    Result,
    Severity,
    Skipped,
    Stage,
    Subject,
    Target,
)
from smtpcheck.diagnosis import network
from smtpcheck.lab import Lab
from smtpcheck.net.dns import Resolver
from smtpcheck.net.door import Door
from smtpcheck.probes import names
from smtpcheck.probes.control import control_server
from smtpcheck.probes.names import NamesFacts, ResolverAnswer
from smtpcheck.probes.port import PortFacts
from smtpcheck.route import CONCERNS, AddressFacts, Candidate, SubmissionFacts
from smtpcheck.run import prepare
from smtpcheck.target.grammar import parse_target
from smtpcheck.wire.dns import Answer
from tests.checking import checked

HERE, THERE = "93.184.216.34", "93.184.216.119"
ISSUER = Contact("issuer", "", "contact-issuer")
RESOLVER = Contact("resolver", "192.0.2.53:53")


def contacts(spec: str, **options: Any) -> list[Contact]:
    resolver = Resolver(Door(), (("192.0.2.53", 53),))
    return list(prepare.contacts(parse_target(spec, **options), resolver))


def result(probe: str, subject: Subject, outcome: Any, *codes: str) -> Result[Any]:
    findings = tuple(Finding(code, Severity.FAIL, Stage.CONNECT, str(subject)) for code in codes)
    return Result(
        probe=probe,
        subject=subject,
        outcome=outcome,
        findings=findings,
        started=datetime(2026, 6, 1, tzinfo=UTC),
        elapsed=0.0,
    )


# Contacts


def test_a_host_is_checked_with_the_resolver_and_at_most_the_issuer() -> None:
    assert contacts("h.test:587") == [Contact("target", "h.test", "contact-host"), RESOLVER, ISSUER]
    assert contacts("h.test:587", only_target=True) == [Contact("target", "h.test", "contact-host"), RESOLVER]


def test_each_further_party_is_listed_where_an_option_names_it() -> None:
    assert contacts("h.test:587", ntp="n.test", control="c.test", connect_to=("h.test:587:127.0.0.1:1",)) == [
        Contact("target", "h.test", "contact-host"),
        RESOLVER,
        Contact("detour", "h.test:587:127.0.0.1:1"),
        Contact("ntp", "n.test"),
        Contact("control", "c.test", "contact-control"),
        ISSUER,
    ]


@pytest.mark.parametrize("options", [{"experiments": False}, {"only_target": True}])
def test_a_control_host_that_will_not_be_asked_is_not_listed(options: dict[str, bool]) -> None:
    assert "control" not in {contact.who for contact in contacts("h.test:587", control="c.test", **options)}


def test_the_mailbox_is_listed_where_a_message_is_sent() -> None:
    box = Contact("mailbox", "i.x.test:993", "contact-mailbox")
    sends = {"send": True, "imap": "i.x.test", "secret": "env:X"}

    assert contacts("me@x.test", **sends) == [Contact("target", "x.test", "contact-account"), RESOLVER, box, ISSUER]
    assert box not in contacts("me@x.test", imap="i.x.test", secret="env:X")


def test_the_policy_of_a_domain_is_listed_for_its_exchangers_alone() -> None:
    policy = Contact("policy", "mta-sts.x.test:443", "contact-policy")

    assert contacts("mx:x.test") == [Contact("target", "x.test", "contact-mx"), RESOLVER, policy, ISSUER]
    assert contacts("mx:x.test", only_target=True) == [Contact("target", "x.test", "contact-mx"), RESOLVER]


async def test_the_contacts_are_in_the_report_as_they_were_known_before() -> None:
    async with Lab() as lab:
        practice = await lab.start("delivered")
        report = await checked(practice, control="c.test:25")
        assert practice.resolver is not None

    listed = [(contact.who, contact.where) for contact in report.contacts]
    assert listed == [
        ("target", practice.host.partition(".")[2]),
        ("resolver", f"127.0.0.1:{practice.resolver.port}"),
        ("ntp", practice.options["ntp"]),
        ("control", "c.test:25"),
        ("mailbox", practice.options["imap"]),
        ("issuer", ISSUER.where),
    ]


# The matrix of addresses and ports


HOST = parse_target("h.test:587")
FIRST, SECOND = (Subject("h.test", address, 587, Mode.STARTTLS) for address in (HERE, THERE))
FOUND = result(
    "address",
    Subject("h.test"),
    AddressFacts(
        host="h.test",
        a=Answer(name="h.test", type="A", addresses=(HERE, THERE)),
        aaaa=Answer(name="h.test", type="AAAA", broke=Kind.NODATA),
    ),
)


def ended(subject: Subject, broke: Kind | None) -> Result[Any]:
    return result("port", subject, PortFacts(broke=broke, seconds=0.0))


def test_ports_are_known_only_when_the_last_one_is() -> None:
    one, two = ended(FIRST, None), ended(SECOND, Kind.TIMEOUT)

    assert route.ports(HOST, ()) is None
    assert route.ports(HOST, (one, two)) is None, "the host was not looked up"
    assert route.ports(HOST, (FOUND, one)) is None
    assert route.ports(HOST, (FOUND, one, two)) == {FIRST: one, SECOND: two}


@pytest.mark.parametrize(
    ("one", "two", "shut", "lost"),
    [
        (None, None, (), ()),
        (None, Kind.TIMEOUT, (), ()),
        (Kind.REFUSED, Kind.REFUSED, (FIRST, SECOND), ()),
        (Kind.REFUSED, Kind.TIMEOUT, (FIRST, SECOND), (SECOND,)),
        (Kind.UNREACHABLE, Kind.RESET, (FIRST, SECOND), (FIRST, SECOND)),
        # a rule of this machine says nothing about the other side
        (Kind.LOCAL, Kind.TIMEOUT, (SECOND,), (SECOND,)),
    ],
)
def test_what_is_shut_and_what_is_lost(
    one: Kind | None, two: Kind | None, shut: tuple[Subject, ...], lost: tuple[Subject, ...]
) -> None:
    results = (FOUND, ended(FIRST, one), ended(SECOND, two))

    assert (route.shut(HOST, results), route.lost(HOST, results)) == (shut, lost)


def test_a_port_that_could_not_be_asked_is_neither_open_nor_shut() -> None:
    unasked = result("port", FIRST, Failure(Kind.NO_ROUTE, Stage.CONNECT))
    results = (FOUND, unasked, ended(SECOND, Kind.TIMEOUT))

    assert not route.is_open(unasked)
    assert not route.is_open(result("port", FIRST, Blocked(Stage.DNS, Kind.NXDOMAIN)))
    assert not route.is_open(result("port", FIRST, Skipped("not wanted")))
    assert route.is_open(ended(FIRST, None))
    assert route.shut(HOST, results) == (SECOND,)


def test_no_route_is_about_that_host_and_port() -> None:
    there = Failure(Kind.NO_ROUTE, Stage.CONNECT)
    six = Subject("h.test", "2606:2800::1", 587, Mode.STARTTLS)
    others = (Subject("h.test", "2606:2800::1", 465), Subject("other.test", "2606:2800::1", 587))
    results = (*(result("port", subject, there) for subject in (six, *others)), ended(FIRST, Kind.TIMEOUT))
    elsewhere = result("greeting", FIRST, there)
    late = result("port", SECOND, Failure(Kind.DEADLINE, Stage.CONNECT))

    assert network.no_route("h.test", 587, (*results, elsewhere, late)) == ("2606:2800::1",)


@pytest.mark.parametrize(
    ("spec", "code", "strange"),
    [
        ("h.test:587", "certificate-wrong-host", True),
        ("h.test:587", "starttls-not-offered", True),
        ("h.test:587", "greeting-not-smtp", True),
        ("h.test:587", "certificate-expired", False),
        # an exchanger's certificate need not verify
        ("mx:h.test", "certificate-wrong-host", False),
        ("mx:h.test", "starttls-not-offered", True),
    ],
)
def test_a_stranger_may_have_answered(spec: str, code: str, strange: bool) -> None:
    found = result("tls", FIRST, Blocked(Stage.TLS, Kind.CLOSED), code)
    nowhere = result("tls", Subject("h.test"), Blocked(Stage.DNS, Kind.NXDOMAIN), code)

    assert route.strange(parse_target(spec), (nowhere, found, found)) == ((FIRST,) if strange else ())


# Who promised the port


@pytest.mark.parametrize(
    ("spec", "host", "port", "who"),
    [
        ("x.test:587", "smtp.qq.com", 587, "provider"),
        ("x.test:587", "smtp.qq.com", 2525, ""),
        ("x.test:587", "h.test", 587, ""),
        ("mx:x.test", "mx3.qq.com", 25, "provider"),
        ("mx:x.test", "mx3.qq.com", 587, ""),
        ("mx:x.test", "h.test", 25, "mx"),
        ("x.test:25", "h.test", 25, ""),
    ],
)
def test_who_says_that_a_port_is_served(spec: str, host: str, port: int, who: str) -> None:
    assert network.promised(parse_target(spec), Subject(host, HERE, port), ()) == who


@pytest.mark.parametrize(
    ("source", "host", "port", "who"),
    [
        ("srv", "h.test", 587, "srv"),
        ("srv", "h.test", 465, ""),
        ("srv", "o.test", 587, ""),
        ("guess", "h.test", 587, ""),
    ],
)
def test_srv_promises_the_host_and_port_that_it_names(source: str, host: str, port: int, who: str) -> None:
    door = Candidate("h.test", 587, Mode.STARTTLS)
    located = result(
        "submission", Subject("x.test"), SubmissionFacts(domain="x.test", source=source, candidates=(door,))
    )

    assert network.promised(parse_target("me@x.test"), Subject(host, HERE, port), (located,)) == who


# Names


def named(*said: ResolverAnswer) -> NamesFacts:
    return NamesFacts(host="h.test", port=587, believed=(HERE,), source="a", invented=(), said=said)


def test_two_answers_of_one_resolver_are_forged_only_where_they_share_nothing() -> None:
    assert names.forged(named(ResolverAnswer("a", (HERE,)), ResolverAnswer("a", (THERE,)))) == (HERE, THERE)
    assert names.forged(named(ResolverAnswer("a", (HERE,)), ResolverAnswer("a", (HERE, THERE)))) is None
    assert names.forged(named(ResolverAnswer("a", (HERE,)), ResolverAnswer("b", (THERE,)))) is None


def test_a_contradiction_names_none_of_the_addresses_used() -> None:
    other = ResolverAnswer("b", (THERE,))

    assert names.contradiction(named(ResolverAnswer("a", (HERE,)), other)) == other
    assert names.contradiction(named(ResolverAnswer("b", (HERE, THERE)))) is None


@pytest.mark.parametrize(
    ("control", "where"),
    [("c.test", ("c.test", 0)), ("c.test:25", ("c.test", 25)), ("192.0.2.1:587", ("192.0.2.1", 587))],
)
def test_a_control_host_without_a_port_is_asked_on_the_one_in_question(control: str, where: tuple[str, int]) -> None:
    assert control_server(Target(spec="x", kind=HOST.kind, name="x", control=control)) == where


# Which probe tells about which stage


def test_every_stage_of_every_way_has_its_probe_in_the_order_of_the_way() -> None:
    told = [stage for stages in CONCERNS.values() for stage in stages]
    assert [Stage.DNS, *told] == list(PATHS[Mode.STARTTLS])
    assert all(set(path) <= {Stage.DNS, *told} for path in PATHS.values())


@pytest.mark.parametrize("probe", CONCERNS)
def test_a_probe_is_asked_about_the_stages_of_its_rules(probe: str) -> None:
    made = probes.named(probe)
    assert made is not None
    assert set(CONCERNS[probe]) == {rule.stage for rule in made.rules}
