"""What time is it, says a server that may be wrong? SNTP over UDP (RFC 5905, RFC 4330) with faults by name."""

from __future__ import annotations

import struct
import time
from enum import StrEnum

from smtpcheck.lab.listeners import Datagrams

# seconds from 1900 to 1970: RFC 5905 section 6
_EPOCH = 2_208_988_800
_FORMAT = struct.Struct("!BBbbII4sQQQQ")
_ORIGIN = slice(40, 48)


class NtpFault(StrEnum):
    """How a time server misbehaves."""

    SILENT = "silent"
    KISS = "kiss"
    """Kiss-o'-death RATE: RFC 5905 section 7.4."""
    UNSYNCHRONISED = "unsynchronised"
    FORGED = "forged"
    """The origin timestamp is not the one we sent: an answer to somebody else's question."""
    ZERO_ORIGIN = "zero-origin"
    GARBAGE = "garbage"
    SHORT = "short"
    DISPERSION = "dispersion"
    """A root dispersion of 20 s: the server itself does not know."""
    WRONG_MODE = "wrong-mode"


class TimeServer:
    """Tells this machine's time plus `offset` seconds; counts requests."""

    def __init__(self, *, offset: float = 0.0, fault: str = "") -> None:
        self.offset = offset
        self.fault = NtpFault(fault) if fault else None
        self.requests = 0
        self._socket = Datagrams(self._answer)

    @property
    def port(self) -> int:
        """The UDP port."""
        return self._socket.port

    async def start(self, port: int = 0) -> None:
        """Bind a free port, or the stated one, which may be 123 for clients that know no other; then OSError."""
        await self._socket.start(port)

    async def stop(self) -> None:
        """Unbind."""
        await self._socket.stop()

    def _answer(self, request: bytes) -> bytes | None:
        self.requests += 1
        if len(request) < _FORMAT.size or self.fault is NtpFault.SILENT:
            return None
        match self.fault:
            case NtpFault.GARBAGE:
                return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n\xff\xfe"
            case NtpFault.SHORT:
                return _reply(request, self.offset)[:20]
            case NtpFault.KISS:
                return _reply(request, self.offset, leap=3, stratum=0, reference=b"RATE")
            case NtpFault.UNSYNCHRONISED:
                return _reply(request, self.offset, leap=3, stratum=16, reference=b"INIT")
            case NtpFault.FORGED:
                return _reply(request, self.offset, origin=_stamp(time.time() - 86_400))
            case NtpFault.ZERO_ORIGIN:
                return _reply(request, self.offset, origin=0)
            case NtpFault.DISPERSION:
                return _reply(request, self.offset, dispersion=20.0)
            case NtpFault.WRONG_MODE:
                return _reply(request, self.offset, mode=3)
        return _reply(request, self.offset)


def _reply(
    request: bytes,
    offset: float,
    *,
    leap: int = 0,
    mode: int = 4,
    stratum: int = 2,
    reference: bytes = b"\x7f\x00\x00\x01",
    dispersion: float = 0.002,
    origin: int | None = None,
) -> bytes:
    now = time.time() + offset
    version = (request[0] >> 3) & 7
    return _FORMAT.pack(
        leap << 6 | version << 3 | mode,
        stratum,
        6,
        -20,
        round(0.001 * 65536),
        round(dispersion * 65536),
        reference,
        _stamp(now - 30),
        int.from_bytes(request[_ORIGIN], "big") if origin is None else origin,
        _stamp(now),
        _stamp(now),
    )


def _stamp(seconds: float) -> int:
    """A 64-bit NTP timestamp of Unix time, modulo the era (RFC 5905 section 6)."""
    return round((seconds + _EPOCH) * (1 << 32)) & ((1 << 64) - 1)
