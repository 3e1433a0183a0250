"""Is every response read as it was said, is the rest refused, and does no command hold two?"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from smtpcheck.target.credentials import Secret
from smtpcheck.wire import ProtocolError
from smtpcheck.wire import imap as wire
from smtpcheck.wire.imap import Atom, Fetched, Folder, Response, ResponseReader, Shape, Token
from smtpcheck.wire.sasl import MASK, Line, Plain
from smtpcheck.wire.utf7 import decode_utf7, encode_utf7


def untagged(status: str, text: bytes = b"", **more: object) -> Response:
    return Response(kind=Shape.UNTAGGED, status=status, text=text, **more)  # type: ignore[arg-type]


# Mostly from RFC 3501 sections 7 and 8, RFC 2971, RFC 5530, RFC 6154
RESPONSES = {
    b"* OK IMAP4rev1 Service Ready\r\n": untagged("OK", b"IMAP4rev1 Service Ready"),
    b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n": untagged(
        "OK", b"hi", code="CAPABILITY", detail=b"IMAP4rev1 AUTH=PLAIN"
    ),
    b"* ok [unseen 12] Message 12 is first\r\n": untagged("OK", b"Message 12 is first", code="UNSEEN", detail=b"12"),
    b"* OK [PERMANENTFLAGS (\\Deleted \\*)] Limited\r\n": untagged(
        "OK", b"Limited", code="PERMANENTFLAGS", detail=b"(\\Deleted \\*)"
    ),
    b"* OK [ALERT]\r\n": untagged("OK", code="ALERT"),
    b"* OK [half a code\r\n": untagged("OK", b"[half a code"),
    b"* OK\r\n": untagged("OK"),
    b"* BYE Autologout; idle for too long\r\n": untagged("BYE", b"Autologout; idle for too long"),
    b"* PREAUTH logged in as Smith\r\n": untagged("PREAUTH", b"logged in as Smith"),
    b"* OK a text with a brace {5}\r\n": untagged("OK", b"a text with a brace {5}"),
    b"* 172 EXISTS\r\n": untagged("EXISTS", number=172),
    b"* SEARCH\r\n": untagged("SEARCH"),
    b"* SEARCH 2 84 882\r\n": untagged("SEARCH", b"2 84 882"),
    b"* SEARCH \r\n": untagged("SEARCH"),
    b"* X-NEW thing \xff\r\n": untagged("X-NEW", b"thing \xff"),
    b"* LIST () {1}\r\n/ {5}\r\na\r\nb \r\n": untagged("LIST", b"() {1}\r\n/ {5}\r\na\r\nb "),
    b"* X {1}\r\na5}\r\n": untagged("X", b"{1}\r\na5}"),
    b"* LIST () NIL {0}\r\n\r\n": untagged("LIST", b"() NIL {0}\r\n"),
    b"* 12 FETCH (BODY[HEADER] {12}\r\nSubject: a\r\n)\r\n": untagged(
        "FETCH", b"(BODY[HEADER] {12}\r\nSubject: a\r\n)", number=12
    ),
    b"* 1 FETCH (BODY[] {17}\r\n* OK\r\na1 OK {9}\r\n)\r\n": untagged(
        "FETCH", b"(BODY[] {17}\r\n* OK\r\na1 OK {9}\r\n)", number=1
    ),
    b"* OKAY {2}\r\nab\r\n": untagged("OKAY", b"{2}\r\nab"),
    b"+ idling\r\n": Response(kind=Shape.CONTINUATION, text=b"idling"),
    b"+ \r\n": Response(kind=Shape.CONTINUATION),
    b"+\r\n": Response(kind=Shape.CONTINUATION),
    b"+ {5}\r\n": Response(kind=Shape.CONTINUATION, text=b"{5}"),
    b"a001 OK LOGIN completed\r\n": Response(kind=Shape.TAGGED, tag=b"a001", status="OK", text=b"LOGIN completed"),
    b"a NO [AUTHENTICATIONFAILED] no {3}\r\n": Response(
        kind=Shape.TAGGED, tag=b"a", status="NO", code="AUTHENTICATIONFAILED", text=b"no {3}"
    ),
    b"A.1 bad\r\n": Response(kind=Shape.TAGGED, tag=b"A.1", status="BAD"),
}


@pytest.mark.parametrize(("raw", "response"), RESPONSES.items(), ids=repr)
def test_whole(raw: bytes, response: Response) -> None:
    reader = ResponseReader()
    assert reader.feed(raw) == response
    assert reader.rest == b""
    assert reader.feed() is None


@pytest.mark.parametrize(("raw", "response"), RESPONSES.items(), ids=repr)
def test_byte_by_byte(raw: bytes, response: Response) -> None:
    reader = ResponseReader()
    for at in range(len(raw) - 1):
        assert reader.feed(raw[at : at + 1]) is None
        assert reader.rest == raw[: at + 1]
    assert reader.feed(raw[-1:]) == response


def test_many_in_one_read() -> None:
    reader = ResponseReader()
    responses = [reader.feed(b"".join(RESPONSES) + b"* 5 EXI"), *(reader.feed() for _ in RESPONSES)]
    assert responses == [*RESPONSES.values(), None]
    assert reader.rest == b"* 5 EXI"
    assert reader.feed(b"STS\r\n") == untagged("EXISTS", number=5)


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n",
        b"\n",
        b"* OK no CR\n",
        b"* LIST () NIL {2}\r\nab\n",
        b"* LIST () NIL {2}\nab\r\n",
        b" * OK\r\n",
        b"*\r\n",
        b"* \r\n",
        b"* 12\r\n",
        b"* 4294967296 EXISTS\r\n",
        b"* -1 EXISTS\r\n",
        b"* (LIST)\r\n",
        b"* \xef\xbc\x8bOK\r\n",
        b"a1\r\n",
        b"a1 \r\n",
        b"a1 LIST () NIL x\r\n",
        b"a1 BYE x\r\n",
        b"a+1 OK\r\n",
        b'"a" OK\r\n',
        b"a" * 65 + b" OK\r\n",
        b"+OK POP3 ready\r\n",
        b"220 smtp.example.com ESMTP\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\r\n",
        b"* LIST () NIL {65537}\r\n",
        b"* LIST () NIL {99999999999999999999999}\r\n",
    ],
)
def test_no_response(raw: bytes) -> None:
    reader = ResponseReader()
    with pytest.raises(ProtocolError):
        reader.feed(raw)
    assert reader.rest == raw, "the bytes are kept as evidence"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b"x"),
        (b"* LIST () NIL {3}\r\nabc", b"x"),
        (b"", b"* OK still searching\r\n"),
        (b"", b"* X {60000}\r\n" + b"x" * 60_000 + b"\r\n"),
        (b"* X ", b"{60000}\r\n" + b"x" * 60_000),
        (b"* X ", b"{0}\r\n"),
    ],
)
def test_what_does_not_end_is_cut_off(start: bytes, more: bytes) -> None:
    reader = ResponseReader()
    chunk = more * (4096 // len(more) + 1)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            while_bounded(reader, start, chunk)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def while_bounded(reader: ResponseReader, start: bytes, chunk: bytes) -> None:
    reader.feed(start)
    for _ in range(5000):
        response = reader.feed(chunk)
        while response:
            response = reader.feed()


def test_many_answers_to_many_commands_are_fine() -> None:
    reader = ResponseReader()
    for _ in range(3):
        answer = b"* 1 EXISTS\r\n" * (wire.MAX_RESPONSES - 1) + b"a OK\r\n"
        response = reader.feed(answer)
        while response and response.kind is Shape.UNTAGGED:
            response = reader.feed()
        assert response is not None
        assert response.ok


def test_the_largest_response_byte_by_byte_in_little_time() -> None:
    literal = b"{%d}\r\n" % wire.MAX_LITERAL + b"\n" * wire.MAX_LITERAL
    raw = b"* 1 FETCH (BODY[] " + literal + b" X " + b"y" * 60_000 + b")\r\n"
    reader = ResponseReader()
    started = time.process_time()
    found = [response for octet in raw if (response := reader.feed(bytes((octet,))))]
    assert time.process_time() - started < 2.0
    assert len(found) == 1
    assert wire.parse_fetch(found[0]).body == b"\n" * wire.MAX_LITERAL


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([*RESPONSES, b"* LIST (", b"{3}\r\n"])), max_size=8))
def test_any_bytes_give_responses_or_one_error(pieces: list[bytes]) -> None:
    """However they are cut, the same bytes give the same."""

    def told(chunks: list[bytes]) -> list[Response | str]:
        reader = ResponseReader()
        found: list[Response | str] = []
        try:
            for chunk in chunks:
                response = reader.feed(chunk)
                while response:
                    found.append(response)
                    response = reader.feed()
        except ProtocolError:
            found.append("error")
        return found

    raw = b"".join(pieces)
    assert told([raw]) == told([bytes((octet,)) for octet in raw])


def test_refusals_keep_their_text() -> None:
    said = b"NO SELECT Unsafe Login. Please contact kefu@188.com for help"
    response = wire.parse_response(b"a2 " + said)
    assert response.unsafe_login
    assert response.refused
    assert not response.ok
    assert response.text == said[3:]
    assert not wire.parse_response(b"a2 OK no Unsafe Login").unsafe_login
    assert not wire.parse_response(b"a2 NO [NONEXISTENT] No such folder").unsafe_login


# Data

TOKENS: dict[bytes, tuple[Token, ...]] = {
    b"": (),
    b"a": (b"a",),
    b"NIL nil": (None, None),
    b'"NIL" {3}\r\nNIL': (b"NIL", b"NIL"),
    b'"a\\"b\\\\c"': (b'a"b\\c',),
    b'""': (b"",),
    b'"(\xe5\x8f\xb0)"': ("(台)".encode(),),
    b"(a (b (c)) ())": ((b"a", (b"b", (b"c",)), ()),),
    b'("a" NIL)("b" NIL)': ((b"a", None), (b"b", None)),
    b"(\\Junk \\*)": ((b"\\Junk", b"\\*"),),
    b'{7}\r\n(\r\n"{1}': (b'(\r\n"{1}',),
    b"{0}\r\nx": (b"", b"x"),
    b"BODY[HEADER.FIELDS (A B)]<0> x": (b"BODY[HEADER.FIELDS (A B)]<0>", b"x"),
    b"body.peek[1.2]": (b"body.peek[1.2]",),
    b"[Gmail]/Spam": (b"[Gmail]/Spam",),
    b"  a  b ": (b"a", b"b"),
    b"\xc0\xac": (b"\xc0\xac",),
}


@pytest.mark.parametrize(("text", "tokens"), TOKENS.items(), ids=repr)
def test_tokens(text: bytes, tokens: tuple[Token, ...]) -> None:
    assert wire.tokenize(text) == tokens


def test_an_atom_is_told_from_a_string() -> None:
    assert [type(token) for token in wire.tokenize(b'a "a" {1}\r\na')] == [Atom, bytes, bytes]


@pytest.mark.parametrize(
    "text",
    [
        b"(",
        b")",
        b"(a))",
        b"((a)",
        b'"',
        b'"a',
        b'"a\\',
        b'"a\\n"',
        b'"a\r\nb"',
        b'"\0"',
        b"{5}\r\nabcd",
        b"{5}",
        b"{5}\n12345",
        b"{-1}\r\n",
        b"{a}\r\n",
        b"{99999999999}\r\n",
        b"a\tb",
        b"a\0",
        b"\x7f",
        b"a\r\nb",
        b"(" * 16 + b")" * 16,
        b"( " * 9000,
        b"a " * 20_001,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_no_tokens(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.tokenize(text)


@pytest.mark.parametrize("text", [b"BODY[ ", b'"\\\\', b"(", b"{1", b'"a" ', b"BODY[" + b"x" * 1019 + b" ", b"\\"])
def test_hostile_data_take_little_time(text: bytes) -> None:
    started = time.process_time()
    for ending in (b"", b"\0", b'"', b"]", b")"):
        try:
            wire.tokenize(text * (wire.MAX_RESPONSE // len(text)) + ending)
        except ProtocolError:
            continue
    assert time.process_time() - started < 2.0


@given(st.text(alphabet='(){}[]"\\ aNIL0123%*\r\n<>é', max_size=60))
def test_any_data_give_tokens_or_one_error(text: str) -> None:
    try:
        tokens = wire.tokenize(text.encode())
    except ProtocolError:
        return
    assert isinstance(tokens, tuple)


PARSERS = {"LIST": wire.parse_list, "SEARCH": wire.parse_search, "FETCH": wire.parse_fetch}
WORDS = [
    "LIST",
    "SEARCH",
    "FETCH",
    "(",
    ")",
    " ",
    "NIL",
    '"/"',
    '"a"',
    "INBOX",
    "\\Junk",
    "UID",
    "7",
    "99999999999",
    "INTERNALDATE",
    '"17-Jul-1996 02:44:25 -0700"',
    '"31-Feb-1996 02:44:25 -0700"',
    "BODY[]",
    "{2}\r\nab",
    "&U,BTFw-",
    "&",
    "²",
]


@given(st.sampled_from(list(PARSERS)), st.integers(0, 9), st.lists(st.sampled_from(WORDS), max_size=12))
def test_parsers_raise_nothing_else(name: str, number: int, words: list[str]) -> None:
    response = untagged(name, " ".join(words).encode(), number=number)
    for parse in PARSERS.values():
        try:
            parse(response)
        except ProtocolError:
            continue


# Folders

LISTS = {
    b'* LIST (\\HasNoChildren) "/" "INBOX"': Folder(b"INBOX", "INBOX", ("\\HasNoChildren",), "/"),
    b"* LIST () NIL inbox": Folder(b"inbox", "inbox", (), ""),
    b'* LIST (\\Junk \\Marked) "/" "&U,BTFw-"': Folder(b"&U,BTFw-", "台北", ("\\Junk", "\\Marked"), "/"),
    b'* LIST () "\\\\" "a\\\\b\\"c"': Folder(b'a\\b"c', 'a\\b"c', (), "\\"),
    b'* LIST () "." {4}\r\na"b(': Folder(b'a"b(', 'a"b(', (), "."),
    b'* LIST (\\Junk) "/" [Gmail]/Spam': Folder(b"[Gmail]/Spam", "[Gmail]/Spam", ("\\Junk",), "/"),
    b'* LIST () "/" NIL': Folder(b"NIL", "NIL", (), "/"),
    b'* LIST () "/" "a" (CHILDINFO ("SUBSCRIBED"))': Folder(b"a", "a", (), "/"),
    # names that are no UTF-7 are shown as text and said back as they came
    b'* LIST () "/" "a&b"': Folder(b"a&b", "a&b", (), "/"),
    b'* LIST () "/" "\xe5\x8f\xb0\xe5\x8c\x97"': Folder("台北".encode(), "台北", (), "/"),
    b'* LIST () "/" "\xc0\xac\xbb\xf8\xd3\xca\xbc\xfe"': Folder("垃圾邮件".encode("gb18030"), "垃圾邮件", (), "/"),
}


@pytest.mark.parametrize(("raw", "folder"), LISTS.items(), ids=repr)
def test_folders(raw: bytes, folder: Folder) -> None:
    assert wire.parse_list(wire.parse_response(raw)) == folder
    assert wire.tokenize(wire.examine(folder.raw))[1] == folder.raw, "the name is said back as it came"


@pytest.mark.parametrize(
    "raw",
    [
        b"* LIST",
        b'* LIST () "/"',
        b'* LIST "/" () "a"',
        b'* LIST () () "a"',
        b'* LIST () "/" ("a")',
        b'* LIST ("\\Junk") "/" a',
        b'* LIST ((\\Junk)) "/" a',
        b'* LIST (\xff) "/" a',
        b'* LIST () "//" a',
        b'* LIST () "/" {6}\r\na\r\nb c',
        b'* LIST () "/" {3}\r\na\0b',
        b'* LIST () "/" ' + b"a" * 1025,
        b'* LSUB () "/" "a"',
        b"a OK LIST completed",
        b"* OK () NIL a",
    ],
)
def test_no_folder(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.parse_list(wire.parse_response(raw))


def test_what_a_folder_is_for() -> None:
    assert Folder(b"x", "x", ("\\jUNK",), "/").has("\\Junk")
    assert not Folder(b"Junk", "Junk", (), "/").has("\\Junk")
    assert Folder(b"inBOX", "inBOX", (), "/").inbox
    assert Folder(b"x", "x", ("\\Inbox",), "/").inbox
    assert not Folder(b"INBOX/x", "INBOX/x", (), "/").inbox
    assert Folder(b"x", "x", ("\\All",), "/").selectable
    assert not Folder(b"x", "x", ("\\NoSelect",), "/").selectable
    assert not Folder(b"x", "x", ("\\NonExistent",), "/").selectable


# RFC 3501 section 5.1.3; the names that Chinese providers give their junk folders; RFC 2152 for the last two
NAMES = {
    "~peter/mail/台北/日本語": b"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
    "台北": b"&U,BTFw-",
    "垃圾邮件": b"&V4NXPpCuTvY-",
    "已发送": b"&XfJT0ZAB-",
    "&": b"&-",
    "a&b": b"a&-b",
    "": b"",
    "😀": b"&2D3eAA-",
    "-é-": b"-&AOk--",
    "é&é": b"&AOk-&-&AOk-",
    "Entwürfe": b"Entw&APw-rfe",
    "\t\x7f": b"&AAkAfw-",
    "A≢Α.": b"A&ImIDkQ-.",
    "Hi Mom -☺-!": b"Hi Mom -&Jjo--!",
}


@pytest.mark.parametrize(("name", "raw"), NAMES.items())
def test_utf7(name: str, raw: bytes) -> None:
    assert encode_utf7(name) == raw
    assert decode_utf7(raw) == name


@pytest.mark.parametrize(
    ("raw", "name"), [(b"&U,BTFw-&ZeVnLIqe-", "台北日本語"), (b"&AGE-", "a"), (b"&ACY-", "&"), (b"&AAA-", "\0")]
)
def test_utf7_that_nobody_should_write_is_read(raw: bytes, name: str) -> None:
    assert decode_utf7(raw) == name


@pytest.mark.parametrize(
    "raw",
    [
        b"&",
        b"a&",
        b"&U",
        b"&U,BTFw",
        b"&U/BTFw-",
        b"&U,BTF-",
        b"&U,BTFx-",
        b"&A-",
        b"&AA-",
        b"&2D0-",
        b"&3gA-",
        b"&3gDYPQ-",
        b"&U,BT Fw-",
        b"&U,BTFw=-",
        b"\xe5\x8f\xb0",
        b"\r\n",
        b"a\0",
        b"\x7f",
        b"&\xff-",
    ],
)
def test_no_utf7(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_utf7(raw)


def test_half_a_surrogate_pair_is_no_name() -> None:
    with pytest.raises(ProtocolError):
        encode_utf7("a\ud800")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_every_name_comes_back(name: str) -> None:
    raw = encode_utf7(name)
    assert raw.isascii()
    assert not set(raw) & set(range(32))
    assert decode_utf7(raw) == name


@given(st.text(alphabet="&-AUBTFw,/+=09 é", max_size=20))
@example("&" * 20)
def test_any_bytes_give_a_name_or_one_error(text: str) -> None:
    try:
        name = decode_utf7(text.encode())
    except ProtocolError:
        return
    assert decode_utf7(encode_utf7(name)) == name


def test_a_long_name_takes_little_time() -> None:
    started = time.process_time()
    for raw in (b"&" * 60_000, b"&A" * 30_000, b"&-" * 30_000, b"&AOk-" * 12_000 + b"&", b"a" * 60_000 + b"\xff"):
        try:
            decode_utf7(raw)
        except ProtocolError:
            continue
    assert time.process_time() - started < 1.0


# Numbers, dates, messages, capabilities


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [(b"* SEARCH", ()), (b"* SEARCH 2 84 882", (2, 84, 882)), (b"* search 4294967295 ", (4294967295,))],
)
def test_search(raw: bytes, numbers: tuple[int, ...]) -> None:
    assert wire.parse_search(wire.parse_response(raw)) == numbers


@pytest.mark.parametrize(
    "raw",
    [b"* SEARCH x", b"* SEARCH 1:3", b"* SEARCH (1)", b"* SEARCH 4294967296", b"* SEARCH NIL", b"* 1 EXISTS", b"a OK"],
)
def test_no_search(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.parse_search(wire.parse_response(raw))


FETCHES = {
    b"* 12 FETCH (FLAGS (\\Seen))": Fetched(12),
    b"* 12 FETCH ()": Fetched(12),
    b"* 1 fetch (uid 7 BODY[HEADER.FIELDS (SUBJECT X-A)] {5}\r\na: b\n)": Fetched(1, 7, None, b"a: b\n"),
    b'* 1 FETCH (UID 7 BODY[HEADER.FIELDS ("X")] "a")': Fetched(1, 7, None, b"a"),
    b"* 1 FETCH (UID 7 BODY[] NIL)": Fetched(1, 7),
    b'* 1 FETCH (INTERNALDATE " 7-Jul-1996 02:44:25 -0700" UID 9)': Fetched(
        1, 9, datetime(1996, 7, 7, 9, 44, 25, tzinfo=UTC)
    ),
    b'* 1 FETCH (ENVELOPE ("x" (("a" NIL "b" "c")) NIL) BODYSTRUCTURE ("TEXT" "PLAIN") UID 3)': Fetched(1, 3),
}


@pytest.mark.parametrize(("raw", "fetched"), FETCHES.items(), ids=repr)
def test_fetch(raw: bytes, fetched: Fetched) -> None:
    assert wire.parse_fetch(wire.parse_response(raw)) == fetched


@pytest.mark.parametrize(
    "raw",
    [
        b"* FETCH (UID 1)",
        b"* 1 FETCH",
        b"* 1 FETCH UID 1",
        b"* 1 FETCH (UID)",
        b"* 1 FETCH (UID x)",
        b"* 1 FETCH (UID (1))",
        b'* 1 FETCH ("UID" 1)',
        b"* 1 FETCH (UID 1) (UID 2)",
        b"* 1 FETCH (INTERNALDATE NIL)",
        b'* 1 FETCH (INTERNALDATE "yesterday")',
        b"* 1 EXISTS",
    ],
)
def test_no_fetch(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.parse_fetch(wire.parse_response(raw))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),
        (b" 1-jan-2026 07:59:59 +0800", datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"01-Jan-2026 00:00:00 +0000", datetime(2026, 1, 1, tzinfo=UTC)),
        (b"1-Jan-2026 00:00:00 +0545", datetime(2025, 12, 31, 18, 15, tzinfo=UTC)),
    ],
)
def test_dates(text: bytes, at: datetime) -> None:
    assert wire.parse_date(text) == at


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"31-Feb-1996 02:44:25 -0700",
        b"1-Foo-1996 02:44:25 -0700",
        b"1-Jan-0000 00:00:00 +0000",
        b"1-Jan-0001 00:00:00 +2300",
        b"31-Dec-9999 23:59:59 -2300",
        b"1-Jan-1996 24:00:00 +0000",
        b"1-Jan-1996 00:00:00 +9900",
        b"1-Jan-1996 00:00:00 +0060",
        b"1-Jan-1996 00:00:60 +0000",
        b"1-Jan-1996 00:00:00",
        b"1-Jan-1996 00:00:00 GMT",
        b"1-Jan-96 00:00:00 +0000",
        b"1-Jan-1996 00:00:00 +0000x",
    ],
)
def test_no_dates(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.parse_date(text)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"* CAPABILITY IMAP4rev1 sasl-ir AUTH=plain", {"IMAP4REV1", "SASL-IR", "AUTH=PLAIN"}),
        (b"* OK [CAPABILITY IMAP4rev1 ID] hello", {"IMAP4REV1", "ID"}),
        (b"a1 OK [CAPABILITY IMAP4rev1] Logged in", {"IMAP4REV1"}),
        (b"a1 OK CAPABILITY completed", set()),
        (b"* OK [ALERT] CAPABILITY", set()),
        (b"* CAPABILITY", set()),
    ],
)
def test_capabilities(raw: bytes, words: set[str]) -> None:
    assert wire.parse_capabilities(wire.parse_response(raw)) == words


# Commands


def test_commands() -> None:
    assert wire.tagged(b"a1", b"NOOP") == b"a1 NOOP"
    assert wire.id_command("0.1.0") == b'ID ("name" "smtpcheck" "version" "0.1.0")'
    assert wire.list_command() == b'LIST "" "*"'
    assert wire.list_command(special_use=True) == b'LIST "" "*" RETURN (SPECIAL-USE)'
    assert wire.examine(b'a"b\\c') == b'EXAMINE "a\\"b\\\\c"'
    assert wire.search_header("Message-ID", "<a@b>") == b'UID SEARCH HEADER "Message-ID" "<a@b>"'
    assert wire.search_since(date(2026, 3, 4)) == b"UID SEARCH SINCE 4-Mar-2026"
    assert (
        wire.fetch_header([7, 9], "Subject", "X-A")
        == b"UID FETCH 7,9 (UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (Subject X-A)])"
    )


@pytest.mark.parametrize("bad", ["a\r\nb", "a\n", "\r", "a\0b"])
def test_no_command_holds_two(bad: str) -> None:
    commands: tuple[Callable[[], object], ...] = (
        lambda: wire.quoted(bad.encode()),
        lambda: wire.examine(bad.encode()),
        lambda: wire.search_header(bad, "x"),
        lambda: wire.search_header("x", bad),
        lambda: wire.id_command(bad),
        lambda: wire.fetch_header([1], bad),
        lambda: wire.tagged(b"a1", bad.encode()),
        lambda: wire.tagged(bad.encode(), b"NOOP"),
        lambda: wire.tagged_secret(b"a1", Line(bad.encode(), MASK)),
    )
    for made in commands:
        with pytest.raises(ProtocolError):
            made()


def test_what_can_not_be_asked() -> None:
    commands: tuple[Callable[[], object], ...] = (
        lambda: wire.search_header("X", "é"),
        lambda: wire.fetch_header([], "X"),
        lambda: wire.fetch_header(range(1, 502), "X"),
        lambda: wire.fetch_header([1]),
        lambda: wire.fetch_header([-1], "X"),
        lambda: wire.fetch_header([1], "X)"),
        lambda: wire.fetch_header([1], "X Y"),
        lambda: wire.fetch_header([1], "é"),
        lambda: wire.tagged(b"", b"NOOP"),
        lambda: wire.tagged(b"*", b"NOOP"),
        lambda: wire.tagged(b"a b", b"NOOP"),
    )
    for made in commands:
        with pytest.raises(ProtocolError):
            made()


def test_the_longest_question_is_short_enough() -> None:
    """RFC 7162 section 4: 8192 octets."""
    assert len(wire.tagged(b"a99", wire.fetch_header([2**32 - 1] * wire.MAX_UIDS, "X-Smtpcheck-Token"))) < 8190


def test_a_login_is_masked() -> None:
    initial = Plain("me", Secret("p/+=é")).initial()
    assert initial is not None
    line = wire.tagged_secret(b"a1", wire.authenticate_plain(initial))
    assert line.raw == b"a1 AUTHENTICATE PLAIN " + initial.raw
    assert line.shown == b"a1 AUTHENTICATE PLAIN " + MASK
    assert initial.raw.decode() not in repr(line)
    assert wire.authenticate_plain(None).raw == b"AUTHENTICATE PLAIN"
    login = wire.login(Line(b'"me" "secret"', b'"me" ' + MASK))
    assert (login.raw, login.shown) == (b'LOGIN "me" "secret"', b'LOGIN "me" ' + MASK)


@given(st.binary(max_size=30))
def test_quoted_text_comes_back(text: bytes) -> None:
    try:
        said = wire.quoted(text)
    except ProtocolError:
        assert set(text) & set(b"\r\n\0")
        return
    assert wire.tokenize(said) == (text,)
