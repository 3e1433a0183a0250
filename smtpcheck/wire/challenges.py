"""What does a server's challenge say? The 334 of a login (RFC 4954 section 4), read before anything answers it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smtpcheck.core import Scalar, because
from smtpcheck.wire import ProtocolError

# RFC 5802 section 5.1 and RFC 7677 section 4: at least 4096; fewer would make our proof cheap to crack.
FEWEST_ITERATIONS = 4096
# A defence: OWASP's advice of 2023 is 600000; a hostile server would ask for years of work.
MOST_ITERATIONS = 1_000_000
# Characters kept of one field of an OAuth refusal.
_MOST_TEXT = 200

_SERVER_FIRST = re.compile(r"r=[\x21-\x2b\x2d-\x7e]+,s=[A-Za-z0-9+/=]+,i=([0-9]{1,12})(,[^\x00]*)?")
_SERVER_FINAL = re.compile(r"v=[A-Za-z0-9+/]+={0,2}(,[^\x00]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthRefusal:
    """Why a token was refused (RFC 7628 section 3.2.2); all empty where the server's JSON could not be read."""

    status: str = ""
    """invalid_token, insufficient_scope, or with Google and Microsoft an HTTP status."""
    schemes: str = ""
    scope: str = ""
    """What a token must be good for."""

    def masked(self, mask: Callable[[str], str]) -> OAuthRefusal:
        """The same without what the server may have repeated of the token, and then cut."""
        status, schemes, scope = (mask(said)[:_MOST_TEXT] for said in (self.status, self.schemes, self.scope))
        return OAuthRefusal(status=status, schemes=schemes, scope=scope)


def decode_challenge(text: bytes) -> bytes:
    """The challenge in a 334 reply; ProtocolError when it is no base64."""
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError("a challenge that is not base64", because("challenge-not-base64")) from error


def message(text: bytes) -> str:
    """A SCRAM message (RFC 5802 section 7: UTF-8) in a 334 reply; ProtocolError."""
    try:
        return decode_challenge(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("a SCRAM message that is not UTF-8", because("challenge-not-utf8")) from error


def check_server_first(said: str) -> None:
    """Raises ProtocolError for what is no server-first-message, or costs too much or too little work."""
    match = _SERVER_FIRST.fullmatch(said)
    if match is None:
        raise ProtocolError("not a SCRAM server-first-message", because("scram-unreadable"))
    if not FEWEST_ITERATIONS <= int(match[1]) <= MOST_ITERATIONS:
        words = f"an iteration count of {match[1]}, not {FEWEST_ITERATIONS} to {MOST_ITERATIONS}"
        allowed: dict[str, Scalar] = {"least": FEWEST_ITERATIONS, "most": MOST_ITERATIONS}
        raise ProtocolError(words, because("scram-iterations", count=match[1][:12], **allowed))


def holds_signature(said: str) -> bool:
    """A server-final-message with a verifier, right or wrong."""
    return _SERVER_FINAL.fullmatch(said) is not None


def oauth_refusal(text: bytes) -> OAuthRefusal:
    """The refusal in a 334 reply, not cut; never raises, since the 535 that follows is the answer all the same."""
    try:
        said: Any = json.loads(decode_challenge(text))
    except (ProtocolError, ValueError, RecursionError):
        return OAuthRefusal()
    if not isinstance(said, dict):
        return OAuthRefusal()
    # the RFC has words, Microsoft and Google a number as text, others a number
    known = {name: str(said[name]) for name in ("status", "schemes", "scope") if _plain(said.get(name))}
    return OAuthRefusal(**known)


def _plain(value: object) -> bool:
    return isinstance(value, str | int)
