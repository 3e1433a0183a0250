"""Is every reply read as it was said, is the rest refused, and do the bounds hold whatever comes?"""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.smtp import (
    MAX_LINE,
    MAX_LINES,
    MAX_REPLY,
    Capabilities,
    Reply,
    ReplyReader,
    foreign,
    parse_capabilities,
    readable,
)

REPLIES = {
    b"220 smtp.example.com ESMTP\r\n": Reply(220, (b"smtp.example.com ESMTP",)),
    b"250-smtp.example.com\r\n250-PIPELINING\r\n250 HELP\r\n": Reply(
        250, (b"smtp.example.com", b"PIPELINING", b"HELP")
    ),
    b"354\r\n": Reply(354, (b"",)),
    b"354 \r\n": Reply(354, (b"",)),
    b"250-\r\n250 \r\n": Reply(250, (b"", b"")),
    b"250 a\n": Reply(250, (b"a",), ("bare-lf",)),
    b"250-a\n250 b\r\n": Reply(250, (b"a", b"b"), ("bare-lf",)),
    b"250-a\r\n550 b\r\n": Reply(550, (b"a", b"b"), ("mixed-codes",)),
    b"250-a\r\n550 b\n": Reply(550, (b"a", b"b"), ("bare-lf", "mixed-codes")),
    b"250 " + b"x" * 506 + b"\r\n": Reply(250, (b"x" * 506,)),  # 512 octets with CRLF
    b"250 " + b"x" * 507 + b"\r\n": Reply(250, (b"x" * 507,), ("long-line",)),
    b"535 \xc4\xe3\xba\xc3\xff\0\x1b[2J\r\n": Reply(535, (b"\xc4\xe3\xba\xc3\xff\0\x1b[2J",)),
    b"250 a\rb\r\n": Reply(250, (b"a\rb",)),
    b"250  250-a\r\n": Reply(250, (b" 250-a",)),
}


@pytest.mark.parametrize(("raw", "reply"), REPLIES.items(), ids=repr)
def test_whole(raw: bytes, reply: Reply) -> None:
    reader = ReplyReader()
    assert reader.feed(raw) == reply
    assert not reader.begun
    assert reader.rest == b""


@pytest.mark.parametrize(("raw", "reply"), REPLIES.items(), ids=repr)
def test_byte_by_byte(raw: bytes, reply: Reply) -> None:
    reader = ReplyReader()
    for at in range(len(raw) - 1):
        assert reader.feed(raw[at : at + 1]) is None
        assert reader.begun
        assert reader.plausible, raw[: at + 1]
    assert reader.feed(raw[-1:]) == reply


@pytest.mark.parametrize(("raw", "reply"), REPLIES.items(), ids=repr)
def test_what_follows_stays(raw: bytes, reply: Reply) -> None:
    reader = ReplyReader()
    assert reader.feed(raw + b"250 injected\r\n22") == reply
    assert reader.rest == b"250 injected\r\n22"
    assert reader.feed(b"") == Reply(250, (b"injected",))
    assert reader.rest == b"22"
    assert reader.feed(b"0 x\r\n") == Reply(220, (b"x",))


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n",
        b"\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"* OK IMAP4rev1\r\n",
        b"+OK POP3\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\n",
        b"25 x\r\n",
        b"2500 x\r\n",
        b"250x\r\n",
        b"250\tx\r\n",
        b"150 x\r\n",
        b"650 x\r\n",
        b" 250 x\r\n",
        b"\xef\xbb\xbf250 x\r\n",
        b"\xb2\xb5\xb0 x\r\n",
        b"250-a\r\nb\r\n",
    ],
)
def test_no_reply(raw: bytes) -> None:
    reader = ReplyReader()
    with pytest.raises(ProtocolError):
        reader.feed(raw)
    last = raw.split(b"\n")[-2] + b"\n"
    assert reader.partial().endswith(last.replace(b"\r", b"")), "the bytes are kept as evidence"


@pytest.mark.parametrize(
    ("raw", "plausible"),
    [
        (b"", True),
        (b"2", True),
        (b"22", True),
        (b"220", True),
        (b"220\r", True),
        (b"220 hello", True),
        (b"220-hello\r", True),
        (b"220-a\r\n", True),
        (b"220-a\r\n22", True),
        (b"1", False),
        (b"99", False),
        (b"220x", False),
        (b"2200", False),
        (b"220\rx", False),
        (b"SSH", False),
        (b"\x16\x03\x01", False),
        (b"\r", False),
        (b"220-a\r\nx", False),
    ],
)
def test_plausible(raw: bytes, plausible: bool) -> None:
    reader = ReplyReader()
    assert reader.feed(raw) is None
    assert reader.plausible is plausible


@pytest.mark.parametrize("end", [b"", b"\r\n"], ids=["open", "ended"])
@pytest.mark.parametrize("piece", [1000, 10 * MAX_LINE])
def test_an_overlong_line(end: bytes, piece: int) -> None:
    reader, raw = ReplyReader(), b"250 " + b"x" * (MAX_LINE + 1000) + end
    with pytest.raises(ProtocolError, match="line of more"):
        for at in range(0, len(raw), piece):
            assert reader.feed(raw[at : at + piece]) is None


def test_the_longest_line() -> None:
    reply = ReplyReader().feed(b"250 " + b"x" * (MAX_LINE - 4) + b"\r\n")
    assert reply is not None
    assert reply.flaws == ("long-line",)


def test_as_many_lines_as_there_may_be_and_one_more() -> None:
    lines = [b"250-x\r\n"] * (MAX_LINES - 1)
    assert ReplyReader().feed(b"".join([*lines, b"250 x\r\n"])) == Reply(250, (b"x",) * MAX_LINES)
    with pytest.raises(ProtocolError, match="lines"):
        ReplyReader().feed(b"".join([*lines, b"250-x\r\n", b"250 x\r\n"]))


@pytest.mark.parametrize("last", [b"", b"250 end\r\n"], ids=["open", "ended"])
def test_an_endless_reply(last: bytes) -> None:
    reader, line = ReplyReader(), b"250-" + b"x" * 994 + b"\r\n"
    with pytest.raises(ProtocolError, match=f"more than {MAX_REPLY}"):
        reader.feed(line * 70 + last)
    assert len(reader.partial()) <= MAX_LINE


def test_the_size_counts_for_each_reply_anew() -> None:
    reader, half = ReplyReader(), b"250 " + b"x" * 4000 + b"\r\n"
    for _ in range(2 * MAX_REPLY // len(half)):
        assert reader.feed(half) is not None


@given(st.lists(st.binary(max_size=400) | st.sampled_from([b"250-", b"\r\n", b"250 x\r\n", b"x" * 9000]), max_size=60))
def test_any_bytes_in_any_pieces(pieces: list[bytes]) -> None:
    reader, fed = ReplyReader(), 0
    try:
        for piece in pieces:
            fed += len(piece)
            reply = reader.feed(piece)
            assert len(reader.partial()) <= MAX_LINE
            if reply is not None:
                assert len(reply.lines) <= MAX_LINES
                assert sum(map(len, reply.lines)) <= MAX_REPLY
                assert 200 <= reply.code < 600
                assert reply.positive + reply.temporary + (reply.code >= 500) == 1
                assert isinstance(reply.text + reply.enhanced, str)
                parse_capabilities(reply)
    except ProtocolError:
        assert reader.begun
        assert fed


def test_memory_is_bounded_against_a_flood() -> None:
    reader = ReplyReader()
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            for _ in range(100_000):
                reader.feed(b"250-\n")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [
        (b"5.7.26 unauthenticated", "5.7.26"),
        (b"2.0.0", "2.0.0"),
        (b"4.7.0: later", "4.7.0"),
        (b"5.7.1\tx", "5.7.1"),
        (b"3.0.0 x", ""),
        (b"5.7 x", ""),
        (b"5.7.1234 x", ""),
        (b"5.7.1.2 x", ""),
        (b"5.7.1x", ""),
        (b"Error 5.7.1", ""),
        (b"", ""),
    ],
)
def test_enhanced(text: bytes, enhanced: str) -> None:
    assert Reply(550, (text, b"5.1.1 other")).enhanced == enhanced


@pytest.mark.parametrize(("code", "positive", "temporary"), [(250, 1, 0), (334, 1, 0), (421, 0, 1), (535, 0, 0)])
def test_severity(code: int, positive: int, temporary: int) -> None:
    assert (Reply(code, ()).positive, Reply(code, ()).temporary) == (positive, temporary)


def test_shown() -> None:
    reply = Reply(550, (b"5.1.1 no", b"such user"))
    assert reply.raw == b"550 5.1.1 no / such user"
    assert reply.text == "5.1.1 no such user"


CHINESE = ("登录失败，请检查授权码", "用户被锁定", "535 认证失败: 密码错误", "错误的用户名")
EUROPEAN = (
    "Accès refusé, réessayez",
    "adresse répétée",
    "Zugriff für Gäste gesperrt, größer als üblich",
    "dirección inválida, señor",
    "São João não está disponível",
    "naïve façade, déjà créée",
    "ÄÖÜ äöüß",
)


@pytest.mark.parametrize("text", CHINESE)
@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "gb2312"])
def test_chinese_is_readable(text: str, codec: str) -> None:
    assert readable(text.encode(codec)) == text


@pytest.mark.parametrize("text", EUROPEAN)
@pytest.mark.parametrize("codec", ["utf-8", "latin-1"])
def test_latin_1_is_not_taken_for_chinese(text: str, codec: str) -> None:
    assert readable(text.encode(codec)) == text


@given(st.binary(max_size=200))
def test_readable_takes_anything(raw: bytes) -> None:
    assert isinstance(readable(raw), str)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "http"),
        (b"<html>", "http"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "ssh"),
        (b"* OK [CAPABILITY IMAP4rev1]", "imap"),
        (b"* BYE later", "imap"),
        (b"+OK ready", "pop3"),
        (b"-ERR no", "pop3"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls"),
        (b"\x16\x03\x03\x00\x7a", "tls"),
        (b"RFB 003.008\n", "vnc"),
        (b"220 smtp.example.com ESMTP", ""),
        (b"554 no", ""),
        (b"+", ""),
        (b"", ""),
    ],
)
def test_foreign(raw: bytes, name: str) -> None:
    assert foreign(raw) == name


def capabilities(*lines: bytes) -> Capabilities:
    return parse_capabilities(Reply(250, (b"smtp.example.com greets you", *lines)))


@pytest.mark.parametrize(
    ("lines", "keywords"),
    [
        ((), {}),
        ((b"PIPELINING", b"SIZE 35882577"), {"PIPELINING": "", "SIZE": "35882577"}),
        ((b"starttls", b"8bitMIME"), {"STARTTLS": "", "8BITMIME": ""}),
        ((b"", b" ", b"HELP "), {"HELP": ""}),
        ((b"SIZE\t100",), {"SIZE": "100"}),
        ((b"STARTTLS\x1b[2J",), {"STARTTLS\x1b[2J": ""}),
        ((b"\xff\xfe x",), {"��": "x"}),
    ],
)
def test_capabilities(lines: tuple[bytes, ...], keywords: dict[str, str]) -> None:
    assert capabilities(*lines) == Capabilities("smtp.example.com", keywords)


@pytest.mark.parametrize(
    ("lines", "mechanisms"),
    [
        ((), ()),
        ((b"AUTH",), ()),
        ((b"AUTH PLAIN LOGIN",), ("PLAIN", "LOGIN")),
        ((b"auth plain login",), ("PLAIN", "LOGIN")),
        ((b"AUTH=LOGIN",), ("LOGIN",)),
        ((b"AUTH=",), ()),
        ((b"AUTH=LOGIN PLAIN", b"AUTH LOGIN PLAIN XOAUTH2"), ("LOGIN", "PLAIN", "XOAUTH2")),
        ((b"AUTH LOGIN", b"AUTH PLAIN"), ("LOGIN", "PLAIN")),
        ((b"AUTH  PLAIN   LOGIN ",), ("PLAIN", "LOGIN")),
        ((b"AUTHX PLAIN", b"XAUTH PLAIN"), ()),
    ],
)
def test_mechanisms(lines: tuple[bytes, ...], mechanisms: tuple[str, ...]) -> None:
    assert capabilities(*lines).mechanisms == mechanisms


@pytest.mark.parametrize("first", [(), (b"",), (b"   ",)])
def test_a_server_without_name(first: tuple[bytes, ...]) -> None:
    assert parse_capabilities(Reply(250, first)) == Capabilities("", {})
