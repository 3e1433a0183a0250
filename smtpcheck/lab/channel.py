"""How does a practice server choose every octet on the wire? One connection, with TLS over a memory BIO."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

from smtpcheck.lab.listeners import reset
from smtpcheck.lab.oldtls import OldContext, OldTls
from smtpcheck.wire import ProtocolError

# RFC 5321 section 4.5.3.1.6 allows 1000 octets, RFC 4954 section 4 12288 for AUTH; past this a peer is hostile
MOST_LINE = 16_384
_CHUNK = 65_536
_MOST_ROUNDS = 20


class Channel:
    """Octets in and out of one accepted connection, encrypted or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._tls: ssl.SSLObject | OldTls | None = None
        self._inward = ssl.MemoryBIO()
        self._outward = ssl.MemoryBIO()

    @property
    def encrypted(self) -> bool:
        """Whether the handshake is over."""
        return self._tls is not None

    @property
    def version(self) -> str:
        """The TLS version as OpenSSL names it; empty before TLS."""
        return (self._tls.version() or "") if self._tls else ""

    @property
    def segment(self) -> int:
        """The largest segment that the peer asked for."""
        raw = self._writer.get_extra_info("socket")
        return int(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))

    async def line(self) -> bytes:
        """The next line with its end; empty at the end. Raises ProtocolError past `MOST_LINE`."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > MOST_LINE:
                raise ProtocolError("line too long")
            more = await self._more()
            if not more:
                return b""
            self._buffer += more
        end = self._buffer.index(b"\n") + 1
        line = bytes(self._buffer[:end])
        del self._buffer[:end]
        return line

    async def say(self, data: bytes) -> None:
        """Send; raises OSError when the peer is gone."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._outward.read()
        self._writer.write(data)
        await self._writer.drain()

    async def shut(self) -> None:
        """Say close_notify, where there is TLS (RFC 8446 section 6.1)."""
        if self._tls is None:
            return
        with contextlib.suppress(ssl.SSLError):  # the peer's close_notify is not awaited
            self._tls.unwrap()
        self._writer.write(self._outward.read())

    async def drain_forever(self) -> None:
        """Read and say nothing, until the peer goes."""
        while await self._reader.read(_CHUNK):
            pass

    async def raw_hello(self) -> bytes:
        """Whatever comes first of a handshake; raises EOFError when nothing does."""
        first = bytes(self._buffer) or await self._reader.read(_CHUNK)
        self._buffer.clear()
        if not first:
            raise EOFError("gone before the handshake")
        return first

    async def say_raw(self, data: bytes) -> None:
        """Send past TLS."""
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """End with RST."""
        reset(self._writer)

    async def handshake(self, context: ssl.SSLContext | OldContext) -> None:
        """Be the server of a TLS handshake; what is left in the buffer is taken as its start. Raises ssl.SSLError."""
        tls = context.wrap_bio(self._inward, self._outward, server_side=True)
        self._inward.write(await self.raw_hello())
        for _ in range(_MOST_ROUNDS):
            done = await self._shaken(tls)
            if done:
                self._tls = tls
                return
            data = await self._reader.read(_CHUNK)
            if not data:
                raise EOFError("gone in the handshake")
            self._inward.write(data)
        raise ProtocolError("a handshake without end")

    async def half_flight(self, context: ssl.SSLContext) -> None:
        """Answer a ClientHello with the first half of our flight."""
        tls = context.wrap_bio(self._inward, self._outward, server_side=True)
        self._inward.write(await self.raw_hello())
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            flight = self._outward.read()
            await self.say_raw(flight[: len(flight) // 2])

    async def _shaken(self, tls: ssl.SSLObject | OldTls) -> bool:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            # an alert, too, goes out
            if flight := self._outward.read():
                await self.say_raw(flight)
        return True

    async def _more(self) -> bytes:
        """Decrypted or plain octets; empty at the end."""
        if self._tls is None:
            return await self._reader.read(_CHUNK)
        while True:
            try:
                return self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                data = await self._reader.read(_CHUNK)
            except ssl.SSLZeroReturnError:
                return b""
            if not data:
                return b""
            self._inward.write(data)
