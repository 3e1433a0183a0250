"""Does the practice resolver answer as RFC 1035 and RFC 2308 want where it is not told to misbehave?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from smtpcheck.lab.dnsd import NameServer


@pytest.fixture
async def server() -> AsyncIterator[NameServer]:
    made = NameServer()
    made.add("smtp.a.lab.test", "A", "127.0.0.1")
    made.add("alias.a.lab.test", "CNAME", "smtp.a.lab.test.")
    made.add("loop.a.lab.test", "CNAME", "loop.a.lab.test.")
    made.add("many.lab.test", "TXT", *(f'"{n:0200}"' for n in range(30)))
    await made.start()
    yield made
    await made.stop()


async def ask(server: NameServer, name: str, kind: str = "A", *, tcp: bool = False) -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    way = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await way(query, "127.0.0.1", port=server.port, timeout=2.0)


@pytest.mark.parametrize("tcp", [False, True])
async def test_answers(server: NameServer, tcp: bool) -> None:
    reply = await ask(server, "smtp.a.lab.test.", tcp=tcp)
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.flags & dns.flags.RA
    assert [str(item) for rrset in reply.answer for item in rrset] == ["127.0.0.1"]
    assert server.asked == [("smtp.a.lab.test.", "A", "tcp" if tcp else "udp")]
    assert server.queries["smtp.a.lab.test.", "A"] == 1


@pytest.mark.parametrize(
    ("name", "kind", "rcode"),
    [
        ("smtp.a.lab.test.", "AAAA", dns.rcode.NOERROR),
        ("a.lab.test.", "A", dns.rcode.NOERROR),  # exists, because something is below it
        ("nobody.a.lab.test.", "A", dns.rcode.NXDOMAIN),
        ("example.com.", "A", dns.rcode.NXDOMAIN),
    ],
)
async def test_nodata_is_not_nxdomain(server: NameServer, name: str, kind: str, rcode: dns.rcode.Rcode) -> None:
    reply = await ask(server, name, kind)
    assert reply.rcode() == rcode
    assert reply.answer == []
    assert len(reply.authority) == 1


async def test_follows_an_alias(server: NameServer) -> None:
    reply = await ask(server, "alias.a.lab.test.")
    assert [str(item) for rrset in reply.answer for item in rrset] == ["smtp.a.lab.test.", "127.0.0.1"]


async def test_an_alias_of_itself_ends(server: NameServer) -> None:
    reply = await ask(server, "loop.a.lab.test.")
    assert [str(item) for rrset in reply.answer for item in rrset] == ["loop.a.lab.test."]


async def test_what_is_too_long_for_udp_is_truncated(server: NameServer) -> None:
    assert (await ask(server, "many.lab.test.", "TXT")).flags & dns.flags.TC
    reply = await ask(server, "many.lab.test.", "TXT", tcp=True)
    assert not reply.flags & dns.flags.TC
    assert len(reply.answer[0]) == 30


async def test_the_nearest_fault_counts(server: NameServer) -> None:
    server.spoil(".", "servfail")
    server.spoil("a.lab.test", "refused")
    assert (await ask(server, "smtp.a.lab.test.")).rcode() == dns.rcode.REFUSED
    assert (await ask(server, "many.lab.test.")).rcode() == dns.rcode.SERVFAIL


@pytest.mark.parametrize("junk", [b"", b"x", b"\xff" * 600, bytes(12)])
async def test_junk_is_not_answered_and_does_no_harm(server: NameServer, junk: bytes) -> None:
    assert server.answer(junk, "udp") is None
    reply = dns.message.make_response(dns.message.make_query("smtp.a.lab.test.", "A"))
    assert server.answer(reply.to_wire(), "udp") is None
    assert server.asked == []


async def test_half_a_message_over_tcp_does_no_harm(server: NameServer) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"\x00\x50half")
    writer.close()
    await writer.wait_closed()
    assert (await ask(server, "smtp.a.lab.test.", tcp=True)).answer
