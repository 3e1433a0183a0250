"""How many connections, octets and round trips does a client spend? A relay on loopback that counts.

A *round trip* is counted where the client had to wait for the server: accepting the connection is one, and so is the
first octet delivered to the client after the connect or after the client's last sending, whichever is later. A greeting
is therefore one, a command and its reply one, a TLS 1.3 handshake one (the client's Finished leaves together with its
next command), and what the server says in several segments is one. UDP has no connect: queries that are out together
are one round trip.

With a `delay` (seconds, each way) the count is exact: whatever a client sends without waiting has then left before
an answer can arrive. Without one, two writes in a row may be counted as two.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Self

LOOPBACK = "127.0.0.1"


@dataclass
class Count:
    connections: int = 0
    sent: int = 0
    """Octets from the client to the server."""
    received: int = 0
    """Octets delivered to the client."""
    round_trips: int = 0
    flow: list[tuple[str, int]] = field(default_factory=list)
    """(">" or "<", octets) in the order seen at the client's side."""
    refused: int = 0
    """Connections that the server did not take."""


class _Side:
    """One client's line as it looks from the client."""

    def __init__(self, count: Count, *, waiting: bool) -> None:
        self.count = count
        self.waiting = waiting

    def sent(self, data: bytes) -> None:
        self.waiting = True
        self.count.sent += len(data)
        self.count.flow.append((">", len(data)))

    def delivered(self, data: bytes) -> None:
        self.count.round_trips += self.waiting
        self.waiting = False
        self.count.received += len(data)
        self.count.flow.append(("<", len(data)))


class Relay:
    """A TCP relay to 127.0.0.1:`port`; `drop_after` swallows the server's octets after so many, keeping the line."""

    def __init__(self, port: int, *, delay: float = 0.0, drop_after: int | None = None) -> None:
        self.count = Count()
        self._to = port
        self._delay = delay
        self._drop_after = drop_after
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._line(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _line(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count.connections += 1
        self.count.round_trips += 1
        side = _Side(self.count, waiting=True)
        try:
            upstream, downstream = await asyncio.open_connection(LOOPBACK, self._to)
        except OSError:
            self.count.refused += 1
            await _gone(writer)
            return
        up = _Pipe(reader, downstream, self._delay, taken=side.sent)
        down = _Pipe(upstream, writer, self._delay, given=side.delivered, drop_after=self._drop_after)
        try:
            await asyncio.gather(up.run(), down.run())
        finally:
            await _gone(writer)
            await _gone(downstream)


class _Pipe:
    """One direction."""

    def __init__(self, reader, writer, delay, *, taken=None, given=None, drop_after=None) -> None:  # type: ignore[no-untyped-def]
        self._reader, self._writer, self._delay = reader, writer, delay
        self._taken, self._given, self._left = taken, given, drop_after
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._more = asyncio.Event()

    async def run(self) -> None:
        with contextlib.suppress(OSError):
            await asyncio.gather(self._take(), self._give())

    async def _take(self) -> None:
        data = b"?"
        while data:
            try:
                data = await self._reader.read(65536)
            except OSError:
                data = b""
            if data and self._taken:
                self._taken(data)
            self._waiting.append((asyncio.get_running_loop().time() + self._delay, data))
            self._more.set()

    async def _give(self) -> None:
        while True:
            await self._more.wait()
            due, data = self._waiting.popleft()
            if not self._waiting:
                self._more.clear()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            if self._left is not None:
                data, whole = data[: self._left], data
                self._left -= len(data)
                if whole and not data:
                    continue
            if not data:
                if self._writer.can_write_eof():
                    self._writer.write_eof()
                return
            if self._given:
                self._given(data)
            self._writer.write(data)
            await self._writer.drain()


async def _gone(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


class UdpRelay:
    """A UDP relay to 127.0.0.1:`port`; a datagram counts as a query or an answer, a client's socket as a connection."""

    def __init__(self, port: int, *, delay: float = 0.0) -> None:
        self.count = Count()
        self._to = port
        self._delay = delay
        self._side = _Side(self.count, waiting=False)
        self._front = _udp()
        self._back: dict[tuple[str, int], socket.socket] = {}
        self.port = 0

    async def __aenter__(self) -> Self:
        self._front.bind((LOOPBACK, 0))
        self.port = self._front.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._front, self._asked)
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in (self._front, *self._back.values()):
            asyncio.get_running_loop().remove_reader(each)
            each.close()

    def _asked(self) -> None:
        data, client = self._front.recvfrom(65535)
        self._side.sent(data)
        loop = asyncio.get_running_loop()
        if client not in self._back:
            self.count.connections += 1
            self._back[client] = back = _udp()
            back.connect((LOOPBACK, self._to))
            loop.add_reader(back, self._answered, back, client)
        loop.call_later(self._delay, _sent, self._back[client], data)

    def _answered(self, back: socket.socket, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):  # refused: nobody answers
            data = back.recv(65535)
            asyncio.get_running_loop().call_later(self._delay, self._deliver, data, client)

    def _deliver(self, data: bytes, client: tuple[str, int]) -> None:
        if self._front.fileno() >= 0:
            self._side.delivered(data)
            self._front.sendto(data, client)


def _udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


def _sent(back: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # closed meanwhile, or refused
        back.send(data)
