"""What does a web server give? One small GET over the door, bounded, for what certificates and policies point to."""

from __future__ import annotations

import asyncio
import contextlib
import email.errors
import http.client
import io
import re
from ipaddress import IPv6Address, ip_address
from typing import Protocol
from urllib.parse import urlsplit

from smtpcheck.core import Kind, Reason, Stage, because
from smtpcheck.net.dns import Resolver
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken, CouldNotAsk, network_kind, os_reason
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.address import is_address

# A certificate is about 2 KB; a PKCS #7 bundle of them rarely 20 KB.
MAX_HTTP = 65536
TIMEOUT = 5.0


class ByteStream(Protocol):
    """What is read from and written to: a stream, or a channel with TLS over it."""

    async def read(self) -> bytes:
        """Some of what arrived; empty at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """All of `data`."""
        ...


async def fetch(door: Door, resolver: Resolver, url: str, *, near: str, limit: float = TIMEOUT) -> bytes:
    """The body at an http: URL, for issuer certificates (RFC 5280 section 4.2.2.1). Raises CouldNotAsk.

    The URL comes from a stranger's certificate: no redirects, bounded bytes and time, and no address that is
    less public than `near`, the address of the server that showed it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise CouldNotAsk(Stage.CERTIFICATE, Kind.GARBAGE, because("url-unreadable")) from error
    if parts.scheme != "http" or not host:
        raise CouldNotAsk(Stage.CERTIFICATE, Kind.UNSUPPORTED, because("url-not-http"))
    address = await public_as(resolver, near, host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # what follows an @ alone: a login in the URL is the stranger's, and no business of the host's
    request = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: smtpcheck\r\n\r\n"
    try:
        async with asyncio.timeout(limit):
            with contextlib.closing(await door.connect(host, address, port, limit)) as stream:
                return await exchange(stream, request.encode("ascii", "replace"))
    except (Broken, CouldNotAsk) as error:
        raise CouldNotAsk(Stage.CERTIFICATE, error.kind, _about(url, error.reason)) from error
    except OSError as error:
        raise CouldNotAsk(Stage.CERTIFICATE, network_kind(error), _about(url, os_reason(error))) from error
    except ProtocolError as error:
        raise CouldNotAsk(Stage.CERTIFICATE, Kind.GARBAGE, _about(url, error.reason)) from error


async def public_as(resolver: Resolver, near: str, host: str) -> str:
    """An address of a host that a stranger named, none that is less public than `near`. Raises CouldNotAsk."""
    address = host
    if not is_address(host):
        answer = await resolver.ask(host, "A")
        if not answer.addresses:
            kind = answer.broke or Kind.NODATA
            raise CouldNotAsk(Stage.CERTIFICATE, kind, because("host-without-address", at=host[:80]))
        address = answer.addresses[0]
    if _reach(address) >= _reach(near):
        return address
    raise CouldNotAsk(Stage.CERTIFICATE, Kind.WITHHELD, because("host-private", at=host[:80], private=address))


async def exchange(stream: ByteStream, request: bytes) -> bytes:
    """The body of the answer to one request. Raises ProtocolError, and what the stream raises."""
    await stream.write(request)
    data = b""
    while chunk := await stream.read():
        data += chunk
        if len(data) > MAX_HTTP:
            raise ProtocolError(f"more than {MAX_HTTP} bytes", because("http-too-long", limit=MAX_HTTP))
    return _body(data)


class _Canned:
    """What http.client reads a response from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _body(data: bytes) -> bytes:
    """The body of a whole HTTP response with status 200. Raises ProtocolError."""
    response = http.client.HTTPResponse(_Canned(data))  # type: ignore[arg-type]  # only makefile is used
    try:
        response.begin()
        body = response.read(MAX_HTTP)
    except (http.client.HTTPException, email.errors.MessageError, ValueError) as error:
        raise ProtocolError(f"no HTTP response: {type(error).__name__}", because("http-unreadable")) from error
    if response.status != http.client.OK:
        raise ProtocolError(f"HTTP status {response.status}", because("http-status", status=response.status))
    # http.client takes a head without its end, and a body without its rest, for whole
    if not re.search(rb"\r?\n\r?\n", data) or response.length:
        raise ProtocolError("an HTTP response that is cut short", because("http-cut-short"))
    return body


def _reach(address: str) -> int:
    """From how far an address can be reached: 0 this host, 1 its link, 2 its site, 3 anywhere."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    if parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast:
        return 0
    if parsed.is_link_local:
        return 1
    return 3 if parsed.is_global else 2


def _about(url: str, reason: Reason) -> Reason:
    return Reason(reason.code, {**reason.seen, "at": url[:200]})
