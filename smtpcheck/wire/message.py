"""What may a message and its envelope hold on the wire? Line ends, lengths, addresses, headers (RFC 5321, 5322)."""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import quote

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.dns import a_label

# RFC 5322 section 2.1.1: 998 must hold, 78 should; MIME bodies and encoded words stop at 76 (RFC 2045, RFC 2047).
MAX_LINE = 998
NICE_LINE = 76
# More positions than that help nobody; a binary file has one on every other line.
MAX_FLAWS = 10
# RFC 5321 section 4.5.3.1.3: 256 with the angle brackets.
MAX_PATH = 254
# So that the first one fits on the line of its field's name; RFC 2047 section 2 allows 75.
_MAX_WORD = 60

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)(?:\r\n|\Z)")
_BARE_ENDS = {b"\r": "bare CR", b"\n": "bare LF"}
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")

# Two dots side by side are no dot-atom, yet DoCoMo gave such addresses out and servers take them.
_LOCAL = re.compile(r"""[\w!#$%&'*+/=?^`{|}~.\x80-\U0010ffff-]+|"(?:[^"\\]|\\.)*\"""")
_DOMAIN = re.compile(r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*|\[[A-Za-z0-9:.]+\]")

_PLAIN_WORD = re.compile(rf"(?!.*=\?)[!-~]{{1,{_MAX_WORD}}}")
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII)
_PRINTABLE = re.compile(rf"(?!.*(?:=\?|  ))(?! )[ -~]{{1,{_MAX_WORD - 2}}}(?<! )")
# RFC 2047 section 5 (3): what a Q word may hold anywhere, also within a phrase
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


# The data


def dot_stuffed(message: bytes) -> bytes:
    """What follows the 354: the message with its dots doubled, and the final dot (RFC 5321 section 4.5.2).

    Raises ProtocolError for a bare CR or LF: a server that reads one as a line end sees another end of the message
    than the next server does (SMTP smuggling, CVE-2023-51764 and its kin).
    """
    if _BARE.search(message):
        check(message, extensions=("SMTPUTF8",))
    whole = _ended(message).replace(b"\r\n.", b"\r\n..")
    return (b"." if whole.startswith(b".") else b"") + whole + b".\r\n"


def size(message: bytes) -> int:
    """Octets as MAIL FROM's SIZE counts them: with every CRLF, without stuffed dots and the final one (RFC 1870)."""
    return len(_ended(message))


def flaws(message: bytes, *, extensions: Collection[str] = ()) -> tuple[str, ...]:
    """What no server has to take, in words with line and octet (both from 1), in order; at most MAX_FLAWS and a remark.

    `extensions` are those that will be used: with SMTPUTF8 headers may hold UTF-8 (RFC 6532).
    """
    found: list[str] = []
    for flaw in _flaws(message, "SMTPUTF8" in extensions):
        if len(found) == MAX_FLAWS:
            return (*found, "and more")
        found.append(flaw)
    return tuple(found)


def check(message: bytes, *, extensions: Collection[str] = ()) -> None:
    """Raises ProtocolError naming the flaws, where there are any."""
    if found := flaws(message, extensions=extensions):
        raise ProtocolError("; ".join(found))


def needs(message: bytes, addresses: Iterable[str] = ()) -> frozenset[str]:
    """The extensions without which it can't be sent: 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531).

    A domain never needs SMTPUTF8, because it is sent as A-labels.
    """
    head, body = _halves(message)
    found = set()
    if _EIGHT_BIT.search(body):
        found.add("8BITMIME")
    if _EIGHT_BIT.search(head) or not all(address.rpartition("@")[0].isascii() for address in addresses):
        found.add("SMTPUTF8")
    return frozenset(found)


def header_fields(message: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """(name, value without its folds) of the header (RFC 5322 section 2.2).

    Raises ProtocolError for a line that is no header field.
    """
    head, _ = _halves(message)
    found, at = [], 0
    while at < len(head):
        match = _FIELD.match(head, at)
        if match is None:
            raise ProtocolError(f"line {head[:at].count(10) + 1} is no header field")
        found.append((match[1], match[2].replace(b"\r\n", b"").strip()))
        at = match.end()
    return tuple(found)


def hidden_author(message: bytes) -> str:
    """The From that names an address only once it is decoded, which RFC 2047 section 5 forbids; empty: it is in order.

    Raises ProtocolError for a message without a readable header.
    """
    values = [value for name, value in header_fields(message) if name.lower() == b"from"]
    raw = values[0].decode("utf-8", "replace") if values else ""
    if not raw or "@" in re.sub(r"=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=", "", raw):
        return ""
    try:
        decoded = str(make_header(decode_header(raw)))
    except (HeaderParseError, LookupError, ValueError):
        return ""
    return decoded[:200] if "@" in decoded else ""


def _ended(message: bytes) -> bytes:
    return message if message.endswith(b"\r\n") else message + b"\r\n"


def _halves(message: bytes) -> tuple[bytes, bytes]:
    """The header with its last line end, and the body."""
    if message.startswith(b"\r\n"):
        return b"", message[2:]
    head, empty, body = message.partition(b"\r\n\r\n")
    return head + empty[:2], body


def _flaws(message: bytes, utf8: bool) -> Iterator[str]:
    header, nul = True, b"\0" in message
    for number, match in enumerate(_LINE.finditer(message), 1):
        text, end = match.groups()
        header = header and bool(text)
        if nul and b"\0" in text:
            yield f"NUL in line {number} (octet {match.start() + text.index(0) + 1})"
        if len(text) > MAX_LINE:
            yield f"{len(text)} octets in line {number} (octet {match.start() + 1}), {MAX_LINE} are allowed"
        if header and (flaw := _header_flaw(text, utf8)):
            yield f"{flaw} in line {number} (octet {match.start() + 1})"
        if bare := _BARE_ENDS.get(end):
            yield f"{bare} in line {number} (octet {match.end()})"


def _header_flaw(line: bytes, utf8: bool) -> str:
    if line.isascii():
        return ""
    if not utf8:
        return "8-bit header without SMTPUTF8"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "8-bit header that is not UTF-8"
    return ""


# Addresses


def addressed(address: str, *, smtputf8: bool = False) -> bytes:
    """The mailbox as it stands between < and > of MAIL and RCPT, its domain as A-labels; b"" is the null sender.

    Raises ProtocolError for what could end the path or the line, and for what is no address. A local part outside
    ASCII is UTF-8 and only for SMTPUTF8 (RFC 6531 section 3.3).
    """
    if not address:
        return b""
    if odd := next((char for char in address if char in " <>" or not char.isprintable()), ""):
        raise ProtocolError(f"an address with {_shown(odd)}")
    local, at, domain = address.rpartition("@")
    if not at:
        raise ProtocolError("an address without @")
    if not _LOCAL.fullmatch(local):
        raise ProtocolError("an address whose local part is neither plain nor in quotes")
    if not local.isascii() and not smtputf8:
        raise ProtocolError("an address whose local part needs SMTPUTF8")
    path = f"{local}@{a_domain(domain)}".encode()
    if len(path) > MAX_PATH:
        raise ProtocolError(f"an address of {len(path)} octets, {MAX_PATH} are allowed")
    return path


def a_domain(domain: str) -> str:
    """The domain of an address, as A-labels, or its address literal. Raises ProtocolError."""
    # Checked afterwards: IDNA's mapping makes ASCII out of full-width letters, and of a full-width > as well.
    name = a_label(domain)
    if not _DOMAIN.fullmatch(name):
        raise ProtocolError("an address whose domain is no domain name")
    return name


# Words of a header


def unprintable(text: str) -> str:
    """What of it may stand in no header value, for a person: a line end, a control character, half a surrogate."""
    odd = next((char for char in text if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")), "")
    return _shown(odd) if odd else ""


def unstructured(text: str) -> list[str]:
    """The pieces of a subject, each to be folded before: its plain words, and encoded words (RFC 2047) for the rest.

    Plain words at both ends stay plain, so that they are found by those who search the raw header.
    """
    words = text.split(" ")
    if words == [""]:
        return []
    plain = [bool(_PLAIN_WORD.fullmatch(word)) for word in words]
    if all(plain):
        return words
    if "" in words:
        return encoded_words(text)
    first, last = plain.index(False), len(words) - plain[::-1].index(False)
    return [*words[:first], *encoded_words(" ".join(words[first:last])), *words[last:]]


def phrase(text: str) -> list[str]:
    """The pieces of a display name: atoms, one quoted string, or encoded words (RFC 5322 section 3.2.5)."""
    if not text:
        return []
    if _PRINTABLE.fullmatch(text):
        return [text if _ATOMS.fullmatch(text) else quoted(text)]
    return encoded_words(text)


def parameter(name: str, value: str) -> list[str]:
    """The pieces of one MIME parameter, without semicolons: quoted, else as RFC 2231 sections 3 and 4 have it."""
    # Many readers take the backslash before a quote for part of the name.
    if _PRINTABLE.fullmatch(value) and not {'"', "\\"}.intersection(value):
        return [f"{name}={quoted(value)}"]
    pieces = _chunks([quote(char, safe="") for char in value], _MAX_WORD - len(name))
    pieces[0] = f"utf-8''{pieces[0]}"
    if len(pieces) == 1:
        return [f"{name}*={pieces[0]}"]
    return [f"{name}*{number}*={piece}" for number, piece in enumerate(pieces)]


def quoted(text: str) -> str:
    """A quoted string (RFC 5322 section 3.2.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encoded_words(text: str) -> list[str]:
    """Encoded words of UTF-8, none cut within a character (RFC 2047 section 5); B or Q, whichever is shorter."""
    q = ["".join(_q(octet) for octet in char.encode()) for char in text]
    if sum(map(len, q)) <= len(text.encode()) * 4 / 3:
        return [f"=?utf-8?q?{piece}?=" for piece in _chunks(q, _MAX_WORD - 12)]
    # 3 octets make 4 characters: 36 octets, 48 characters
    pieces = _chunks([char.encode().decode("latin-1") for char in text], 36)
    return [f"=?utf-8?b?{base64.b64encode(piece.encode('latin-1')).decode()}?=" for piece in pieces]


def folded(name: str, pieces: Iterable[str]) -> bytes:
    """A header field of these pieces, with a space or a fold before each, and its CRLF (RFC 5322 section 2.2.3).

    Never a fold right after the colon where it can be helped: some readers take the field for empty.
    """
    lines = [f"{name}:"]
    for piece in pieces:
        if len(lines[-1]) + 1 + len(piece) > NICE_LINE and (len(lines) > 1 or lines[0] != f"{name}:"):
            lines.append("")
        lines[-1] += f" {piece}"
    return "\r\n".join([*lines, ""]).encode()


def _q(octet: int) -> str:
    if octet in _Q_SAFE:
        return chr(octet)
    return "_" if octet == 0x20 else f"={octet:02X}"


def _chunks(units: Iterable[str], limit: int) -> list[str]:
    """The units joined into strings of at most `limit` characters; no unit is cut."""
    found = [""]
    for unit in units:
        if len(found[-1]) + len(unit) > limit:
            found.append("")
        found[-1] += unit
    return found


def _shown(char: str) -> str:
    names = {"\r": "CR", "\n": "LF", "\0": "NUL", " ": "a space", "<": "<", ">": ">"}
    return names.get(char, f"U+{ord(char):04X}")
