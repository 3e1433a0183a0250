"""How do bytes get out and in? The door: TCP and UDP over sockets of our own, bounded and injectable.

No library opens a socket and nothing runs in executor threads, so a deadline is the wall time of the process.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from smtpcheck.core import NO_REASON, Kind, Reason, Stage, because
from smtpcheck.net.failures import Broken, broken
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.address import Detour

CHUNK = 16384
MAX_UDP = 65535


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


class FitsCheck(Protocol):
    """Says whether a datagram is the answer; raises ProtocolError for why it is not."""

    def __call__(self, data: bytes, /) -> bool: ...  # noqa: D102  # the class says it


class Door:
    """Everything that goes out goes through here."""

    def __init__(self, *, detours: Sequence[Detour] = (), dialer: Dialer | None = None) -> None:
        self.detours = tuple(detours)
        self._dialer = dialer or DirectDialer()
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

    async def dial(self, address: str, port: int) -> Stream:
        """A connection to that very address, without detours. Raises OSError."""
        return Stream(await self._dialer.connect(address, port))

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
        with udp_socket(address, port) as sock:
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


def family(address: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6 of an IP literal."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextmanager
def udp_socket(address: str, port: int) -> Iterator[socket.socket]:
    """A UDP socket that talks to that peer alone. Raises OSError."""
    sock = socket.socket(family(address), socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # connected, so that the kernel drops other senders and reports a closed port
        sock.connect((address, port))
        yield sock
    finally:
        sock.close()
