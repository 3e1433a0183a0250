"""How is a login said? SASL mechanisms (RFC 4422), and everything a secret may look like on a line.

The only module that reveals a secret: what it makes is written as it is and recorded masked.
"""

from __future__ import annotations

import base64
import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, Protocol

from smtpcheck.core import Reason, because
from smtpcheck.wire import ProtocolError, challenges, mistakes
from smtpcheck.wire.challenges import OAuthRefusal
from smtpcheck.wire.mask import MASK, Mask
from smtpcheck.wire.mistakes import Slip

_LONGEST_COMMAND = 512  # RFC 5321 section 4.5.3.1.4, with its CRLF


class Revealing(Protocol):
    """What holds a secret."""

    def reveal(self) -> str:
        """The secret itself."""
        ...


class Line:
    """A line with a secret in it: `raw` to be written, `shown` to be recorded; its repr tells nothing."""

    __slots__ = ("proofs", "raw", "shown")

    def __init__(self, raw: bytes, shown: bytes, proofs: tuple[str, ...] = ()) -> None:
        self.raw = raw
        self.shown = shown
        self.proofs = proofs
        """What was computed from the secret, as it stands in the decoded line: as good as the secret to a cracker."""

    def __repr__(self) -> str:
        return f"Line({self.shown!r})"

    def __reduce_ex__(self, protocol: object) -> str:
        raise TypeError("a line with a secret is not pickled or copied")


Answer = Line | bytes
"""What is said next: a line with something of the secret in it, or bytes that hold none."""


class Unsayable(Exception):
    """This mechanism can't say that user name or secret, or not on this machine; args: the reason, without them."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Unproven(ProtocolError):
    """The server took the login and did not prove that it knows the password (RFC 5802 section 3)."""


def _one_too_many(mechanism: str) -> Reason:
    return because("challenge-too-many", mechanism=mechanism)


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
        raise ProtocolError("a challenge after the whole of PLAIN was said", _one_too_many("PLAIN"))


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
            raise ProtocolError("a third challenge in LOGIN", _one_too_many("LOGIN"))
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
            raise Unsayable(because("login-unsayable", mechanism=mechanism)) from error

    def initial(self) -> Line | None:
        """The client-first-message."""
        return _encoded(self._client.get_client_first().encode())

    def answer(self, challenge: bytes) -> Answer:
        """The client-final-message, then nothing to the server's signature."""
        self._said += 1
        said = challenges.message(challenge)
        if self._said > 2:
            raise ProtocolError("a third challenge in SCRAM", _one_too_many("SCRAM"))
        if said.startswith("e="):
            return b""  # the refusal itself is the reply that follows
        return self._final(said) if self._said == 1 else self._verified(said)

    def _final(self, said: str) -> Answer:
        challenges.check_server_first(said)
        try:
            self._client.set_server_first(said)
            final = self._client.get_client_final()
            # the server's signature can be cracked like our proof
            signature = base64.b64encode(self._client.server_signature).decode("ascii")
            return _encoded(final.encode(), final.rpartition(",p=")[2], signature)
        except self._error as error:
            raise ProtocolError(f"SCRAM: {error.args[0]}", because("scram-unreadable")) from error

    def _verified(self, said: str) -> Answer:
        try:
            self._client.set_server_final(said)
        except self._error as error:
            if challenges.holds_signature(said):
                raise Unproven("the server's signature is wrong", because("signature-wrong")) from error
            raise ProtocolError("not a SCRAM server-final-message", because("scram-unreadable")) from error
        self._proven = True
        return b""

    def finish(self) -> None:
        """RFC 5802 section 3: without the right signature the login has failed, whatever the server says."""
        if not self._proven:
            raise Unproven("the server's signature is missing", because("signature-missing"))


class CramMd5(Exchange):
    """CRAM-MD5 (RFC 2195): user name and a keyed digest of the challenge."""

    def __init__(self, user: str, secret: Revealing) -> None:
        self._user = user
        self._secret: Revealing | None = secret
        try:
            hmac.new(b"", b"", "md5")
        except ValueError as error:  # OpenSSL in FIPS mode
            raise Unsayable(because("md5-forbidden")) from error

    def initial(self) -> Line | None:
        """None: the server speaks first."""
        return None

    def answer(self, challenge: bytes) -> Answer:
        """One answer; none to an empty challenge, whose digest would be good for every login."""
        said = challenges.decode_challenge(challenge)
        secret, self._secret = self._secret, None
        if secret is None or not said:
            if secret:
                raise ProtocolError("an empty challenge in CRAM-MD5", because("challenge-empty"))
            raise ProtocolError("a second challenge in CRAM-MD5", _one_too_many("CRAM-MD5"))
        digest = hmac.new(secret.reveal().encode(), said, "md5").hexdigest()
        return _encoded(f"{self._user} {digest}".encode(), digest)


class Bearer(Exchange):
    """A token in one message, as XOAUTH2 (Google's and Microsoft's form) or OAUTHBEARER (RFC 7628) puts it."""

    def __init__(self, head: tuple[str, ...], secret: Revealing, farewell: bytes) -> None:
        if any("\1" in part for part in (*head, secret.reveal())):
            raise Unsayable(because("login-with-separator"))
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
            raise ProtocolError("a second challenge after a token", because("challenge-after-token"))
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
    return Line(verb + b" " + first.raw, verb + b" " + first.shown, first.proofs), None


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
    """What no secret should have: the signs of `mistakes.SIGNS`."""
    valid_from: float | None = None
    """Unix time from which a token counts, where it says so itself (RFC 7519 section 4.1.5)."""
    valid_until: float | None = None


def look(secret: Revealing, shape: str = "") -> Looks:
    """Judge a secret offline by the regular expression of its provider and by the slips of copying it."""
    text = secret.reveal()
    fits = "unknown" if not shape else "fits" if re.fullmatch(shape, text) else "does-not-fit"
    begins, ends = mistakes.token_window(text)
    return Looks(
        shape=fits, flags=tuple(slip.sign for slip in mistakes.slips(text)), valid_from=begins, valid_until=ends
    )


def slips_of(secret: Revealing) -> tuple[Slip, ...]:
    """What went wrong while the secret was copied, by signs and places, without anything of it."""
    return mistakes.slips(secret.reveal())


def quoted(user: str, secret: Revealing) -> Line:
    """User and secret as two quoted strings, for IMAP's LOGIN (RFC 3501 section 6.2.3). Raises ProtocolError."""
    words = [user.encode(), secret.reveal().encode()]
    if any(byte in word for word in words for byte in b"\r\n\0"):
        raise ProtocolError("a line end or NUL in a quoted string")
    escaped = [b'"%s"' % re.sub(rb'(["\\])', rb"\\\1", word) for word in words]
    return Line(b" ".join(escaped), escaped[0] + b" " + MASK)


def _encoded(message: bytes, *proofs: str) -> Line:
    return Line(base64.b64encode(message), MASK, proofs)


def mask_for(*logins: tuple[str, Revealing | None]) -> Mask:
    """The one mask of a run, for each user's secret."""
    mask = Mask()
    for user, secret in logins:
        if secret:
            mask.add(secret.reveal(), user)
    return mask
