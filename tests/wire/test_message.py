"""Does the message end where it should, is every flaw found where it is, and can no address leave its path?"""

from __future__ import annotations

import email.header
import time
from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.message import (
    MAX_FLAWS,
    MAX_LINE,
    MAX_PATH,
    a_domain,
    addressed,
    check,
    dot_stuffed,
    encoded_words,
    flaws,
    folded,
    header_fields,
    hidden_author,
    needs,
    parameter,
    phrase,
    size,
    unprintable,
    unstructured,
)

PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=300)
UTF8 = ("SMTPUTF8",)


# The data


def received(data: bytes) -> tuple[bytes, bytes]:
    """What a server makes of the octets after 354: the message, and the octets after its end."""
    lines: list[bytes] = []
    while data:
        line, end, data = data.partition(b"\r\n")
        assert end, "the end of the message never came"
        if line == b".":
            return b"".join(lines), data
        lines.append((line[1:] if line[:1] == b"." else line) + b"\r\n")
    raise AssertionError("the end of the message never came")


@given(st.lists(st.sampled_from([b".", b"\r\n", b"..", b"a", b"\r\n.\r\n", b"QUIT\r\n", b" "]), max_size=20))
def test_stuffed_dots_come_out_again(pieces: list[bytes]) -> None:
    message = b"".join(pieces)
    data = dot_stuffed(message)
    assert data.endswith(b"\r\n.\r\n")
    whole = message if message.endswith(b"\r\n") else message + b"\r\n"
    assert received(data) == (whole, b"")
    assert size(message) == len(whole)


@pytest.mark.parametrize(
    ("message", "data"),
    [
        (b"", b"\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b".\r\n.\r\n", b"..\r\n..\r\n.\r\n"),
        (b"a.b\r\n", b"a.b\r\n.\r\n"),
    ],
)
def test_dot_stuffed(message: bytes, data: bytes) -> None:
    assert dot_stuffed(message) == data


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n\n.\r\n", b"\r\r\n.\r\n", b"\r"]
)
def test_nothing_is_smuggled(end: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"bare (CR|LF) in line"):
        dot_stuffed(b"a: b\r\n\r\nbody" + end)


FLAWS = {
    b"": (),
    b"A: b\r\n\r\nc\r\n.\r\n": (),
    b"A: b\r\n\r\n" + b"x" * MAX_LINE + b"\r\n": (),
    b"A: b\r\n\r\n" + b"x" * (MAX_LINE + 1): ("999 octets in line 3 (octet 9), 998 are allowed",),
    b"A: b\r\n\r\n\xe9\r\n": (),
    b"A: b\r\nc\nd\r\n": ("bare LF in line 2 (octet 8)",),
    b"A: b\rc\r\n": ("bare CR in line 1 (octet 5)",),
    b"\r\r\n": ("bare CR in line 1 (octet 1)",),
    b"\n\r\n": ("bare LF in line 1 (octet 1)",),
    b"\r\n\r": ("bare CR in line 2 (octet 3)",),
    b"A: b\r\n\r\nc\0d\r\n": ("NUL in line 3 (octet 10)",),
    b"A: \xc3\xa9\r\n\r\nb\r\n": ("8-bit header without SMTPUTF8 in line 1 (octet 1)",),
    b"A: b\r\n \xff\r\n\r\nb\r\n": ("8-bit header without SMTPUTF8 in line 2 (octet 7)",),
    b"A: b\n\n\xc3\xa9": ("bare LF in line 1 (octet 5)", "bare LF in line 2 (octet 6)"),
}


@pytest.mark.parametrize(("message", "found"), FLAWS.items(), ids=lambda value: repr(value)[:40])
def test_flaws(message: bytes, found: tuple[str, ...]) -> None:
    assert flaws(message) == found
    if found:
        with pytest.raises(ProtocolError) as error:
            check(message)
        assert error.value.args == ("; ".join(found),)
    else:
        check(message)


def test_headers_with_smtputf8() -> None:
    assert flaws("A: é\r\n\r\n".encode(), extensions=UTF8) == ()
    assert flaws(b"A: \xff\r\n\r\n", extensions=UTF8) == ("8-bit header that is not UTF-8 in line 1 (octet 1)",)


@given(st.binary(max_size=40), st.sampled_from([b"\r", b"\n", b"\0", b"\r\n", b"a"]), st.binary(max_size=40))
def test_flaws_are_found_wherever_they_are(before: bytes, odd: bytes, after: bytes) -> None:
    message = b"A: b\r\n\r\n" + before + odd + after
    stripped = message.replace(b"\r\n", b"")
    assert bool(flaws(message)) == any(octet in stripped for octet in (b"\r", b"\n", b"\0"))


def test_many_flaws_are_told_once_and_quickly() -> None:
    started = time.process_time()
    found = flaws(b"a\n" * 2_000_000)
    assert len(found) == MAX_FLAWS + 1
    assert found[-1] == "and more"
    assert flaws(b"x" * 4_000_000)
    assert not flaws((b"x" * 76 + b"\r\n") * 20_000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("message", "addresses", "wanted"),
    [
        (b"A: b\r\n\r\nc", (), ""),
        (b"A: b\r\n\r\n\xe9", ("a@b.example",), "8BITMIME"),
        ("A: é\r\n\r\nb".encode(), (), "SMTPUTF8"),
        ("A: é\r\n\r\né".encode(), (), "8BITMIME SMTPUTF8"),
        (b"\r\n\xe9", (), "8BITMIME"),
        (b"A: b\r\n\r\nc", ("a@b.example", "张三@b.example"), "SMTPUTF8"),
        (b"A: b\r\n\r\nc", ("a@例子.example",), ""),
    ],
)
def test_needs(message: bytes, addresses: tuple[str, ...], wanted: str) -> None:
    assert needs(message, addresses) == set(wanted.split())


def test_header_fields() -> None:
    assert header_fields(b"A: b\r\nMessage-ID:\r\n <c@d>\r\nE:f \r\n\tg: h\r\n\r\nno: field\r\n") == (
        (b"A", b"b"),
        (b"Message-ID", b"<c@d>"),
        (b"E", b"f \tg: h"),
    )
    assert header_fields(b"A: b") == ((b"A", b"b"),)
    assert header_fields(b"\r\nno: field\r\n") == ()


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (b"From a Mon Jan  1\r\nA: b\r\n\r\n", 1),  # mbox
        (b"A: b\r\nno field\r\n\r\n", 2),
        (b" folded\r\nA: b\r\n\r\n", 1),
        (b"\xef\xbb\xbfA: b\r\n\r\n", 1),  # a BOM
        (b"A: b\r\n\xc3\xa9: c\r\n\r\n", 2),
    ],
)
def test_what_is_no_header_field(message: bytes, line: int) -> None:
    with pytest.raises(ProtocolError, match=f"line {line} is no header field"):
        header_fields(message)


# Addresses


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("", b""),
        ("a@b.example", b"a@b.example"),
        ("o'neil+tag=x/y@b.example", b"o'neil+tag=x/y@b.example"),
        ("a..b.@docomo.example", b"a..b.@docomo.example"),
        ('"a@b,c"@d.example', b'"a@b,c"@d.example'),
        (r'"a\"b"@d.example', rb'"a\"b"@d.example'),
        ("a@例子.example", b"a@xn--fsqu00a.example"),
        ("a@Bücher.example", b"a@xn--bcher-kva.example"),
        ("a@b。example", b"a@b.example"),
        ("a@[192.0.2.1]", b"a@[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", b"a@[IPv6:2001:db8::1]"),
        ("root@localhost", b"root@localhost"),
    ],
)
def test_addressed(address: str, path: bytes) -> None:
    assert addressed(address) == path


NO_ADDRESSES = [
    "a@b.example\r\nDATA",
    "a@b.example\nDATA",
    "a@b.example\rDATA",
    "a\0@b.example",
    "a@b.example> SIZE=1",
    "a@b.example>",
    "<a@b.example>",
    "a b@c.example",
    '"a b"@c.example',
    "a@b.example NOTIFY=NEVER",
    "a@b.example\t",
    "a@b.example\x7f",
    "a@b.example\x85",
    "a@b.example\u2028",
    "a\u200b@b.example",
    "a\u202e@b.example",
    "a\ud800@b.example",
    "a\xa0@b.example",
    "a",
    "@b.example",
    "a@",
    "a@b..example",
    "a@b.example.",
    "a@＜b.example",
    "a@b＞.example",
    "a@[1.2.3.4",
    "a@b,c.example",
    "a,b@c.example",
    "a@b@c.example",
    '"a@b.example',
    '"a"b"@c.example',
    '"a\\"@c.example',
    "a:b@c.example",
    "a@stra\u00dfe.example",  # two readings: IDNA 2003 and 2008
    "a@" + "b" * 64 + ".example",
    "a" * MAX_PATH + "@b.example",
]


@pytest.mark.parametrize("address", NO_ADDRESSES, ids=ascii)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ProtocolError):
        addressed(address, smtputf8=True)


def test_a_local_part_outside_ascii_needs_smtputf8() -> None:
    assert addressed("张三@例子.example", smtputf8=True) == "张三@xn--fsqu00a.example".encode()
    with pytest.raises(ProtocolError, match="SMTPUTF8"):
        addressed("张三@b.example")


@given(st.text(max_size=40))
def test_an_address_never_leaves_its_path(text: str) -> None:
    for address in (text, f"{text}@b.example", f"a@{text}", f'"{text}"@b.example'):
        try:
            path = addressed(address, smtputf8=True)
        except ProtocolError:
            continue
        assert not set(path) & {*range(0x21), *b"<>", 0x7F}


def test_a_domain() -> None:
    assert a_domain("例子.example") == "xn--fsqu00a.example"
    for name in ("", "a b", "a\r\nb", "a>", "-.", "a..b"):
        with pytest.raises(ProtocolError):
            a_domain(name)


# Words of a header


def unfolded(name: str, pieces: list[str]) -> str:
    """The value as a reader has it, after a look at its lines."""
    field = folded(name, pieces)
    assert field.endswith(b"\r\n")
    first, *rest = field.removesuffix(b"\r\n").split(b"\r\n")
    assert all(line.startswith(b" ") and line.strip() for line in rest)
    assert all(len(line) <= 130 and line.isascii() for line in (first, *rest))
    assert b"\r" not in field.replace(b"\r\n", b"")
    return b"".join((first, *rest)).decode("ascii").removeprefix(f"{name}:").removeprefix(" ")


def decoded(value: str) -> str:
    return str(email.header.make_header(email.header.decode_header(value)))


@given(PRINTABLE)
def test_encoded_words_come_back(text: str) -> None:
    pieces = encoded_words(text)
    for piece in pieces:
        assert len(piece) <= 60
        decoded(piece)  # no character is cut: each one is UTF-8 alone
    assert decoded(" ".join(pieces)) == text


@given(PRINTABLE.filter(lambda text: text.isascii() and "  " not in f" {text} "))
def test_plain_subjects_stay_plain(text: str) -> None:
    value = unfolded("Subject", unstructured(text))
    if "=?" not in text and all(len(word) <= 60 for word in text.split(" ")):
        assert value == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("a test", "a test"),
        ("smtpcheck 投递 测试 x1", "smtpcheck =?utf-8?b?5oqV6YCSIOa1i+ivlQ==?= x1"),
        ("Grüße", "=?utf-8?b?R3LDvMOfZQ==?="),
        ("Unterstützung", "=?utf-8?q?Unterst=C3=BCtzung?="),
        ("=?utf-8?q?x?=", "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?="),
        ("two  spaces", "=?utf-8?q?two__spaces?="),
        (" edge", "=?utf-8?q?_edge?="),
    ],
)
def test_unstructured(text: str, value: str) -> None:
    assert unfolded("Subject", unstructured(text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("Ann Lee", "Ann Lee"),
        ("Lee, Ann", '"Lee, Ann"'),
        ('Ann "A" Lee\\', '"Ann \\"A\\" Lee\\\\"'),
        ("a@b.example", '"a@b.example"'),
        ("张三, 市场部", "=?utf-8?b?5byg5LiJLCDluILlnLrpg6g=?="),
        ("é,<a@b.example>;", "=?utf-8?b?w6ksPGFAYi5leGFtcGxlPjs=?="),
        ("Überdies, Ann Lee", "=?utf-8?q?=C3=9Cberdies=2C_Ann_Lee?="),
    ],
)
def test_phrase(text: str, value: str) -> None:
    assert unfolded("From", phrase(text)) == value


@given(PRINTABLE.filter(bool))
def test_parameters_come_back(text: str) -> None:
    pieces = parameter("filename", text)
    reader = Message()
    reader["Content-Disposition"] = "attachment; " + "; ".join(pieces)
    assert reader.get_filename() == text.strip()  # which is get_filename's doing
    assert all(len(piece) <= 75 for piece in pieces)
    if "*" in pieces[0].partition("=")[0]:
        values = [piece.partition("=")[2].removeprefix("utf-8''") for piece in pieces]
        assert "".join(unquote(value, errors="strict") for value in values) == text


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=74), max_size=20))
def test_folds_are_where_the_spaces_were(pieces: list[str]) -> None:
    assert unfolded("Subject", pieces) == " ".join(pieces)


@pytest.mark.parametrize("odd", ["\r", "\n", "\0", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800", "\t", "\x0b"])
def test_unprintable(odd: str) -> None:
    assert unprintable(f"a{odd}b")


@pytest.mark.parametrize("text", ["", "a b", "投递 👩‍👩‍👧 שלום", "‮x"])
def test_printable(text: str) -> None:
    assert not unprintable(text)


@pytest.mark.parametrize(
    ("field", "hidden"),
    [
        (b"=?utf-8?b?5bCP5piOIDxtZUBsYWIudGVzdD4=?=", "小明 <me@lab.test>"),
        (b"=?utf-8?q?Me_=3Cme=40lab.test=3E?=", "Me <me@lab.test>"),
        (b"=?utf-8?b?5bCP5piO?= <me@lab.test>", ""),
        (b"me@lab.test", ""),
        # a name alone hides nothing, and neither does what can't be read
        (b"=?utf-8?b?5bCP5piO?=", ""),
        (b"=?no-such-charset?b?bWVAbGFiLnRlc3Q=?=", ""),
        (b"=?utf-8?b?!!!!?=", ""),
    ],
)
def test_an_address_within_an_encoded_word_is_hidden(field: bytes, hidden: str) -> None:
    assert hidden_author(b"From: " + field + b"\r\nSubject: x\r\n\r\nhello\r\n") == hidden
