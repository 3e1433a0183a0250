"""Does a composed message say what was given, to the last bit, and nothing that was smuggled in?"""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
import re
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcheck.messages.compose import (
    DEFAULT_WORDS,
    TOKEN_HEADER,
    Attachment,
    Composed,
    ComposeError,
    compose,
    new_token,
    read_message,
)
from smtpcheck.wire.message import dot_stuffed, flaws, needs

AT = datetime(2026, 11, 23, 17, 5, 9, tzinfo=timezone(timedelta(hours=8)))
TOKEN = "sc0123456789abcdef"
FAMILY = "👩‍👩‍👧‍👦"
TEXTS = [
    "plain",
    "投递测试",
    "שלום, עולם",
    "مرحبا",
    FAMILY,
    "é" * 400,
    "字" * 300,
    "word " * 80 + "end",
    'quotes " and \\ and (comment), <x@y.example>; a:b',
    "=?utf-8?b?QQ==?=",
    "x" * 1200,
    "tail=20_?",
    "‮gnp.exe",
]
HEADER_CHARACTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
HEADER_TEXT = st.text(HEADER_CHARACTERS, max_size=200) | st.sampled_from(TEXTS)
BODY_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=600) | st.lists(
    st.sampled_from(
        ["From me\n", ".\n", "..", "\r", "\n", "\r\n", " \n", "\t\n", "=\n", "--=_mixed_", TOKEN, "中", "x" * 99]
    ),
    max_size=20,
).map("".join)


def made(**given: Any) -> Composed:
    values: dict[str, Any] = {"recipients": ("b@y.example",), "token": TOKEN, "at": AT, **given}
    return compose(values.pop("sender", "a@x.example"), values.pop("recipients"), **values)


def parsed(composed: Composed) -> EmailMessage:
    message = email.message_from_bytes(composed.message, policy=email.policy.default)
    for part in message.walk():
        assert not part.defects
    return cast("EmailMessage", message)


def value(composed: Composed, name: str) -> str:
    """The raw header field, unfolded; there is exactly one."""
    head = composed.message.partition(b"\r\n\r\n")[0]
    fields = re.findall(rb"(?mi)^%s:[ ]?((?:[^\r]|\r\n[ ])*)" % name.encode(), head)
    assert len(fields) == 1
    return cast("bytes", fields[0]).replace(b"\r\n", b"").decode()


def decoded(raw: str) -> str:
    return str(email.header.make_header(email.header.decode_header(raw)))


def lines_of(text: str) -> str:
    """As a reader has it: the line ends of one kind, one after the last line."""
    plain = re.sub("\r\n|\r|\n", "\n", text)
    return plain if plain.endswith("\n") or not plain else plain + "\n"


def is_sound(composed: Composed) -> None:
    assert flaws(composed.message) == ()
    assert needs(composed.message) == frozenset()
    assert composed.message.endswith(b"\r\n")
    assert not re.search(rb"^From ", composed.message, re.MULTILINE)
    assert not re.search(rb"[ \t]\r\n", composed.message.partition(b"\r\n\r\n")[2])
    assert composed.message.count(b"\n") == composed.message.count(b"\r\n") == composed.message.count(b"\r")
    dot_stuffed(composed.message)


# What is in it


def test_the_default_message() -> None:
    composed = made()
    assert composed == Composed(composed.message, TOKEN, f"<{TOKEN}@x.example>")
    is_sound(composed)
    message = parsed(composed)
    assert message["Date"] == "Mon, 23 Nov 2026 17:05:09 +0800"
    assert message["From"] == "a@x.example"
    assert message["To"] == "b@y.example"
    assert message["Subject"] == f"smtpcheck delivery test {TOKEN}"
    assert message["Message-ID"] == composed.message_id
    assert message[TOKEN_HEADER] == TOKEN
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["MIME-Version"] == "1.0"
    assert message["Precedence"] is None
    assert message.get_content_type() == "text/plain"
    assert TOKEN in message.get_content()
    assert b"Content-Transfer-Encoding: 7bit\r\n" in composed.message
    assert all(len(line) <= 76 for line in composed.message.split(b"\r\n"))


def test_the_default_message_in_chinese() -> None:
    composed = made(lang="zh-CN")
    is_sound(composed)
    message = parsed(composed)
    assert message["Subject"] == f"smtpcheck 投递测试 {TOKEN}"
    assert f"标识：{TOKEN}" in message.get_content()
    # for those who search the raw header
    assert value(composed, "Subject").endswith(f" {TOKEN}")
    assert value(composed, "Subject").isascii()


@pytest.mark.parametrize(("lang", "words"), [("en", "en"), ("zh", "zh-CN"), ("zh-TW", "zh-CN"), ("fr", "en")])
def test_languages(lang: str, words: str) -> None:
    assert parsed(made(lang=lang))["Subject"] == DEFAULT_WORDS[words].subject.format(token=TOKEN)


def test_the_same_arguments_make_the_same_octets() -> None:
    given = {"html": "<p>é</p>", "attachments": [Attachment("a", b"b")], "sender_name": "张三"}
    assert made(**given) == made(**given)


def test_what_is_left_out_is_new() -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    one, two = (compose("a@x.example", ["b@y.example"]) for _ in range(2))
    assert one.token != two.token
    at = email.utils.parsedate_to_datetime(value(one, "Date"))
    assert before <= at <= datetime.now(UTC)
    assert len({new_token() for _ in range(100)}) == 100


@given(HEADER_TEXT)
def test_subjects_come_back(subject: str) -> None:
    composed = made(subject=subject)
    is_sound(composed)
    assert decoded(value(composed, "Subject")) == subject
    if len(subject) < 20 and " " not in subject:
        assert parsed(composed)["Subject"] == subject


@given(HEADER_TEXT)
def test_names_come_back(name: str) -> None:
    composed = made(sender_name=name)
    is_sound(composed)
    raw = value(composed, "From")
    # the address is never within an encoded word
    assert raw.endswith("<a@x.example>") if name else raw == "a@x.example"
    shown, address = email.utils.parseaddr(raw)
    assert (decoded(shown), address) == (name, "a@x.example")
    assert len(email.utils.getaddresses([raw])) == 1
    (mailbox,) = cast("Any", parsed(composed)["From"]).addresses
    assert mailbox.addr_spec == "a@x.example"
    if "=?" not in raw or (raw.count("=?") == 1 and name == " ".join(name.split())):
        assert mailbox.display_name == name


@given(HEADER_TEXT.filter(bool), st.binary(max_size=300))
def test_attachments_come_back(name: str, content: bytes) -> None:
    composed = made(attachments=[Attachment(name, content, "image/png"), Attachment("2", b"")])
    is_sound(composed)
    one, two = parsed(composed).iter_attachments()
    assert (one.get_filename(), one.get_content(), one.get_content_type()) == (
        name.strip(),  # get_filename's doing; tests/wire/test_message.py looks at the octets
        content,
        "image/png",
    )
    assert (two.get_filename(), two.get_content()) == ("2", b"")


@settings(max_examples=200)
@given(BODY_TEXT, st.none() | BODY_TEXT, st.lists(st.binary(max_size=100), max_size=2))
def test_texts_come_back(text: str, html: str | None, files: list[bytes]) -> None:
    composed = made(text=text, html=html, attachments=[Attachment(f"{n}.bin", f) for n, f in enumerate(files)])
    is_sound(composed)
    body = composed.message.partition(b"\r\n\r\n")[2]
    assert all(len(line) <= 78 for line in body.split(b"\r\n"))
    message = parsed(composed)
    plain = message.get_body(("plain",))
    assert plain is not None
    assert content(plain) == lines_of(text)
    rich = message.get_body(("html",))
    assert (None if rich is None else content(rich)) == (None if html is None else lines_of(html))
    assert [part.get_content() for part in message.iter_attachments() if part.get_filename()] == files


@pytest.mark.parametrize("kind", ["mixed", "alternative"])
def test_a_text_can_not_end_its_part(kind: str) -> None:
    text = f"a\n--=_{kind}_{TOKEN}\nContent-Type: text/html\n\nb\n--=_{kind}_{TOKEN}--\n"
    message = parsed(made(text=text, html=text, attachments=[Attachment("a", text.encode())]))
    assert [content(part) for part in message.walk() if not part.is_multipart()] == [text] * 3


def content(part: EmailMessage) -> str:
    return cast("bytes", part.get_payload(decode=True)).decode().replace("\r\n", "\n")


def test_shape_with_html_and_attachment() -> None:
    composed = made(text="t", html="<p>t</p>", attachments=[Attachment("a", b"b")])
    assert [part.get_content_type() for part in parsed(composed).walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/octet-stream",
    ]  # fmt: skip


@pytest.mark.parametrize("type_", ["message/rfc822", "multipart/mixed", "Message/Partial"])
def test_a_mail_is_attached_as_a_file(type_: str) -> None:
    (file,) = parsed(made(attachments=[Attachment("a.eml", b"A: b\n\nc\n", type_)])).iter_attachments()
    assert (file.get_content_type(), file.get_content()) == ("application/octet-stream", b"A: b\n\nc\n")


def test_many_recipients() -> None:
    recipients = [f"someone{n}@y{n}.example" for n in range(60)]
    composed = made(recipients=recipients)
    is_sound(composed)
    assert [a.addr_spec for a in cast("Any", parsed(composed)["To"]).addresses] == recipients
    assert all(len(line) <= 78 for line in composed.message.split(b"\r\n"))


def test_domains_are_a_labels() -> None:
    composed = made(sender="a@例子.example", recipients=["b@bücher.example"])
    is_sound(composed)
    assert value(composed, "From") == "a@xn--fsqu00a.example"
    assert value(composed, "To") == "b@xn--bcher-kva.example"
    assert composed.message_id == f"<{TOKEN}@xn--fsqu00a.example>"
    assert made(message_id_domain="例子.example").message_id == composed.message_id


def test_a_local_part_outside_ascii_makes_it_need_smtputf8() -> None:
    composed = made(sender="张三@x.example", sender_name="张三", subject="测试", text="测试")
    assert needs(composed.message, ["张三@x.example"]) == {"SMTPUTF8"}
    assert value(composed, "From") == "=?utf-8?b?5byg5LiJ?= <张三@x.example>"
    assert flaws(composed.message, extensions=("SMTPUTF8",)) == ()


# What is refused

ENDS = [
    "\r\nBcc: evil@z.example",
    "\nBcc: evil@z.example",
    "\r\n\r\nbody",
    "\r",
    "\0",
    "\x0b",
    "\x85",
    "\u2028",
    "\ud800",
]


@pytest.mark.parametrize("end", ENDS, ids=ascii)
@pytest.mark.parametrize(
    "field", ["sender", "recipients", "subject", "sender_name", "token", "message_id_domain", "name", "type"]
)
def test_no_header_is_injected(field: str, end: str) -> None:
    given: dict[str, Any] = {
        "sender": {"sender": f"a@x.example{end}"},
        "recipients": {"recipients": ["b@y.example", f"c@y.example{end}"]},
        "name": {"attachments": [Attachment(f"a{end}", b"")]},
        "type": {"attachments": [Attachment("a", b"", f"text/plain{end}")]},
    }.get(field, {field: f"a{end}"})
    with pytest.raises(ComposeError) as error:
        made(**given)
    assert str(error.value).isascii()
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    "given",
    [
        {"sender": ""},
        {"sender": "a"},
        {"recipients": ()},
        {"recipients": "b@y.example"},
        {"recipients": [""]},
        {"recipients": ["b@y.example, c@y.example"]},
        {"recipients": ["b@y.example>,<c@y.example"]},
        {"token": "a b"},
        {"token": "x" * 49},
        {"token": "{token}"},
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001  # the point
        {"attachments": [Attachment("", b"")]},
        {"attachments": [Attachment("a", b"", "text")]},
        {"attachments": [Attachment("a", b"", "text/plain; x=y")]},
        {"text": "a\ud800"},
        {"html": "a\ud800"},
        {"message_id_domain": "a>b"},
    ],
    ids=ascii,
)
def test_what_can_not_be_composed(given: dict[str, Any]) -> None:
    with pytest.raises(ComposeError):
        made(**given)


@given(st.text(max_size=50), st.text(max_size=50), st.text(max_size=50))
def test_whatever_is_given_the_fields_stay_these(subject: str, name: str, file: str) -> None:
    try:
        composed = made(subject=subject, sender_name=name, attachments=[Attachment(file, b"")])
    except ComposeError:
        return
    assert parsed(composed).keys() == [
        "Date", "From", "To", "Subject", "Message-ID", TOKEN_HEADER, "Auto-Submitted", "X-Auto-Response-Suppress",
        "MIME-Version", "Content-Type",
    ]  # fmt: skip


# A message sent as it is

OWN = b"From: a@x.example\r\nMessage-id:\r\n <own.1@x.example>\r\n\r\n.\r\nbody \xe9"


def test_as_it_is() -> None:
    assert read_message(OWN) == Composed(OWN, "<own.1@x.example>", "<own.1@x.example>")
    assert dot_stuffed(OWN).endswith(b"\r\n\r\n..\r\nbody \xe9\r\n.\r\n")
    assert needs(OWN) == {"8BITMIME"}
    assert read_message(made(subject="投").message).message_id == made().message_id


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (OWN.replace(b"\r\n", b"\n"), r"bare LF in line 1 \(octet 18\); bare LF in line 2"),
        (OWN + b"\rx", "bare CR in line 6"),
        (OWN + b"\r\n" + b"x" * 999, "999 octets in line 7"),
        (OWN + b"\0", "NUL in line 6"),
        (b"A: \xff\r\n" + OWN, "not UTF-8 in line 1"),
        (b"From a Mon\r\n" + OWN, "line 1 is no header field"),
        (OWN.replace(b"Message-id", b"X-Id"), "0 Message-ID fields.*add a line such as Message-ID: <"),
        (b"Message-ID: <a@b>\r\n" + OWN, "2 Message-ID fields"),
        (OWN.replace(b"<own.1", b"<own 1"), "the Message-ID is none"),
        (OWN.replace(b"<own.1@x.example>", b""), "the Message-ID is none"),
        (OWN.replace(b"own", "é".encode()), "the Message-ID is none"),
        (b"X: y\r\n\r\nMessage-ID: <in.the@body>\r\n", "0 Message-ID fields"),
        (b"", "0 Message-ID fields"),
    ],
)
def test_what_can_not_be_sent_as_it_is(content: bytes, said: str) -> None:
    with pytest.raises(ComposeError, match=said):
        read_message(content)


@given(st.binary(max_size=200))
def test_as_it_is_or_not_at_all(content: bytes) -> None:
    content = b"Message-ID: <a@b>\r\n" + content
    try:
        assert read_message(content).message == content
    except ComposeError as error:
        assert error.args[0].isascii()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"Message-ID: <a@b.example>\r\n\r\nline\nline\r\n", "bare-lf"),
        (b"Message-ID: <a@b.example>\r\n\r\n" + b"x" * 1200 + b"\r\n", "line-too-long"),
        (b"Message-ID: <a@b.example>\r\nSubject: \xff\xfe\r\n\r\nline\r\n", "smtputf8-forced-by-subject"),
        (b"Message-ID: <a@b.example>\r\nthe text at once\r\n", "body-lost-no-blank-line"),
    ],
)
def test_a_flaw_of_ones_own_message_leads_to_its_explanation(content: bytes, fault: str) -> None:
    with pytest.raises(ComposeError, match=f"smtpcheck explain {fault}"):
        read_message(content)
