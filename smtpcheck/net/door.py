"""How do bytes get out and in? The door: TCP, UDP and HTTP over sockets of our own, bounded and injectable.

No library opens a socket and nothing runs in executor threads, so a deadline is the wall time of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.errors
import http.client
import io
import re
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from typing import Protocol
from urllib.parse import urlsplit

from smtpcheck.core import NO_REASON, Kind, Reason, Stage, because
from smtpcheck.net.failures import Broken, CouldNotAsk, broken, network_kind, os_reason
from smtpcheck.wire import ProtocolError, dns
from smtpcheck.wire.address import Detour, is_address

CHUNK = 16384
# glibc's resolver waits 5 s twice; two tries of 2 s see a lost datagram and leave time for the rest.
DNS_TRIES = 2
DNS_TIMEOUT = 2.0
MAX_UDP = 65535
# A certificate is about 2 KB; a PKCS #7 bundle of them rarely 20 KB.
MAX_HTTP = 65536
HTTP_TIMEOUT = 5.0


class Dialer(Protocol):
    """What opens sockets; tests hand in another one."""

    async def connect(self, address: str, port: int) -> socket.socket:
        """A connected, non-blocking TCP socket. Raises OSError."""
        ...


class DirectDialer:
    """The operating system's own sockets."""

    def __init__(self, segment: int = 0) -> None:
        self._segment = segment

    async def connect(self, address: str, port: int) -> socket.socket:
        """A connected, non-blocking TCP socket. Raises OSError."""
        sock = socket.socket(family(address), socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._segment:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, self._segment)
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock


class Stream:
    """A connected TCP socket: read some, write all, close."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def read(self) -> bytes:
        """At most 16 KiB; empty at the end. Raises OSError."""
        return await self._loop.sock_recv(self._sock, CHUNK)

    async def write(self, data: bytes) -> None:
        """All of `data`. Raises OSError."""
        await self._loop.sock_sendall(self._sock, data)

    @property
    def literal(self) -> str:
        """Our own address as a domain literal (RFC 5321 section 4.1.3)."""
        address = str(self._sock.getsockname()[0])
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def close(self) -> None:
        """Close now; the peer sees the end of the stream."""
        self._sock.close()


class Door:
    """Everything that goes out goes through here."""

    def __init__(
        self,
        *,
        resolvers: Sequence[tuple[str, int]],
        search: Sequence[str] = (),
        hosts: Mapping[str, Sequence[str]] | None = None,
        hosts_source: str = "/etc/hosts",
        detours: Sequence[Detour] = (),
        dialer: Dialer | None = None,
        dns_timeout: float = DNS_TIMEOUT,
        http_timeout: float = HTTP_TIMEOUT,
    ) -> None:
        """The time-outs are seconds: of each try of a DNS question, and of a whole HTTP exchange."""
        self.resolvers = tuple(resolvers)
        self.search = tuple(search)
        self.hosts = hosts or {}
        self.hosts_source = hosts_source
        self.detours = tuple(detours)
        self._dns_timeout = dns_timeout
        self._http_timeout = http_timeout
        self._dialer = dialer or DirectDialer()
        self._answers: dict[tuple[str, str], asyncio.Task[dns.Answer]] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}

    # TCP

    async def connect(self, host: str, address: str, port: int, limit: float, *, segment: int = 0) -> Stream:
        """A connection to the endpoint, or to where a detour leads. Raises Broken and CouldNotAsk.

        `segment` is the largest TCP segment that the peer may send (RFC 9293 section 3.7.1); 0: the system's.
        """
        detour = next((d for d in self.detours if d.applies(host, port)), None)
        if detour:
            address, port = detour.address, detour.to_port or port
        try:
            async with asyncio.timeout(limit):
                dialer = DirectDialer(segment) if segment else self._dialer
                return Stream(await dialer.connect(address, port))
        except TimeoutError as error:
            raise Broken(Stage.CONNECT, Kind.TIMEOUT, because("no-answer", waited=limit)) from error
        except OSError as error:
            raise broken(Stage.CONNECT, error) from error

    async def knock(self, host: str, address: str, port: int, limit: float) -> tuple[Kind | None, Reason]:
        """Does the port open? The connection is closed at once. Raises CouldNotAsk."""
        async with self.slot(host):
            try:
                stream = await self.connect(host, address, port, limit)
            except Broken as error:
                return error.kind, error.reason
            stream.close()
            return None, NO_REASON

    @property
    def direct(self) -> bool:
        """The sockets are the system's own, so that their options can be set."""
        return isinstance(self._dialer, DirectDialer)

    def slot(self, host: str) -> asyncio.Semaphore:
        """At most two connections to a host at once: scanners that open more cause the refusals they report."""
        return self._slots.setdefault(host, asyncio.Semaphore(2))

    # DNS

    async def first_address(self, host: str) -> str:
        """One address of a helper's host (time server, mailbox), empty where none is known."""
        if is_address(host):
            return host
        for type_ in ("A", "AAAA"):
            answer = self.hosts_file(host, type_) or await self.ask(host, type_)
            if answer.addresses:
                return answer.addresses[0]
        return ""

    async def ask(self, name: str, type_: str) -> dns.Answer:
        """What the first resolver that knows says, else the first that says anything; asked once in a run.

        Never raises for the network.
        """
        key = (name.lower().rstrip("."), type_)
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = asyncio.create_task(self._ask(name, type_))
        return await asyncio.shield(task)

    async def ask_unchecked(self, name: str, type_: str) -> dns.Answer:
        """What the first resolver says when it is told not to check signatures (CD, RFC 4035 section 3.2.2)."""
        return await self._ask_server(self.resolvers[0], name, type_, unchecked=True)

    async def hear(self, server: tuple[str, int], name: str, type_: str, window: float) -> tuple[dns.Answer, ...]:
        """Every answer to one question that arrives within `window` seconds: a forger's comes before the true one."""
        ident = secrets.randbelow(65536)
        heard: list[dns.Answer] = []
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError, OSError), _udp(*server) as sock:
            async with asyncio.timeout(window):
                await loop.sock_sendall(sock, dns.pack_query(name, type_, ident))
                for _ in range(16):
                    data = await loop.sock_recv(sock, MAX_UDP)
                    with contextlib.suppress(ProtocolError):
                        if answer := dns.parse_answer(data, name, type_, ident):
                            heard.append(_sourced(answer, server))
        return tuple(heard)

    def hosts_file(self, name: str, type_: str) -> dns.Answer | None:
        """What the hosts file says, which programs believe before any resolver."""
        version = {"A": 4, "AAAA": 6}.get(type_)
        found = tuple(a for a in self.hosts.get(name.lower().rstrip("."), ()) if ip_address(a).version == version)
        return dns.Answer(name=name, type=type_, addresses=found, source=self.hosts_source) if found else None

    async def _ask(self, name: str, type_: str) -> dns.Answer:
        if not self.resolvers:
            return dns.Answer(name=name, type=type_, broke=Kind.RESOLVER_DOWN, reason=because("dns-no-resolver"))
        answers: list[dns.Answer] = []
        for server in self.resolvers[:3]:
            try:
                answer = await self._ask_server(server, name, type_)
            except ProtocolError as error:
                return dns.Answer(name=name, type=type_, broke=Kind.GARBAGE, reason=error.reason)
            if answer.broke is None or answer.absent:
                return answer
            answers.append(answer)
        return next((a for a in answers if a.broke not in (Kind.RESOLVER_DOWN, Kind.RESOLVER_SILENT)), answers[0])

    async def _ask_server(
        self, server: tuple[str, int], name: str, type_: str, *, unchecked: bool = False
    ) -> dns.Answer:
        ident = secrets.randbelow(65536)
        query = dns.pack_query(name, type_, ident, unchecked=unchecked)
        broke, reason = Kind.RESOLVER_SILENT, because("no-answer", waited=DNS_TRIES * self._dns_timeout)
        where = f"{server[0]}:{server[1]}"
        for _ in range(DNS_TRIES):
            try:
                answer = await self._one_query(server, query, name, type_, ident)
            except TimeoutError:
                continue
            except ProtocolError as error:
                broke, reason = Kind.GARBAGE, error.reason
                continue
            except OSError as error:
                broke, reason = Kind.RESOLVER_DOWN, os_reason(error)
                break
            return _sourced(answer, server)
        return dns.Answer(name=name, type=type_, broke=broke, reason=reason, source=where)

    async def _one_query(self, server: tuple[str, int], query: bytes, name: str, type_: str, ident: int) -> dns.Answer:
        parsed: list[dns.Answer | None] = []

        def fits(data: bytes) -> bool:
            parsed.append(dns.parse_answer(data, name, type_, ident))
            return True

        await self.datagram(*server, query, self._dns_timeout, fits)
        if parsed[-1] is not None:
            return parsed[-1]
        return await self._over_tcp(server, query, name, type_, ident)

    async def _over_tcp(self, server: tuple[str, int], query: bytes, name: str, type_: str, ident: int) -> dns.Answer:
        try:
            async with asyncio.timeout(self._dns_timeout):
                data = await self._exchange_tcp(server, len(query).to_bytes(2, "big") + query)
        except OSError as error:
            reason = _without_tcp(error)
            return dns.Answer(name=name, type=type_, broke=Kind.TRUNCATED, reason=reason)
        answer = dns.parse_answer(data, name, type_, ident)
        return answer or dns.Answer(name=name, type=type_, broke=Kind.TRUNCATED, reason=because("dns-truncated-twice"))

    async def _exchange_tcp(self, server: tuple[str, int], framed: bytes) -> bytes:
        stream = Stream(await self._dialer.connect(*server))
        try:
            await stream.write(framed)
            data = b""
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                chunk = await stream.read()
                if not chunk:
                    raise ConnectionResetError(0, "closed before the answer was whole")
                data += chunk
            return data[2 : 2 + int.from_bytes(data[:2], "big")]
        finally:
            stream.close()

    # UDP

    async def datagram(
        self, address: str, port: int, data: bytes, limit: float, fits: FitsCheck
    ) -> tuple[bytes, float, float]:
        """The first datagram from that peer that `fits`, with the Unix times of arrival and the seconds taken.

        Raises TimeoutError, OSError, and the last ProtocolError that `fits` raised when time is up: a forger's
        datagram must not hide the true one behind it.
        """
        refused: ProtocolError | None = None
        loop = asyncio.get_running_loop()
        with _udp(address, port) as sock:
            started = time.perf_counter()
            try:
                async with asyncio.timeout(limit):
                    await loop.sock_sendall(sock, data)
                    for _ in range(16):
                        reply = await loop.sock_recv(sock, MAX_UDP)
                        arrived, took = time.time(), time.perf_counter() - started
                        try:
                            if fits(reply):
                                return reply, arrived, took
                        except ProtocolError as error:
                            refused = error
            except TimeoutError:
                if refused is None:
                    raise
        raise refused or ProtocolError("only datagrams that were no answer", because("dns-no-answer"))

    # HTTP

    async def fetch(self, url: str, *, near: str) -> bytes:
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
        address = await self.public_as(near, host)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # what follows an @ alone: a login in the URL is the stranger's, and no business of the host's
        request = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc.rpartition('@')[2]}\r\nUser-Agent: smtpcheck\r\n\r\n"
        try:
            async with asyncio.timeout(self._http_timeout):
                return http_body(await self._exchange_http(host, address, port, request.encode("ascii", "replace")))
        except (Broken, CouldNotAsk) as error:
            raise CouldNotAsk(Stage.CERTIFICATE, error.kind, _about(url, error.reason)) from error
        except OSError as error:
            raise CouldNotAsk(Stage.CERTIFICATE, network_kind(error), _about(url, os_reason(error))) from error
        except ProtocolError as error:
            raise CouldNotAsk(Stage.CERTIFICATE, Kind.GARBAGE, _about(url, error.reason)) from error

    async def public_as(self, near: str, host: str) -> str:
        """An address of a host that a stranger named, none that is less public than `near`. Raises CouldNotAsk."""
        address = host
        if not is_address(host):
            answer = await self.ask(host, "A")
            if not answer.addresses:
                kind = answer.broke or Kind.NODATA
                raise CouldNotAsk(Stage.CERTIFICATE, kind, because("host-without-address", at=host[:80]))
            address = answer.addresses[0]
        if _reach(address) >= _reach(near):
            return address
        raise CouldNotAsk(Stage.CERTIFICATE, Kind.WITHHELD, because("host-private", at=host[:80], private=address))

    async def _exchange_http(self, host: str, address: str, port: int, request: bytes) -> bytes:
        stream = await self.connect(host, address, port, self._http_timeout)
        try:
            await stream.write(request)
            data = b""
            while chunk := await stream.read():
                data += chunk
                if len(data) > MAX_HTTP:
                    raise ProtocolError(f"more than {MAX_HTTP} bytes", because("http-too-long", limit=MAX_HTTP))
            return data
        finally:
            stream.close()


class FitsCheck(Protocol):
    """Says whether a datagram is the answer; raises ProtocolError for why it is not."""

    def __call__(self, data: bytes, /) -> bool: ...  # noqa: D102  # the class says it


class _Canned:
    """What http.client reads a response from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def http_body(data: bytes) -> bytes:
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


def _sourced(answer: dns.Answer, server: tuple[str, int]) -> dns.Answer:
    """RFC 6698 section A.3: on the way from another machine anybody may have set the AD bit."""
    local = ip_address(server[0]).is_loopback
    return replace(answer, source=f"{server[0]}:{server[1]}", authenticated=answer.authenticated and local)


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


def family(address: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6 of an IP literal."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextmanager
def _udp(address: str, port: int) -> Iterator[socket.socket]:
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # connected, so that the kernel drops other senders and reports a closed port
        sock.connect((address, port))
        yield sock
    finally:
        sock.close()


def _about(url: str, reason: Reason) -> Reason:
    return Reason(reason.code, {**reason.seen, "at": url[:200]})


def _without_tcp(error: OSError) -> Reason:
    system = os_reason(error).seen.get("os")
    return because("dns-truncated-tcp-failed", os=system) if system else because("dns-truncated-no-tcp")
