"""What does a handshake show to anybody who listens? Up to TLS 1.2 it is in clear until the keys are agreed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# RFC 5246 section 6.2.1 and 7.4
_HANDSHAKE = 22
_SERVER_HELLO = 2
_SERVER_KEY_EXCHANGE = 12
# RFC 5746 section 3.2 and RFC 8446 section 4.2.1
_RENEGOTIATION_INFO = 0xFF01
_SUPPORTED_VERSIONS = 43


@dataclass(frozen=True, slots=True)
class Overheard:
    """What a server's side of a handshake gave away."""

    safe_renegotiation: bool | None = None
    """It knows RFC 5746, without which OpenSSL 3 refuses to go on; None: TLS 1.3, or no ServerHello came."""
    group: int = 0
    """The size in bits of a first number of ServerKeyExchange: with a DHE suite the prime of its group."""


def overhear(flight: bytes) -> Overheard:
    """Read what a server sent; what can't be read is left out."""
    found = Overheard()
    for kind, body in _messages(_handshake(flight)):
        if kind == _SERVER_HELLO:
            extensions = _extensions(body)
            modern = _SUPPORTED_VERSIONS in extensions
            found = Overheard(None if modern else _RENEGOTIATION_INFO in extensions)
        elif kind == _SERVER_KEY_EXCHANGE:
            return Overheard(found.safe_renegotiation, _bits(body))
    return found


def _handshake(flight: bytes) -> bytes:
    """The handshake's octets out of their records, up to the first record of another kind."""
    parts, at = [], 0
    while at + 5 <= len(flight) and flight[at] == _HANDSHAKE:
        size = int.from_bytes(flight[at + 3 : at + 5], "big")
        parts.append(flight[at + 5 : at + 5 + size])
        at += 5 + size
    return b"".join(parts)


def _messages(octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(octets):
        size = int.from_bytes(octets[at + 1 : at + 4], "big")
        yield octets[at], octets[at + 4 : at + 4 + size]
        at += 4 + size


def _extensions(hello: bytes) -> set[int]:
    """The types in a ServerHello: version and random (34), session, suite and compression (3), then extensions."""
    at = 35 + (hello[34] if len(hello) > 34 else 0) + 3 + 2
    found = set()
    while at + 4 <= len(hello):
        found.add(int.from_bytes(hello[at : at + 2], "big"))
        at += 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
    return found


def _bits(exchange: bytes) -> int:
    """RFC 5246 section 7.4.3: dh_p comes first, with two octets of length."""
    size = int.from_bytes(exchange[:2], "big")
    return int.from_bytes(exchange[2 : 2 + size], "big").bit_length() if len(exchange) >= 2 + size else 0
