"""What does a mail client see of a server that speaks strangely? AssertionError where the symptom is absent."""

from __future__ import annotations

import smtplib
import time

import pytest

from smtpcheck.lab import Practice
from tests.lab.clients import SOON, raw, secured, smtp
from tests.lab.mail_symptoms import Symptom, in_order


def heard(after: bytes, *, least: int = 1, command: bytes = b"EHLO client.test\r\n") -> Symptom:
    """What comes after a greeting of one line and a command begins like this; at least so many octets come."""

    def check(practice: Practice) -> None:
        with raw(practice) as sock:
            greeting = sock.recv(4096)
            assert greeting.startswith(b"220 ")
            assert greeting.endswith(b"\r\n")
            sock.sendall(command)
            data = b""
            while len(data) < max(least, len(after)):
                more = sock.recv(65536)
                assert more
                data += more
        assert data.startswith(after)

    return check


def too_long(practice: Practice) -> None:
    data = b""
    with raw(practice) as sock:
        while len(data) < 9000 and (more := sock.recv(65536)):
            data += more
    assert data == b"220-" * 2250


def unfinished(practice: Practice) -> None:
    with smtp(practice, timeout=SOON) as client, pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        client.ehlo()


def helo_only(practice: Practice) -> None:
    with smtp(practice) as client:
        assert client.ehlo()[0] in (500, 502, 504)
        assert client.helo()[0] == 250


def masked(practice: Practice) -> None:
    with raw(practice) as sock:
        greeting = sock.recv(4096)
    assert set(greeting) <= set(b"*20 \r\n")
    with smtp(practice) as client:
        client.ehlo_or_helo_if_needed()
        assert not client.has_extn("starttls")


def refused_after_tls(practice: Practice) -> None:
    with smtp(practice) as client:
        assert client.ehlo()[0] == 250
    with secured(practice) as client:
        assert client.ehlo()[0] == 550


def plain_after(practice: Practice) -> None:
    with secured(practice) as client, pytest.raises((OSError, smtplib.SMTPException)):
        client.login(practice.target, practice.password)


def wordless(practice: Practice) -> None:
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"), secured(practice, timeout=SOON):
        pass
    assert practice.smtp is not None
    assert practice.smtp.ledger.commands["STARTTLS"] == 1


def slowly_in_order(practice: Practice) -> None:
    begun = time.monotonic()
    in_order(practice)
    assert time.monotonic() - begun > 0.15
