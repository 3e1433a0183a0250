"""Are the real servers of the tests healthy, in the eyes of clients that are not ours?"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import smtplib
import subprocess
import sys
import time
from urllib.parse import urlsplit

import dns.message
import dns.query
import dns.rcode
import ntplib
import pytest
from cryptography import x509

from smtpcheck.lab.pki import Authority
from tests.servers.chrony import Chrony, Faketime
from tests.servers.clients import SHORT, shown, smtp, verify_code
from tests.servers.daemon import awaited
from tests.servers.issuer import Issuer
from tests.servers.postfix import VOID, Postfix
from tests.servers.unbound import Unbound

OWN = ("starttls", "implicit")


@pytest.mark.parametrize("service", OWN)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_login_over_verified_tls(postfix: Postfix, service: str, mechanism: str) -> None:
    with smtp(postfix, service) as client:
        client.user, client.password = postfix.user, postfix.password
        answer = {"PLAIN": client.auth_plain, "LOGIN": client.auth_login, "CRAM-MD5": client.auth_cram_md5}[mechanism]
        assert client.auth(mechanism, answer, initial_response_ok=mechanism == "PLAIN")[0] == 235


@pytest.mark.parametrize("service", OWN)
def test_a_wrong_password_is_535(postfix: Postfix, service: str) -> None:
    with smtp(postfix, service) as client:
        client.user, client.password = postfix.user, "no" + postfix.password
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.auth("PLAIN", client.auth_plain)
        assert refused.value.smtp_code == 535


@pytest.mark.parametrize(
    ("service", "starttls", "auth"),
    [
        ("starttls", True, False),
        ("optional-tls", True, False),
        ("mx", True, False),
        ("plain", False, True),
        ("no-auth", True, False),
    ],
)
def test_what_is_offered_before_tls(postfix: Postfix, service: str, starttls: bool, auth: bool) -> None:
    to = postfix.endpoint(service=service)
    with smtplib.SMTP(to.address, to.port, "client.test", SHORT) as client:
        client.ehlo()
        assert (client.has_extn("starttls"), client.has_extn("auth")) == (starttls, auth)


@pytest.mark.parametrize(
    ("service", "auth"),
    [("starttls", True), ("implicit", True), ("optional-tls", True), ("mx", False), ("no-auth", False)],
)
def test_what_is_offered_over_tls(postfix: Postfix, service: str, auth: bool) -> None:
    with smtp(postfix, service) as client:
        assert client.has_extn("auth") is auth
        assert not client.has_extn("starttls")


def test_login_without_tls_where_the_server_allows_it(postfix: Postfix) -> None:
    with smtp(postfix, "plain") as client:
        assert client.login(postfix.user, postfix.password)[0] == 235


def test_a_dead_sasl_server_ends_the_connection_at_ehlo(postfix: Postfix) -> None:
    with pytest.raises(smtplib.SMTPServerDisconnected), smtp(postfix, "sasl-down"):
        pass
    assert awaited(lambda: said(postfix, "fatal: no SASL authentication mechanisms"))


def test_a_mail_for_anyone_is_taken_and_discarded(postfix: Postfix) -> None:
    outside = "somebody@elsewhere.example"
    with smtp(postfix, "starttls") as client:
        client.login(postfix.user, postfix.password)
        assert client.sendmail(postfix.user, [VOID, outside], "Subject: test\r\n\r\ntest\r\n") == {}
    for recipient in (VOID, outside):
        line = awaited(lambda to=recipient: said(postfix, f"to=<{to}>"))
        assert "relay=none" in line and "status=sent (" in line


def said(postfix: Postfix, words: str) -> str:
    lines = postfix.log.read_text(errors="replace").splitlines()
    return next((line for line in lines if words in line), "")


def test_the_mx_takes_mail_for_its_users_alone(postfix: Postfix) -> None:
    with smtp(postfix, "mx") as client:
        client.mail("somebody@elsewhere.example")
        assert client.rcpt(postfix.user)[0] == 250
        assert client.rcpt("nobody@" + postfix.domain)[0] == 550
        assert client.rcpt("somebody@elsewhere.example")[0] == 554


@pytest.mark.parametrize("service", OWN)
@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ("good", 0),
        ("expired", 10),
        ("not-yet-valid", 9),
        ("self-signed", 18),
        ("missing-intermediate", 20),
        ("wrong-host", 62),
    ],
)
def test_each_certificate_has_its_own_flaw(postfix: Postfix, certificate: str, code: int, service: str) -> None:
    """Codes of OpenSSL's x509_vfy.h, as the interpreter's ssl sees them."""
    assert verify_code(smtp(postfix, service, certificate)) == code


def test_the_chain_is_sent_as_it_should_be(postfix: Postfix, authority: Authority) -> None:
    leaf, *rest = shown(postfix, "good")
    assert rest == [authority.intermediate_der]
    assert x509.load_der_x509_certificate(leaf).subject != x509.load_der_x509_certificate(rest[0]).subject
    assert len(shown(postfix, "missing-intermediate")) == 1
    assert len(shown(postfix, "self-signed")) == 1


def test_the_leaf_names_where_its_issuer_is(postfix: Postfix, authority: Authority, issuer: Issuer) -> None:
    (leaf,) = map(x509.load_der_x509_certificate, shown(postfix, "missing-intermediate"))
    (access,) = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    where = urlsplit(access.access_location.value)
    site = http.client.HTTPConnection(where.hostname or "", where.port, timeout=SHORT)
    with contextlib.closing(site):
        site.request("GET", where.path)
        answer = site.getresponse()
        assert (answer.status, answer.read()) == (200, authority.intermediate_der)
        site.request("GET", "/else")
        assert site.getresponse().status == 404
    assert issuer.asked[-2:] == [where.path, "/else"]


def asked(unbound: Unbound, name: str, kind: str, *, tcp: bool = False) -> dns.message.Message:
    send = dns.query.tcp if tcp else dns.query.udp
    return send(dns.message.make_query(name, kind), unbound.address, SHORT, unbound.port)


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_the_resolver_knows_the_domain(unbound: Unbound, postfix_ports: dict[tuple[str, str], int], tcp: bool) -> None:
    def answer(name: str, kind: str) -> str:
        (rrset,) = asked(unbound, name, kind, tcp=tcp).answer
        (record,) = rrset
        return record.to_text()

    assert answer("postfix.test", "MX") == "10 smtp.postfix.test."
    for name in ("smtp.postfix.test", "imap.postfix.test", "exim.postfix.test"):
        assert answer(name, "A") == "127.0.0.1"
    assert answer(unbound.null_mx, "MX") == "0 ."
    for label, service in (("_submission", "starttls"), ("_submissions", "implicit")):
        assert answer(f"{label}._tcp.postfix.test", "SRV") == f"0 1 {postfix_ports['good', service]} smtp.postfix.test."


def test_the_resolver_tells_its_failures_apart(unbound: Unbound) -> None:
    def rcode(name: str, kind: str = "A") -> dns.rcode.Rcode:
        answer = asked(unbound, name, kind)
        assert not answer.answer
        return answer.rcode()

    assert rcode("smtp.postfix.test", "AAAA") == dns.rcode.NOERROR
    assert rcode("nothing.postfix.test") == dns.rcode.NXDOMAIN
    assert rcode("www.example.com") == dns.rcode.NXDOMAIN
    assert rcode(unbound.servfail) == dns.rcode.SERVFAIL
    assert rcode(unbound.servfail, "MX") == dns.rcode.SERVFAIL
    assert rcode(unbound.refused) == dns.rcode.REFUSED


def test_the_time_server_is_honest(chrony: Chrony) -> None:
    reply = ntplib.NTPClient().request(chrony.address, version=4, port=chrony.port, timeout=SHORT)
    assert abs(reply.offset) < 0.1
    assert (reply.stratum, reply.leap, reply.mode) == (chrony.stratum, 0, 4)


# What a program under a wrong clock sees: wall and monotonic time, an event loop and a thread that wait, NTP.
_PROGRAM = """
import asyncio, json, sys, threading, time, ntplib
began = time.monotonic()
asyncio.run(asyncio.wait_for(asyncio.sleep(0.05), 5))
try:
    asyncio.run(asyncio.wait_for(asyncio.Event().wait(), 0.05))
except TimeoutError:
    pass
threading.Event().wait(0.05)
waited = time.monotonic() - began
reply = ntplib.NTPClient().request(sys.argv[1], version=4, port=int(sys.argv[2]), timeout=5)
print(json.dumps({"wall": time.time(), "monotonic": time.monotonic(), "waited": waited, "offset": reply.offset}))
"""


@pytest.mark.parametrize(("offset", "seconds"), [("+7m", 420), ("-8h", -28800)])
def test_a_program_under_a_wrong_clock(chrony: Chrony, faketime: Faketime, offset: str, seconds: int) -> None:
    argv = [sys.executable, "-c", _PROGRAM, chrony.address, str(chrony.port)]
    done = subprocess.run(argv, env=os.environ | faketime(offset), capture_output=True, timeout=30, check=True)
    seen = json.loads(done.stdout)
    assert seen["wall"] - time.time() == pytest.approx(seconds, abs=10)
    assert seen["monotonic"] - time.monotonic() == pytest.approx(0, abs=10)
    assert 0.15 <= seen["waited"] < 5
    assert seen["offset"] == pytest.approx(-seconds, abs=0.2)
