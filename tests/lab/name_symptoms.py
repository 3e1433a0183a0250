"""What do a resolver and a clock see of a fault? One function a symptom; AssertionError where it is absent."""

from __future__ import annotations

import smtplib
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dns.exception
import dns.message
import dns.query
import dns.resolver
import ntplib
import pytest
from cryptography import x509

from smtpcheck.lab import Practice
from tests.lab.clients import (
    SOON,
    chain,
    domain,
    resolver,
    tells,
    trusting,
    verify_code,
)
from tests.lab.mail_symptoms import Symptom, greeted, in_order


def no_name(kind: type[Exception], match: str | None = None, *, lifetime: float = SOON) -> Symptom:
    """The host's address is not to be had; `match` tells apart why."""

    def check(practice: Practice) -> None:
        with pytest.raises(kind, match=match):
            resolver(practice, lifetime).resolve(practice.host + ".", "A")

    return check


def no_resolver(practice: Practice) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", int(practice.options["dns"].rpartition(":")[2])))
        sock.settimeout(SOON)
        sock.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(1)


def over_udp(practice: Practice) -> bytes:
    """The raw answer to an honest question for the host's address; raises TimeoutError."""
    query = dns.message.make_query(practice.host, "A", id=0x1234)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(SOON)
        sock.connect(("127.0.0.1", int(practice.options["dns"].rpartition(":")[2])))
        sock.send(query.to_wire())
        return sock.recv(4096)


def truncated(*, tcp: bool) -> Symptom:
    def check(practice: Practice) -> None:
        query = dns.message.make_query(practice.host, "A")
        where = {"where": "127.0.0.1", "port": resolver(practice).port, "timeout": SOON}
        with pytest.raises(dns.message.Truncated):
            dns.query.udp(query, raise_on_truncation=True, **where)  # type: ignore[arg-type]
        if tcp:
            in_order(practice)
            return
        with pytest.raises(ConnectionRefusedError):
            dns.query.tcp(query, **where)  # type: ignore[arg-type]

    return check


def dns_bytes(check_bytes: Callable[[bytes], bool]) -> Symptom:
    def check(practice: Practice) -> None:
        assert check_bytes(over_udp(practice))

    return check


def hijacked(practice: Practice) -> None:
    for name in (practice.host, "no-such-name.example."):
        assert [each.to_text() for each in resolver(practice).resolve(name, "A")] == ["127.0.0.1"]
    greeted(b"HTTP/1.1 400")(practice)


def two_addresses(practice: Practice) -> None:
    (address,) = resolver(practice).resolve(practice.host + ".", "AAAA")
    assert address.to_text() == "::1"
    with pytest.raises(OSError):
        socket.create_connection(("::1", practice.port), 1.0)
    in_order(practice)


def exchanger(practice: Practice) -> None:
    asked = resolver(practice)
    try:
        (mx,) = asked.resolve(domain(practice) + ".", "MX")
        name = mx.exchange.to_text(omit_final_dot=True)
    except dns.resolver.NoAnswer:
        name = domain(practice)
    assert practice.options["connect_to"] == (f"{name}:25:127.0.0.1:{practice.port}",)
    with smtplib.SMTP(local_hostname="client.test", timeout=5) as client:
        client._host = practice.host
        client.connect("127.0.0.1", practice.port)
        client.starttls(context=trusting(practice))
        client.ehlo()
        assert not client.has_extn("auth")
        client.sendmail("you@elsewhere.test", [f"me@{domain(practice)}"], "hello")


def null_mx(practice: Practice) -> None:
    (mx,) = resolver(practice).resolve(domain(practice) + ".", "MX")
    assert (mx.preference, mx.exchange.to_text()) == (0, ".")


def no_domain(practice: Practice) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver(practice).resolve(domain(practice) + ".", "MX")


def offset(seconds: float) -> Symptom:
    def check(practice: Practice) -> None:
        answer = tells(practice)
        assert answer.offset == pytest.approx(seconds, abs=0.5)
        assert (answer.leap, answer.stratum, answer.mode) == (0, 2, 4)
        in_order(practice)

    return check


def explained(code: int, seconds: float) -> Symptom:
    def check(practice: Practice) -> None:
        assert verify_code(practice) == code
        leaf = x509.load_der_x509_certificate(chain(practice)[0])
        true = datetime.now(UTC) + timedelta(seconds=tells(practice).offset)
        assert tells(practice).offset == pytest.approx(seconds, abs=0.5)
        assert leaf.not_valid_before_utc < true < leaf.not_valid_after_utc

    return check


def silent_clock(practice: Practice) -> None:
    with pytest.raises(ntplib.NTPException, match="No response"):
        tells(practice, SOON)


def kiss(practice: Practice) -> None:
    answer = tells(practice)
    assert (answer.leap, answer.stratum, answer.ref_id.to_bytes(4, "big")) == (3, 0, b"RATE")


def unsynchronised(practice: Practice) -> None:
    answer = tells(practice)
    assert (answer.leap, answer.stratum) == (3, 16)


def forged(practice: Practice) -> None:
    assert abs(tells(practice).orig_time - time.time()) > 3600


def no_origin(practice: Practice) -> None:
    assert tells(practice).orig_timestamp == 0


def not_ntp(practice: Practice) -> None:
    assert ntp_bytes(practice).startswith(b"HTTP/1.1 400")


def short(practice: Practice) -> None:
    assert len(ntp_bytes(practice)) == 20
    with pytest.raises(ntplib.NTPException, match="Invalid"):
        tells(practice)


def ntp_bytes(practice: Practice) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(2.0)
        sock.connect(("127.0.0.1", practice.clock.port))
        sock.send(b"\x23" + bytes(47))
        return sock.recv(100)


def unsure(practice: Practice) -> None:
    assert tells(practice).root_dispersion == pytest.approx(20.0)


def wrong_mode(practice: Practice) -> None:
    assert tells(practice).mode == 3


def led_elsewhere(practice: Practice) -> None:
    """The records lead to a server of another domain, which is in order and takes the password."""
    assert domain(practice) != practice.host.partition(".")[2]
    in_order(practice)


def led_by_mx(practice: Practice) -> None:
    """No SRV record is there, and MX names the provider's exchanger."""
    for service in ("_submissions", "_submission"):
        with pytest.raises(dns.resolver.NXDOMAIN):
            resolver(practice).resolve(f"{service}._tcp.{domain(practice)}.", "SRV")
    (mx,) = resolver(practice).resolve(domain(practice) + ".", "MX")
    assert mx.exchange.to_text() == "mxbiz1.qq.com."
