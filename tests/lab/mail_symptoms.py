"""What does a mail client see of a fault? One function a symptom; it raises AssertionError where it is absent."""

from __future__ import annotations

import base64
import itertools
import smtplib
import socket
import ssl
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from smtpcheck.core import Mode
from smtpcheck.lab import Practice
from tests.lab.clients import (
    SOON,
    chain,
    found,
    raw,
    rest,
    secured,
    smtp,
    trusting,
    verify_code,
)

Symptom = Callable[[Practice], None]


def in_order(practice: Practice) -> None:
    assert found(practice) == ("127.0.0.1", practice.port)
    with secured(practice) as client:
        client.login(practice.target, practice.password)
        client.sendmail(practice.target, ["you@lab.test"], "Subject: hello\n\n.a dot")
        assert client.quit()[0] == 221
    assert practice.smtp is not None
    ledger = practice.smtp.ledger
    assert (ledger.connections, ledger.auths, len(ledger.messages)) == (1, 1, 1)
    assert ledger.messages[0].sender == practice.target
    assert ledger.messages[0].content.endswith(b"\r\n.a dot\r\n")
    assert ledger.handshakes == ["TLSv1.3"]


def slow(practice: Practice) -> None:
    begun = time.monotonic()
    in_order(practice)
    assert time.monotonic() - begun > 1.4


def verifies(code: int) -> Symptom:
    def check(practice: Practice) -> None:
        assert verify_code(practice) == code

    return check


def no_san(practice: Practice) -> None:
    (leaf, _) = chain(practice)
    with pytest.raises(x509.ExtensionNotFound):
        x509.load_der_x509_certificate(leaf).extensions.get_extension_for_class(x509.SubjectAlternativeName)


def sent(count: int, *, ordered: bool = True) -> Symptom:
    def check(practice: Practice) -> None:
        assert verify_code(practice) == 0
        certificates = [x509.load_der_x509_certificate(der) for der in chain(practice)]
        assert len(certificates) == count
        links = [a.issuer == b.subject for a, b in itertools.pairwise(certificates)]
        assert all(links) is ordered

    return check


def sha1(practice: Practice) -> None:
    algorithm = x509.load_der_x509_certificate(chain(practice)[0]).signature_algorithm_oid
    assert algorithm._name == "ecdsa-with-SHA1"


def expires_soon(practice: Practice) -> None:
    assert verify_code(practice) == 0
    left = x509.load_der_x509_certificate(chain(practice)[0]).not_valid_after_utc - datetime.now(UTC)
    assert timedelta(0) < left < timedelta(days=14)


def issuer_urls(practice: Practice) -> list[str]:
    leaf = x509.load_der_x509_certificate(chain(practice)[0])
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return []
    return [each.access_location.value for each in access.value]


def incomplete(fetch: Callable[[str], object] | None) -> Symptom:
    def check(practice: Practice) -> None:
        assert verify_code(practice) == 20
        assert len(chain(practice)) == 1
        urls = issuer_urls(practice)
        if fetch is None:
            assert urls == []
            return
        fetch(*urls)
        assert practice.issuer is not None
        assert practice.issuer.paths[0] == "/intermediate.der"

    return check


def opened(url: str) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=SOON) as answer:
        return answer.read(1 << 20)  # type: ignore[no-any-return]


def intermediate(url: str) -> None:
    subject = x509.load_der_x509_certificate(opened(url)).subject
    assert "intermediate" in subject.rfc4514_string()


def missing(url: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        opened(url)
    caught.value.close()


def elsewhere(url: str) -> None:
    # urllib follows, and finds nothing there
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        opened(url)
    assert caught.value.url.endswith("/elsewhere")
    caught.value.close()


def endless(url: str) -> None:
    assert len(opened(url)) == 1 << 20


def hangs(url: str) -> None:
    with pytest.raises(TimeoutError):
        opened(url)


def login(code: int, *words: bytes) -> Symptom:
    def check(practice: Practice) -> None:
        with secured(practice) as client:
            seen = client.docmd("AUTH", "PLAIN " + plain(practice))
        assert seen[0] == code
        for word in words:
            assert word in seen[1]
        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 1

    return check


def plain(practice: Practice) -> str:
    return base64.b64encode(f"\0{practice.target}\0{practice.password}".encode()).decode()


def login_echoed(practice: Practice) -> None:
    login(535, practice.password.encode(), plain(practice).encode())(practice)


def login_closed(practice: Practice) -> None:
    with secured(practice) as client, pytest.raises(smtplib.SMTPServerDisconnected):
        client.login(practice.target, practice.password)


def no_login(before: str | None, after: str | None) -> Symptom:
    def check(practice: Practice) -> None:
        with smtp(practice) as client:
            client.ehlo()
            assert client.esmtp_features.get("auth", "").split() == (before or "").split()
            client.starttls(context=trusting(practice))
            client.ehlo()
            assert client.esmtp_features.get("auth", "").split() == (after or "").split()
            with pytest.raises(smtplib.SMTPException, match=r"AUTH|authentication method"):
                client.login(practice.target, practice.password)

    return check


def late_login(practice: Practice) -> None:
    with smtp(practice) as client:
        client.ehlo()
        assert not client.has_extn("auth")
    with secured(practice) as client:
        assert client.login(practice.target, practice.password)[0] == 235


def login_only(practice: Practice) -> None:
    late_login(practice)
    assert practice.smtp is not None
    (line,) = (line for line in practice.smtp.ledger.seen[-1] if line.startswith(b"AUTH "))
    assert line.startswith(b"AUTH LOGIN ")


def raises(*kinds: type[BaseException], timeout: float = SOON) -> Symptom:
    """The connection or the greeting fails like this."""

    def check(practice: Practice) -> None:
        with pytest.raises(kinds), smtp(practice, timeout=timeout):
            pass

    return check


def reset(practice: Practice) -> None:
    with pytest.raises(ConnectionResetError), raw(practice) as sock:
        sock.recv(1)


def closed(practice: Practice) -> None:
    with raw(practice) as sock:
        assert sock.recv(1) == b""


def old_only(practice: Practice) -> None:
    with smtp(practice) as client, pytest.raises(ssl.SSLError, match="PROTOCOL"):
        client.starttls(context=trusting(practice))
    context = trusting(practice)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(), smtp(practice) as client:
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.version() == "TLSv1"


def greeted(text: bytes) -> Symptom:
    def check(practice: Practice) -> None:
        with raw(practice) as sock:
            assert sock.recv(4096).startswith(text)

    return check


def drip(practice: Practice) -> None:
    with raw(practice) as sock:
        assert [sock.recv(100) for _ in range(3)] == [b"2", b"2", b"0"]


def flood(practice: Practice) -> None:
    with raw(practice) as sock:
        data = rest(sock)
    assert len(data) >= 1 << 20
    assert set(data.split(b"\r\n")[:1000]) == {data.split(b"\r\n")[0]}


def no_ehlo(practice: Practice) -> None:
    with smtp(practice) as client:
        assert client.ehlo()[0] == 550
        assert client.helo()[0] == 550


def no_starttls(practice: Practice) -> None:
    with smtp(practice) as client, pytest.raises(smtplib.SMTPNotSupportedError):
        client.starttls()


def starttls(answer: bytes) -> Symptom:
    def check(practice: Practice) -> None:
        with smtp(practice) as client:
            client.ehlo()
            client.send("STARTTLS\r\n")
            assert isinstance(client.sock, socket.socket)
            assert client.sock.recv(4096) == answer

    return check


def starttls_hangs(practice: Practice) -> None:
    with smtp(practice, timeout=SOON) as client:
        client.ehlo()
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.docmd("STARTTLS")


def injected(practice: Practice) -> None:
    starttls(b"220 2.0.0 Ready to start TLS\r\n250 injected.lab.test\r\n")(practice)
    with smtp(practice) as client:  # smtplib throws its buffer away, and TLS is in order
        client.starttls(context=trusting(practice))
        assert client.ehlo()[0] == 250


def handshake(*kinds: type[BaseException], match: str | None = None) -> Symptom:
    def check(practice: Practice) -> None:
        with smtp(practice, timeout=SOON) as client, pytest.raises(kinds, match=match):
            client.starttls(context=trusting(practice))

    return check


def wants_starttls(practice: Practice) -> None:
    assert practice.options["mode"] is Mode.IMPLICIT
    with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"), smtp(practice):
        pass
    with smtp(practice, mode=Mode.STARTTLS) as client:
        client.starttls(context=trusting(practice))


def wants_tls(practice: Practice) -> None:
    assert practice.options["mode"] is Mode.STARTTLS
    with raw(practice, SOON) as sock, pytest.raises(TimeoutError):
        sock.recv(1)
    with smtp(practice, mode=Mode.IMPLICIT) as client:
        assert client.ehlo()[0] == 250


def no_farewell(practice: Practice) -> None:
    with secured(practice, timeout=SOON) as client:
        client.login(practice.target, practice.password)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.quit()
