"""Is every recipient of a bounce read, whatever form the notice has, and can no notice do harm?"""

from __future__ import annotations

import base64
import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.dsn import MAX_PARTS, MAX_RECIPIENTS, Bounce, Recipient, looks_like_message, parse_bounce

# as Postfix writes it (bounce(8)), with one recipient refused, one late and one delivered
POSTFIX = b"""From: MAILER-DAEMON@mail.example.org (Mail Delivery System)
To: me@example.org
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<gone@example.net>: host mx.example.net[192.0.2.7] said: 550 5.1.1
    <gone@example.net>: Recipient address rejected: User unknown (in
    reply to RCPT TO command)

--B
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.org
Arrival-Date: Mon, 1 Jan 2024 10:00:00 +0000

Final-Recipient: rfc822; gone@example.net
Original-Recipient: rfc822;gone@example.net
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.net
Diagnostic-Code: smtp; 550 5.1.1 <gone@example.net>: Recipient address
    rejected: User unknown

Final-Recipient: rfc822; late@example.com
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mx.example.com[192.0.2.9]:25:
    Connection timed out

Final-Recipient: rfc822; fine@example.com
Action: delivered
Status: 2.0.0

--B
Content-Type: message/rfc822

From: me@example.org
To: gone@example.net
Subject: the message that came back, with 550 5.7.1 in it

554 not a reply
--B--
"""


def test_every_recipient_of_a_notice_is_read() -> None:
    bounce = parse_bounce(POSTFIX)

    assert bounce.reporter == "mail.example.org"
    assert bounce.recipients == (
        Recipient(
            "gone@example.net",
            "failed",
            "5.1.1",
            "550 5.1.1 <gone@example.net>: Recipient address rejected: User unknown",
            "mx.example.net",
        ),
        Recipient(
            "late@example.com",
            "delayed",
            "4.4.1",
            "connect to mx.example.com[192.0.2.9]:25: Connection timed out",
            "",
        ),
        Recipient("fine@example.com", "delivered", "2.0.0", "", ""),
    )
    assert [one.failed for one in bounce.recipients] == [True, False, False]


def test_line_ends_of_either_kind_are_the_same() -> None:
    assert parse_bounce(POSTFIX.replace(b"\n", b"\r\n")).recipients == parse_bounce(POSTFIX).recipients


def test_the_message_that_came_back_is_not_read() -> None:
    assert "not a reply" not in parse_bounce(POSTFIX).text
    assert "5.7.1" not in parse_bounce(POSTFIX).text


def test_a_group_of_fields_may_be_pasted_alone() -> None:
    start = POSTFIX.index(b"Final-Recipient: rfc822; gone")
    pasted = POSTFIX[start : POSTFIX.index(b"--B\nContent-Type: message/rfc822")]

    assert parse_bounce(pasted).recipients == parse_bounce(POSTFIX).recipients
    assert parse_bounce(b"   what they sent me:\n" + pasted).recipients[0].address == "gone@example.net"


def test_a_bounce_of_another_form_leaves_its_text() -> None:
    said = "很抱歉您的邮件被退回来了：host mx.qq.com said: 550 Mailbox not found".encode("gb18030")
    raw = (
        b"From: postmaster@example.cn\nTo: me@example.cn\nContent-Type: text/plain; charset=gb2312\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(said)
    )

    assert parse_bounce(raw).recipients == ()
    assert "很抱歉您的邮件被退回来了" in parse_bounce(raw).text


def test_markup_is_taken_away() -> None:
    raw = b"From: a@b.c\nTo: a@b.c\nContent-Type: text/html\n\n<style>x{}</style><p>550 5.1.1 <b>no</b> <a@b.c></p>"

    assert parse_bounce(raw).text.strip() == "550 5.1.1 no <a@b.c>"


@pytest.mark.parametrize(
    "text",
    [
        "535 5.7.8 Error: authentication failed",
        "Error: 535\n  code: 'EAUTH',\n  response: 'no'",
        "",
        "Status: fine\n\nx",
    ],
)
def test_other_texts_are_no_messages_and_have_no_recipients(text: str) -> None:
    assert not looks_like_message(text)
    assert parse_bounce(text.encode()) == Bounce("", (), text)


def test_recipients_are_bounded() -> None:
    group = b"Final-Recipient: rfc822; a@b.c\nAction: failed\nStatus: 5.1.1\n\n"

    assert len(parse_bounce(group * (MAX_RECIPIENTS + 50)).recipients) == MAX_RECIPIENTS


def test_parts_are_bounded() -> None:
    head = b"From: a@b.c\nTo: a@b.c\nContent-Type: multipart/mixed; boundary=B\n\n"

    with pytest.raises(ProtocolError, match=f"more than {MAX_PARTS} parts"):
        parse_bounce(head + b"--B\n\nx\n" * (MAX_PARTS + 1))


def test_a_message_nested_without_end_is_refused_soon() -> None:
    head = b"From: a@b.c\nTo: a@b.c\n"
    inner = b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (i, i) for i in range(15000))
    began = time.process_time()

    with pytest.raises(ProtocolError):
        parse_bounce(head + inner)
    assert time.process_time() - began < 10


@given(st.binary(max_size=3000))
def test_any_octets_are_read_or_refused(raw: bytes) -> None:
    for data in (raw, POSTFIX[:600] + raw, POSTFIX.replace(b"Status", raw[:40])):
        with contextlib.suppress(ProtocolError):
            assert isinstance(parse_bounce(data), Bounce)
