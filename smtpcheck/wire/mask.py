"""Which octets of a stranger's text are a secret of ours? One mask for all secrets of a run.

A secret can be written in many ways (`WRITINGS`: plain, in base64, in hex ...), and a text can be read in many
(`READINGS`: as it stands, unfolded, with its escapes undone ...). It is masked wherever one of its readings holds one
of the writings; which octets these are is asked only then, since most texts hold none.
"""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from html.entities import html5
from itertools import pairwise

from smtpcheck.wire.utf7 import encode_utf7

MASK = b"<secret>"

LONG = 8
"""Octets from which on a secret is looked for in every form; a shorter one as a word of its own and in base64."""
# A shorter run of octets would be found by chance in ordinary text, and masking it there would tell what it is.
_SHORTEST = 4
# What a mechanism made is longer; less may be an answer with nothing of the secret in it.
_SHORTEST_MADE = 16
_COMPARED = 4096
_WORD = rb"[0-9A-Za-z_\x80-\xff]"

# What peers say anyway and what is acted on: of a secret like these nothing is told, and a mask would change verdicts.
_PROTOCOL = re.compile(
    rb"(?:(?:STARTTLS|AUTH|PLAIN|LOGIN|CRAM-MD5|DIGEST-MD5|SCRAM-SHA-(?:1|256|512)(?:-PLUS)?|XOAUTH2?|OAUTHBEARER"
    rb"|EXTERNAL|GSSAPI|NTLM|SIZE|PIPELINING|8BITMIME|SMTPUTF8|ENHANCEDSTATUSCODES|CHUNKING"
    rb"|BINARYMIME|DSN|HELP|ETRN|VRFY|EXPN"
    rb"|E?SMTP|EHLO|HELO|MAIL|RCPT|DATA|RSET|NOOP|QUIT)(?:[\s=]+|\Z))+",
    re.IGNORECASE,
)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One change to a text: what matches `pattern` is read as `read` says, or not at all."""

    pattern: re.Pattern[bytes]
    read: Callable[[re.Match[bytes]], bytes] | None = None
    signs: tuple[bytes, ...] = ()
    """One of these is in every match; none: not known."""

    def __call__(self, raw: bytes) -> bytes:
        """The text after it."""
        if self.signs and not any(sign in raw for sign in self.signs):
            return raw
        return self.pattern.sub(b"" if self.read is None else self.read, raw)

    def origins(self, raw: bytes) -> tuple[list[int], list[int]]:
        """Where in `raw` each octet of the text after it begins and ends."""
        begins, ends, at = list[int](), list[int](), 0
        for match in self.pattern.finditer(raw):
            start, end = match.span()
            begins += range(at, start)
            ends += range(at + 1, start + 1)
            size = len(self.read(match)) if self.read else 0
            begins += [start] * size
            ends += [end] * size
            at = end
        begins += range(at, len(raw))
        ends += range(at + 1, len(raw) + 1)
        return begins, ends


# What SMTP and IMAP put before a line, for texts in which it still stands
_LEAD = rb"(?:[2-5][0-9][0-9][ -]|[*+] (?:(?:OK|NO|BAD|BYE) )?)?[ \t]*"
# Families of escapes, read one at a time: a secret may hold what is an escape in another.
_BACKSLASH = rb"""\\u(?P<high>d[89ab][0-9a-f]{2})\\u(?P<low>d[c-f][0-9a-f]{2})
    | \\u(?P<four>[0-9a-f]{4}) | \\u\{(?P<braced>[0-9a-f]{1,6})\} | (?-i:\\U)(?P<eight>[0-9a-f]{8})
    | \\x(?P<octet>[0-9a-f]{2}) | \\(?P<octal>[0-3][0-7]{2}) | \\(?P<short>[abfnrtv0'"/\\])"""
_PERCENT = rb"%u(?P<unit>[0-9a-f]{4}) | %(?P<percent>[0-9a-f]{2})"
_ENTITY = rb"&\#(?P<decimal>[0-9]{1,7});? | &\#x(?P<hexadecimal>[0-9a-f]{1,6});? | &(?P<named>[a-z][a-z0-9]{1,31});"
_QUOTED = rb"=(?P<quoted>[0-9a-f]{2})"
_OCTET = ("octet", "percent", "quoted", "octal")
_SHORT: Mapping[int, int] = dict(zip(b"abfnrtv0", b"\a\b\f\n\r\t\v\0", strict=True))


def _undone(match: re.Match[bytes], *, latin: bool) -> bytes:
    """The octets that an escape stands for; `latin`: of a number below 256 the character, as Latin-1 has it."""
    kind, said = str(match.lastgroup), match[str(match.lastgroup)]
    match kind:
        case "short":
            return bytes((_SHORT.get(said.lower()[0], said[0]),))
        case "named":
            return html5.get(said.decode("ascii") + ";", "").encode() or match[0]
        case "low":
            return bytes.fromhex((match["high"] + said).decode("ascii")).decode("utf-16-be").encode()
    number = int(said, {"decimal": 10, "octal": 8}.get(kind, 16))
    if kind in _OCTET and not latin:
        return bytes((number,))
    return chr(number).encode("utf-8", "surrogatepass") if number < 0x110000 else match[0]


# " / " is how a reply of several lines stands in evidence
_FOLD = rb"(?:(?:\r?\n| / )" + _LEAD + rb")"
_FOLDS = Step(re.compile(_FOLD, re.IGNORECASE), signs=(b"\n", b" / "))
_SOFT = Step(re.compile(rb"=\r?\n" + _LEAD, re.IGNORECASE), signs=(b"=",))  # RFC 2045 section 6.7
_SPACES = Step(re.compile(rb"\s+"))
_MARKS = Step(re.compile(rb"0x(?=[0-9a-f]{2})|[^0-9A-Za-z\x80-\xff]+", re.IGNORECASE))


def _undoing(escapes: bytes, *signs: bytes, latin: bool = False) -> Step:
    return Step(re.compile(escapes, re.VERBOSE | re.IGNORECASE), partial(_undone, latin=latin), signs)


_FAMILIES: Mapping[str, Step] = {
    "backslashes": _undoing(_BACKSLASH, b"\\"),
    "backslashes for characters": _undoing(_BACKSLASH, b"\\", latin=True),
    "percent signs": _undoing(_PERCENT, b"%"),
    "percent signs for characters": _undoing(_PERCENT, b"%", latin=True),
    "entities": _undoing(_ENTITY, b"&"),
    "quoted-printable": _undoing(_QUOTED, b"="),
}
_QUOTES = Step(re.compile(rb"\\([\"\\])"), lambda match: match[1], (b"\\",))


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read a text."""

    name: str
    steps: tuple[Step, ...] = ()
    bare: Step | None = None
    """What is left out last, of the text and of the writings alike; what is left of these is to be long still."""
    short: bool = False
    """Good for short secrets as well."""


READINGS = (
    Reading("as it stands", short=True),
    Reading("unfolded", (_FOLDS,), short=True),
    Reading("without spaces", (_FOLDS,), _SPACES),
    Reading("without marks", (_FOLDS,), _MARKS),
    *(Reading(name, (_FOLDS, _SPACES, undo), _SPACES) for name, undo in _FAMILIES.items()),
    Reading("soft line ends", (_SOFT, _FOLDS, _SPACES, _FAMILIES["quoted-printable"]), _SPACES),
    # as in a quoted string of IMAP, or in JSON within JSON
    *(Reading(f"{name} in quotes", (_FOLDS, _SPACES, _QUOTES, undo), _SPACES) for name, undo in _FAMILIES.items()),
    Reading("percent signs twice", (_FOLDS, _SPACES, *(_FAMILIES["percent signs"],) * 2), _SPACES),
    Reading("entities twice", (_FOLDS, _SPACES, *(_FAMILIES["entities"],) * 2), _SPACES),
)


# Writings of a long secret


def _plain(secret: str) -> Iterator[bytes]:
    yield from (each.encode() for each in (secret, secret.strip(), secret.upper(), secret.lower()))
    yield unicodedata.normalize("NFKC", secret).encode()  # SASLprep, as SCRAM says it


def _charsets(secret: str) -> Iterator[bytes]:
    # a server that takes our UTF-8 for Latin-1 and says it in UTF-8 of its own
    yield secret.encode().decode("latin-1").encode()
    for codec in ("latin-1", "gb18030"):
        with suppress(UnicodeEncodeError):
            yield secret.encode(codec)


def _spaces(secret: str) -> Iterator[bytes]:
    """For spaces as forms and headers have them: + (WHATWG URL) and _ (RFC 2047 section 4.2)."""
    yield secret.replace(" ", "+").encode()
    yield secret.replace(" ", "_").encode()


def _within_json(secret: str) -> set[bytes]:
    """Plain, and as it stands in JSON: the reason of an OAuth refusal is JSON in base64."""
    dumped = (json.dumps(secret), json.dumps(secret, ensure_ascii=False))
    return {secret.encode(), *(text[1:-1].encode() for text in dumped)}


def _base64(secret: str) -> Iterator[bytes]:
    for said in _within_json(secret):
        yield from _encoded(said)
        yield from _within_base64(said)


def _twice(secret: str) -> Iterator[bytes]:
    for once in {*_encoded(secret.encode()), *_within_base64(secret.encode())}:
        yield from _encoded(once)
        yield from _within_base64(once)


def _hex(secret: str) -> Iterator[bytes]:
    yield secret.encode().hex().encode()


def _base32(secret: str) -> Iterator[bytes]:
    """Whole, and the characters that encode nothing else, wherever it begins in a group of five octets."""
    raw = secret.encode()
    yield base64.b32encode(raw)
    yield base64.b32encode(raw).rstrip(b"=")
    for shift in range(5):
        yield base64.b32encode(bytes(shift) + raw)[-(-shift * 8 // 5) : (shift + len(raw)) * 8 // 5]


def _utf16(secret: str) -> Iterator[bytes]:
    for codec in ("utf-16-le", "utf-16-be"):
        said = secret.encode(codec)
        yield said
        yield from _within_base64(said)


def _utf7(secret: str) -> Iterator[bytes]:
    """As the name of a mailbox (RFC 3501 section 5.1.3)."""
    yield encode_utf7(secret)


def _reversed(secret: str) -> Iterator[bytes]:
    yield secret[::-1].encode()
    yield secret.encode()[::-1]


WRITINGS: Mapping[str, Callable[[str], Iterable[bytes]]] = {
    "plain": _plain,
    "charsets": _charsets,
    "spaces": _spaces,
    "base64": _base64,
    "base64 twice": _twice,
    "hex": _hex,
    "base32": _base32,
    "UTF-16": _utf16,
    "UTF-7": _utf7,
    "reversed": _reversed,
}


def _encoded(message: bytes) -> Iterator[bytes]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(message)
        yield encode(message).rstrip(b"=")


def _within_base64(secret: bytes) -> Iterator[bytes]:
    """The characters that encode nothing but the secret, wherever it begins in a group of three octets."""
    for shift in range(3):
        start, end = (0, 2, 3)[shift], (shift + len(secret)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            inner = encode(bytes(shift) + secret)[start:end]
            if len(inner) > _SHORTEST:
                yield inner


def _messages(user: str, secret: str) -> Iterator[bytes]:
    """What PLAIN, Basic and XOAUTH2 make of both."""
    for message in (f"\0{user}\0{secret}", f"{user}\0{user}\0{secret}", f"{user}:{secret}"):
        yield from _encoded(message.encode())
    yield from _encoded(f"user={user}\1auth=Bearer {secret}\1\1".encode())


@dataclass(frozen=True, slots=True)
class _Search:
    """What one reading is searched for: `few` tell whether there is anything, `all` where it is."""

    reading: Reading
    all: tuple[bytes, ...]
    few: tuple[bytes, ...]
    words: re.Pattern[bytes] | None

    def finds(self, text: bytes, words: bool) -> bool:
        lower = text.lower()
        return any(form in lower for form in self.few) or bool(words and self.words and self.words.search(text))

    def spans(self, text: bytes, words: bool) -> Iterator[Span]:
        lower = text.lower()
        for form in self.all:
            at = lower.find(form)
            while at >= 0:
                yield at, at + len(form)
                at = lower.find(form, at + len(form))
        if words and self.words:
            yield from (match.span() for match in self.words.finditer(text))


@dataclass(slots=True)
class _Known:
    """Everything that is to be masked."""

    strong: set[bytes] = field(default_factory=set)
    weak: set[bytes] = field(default_factory=set)
    """Of short secrets."""
    words: set[bytes] = field(default_factory=set)


class Mask:
    """Replaces every known form of the secrets of a run in what others said. It learns while the run lasts."""

    __slots__ = ("_known", "_readings", "_searches", "_writings")

    def __init__(
        self,
        writings: Mapping[str, Callable[[str], Iterable[bytes]]] = WRITINGS,
        readings: Sequence[Reading] = READINGS,
    ) -> None:
        self._writings = writings
        self._readings = readings
        self._known = _Known()
        self._searches: tuple[_Search, ...] | None = ()

    def add(self, secret: str, user: str = "") -> None:
        """Know a secret, and what mechanisms say in its name."""
        self._known.weak.update(_messages(user, secret))
        self._take(secret)
        if secret.strip() != secret:
            self._take(secret.strip())
        self._searches = None

    def made(self, line: bytes, proofs: Iterable[str] = ()) -> None:
        """Know what a mechanism made of a secret: a proof that is sent back can be cracked at leisure."""
        said = line.rpartition(b" ")[2]
        if len(said) >= _SHORTEST_MADE:
            self._known.strong.add(said)
        for proof in proofs:
            self._take(proof)
        self._searches = None

    def _take(self, secret: str) -> None:
        raw = secret.encode()
        if len(raw) >= LONG:
            forms = (form for write in self._writings.values() for form in write(secret))
            self._known.strong.update(form for form in forms if len(form) >= LONG)
        elif len(raw) >= _SHORTEST:
            self._known.weak.update(_base64(secret))
            # as it was said, and as servers do that fold case; with a capital alone it would be prose
            self._known.words.update(each.encode() for each in (secret, secret.lower(), secret.upper()))

    def __call__(self, raw: bytes, *, words: bool = True) -> bytes:
        """The octets with every form of a secret replaced; without `words` a short secret is left where it is plain."""
        (masked,) = self.lines((raw,), words=words)
        return masked

    def lines(self, lines: Sequence[bytes], *, words: bool = True) -> tuple[bytes, ...]:
        """Lines that are one text: a form may begin in one and end in another; each has its share replaced."""
        whole = b"\n".join(lines)
        spans = self._spans(whole, words=words)
        if not spans:
            return tuple(lines)
        masked, start = [], 0
        for line in lines:
            masked.append(_replaced(line, start, spans))
            start += len(line) + 1
        return tuple(masked)

    def text(self, said: str, *, words: bool = True) -> str:
        """The same for text."""
        raw = said.encode("utf-8", "surrogatepass")
        masked = self(raw, words=words)
        return said if masked == raw else masked.decode("utf-8", "replace")

    def finds(self, raw: bytes, *, words: bool = True) -> bool:
        """Whether there is anything to mask."""
        return bool(self._spans(raw, words=words))

    def _spans(self, raw: bytes, *, words: bool) -> list[Span]:
        """Where the secrets are, in order and apart."""
        read: dict[tuple[Step, ...], bytes] = {(): raw}
        seen: set[tuple[Step | None, bytes]] = set()
        found: list[Span] = []
        for search in self._prepared():
            steps = (*search.reading.steps, *filter(None, [search.reading.bare]))
            for count in range(1, len(steps) + 1):
                if steps[:count] not in read:
                    read[steps[:count]] = steps[count - 1](read[steps[: count - 1]])
            text = read[steps]
            # what is nothing new to read is searched once; the first readings search for the most
            if (search.reading.bare, text) not in seen and search.finds(text, words):
                found += _traced(search.spans(text, words), [(each, read[steps[:n]]) for n, each in enumerate(steps)])
            seen.add((search.reading.bare, text))
        found = [span for span in found if not _PROTOCOL.fullmatch(raw, *span)]
        return found and _apart(found, [match.span() for match in re.finditer(re.escape(MASK), raw)])

    def _prepared(self) -> tuple[_Search, ...]:
        if self._searches is None:
            self._searches = tuple(_prepared(self._known, reading) for reading in self._readings)
        return self._searches

    def __repr__(self) -> str:
        return "Mask(<secret>)"

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("a mask knows the secret and is not pickled or copied")


def _prepared(known: _Known, reading: Reading) -> _Search:
    forms = {form.lower() for form in known.strong | (known.weak if reading.short else set())}
    if reading.bare:
        forms = {bare for form in forms if len(bare := reading.bare(form)) >= LONG}
    few: list[bytes] = []
    for form in sorted(forms, key=len):
        # to compare them costs more than it saves where they are long
        if len(form) > _COMPARED or not any(shorter in form for shorter in few):
            few.append(form)
    return _Search(reading, tuple(sorted(forms)), tuple(few), None if reading.steps else _alone(known.words))


def _alone(words: Iterable[bytes]) -> re.Pattern[bytes] | None:
    """Each of the words where it stands alone, or with line ends within: to unfold the text would join it to others."""
    folded = [(_FOLD + b"?").join(re.escape(bytes((octet,))) for octet in word) for word in sorted(words)]
    return re.compile(rb"(?<!%s)(?:%s)(?!%s)" % (_WORD, b"|".join(folded), _WORD)) if folded else None


def _traced(spans: Iterable[Span], way: Sequence[tuple[Step, bytes]]) -> list[Span]:
    """The spans of a reading in the text itself, back along the steps."""
    found = list(spans)
    for step, before in reversed(way):
        begins, ends = step.origins(before)
        found = [(begins[start], ends[end - 1]) for start, end in found]
    return found


def _apart(spans: list[Span], masked: Sequence[Span]) -> list[Span]:
    """Merged where they overlap; what is part of a mask's own word is masked already."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if any(low <= start and end <= high for low, high in masked):
            continue
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _replaced(line: bytes, start: int, spans: Sequence[Span]) -> bytes:
    """The line that begins at `start`, with its share of the spans replaced."""
    first = bisect_left(spans, start, key=lambda span: span[1])
    cuts = [0]
    for low, high in spans[first:]:
        if low >= start + len(line):
            break
        if max(low, start) < high:
            cuts += [max(low - start, 0), min(high - start, len(line))]
    kept = [line[low:high] for low, high in list(pairwise([*cuts, len(line)]))[::2]]
    return MASK.join(kept)
