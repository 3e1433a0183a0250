"""How is a login said? SASL mechanisms (RFC 4422), and everything a secret may look like on a line.

The only module that reveals a secret: what it makes is written as it is and recorded masked.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import quopri
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol
from urllib.parse import quote, quote_plus

from smtpcheck.wire import ProtocolError

MASK = b"<secret>"

# A shorter run of bytes would be found by chance in ordinary text, and masking it there would tell what it is.
_SHORTEST = 4


class Revealing(Protocol):
    """What holds a secret."""

    def reveal(self) -> str:
        """The secret itself."""
        ...


class Line:
    """A line with a secret in it: `raw` to be written, `shown` to be recorded; its repr tells nothing."""

    __slots__ = ("raw", "shown")

    def __init__(self, raw: bytes, shown: bytes) -> None:
        self.raw = raw
        self.shown = shown

    def __repr__(self) -> str:
        return f"Line({self.shown!r})"

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("a line with a secret is not pickled or copied")


class Exchange(Protocol):
    """One login by one mechanism: an initial response or none, then an answer to each challenge."""

    def initial(self) -> Line | None:
        """The initial response (RFC 4954 section 4), or None where the server speaks first."""
        ...

    def answer(self, challenge: bytes) -> Line:
        """The answer to a decoded challenge; ProtocolError for one too many."""
        ...


class Plain:
    """PLAIN (RFC 4616): one message, authorization identity left empty."""

    def __init__(self, user: str, secret: Revealing) -> None:
        self._user = user
        self._secret = secret

    def initial(self) -> Line | None:
        """NUL user NUL password, in base64."""
        return _encoded(b"\0%s\0%s" % (self._user.encode(), self._secret.reveal().encode()))

    def answer(self, challenge: bytes) -> Line:
        """PLAIN has no challenge after its initial response."""
        raise ProtocolError("a challenge after the whole of PLAIN was said")


class Login:
    """LOGIN (draft-murchison-sasl-login): user name, then password, each on request."""

    def __init__(self, user: str, secret: Revealing) -> None:
        self._left: Iterator[Callable[[], bytes]] = iter((user.encode, lambda: secret.reveal().encode()))

    def initial(self) -> Line | None:
        """None: servers differ on whether they take the user name here, all take it when asked."""
        return None

    def answer(self, challenge: bytes) -> Line:
        """The prompts' wording differs between servers, so their order decides, not their text."""
        said = next(self._left, None)
        if said is None:
            raise ProtocolError("a third challenge in LOGIN")
        return _encoded(said())


# In the order in which they are tried: strongest first would accuse healthy servers whose hashed
# store can't do a challenge mechanism.
MECHANISMS: Mapping[str, Callable[[str, Revealing], Exchange]] = {"PLAIN": Plain, "LOGIN": Login}


def quoted(user: str, secret: Revealing) -> Line:
    """User and secret as two quoted strings, for IMAP's LOGIN (RFC 3501 section 6.2.3). Raises ProtocolError."""
    words = [user.encode(), secret.reveal().encode()]
    if any(byte in word for word in words for byte in b"\r\n\0"):
        raise ProtocolError("a line end or NUL in a quoted string")
    escaped = [b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", word) for word in words]
    return Line(b" ".join(escaped), escaped[0] + b" " + MASK)


def decode_challenge(text: bytes) -> bytes:
    """The challenge in a 334 reply (RFC 4954 section 4); ProtocolError when it is no base64."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError("a challenge that is not base64") from error


def _encoded(message: bytes) -> Line:
    return Line(base64.b64encode(message), MASK)


class Mask:
    """Replaces every known form of a secret in bytes that a peer sent back."""

    __slots__ = ("_pattern",)

    def __init__(self, user: str = "", secret: Revealing | None = None) -> None:
        forms = sorted(_forms(user, secret.reveal()), key=len, reverse=True) if secret else []
        self._pattern = re.compile(b"|".join(map(re.escape, forms)), re.IGNORECASE) if forms else None

    def __call__(self, raw: bytes) -> bytes:
        """The bytes with every form of the secret replaced."""
        return self._pattern.sub(MASK, raw) if self._pattern else raw

    def text(self, said: str) -> str:
        """The same for text."""
        if self._pattern is None:
            return said
        return self(said.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")

    def __repr__(self) -> str:
        return "Mask(<secret>)"

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("a mask knows the secret and is not pickled or copied")


def _forms(user: str, secret: str) -> set[bytes]:
    """The secret as it may come back: plain, escaped, and in base64 alone or within PLAIN's message."""
    raw = secret.encode()
    forms = {form for form in (*_plain_forms(secret), *_escaped_forms(secret)) if len(form) >= _SHORTEST}
    for message in (f"\0{user}\0{secret}", f"{user}\0{user}\0{secret}", f"{user}:{secret}"):
        forms |= set(_base64_forms(message.encode()))
    if len(raw) >= _SHORTEST:
        forms.add(raw.hex().encode())
        forms |= set(_base64_forms(raw))
        forms |= {form for shift in range(3) for form in _inner_base64(shift, raw)}
    return forms


def _plain_forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield secret.strip().encode()
    # a server that takes our UTF-8 for Latin-1 and says it in UTF-8 of its own
    yield secret.encode().decode("latin-1").encode()
    for codec in ("latin-1", "gb18030"):
        with contextlib.suppress(UnicodeEncodeError):
            yield secret.encode(codec)


def _escaped_forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    for text in (quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)):
        yield text.encode()
    for text in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret)):
        yield text[1:-1].encode()
    yield repr(raw)[2:-1].encode()
    for header in (False, True):
        yield quopri.encodestring(raw, header=header).replace(b"=\n", b"").rstrip(b"\n")


def _base64_forms(message: bytes) -> Iterator[bytes]:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(message)
        yield encode(message).rstrip(b"=")


def _inner_base64(shift: int, secret: bytes) -> Iterator[bytes]:
    """The characters that encode nothing but the secret where it starts `shift` octets into a group of three."""
    start, end = (0, 2, 3)[shift], (shift + len(secret)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        inner = encode(bytes(shift) + secret)[start:end]
        if len(inner) > _SHORTEST:
            yield inner
