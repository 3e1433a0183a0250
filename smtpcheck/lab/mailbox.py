"""What lies in a practice mailbox, and which of it is meant? Folders, search keys and data items, without I/O."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from email import policy
from email.parser import BytesParser

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.imap import Token

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECTION = re.compile(rb"BODY(?:\.PEEK)?\[(?:(HEADER\.FIELDS) \(([^)]*)\)|(HEADER|TEXT|))\]", re.IGNORECASE)
_FIELD = re.compile(rb"([^\r\n:]+):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*\r\n")
# no sequence number is a UID, so that who mixes them up finds nothing
FIRST_UID = 1001
# not UTC, so that who forgets the zone is wrong by 8 h
_ZONE = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Message:
    """One mail in a folder; `at` is its INTERNALDATE."""

    uid: int
    content: bytes
    at: datetime


@dataclass(slots=True)
class Folder:
    """One folder; `flag` says what it is for (RFC 6154), `coming` what is in it from a time on."""

    name: str
    flag: str
    messages: list[Message] = field(default_factory=list)
    coming: list[tuple[float, bytes, datetime]] = field(default_factory=list)

    def arrived(self) -> list[Message]:
        """The messages, those included whose time has come; UIDs ascend in the order of being seen."""
        now = time.monotonic()
        due = sorted((each for each in self.coming if each[0] <= now), key=lambda each: each[0])
        for each in due:
            self.coming.remove(each)
            self.messages.append(Message(FIRST_UID + len(self.messages), each[1], each[2]))
        return self.messages


Test = Callable[[Message], bool]


def word(token: Token) -> bytes:
    """A word of a command. Raises ProtocolError for a list."""
    if isinstance(token, tuple):
        raise ProtocolError("a list where there can be none, or nothing")
    return b"NIL" if token is None else token


def keyword(token: Token) -> bytes:
    """A keyword, upper-case; empty for a list."""
    return b"" if isinstance(token, tuple) else word(token).upper()


def search_keys(words: Iterable[Token], *, blind: bool = False) -> list[Test]:
    """Search keys (RFC 3501 section 6.4.4), all of which must hold; a blind search finds no header field."""
    made: list[Test] = []
    rest = iter(words)
    for each in rest:
        if isinstance(each, tuple):
            made += search_keys(each, blind=blind)
            continue
        match keyword(each):
            case b"ALL":
                pass
            case b"HEADER":
                made.append(_holds(word(next(rest, ())), word(next(rest, ())), blind=blind))
            case b"SUBJECT":
                made.append(_holds(b"Subject", word(next(rest, ())), blind=blind))
            case b"SINCE":
                made.append(_since(word(next(rest, ()))))
            case _:
                raise ProtocolError("unknown search key")
    return made


def _holds(name: bytes, value: bytes, *, blind: bool) -> Test:
    wanted = value.decode("utf-8", "replace").lower()

    def test(message: Message) -> bool:
        return not blind and any(wanted in _decoded(line) for line in _fields(message.content, [name.lower()]))

    return test


def _decoded(line: bytes) -> str:
    """A header field's body, unfolded to single spaces and decoded (RFC 2047), lower-case."""
    (body,) = BytesParser(policy=policy.default).parsebytes(line, headersonly=True).values()
    return " ".join(str(body).lower().split())


def _fields(content: bytes, names: list[bytes]) -> Iterator[bytes]:
    """The header fields of those names (lower-case), with their line ends."""
    head = content.partition(b"\r\n\r\n")[0] + b"\r\n"
    return (each[0] for each in _FIELD.finditer(head) if each[1].strip().lower() in names)


def pattern(said: bytes) -> re.Pattern[bytes]:
    """RFC 3501 section 6.3.8: `*` is anything, `%` anything on this level."""
    wild = {b"*": b".*", b"%": b"[^/]*"}
    return re.compile(b"".join(wild.get(part) or re.escape(part) for part in re.split(rb"([*%])", said)))


def _since(said: bytes) -> Test:
    """RFC 3501 section 6.4.4: by the server's day, whatever the time and zone."""
    try:
        day, month, year = said.decode("ascii").split("-")
        first = date(int(year), _MONTHS.index(month.title()) + 1, int(day))
    except ValueError as error:
        raise ProtocolError("not a date") from error
    return lambda message: message.at.astimezone(_ZONE).date() >= first


def ranges(said: bytes, last: int) -> Iterator[tuple[int, int]]:
    """A sequence-set (RFC 3501 section 9); `*` is the last, and ranges may stand either way round."""
    for part in said.split(b","):
        ends = [last if end == b"*" else int(end) if end.isdigit() else -1 for end in part.split(b":")]
        if len(ends) > 2 or min(ends) < 0:
            raise ProtocolError("not a sequence set")
        yield min(ends), max(ends)


def item(message: Message, name: bytes) -> bytes:
    """One data item of FETCH (RFC 3501 section 7.4.2)."""
    match name.upper():
        case b"UID":
            return b"UID %d" % message.uid
        case b"FLAGS":
            return b"FLAGS ()"
        case b"RFC822.SIZE":
            return b"RFC822.SIZE %d" % len(message.content)
        case b"INTERNALDATE":
            at = message.at.astimezone(_ZONE)
            return f'INTERNALDATE "{at.day:2}-{_MONTHS[at.month - 1]}-{at:%Y %H:%M:%S %z}"'.encode("ascii")
    found = _SECTION.fullmatch(name)
    if found is None:
        raise ProtocolError("unknown data item")
    section = name[name.index(b"[") :].upper()
    part = _part(message.content, (found[1] or found[3]).upper(), (found[2] or b"").lower().split())
    return b"BODY%s {%d}\r\n%s" % (section, len(part), part)


def _part(content: bytes, section: bytes, names: list[bytes]) -> bytes:
    head, end, text = content.partition(b"\r\n\r\n")
    match section:
        case b"HEADER":
            return head + end
        case b"TEXT":
            return text
        case b"HEADER.FIELDS":
            return b"".join(_fields(content, names)) + b"\r\n"
    return content
