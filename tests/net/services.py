"""How do tests of the net start what they talk to? A small zone, servers that stop by themselves, an odd dialer."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from smtpcheck.lab.dnsd import NameServer
from smtpcheck.lab.listeners import LOOPBACK, Datagrams
from smtpcheck.net.dns import Resolver
from smtpcheck.net.door import Door

HOST = "smtp.a.lab.test"
QUICK = 0.15


@asynccontextmanager
async def running(*services: Any) -> AsyncIterator[None]:
    try:
        for service in services:
            await service.start()
        yield
    finally:
        for service in services:
            await service.stop()


def zone(server: NameServer) -> NameServer:
    """The server with the records of a small domain."""
    server.add(HOST, "A", "127.0.0.1", "127.0.0.2")
    server.add("site.lab.test", "A", "127.0.0.1")
    server.add("alias.lab.test", "CNAME", f"{HOST}.")
    server.add("loop.lab.test", "CNAME", "loop.lab.test.")
    server.add("a.lab.test", "MX", "20 b.lab.test.", f"10 {HOST}.")
    return server


def asking(*servers: Any, door: Door | None = None, **options: Any) -> Resolver:
    """A resolver that asks these servers on loopback."""
    return Resolver(door or Door(), [(LOOPBACK, each.port) for each in servers], timeout=QUICK, **options)


class Recording:
    """A dialer that opens nothing: it notes who was to be called and answers with an error."""

    def __init__(self, number: int = errno.ECONNREFUSED) -> None:
        self.called: list[tuple[str, int]] = []
        self._number = number

    async def connect(self, address: str, port: int) -> socket.socket:
        self.called.append((address, port))
        raise OSError(self._number, os.strerror(self._number))


class Forger(Datagrams):
    """Answers one datagram with several."""

    def __init__(self, answers: Callable[[bytes], Sequence[bytes]]) -> None:
        super().__init__(lambda _: None)
        self._answers = answers
        self.queries: list[bytes] = []

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.queries.append(data)
        assert self._raw is not None
        for answer in self._answers(data):
            self._raw.sendto(answer, addr)
