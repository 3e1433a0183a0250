"""What do clients that are not ours see? The standard library, dnspython's resolver and ntplib, aimed at a practice."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator

import dns.resolver
import ntplib

from smtpcheck.core import Mode
from smtpcheck.lab import Practice

SOON = 0.3
"""Seconds after which a silent peer is believed to be silent."""
PATIENT = 5.0


def resolver(practice: Practice, lifetime: float = PATIENT) -> dns.resolver.Resolver:
    made = dns.resolver.Resolver(configure=False)
    made.nameservers = ["127.0.0.1"]
    made.port = int(practice.options["dns"].rpartition(":")[2])
    made.lifetime = lifetime
    return made


def domain(practice: Practice) -> str:
    return practice.target.rpartition("@")[2] if "@" in practice.target else practice.target.removeprefix("mx:")


def found(practice: Practice) -> tuple[str, int]:
    """Address and port of the submission service by name, as RFC 6186 has it."""
    asked = resolver(practice)
    service = "_submissions" if practice.mode is Mode.IMPLICIT else "_submission"
    (srv,) = asked.resolve(f"{service}._tcp.{domain(practice)}.", "SRV")
    (address,) = asked.resolve(srv.target, "A")
    assert srv.target.to_text(omit_final_dot=True) == practice.host
    return address.to_text(), srv.port


def trusting(practice: Practice) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=practice.options["ca_file"])


@contextlib.contextmanager
def smtp(practice: Practice, *, timeout: float = PATIENT, mode: Mode | None = None) -> Iterator[smtplib.SMTP]:
    """smtplib's client, greeted, before STARTTLS or after implicit TLS."""
    implicit = (mode or practice.mode) is Mode.IMPLICIT
    client = (
        smtplib.SMTP_SSL(timeout=timeout, local_hostname="client.test", context=trusting(practice))
        if implicit
        else smtplib.SMTP(timeout=timeout, local_hostname="client.test")
    )
    client._host = practice.host  # the name for SNI; the constructor would look it up
    try:
        code, text = client.connect(*found(practice))
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def secured(practice: Practice, *, timeout: float = PATIENT) -> Iterator[smtplib.SMTP]:
    """The same, over verified TLS and after EHLO."""
    with smtp(practice, timeout=timeout) as client:
        if practice.mode is not Mode.IMPLICIT:
            client.starttls(context=trusting(practice))
        client.ehlo()
        yield client


@contextlib.contextmanager
def raw(practice: Practice, timeout: float = PATIENT) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", practice.port), timeout) as sock:
        yield sock


def verify_code(practice: Practice) -> int:
    """OpenSSL's verdict on the chain; 0: verified."""
    try:
        with secured(practice):
            return 0
    except ssl.SSLCertVerificationError as error:
        return error.verify_code


def chain(practice: Practice) -> list[bytes]:
    """The chain as sent, in DER."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with smtp(practice) as client:
        client.starttls(context=context)
        certificates = client.sock._sslobj.get_unverified_chain()  # type: ignore[union-attr]
        return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in certificates]


def tells(practice: Practice, timeout: float = PATIENT) -> ntplib.NTPStats:
    port = int(practice.options["ntp"].rpartition(":")[2])
    return ntplib.NTPClient().request("127.0.0.1", port=port, version=4, timeout=timeout)


def rest(sock: socket.socket) -> bytes:
    """All that comes until the peer closes; at most 1 MiB."""
    data = b""
    while (more := sock.recv(65536)) and len(data) < 1 << 20:
        data += more
    return data
