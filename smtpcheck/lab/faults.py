"""Which faults can be injected by name? The rows of table/, read.

A row says which server misbehaves how; what it does not say is good.

  about    one line: what is wrong
  server   good | script | refused | dropped | none      (script when there is a script)
  mode     how the user expects TLS to start: starttls | implicit | plain
  speaks   how the port really does, when that is something else
  target   account ("me@DOMAIN") | mx ("mx:DOMAIN") | address ("127.0.0.1:PORT")
  spec     what the user types in place of that, where it is the fault or a host; {host} and {domain} are filled in
  domain, host   the names of the account's domain and of its server, as "qq.com" and "smtp.qq.com"; "" for names of the
           lab's own. ports: those of the host where it stands, first the usual one; its other usual ports are closed
  options  what else the user says to `check`: user, sender, recipients, auth ...; {account} is me@DOMAIN
  password the user's; "" for one at random
  cert     the kind of chain shown (pki.py); signer: who signs, as "CN=...,O=...", where the kind leaves it open
  cert_sni  the kind shown to those who ask for the host by its name; "" for the same
  roots    what --ca-file holds: house (the lab's own root) | other (a stranger's) | empty; compare: the same for
           --ca-compare, "" for none
  token    the password is a JSON web token that counts from the first to the second of these seconds, from now
  policy   the MTA-STS policy's text, served by HTTPS; policy_cert: its server's certificate; "" for none
  issuer   what serves the missing intermediate: served | missing | endless | elsewhere | hangs
  script   fields of script.Script; texts are exact, one character is one octet
  dns      how the resolver answers (dnsd.DnsFault), for: where = host | domain | everything
  resolver shared | own | udp-only | down
  address, address6, mx   records; "" for none
  network  ways to addresses and ports, "ADDRESS PORT WAY" each with * for any (network.Way); for checks in this process
  beside   records of a second resolver, which the user names after the first, "NAME TYPE DATA" each
  hosts    what this machine's hosts file says, "ADDRESS NAME" each; proxies: names of variables that name one
  letter   the message that the user hands in as a file, with LF for line ends; {account} is me@DOMAIN
  srv      false: no SRV record names the account's server
  records  further ones, "NAME TYPE DATA" each, in place of those above; {host} and {domain} are filled in, and
           {spki}, the SHA-256 of the leaf's key in hexadecimal
  signed   the resolver says that DNSSEC vouches for its answers
  send     a message is to be sent; folder: where it lands, "" for nowhere; imap: how the mailbox misbehaves (imapd);
           mailbox: its host
  ntp      how the time server misbehaves (ntpd.NtpFault); offset: what its time is ahead of ours, in seconds
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from smtpcheck.aliases import current
from smtpcheck.core import Mode
from smtpcheck.lab.dnsd import DnsFault
from smtpcheck.lab.issuerd import IssuerFault
from smtpcheck.lab.network import Route
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


class Store(StrEnum):
    """Which roots a file holds."""

    HOUSE = "house"
    OTHER = "other"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the table; the head of this file says what the fields mean."""

    name: str
    about: str
    server: Server = Server.GOOD
    mode: Mode = Mode.STARTTLS
    speaks: Mode | None = None
    target: str = "account"
    spec: str = ""
    cert: str = "good"
    signer: str = ""
    cert_sni: str = ""
    roots: str = "house"
    compare: str = ""
    token: tuple[float, ...] = ()
    policy: str = ""
    policy_cert: str = "good"
    signed: bool = False
    issuer: str = ""
    script: Script = field(default_factory=Script)
    dns: str = ""
    where: Where = Where.HOST
    resolver: Resolver = Resolver.SHARED
    domain: str = ""
    host: str = ""
    ports: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    password: str = ""
    address: str = "127.0.0.1"
    address6: str = ""
    mx: str = "10 {host}."
    srv: bool = True
    records: tuple[str, ...] = ()
    network: tuple[Route, ...] = ()
    beside: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    ntp: str = ""
    offset: float = 0.0
    send: bool = False
    """A message is to be sent, and looked for in the account's mailbox."""
    letter: str = ""
    folder: str = "INBOX"
    """Where it lands; empty: nowhere."""
    imap: str = ""
    """How the IMAP server misbehaves."""
    mailbox: str = "imap.{domain}"


_READ: Mapping[str, Any] = {
    "server": Server,
    "ports": tuple,
    "records": tuple,
    "network": lambda routes: tuple(map(Route.parse, routes)),
    "beside": tuple,
    "hosts": tuple,
    "proxies": tuple,
    "token": tuple,
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
    """The table as it stands in its files."""
    table: dict[str, Mapping[str, Any]] = {}
    for path in sorted(resources.files("smtpcheck.lab").joinpath("table").iterdir(), key=str):
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        if twice := table.keys() & read.keys():
            raise ValueError(f"{path.name}: {', '.join(sorted(twice))} stands in another file too")
        table |= read
    return table


def fault(name: str, **overrides: Any) -> Fault:
    """A row, with fields replaced. Raises KeyError (no such fault), TypeError (field), ValueError (word).

    A fault also comes by the name that it had before.
    """
    name = current(name)
    if name not in rows():
        raise KeyError(f"no fault {name!r}; known: {', '.join(rows())}")
    row = {"server": "good", **rows()[name], **overrides}
    if "script" in row and row["server"] == "good":
        row["server"] = "script"
    row["script"] = {"mode": row.get("speaks", row.get("mode", "starttls")), **row.get("script", {})}
    return Fault(name=name, **{key: _READ[key](value) if key in _READ else value for key, value in row.items()})
