r"""How is text of a stranger shown without harm? Whatever moves, hides or turns the text around it is spelt out.

Not reversible (a server may well say `\x1b` in so many letters): the JSON report holds what was really said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from unicodedata import category

from smtpcheck.core import Diagnosis, Evidence, Finding, Scalar
from smtpcheck.wire.smtp import readable

LIMIT = 400
"""Characters of one text of a peer, when its place names no other limit."""
# Printable by their category, but blank or without a width of their own: Hangul fillers, braille blank.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_IDEOGRAPHIC_SPACE = "\u3000"
# What the note about a cut would take is rather shown.
_NEARLY = 12
# More marks on one letter than any script needs cover the lines above and below.
_MAX_MARKS = 3


def visible(text: str, limit: int = LIMIT) -> str:
    r"""One line of `text`: controls, bidi controls, zero-width and line ends as `\xNN` or `\uNNNN`, the excess cut."""
    shown: list[str] = []
    marks = used = 0
    for char in text[: limit + _NEARLY + 1]:
        marks = marks + 1 if category(char) in ("Mn", "Me") else 0
        shown.append(char if _harmless(char) and marks <= _MAX_MARKS else _spelt(char))
        used += len(shown[-1])
    if used <= limit + _NEARLY:
        return "".join(shown)
    while used > limit:
        used -= len(shown.pop())
    return f"{''.join(shown)}...(+{len(text) - len(shown)})"


def _harmless(char: str) -> bool:
    return (char.isprintable() or char == _IDEOGRAPHIC_SPACE) and char not in _BLANK


def _spelt(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def said(raw: bytes, limit: int = LIMIT) -> str:
    """What a peer said, as one harmless line; the line end that every reply has is left away."""
    return visible(readable(raw.removesuffix(b"\n").removesuffix(b"\r")), limit)


def paragraphs(text: str, limit: int = 2000) -> list[str]:
    """The lines of a text of ours into which values of a peer were put."""
    return [visible(line.rstrip(), limit) for line in text.strip("\n").split("\n")]


def diagnosis(told: Diagnosis, limit: int = 160) -> Diagnosis:
    """The diagnosis with harmless values, so that a sentence keeps its form whatever a peer said."""
    return replace(
        told,
        subject=visible(told.subject, limit),
        seen=_values(told.seen, limit),
        evidence=tuple(evidence(one, limit) for one in told.evidence),
    )


def finding(told: Finding, limit: int = 160) -> Finding:
    """The finding with harmless values."""
    return replace(told, subject=visible(told.subject, limit), seen=_values(told.seen, limit))


def evidence(told: Evidence, limit: int = 160) -> Evidence:
    """The evidence with a harmless raw line, as UTF-8."""
    return replace(told, raw=said(told.raw, limit).encode("utf-8"), text=visible(told.text, limit))


def _values(seen: Mapping[str, Scalar], limit: int) -> dict[str, Scalar]:
    return {name: visible(v.rstrip("\r\n"), limit) if isinstance(v, str) else v for name, v in seen.items()}
