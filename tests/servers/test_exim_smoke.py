"""Is the real Exim healthy where it should be, and does it refuse in its own words, to clients that are not ours?"""

from __future__ import annotations

import smtplib

import pytest

from smtpcheck.lab.pki import Authority
from tests.servers.clients import SHORT, arrived, mailbox, shown, smtp, verify_code
from tests.servers.daemon import awaited
from tests.servers.dovecot import Dovecot
from tests.servers.exim import DOMAIN, Exim

OWN = ("starttls", "implicit")
OUTSIDE = "somebody@elsewhere.example"


@pytest.mark.parametrize("service", OWN)
@pytest.mark.parametrize(("certificate", "code"), [("good", 0), ("missing-intermediate", 20), ("wrong-host", 62)])
def test_each_certificate_has_its_own_flaw(exim: Exim, certificate: str, code: int, service: str) -> None:
    assert verify_code(smtp(exim, service, certificate)) == code


def test_the_chain_is_sent_as_it_should_be(exim: Exim, authority: Authority) -> None:
    assert shown(exim, "good")[1:] == [authority.intermediate_der]
    assert len(shown(exim, "missing-intermediate")) == 1


@pytest.mark.parametrize(("service", "offered"), [("starttls", (True, False)), ("plain", (False, True))])
def test_what_is_offered_before_tls(exim: Exim, service: str, offered: tuple[bool, bool]) -> None:
    to = exim.endpoint(service=service)
    with smtplib.SMTP(to.address, to.port, "client.test", SHORT) as client:
        client.ehlo()
        assert (client.has_extn("starttls"), client.has_extn("auth")) == offered
        if not client.has_extn("auth"):
            assert client.docmd("AUTH", "PLAIN") == (503, b"AUTH command used when not advertised")


@pytest.mark.parametrize("service", [*OWN, "plain"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_login(exim: Exim, mechanism: str, service: str) -> None:
    assert login(exim, service, mechanism, exim.password) == (235, b"Authentication succeeded")


@pytest.mark.parametrize("service", OWN)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password_is_535(exim: Exim, mechanism: str, service: str) -> None:
    assert login(exim, service, mechanism, "no" + exim.password) == (535, b"Incorrect authentication data")


def test_a_login_that_cannot_be_looked_up_is_435(exim: Exim) -> None:
    assert login(exim, "auth-down", "PLAIN", exim.password) == (435, b"Unable to authenticate at present")


def login(exim: Exim, service: str, mechanism: str, password: str) -> tuple[int, bytes]:
    with smtp(exim, service) as client:
        client.user, client.password = exim.user, password
        try:
            return client.auth(mechanism, {"PLAIN": client.auth_plain, "LOGIN": client.auth_login}[mechanism])
        except smtplib.SMTPAuthenticationError as refused:
            return refused.smtp_code, bytes(refused.smtp_error)


def test_no_room_is_421_in_place_of_a_greeting(exim: Exim) -> None:
    with smtp(exim, "starttls"), pytest.raises(smtplib.SMTPConnectError) as full, smtp(exim, "full"):
        pass
    assert full.value.smtp_code == 421
    assert b"Too many concurrent SMTP connections from this IP address" in full.value.smtp_error


@pytest.mark.parametrize(("local_part", "where"), [("me", "INBOX"), ("spam", "Junk")])
def test_a_message_sent_is_fetched(exim: Exim, dovecot: Dovecot, local_part: str, where: str) -> None:
    message_id = f"<{local_part}-by-exim@{DOMAIN}>"
    with smtp(exim, "starttls") as client:
        client.login(exim.user, exim.password)
        text = f"Message-ID: {message_id}\r\nSubject: test\r\n\r\nby Exim\r\n"
        assert client.sendmail(exim.user, f"{local_part}@{DOMAIN}", text) == {}
    with mailbox(dovecot) as box:
        assert arrived(box, where, message_id).endswith(b"\r\n\r\nby Exim\r\n")


@pytest.mark.parametrize("recipient", [f"void@{DOMAIN}", OUTSIDE], ids=["void", "outside"])
def test_what_is_for_no_mailbox_is_taken_and_discarded(exim: Exim, recipient: str) -> None:
    with smtp(exim, "implicit") as client:
        client.login(exim.user, exim.password)
        assert client.sendmail(exim.user, recipient, "Subject: test\r\n\r\ntest\r\n") == {}
    assert awaited(lambda: next((line for line in logged(exim) if f"=> :blackhole: <{recipient}>" in line), ""))


def logged(exim: Exim) -> list[str]:
    return exim.log.read_text(errors="replace").splitlines()


@pytest.mark.parametrize(
    ("recipient", "reply"),
    [
        (f"me@{DOMAIN}", (250, b"Accepted")),
        (f"nobody@{DOMAIN}", (550, b"Unrouteable address")),
        (f"later@{DOMAIN}", (451, b"greylisted, please try again later")),
        (OUTSIDE, (550, b"relay not permitted")),
    ],
    ids=["known", "unknown", "greylisted", "outside"],
)
def test_a_recipient_without_a_login(exim: Exim, recipient: str, reply: tuple[int, bytes]) -> None:
    with smtp(exim, "starttls") as client:
        assert client.mail(OUTSIDE) == (250, b"OK")
        assert client.rcpt(recipient) == reply
