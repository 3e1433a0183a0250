"""How do tests give a domain several mail exchangers? Practice servers behind a switchboard of loopback addresses."""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass, field
from typing import Any

import dns.name
import dns.rdatatype

from smtpcheck.core import Report, Result
from smtpcheck.lab import Lab, Practice
from smtpcheck.lab.dnsd import NameServer
from smtpcheck.lab.ledger import Ledger
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from tests.checking import SHORT

DOMAIN = "many.lab.test"


@dataclass(slots=True)
class Switchboard:
    """A dialer: each address leads to the practice server plugged in for it, or fails as it is told, else refused."""

    plugged: dict[str, int] = field(default_factory=dict)
    """Address to port on 127.0.0.1."""
    failing: dict[str, int] = field(default_factory=dict)
    """Address to errno."""
    dialled: list[tuple[str, int]] = field(default_factory=list)

    async def connect(self, address: str, port: int) -> socket.socket:
        self.dialled.append((address, port))
        if address not in self.plugged:
            number = self.failing.get(address, 111)
            raise OSError(number, os.strerror(number))
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.plugged[address]))
        except BaseException:
            sock.close()
            raise
        return sock


@dataclass(slots=True)
class Exchanges:
    """The domain many.lab.test with exchanges of one's own choice; none at the beginning."""

    lab: Lab
    first: Practice
    board: Switchboard = field(default_factory=Switchboard)
    servers: dict[str, Practice] = field(default_factory=dict)

    @property
    def resolver(self) -> NameServer:
        assert self.first.resolver is not None
        return self.first.resolver

    async def server(self, address: str, fault: str = "mx-healthy", **row: Any) -> str:
        """Start an exchange at that address; the name to put into MX."""
        practice = await self.lab.start(fault, target="mx", **row)
        assert practice.smtp is not None
        self.resolver.records.pop((dns.name.from_text(practice.host), dns.rdatatype.A), None)
        self.named(practice.host, address)
        self.board.plugged[address] = practice.smtp.port
        self.servers[practice.host] = practice
        return practice.host

    def named(self, host: str, address: str) -> str:
        """Give a host an address; the host again."""
        self.resolver.add(host, "AAAA" if ":" in address else "A", address)
        return host

    def mx(self, *records: str) -> None:
        """What MX says, as "10 host"."""
        self.resolver.add(DOMAIN, "MX", *(record + "." * (not record.endswith(".")) for record in records))

    async def check(self, *, mail_secret: Secret | None = None, **options: Any) -> Report:
        """The report about mx:many.lab.test."""
        given = {name: self.first.options[name] for name in ("dns", "ntp", "ca_file")} | options
        target = parse_target(f"mx:{DOMAIN}", **given)
        return await run(target, limits=SHORT, dialer=self.board, mail_secret=mail_secret)

    def ledger(self, host: str) -> Ledger:
        server = self.servers[host].smtp
        assert server is not None
        return server.ledger


async def exchanges(lab: Lab) -> Exchanges:
    return Exchanges(lab, await lab.start("mx-healthy"))


def of(report: Report, probe: str) -> list[Result[Any]]:
    """The results of one probe."""
    return [result for result in report.results if result.probe == probe]


def named(report: Report, *severities: str) -> set[str]:
    """The codes of its findings, of these severities; those of a lab that lives on loopback left out."""
    found = {f.code for f in report.findings if not severities or f.severity in severities}
    return found - {"mx-target-private"}
