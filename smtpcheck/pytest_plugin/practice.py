"""Does my own mail code do the right thing when the server does not? A practice server, lent to one test."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from smtpcheck.aliases import current
from smtpcheck.core import Mode
from smtpcheck.lab import Background, Practice, background
from smtpcheck.lab.faults import Fault, Resolver, Server, fault
from smtpcheck.lab.ledger import Message

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PracticeServer:
    """A server with one fault, or none, and what it was told; dial `host` and `port`, trust `ca_file`."""

    port: int
    user: str
    password: str = field(repr=False)
    ca_file: str
    implicit_tls: bool
    """TLS from the first octet (smtplib.SMTP_SSL); else STARTTLS."""
    fault: str
    target: str
    """What `smtp_check` takes, with `options`: it is found by the lab's own resolver."""
    options: dict[str, Any] = field(repr=False)
    _practice: Practice = field(repr=False)
    _range: Background = field(repr=False)
    host: str = HOST

    @property
    def messages(self) -> tuple[Message, ...]:
        """The mail that was accepted: sender, recipients, content as octets, `email` parsed."""
        return tuple(self._practice.smtp.ledger.messages) if self._practice.smtp else ()

    @property
    def logins(self) -> int:
        """How many logins were begun."""
        return self._practice.smtp.ledger.auths if self._practice.smtp else 0

    @property
    def connections(self) -> int:
        """How many connections were made."""
        return self._practice.smtp.ledger.connections if self._practice.smtp else 0

    def start(self, name: str = "healthy", /, **row: Any) -> PracticeServer:
        """One server more, with another fault."""
        return _started(self._range, name, row)


@contextlib.contextmanager
def practice_range() -> Iterator[Background]:
    """The range of a session; its certificates are right for the address that tests dial."""
    with background(also=(HOST,)) as running:
        yield running


def lent(running: Background, item: pytest.Item) -> PracticeServer:
    """The server that the test's marker names."""
    marker = item.get_closest_marker("smtp_fault")
    if marker is None:
        return _started(running, "healthy", {})
    if len(marker.args) != 1:
        pytest.fail("smtp_fault takes the name of one fault; `smtpcheck lab --list` tells them", pytrace=False)
    return _started(running, marker.args[0], dict(marker.kwargs))


def _started(running: Background, name: str, row: dict[str, Any]) -> PracticeServer:
    name = current(name)
    if name not in running.faults:
        near = difflib.get_close_matches(name, running.faults, n=3, cutoff=0.4)
        said = f"; near: {', '.join(near)}" if near else ""
        pytest.fail(f"no fault {name!r}{said}; `smtpcheck lab --list` tells them", pytrace=False)
    wanted = _wanted(name, row)
    if not _met_by_address(wanted):
        pytest.fail(
            f"a program that dials {HOST} does not meet {name!r}, a fault of names or of the clock", pytrace=False
        )
    practice = running.start(name, **row)
    return PracticeServer(
        port=practice.port,
        user=practice.target.removeprefix("mx:"),
        password=practice.password,
        ca_file=practice.options["ca_file"],
        implicit_tls=wanted.mode is Mode.IMPLICIT,
        fault=name,
        target=practice.target,
        options=practice.options,
        _practice=practice,
        _range=running,
    )


def _wanted(name: str, row: dict[str, Any]) -> Fault:
    try:
        return fault(name, **row)
    except (TypeError, ValueError) as error:
        said = str(error)
    pytest.fail(f"smtp_fault({name!r}): {said}", pytrace=False)


def _met_by_address(wanted: Fault) -> bool:
    names = wanted.dns or wanted.resolver is not Resolver.SHARED or not wanted.address
    clock = wanted.ntp or wanted.offset
    return wanted.server is not Server.NONE and not names and not clock
