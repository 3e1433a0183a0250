"""What in a pasted text must not be shown again? Passwords and tokens, in clear and in the forms that SASL makes.

The text is a stranger's to us, and its secret is unknown: what looks like one is taken for one.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

MASK = "<secret>"
# Shorter strings stand in too many words to be replaced everywhere.
_SHORTEST = 4
_MAX_SECRETS = 200

_BASE64 = r"[A-Za-z0-9+/]{4,4096}={0,2}"
_AUTH = re.compile(rf"(?i)\bAUTH[ '\",:]{{1,4}}([A-Z0-9-]{{3,20}})[ '\",:]{{1,4}}({_BASE64})")
# A line of base64 alone, behind what debug output puts before a line of the client.
_ALONE = re.compile(rf"(?:[^\sA-Za-z0-9+/]{{1,4}}|\w+(?: -> \w+)?:)?\s*(?:b?['\"])?({_BASE64})(?:\\r|\\n|['\"]|\s)*$")
_SHORT_STAGES = re.compile(r"(?i)\bAUTH\b|(?:^|\D)334(?:\D|$)")
_NEVER = re.compile(r"(?i)(?:QUIT|RSET|NOOP|DATA|STARTTLS|EHLO|HELO|Hello|true|false|null|None)$")
_NAMED = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b[a-z][\w+.-]{0,20}://[^\s:/@]{0,200}:(\S{1,400})@",
        r"\bBearer[ :=]+([\w.~+/=-]{8,4096})",
        r"\b\w{0,40}(?:pass(?:w(?:or)?d|phrase)?|pwd|secret|token|auth_?code|api_?key)\w{0,10}['\"]?\s{0,4}=>?\s{0,4}"
        r"b?['\"]?([^\s'\",;)}]{1,400})",
        r"\b\w{0,40}(?:pass(?:w(?:or)?d|phrase)?|pwd|secret|token|auth_?code|api_?key)['\"]?\s{0,4}:\s{0,4}"
        r"b?['\"]([^'\"]{1,400})['\"]",
        r"^\s*[\w.-]{0,60}(?:password|passwd|pwd|secret|authcode):\s{0,4}(\S{1,400})\s*$",
        r"(?:授权码|密码|口令)\s{0,4}[:=：是为]\s{0,4}['\"]?([!-~]{4,400})",
        r"\.?login\(\s*[^,()]{1,200},\s*(?:\w+=)?b?['\"]([^'\"]{1,400})['\"]",
        r"PlainAuth\([^()]{0,200},\s*['\"]([^'\"]{1,400})['\"]\s*,[^()]{0,200}\)",
    )
)
# Forms that are secrets wherever they stand: a SASL PLAIN message, a JSON web token (RFC 7519), XOAUTH2.
_ANYWHERE = re.compile(r"[A-Za-z0-9+/]{12,4096}={0,2}")
_JWT = re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?")


class Masked:
    """Knows what looked secret in a text, and replaces it in any part of it."""

    __slots__ = ("_pattern",)

    def __init__(self, lines: Sequence[str]) -> None:
        found: dict[str, None] = {}
        for secret in _found(lines):
            if len(secret) >= _SHORTEST:
                found[secret] = None
            if len(found) >= _MAX_SECRETS:
                break
        forms = sorted(found, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, forms))) if forms else None

    def __call__(self, text: str) -> str:
        """The text with every secret replaced."""
        text = self._pattern.sub(MASK, text) if self._pattern else text
        for pattern in _NAMED:
            text = pattern.sub(_blanked, text)
        text = _JWT.sub(MASK, text)
        return _ANYWHERE.sub(lambda match: MASK if _is_login(match[0]) else match[0], text)

    def __repr__(self) -> str:
        return "Masked(<secret>)"


def _blanked(match: re.Match[str]) -> str:
    if match[1] == MASK:
        return match[0]
    start, end = match.span(1)
    return match[0][: start - match.start()] + MASK + match[0][end - match.start() :]


def _found(lines: Sequence[str]) -> Iterator[str]:
    near = 0
    for line in lines:
        for pattern in _NAMED:
            yield from (match[1] for match in pattern.finditer(line))
        initial = _AUTH.search(line)
        if initial:
            yield from _forms(initial[2])
        alone = _ALONE.match(line.strip()) if near else None
        if alone and not _NEVER.match(alone[1]):
            yield from _forms(alone[1])
        # The secret is one of the few lines behind AUTH or a 334 (RFC 4954 section 4).
        near = 6 if _SHORT_STAGES.search(line) else max(0, near - 1)


def _forms(said: str) -> Iterator[str]:
    """A SASL response as it was sent, and what it holds."""
    yield said
    plain = _decoded(said)
    if plain:
        yield from (part for part in re.split("[\0\1]", plain)[-1:] if part)


def _decoded(said: str) -> str:
    try:
        return base64.b64decode(said + "=" * (-len(said) % 4), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""


def _is_login(said: str) -> bool:
    plain = _decoded(said)
    return ("\0" in plain[:256] and plain.count("\0") == 2) or plain.startswith("user=") or "auth=Bearer" in plain
