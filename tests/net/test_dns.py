"""Does the resolver tell apart what name servers say and leave unsaid, and ask no question twice?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smtpcheck.core import Kind, because
from smtpcheck.lab.dnsd import NameServer
from smtpcheck.lab.listeners import LOOPBACK, Closed, Datagrams, Listener
from smtpcheck.net.dns import Resolver
from smtpcheck.net.door import Door
from tests.net.services import HOST, QUICK, Forger, asking, running, zone

# DNS


async def test_a_good_answer(resolver: NameServer) -> None:
    answer = await asking(resolver).ask(HOST, "A")
    assert answer.broke is None
    assert sorted(answer.addresses) == ["127.0.0.1", "127.0.0.2"]
    assert answer.source == f"127.0.0.1:{resolver.port}"


async def test_alias_and_mx(resolver: NameServer) -> None:
    stub = asking(resolver)
    assert (await stub.ask("alias.lab.test", "A")).aliases == (HOST,)
    assert [mx.preference for mx in (await stub.ask("a.lab.test", "MX")).mx] == [10, 20]
    circle = await stub.ask("loop.lab.test", "A")
    assert circle.broke is Kind.SERVFAIL
    assert not circle.absent


FAULTS = {
    "nxdomain": Kind.NXDOMAIN,
    "nodata": Kind.NODATA,
    "servfail": Kind.SERVFAIL,
    "refused": Kind.DNS_REFUSED,
    "silent": Kind.RESOLVER_SILENT,
    "garbage": Kind.GARBAGE,
    "wrong-id": Kind.GARBAGE,
    "empty": Kind.GARBAGE,
}


@pytest.mark.parametrize(("fault", "kind"), FAULTS.items())
async def test_faults_are_told_apart(resolver: NameServer, fault: str, kind: Kind) -> None:
    resolver.spoil(HOST, fault)
    answer = await asking(resolver).ask(HOST, "A")
    assert answer.broke is kind
    assert answer.addresses == ()
    assert answer.absent is (kind in (Kind.NXDOMAIN, Kind.NODATA))
    assert answer.source == f"127.0.0.1:{resolver.port}"
    tries = 2 if kind in (Kind.RESOLVER_SILENT, Kind.GARBAGE) else 1
    assert len(resolver.asked) == tries


async def test_a_truncated_answer_is_asked_again_over_tcp(resolver: NameServer) -> None:
    resolver.spoil(HOST, "truncated")
    answer = await asking(resolver).ask(HOST, "A")
    assert sorted(answer.addresses) == ["127.0.0.1", "127.0.0.2"]
    assert [over for *_, over in resolver.asked] == ["udp", "tcp"]


async def test_truncated_without_tcp() -> None:
    async with running(server := zone(NameServer(tcp=False))):
        server.spoil(HOST, "truncated")
        answer = await asking(server).ask(HOST, "A")
    assert answer.broke is Kind.TRUNCATED
    assert not answer.absent
    assert answer.reason == because("dns-truncated-tcp-failed", os="Connection refused")


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (b"", Kind.TRUNCATED),
        (b"\0", Kind.TRUNCATED),
        (b"\0\x0cshort", Kind.TRUNCATED),
        (b"\0\0", Kind.GARBAGE),
        (b"\0\x05HTTP/1.1", Kind.GARBAGE),
        (b"\xff\xff" + b"\xff" * 70_000, Kind.GARBAGE),
    ],
    ids=["nothing", "one octet", "cut", "empty", "another protocol", "flood"],
)
async def test_a_broken_answer_over_tcp(sent: bytes, kind: Kind) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2)
        writer.write(sent)
        await writer.drain()

    truth = zone(NameServer())
    truth.spoil(".", "truncated")
    udp, tcp = Datagrams(lambda query: truth.answer(query, "udp")), Listener(serve)
    await udp.start()
    await tcp.start(udp.port)
    answer = await asking(udp).ask(HOST, "A")
    await tcp.stop()
    await udp.stop()
    assert answer.broke is kind


async def test_a_resolver_that_is_down() -> None:
    async with running(nobody := Closed()):
        answer = await asking(nobody).ask(HOST, "A")
    assert answer.broke is Kind.RESOLVER_DOWN
    assert answer.reason == because("system-error", errno="ECONNREFUSED", os="Connection refused")


async def test_no_resolver_at_all() -> None:
    assert (await Resolver(Door()).ask(HOST, "A")).broke is Kind.RESOLVER_DOWN


async def test_what_is_no_name_is_not_asked(resolver: NameServer) -> None:
    answer = await asking(resolver).ask("a..b", "A")
    assert answer.broke is Kind.GARBAGE
    assert resolver.asked == []


@pytest.mark.parametrize("first", ["servfail", "refused", "silent", "garbage"])
async def test_the_next_resolver_is_asked(resolver: NameServer, first: str) -> None:
    async with running(other := zone(NameServer())):
        other.spoil(".", first)
        answer = await asking(other, resolver).ask(HOST, "A")
    assert answer.addresses
    assert answer.source.endswith(f":{resolver.port}")


@pytest.mark.parametrize("first", ["nxdomain", "nodata"])
async def test_an_answer_is_not_asked_for_twice(resolver: NameServer, first: str) -> None:
    async with running(other := zone(NameServer())):
        other.spoil(".", first)
        answer = await asking(other, resolver).ask(HOST, "A")
    assert answer.absent
    assert resolver.asked == []


async def test_of_several_that_fail_the_one_that_spoke_is_named(resolver: NameServer) -> None:
    resolver.spoil(".", "servfail")
    async with running(nobody := Closed()):
        for servers in ((nobody, resolver), (resolver, nobody)):
            answer = await asking(*servers).ask(HOST, "A")
            assert answer.broke is Kind.SERVFAIL
            assert answer.source.endswith(f":{resolver.port}")


async def test_three_resolvers_at_most(resolver: NameServer) -> None:
    async with running(nobody := Closed()):
        answer = await asking(nobody, nobody, nobody, resolver).ask(HOST, "A")
    assert answer.broke is Kind.RESOLVER_DOWN
    assert resolver.asked == []


async def test_a_question_is_asked_once(resolver: NameServer) -> None:
    stub = asking(resolver)
    spellings = (HOST, HOST.upper(), f"{HOST}.")
    first, *others = await asyncio.gather(*(stub.ask(name, "A") for name in spellings * 3))
    assert all(answer == first for answer in others)
    assert len(resolver.asked) == 1
    await stub.ask(HOST, "AAAA")
    assert len(resolver.asked) == 2


async def test_one_probes_deadline_does_not_take_the_answer_from_another() -> None:
    asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    truth, held = zone(NameServer()), []

    def answer(query: bytes) -> bytes | None:
        held.append(query)
        if not asked.done():
            asked.set_result(None)
        return None if len(held) == 1 else truth.answer(query, "udp")

    async with running(server := Datagrams(answer)):
        stub = asking(server)
        impatient = asyncio.create_task(stub.ask(HOST, "A"))
        await asked
        impatient.cancel()
        assert (await stub.ask(HOST, "A")).addresses
        assert impatient.cancelled()


@pytest.mark.parametrize("forged", [b"", b"\xff" * 40, b"HTTP/1.1 200 OK"])
async def test_a_forger_does_not_hide_the_true_answer(resolver: NameServer, forged: bytes) -> None:
    """Forged datagrams from the resolver's own address arrive first."""
    server = Forger(lambda query: [forged, _other_id(query), resolver.answer(query, "udp") or b""])
    async with running(server):
        answer = await asking(server).ask(HOST, "A")
    assert sorted(answer.addresses) == ["127.0.0.1", "127.0.0.2"]
    assert len(server.queries) == 1


async def test_a_flood_of_forged_datagrams_ends_as_garbage() -> None:
    server = Forger(lambda query: [b"x"] * 100)
    async with running(server):
        answer = await asking(server).ask(HOST, "A")
    assert answer.broke is Kind.GARBAGE


def _other_id(query: bytes) -> bytes:
    return bytes((query[0] ^ 1, query[1], 0x81, 0x80)) + query[4:]


class FromAfar(Door):
    """A door whose resolver stands on another machine; a detour to the practice resolver for UDP."""

    async def datagram(
        self, address: str, port: int, data: bytes, limit: float, fits: Any
    ) -> tuple[bytes, float, float]:
        return await super().datagram(LOOPBACK, port, data, limit, fits)


@pytest.mark.parametrize(("make", "address", "vouched"), [(Door, LOOPBACK, True), (FromAfar, "192.0.2.53", False)])
async def test_the_ad_bit_counts_from_a_resolver_on_loopback_alone(
    make: type[Door], address: str, vouched: bool
) -> None:
    async with running(server := zone(NameServer(signed=True))):
        at = Resolver(make(), [(address, server.port)], timeout=QUICK)
        for answer in (await at.ask(HOST, "A"), await at.ask_unchecked(HOST, "A")):
            assert (len(answer.addresses), answer.authenticated) == (2, vouched)


# The hosts file


async def test_the_hosts_file_is_named_as_the_source(resolver: NameServer) -> None:
    stub = asking(resolver, hosts={"mail.example": ["::1", "127.0.0.1", "127.0.0.9"]}, hosts_source="/etc/hosts")
    for name in ("mail.example", "MAIL.example."):
        v4, v6 = stub.hosts_file(name, "A"), stub.hosts_file(name, "AAAA")
        assert v4 is not None
        assert v6 is not None
        assert (v4.addresses, v4.source, v4.broke) == (("127.0.0.1", "127.0.0.9"), "/etc/hosts", None)
        assert v6.addresses == ("::1",)
    assert stub.hosts_file("other.example", "A") is None
    assert stub.hosts_file("mail.example", "MX") is None
    assert resolver.asked == []
