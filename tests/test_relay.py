"""Does the relay count what it says it counts?"""

from __future__ import annotations

import asyncio
import smtplib
import ssl

import dns.asyncquery
import dns.message
import pytest

from smtpcheck.lab import Lab, Practice
from tests.relay import Relay, UdpRelay

DELAY = 0.03


def login(practice: Practice, port: int, *, implicit: bool) -> None:
    """smtplib's login, which waits for every reply, and leaves without QUIT."""
    context = ssl.create_default_context(cafile=practice.options["ca_file"])
    kind = smtplib.SMTP_SSL if implicit else smtplib.SMTP
    client = kind(timeout=10, local_hostname="me", **({"context": context} if implicit else {}))
    client._host = practice.host
    client.connect("127.0.0.1", port)
    client.ehlo()
    if not implicit:
        client.starttls(context=context)
        client.ehlo()
    initial = "\0".join(("", practice.target, practice.password))
    client.auth("PLAIN", lambda challenge=None: initial)
    client.close()


@pytest.mark.parametrize("name", ["healthy", "healthy-scripted"])
async def test_a_login_over_starttls_is_seven_round_trips(name: str) -> None:
    # connect, greeting, EHLO, STARTTLS, handshake, EHLO, AUTH
    async with Lab() as lab:
        practice = await lab.start(name)
        async with Relay(practice.port, delay=DELAY) as relay:
            await asyncio.to_thread(login, practice, relay.port, implicit=False)
            assert (relay.count.connections, relay.count.round_trips) == (1, 7)
        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 1
    assert relay.count.sent == sum(size for way, size in relay.count.flow if way == ">") > 300
    assert relay.count.received == sum(size for way, size in relay.count.flow if way == "<") > 1000


async def test_a_login_over_implicit_tls_is_five_round_trips() -> None:
    # connect, handshake, greeting, EHLO, AUTH
    async with Lab() as lab:
        practice = await lab.start("healthy-implicit")
        async with Relay(practice.port, delay=DELAY) as relay:
            await asyncio.to_thread(login, practice, relay.port, implicit=True)
            assert (relay.count.connections, relay.count.round_trips) == (1, 5)


async def test_a_pipelined_pair_is_one_round_trip() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy-scripted")
        async with Relay(practice.port, delay=DELAY) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            await reader.readline()
            before = relay.count.round_trips
            writer.write(b"NOOP\r\n")
            await asyncio.sleep(0)
            writer.write(b"NOOP\r\n")
            await reader.readline()
            await reader.readline()
            assert relay.count.round_trips == before + 1
            writer.close()
            await writer.wait_closed()


async def test_half_dropped_line_stays_open_and_silent() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy-scripted")
        async with Relay(practice.port, drop_after=3) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            assert await reader.readexactly(3) == b"220"
            writer.write(b"NOOP\r\n")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await reader.read(1)
            assert relay.count.received == 3
            writer.close()
            await writer.wait_closed()


async def test_a_dead_server_is_a_closed_line() -> None:
    async with Lab() as lab:
        practice = await lab.start("connect-refused")
        async with Relay(practice.port) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            with pytest.raises(ConnectionResetError):
                assert await reader.read() == b""
                raise ConnectionResetError
            assert relay.count.refused == 1
            writer.close()


async def test_questions_out_together_are_one_round_trip() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy")
        assert practice.resolver is not None
        async with UdpRelay(practice.resolver.port, delay=DELAY) as relay:

            async def ask(kind: str) -> dns.message.Message:
                query = dns.message.make_query(practice.host, kind)
                return await dns.asyncquery.udp(query, "127.0.0.1", port=relay.port, timeout=2)

            await asyncio.gather(ask("A"), ask("AAAA"))
            assert relay.count.round_trips == 1
            await ask("MX")
            assert relay.count.round_trips == 2
        assert len(practice.resolver.asked) == 3
