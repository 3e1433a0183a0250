"""Does anything in this process try to speak to another machine? Then it is stopped, and noted."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import sys
from collections.abc import Iterator

_escapes: list[str] = []
_armed = False


class Escape(Exception):
    """A packet that would have left this machine: Escape(where to)."""


def _is_local(host: object) -> bool:
    if host is None or host in ("", b"", "localhost", b"localhost"):
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_literal(host: object) -> bool:
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _watch(event: str, args: tuple[object, ...]) -> None:
    if not event.startswith("socket.") or not _escapes_by(event, args):
        return
    where = f"{event} {args[0] if event == 'socket.getaddrinfo' else args[1]}"
    _escapes.append(where)
    raise Escape(where)


def _escapes_by(event: str, args: tuple[object, ...]) -> bool:
    if event == "socket.getaddrinfo":  # a name that is not numeric is a packet to the system's resolver
        return not (_is_local(args[0]) or _is_literal(args[0]))
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        peer, address = args[0], args[1]
        internet = isinstance(peer, socket.SocketType) and peer.family in (socket.AF_INET, socket.AF_INET6)
        return internet and isinstance(address, tuple) and not _is_local(address[0])
    return False


@contextlib.contextmanager
def guarded() -> Iterator[list[str]]:
    """Collect attempts to leave this machine; each also raises Escape where it is made.

    An audit hook can't be taken back (PEP 578): it stays armed between tests, for fixtures.
    """
    global _armed
    if not _armed:
        sys.addaudithook(_watch)
        _armed = True
    _escapes.clear()
    yield _escapes
