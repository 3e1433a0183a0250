"""Where does a packet go? Addresses and servers as text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address


def is_address(text: str) -> bool:
    """An IPv4 or IPv6 literal, without brackets."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


_SERVER = re.compile(r"(?:\[([^\[\]]*:[^\[\]]*)\]|([^\s:@/\[\]]{1,255}))(?::([0-9]{1,5}))?")


def parse_server(text: str, port: int) -> tuple[str, int]:
    """HOST, HOST:PORT, [V6]:PORT or a bare IPv6 literal as host and port. Raises ValueError."""
    if is_address(text):
        return text, port
    parts = _SERVER.fullmatch(text)
    if not parts or (parts[1] and not is_address(parts[1])) or not 0 < int(parts[3] or port) < 65536:
        raise ValueError(f"not a server: {text[:80]!r}")
    return parts[1] or parts[2], int(parts[3] or port)


@dataclass(frozen=True, slots=True)
class Detour:
    """`--connect-to HOST:PORT:ADDR:PORT`: dial elsewhere, keep the name. An empty host or a port 0 matches all."""

    host: str
    port: int
    address: str
    to_port: int

    def applies(self, host: str, port: int) -> bool:
        """This detour is for that host and port."""
        return self.host in ("", host) and self.port in (0, port)


def literal(name: str) -> str:
    """The address where the name is an IP literal, else empty."""
    try:
        return str(ip_address(name))
    except ValueError:
        return ""
