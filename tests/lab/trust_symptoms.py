"""What do other clients see of the look-alikes of TLS, of policies and of clocks? AssertionError where it is absent."""

from __future__ import annotations

import base64
import hashlib
import json
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.resolver
import dns.reversename
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smtpcheck.lab import Practice
from tests.lab import mail_symptoms as mail
from tests.lab.clients import PATIENT, domain, raw, resolver, secured, tells, trusting
from tests.lab.mail_symptoms import Symptom
from tests.lab.name_symptoms import exchanger


@contextmanager
def begun(practice: Practice) -> Iterator[smtplib.SMTP]:
    """smtplib at the practice's port, whatever names lead there."""
    client = smtplib.SMTP(timeout=PATIENT, local_hostname="client.test")
    try:
        client.connect("127.0.0.1", practice.port)
        yield client
    finally:
        client.close()


def leaf(practice: Practice, name: str) -> x509.Certificate:
    """The certificate shown to a client that asks for `name`; empty: for none."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with begun(practice) as client:
        client._host = name
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        der = client.sock.getpeercert(binary_form=True)
    assert der
    return x509.load_der_x509_certificate(der)


def names(certificate: x509.Certificate) -> list[str]:
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each) for each in found.get_values_for_type(x509.DNSName)]


def code_by(practice: Practice, name: str, cafile: str) -> int:
    """OpenSSL's verdict with those roots; 0: verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if Path(cafile).read_bytes():
        context.load_verify_locations(cafile)
    try:
        with begun(practice) as client:
            client._host = name
            client.starttls(context=context)
            return 0
    except ssl.SSLCertVerificationError as error:
        return error.verify_code


def by_address(code: int) -> Symptom:
    def check(practice: Practice) -> None:
        assert practice.target == f"127.0.0.1:{practice.port}"
        assert code_by(practice, "127.0.0.1", practice.options["ca_file"]) == code

    return check


def needs_sni(practice: Practice) -> None:
    by_address(64)(practice)
    (pointer,) = resolver(practice).resolve(dns.reversename.from_address("127.0.0.1"), "PTR")
    name = pointer.to_text().rstrip(".")
    assert name == practice.host
    assert names(leaf(practice, name)) == [name]
    assert names(leaf(practice, "127.0.0.1")) == ["elsewhere.example.net"]


def misled_by_sni(practice: Practice) -> None:
    assert names(leaf(practice, practice.host)) == ["elsewhere.example.net"]
    assert names(leaf(practice, "127.0.0.1")) == [practice.host]


def strict_only(practice: Practice) -> None:
    assert code_by(practice, practice.host, practice.options["ca_file"]) == 0
    context = trusting(practice)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with begun(practice) as client, pytest.raises(ssl.SSLCertVerificationError, match="not marked critical"):
        client._host = practice.host
        client.starttls(context=context)


def demands_staple(practice: Practice) -> None:
    mail.in_order(practice)
    feature = leaf(practice, practice.host).extensions.get_extension_for_class(x509.TLSFeature).value
    assert list(feature) == [x509.TLSFeatureType.status_request]


def stores(own: int, other: int) -> Symptom:
    """What the two root files make of it."""

    def check(practice: Practice) -> None:
        assert code_by(practice, practice.host, practice.options["ca_file"]) == own
        assert code_by(practice, practice.host, practice.options["ca_compare"]) == other

    return check


def signed_by(words: str, code: int) -> Symptom:
    def check(practice: Practice) -> None:
        assert words in leaf(practice, practice.host).issuer.rfc4514_string()
        assert code_by(practice, practice.host, practice.options["ca_file"]) == code

    return check


def signed_here(organization: str) -> Symptom:
    def check(practice: Practice) -> None:
        by_address(18)(practice)
        shown = leaf(practice, "127.0.0.1")
        assert shown.issuer == shown.subject
        assert organization in shown.issuer.rfc4514_string()

    return check


def encrypts_nothing(practice: Practice) -> None:
    with begun(practice) as client, pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        client._host = practice.host
        client.starttls(context=trusting(practice))
    context = trusting(practice)
    context.check_hostname = False
    context.set_ciphers("NULL-SHA256:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with begun(practice) as client:
        client._host = practice.host
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        assert client.sock.cipher() == ("NULL-SHA256", "TLSv1.2", 0)


def small_group(practice: Practice) -> None:
    with begun(practice) as client, pytest.raises(ssl.SSLError, match="DH_KEY_TOO_SMALL"):
        client._host = practice.host
        client.starttls(context=trusting(practice))


def before_rfc_5746(practice: Practice) -> None:
    context = trusting(practice)
    context.set_ciphers("DEFAULT")  # OpenSSL's own: Python's has no key exchange by RSA any more
    with begun(practice) as client, pytest.raises(ssl.SSLError, match="UNSAFE_LEGACY_RENEGOTIATION_DISABLED"):
        client._host = practice.host
        client.starttls(context=context)
    context.options |= 0x4  # SSL_OP_LEGACY_SERVER_CONNECT, which has a name in Python since 3.12
    with begun(practice) as client:
        client._host = practice.host
        client.starttls(context=context)
        assert client.ehlo()[0] == 250
        assert client.login(practice.target, practice.password)[0] == 235


def without_starttls(words: str) -> Symptom:
    def check(practice: Practice) -> None:
        assert f"smtp.qq.com:587:127.0.0.1:{practice.port}" in practice.options["connect_to"]
        with begun(practice) as client:
            client.ehlo()
            assert not client.has_extn("starttls")
        with raw(practice) as sock:
            assert words.encode() in sock.recv(200)

    return check


def starttls_first(practice: Practice) -> None:
    with begun(practice) as client:
        client.ehlo()
        assert client.has_extn("auth")
        with pytest.raises(smtplib.SMTPException, match="Must issue a STARTTLS"):
            client.login(practice.options.get("user", "me"), practice.password)


def tls_demanded(practice: Practice) -> None:
    with begun(practice) as client:
        client.ehlo()
        client.mail("you@elsewhere.test")
        assert client.rcpt(f"me@{domain(practice)}")[0] == 421


def announces(practice: Practice) -> None:
    (record,) = resolver(practice).resolve(f"_mta-sts.{domain(practice)}.", "TXT")
    assert record.strings[0].startswith(b"v=STSv1; id=")


def policy(status: bytes, *lines: str, trusted: bool = True) -> Symptom:
    """What a web client that asks for the policy gets."""

    def check(practice: Practice) -> None:
        announces(practice)
        host = f"mta-sts.{domain(practice)}"
        (detour,) = (d for d in practice.options["connect_to"] if d.startswith(f"{host}:443:"))
        context = trusting(practice)
        with socket.create_connection(("127.0.0.1", int(detour.rpartition(":")[2])), PATIENT) as sock:
            if not trusted:
                with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
                    context.wrap_socket(sock, server_hostname=host)
                return
            with context.wrap_socket(sock, server_hostname=host) as line:
                line.sendall(b"GET /.well-known/mta-sts.txt HTTP/1.0\r\nHost: " + host.encode() + b"\r\n\r\n")
                said = b""
                while more := line.recv(4096):
                    said += more
        assert said.startswith(b"HTTP/1.1 " + status)
        for text in lines:
            assert text.format(host=practice.host, domain=domain(practice)).encode() in said

    return check


def wrong_exchange(practice: Practice) -> None:
    assert names(leaf(practice, practice.host)) == ["elsewhere.example.net"]


def both(*symptoms: Symptom) -> Symptom:
    def check(practice: Practice) -> None:
        for symptom in symptoms:
            symptom(practice)

    return check


def associated(*, fits: bool, vouched: bool) -> Symptom:
    """The TLSA record, whether it fits the key shown, and the resolver's AD flag."""

    def check(practice: Practice) -> None:
        query = dns.message.make_query(f"_25._tcp.{practice.host}.", "TLSA")
        query.flags |= dns.flags.AD
        reply = dns.query.udp(query, "127.0.0.1", port=resolver(practice).port, timeout=PATIENT)
        assert bool(reply.flags & dns.flags.AD) is vouched
        (record,) = reply.answer[0]
        key = leaf(practice, practice.host).public_key()
        digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
        assert (record.usage, record.selector, record.mtype) == (3, 1, 1)
        assert (record.cert == digest) is fits

    return check


def tells_wrong(seconds: float) -> Symptom:
    def check(practice: Practice) -> None:
        mail.in_order(practice)
        assert tells(practice).offset == pytest.approx(seconds, abs=0.5)

    return check


def token(offset: float, *, counts: bool | None) -> Symptom:
    """A token is refused; by the time server it counts or not, None: it does not say."""

    def check(practice: Practice) -> None:
        server = tells(practice)
        assert server.offset == pytest.approx(offset, abs=0.5)
        if counts is not None:
            claims = json.loads(base64.urlsafe_b64decode(practice.password.split(".")[1] + "=="))
            assert (claims["nbf"] <= time.time() + server.offset <= claims["exp"]) is counts

        message = f"user={practice.target}\x01auth=Bearer {practice.password}\x01\x01"
        with secured(practice) as client:
            answer = client.docmd("AUTH", "XOAUTH2 " + base64.b64encode(message.encode()).decode())
        assert answer[0] == 535

    return check


SYMPTOMS: dict[str, Symptom] = {
    "certificate-host-is-ip": by_address(64),
    "certificate-host-is-ip-nameless": by_address(64),
    "certificate-default-needs-sni": needs_sni,
    "certificate-wrong-by-sni": misled_by_sni,
    "certificate-strict": strict_only,
    "certificate-revoked-or-muststaple": demands_staple,
    "certificate-private-ca-root-not-sent": mail.verifies(20),
    "certificate-private-ca-compared": stores(19, 19),
    "certificate-private-ca-of-a-company": signed_by("Kaspersky and Avast Consulting", 19),
    "trust-store-missing": stores(20, 0),
    "trust-store-missing-or-private": stores(19, 19),
    "trust-store-outdated": stores(20, 0),
    "trust-store-outdated-and-incomplete": stores(20, 20),
    "av-mail-shield": signed_by("Avast Web/Mail Shield Root", 19),
    "av-mail-shield-root-kept": signed_by("Kaspersky Anti-Virus Personal Root", 20),
    "corp-tls-inspection": signed_by("Zscaler Root CA", 19),
    "proton-bridge-cert": signed_here("O=Proton AG"),
    "certificate-self-signed-local": signed_here("O=Proton Fans"),
    "tls-no-common-cipher": encrypts_nothing,
    "tls-dh-too-small": small_group,
    "tls-legacy-renegotiation": before_rfc_5746,
    "starttls-stripped": without_starttls("qq.com XMail Esmtp QQ Mail Server"),
    "starttls-stripped-or-another-server": without_starttls("gateway.cafe.test"),
    "starttls-required": starttls_first,
    "tls-required-by-peer": tls_demanded,
    "mta-sts-healthy": policy(b"200", "mx: *.{domain}"),
    "mta-sts-mx-mismatch": policy(b"200", "mode: enforce", "mx: mx.old-hoster.example"),
    "mta-sts-certificate": both(policy(b"200", "mode: enforce", "mx: {host}"), wrong_exchange),
    "mta-sts-testing": both(policy(b"200", "mode: testing"), wrong_exchange),
    "mta-sts-policy-unfetchable": policy(b"404"),
    "mta-sts-policy-cert": policy(b"", trusted=False),
    "dane-healthy": associated(fits=True, vouched=True),
    "dane-tlsa-mismatch": both(exchanger, associated(fits=False, vouched=True)),
    "dane-without-dnssec": both(exchanger, associated(fits=False, vouched=False)),
    "ntp-server-lying": tells_wrong(-864000.0),
    "ntp-server-lying-or-clock": tells_wrong(8640000.0),
    "clock-drift-token": token(420.0, counts=False),
    "clock-drift-token-opaque": token(420.0, counts=None),
    "token-refused-in-time": token(420.0, counts=True),
    "token-expired": token(0.0, counts=False),
}
