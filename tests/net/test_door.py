"""Does the door tell apart what happens on real sockets, within its bounds, and stay shut where it must?"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import Any

import pytest

from smtpcheck.core import Kind, Stage, because
from smtpcheck.lab.listeners import LOOPBACK, Closed, Datagrams, Dropping, Listener, reset
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken, CouldNotAsk
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.address import Detour
from tests.net.services import QUICK, Forger, Recording, running

# TCP


async def _greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 hello\r\n")
    await writer.drain()
    writer.write(await reader.read(100))


async def test_a_stream() -> None:
    async with running(server := Listener(_greets)):
        stream = await Door().connect("host", LOOPBACK, server.port, 2.0)
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
        stream = await Door().connect("host", "::1", port, 2.0)
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
        stream = await Door().connect("host", LOOPBACK, server.port, 2.0)
        assert 0 < len(await stream.read()) <= 16384
        stream.close()


async def test_connection_refused() -> None:
    async with running(nobody := Closed()):
        with pytest.raises(Broken) as caught:
            await Door().connect("host", LOOPBACK, nobody.port, 2.0)
    assert (caught.value.stage, caught.value.kind) == (Stage.CONNECT, Kind.REFUSED)
    assert caught.value.reason == because("system-error", errno="ECONNREFUSED", os="Connection refused")


async def test_connection_dropped() -> None:
    async with running(firewall := Dropping()):
        started = time.perf_counter()
        with pytest.raises(Broken) as caught:
            await Door().connect("host", LOOPBACK, firewall.port, QUICK)
    assert (caught.value.stage, caught.value.kind) == (Stage.CONNECT, Kind.TIMEOUT)
    assert time.perf_counter() - started > QUICK * 0.9


async def test_connection_reset() -> None:
    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    async with running(server := Listener(rude)):
        stream = await Door().connect("host", LOOPBACK, server.port, 2.0)
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
        await Door(dialer=Recording(number)).connect("host", "2001:db8::1", 25, 2.0)
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
        await Door(detours=DETOURS, dialer=dialer).connect(host, "192.0.2.1", port, 2.0)
    assert dialer.called == [called]


async def test_two_connections_to_a_host_at_once() -> None:
    door = Door()
    slot = door.slot("a")
    assert slot is door.slot("a")
    assert slot is not door.slot("b")
    await slot.acquire()
    await slot.acquire()
    assert slot.locked()
    assert not door.slot("b").locked()


# UDP


async def test_a_flood_of_forged_datagrams_is_not_read_to_its_end() -> None:
    heard: list[bytes] = []

    def fits(data: bytes) -> bool:
        heard.append(data)
        raise ProtocolError("forged")

    async with running(server := Forger(lambda query: [b"x"] * 100)):
        with pytest.raises(ProtocolError, match="forged"):
            await Door().datagram(LOOPBACK, server.port, b"?", 30.0, fits)
    assert len(heard) < 50


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

            reply, arrived, took = await Door().datagram(LOOPBACK, server.port, b"?", 2.0, fits)
    assert (reply, heard) == (b"true", [b"true"])
    assert abs(arrived - time.time()) < 5
    assert 0 < took < 2


async def test_a_datagram_nobody_answers() -> None:
    async with running(silent := Datagrams(lambda _: None)):
        with pytest.raises(TimeoutError):
            await Door().datagram(LOOPBACK, silent.port, b"?", QUICK, lambda _: True)
    async with running(nobody := Closed()):
        with pytest.raises(ConnectionRefusedError):
            await Door().datagram(LOOPBACK, nobody.port, b"?", 2.0, lambda _: True)


async def test_a_datagram_that_never_fits_says_why() -> None:
    def fits(data: bytes) -> bool:
        raise ProtocolError(f"not {data!r}")

    async with running(server := Datagrams(lambda data: data)):
        with pytest.raises(ProtocolError, match="not b'ping'"):
            await Door().datagram(LOOPBACK, server.port, b"ping", QUICK, fits)
