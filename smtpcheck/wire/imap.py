"""What is in the mailbox? IMAP4rev1 responses and commands, read strictly and within bounds (RFC 3501, RFC 9051)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from typing import TypeAlias

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.sasl import Line
from smtpcheck.wire.smtp import readable
from smtpcheck.wire.utf7 import decode_utf7

# RFC 2683 section 3.2.1.5 asks for 8000 octets; a SEARCH that finds much is one line and longer.
MAX_LINE = 65536
MAX_LITERAL = 65536
MAX_RESPONSE = 262_144
# Between two tagged responses; the longest healthy answer is LIST in an account of some hundred folders.
MAX_RESPONSES = 4096
MAX_ANSWER = 4 << 20
MAX_TOKENS = 20_000
# ENVELOPE nests three deep, LIST and SEARCH one.
MAX_DEPTH = 16
MAX_NAME = 1024
# RFC 7162 section 4 limits a command to 8192 octets; this many UIDs are less, however large.
MAX_UIDS = 500

_MAX_NUMBER = (1 << 32) - 1
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_STATES = frozenset({"OK", "NO", "BAD"})
_TAG = re.compile(rb"[!#$&',-\[\]-z|}~.]{1,64}")
_WORD = re.compile(rb"[A-Za-z][A-Za-z0-9.=-]{0,63}")
# resp-text is free text in which `{5}` is no literal; continuation and tagged responses are nothing else
_DATA = re.compile(rb"\* (?!(?:OK|NO|BAD|BYE|PREAUTH)(?:[ \r]|$))", re.IGNORECASE)
_CODE = re.compile(rb"\[([^ \]]{1,64})(?: ([^\]]*))?\] ?(.*)", re.DOTALL)
# Octets above 127 are no ATOM-CHAR, but servers without UTF-7 say folder names with them.
_TOKEN = re.compile(
    rb"""(?P<space>[ ]+)
    | (?P<open>\()
    | (?P<close>\))
    | "(?P<quoted>[^"\\\r\n\0]*(?:\\["\\][^"\\\r\n\0]*)*)"
    | \{(?P<literal>[0-9]{1,10})\}\r\n
    | (?P<atom>(?:BODY|BINARY)(?:\.PEEK)?\[[^\]\r\n\0]{0,1024}\](?:<[0-9.]{1,21}>)? | [^\x00-\x20\x7f(){"]+)""",
    re.VERBOSE | re.IGNORECASE,
)
_DATE = re.compile(
    rb"( [0-9]|[0-9]{1,2})-([A-Za-z]{3})-([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-5][0-9])"
)

Token: TypeAlias = "bytes | tuple[Token, ...] | None"  # noqa: S105  # a token of a grammar
"""A string or atom, NIL, or a list."""


class Atom(bytes):
    """An atom, where it matters that it was not quoted; equal to the same bytes."""

    __slots__ = ()


class Shape(StrEnum):
    """Which of the three kinds of response (RFC 3501 section 7)."""

    TAGGED = "tagged"
    UNTAGGED = "untagged"
    CONTINUATION = "continuation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One response; what its data mean is asked with `tokenize`, `parse_list`, `parse_search`, `parse_fetch`."""

    kind: Shape
    tag: bytes = b""
    """Empty unless tagged."""
    status: str = ""
    """OK NO BAD BYE PREAUTH, or the name of the data, as LIST; upper-case; empty in a continuation."""
    number: int | None = None
    """As in `* 12 FETCH`."""
    code: str = ""
    """The response code's name, as UNSEEN, upper-case."""
    detail: bytes = b""
    """What the response code says after its name."""
    text: bytes = b""
    """All the rest, with literals as they came."""

    @property
    def ok(self) -> bool:
        """OK, tagged or not."""
        return self.status == "OK"

    @property
    def refused(self) -> bool:
        """NO or BAD: `text` says why."""
        return self.status in ("NO", "BAD")

    @property
    def unsafe_login(self) -> bool:
        """NetEase's refusal of SELECT: without ID (RFC 2971) the client's fault, after ID a lock on the account."""
        return self.refused and b"unsafe login" in self.text.lower()


@dataclass(frozen=True, slots=True)
class Folder:
    """One mailbox as LIST names it."""

    raw: bytes
    """The name as the server says it, to be said back."""
    name: str
    """The name for a person."""
    flags: tuple[str, ...]
    """As sent, with backslash, as `\\Junk`."""
    delimiter: str
    """Between levels of the name; empty where there are none."""

    def has(self, flag: str) -> bool:
        """Whether it has that flag, as `\\Junk` (RFC 6154); flags have no case."""
        return flag.lower() in (each.lower() for each in self.flags)

    @property
    def inbox(self) -> bool:
        """INBOX in any case (RFC 3501 section 5.1), or so marked as Gmail once did."""
        return self.raw.upper() == b"INBOX" or self.has("\\Inbox")

    @property
    def selectable(self) -> bool:
        """Whether there can be messages in it (RFC 3501 section 7.2.2, RFC 5258 section 3)."""
        return not (self.has("\\Noselect") or self.has("\\NonExistent"))


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is told about one message; what was not told is None."""

    number: int
    uid: int | None = None
    at: datetime | None = None
    """INTERNALDATE: when the server took it, in UTC."""
    body: bytes | None = None
    """What was asked for of it: BODY[...]."""


# Responses


class ResponseReader:
    """Bytes in, responses out. Feed what arrives, then nothing until None: one read may hold several."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._line = 0  # where the line begins that is not over: 0, or after a literal
        self._scanned = 0
        self._count = 0
        self._size = 0

    @property
    def rest(self) -> bytes:
        """What has arrived and is not yet a response."""
        return bytes(self._buffer)

    def feed(self, data: bytes = b"") -> Response | None:
        """Take more bytes; the first response that is whole. Raises ProtocolError for what is none."""
        self._buffer += data
        while (end := self._end()) >= 0:
            size = self._announced(end)
            if size is None:
                return self._whole(end)
            self._line = end + 1 + size
            self._scanned = self._line
            if self._line > MAX_RESPONSE:
                raise ProtocolError(f"a response of more than {MAX_RESPONSE} octets")
        return None

    def _end(self) -> int:
        """Where the line's LF is, or -1."""
        at = self._buffer.find(b"\n", self._scanned)
        length = (len(self._buffer) if at < 0 else at) - self._line
        if length > MAX_LINE:
            raise ProtocolError(f"a line of more than {MAX_LINE} octets")
        if at < 0:
            self._scanned = max(self._line, len(self._buffer))
        elif length < 1 or self._buffer[at - 1 : at] != b"\r":
            raise ProtocolError("a line that ends without CR")
        return at

    def _announced(self, end: int) -> int | None:
        """The size of the literal that the line ends with (RFC 3501 section 4.3), if it does."""
        if self._buffer[end - 2 : end - 1] != b"}" or not _DATA.match(self._buffer):
            return None
        _, brace, digits = bytes(self._buffer[max(self._line, end - 40) : end - 2]).rpartition(b"{")
        if not brace or not digits.isdigit():
            return None
        if len(digits) > 10 or int(digits) > MAX_LITERAL:
            raise ProtocolError(f"a literal of more than {MAX_LITERAL} octets")
        return int(digits)

    def _whole(self, end: int) -> Response:
        self._count += 1
        self._size += end
        if self._count > MAX_RESPONSES or self._size > MAX_ANSWER:
            raise ProtocolError(f"more than {MAX_RESPONSES} responses or {MAX_ANSWER} octets to one command")
        response = parse_response(bytes(self._buffer[: end - 1]))
        del self._buffer[: end + 1]
        self._line = self._scanned = 0
        if response.kind is not Shape.UNTAGGED:
            self._count = self._size = 0
        return response


def parse_response(raw: bytes) -> Response:
    """A response without its CRLF (RFC 3501 section 7). Raises ProtocolError."""
    tag, _, rest = raw.partition(b" ")
    if tag == b"+":
        return Response(kind=Shape.CONTINUATION, text=rest)
    untagged = tag == b"*"
    if not untagged and not _TAG.fullmatch(tag):
        raise ProtocolError("not an IMAP response")
    word, _, rest = rest.partition(b" ")
    number = None
    if untagged and word.isdigit():
        number = _number(word)
        word, _, rest = rest.partition(b" ")
    status = word.decode("ascii").upper() if _WORD.fullmatch(word) else ""
    if not status or not (untagged or status in _STATES):
        raise ProtocolError("not an IMAP response")
    kind = Shape.UNTAGGED if untagged else Shape.TAGGED
    found = _CODE.match(rest) if status in _STATES or status in ("BYE", "PREAUTH") else None
    if found is None:
        return Response(kind=kind, tag=b"" if untagged else tag, status=status, number=number, text=rest)
    code = found[1].decode("ascii", "replace").upper()
    return Response(
        kind=kind, tag=b"" if untagged else tag, status=status, code=code, detail=found[2] or b"", text=found[3]
    )


def tokenize(text: bytes) -> tuple[Token, ...]:
    """Atoms, strings, NIL and lists (RFC 3501 section 4) in data with literals. Raises ProtocolError."""
    stack: list[list[Token]] = [[]]
    at = count = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        count += 1
        if found is None or count > MAX_TOKENS:
            raise ProtocolError("more data than can be read" if found else f"unreadable data at octet {at}")
        at = found.end()
        if found.lastgroup == "open":
            stack.append([])
            if len(stack) > MAX_DEPTH:
                raise ProtocolError(f"lists more than {MAX_DEPTH} deep")
        elif found.lastgroup == "close":
            done = tuple(stack.pop())
            if not stack:
                raise ProtocolError("a list that closes and never opened")
            stack[-1].append(done)
        elif found.lastgroup == "literal":
            size = int(found["literal"])
            if size > len(text) - at:
                raise ProtocolError("a literal cut short")
            stack[-1].append(text[at : at + size])
            at += size
        elif found.lastgroup != "space":
            stack[-1].append(_said(found))
    if len(stack) > 1:
        raise ProtocolError("a list that does not close")
    return tuple(stack[0])


def _said(found: re.Match[bytes]) -> bytes | None:
    if found.lastgroup == "quoted":
        return re.sub(rb"\\(.)", rb"\1", found["quoted"])
    return None if found["atom"].upper() == b"NIL" else Atom(found["atom"])


def _number(text: Token) -> int:
    if not isinstance(text, bytes) or not text.isdigit() or len(text) > 10 or int(text) > _MAX_NUMBER:
        raise ProtocolError("not a number of 32 bits")
    return int(text)


def parse_capabilities(response: Response) -> frozenset[str]:
    """The capabilities in `* CAPABILITY` or in a response code, upper-case, as AUTH=PLAIN; empty: it names none."""
    if response.kind is Shape.UNTAGGED and response.status == "CAPABILITY":
        said = response.text
    else:
        said = response.detail if response.code == "CAPABILITY" else b""
    return frozenset(said.decode("ascii", "replace").upper().split())


def parse_list(response: Response) -> Folder:
    """A folder out of `* LIST` (RFC 3501 section 7.2.2). Raises ProtocolError, also for a name not to be said back."""
    tokens = _data(response, "LIST")
    if len(tokens) < 3:
        raise ProtocolError("a LIST response without name")
    flags, delimiter, raw = tokens[:3]
    raw = b"NIL" if raw is None else raw  # an atom in the place of a name
    if not isinstance(flags, tuple) or not isinstance(raw, bytes) or not isinstance(delimiter, bytes | None):
        raise ProtocolError("a LIST response of another form")
    if len(delimiter or b"") > 1 or len(raw) > MAX_NAME:
        raise ProtocolError("a LIST response with a name or delimiter that is too long")
    quoted(raw)
    return Folder(bytes(raw), _name(raw), tuple(map(_flag, flags)), (delimiter or b"").decode("latin-1"))


def _name(raw: bytes) -> str:
    try:
        return decode_utf7(raw)
    except ProtocolError:
        return readable(raw)


def _flag(token: Token) -> str:
    if not isinstance(token, Atom) or not token.isascii():
        raise ProtocolError("a flag that is no atom")
    return token.decode("ascii")


def parse_search(response: Response) -> tuple[int, ...]:
    """The numbers in `* SEARCH` (RFC 3501 section 7.2.5), in the server's order. Raises ProtocolError."""
    return tuple(map(_number, _data(response, "SEARCH")))


def parse_fetch(response: Response) -> Fetched:
    """UID, INTERNALDATE and BODY[...] out of `* n FETCH` (RFC 3501 section 7.4.2). Raises ProtocolError."""
    tokens = _data(response, "FETCH")
    items = tokens[0] if len(tokens) == 1 else None
    if not isinstance(items, tuple) or len(items) % 2 or response.number is None:
        raise ProtocolError("a FETCH response of another form")
    uid, at, body = None, None, None
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(name, Atom):
            raise ProtocolError("a FETCH item without name")
        word = name.upper()
        if word == b"UID":
            uid = _number(value)
        elif word == b"INTERNALDATE":
            at = parse_date(value if isinstance(value, bytes) else b"")
        elif word.startswith(b"BODY[") and isinstance(value, bytes):
            body = value
    return Fetched(response.number, uid, at, body)


def _data(response: Response, name: str) -> tuple[Token, ...]:
    if response.kind is not Shape.UNTAGGED or response.status != name:
        raise ProtocolError(f"not a {name} response")
    return tokenize(response.text)


def parse_date(text: bytes) -> datetime:
    """A date-time (RFC 3501 section 9) in UTC. Raises ProtocolError."""
    found = _DATE.fullmatch(text)
    month = found[2].decode("ascii").title() if found else ""
    if found is None or month not in _MONTHS:
        raise ProtocolError("not a date-time")
    hours, minutes = int(found[8]), int(found[9])
    ahead = timedelta(hours=hours, minutes=minutes) * (-1 if found[7] == b"-" else 1)
    day, year, hour, minute, second = (int(found[at]) for at in (1, 3, 4, 5, 6))
    try:
        local = datetime(year, _MONTHS.index(month) + 1, day, hour, minute, second, tzinfo=timezone(ahead))
        return local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ProtocolError("a date-time that does not exist") from error


# Commands: without tag and CRLF, which `tagged` and the connection add


def quoted(text: bytes) -> bytes:
    """A quoted string (RFC 3501 section 4.3). Raises ProtocolError for CR, LF and NUL."""
    if re.search(rb"[\r\n\0]", text):
        raise ProtocolError("a CR, LF or NUL in a quoted string")
    return b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", text)


def tagged(tag: bytes, command: bytes) -> bytes:
    """The line to send, without CRLF. Raises ProtocolError for a tag or command that is not one line."""
    if not _TAG.fullmatch(tag) or re.search(rb"[\r\n\0]", command):
        raise ProtocolError("not one command")
    return tag + b" " + command


def tagged_secret(tag: bytes, command: Line) -> Line:
    """The same for a command with a secret in it."""
    return Line(tagged(tag, command.raw), tagged(tag, command.shown))


def authenticate_plain(initial: Line | None) -> Line:
    """AUTHENTICATE PLAIN with `sasl.Plain.initial()` where the server has SASL-IR (RFC 4959), else with None."""
    command = b"AUTHENTICATE PLAIN"
    if initial is None:
        return Line(command, command)
    return Line(command + b" " + initial.raw, command + b" " + initial.shown)


def login(credentials: Line) -> Line:
    """LOGIN with user and password as two quoted strings, for servers without AUTH=PLAIN."""
    return Line(b"LOGIN " + credentials.raw, b"LOGIN " + credentials.shown)


def id_command(version: str) -> bytes:
    """Who asks (RFC 2971), without which NetEase refuses SELECT."""
    return b'ID ("name" "smtpcheck" "version" %s)' % _ascii(version)


def list_command(*, special_use: bool = False) -> bytes:
    """All folders; with `special_use`, for servers that have it, with what each is for (RFC 6154 section 2)."""
    return b'LIST "" "*"' + (b" RETURN (SPECIAL-USE)" if special_use else b"")


def examine(folder: bytes) -> bytes:
    """Open a folder, named as in `Folder.raw`, without changing it (RFC 3501 section 6.3.2)."""
    return b"EXAMINE " + quoted(folder)


def search_header(field: str, value: str) -> bytes:
    """UIDs of messages with `value` within that header field. Raises ProtocolError for what is not ASCII."""
    return b"UID SEARCH HEADER %s %s" % (_ascii(field), _ascii(value))


def search_since(day: date) -> bytes:
    """UIDs of messages taken on that day of the server's, or later."""
    return b"UID SEARCH SINCE %d-%s-%04d" % (day.day, _MONTHS[day.month - 1].encode(), day.year)


def fetch_header(uids: Iterable[int], *fields: str) -> bytes:
    """UID, INTERNALDATE and those header fields of at most `MAX_UIDS` messages, leaving them unseen."""
    numbers = [_number(b"%d" % uid) for uid in uids]
    names = [field.encode("ascii", "replace") for field in fields]
    if not 1 <= len(numbers) <= MAX_UIDS or not names:
        raise ProtocolError(f"from 1 to {MAX_UIDS} messages and one field can be asked for")
    if not all(re.fullmatch(rb"[A-Za-z0-9-]{1,78}", name) for name in names):
        raise ProtocolError("not the name of a header field")
    chosen = b",".join(b"%d" % number for number in numbers)
    return b"UID FETCH %s (UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (%s)])" % (chosen, b" ".join(names))


def _ascii(text: str) -> bytes:
    try:
        return quoted(text.encode("ascii"))
    except UnicodeEncodeError as error:
        raise ProtocolError("text that is not ASCII in a command") from error
