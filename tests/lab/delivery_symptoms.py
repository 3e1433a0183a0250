"""What becomes of a message on the practice range? smtplib hands it over, imaplib looks for it."""

from __future__ import annotations

import imaplib
import smtplib
import ssl
import time

import pytest

from smtpcheck.lab import Practice
from tests.lab.clients import secured
from tests.lab.mail_symptoms import Symptom

MESSAGE = "From: me\r\nSubject: practice\r\nX-Smtpcheck-Token: canary\r\n\r\nhello\r\n"


def handed_over(practice: Practice) -> None:
    with secured(practice) as client:
        client.login(practice.target, practice.password)
        client.sendmail(practice.target, [practice.target], MESSAGE)


def mailbox(practice: Practice) -> imaplib.IMAP4_SSL:
    """Connected by address, because the practice names are in the practice resolver alone."""
    context = ssl.create_default_context(cafile=practice.options["ca_file"])
    context.check_hostname = False
    port = int(practice.options["imap"].rpartition(":")[2])
    return imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context, timeout=2.0)


def found(client: imaplib.IMAP4, folder: str) -> int:
    assert client.select(folder, readonly=True)[0] == "OK"
    return len(client.search(None, "HEADER", "X-Smtpcheck-Token", "canary")[1][0].split())


def lands_in(folder: str) -> Symptom:
    """The message is in that folder within two seconds; in none where the folder is empty."""

    def check(practice: Practice) -> None:
        handed_over(practice)
        with mailbox(practice) as client:
            client.login(practice.target, practice.password)
            ends = time.monotonic() + 2.0
            counts = {name: found(client, name) for name in ("INBOX", "Junk")}
            while folder and not counts[folder] and time.monotonic() < ends:
                counts = {name: found(client, name) for name in ("INBOX", "Junk")}
        assert counts == {name: int(name == folder) for name in ("INBOX", "Junk")}

    return check


def lies_elsewhere(practice: Practice) -> None:
    lands_in("INBOX")(practice)
    assert practice.options["imap"].startswith("imap.elsewhere.test:")
    assert not practice.target.endswith("elsewhere.test")


def refuses_login(practice: Practice) -> None:
    handed_over(practice)
    client = mailbox(practice)
    with pytest.raises(imaplib.IMAP4.error):
        client.login(practice.target, practice.password)
    client.shutdown()


def search_fails(*, hangs: bool) -> Symptom:
    """A search gets no answer, or a refusal."""

    def check(practice: Practice) -> None:
        handed_over(practice)
        client = mailbox(practice)
        client.login(practice.target, practice.password)
        client.select("INBOX", readonly=True)
        with pytest.raises((TimeoutError, OSError) if hangs else imaplib.IMAP4.error):
            client.search(None, "HEADER", "X-Smtpcheck-Token", "canary")
        client.shutdown()

    return check


def blind(practice: Practice) -> None:
    handed_over(practice)
    with mailbox(practice) as client:
        client.login(practice.target, practice.password)
        assert found(client, "INBOX") == 0
        assert client.search(None, "ALL")[1][0].split()


def wants_id(practice: Practice) -> None:
    handed_over(practice)
    with mailbox(practice) as client:
        client.login(practice.target, practice.password)
        status, text = client.select("INBOX", readonly=True)
        assert (status, b"Unsafe Login" in text[0]) == ("NO", True)
        client.xatom("ID", '("name" "test")')
        assert found(client, "INBOX") == 1


def refused_at(error: type[smtplib.SMTPException], code: int) -> Symptom:
    """The transaction ends with that code."""

    def check(practice: Practice) -> None:
        with pytest.raises(error) as caught:
            handed_over(practice)
        said = getattr(caught.value, "recipients", None)
        assert code == (next(iter(said.values()))[0] if said else getattr(caught.value, "smtp_code", 0))

    return check


def lost_after_dot(practice: Practice) -> None:
    with pytest.raises(smtplib.SMTPServerDisconnected):
        handed_over(practice)
    assert practice.smtp is not None
    assert len(practice.smtp.ledger.messages) == 1


SYMPTOMS: dict[str, Symptom] = {
    "delivered": lands_in("INBOX"),
    "mailbox-elsewhere": lies_elsewhere,
    "mailbox-elsewhere-allowed": lies_elsewhere,
    "delivery-in-junk": lands_in("Junk"),
    "delivery-silently-dropped": lands_in(""),
    "mailbox-refuses-login": refuses_login,
    "mailbox-hangs": search_fails(hangs=True),
    "mailbox-blind-search": blind,
    "mailbox-without-search": search_fails(hangs=False),
    "mailbox-wants-id": wants_id,
    "message-refused": refused_at(smtplib.SMTPDataError, 554),
    "message-deferred": refused_at(smtplib.SMTPDataError, 451),
    "message-fate-unknown": lost_after_dot,
    "message-data-refused": refused_at(smtplib.SMTPDataError, 554),
    "recipient-refused": refused_at(smtplib.SMTPRecipientsRefused, 550),
    "sender-refused": refused_at(smtplib.SMTPSenderRefused, 501),
}
