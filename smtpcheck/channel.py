"""How is a connection read and written once TLS lies over it? A stream with an engine on top, or without."""

from __future__ import annotations

import asyncio

from smtpcheck.core import Kind, Stage
from smtpcheck.failures import Broken
from smtpcheck.net import CHUNK, Stream
from smtpcheck.wire import tls


class Channel:
    """A connected stream that may be upgraded to TLS; what arrives too early is kept apart from it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._engine: tls.Engine | None = None
        self._early = b""

    async def upgrade(self, name: str, limit: float) -> tls.TlsSession:
        """Complete a handshake, unverified. Raises Broken at stage tls, OSError."""
        engine = tls.Engine(name)
        try:
            async with asyncio.timeout(limit):
                await self._shake_hands(engine)
            self._early = engine.decrypt(b"")
        except TimeoutError as error:
            raise Broken(Stage.TLS, Kind.TIMEOUT, f"no answer in {limit:g} s") from error
        except tls.TlsError as error:
            raise Broken(Stage.TLS, error.kind, error.detail, error.raw) from error
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
        """Some bytes of the application; empty at the end. Raises tls.TlsError, OSError."""
        if self._early:
            early, self._early = self._early, b""
            return early
        while data := await self._stream.read():
            if self._engine is None:
                return data
            plain = self._engine.decrypt(data)
            if plain or self._engine.closed:
                return plain
        return b""

    async def write(self, data: bytes) -> None:
        """All of `data`, in pieces. Raises OSError."""
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
