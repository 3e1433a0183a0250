"""What does this host's own configuration say? Resolvers, hosts file, time server and roots, read and never written."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smtpcheck.wire.address import is_address, parse_server

# Bytes of one configuration file; lists that block advertisers by the hosts file have this size.
MAX_CONFIG = 1_000_000


_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "socks_proxy")


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine's own settings say that programs go by."""

    hosts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The hosts file: name -> addresses."""
    proxies: tuple[str, ...] = ()
    """Names of the variables that name a proxy; never their values, which may hold a login."""


def machine(environ: Mapping[str, str] = os.environ) -> Machine:
    """This machine."""
    return Machine(system_hosts(), tuple(name for name in environ if name.lower() in _PROXIES and environ[name]))


def system_resolvers(path: Path = Path("/etc/resolv.conf")) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Resolvers and search domains of resolv.conf(5)."""
    servers: list[tuple[str, int]] = []
    search: list[str] = []
    for word, *rest in _words(path):
        if word == "nameserver" and rest and is_address(rest[0]):
            servers.append((rest[0], 53))
        elif word in ("search", "domain"):
            search = rest
    return tuple(servers), tuple(search)


def system_hosts(path: Path = Path("/etc/hosts")) -> dict[str, list[str]]:
    """name -> addresses of hosts(5)."""
    found: dict[str, list[str]] = {}
    for address, *names in _words(path):
        if is_address(address):
            for name in names:
                found.setdefault(name.lower().rstrip("."), []).append(address)
    return found


_NTP_FILES = (
    "/etc/chrony/chrony.conf",
    "/etc/chrony.conf",
    "/etc/ntpsec/ntp.conf",
    "/etc/ntp.conf",
    "/etc/systemd/timesyncd.conf",
)


def system_ntp(root: Path = Path("/")) -> str:
    """The first NTP server that this host's own configuration names; empty when none does."""
    for file in _NTP_FILES:
        for words in _words(root / file.lstrip("/")):
            server = _ntp_server(words)
            if server:
                return server
    return ""


def _ntp_server(words: list[str]) -> str:
    """The server that one line names, empty for none and for what can't be one."""
    line = " ".join(words)
    if line.startswith(("NTP=", "NTP =")):
        named = line.partition("=")[2].split()
    elif words[0] in ("server", "pool", "peer"):
        named = [word for word in words[1:] if not word.startswith("-")]  # ntp.conf(5): server -4 host
    else:
        return ""
    try:
        server = named[0] if named and parse_server(named[0], 123) else ""
    except ValueError:
        return ""
    # ntp.conf(5): such addresses are not spoken to, they name drivers of local clocks
    return "" if server.startswith("127.127.") else server


def _words(path: Path) -> Iterator[list[str]]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CONFIG + 1)
    except OSError:
        return
    if len(content) > MAX_CONFIG:
        content = content.rpartition(b"\n")[0]  # half a line would name another host
    for line in content.decode("utf-8", "replace").split("\n"):
        words = line.partition("#")[0].split()
        if words:
            yield words


def root_stores() -> Iterator[Path]:
    """Where a bundle of trusted roots may be, the system's OpenSSL's first."""
    paths = ssl.get_default_verify_paths()
    for name in (paths.cafile, paths.openssl_cafile):
        if name:
            yield Path(name)
    yield Path("/etc/ssl/certs/ca-certificates.crt")
    yield Path("/etc/pki/tls/certs/ca-bundle.crt")
