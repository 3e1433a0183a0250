"""Does mail that the real Postfix takes end where it should, in the eyes of clients that are not ours?"""

from __future__ import annotations

import email
import email.policy
import imaplib
import smtplib
import time
from email.message import EmailMessage
from email.utils import make_msgid

import pytest

from tests.servers.clients import arrived, fetched, imap, mailbox, smtp, verify_code
from tests.servers.daemon import awaited
from tests.servers.dovecot import DOMAIN, LATE, MECHANISMS, SLOW, USER, Dovecot
from tests.servers.postfix import GTUBE, REFUSALS, SIZE, SPAM, VOID, Postfix

OTHERS = 500
BOXES = [(USER, "INBOX"), (SPAM, "Junk"), (USER.replace("@", "+Archive@"), "Archive")]
UNKNOWN = (f"nobody@{DOMAIN}", "550 5.1.1 User unknown in virtual mailbox table")
REFUSED = [*REFUSALS.items(), UNKNOWN]


@pytest.fixture(scope="module")
def crowded(dovecot: Dovecot) -> Dovecot:
    """The mailbox with 500 messages of others in INBOX."""
    dovecot.fill_mailbox(OTHERS, headers="X-Token: of-another-run\r\n")
    return dovecot


def letter(*to: str, text: str = "Grüße von der Posaune") -> EmailMessage:
    message = EmailMessage()
    message["From"] = USER
    message["To"] = to
    message["Subject"] = "测试"
    message["Message-ID"] = make_msgid(domain=DOMAIN)
    message.set_content(text)
    return message


def sent(postfix: Postfix, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """Which recipients Postfix refused; raises smtplib.SMTPException when nothing was sent."""
    with smtp(postfix, "starttls") as client:
        client.login(postfix.user, postfix.password)
        return client.send_message(message)


@pytest.mark.parametrize(("to", "where"), BOXES, ids=[where for _, where in BOXES])
def test_a_message_sent_is_fetched_among_500_others(crowded: Dovecot, postfix: Postfix, to: str, where: str) -> None:
    message = letter(to)
    assert sent(postfix, message) == {}
    with mailbox(crowded) as client:
        seen = email.message_from_bytes(arrived(client, where, message["Message-ID"]), policy=email.policy.default)
        assert (seen["Subject"], seen.get_content()) == ("测试", "Grüße von der Posaune\r\n")
        _, (count,) = client.select("INBOX", readonly=True)
        assert int(count or b"") >= OTHERS
        assert len(client.search(None, "HEADER", "X-Token", "of-another-run")[1][0].split()) == OTHERS


def test_a_slow_delivery_arrives_in_the_same_mailbox(dovecot: Dovecot, postfix: Postfix) -> None:
    message = letter(LATE)
    began = time.monotonic()
    assert sent(postfix, message) == {}
    with mailbox(dovecot) as client:
        assert time.monotonic() - began < SLOW
        assert arrived(client, "INBOX", message["Message-ID"])
        assert SLOW <= time.monotonic() - began < SLOW + 5


def test_a_message_swallowed_is_in_no_mailbox(dovecot: Dovecot, postfix: Postfix) -> None:
    message = letter(VOID)
    assert sent(postfix, message) == {}
    assert "status=sent (silently)" in awaited(lambda: logged(postfix, f"to=<{VOID}>, relay=none", "status="))
    with mailbox(dovecot) as client:
        assert not any(fetched(client, name, message["Message-ID"]) for name in ("INBOX", "Junk", "Archive"))


def logged(postfix: Postfix, *words: str) -> str:
    lines = postfix.log.read_text(errors="replace").splitlines()
    return next((line for line in lines if all(word in line for word in words)), "")


@pytest.mark.parametrize(("to", "words"), REFUSED, ids=[to.partition("@")[0] for to, _ in REFUSED])
def test_one_recipient_is_refused_and_the_other_is_served(
    dovecot: Dovecot, postfix: Postfix, to: str, words: str
) -> None:
    message = letter(to, USER)
    ((refused, (code, answer)),) = sent(postfix, message).items()
    status, _, reason = words[4:].partition(" ")
    assert (refused, code) == (to, int(words[:3]))
    assert answer.decode() == f"{status} <{to}>: Recipient address rejected: {reason}"
    with mailbox(dovecot) as client:
        assert arrived(client, "INBOX", message["Message-ID"])


def test_spam_is_refused_after_its_data(postfix: Postfix) -> None:
    with pytest.raises(smtplib.SMTPDataError) as refused:
        sent(postfix, letter(USER, text=GTUBE))
    assert (refused.value.smtp_code, refused.value.smtp_error) == (550, b"5.7.1 this looks like spam")


def test_a_message_too_large_is_refused_by_its_announced_size(postfix: Postfix) -> None:
    with smtp(postfix, "mx") as client:
        assert client.esmtp_features["size"] == str(SIZE)
        code, answer = client.mail(USER, [f"SIZE={SIZE + 1}"])
        assert (code, answer[:6]) == (552, b"5.3.4 ")


@pytest.mark.parametrize("service", ["implicit", "starttls"])
@pytest.mark.parametrize(("certificate", "code"), [("good", 0), ("missing-intermediate", 20), ("wrong-host", 62)])
def test_each_name_of_the_mailbox_shows_its_certificate(
    dovecot: Dovecot, certificate: str, code: int, service: str
) -> None:
    assert verify_code(imap(dovecot, service, certificate)) == code


@pytest.mark.parametrize("service", ["implicit", "starttls"])
def test_the_mailbox_opens_with_its_password_alone(dovecot: Dovecot, service: str) -> None:
    with imap(dovecot, service) as client:
        assert {f"AUTH={mechanism}" for mechanism in MECHANISMS} <= set(client.capabilities)
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            client.login(dovecot.user, "no" + dovecot.password)
        assert client.login(dovecot.user, dovecot.password)[0] == "OK"


def test_special_use_and_names_beyond_ascii_are_listed(dovecot: Dovecot) -> None:
    with mailbox(dovecot) as client:
        listed = {line.split(b' "/" ')[1]: line for line in client.list()[1] if isinstance(line, bytes)}
    assert rb"\Junk" in listed[b"Junk"] and rb"\Archive" in listed[b"Archive"]
    assert b"INBOX" in listed
    # RFC 3501 section 5.1.3
    assert dovecot.non_ascii.encode("utf-7").replace(b"+", b"&").replace(b"/", b",") in listed


def test_a_mailbox_beyond_ascii_is_filled(dovecot: Dovecot) -> None:
    dovecot.fill_mailbox(3, dovecot.non_ascii, age=40 * 86400)
    with mailbox(dovecot) as client:
        assert client.select('"&kc2JgQ-"', readonly=True) == ("OK", [b"3"])
        month_ago = imaplib.Time2Internaldate(time.time() - 30 * 86400)[1:12].strip()
        assert client.search(None, "BEFORE", month_ago) == ("OK", [b"1 2 3"])
