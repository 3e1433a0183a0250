"""How does a practice service listen on loopback, bounded, and stop without leaving anything behind?"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine
from typing import Any

from smtpcheck.wire import ProtocolError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
Answer = Callable[[bytes], bytes | tuple[bytes, ...] | None]

LOOPBACK = "127.0.0.1"

# what a client may do to us, none of which is our mistake; SSLError is an OSError
GONE = (TimeoutError, OSError, EOFError, ProtocolError, ssl.SSLError)


class Listener:
    """A TCP service on a free loopback port; each connection is one task, which `stop` ends."""

    def __init__(self, serve: Serve, *, seconds: float = 120.0, most: int = 500) -> None:
        self._serve = serve
        self._seconds = seconds
        self._most = most
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Listen; raises OSError when a stated port is taken."""
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, port, limit=1 << 16)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End the listener and every connection."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= self._most:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(*GONE):
                async with asyncio.timeout(self._seconds):
                    await self._serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            await closed(writer)


async def closed(writer: asyncio.StreamWriter, seconds: float = 2.0) -> None:
    """Close in good order; a peer that does not read is cut off after `seconds`."""
    writer.close()
    with contextlib.suppress(*GONE):
        async with asyncio.timeout(seconds):
            await writer.wait_closed()
            return
    writer.transport.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST instead of FIN (SO_LINGER of zero seconds)."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Datagrams(asyncio.DatagramProtocol):
    """A UDP service on a loopback port: each datagram has none, one or several answers."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._raw: socket.socket | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._lost: asyncio.Future[None] | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        """Bind; raises OSError when a stated port is taken or not ours to bind."""
        loop = asyncio.get_running_loop()
        self._lost = loop.create_future()
        self._raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._raw.setblocking(False)
        self._raw.bind((LOOPBACK, port))
        self.port = self._raw.getsockname()[1]
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=self._raw)

    async def stop(self) -> None:
        """Unbind."""
        if self._transport is None or self._lost is None:
            return
        self._transport.close()
        await self._lost
        self._transport = None

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer, or not."""
        said = self._answer(data)
        for answer in (said,) if isinstance(said, bytes) else said or ():
            if self._raw is None:
                return
            # past the transport, which sends no empty datagram; a full socket buffer loses the answer, as UDP may
            with contextlib.suppress(OSError):
                self._raw.sendto(answer, addr)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let `stop` go on."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)


class Closed:
    """A port on which nothing answers: TCP is refused and UDP unreachable, and nobody else can take it meanwhile."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.port = 0

    async def start(self) -> None:
        """Reserve the port."""
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sockets = [tcp, udp]
        tcp.bind((LOOPBACK, 0))
        self.port = tcp.getsockname()[1]
        with contextlib.suppress(OSError):
            udp.bind((LOOPBACK, self.port))
            # connected to itself: datagrams from anybody else find no socket and are told so by ICMP
            udp.connect((LOOPBACK, self.port))

    async def stop(self) -> None:
        """Give the port back."""
        for each in self._sockets:
            each.close()
        self._sockets = []


class Dropping:
    """A listener that drops every SYN: its backlog is full and nobody accepts. A connect hangs as behind a firewall."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.port = 0

    async def start(self) -> None:
        """Fill the backlog; raises OSError when this system does not drop."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sockets = [listener]
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        self.port = listener.getsockname()[1]
        for _ in range(8):
            if self._hangs():
                return
        await self.stop()
        raise OSError("a full backlog does not drop connections here")

    def _hangs(self) -> bool:
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._sockets.append(filler)
        filler.setblocking(False)
        filler.connect_ex((LOOPBACK, self.port))
        # on loopback a handshake is over before connect returns; 50 ms is for a busy machine
        return not select.select([], [filler], [], 0.05)[1]

    async def stop(self) -> None:
        """Close all."""
        for each in self._sockets:
            each.close()
        self._sockets = []
