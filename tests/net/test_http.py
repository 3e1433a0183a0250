"""Is only that fetched which a stranger may send us for, and only a whole answer taken?"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from smtpcheck.core import Kind, Stage
from smtpcheck.lab.dnsd import NameServer
from smtpcheck.lab.issuerd import Issuer
from smtpcheck.lab.listeners import LOOPBACK, Closed, Listener
from smtpcheck.net.door import Door
from smtpcheck.net.failures import CouldNotAsk
from smtpcheck.net.http import MAX_HTTP, fetch
from tests.net.services import HOST, QUICK, Recording, asking, running

LOCAL = LOOPBACK
PUBLIC = "93.184.215.14"


async def test_fetch() -> None:
    async with running(site := Issuer(b"\x30\x82certificate")):
        assert await fetch(Door(), asking(), site.url, near=LOCAL) == b"\x30\x82certificate"
        assert site.paths == ["/intermediate.der"]


async def test_fetch_by_name(resolver: NameServer) -> None:
    async with running(site := Issuer(b"certificate")):
        url = site.url.replace(LOOPBACK, "site.lab.test")
        assert await fetch(Door(), asking(resolver), url, near=LOCAL) == b"certificate"


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
            await fetch(Door(), asking(), site.url, near=LOCAL, limit=QUICK if fault == "hangs" else 5.0)
        assert site.paths == paths
    assert (caught.value.stage, caught.value.kind) == (Stage.CERTIFICATE, kind)
    assert caught.value.reason.seen["at"] == site.url


async def test_fetch_from_nobody() -> None:
    async with running(nobody := Closed()):
        with pytest.raises(CouldNotAsk) as caught:
            await fetch(Door(), asking(), f"http://127.0.0.1:{nobody.port}/x", near=LOCAL)
    assert (caught.value.stage, caught.value.kind) == (Stage.CERTIFICATE, Kind.REFUSED)


async def test_fetch_without_route_is_about_the_certificate() -> None:
    with pytest.raises(CouldNotAsk) as caught:
        await fetch(Door(dialer=Recording(errno.ENETUNREACH)), asking(), "http://127.0.0.1/x", near=LOCAL)
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
        await fetch(Door(dialer=dialer), asking(), f"http://{issuer}:80/x", near=near)
    assert bool(dialer.called) is asked
    assert caught.value.kind is (Kind.REFUSED if asked else Kind.WITHHELD)


async def test_a_name_may_not_lead_inside_either(resolver: NameServer) -> None:
    dialer = Recording()
    with pytest.raises(CouldNotAsk) as caught:
        await fetch(Door(dialer=dialer), asking(resolver), f"http://{HOST}/x", near=PUBLIC)
    assert caught.value.kind is Kind.WITHHELD
    assert dialer.called == []


@pytest.mark.parametrize(("fault", "kind"), [("servfail", Kind.SERVFAIL), ("nxdomain", Kind.NXDOMAIN)])
async def test_an_issuer_without_address(resolver: NameServer, fault: str, kind: Kind) -> None:
    resolver.spoil(HOST, fault)
    with pytest.raises(CouldNotAsk) as caught:
        await fetch(Door(), asking(resolver), f"http://{HOST}/x", near=LOCAL)
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
        await fetch(Door(dialer=dialer), asking(), url, near=LOCAL)
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
        assert await fetch(Door(), asking(), url, near=LOCAL) == b"x"
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
            await fetch(Door(), asking(), f"http://127.0.0.1:{port}/x", near=LOCAL, limit=2.0)
    assert caught.value.kind in (Kind.GARBAGE, Kind.RESET)
