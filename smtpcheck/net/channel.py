"""How is a connection read and written once TLS lies over it? A stream with an engine on top, or without."""

from __future__ import annotations

import asyncio

from smtpcheck.core import Kind, because
from smtpcheck.net.door import CHUNK, Stream
from smtpcheck.wire import ProtocolError, tls

# Reads in a row that bring records and no text: two session tickets are usual, a flood of them is not.
MAX_WORDLESS = 64


class Channel:
    """A connected stream that may be upgraded to TLS; what arrives too early is kept apart from it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._engine: tls.Engine | None = None
        self.early = b""
        """Text that came together with the end of the handshake."""

    async def upgrade(self, name: str, limit: float, hello: tls.Hello | None = None) -> tls.TlsSession:
        """Complete a handshake, unverified. Raises TlsError (TIMEOUT when the limit runs out), OSError."""
        engine = tls.Engine(name, hello)
        try:
            async with asyncio.timeout(limit):
                await self._shake_hands(engine)
        except TimeoutError as error:
            raise tls.TlsError(Kind.TIMEOUT, because("no-answer", waited=limit)) from error
        self.early = engine.decrypt(b"")
        self._engine = engine
        return engine.session

    async def _shake_hands(self, engine: tls.Engine) -> None:
        await self._stream.write(engine.handshake())
        while not engine.done:
            data = await self._stream.read()
            if not data:
                raise engine.handshake_eof()
            answer = engine.handshake(data)
            if answer:
                await self._stream.write(answer)

    async def read(self) -> bytes:
        """Some text; empty at the end. Raises TlsError, OSError, and ProtocolError for records without end or text."""
        if self.early:
            early, self.early = self.early, b""
            return early
        for _ in range(MAX_WORDLESS):
            data = await self._stream.read()
            if self._engine is None or not data:
                return data
            plain = self._engine.decrypt(data)
            if plain or self._engine.closed:
                return plain
        raise ProtocolError("TLS records without end and without a word", because("tls-wordless"))

    async def write(self, data: bytes) -> None:
        """All of `data`, in pieces. Raises TlsError, OSError."""
        for start in range(0, len(data), CHUNK):
            piece = data[start : start + CHUNK]
            await self._stream.write(self._engine.encrypt(piece) if self._engine else piece)

    @property
    def literal(self) -> str:
        """Our own address as a domain literal (RFC 5321 section 4.1.3)."""
        return self._stream.literal

    def close(self) -> None:
        """Close now."""
        self._stream.close()
