"""How is a login said? SASL mechanisms (RFC 4422), and everything a secret may look like on a line.

The only module that reveals a secret: what it makes is written as it is and recorded masked.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import html
import json
import quopri
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, Protocol
from urllib.parse import quote, quote_plus

from smtpcheck.wire import ProtocolError, challenges, slips
from smtpcheck.wire.challenges import OAuthRefusal
from smtpcheck.wire.slips import Slip

MASK = b"<secret>"

# A shorter run of bytes would be found by chance in ordinary text, and masking it there would tell what it is.
_SHORTEST = 4
_SHORTEST_MADE = 16
_LONGEST_COMMAND = 512  # RFC 5321 section 4.5.3.1.4, with its CRLF


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


Answer = Line | bytes
"""What is said next: a line with something of the secret in it, or bytes that hold none."""


class Unsayable(Exception):
    """This mechanism can't say that user name or secret, or not on this machine; args: why, without them."""


class Unproven(ProtocolError):
    """The server took the login and did not prove that it knows the password (RFC 5802 section 3)."""


class Exchange(ABC):
    """One login by one mechanism: an initial response or none, then an answer to each challenge."""

    refusal: OAuthRefusal | None = None
    """Why a token was refused, where the server said so."""

    @abstractmethod
    def initial(self) -> Line | None:
        """The initial response (RFC 4954 section 4), or None where the server speaks first."""

    @abstractmethod
    def answer(self, challenge: bytes) -> Answer:
        """The answer to the text of a 334. Raises ProtocolError for one that does not belong there."""

    def finish(self) -> None:
        """After the 235; raises Unproven where the server owes a proof."""
        return

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a login is not pickled or copied")


class Plain(Exchange):
    """PLAIN (RFC 4616): one message, authorization identity left empty."""

    def __init__(self, user: str, secret: Revealing) -> None:
        self._user = user
        self._secret = secret

    def initial(self) -> Line | None:
        """NUL user NUL password, in base64."""
        return _encoded(b"\0%s\0%s" % (self._user.encode(), self._secret.reveal().encode()))

    def answer(self, challenge: bytes) -> Answer:
        """PLAIN has no challenge after its initial response."""
        raise ProtocolError("a challenge after the whole of PLAIN was said")


class Login(Exchange):
    """LOGIN (draft-murchison-sasl-login): user name, then password, each on request."""

    def __init__(self, user: str, secret: Revealing) -> None:
        self._left: Iterator[Callable[[], bytes]] = iter((user.encode, lambda: secret.reveal().encode()))

    def initial(self) -> Line | None:
        """None: servers differ on whether they take the user name here, all take it when asked."""
        return None

    def answer(self, challenge: bytes) -> Answer:
        """The prompts differ in wording, language and even in being base64, so their order decides, not their text."""
        said = next(self._left, None)
        if said is None:
            raise ProtocolError("a third challenge in LOGIN")
        return _encoded(said())


class Scram(Exchange):
    """SCRAM (RFC 5802, RFC 7677) without channel binding; the server's signature is checked."""

    def __init__(self, mechanism: str, user: str, secret: Revealing, nonce: str | None = None) -> None:
        # late: 60 ms that no other mechanism needs
        from scramp import ScramClient, ScramException  # type: ignore[import-untyped]

        self._error: type[Exception] = ScramException
        self._said = 0
        self._proven = False
        try:
            self._client = ScramClient([mechanism], user, secret.reveal(), c_nonce=nonce)
        except ScramException as error:
            raise Unsayable(f"{mechanism} can't say the user name or the secret (SASLprep, RFC 4013)") from error

    def initial(self) -> Line | None:
        """The client-first-message."""
        return _encoded(self._client.get_client_first().encode())

    def answer(self, challenge: bytes) -> Answer:
        """The client-final-message, then nothing to the server's signature."""
        self._said += 1
        said = challenges.message(challenge)
        if self._said > 2:
            raise ProtocolError("a third challenge in SCRAM")
        if said.startswith("e="):
            return b""  # the refusal itself is the reply that follows
        return self._final(said) if self._said == 1 else self._verified(said)

    def _final(self, said: str) -> Answer:
        challenges.check_server_first(said)
        try:
            self._client.set_server_first(said)
            return _encoded(self._client.get_client_final().encode())
        except self._error as error:
            raise ProtocolError(f"SCRAM: {error.args[0]}") from error

    def _verified(self, said: str) -> Answer:
        try:
            self._client.set_server_final(said)
        except self._error as error:
            if challenges.holds_signature(said):
                raise Unproven("the server's signature is wrong") from error
            raise ProtocolError("not a SCRAM server-final-message") from error
        self._proven = True
        return b""

    def finish(self) -> None:
        """RFC 5802 section 3: without the right signature the login has failed, whatever the server says."""
        if not self._proven:
            raise Unproven("the server's signature is missing")


class CramMd5(Exchange):
    """CRAM-MD5 (RFC 2195): user name and a keyed digest of the challenge."""

    def __init__(self, user: str, secret: Revealing) -> None:
        self._user = user
        self._secret: Revealing | None = secret
        try:
            hmac.new(b"", b"", "md5")
        except ValueError as error:  # OpenSSL in FIPS mode
            raise Unsayable("this machine does not allow MD5") from error

    def initial(self) -> Line | None:
        """None: the server speaks first."""
        return None

    def answer(self, challenge: bytes) -> Answer:
        """One answer; none to an empty challenge, whose digest would be good for every login."""
        said = challenges.decode_challenge(challenge)
        secret, self._secret = self._secret, None
        if secret is None or not said:
            raise ProtocolError("an empty challenge in CRAM-MD5" if secret else "a second challenge in CRAM-MD5")
        digest = hmac.new(secret.reveal().encode(), said, "md5").hexdigest()
        return _encoded(f"{self._user} {digest}".encode())


class Bearer(Exchange):
    """A token in one message, as XOAUTH2 (Google's and Microsoft's form) or OAUTHBEARER (RFC 7628) puts it."""

    def __init__(self, head: tuple[str, ...], secret: Revealing, farewell: bytes) -> None:
        if any("\1" in part for part in (*head, secret.reveal())):
            raise Unsayable("the user name or the token holds the separator of OAuth messages (0x01)")
        self._head = head
        self._secret = secret
        self._farewell = farewell

    def initial(self) -> Line | None:
        """The whole message: pairs ended by 0x01, and one more at the end."""
        said = "\1".join((*self._head, f"auth=Bearer {self._secret.reveal()}", "", ""))
        return _encoded(said.encode())

    def answer(self, challenge: bytes) -> Answer:
        """A challenge is the refusal with its reason; our answer only asks for the 535."""
        if self.refusal is not None:
            raise ProtocolError("a second challenge after a token")
        self.refusal = challenges.oauth_refusal(challenge)
        return self._farewell


# For a password over TLS, in the order in which they are tried: strongest first would accuse healthy servers whose
# hashed store can't do a challenge mechanism.
MECHANISMS: Mapping[str, Callable[[str, Revealing], Exchange]] = {
    "PLAIN": Plain,
    "LOGIN": Login,
    "SCRAM-SHA-256": partial(Scram, "SCRAM-SHA-256"),
    "SCRAM-SHA-1": partial(Scram, "SCRAM-SHA-1"),
    "CRAM-MD5": CramMd5,
}
TOKENS = ("XOAUTH2", "OAUTHBEARER")
"""Mechanisms whose secret is a token and no password."""
KNOWN = frozenset({*MECHANISMS, *TOKENS})
_TELLING = ("PLAIN", "LOGIN")


def begin(mechanism: str, user: str, secret: Revealing, host: str, port: int) -> Exchange:
    """A login by a mechanism of `KNOWN` at that host; Unsayable where it can't say this user name or secret."""
    match mechanism:
        case "XOAUTH2":
            return Bearer((f"user={user}",), secret, b"")
        case "OAUTHBEARER":
            name = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 section 4: saslname
            # RFC 7628 section 3.2.3: a dummy response of 0x01
            return Bearer((f"n,a={name},", f"host={host}", f"port={port}"), secret, b"AQ==")
    return MECHANISMS[mechanism](user, secret)


def command(mechanism: str, first: Line | None) -> tuple[Answer, Line | None]:
    """The AUTH command, and the initial response where it has to wait for an empty challenge.

    RFC 4954 section 4: with it, the line must not be longer than SMTP's 512 octets.
    """
    verb = b"AUTH " + mechanism.encode()
    if first is None or len(verb) + len(first.raw) + 3 > _LONGEST_COMMAND:
        return verb, first
    return Line(verb + b" " + first.raw, verb + b" " + first.shown), None


def preference(
    usual: Iterable[str] = MECHANISMS, *, encrypted: bool, hints: Iterable[str] = (), token: bool = False
) -> tuple[str, ...]:
    """Mechanisms in the order to try. `hints`: a provider's own order; `token`: the secret may be an OAuth token.

    Without TLS those that do not tell the password come first, and a token is not for the clear (RFC 7628 section 4).
    """
    if not encrypted:
        return tuple(sorted(usual, key=_TELLING.__contains__))
    tokens = TOKENS if token else ()
    hinted = (name for name in hints if name in MECHANISMS or name in tokens)
    return tuple(dict.fromkeys((*hinted, *tokens, *usual)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """How a secret looks, without anything of it."""

    shape: str = "unknown"
    """fits, does-not-fit, or unknown where no shape is known."""
    flags: tuple[str, ...] = ()
    """What no secret should have: the signs of `slips.SIGNS`."""
    valid_from: float | None = None
    """Unix time from which a token counts, where it says so itself (RFC 7519 section 4.1.5)."""
    valid_until: float | None = None


def look(secret: Revealing, shape: str = "") -> Looks:
    """Judge a secret offline by the regular expression of its provider and by the slips of copying it."""
    text = secret.reveal()
    fits = "unknown" if not shape else "fits" if re.fullmatch(shape, text) else "does-not-fit"
    begins, ends = slips.token_window(text)
    return Looks(shape=fits, flags=tuple(slip.sign for slip in slips.slips(text)), valid_from=begins, valid_until=ends)


def slips_of(secret: Revealing) -> tuple[Slip, ...]:
    """What went wrong while the secret was copied, by signs and places, without anything of it."""
    return slips.slips(secret.reveal())


def quoted(user: str, secret: Revealing) -> Line:
    """User and secret as two quoted strings, for IMAP's LOGIN (RFC 3501 section 6.2.3). Raises ProtocolError."""
    words = [user.encode(), secret.reveal().encode()]
    if any(byte in word for word in words for byte in b"\r\n\0"):
        raise ProtocolError("a line end or NUL in a quoted string")
    escaped = [b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", word) for word in words]
    return Line(b" ".join(escaped), escaped[0] + b" " + MASK)


def _encoded(message: bytes) -> Line:
    return Line(base64.b64encode(message), MASK)


class Mask:
    """Replaces every known form of a secret in bytes that a peer sent back."""

    __slots__ = ("_forms", "_pattern")

    def __init__(self, user: str = "", secret: Revealing | None = None) -> None:
        self._forms = _forms(user, secret.reveal()) if secret else set()
        self._compile()

    def learn(self, line: Line) -> None:
        """Know what a mechanism made of the secret too: a proof that is sent back can be cracked at leisure."""
        said = line.raw.rpartition(b" ")[2]
        if self._forms and len(said) >= _SHORTEST_MADE:
            self._forms.add(said)
            self._compile()

    def _compile(self) -> None:
        forms = sorted(self._forms, key=len, reverse=True)
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
    forms |= set(_base64_forms(f"user={user}\1auth=Bearer {secret}\1\1".encode()))
    # the reason of an OAuth refusal is JSON in base64
    for said in {raw, json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode()}:
        if len(said) >= _SHORTEST:
            forms.add(said.hex().encode())
            forms |= set(_base64_forms(said))
            forms |= {form for shift in range(3) for form in _inner_base64(shift, said)}
    return forms


def _plain_forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield secret.strip().encode()
    yield unicodedata.normalize("NFKC", secret).encode()  # SASLprep, as SCRAM says it
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
