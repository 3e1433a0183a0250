"""How do bytes get out and in? The door: TCP, UDP and HTTP over sockets of our own, bounded and injectable.

No library opens a socket and nothing runs in executor threads, so a deadline is the wall time of the process.
"""

from __future__ import annotations

import asyncio
import email.errors
import http.client
import io
import secrets
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from smtpcheck.core import Kind, Stage
from smtpcheck.failures import Broken, CouldNotAsk, broken, network_kind
from smtpcheck.wire import ProtocolError, dns

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

    async def connect(self, address: str, port: int) -> socket.socket:
        """A connected, non-blocking TCP socket. Raises OSError."""
        sock = socket.socket(family(address), socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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


@dataclass(frozen=True, slots=True)
class Detour:
    """`--connect-to HOST:PORT:ADDR:PORT`: dial elsewhere, keep the name. An empty host or a port 0 matches all."""

    host: str
    port: int
    address: str
    to_port: int

    def applies(self, host: str, port: int) -> bool:
        """This detour is for that host and port."""
        return self.host in ("", host) and self.port in (0, port)


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
    ) -> None:
        self.resolvers = tuple(resolvers)
        self.search = tuple(search)
        self.hosts = hosts or {}
        self.hosts_source = hosts_source
        self.detours = tuple(detours)
        self._dialer = dialer or DirectDialer()
        self._answers: dict[tuple[str, str], asyncio.Task[dns.Answer]] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}

    # TCP

    async def connect(self, host: str, address: str, port: int, limit: float) -> Stream:
        """A connection to the endpoint, or to where a detour leads. Raises Broken and CouldNotAsk."""
        detour = next((d for d in self.detours if d.applies(host, port)), None)
        if detour:
            address, port = detour.address, detour.to_port or port
        try:
            async with asyncio.timeout(limit):
                return Stream(await self._dialer.connect(address, port))
        except OSError as error:
            raise broken(Stage.CONNECT, error) from error

    def slot(self, host: str) -> asyncio.Semaphore:
        """At most two connections to a host at once: scanners that open more cause the refusals they report."""
        return self._slots.setdefault(host, asyncio.Semaphore(2))

    # DNS

    async def ask(self, name: str, type_: str) -> dns.Answer:
        """The answer of the first resolver that gives one; asked once in a run. Never raises for the network."""
        key = (name.lower().rstrip("."), type_)
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = asyncio.create_task(self._ask(name, type_))
        return await asyncio.shield(task)

    def hosts_file(self, name: str, type_: str) -> dns.Answer | None:
        """What the hosts file says, which programs believe before any resolver."""
        version = {"A": 4, "AAAA": 6}.get(type_)
        found = tuple(a for a in self.hosts.get(name.lower().rstrip("."), ()) if ip_address(a).version == version)
        return dns.Answer(name=name, type=type_, addresses=found, source=self.hosts_source) if found else None

    async def _ask(self, name: str, type_: str) -> dns.Answer:
        if not self.resolvers:
            return dns.Answer(name=name, type=type_, broke=Kind.RESOLVER_DOWN, detail="no resolver is configured")
        answer = None
        for server in self.resolvers[:3]:
            try:
                answer = await self._ask_server(server, name, type_)
            except ProtocolError as error:
                return dns.Answer(name=name, type=type_, broke=Kind.GARBAGE, detail=str(error))
            if answer.broke not in (Kind.RESOLVER_DOWN, Kind.RESOLVER_SILENT, Kind.SERVFAIL, Kind.DNS_REFUSED):
                break
        assert answer is not None
        return answer

    async def _ask_server(self, server: tuple[str, int], name: str, type_: str) -> dns.Answer:
        ident = secrets.randbelow(65536)
        query = dns.pack_query(name, type_, ident)
        broke, detail = Kind.RESOLVER_SILENT, f"no answer in {DNS_TRIES * DNS_TIMEOUT:g} s"
        where = f"{server[0]}:{server[1]}"
        for _ in range(DNS_TRIES):
            try:
                answer = await self._one_query(server, query, name, type_, ident)
            except TimeoutError:
                continue
            except ProtocolError as error:
                broke, detail = Kind.GARBAGE, str(error)
                continue
            except OSError as error:
                broke, detail = Kind.RESOLVER_DOWN, error.strerror or type(error).__name__
                break
            return _sourced(answer, where)
        return dns.Answer(name=name, type=type_, broke=broke, detail=detail, source=where)

    async def _one_query(self, server: tuple[str, int], query: bytes, name: str, type_: str, ident: int) -> dns.Answer:
        parsed: list[dns.Answer | None] = []

        def fits(data: bytes) -> bool:
            parsed.append(dns.parse_answer(data, name, type_, ident))
            return True

        await self.datagram(*server, query, DNS_TIMEOUT, fits)
        if parsed[-1] is not None:
            return parsed[-1]
        return await self._over_tcp(server, query, name, type_, ident)

    async def _over_tcp(self, server: tuple[str, int], query: bytes, name: str, type_: str, ident: int) -> dns.Answer:
        try:
            async with asyncio.timeout(DNS_TIMEOUT):
                data = await self._exchange_tcp(server, len(query).to_bytes(2, "big") + query)
        except OSError as error:
            detail = f"truncated over UDP, and over TCP: {error.strerror or 'no answer'}"
            return dns.Answer(name=name, type=type_, broke=Kind.TRUNCATED, detail=detail)
        answer = dns.parse_answer(data, name, type_, ident)
        return answer or dns.Answer(name=name, type=type_, broke=Kind.TRUNCATED, detail="truncated over TCP too")

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
            await loop.sock_sendall(sock, data)
            try:
                async with asyncio.timeout(limit):
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
        raise refused or ProtocolError("only datagrams that were no answer")

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
            raise CouldNotAsk(Stage.CERTIFICATE, Kind.GARBAGE, "the issuer URL can't be read") from error
        if parts.scheme != "http" or not host:
            raise CouldNotAsk(Stage.CERTIFICATE, Kind.UNSUPPORTED, "the issuer URL is not http:")
        address = await self._public_as(near, host)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = f"GET {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nUser-Agent: smtpcheck\r\n\r\n"
        try:
            async with asyncio.timeout(HTTP_TIMEOUT):
                return _body(await self._exchange_http(host, address, port, request.encode("ascii", "replace")))
        except (OSError, ProtocolError, Broken) as error:
            kind = network_kind(error) if isinstance(error, OSError) else Kind.GARBAGE
            kind = error.kind if isinstance(error, Broken) else kind
            raise CouldNotAsk(Stage.CERTIFICATE, kind, f"{url}: {error}"[:300]) from error

    async def _public_as(self, near: str, host: str) -> str:
        address = host if _is_address(host) else next(iter((await self.ask(host, "A")).addresses), "")
        if not address:
            raise CouldNotAsk(Stage.CERTIFICATE, Kind.NXDOMAIN, f"the issuer's host {host} has no address")
        if ip_address(address).is_global or not ip_address(near).is_global:
            return address
        raise CouldNotAsk(Stage.CERTIFICATE, Kind.WITHHELD, f"the issuer URL leads to the private address {address}")

    async def _exchange_http(self, host: str, address: str, port: int, request: bytes) -> bytes:
        stream = await self.connect(host, address, port, HTTP_TIMEOUT)
        try:
            await stream.write(request)
            data = b""
            while chunk := await stream.read():
                data += chunk
                if len(data) > MAX_HTTP:
                    raise ProtocolError(f"more than {MAX_HTTP} bytes")
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


def _body(data: bytes) -> bytes:
    response = http.client.HTTPResponse(_Canned(data))  # type: ignore[arg-type]  # only makefile is used
    try:
        response.begin()
        body = response.read(MAX_HTTP)
    except (http.client.HTTPException, email.errors.MessageError, ValueError) as error:
        raise ProtocolError(f"no HTTP response: {type(error).__name__}") from error
    if response.status != http.client.OK:
        raise ProtocolError(f"HTTP status {response.status}")
    return body


def _sourced(answer: dns.Answer, where: str) -> dns.Answer:
    from dataclasses import replace

    return replace(answer, source=where)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


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


# The system's own configuration


def system_resolvers(path: Path = Path("/etc/resolv.conf")) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Resolvers and search domains of resolv.conf(5)."""
    servers: list[tuple[str, int]] = []
    search: list[str] = []
    for word, *rest in _words(path):
        if word == "nameserver" and rest and _is_address(rest[0].partition("%")[0]):
            servers.append((rest[0], 53))
        elif word in ("search", "domain"):
            search = rest
    return tuple(servers), tuple(search)


def system_hosts(path: Path = Path("/etc/hosts")) -> dict[str, list[str]]:
    """name -> addresses of hosts(5)."""
    found: dict[str, list[str]] = {}
    for address, *names in _words(path):
        if _is_address(address):
            for name in names:
                found.setdefault(name.lower().rstrip("."), []).append(address)
    return found


def parse_server(text: str, port: int) -> tuple[str, int]:
    """HOST, HOST:PORT, [V6]:PORT or a bare IPv6 literal as host and port. Raises ValueError."""
    if _is_address(text):
        return text, port
    host, colon, number = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, number = text, str(port)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
        raise ValueError(f"not a server: {text!r}")
    return host, int(number)


_NTP_FILES = (
    "/etc/chrony/chrony.conf",
    "/etc/chrony.conf",
    "/etc/ntpsec/ntp.conf",
    "/etc/ntp.conf",
    "/etc/systemd/timesyncd.conf",
)


def system_ntp(root: Path = Path("/")) -> str:
    """The first NTP server that this host's own configuration names; empty when none does."""
    for file in _NTP_FILES:
        for word, *rest in _words(root / file.lstrip("/")):
            if word in ("server", "pool", "peer") and rest:
                return rest[0]
            if word.startswith("NTP=") and word != "NTP=":
                return word.removeprefix("NTP=")
    return ""


def _words(path: Path) -> Iterator[list[str]]:
    try:
        text = path.read_bytes()[:1_000_000].decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            yield words
