"""What do clients that are not ours see of the real servers?"""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import socket
import ssl
from collections.abc import Iterator

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from tests.servers.daemon import Endpoint, awaited
from tests.servers.dovecot import Dovecot
from tests.servers.exim import Exim
from tests.servers.postfix import Postfix

SHORT = 10.0


def _dialled(to: Endpoint, tls: ssl.SSLContext | None) -> socket.socket:
    raw = socket.create_connection((to.address, to.port), SHORT)
    return tls.wrap_socket(raw, server_hostname=to.name) if tls else raw


@contextlib.contextmanager
def smtp(server: Postfix | Exim, service: str, certificate: str = "good") -> Iterator[smtplib.SMTP]:
    """smtplib up to EHLO, over TLS that verified against the root, except for services without TLS."""
    to = server.endpoint(certificate, service)
    tls = ssl.create_default_context(cafile=server.ca_file)
    if service == "implicit":
        client = smtplib.SMTP(local_hostname="client.test")
        client._host = to.name
        client.sock = _dialled(to, tls)
        client.getreply()
    else:
        client = smtplib.SMTP(to.address, to.port, "client.test", SHORT)
        client._host = to.name
    with client:
        client.ehlo()
        if client.has_extn("starttls"):
            client.starttls(context=tls)
            client.ehlo()
        yield client


class _Imap(imaplib.IMAP4):
    """imaplib that asks for the certificate of a name, and connects to an address."""

    def __init__(self, to: Endpoint, tls: ssl.SSLContext | None) -> None:
        self._to = to
        self._tls = tls
        super().__init__(to.name, to.port, SHORT)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return _dialled(self._to, self._tls)


@contextlib.contextmanager
def imap(dovecot: Dovecot, service: str = "implicit", certificate: str = "good") -> Iterator[imaplib.IMAP4]:
    """imaplib over TLS that verified against the root, not logged in."""
    tls = ssl.create_default_context(cafile=dovecot.ca_file)
    client = _Imap(dovecot.endpoint(certificate, service), tls if service == "implicit" else None)
    with client.file:
        if service == "starttls":
            client.starttls(tls)
        with client:
            yield client


@contextlib.contextmanager
def mailbox(dovecot: Dovecot) -> Iterator[imaplib.IMAP4]:
    """The same, logged in."""
    with imap(dovecot) as client:
        client.login(dovecot.user, dovecot.password)
        yield client


def fetched(client: imaplib.IMAP4, name: str, message_id: str) -> bytes:
    """The one message of that Message-ID in a mailbox (modified UTF-7), or nothing."""
    assert client.select(f'"{name}"', readonly=True)[0] == "OK"
    _, (numbers,) = client.search(None, "HEADER", "Message-ID", message_id)
    if not numbers:
        return b""
    _, (part, _) = client.fetch(numbers.decode(), "(BODY.PEEK[])")
    return part[1]


def arrived(client: imaplib.IMAP4, name: str, message_id: str) -> bytes:
    """The same, once it is there; raises Broken when it does not come."""
    return awaited(lambda: fetched(client, name, message_id))


def shown(server: Postfix | Exim, certificate: str) -> list[bytes]:
    """The chain that a server sends, as DER, unverified, with implicit TLS."""
    to = server.endpoint(certificate, "implicit")
    with socket.create_connection((to.address, to.port), SHORT) as raw:
        raw.settimeout(None)
        peer = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), raw)
        peer.set_connect_state()
        peer.do_handshake()
        return [one.to_cryptography().public_bytes(Encoding.DER) for one in peer.get_peer_cert_chain() or []]


def verify_code(opening: contextlib.AbstractContextManager[object]) -> int:
    """0, or the code of OpenSSL's x509_vfy.h for which `smtp` or `imap` did not open."""
    try:
        with opening:
            return 0
    except ssl.SSLCertVerificationError as error:
        return error.verify_code
