"""What does another client hear of the faults that are in a server's words? smtplib, stage by stage, to the octet."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import smtplib
import tomllib
from collections.abc import Iterator
from importlib import resources

import pytest

from smtpcheck.core import Mode
from smtpcheck.lab import Practice
from smtpcheck.lab.faults import fault, rows
from smtpcheck.lab.script import Script
from tests.lab.clients import PATIENT, SOON, trusting
from tests.lab.delivery_symptoms import mailbox
from tests.lab.mail_symptoms import Symptom

ME = "<me@acme.example>"


@contextlib.contextmanager
def line(practice: Practice, timeout: float = PATIENT) -> Iterator[smtplib.SMTP]:
    """A client at the practice's own port, under the name that it pretends to have, over TLS."""
    implicit = practice.mode is Mode.IMPLICIT
    context = trusting(practice)
    client = smtplib.SMTP_SSL(timeout=timeout, context=context) if implicit else smtplib.SMTP(timeout=timeout)
    client._host = practice.host  # the name for SNI; the constructor would look it up
    try:
        assert client.connect("127.0.0.1", practice.port)[0] == 220
        if not implicit:
            client.starttls(context=context)
        client.ehlo("client.test")
        yield client
    finally:
        client.close()


def spoken(client: smtplib.SMTP) -> bytes:
    """The next reply as smtplib gives it: code and lines."""
    code, text = client.getreply()
    return b"%d %s" % (code, text)


def expected(octets: bytes) -> bytes:
    """A scripted reply as smtplib gives it."""
    lines = octets.decode("latin-1").rstrip("\r\n").split("\r\n")
    return (lines[0][:3] + " " + "\n".join(each[4:].strip(" \t") for each in lines)).encode("latin-1")


def at_login(practice: Practice, script: Script) -> None:
    with line(practice) as client:
        offered = client.esmtp_features["auth"].split()
        if "CRAM-MD5" in offered:
            client.putcmd("AUTH", "CRAM-MD5")
            assert client.getreply()[0] == 334
            client.putcmd(base64.b64encode(b"me 0").decode())
        elif "XOAUTH2" in offered:
            token = f"user={practice.target}\1auth=Bearer x\1\1"
            client.putcmd("AUTH", "XOAUTH2 " + base64.b64encode(token.encode()).decode())
            code, reason = client.getreply()
            assert (code, base64.b64decode(reason)) == (334, script.oauth_error.encode())
            client.putcmd("")
        else:
            client.putcmd("AUTH", "PLAIN " + base64.b64encode(b"\0me\0secret").decode())
        assert script.auth is not None
        assert spoken(client) == expected(script.auth.text)


def in_transaction(practice: Practice, script: Script) -> None:
    with line(practice) as client:
        for verb, rest in (("MAIL", f"FROM:{ME}"), ("RCPT", f"TO:{ME}"), ("DATA", "")):
            client.putcmd(verb, rest)
            if verb in script.replies:
                assert spoken(client) == expected(script.replies[verb].text)
                return
            assert client.getreply()[0] in (250, 354)
        client.send("Subject: hello\r\n\r\nhello\r\n.\r\n")
        assert script.queued is not None
        assert spoken(client) == expected(script.queued.text)


def says(name: str) -> Symptom:
    """The words of the row come at their stage."""
    script = fault(name).script

    def check(practice: Practice) -> None:
        (at_login if script.auth else in_transaction)(practice, script)

    return check


def cut_after_refusal(practice: Practice) -> None:
    """smtplib tries the next mechanism and reports how that ended: the refusal is lost."""
    with line(practice) as client, pytest.raises(smtplib.SMTPServerDisconnected):
        client.login(practice.target, "secret")


def cut_in_place_of_reply(practice: Practice) -> None:
    with line(practice) as client, pytest.raises(smtplib.SMTPServerDisconnected):
        client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0me\0secret").decode())


def one_refused(practice: Practice) -> None:
    """sendmail() returns the refusal, and raises nothing."""
    with line(practice) as client:
        client.login(practice.target, practice.password)
        refused = client.sendmail(practice.target, ["you@example.com", "gone@example.com"], "Subject: hello\r\n\r\nhi")
        assert refused == {"gone@example.com": (550, b"5.1.1 no")}
    assert practice.smtp is not None
    assert [message.recipients for message in practice.smtp.ledger.messages] == [("you@example.com",)]


def to_each(*answers: tuple[str, int]) -> Symptom:
    """RCPT is answered by the address; 0: the line is cut."""

    def heard(practice: Practice) -> None:
        with line(practice) as client:
            if not practice.target.startswith("mx:"):
                client.login(practice.target, practice.password)
            assert client.mail("me@acme.example")[0] == 250
            for address, code in answers:
                if code:
                    assert client.rcpt(address)[0] == code
                else:
                    with pytest.raises(smtplib.SMTPServerDisconnected):
                        client.rcpt(address)

    return heard


def no_answer_to_dot(practice: Practice) -> None:
    with line(practice, SOON) as client:
        client.login(practice.target, practice.password)
        with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
            client.sendmail(practice.target, [practice.target], "Subject: hello\r\n\r\nhi")
    assert practice.smtp is not None
    assert len(practice.smtp.ledger.messages) == 1


def no_plain(practice: Practice) -> None:
    with line(practice) as client:
        assert client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\0me\0secret").decode())[0] == 504


def mailbox_says_no(practice: Practice) -> None:
    client = mailbox(practice)
    with pytest.raises(imaplib.IMAP4.error):
        client.login(practice.target, practice.password)
        client.select("INBOX", readonly=True)
        client.search(None, "HEADER", "X-Smtpcheck-Token", "canary")
    client.shutdown()


def opens_with_id(practice: Practice) -> None:
    with mailbox(practice) as client:
        client.login(practice.target, practice.password)
        assert client.select("INBOX", readonly=True)[0] == "NO"
        client.xatom("ID", '("name" "test")')
        assert client.select("INBOX", readonly=True)[0] == "OK"


_OWN: dict[str, Symptom] = {
    "qq-535-masked-by-disconnect": cut_after_refusal,
    "qq-silent-close-on-auth": cut_in_place_of_reply,
    "auth-mech-plain-refused": no_plain,
    "recipient-partly-refused": one_refused,
    "message-end-timeout": no_answer_to_dot,
    "login-flow-imap-vs-smtp": mailbox_says_no,
    "imap-check-wrong-place": mailbox_says_no,
    "imap-id-required": opens_with_id,
}


def _in_words(name: str) -> bool:
    return name not in _OWN and rows()[name].get("script", {}).keys() & {"auth", "replies", "queued"} != set()


def of_tables(*tables: str) -> dict[str, Symptom]:
    """The symptoms of the rows of these files."""
    folder = resources.files("smtpcheck.lab").joinpath("table")
    names = [name for table in tables for name in tomllib.loads(folder.joinpath(table).read_text("utf-8"))]
    return {name: says(name) if _in_words(name) else _OWN[name] for name in names}


_YOU, _POSTMASTER = "you@example.com", "postmaster@example.com"
_OWN |= dict.fromkeys(
    (
        "recipient-unclear-postmaster-taken",
        "recipient-unclear-postmaster-taken-mx",
        "recipient-policy-postmaster-taken",
        "user-unknown-postmaster-taken",
        "mailbox-unavailable-postmaster-taken",
    ),
    to_each((_YOU, 550), (_POSTMASTER, 250)),
)
_OWN |= dict.fromkeys(
    ("recipient-unclear-postmaster-refused", "user-unknown-postmaster-too", "mailbox-unavailable-postmaster-too"),
    to_each((_YOU, 550), (_POSTMASTER, 550)),
)
_OWN["recipient-refused-postmaster-cut-off"] = to_each((_YOU, 550), (_POSTMASTER, 0))
SYMPTOMS = of_tables("auth-faults.toml", "transaction-faults.toml", "delivery-faults.toml", "recipient-control.toml")
