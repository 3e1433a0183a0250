"""How does the network between behave? A dialer whose addresses and ports lead to servers, or nowhere, as a table says.

Only for checks within this process; loopback addresses are dialled as they are.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from smtpcheck.lab.listeners import LOOPBACK


class Way(StrEnum):
    """What becomes of a connection."""

    SERVER = "server"
    """It leads to the fault's own server."""
    ELSEWHERE = "elsewhere"
    """It leads to another server, which is in order."""
    SILENT = "silent"
    """It leads to a server that accepts and says nothing."""
    REFUSED = "refused"
    DROPPED = "dropped"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    NO_ROUTE = "no-route"
    FORBIDDEN = "forbidden"
    """By a rule of this machine."""


_ERRORS = {
    Way.REFUSED: errno.ECONNREFUSED,
    Way.RESET: errno.ECONNRESET,
    Way.UNREACHABLE: errno.EHOSTUNREACH,
    Way.NO_ROUTE: errno.ENETUNREACH,
    Way.FORBIDDEN: errno.EPERM,
}


@dataclass(frozen=True, slots=True)
class Route:
    """For an address and a port, `*` for any, the way."""

    address: str
    port: str
    way: Way

    @classmethod
    def parse(cls, text: str) -> Route:
        """From "ADDRESS PORT WAY". Raises ValueError."""
        address, port, way = text.split()
        return cls(address, port, Way(way))

    def applies(self, address: str, port: int) -> bool:
        """This is the way to there."""
        return self.address in ("*", address) and self.port in ("*", str(port))


class Network:
    """The first route that applies counts; where none does, the connection is refused."""

    def __init__(self, routes: Sequence[Route], servers: Mapping[Way, int]) -> None:
        """`servers` are the ports on loopback behind the ways that lead somewhere."""
        self._routes = tuple(routes)
        self._servers = servers
        self.dialled: list[tuple[str, int]] = []

    async def connect(self, address: str, port: int) -> socket.socket:
        """A connected, non-blocking TCP socket. Raises OSError; does not return where packets are dropped."""
        if ip_address(address).is_loopback:
            return await _connected(address, port)
        self.dialled.append((address, port))
        way = next((route.way for route in self._routes if route.applies(address, port)), Way.REFUSED)
        if way is Way.DROPPED:
            await asyncio.Event().wait()
        if way in _ERRORS:
            raise OSError(_ERRORS[way], os.strerror(_ERRORS[way]))
        return await _connected(LOOPBACK, self._servers[way])


async def _connected(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock
