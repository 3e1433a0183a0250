"""Does the door tell apart what happens on real sockets, within its bounds, and stay shut where it must?"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.core import Kind, Stage, because
from smtpcheck.lab.dnsd import NameServer
from smtpcheck.lab.issuerd import Issuer
from smtpcheck.lab.listeners import LOOPBACK, Closed, Datagrams, Dropping, Listener, reset
from smtpcheck.net.door import MAX_HTTP, Door
from smtpcheck.net.failures import Broken, CouldNotAsk
from smtpcheck.net.system import MAX_CONFIG, system_hosts, system_ntp, system_resolvers
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.address import Detour, parse_server

HOST = "smtp.a.lab.test"
QUICK = 0.15


@asynccontextmanager
async def running(*services: Any) -> AsyncIterator[None]:
    try:
        for service in services:
            await service.start()
        yield
    finally:
        for service in services:
            await service.stop()


def zone(server: NameServer) -> NameServer:
    server.add(HOST, "A", "127.0.0.1", "127.0.0.2")
    server.add("site.lab.test", "A", "127.0.0.1")
    server.add("alias.lab.test", "CNAME", f"{HOST}.")
    server.add("loop.lab.test", "CNAME", "loop.lab.test.")
    server.add("a.lab.test", "MX", "20 b.lab.test.", f"10 {HOST}.")
    return server


@pytest.fixture
async def resolver() -> AsyncIterator[NameServer]:
    async with running(server := zone(NameServer())):
        yield server


def door(*servers: Any, **options: Any) -> Door:
    return Door(resolvers=[(LOOPBACK, each.port) for each in servers], dns_timeout=QUICK, **options)


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
        at = make(resolvers=[(address, server.port)], dns_timeout=QUICK)
        for answer in (await at.ask(HOST, "A"), await at.ask_unchecked(HOST, "A")):
            assert (len(answer.addresses), answer.authenticated) == (2, vouched)


class Recording:
    """A dialer that opens nothing: it notes who was to be called and answers with an error."""

    def __init__(self, number: int = errno.ECONNREFUSED) -> None:
        self.called: list[tuple[str, int]] = []
        self._number = number

    async def connect(self, address: str, port: int) -> socket.socket:
        self.called.append((address, port))
        raise OSError(self._number, os.strerror(self._number))


# DNS


async def test_a_good_answer(resolver: NameServer) -> None:
    answer = await door(resolver).ask(HOST, "A")
    assert answer.broke is None
    assert sorted(answer.addresses) == ["127.0.0.1", "127.0.0.2"]
    assert answer.source == f"127.0.0.1:{resolver.port}"


async def test_alias_and_mx(resolver: NameServer) -> None:
    asking = door(resolver)
    assert (await asking.ask("alias.lab.test", "A")).aliases == (HOST,)
    assert [mx.preference for mx in (await asking.ask("a.lab.test", "MX")).mx] == [10, 20]
    circle = await asking.ask("loop.lab.test", "A")
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
    answer = await door(resolver).ask(HOST, "A")
    assert answer.broke is kind
    assert answer.addresses == ()
    assert answer.absent is (kind in (Kind.NXDOMAIN, Kind.NODATA))
    assert answer.source == f"127.0.0.1:{resolver.port}"
    tries = 2 if kind in (Kind.RESOLVER_SILENT, Kind.GARBAGE) else 1
    assert len(resolver.asked) == tries


async def test_a_truncated_answer_is_asked_again_over_tcp(resolver: NameServer) -> None:
    resolver.spoil(HOST, "truncated")
    answer = await door(resolver).ask(HOST, "A")
    assert sorted(answer.addresses) == ["127.0.0.1", "127.0.0.2"]
    assert [over for *_, over in resolver.asked] == ["udp", "tcp"]


async def test_truncated_without_tcp() -> None:
    async with running(server := zone(NameServer(tcp=False))):
        server.spoil(HOST, "truncated")
        answer = await door(server).ask(HOST, "A")
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
    answer = await door(udp).ask(HOST, "A")
    await tcp.stop()
    await udp.stop()
    assert answer.broke is kind


async def test_a_resolver_that_is_down() -> None:
    async with running(nobody := Closed()):
        answer = await door(nobody).ask(HOST, "A")
    assert answer.broke is Kind.RESOLVER_DOWN
    assert answer.reason == because("system-error", errno="ECONNREFUSED", os="Connection refused")


async def test_no_resolver_at_all() -> None:
    assert (await Door(resolvers=()).ask(HOST, "A")).broke is Kind.RESOLVER_DOWN


async def test_what_is_no_name_is_not_asked(resolver: NameServer) -> None:
    answer = await door(resolver).ask("a..b", "A")
    assert answer.broke is Kind.GARBAGE
    assert resolver.asked == []


@pytest.mark.parametrize("first", ["servfail", "refused", "silent", "garbage"])
async def test_the_next_resolver_is_asked(resolver: NameServer, first: str) -> None:
    async with running(other := zone(NameServer())):
        other.spoil(".", first)
        answer = await door(other, resolver).ask(HOST, "A")
    assert answer.addresses
    assert answer.source.endswith(f":{resolver.port}")


@pytest.mark.parametrize("first", ["nxdomain", "nodata"])
async def test_an_answer_is_not_asked_for_twice(resolver: NameServer, first: str) -> None:
    async with running(other := zone(NameServer())):
        other.spoil(".", first)
        answer = await door(other, resolver).ask(HOST, "A")
    assert answer.absent
    assert resolver.asked == []


async def test_of_several_that_fail_the_one_that_spoke_is_named(resolver: NameServer) -> None:
    resolver.spoil(".", "servfail")
    async with running(nobody := Closed()):
        for servers in ((nobody, resolver), (resolver, nobody)):
            answer = await door(*servers).ask(HOST, "A")
            assert answer.broke is Kind.SERVFAIL
            assert answer.source.endswith(f":{resolver.port}")


async def test_three_resolvers_at_most(resolver: NameServer) -> None:
    async with running(nobody := Closed()):
        answer = await door(nobody, nobody, nobody, resolver).ask(HOST, "A")
    assert answer.broke is Kind.RESOLVER_DOWN
    assert resolver.asked == []


async def test_a_question_is_asked_once(resolver: NameServer) -> None:
    asking = door(resolver)
    spellings = (HOST, HOST.upper(), f"{HOST}.")
    first, *others = await asyncio.gather(*(asking.ask(name, "A") for name in spellings * 3))
    assert all(answer == first for answer in others)
    assert len(resolver.asked) == 1
    await asking.ask(HOST, "AAAA")
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
        asking = door(server)
        impatient = asyncio.create_task(asking.ask(HOST, "A"))
        await asked
        impatient.cancel()
        assert (await asking.ask(HOST, "A")).addresses
        assert impatient.cancelled()


@pytest.mark.parametrize("forged", [b"", b"\xff" * 40, b"HTTP/1.1 200 OK"])
async def test_a_forger_does_not_hide_the_true_answer(resolver: NameServer, forged: bytes) -> None:
    """Forged datagrams from the resolver's own address arrive first."""
    server = _Forger(lambda query: [forged, _other_id(query), resolver.answer(query, "udp") or b""])
    async with running(server):
        answer = await door(server).ask(HOST, "A")
    assert sorted(answer.addresses) == ["127.0.0.1", "127.0.0.2"]
    assert len(server.queries) == 1


async def test_a_flood_of_forged_datagrams_is_not_read_to_its_end() -> None:
    heard: list[bytes] = []

    def fits(data: bytes) -> bool:
        heard.append(data)
        raise ProtocolError("forged")

    async with running(server := _Forger(lambda query: [b"x"] * 100)):
        with pytest.raises(ProtocolError, match="forged"):
            await Door(resolvers=()).datagram(LOOPBACK, server.port, b"?", 30.0, fits)
    assert len(heard) < 50


async def test_a_flood_of_forged_datagrams_ends_as_garbage() -> None:
    server = _Forger(lambda query: [b"x"] * 100)
    async with running(server):
        answer = await door(server).ask(HOST, "A")
    assert answer.broke is Kind.GARBAGE


def _other_id(query: bytes) -> bytes:
    return bytes((query[0] ^ 1, query[1], 0x81, 0x80)) + query[4:]


class _Forger(Datagrams):
    """Answers one datagram with several."""

    def __init__(self, answers: Callable[[bytes], Sequence[bytes]]) -> None:
        super().__init__(lambda _: None)
        self._answers = answers
        self.queries: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.queries.append(data)
        assert self._raw is not None
        for answer in self._answers(data):
            self._raw.sendto(answer, addr)


async def test_a_stranger_is_not_heard() -> None:
    """RFC 5452 section 9.1: an answer counts only from the address that was asked."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((LOOPBACK, 0))

        class Both(Datagrams):
            def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
                assert self._raw is not None
                stranger.sendto(b"forged", addr)
                self._raw.sendto(b"true", addr)

        async with running(server := Both(lambda _: None)):

            def fits(data: bytes) -> bool:
                heard.append(data)
                return True

            reply, arrived, took = await Door(resolvers=()).datagram(LOOPBACK, server.port, b"?", 2.0, fits)
    assert (reply, heard) == (b"true", [b"true"])
    assert abs(arrived - time.time()) < 5
    assert 0 < took < 2


async def test_a_datagram_nobody_answers(resolver: NameServer) -> None:
    with pytest.raises(TimeoutError):
        await Door(resolvers=()).datagram(LOOPBACK, resolver.port, b"?", QUICK, lambda _: True)
    async with running(nobody := Closed()):
        with pytest.raises(ConnectionRefusedError):
            await Door(resolvers=()).datagram(LOOPBACK, nobody.port, b"?", 2.0, lambda _: True)


async def test_a_datagram_that_never_fits_says_why() -> None:
    def fits(data: bytes) -> bool:
        raise ProtocolError(f"not {data!r}")

    async with running(server := Datagrams(lambda data: data)):
        with pytest.raises(ProtocolError, match="not b'ping'"):
            await Door(resolvers=()).datagram(LOOPBACK, server.port, b"ping", QUICK, fits)


# The hosts file


async def test_the_hosts_file_is_named_as_the_source(resolver: NameServer) -> None:
    asking = door(resolver, hosts={"mail.example": ["::1", "127.0.0.1", "127.0.0.9"]}, hosts_source="/etc/hosts")
    for name in ("mail.example", "MAIL.example."):
        v4, v6 = asking.hosts_file(name, "A"), asking.hosts_file(name, "AAAA")
        assert v4 is not None
        assert v6 is not None
        assert (v4.addresses, v4.source, v4.broke) == (("127.0.0.1", "127.0.0.9"), "/etc/hosts", None)
        assert v6.addresses == ("::1",)
    assert asking.hosts_file("other.example", "A") is None
    assert asking.hosts_file("mail.example", "MX") is None
    assert resolver.asked == []


# TCP


async def _greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    await writer.drain()
    writer.write(await reader.read(100))


async def test_a_stream() -> None:
    async with running(server := Listener(_greets)):
        stream = await door().connect("host", LOOPBACK, server.port, 2.0)
        assert stream.literal == "[127.0.0.1]"
        assert await stream.read() == b"220 hello\r\n"
        await stream.write(b"NOOP\r\n")
        assert await stream.read() == b"NOOP\r\n"
        assert await stream.read() == b""
        stream.close()
        stream.close()


async def test_a_stream_over_ipv6() -> None:
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _greets(reader, writer)
        writer.close()
        await writer.wait_closed()
        over.set_result(None)

    server = await asyncio.start_server(serve, "::1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        stream = await door().connect("host", "::1", port, 2.0)
        assert stream.literal == "[IPv6:::1]"
        await stream.write(b"x")
        assert (await stream.read()).startswith(b"220")
        stream.close()
        await over


async def test_a_read_is_bounded() -> None:
    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * 1_000_000)
        await writer.drain()

    async with running(server := Listener(flood)):
        stream = await door().connect("host", LOOPBACK, server.port, 2.0)
        assert 0 < len(await stream.read()) <= 16384
        stream.close()


async def test_connection_refused() -> None:
    async with running(nobody := Closed()):
        with pytest.raises(Broken) as caught:
            await door().connect("host", LOOPBACK, nobody.port, 2.0)
    assert (caught.value.stage, caught.value.kind) == (Stage.CONNECT, Kind.REFUSED)
    assert caught.value.reason == because("system-error", errno="ECONNREFUSED", os="Connection refused")


async def test_connection_dropped() -> None:
    async with running(firewall := Dropping()):
        started = time.perf_counter()
        with pytest.raises(Broken) as caught:
            await door().connect("host", LOOPBACK, firewall.port, QUICK)
    assert (caught.value.stage, caught.value.kind) == (Stage.CONNECT, Kind.TIMEOUT)
    assert time.perf_counter() - started > QUICK * 0.9


async def test_connection_reset() -> None:
    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    async with running(server := Listener(rude)):
        stream = await door().connect("host", LOOPBACK, server.port, 2.0)
        with pytest.raises(ConnectionResetError):
            await stream.read()
        stream.close()


@pytest.mark.parametrize(
    ("number", "type_", "kind"),
    [
        (errno.ENETUNREACH, CouldNotAsk, Kind.NO_ROUTE),
        (errno.EADDRNOTAVAIL, CouldNotAsk, Kind.NO_ROUTE),
        (errno.EMFILE, CouldNotAsk, Kind.LOCAL),
        (errno.EHOSTUNREACH, Broken, Kind.UNREACHABLE),
        (errno.ETIMEDOUT, Broken, Kind.TIMEOUT),
    ],
)
async def test_what_stops_us_is_no_fact_about_the_peer(number: int, type_: type, kind: Kind) -> None:
    with pytest.raises(type_) as caught:
        await door(dialer=Recording(number)).connect("host", "2001:db8::1", 25, 2.0)
    assert caught.value.kind is kind


DETOURS = (
    Detour("host.example", 25, "127.0.0.2", 2525),
    Detour("host.example", 0, "127.0.0.3", 0),
    Detour("", 587, "::1", 0),
)


@pytest.mark.parametrize(
    ("host", "port", "called"),
    [
        ("host.example", 25, ("127.0.0.2", 2525)),
        ("host.example", 465, ("127.0.0.3", 465)),
        ("other.example", 587, ("::1", 587)),
        ("other.example", 25, ("192.0.2.1", 25)),
        ("sub.host.example", 25, ("192.0.2.1", 25)),
    ],
)
async def test_detours(host: str, port: int, called: tuple[str, int]) -> None:
    dialer = Recording()
    with pytest.raises(Broken):
        await door(detours=DETOURS, dialer=dialer).connect(host, "192.0.2.1", port, 2.0)
    assert dialer.called == [called]


async def test_two_connections_to_a_host_at_once() -> None:
    asking = door()
    slot = asking.slot("a")
    assert slot is asking.slot("a")
    assert slot is not asking.slot("b")
    await slot.acquire()
    await slot.acquire()
    assert slot.locked()
    assert not asking.slot("b").locked()


# Issuer certificates over HTTP

LOCAL = LOOPBACK
PUBLIC = "93.184.215.14"


async def test_fetch() -> None:
    async with running(site := Issuer(b"\x30\x82certificate")):
        assert await door().fetch(site.url, near=LOCAL) == b"\x30\x82certificate"
        assert site.paths == ["/intermediate.der"]


async def test_fetch_by_name(resolver: NameServer) -> None:
    async with running(site := Issuer(b"certificate")):
        url = site.url.replace(LOOPBACK, "site.lab.test")
        assert await door(resolver).fetch(url, near=LOCAL) == b"certificate"


@pytest.mark.parametrize(
    ("fault", "kind", "paths"),
    [
        ("missing", Kind.GARBAGE, ["/intermediate.der"]),
        ("endless", Kind.GARBAGE, ["/intermediate.der"]),
        ("elsewhere", Kind.GARBAGE, ["/intermediate.der"]),
        ("hangs", Kind.TIMEOUT, ["/intermediate.der"]),
    ],
)
async def test_fetch_is_guarded(fault: str, kind: Kind, paths: list[str]) -> None:
    async with running(site := Issuer(b"certificate", fault=fault)):
        with pytest.raises(CouldNotAsk) as caught:
            await door(http_timeout=QUICK if fault == "hangs" else 5.0).fetch(site.url, near=LOCAL)
        assert site.paths == paths
    assert (caught.value.stage, caught.value.kind) == (Stage.CERTIFICATE, kind)
    assert caught.value.reason.seen["at"] == site.url


async def test_fetch_from_nobody() -> None:
    async with running(nobody := Closed()):
        with pytest.raises(CouldNotAsk) as caught:
            await door().fetch(f"http://127.0.0.1:{nobody.port}/x", near=LOCAL)
    assert (caught.value.stage, caught.value.kind) == (Stage.CERTIFICATE, Kind.REFUSED)


async def test_fetch_without_route_is_about_the_certificate() -> None:
    with pytest.raises(CouldNotAsk) as caught:
        await door(dialer=Recording(errno.ENETUNREACH)).fetch("http://127.0.0.1/x", near=LOCAL)
    assert (caught.value.stage, caught.value.kind) == (Stage.CERTIFICATE, Kind.NO_ROUTE)


@pytest.mark.parametrize(
    ("near", "issuer", "asked"),
    [
        (PUBLIC, PUBLIC, True),
        (PUBLIC, "127.0.0.1", False),
        (PUBLIC, "10.0.0.1", False),
        (PUBLIC, "169.254.169.254", False),
        (PUBLIC, "100.64.0.1", False),
        (PUBLIC, "0.0.0.0", False),
        (PUBLIC, "224.0.0.1", False),
        (PUBLIC, "[::1]", False),
        (PUBLIC, "[::ffff:127.0.0.1]", False),
        (PUBLIC, "[fe80::1]", False),
        (PUBLIC, "[fd00::1]", False),
        ("2606:2800:21f:cb07::1", "127.0.0.1", False),
        ("10.0.0.5", PUBLIC, True),
        ("10.0.0.5", "192.168.1.1", True),
        ("10.0.0.5", "127.0.0.1", False),
        ("10.0.0.5", "0.0.0.0", False),
        ("10.0.0.5", "[::ffff:127.0.0.1]", False),
        ("10.0.0.5", "169.254.169.254", False),
        ("fe80::1", "127.0.0.1", False),
        (LOCAL, "127.0.0.1", True),
        (LOCAL, "[::1]", True),
    ],
)
async def test_the_issuer_may_not_be_less_public_than_the_server(near: str, issuer: str, asked: bool) -> None:
    dialer = Recording()
    with pytest.raises(CouldNotAsk) as caught:
        await door(dialer=dialer).fetch(f"http://{issuer}:80/x", near=near)
    assert bool(dialer.called) is asked
    assert caught.value.kind is (Kind.REFUSED if asked else Kind.WITHHELD)


async def test_a_name_may_not_lead_inside_either(resolver: NameServer) -> None:
    dialer = Recording()
    with pytest.raises(CouldNotAsk) as caught:
        await door(resolver, dialer=dialer).fetch(f"http://{HOST}/x", near=PUBLIC)
    assert caught.value.kind is Kind.WITHHELD
    assert dialer.called == []


@pytest.mark.parametrize(("fault", "kind"), [("servfail", Kind.SERVFAIL), ("nxdomain", Kind.NXDOMAIN)])
async def test_an_issuer_without_address(resolver: NameServer, fault: str, kind: Kind) -> None:
    resolver.spoil(HOST, fault)
    with pytest.raises(CouldNotAsk) as caught:
        await door(resolver).fetch(f"http://{HOST}/x", near=LOCAL)
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://127.0.0.1/x", Kind.UNSUPPORTED),
        ("ldap://127.0.0.1/cn=x", Kind.UNSUPPORTED),
        ("file:///etc/passwd", Kind.UNSUPPORTED),
        ("http:///x", Kind.UNSUPPORTED),
        ("", Kind.UNSUPPORTED),
        ("http://127.0.0.1:99999/x", Kind.GARBAGE),
        ("http://127.0.0.1:x/x", Kind.GARBAGE),
        ("http://[::1/x", Kind.GARBAGE),
    ],
)
async def test_urls_that_are_not_followed(url: str, kind: Kind) -> None:
    dialer = Recording()
    with pytest.raises(CouldNotAsk) as caught:
        await door(dialer=dialer).fetch(url, near=LOCAL)
    assert caught.value.kind is kind
    assert dialer.called == []


@asynccontextmanager
async def site(sent: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A web server that says `sent` to whoever asks; the requests as they came."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(sent)
        await writer.drain()

    async with running(server := Listener(serve)):
        yield server.port, requests


async def test_a_url_smuggles_nothing_into_the_request() -> None:
    async with site(b"HTTP/1.0 200 OK\r\n\r\nx") as (port, requests):
        url = f"http://user:pass@127.0.0.1:{port}/a\r\nX-Evil: 1\r\n\r\n?q=\n1"
        assert await door().fetch(url, near=LOCAL) == b"x"
    (request,) = requests
    assert request.count(b"\r\n") == 4
    assert b"\r\nX-Evil" not in request
    assert b"pass" not in request
    assert b"\r\nHost: 127.0.0.1:%d\r\n" % port in request


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\x30\x82",
        b"220 smtp.example.com ESMTP\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nServer: x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        b"HTTP/1.1 two OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * MAX_HTTP + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"y" * MAX_HTTP,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
        b"HTTP/1.1 500 no\r\n\r\n",
        b"HTTP/1.1 204 none\r\n\r\n",
    ],
)
async def test_what_is_no_good_answer(sent: bytes) -> None:
    async with site(sent) as (port, _):
        with pytest.raises(CouldNotAsk) as caught:
            await door(http_timeout=2.0).fetch(f"http://127.0.0.1:{port}/x", near=LOCAL)
    assert caught.value.kind in (Kind.GARBAGE, Kind.RESET)


# The host's own configuration


def written(tmp_path: Path, content: str | bytes, name: str = "file") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "servers", "search"),
    [
        ("nameserver 192.0.2.1\nnameserver ::1\n", (("192.0.2.1", 53), ("::1", 53)), ()),
        ("nameserver fe80::1%eth0\n", (("fe80::1%eth0", 53),), ()),
        ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver 192.0.2.3 # x", (("192.0.2.3", 53),), ()),
        ("domain a.example\nsearch b.example c.example\n", (), ("b.example", "c.example")),
        ("nameserver\nnameserver dns.example\nnameserver 1.2.3\nnameserver 192.0.2.1%x\nNAMESERVER 192.0.2.1", (), ()),
        ("\ufeff\x00\x1b[2J\noptions ndots:5\r\n", (), ()),
        (b"\xff\xfe\nnameserver 192.0.2.1\n", (("192.0.2.1", 53),), ()),
        ("", (), ()),
    ],
)
def test_resolv_conf(tmp_path: Path, content: str | bytes, servers: object, search: object) -> None:
    assert system_resolvers(written(tmp_path, content)) == (servers, search)


def test_hosts(tmp_path: Path) -> None:
    text = """\
127.0.0.1 localhost Mail.Example.  # comment
::1\tlocalhost
#192.0.2.9 mail.example
192.0.2.1 mail.example
fe80::1%lo0 link.example
not.an.address mail.example
192.0.2.2
"""
    assert system_hosts(written(tmp_path, text)) == {
        "localhost": ["127.0.0.1", "::1"],
        "mail.example": ["127.0.0.1", "192.0.2.1"],
        "link.example": ["fe80::1%lo0"],
    }


@pytest.mark.parametrize("reader", [system_hosts, system_resolvers])
def test_no_configuration(tmp_path: Path, reader: Callable[[Path], object]) -> None:
    assert not any(reader(tmp_path / "absent"))  # type: ignore[call-overload]
    assert not any(reader(tmp_path))  # type: ignore[call-overload]


def test_a_huge_configuration_is_cut_at_a_line(tmp_path: Path) -> None:
    first, last = b"192.0.2.1 first.example\n", b"192.0.2.1 smtp.exam"
    padding = b"#" * (MAX_CONFIG - len(first) - len(last)) + b"\n"
    hosts = system_hosts(written(tmp_path, first + padding + last + b"ple.com\n"))
    assert hosts == {"first.example": ["192.0.2.1"]}, "half a name is another host's"
    assert system_hosts(Path("/dev/zero")) == {}


@pytest.mark.parametrize(
    ("files", "server"),
    [
        ({}, ""),
        ({"etc/chrony/chrony.conf": "pool 2.debian.pool.ntp.org iburst\n"}, "2.debian.pool.ntp.org"),
        ({"etc/chrony/chrony.conf": "# server a\n! server b\nserver time.example iburst"}, "time.example"),
        ({"etc/ntp.conf": "server 127.127.1.0\nserver -4 time.example\n"}, "time.example"),
        ({"etc/ntp.conf": "peer 2001:db8::1\n"}, "2001:db8::1"),
        ({"etc/systemd/timesyncd.conf": "[Time]\n#NTP=a\nNTP=\nNTP=time.example b.example\n"}, "time.example"),
        ({"etc/systemd/timesyncd.conf": "[Time]\nNTP = time.example\nFallbackNTP=x\n"}, "time.example"),
        ({"etc/systemd/timesyncd.conf": "[Time]\nFallbackNTP=x\nNTPX=y\n"}, ""),
        ({"etc/chrony.conf": "server a:b:c\nserver\npool\nserver [x]:1\n"}, ""),
        ({"etc/chrony.conf": "", "etc/ntp.conf": "server time.example"}, "time.example"),
        ({"etc/chrony/chrony.conf": "server a.example", "etc/ntp.conf": "server b.example"}, "a.example"),
    ],
)
def test_ntp(tmp_path: Path, files: dict[str, str], server: str) -> None:
    for name, content in files.items():
        written(tmp_path, content, name)
    assert system_ntp(tmp_path) == server
    assert not server or parse_server(server, 123)


@given(st.binary(max_size=300) | st.from_regex(rb"(server|NTP=|nameserver|pool)[ \t].*\n"))
def test_any_configuration(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "any"
    path = written(root, content, "etc/ntp.conf")
    assert isinstance(system_hosts(path), dict)
    for address, port in system_resolvers(path)[0]:
        assert parse_server(address, port) == (address, 53)
    found = system_ntp(root)
    assert found == "" or parse_server(found, 123)


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("::1", ("::1", 53)),
        ("::1:5353", ("::1:5353", 53)),  # an address by itself: RFC 5952 section 6 wants brackets for a port
        ("[::1]", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("time.example", ("time.example", 53)),
        ("time.example:123", ("time.example", 123)),
    ],
)
def test_server(text: str, server: tuple[str, int]) -> None:
    assert parse_server(text, 53) == server


@pytest.mark.parametrize(
    "text",
    [
        "", ":", ":53", "host:", "host:0", "host:65536", "host:x", "host:٥٣", "host:-1", "host:+1", "host: 1", "a:b:1",
        "1:2:3", "[::1", "::1]", "[]", "[]:53", "[host]:53", "[::1]x", "[::1]:", "[::1]:0", "ho st", "host\n", "a@b",
        "http://host", "a/b", "x" * 256, "host:" + "9" * 5000,
    ],
)  # fmt: skip
def test_no_server(text: str) -> None:
    with pytest.raises(ValueError, match="not a server") as caught:
        parse_server(text, 53)
    assert len(str(caught.value)) < 400
