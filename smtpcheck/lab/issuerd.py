"""Who hands out the missing intermediate? A bounded HTTP/1.1 server for caIssuers (RFC 5280 section 4.2.2.1)."""

from __future__ import annotations

import asyncio
from enum import StrEnum

from smtpcheck.lab.listeners import LOOPBACK, Listener
from smtpcheck.wire import ProtocolError

_MOST_HEAD = 8192
_ENDLESS_CHUNK = b"\0" * 65536
_ENDLESS_CHUNKS = 1024


class IssuerFault(StrEnum):
    """How the issuer's web server misbehaves."""

    MISSING = "missing"
    ENDLESS = "endless"
    """A body without end and without Content-Length; 64 MiB, then the connection is closed."""
    ELSEWHERE = "elsewhere"
    """A redirect to /elsewhere on the same port; whether it was followed shows in `paths`."""
    HANGS = "hangs"


class Issuer:
    """Serves `der` at /intermediate.der; `paths` are the paths asked for, in order."""

    def __init__(self, der: bytes = b"", *, fault: str = "") -> None:
        self.der = der
        self.fault = IssuerFault(fault) if fault else None
        self.paths: list[str] = []
        self._listener = Listener(self._serve, seconds=30.0)

    @property
    def url(self) -> str:
        """What belongs into caIssuers; known once started."""
        return f"http://{LOOPBACK}:{self._listener.port}/intermediate.der"

    async def start(self) -> None:
        """Listen on a free port."""
        await self._listener.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = await _asked(reader)
        self.paths.append(path)
        match self.fault:
            case IssuerFault.HANGS:
                await reader.read(1)
            case IssuerFault.ELSEWHERE if path != "/elsewhere":
                url = self.url.replace("/intermediate.der", "/elsewhere")
                writer.write(_answer("302 Found", b"", f"Location: {url}\r\n"))
            case IssuerFault.ENDLESS:
                await _endless(writer)
            case None if path == "/intermediate.der":
                writer.write(_answer("200 OK", self.der, "Content-Type: application/pkix-cert\r\n"))
            case _:
                writer.write(_answer("404 Not Found", b"not here\n", "Content-Type: text/plain\r\n"))
        await writer.drain()


async def _asked(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(head) > _MOST_HEAD or len(words) != 3:
        raise ProtocolError("not an HTTP request")
    return words[1].decode("latin-1")


def _answer(status: str, body: bytes, fields: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{fields}\r\n"
    return head.encode("ascii") + body


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/pkix-cert\r\n\r\n")
    for _ in range(_ENDLESS_CHUNKS):
        writer.write(_ENDLESS_CHUNK)
        await writer.drain()
