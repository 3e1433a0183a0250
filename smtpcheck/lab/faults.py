"""Which faults can be injected by name? The table faults.toml, read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from smtpcheck.core import Mode
from smtpcheck.lab.dnsd import DnsFault
from smtpcheck.lab.issuerd import IssuerFault
from smtpcheck.lab.ntpd import NtpFault
from smtpcheck.lab.script import Script, script


class Server(StrEnum):
    """What is behind the port."""

    GOOD = "good"
    SCRIPT = "script"
    REFUSED = "refused"
    DROPPED = "dropped"
    NONE = "none"


class Where(StrEnum):
    """For which names the resolver misbehaves."""

    HOST = "host"
    DOMAIN = "domain"
    EVERYTHING = "everything"


class Resolver(StrEnum):
    """Which resolver is asked."""

    SHARED = "shared"
    OWN = "own"
    UDP_ONLY = "udp-only"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the table; the head of faults.toml says what the fields mean."""

    name: str
    about: str
    server: Server = Server.GOOD
    mode: Mode = Mode.STARTTLS
    speaks: Mode | None = None
    target: str = "account"
    cert: str = "good"
    issuer: str = ""
    script: Script = field(default_factory=Script)
    dns: str = ""
    where: Where = Where.HOST
    resolver: Resolver = Resolver.SHARED
    address: str = "127.0.0.1"
    address6: str = ""
    mx: str = "10 {host}."
    ntp: str = ""
    offset: float = 0.0
    send: bool = False
    """A message is to be sent, and looked for in the account's mailbox."""
    folder: str = "INBOX"
    """Where it lands; empty: nowhere."""
    imap: str = ""
    """How the IMAP server misbehaves."""


_READ: Mapping[str, Any] = {
    "server": Server,
    "mode": Mode,
    "speaks": Mode,
    "issuer": lambda word: word if word == "served" else IssuerFault(word),
    "script": script,
    "dns": DnsFault,
    "where": Where,
    "resolver": Resolver,
    "ntp": NtpFault,
    "offset": float,
}


@cache
def rows() -> Mapping[str, Mapping[str, Any]]:
    """The table as it stands in faults.toml."""
    text = resources.files("smtpcheck.lab").joinpath("faults.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def fault(name: str, **overrides: Any) -> Fault:
    """A row, with fields replaced. Raises KeyError (no such fault), TypeError (field), ValueError (word)."""
    if name not in rows():
        raise KeyError(f"no fault {name!r}; known: {', '.join(rows())}")
    row = {"server": "good", **rows()[name], **overrides}
    if "script" in row and row["server"] == "good":
        row["server"] = "script"
    row["script"] = {"mode": row.get("speaks", row.get("mode", "starttls")), **row.get("script", {})}
    return Fault(name=name, **{key: _READ[key](value) if key in _READ else value for key, value in row.items()})
