"""What went wrong while a value was copied? Signs and places of what nobody types on purpose, never the value."""

from __future__ import annotations

import base64
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

SIGNS = ("empty", "placeholder", "unexpanded", "quoted", "padded", "line-break", "full-width", "invisible")
# what programs write where a variable was never set
_UNSET = frozenset({"none", "null", "undefined", "nil"})
# ${NAME} and {{ NAME }} anywhere; $NAME, $(command), %NAME% and $env:NAME (PowerShell) only as the whole: a password
# may hold a dollar or a percent sign
_ANYWHERE = re.compile(r"\$\{[A-Za-z_][^{}]{0,200}\}|\{\{[^{}]{1,200}\}\}")
_WHOLE = re.compile(r"\$[A-Z_][A-Z0-9_]{2,}|\$\([^()]{1,200}\)|%[A-Za-z_][A-Za-z0-9_]{2,}%|\$env:[A-Za-z_]\w{1,}")
_QUOTES = frozenset({'""', "''", "``", "“”", "‘’", "「」"})


@dataclass(frozen=True, slots=True)
class Slip:
    """One sign and its first place: start, end, or the number of the character from 1; empty: the whole.

    `char` is the code point, as U+00A0; empty where it would tell a character that was meant.
    """

    sign: str
    where: str = ""
    char: str = ""


def slips(text: str) -> tuple[Slip, ...]:
    """The signs of a text, each once, in the order of `SIGNS`. Where a length would be told, it is start or end."""
    if not text.strip():
        return (Slip("empty"),)
    first: dict[str, Slip] = {}
    for slip in (*_of_the_whole(text), *_of_the_ends(text), *_within(text)):
        first.setdefault(slip.sign, slip)
    return tuple(first[sign] for sign in SIGNS if sign in first)


def token_window(text: str) -> tuple[float | None, float | None]:
    """From when until when a JSON web token counts by its own claims (RFC 7519 section 4.1); None: it does not say."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > 16384:
        return None, None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(claims, dict):
        return None, None
    return _moment(claims.get("nbf")), _moment(claims.get("exp"))


def _moment(claim: object) -> float | None:
    return float(claim) if isinstance(claim, int | float) and 0 < claim < 1e11 else None


def code_point(char: str) -> str:
    """As U+3002."""
    return f"U+{ord(char):04X}"


def _of_the_whole(text: str) -> Iterator[Slip]:
    bare = text.strip()
    if bare.lower() in _UNSET:
        yield Slip("placeholder")
    if _ANYWHERE.search(bare) or _WHOLE.fullmatch(bare):
        yield Slip("unexpanded")
    if len(bare) > 1 and bare[0] + bare[-1] in _QUOTES:
        yield Slip("quoted", "start", code_point(bare[0]))


def _of_the_ends(text: str) -> Iterator[Slip]:
    if text[-1:].isspace():
        yield Slip("padded", "end", code_point(text[-1]))
    if text[:1].isspace():
        yield Slip("padded", "start", code_point(text[0]))


def _within(text: str) -> Iterator[Slip]:
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    for index, char in enumerate(text):
        where = "start" if index == 0 else "end" if index == len(text) - 1 else str(index + 1)
        inside = begin <= index < end
        if inside and char in "\r\n":
            yield Slip("line-break", where, code_point(char))
        elif "\uff01" <= char <= "\uff5e":
            yield Slip("full-width", where)
        elif char == "\u3000":
            yield Slip("full-width", where, code_point(char))
        elif unicodedata.category(char) == "Cf" or _odd_blank(char, inside=inside):
            yield Slip("invisible", where, code_point(char))


def _odd_blank(char: str, *, inside: bool) -> bool:
    """A blank that is none of ASCII's (NBSP and its like), or a control character within the text."""
    category = unicodedata.category(char)
    return (category == "Zs" and char != " ") or (category == "Cc" and inside and char not in "\r\n")
