"""Does the guard stop and note what would leave this machine, and nothing else?"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from tests.servers.loopback import Escape, guarded

# TEST-NET-1 and the documentation prefix: RFC 5737 section 3, RFC 3849 section 2; 53 as resolvers are reached by UDP
OUTSIDE = ("192.0.2.1", 53)
OUTSIDE_6 = ("2001:db8::1", 53)


def dial(family: socket.AddressFamily, kind: socket.SocketKind, address: tuple[str, int]) -> None:
    with socket.socket(family, kind) as sock:
        if kind is socket.SOCK_DGRAM:
            sock.sendto(b"", address)
        else:
            sock.connect(address)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, OUTSIDE), (socket.AF_INET6, OUTSIDE_6)])
def test_another_machine_is_stopped_and_noted(
    family: socket.AddressFamily, kind: socket.SocketKind, address: tuple[str, int]
) -> None:
    with guarded() as escapes:
        with pytest.raises(Escape):
            dial(family, kind, address)
        assert len(escapes) == 1 and address[0] in escapes[0]
        escapes.clear()


async def test_noted_even_where_the_error_is_swallowed() -> None:
    with guarded() as escapes:
        with contextlib.suppress(Escape):
            await asyncio.open_connection(*OUTSIDE)
        with contextlib.suppress(Escape):
            socket.getaddrinfo("www.example.com", 25)
        assert len(escapes) == 2
        escapes.clear()


async def test_this_machine_is_not(tmp_path: Path) -> None:
    with guarded() as escapes:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        local = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "s")
        async with server, local:
            for opening in (
                asyncio.open_connection("localhost", server.sockets[0].getsockname()[1]),
                asyncio.open_unix_connection(tmp_path / "s"),
            ):
                reader, writer = await opening
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
        socket.getaddrinfo("::1", 25)
        dial(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 9))
        assert not escapes
