"""Who hands out an MTA-STS policy? A bounded web server over TLS (RFC 8461 section 3.3)."""

from __future__ import annotations

import asyncio
import ssl

from smtpcheck.lab.channel import Channel
from smtpcheck.lab.listeners import Listener

_MOST_LINES = 50
_PATH = b"/.well-known/mta-sts.txt"


class PolicyServer:
    """Serves `text` where a policy belongs, 404 elsewhere and for an empty one; `paths` are those asked for."""

    def __init__(self, text: str, context: ssl.SSLContext) -> None:
        self.text = text
        self.paths: list[str] = []
        self._context = context
        self._listener = Listener(self._serve, seconds=30.0)

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._listener.port

    async def start(self) -> None:
        """Listen on a free port."""
        await self._listener.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        await channel.handshake(self._context)
        path = (await channel.line()).split(b" ")[1:2]
        for _ in range(_MOST_LINES):
            if (await channel.line()).strip() == b"":
                break
        self.paths += [each.decode("latin-1") for each in path]
        found = self.text.encode() if path == [_PATH] else b""
        status = b"200 OK" if found else b"404 Not Found"
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nContent-Type: text/plain\r\n\r\n" % (status, len(found))
        await channel.say(head + found)
        await channel.shut()
