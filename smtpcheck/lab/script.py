"""How does a practice SMTP server misbehave? A table of what it says and does, and no code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from smtpcheck.core import Mode


class Then(StrEnum):
    """What follows the octets of a reply."""

    GO_ON = "go-on"
    CLOSE = "close"
    RESET = "reset"
    HANG = "hang"
    """Read on and say nothing more, until the peer goes or the connection's time is over."""


class Shake(StrEnum):
    """What the server makes of a ClientHello."""

    COMPLETE = "complete"
    HANG = "hang"
    CLOSE = "close"
    RESET = "reset"
    ALERT = "alert"
    """A fatal handshake_failure(40): RFC 8446 section 6.2."""
    GARBAGE = "garbage"
    """Plain text where a ServerHello belongs."""
    OLD = "old"
    """TLS 1.2 as it was before RFC 5746, with an RSA certificate."""
    HALF = "half"
    """The first half of the server's own flight, then FIN: a truncated flight."""


class Proof(StrEnum):
    """What goes wrong on the server's side of SCRAM (RFC 5802)."""

    HONEST = "honest"
    SIGNATURE = "signature"
    """It lets everybody in and signs with a password that it does not know."""
    MISSING = "missing"
    """It lets everybody in and signs nothing."""
    NONCE = "nonce"
    """Its nonce does not begin with ours."""
    COSTLY = "costly"
    """It asks for two thousand million iterations."""
    CHEAP = "cheap"
    """It asks for one iteration, which makes our proof easy to crack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is said, exactly: CRLF included or left out, empty for nothing at all.

    `{host}` stands for the server's name; after AUTH `{user}`, `{password}` and `{response}` (the last line of the
    client, base64) stand for what was received.
    """

    text: bytes = b""
    delay: float = 0.0
    """Seconds of silence before."""
    drip: float = 0.0
    """Seconds between single octets; zero: all at once."""
    times: int = 1
    """How often it is said, for floods."""
    pause: float = 0.0
    """Seconds between one time and the next."""
    raw: bytes = b""
    """Octets after the text that go past TLS."""
    then: Then = Then.GO_ON


_OFFERS = ("PIPELINING", "SIZE 10485760", "ENHANCEDSTATUSCODES", "8BITMIME")
_AUTH = "AUTH PLAIN LOGIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A server. With no field stated it is a good one that speaks STARTTLS and offers AUTH after TLS only."""

    mode: Mode = Mode.STARTTLS
    greeting: Reply = Reply(text=b"220 {host} ESMTP practice\r\n")
    offers: tuple[str, ...] = (*_OFFERS, "STARTTLS")
    """EHLO keywords before TLS."""
    offers_tls: tuple[str, ...] = (*_OFFERS, _AUTH)
    """EHLO keywords after TLS."""
    replies: Mapping[str, Reply] = field(default_factory=dict)
    """By verb, in place of the usual reply and of what the verb does."""
    replies_tls: Mapping[str, Reply] = field(default_factory=dict)
    """The same, after TLS only; before `replies`."""
    recipients: Mapping[str, Reply] = field(default_factory=dict)
    """To RCPT, by address, in place of the usual reply."""
    injected: bytes = b""
    """Plaintext in the same segment as the 220 of STARTTLS: CVE-2021-38371 and its kin."""
    shake: Shake = Shake.COMPLETE
    largest: int = 0
    """Octets of a segment that still get through on the way to the client (a black hole of PMTUD); 0: all do."""
    tickets: int = 0
    """How many session tickets follow a TLS 1.3 handshake; 0: the library's two."""
    oldest: str = ""
    """The lowest TLS version, as "TLSv1"; empty: the library's."""
    newest: str = ""
    ciphers: str = ""
    """OpenSSL's list of suites, up to TLS 1.2; empty: the library's."""
    group: int = 0
    """Bits of the finite-field group for DHE: 1024; 0: the library's."""
    queued: Reply | None = None
    """Said to the final dot; None: 250."""
    auth: Reply | None = None
    """Said to every credential; None: 235 or 535 by the account table."""
    prompts: tuple[bytes, bytes] = (b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6")
    """The challenges of LOGIN, base64 of "Username:" and "Password:"."""
    challenge: bytes | None = None
    """Said in place of the first challenge of CRAM-MD5 and SCRAM, not encoded any more."""
    proof: Proof = Proof.HONEST
    oauth_error: str = '{"status":"invalid_token","schemes":"bearer","scope":"https://mail.lab.test/"}'
    """The reason when a token is refused; `{password}` stands for the token."""


def reply(row: str | Mapping[str, Any]) -> Reply:
    """A reply from a table's row: the text alone, or its fields. Raises TypeError, ValueError.

    Text is Latin-1: one character is one octet.
    """
    if isinstance(row, str):
        return Reply(text=row.encode("latin-1"))
    fields = dict(row)
    if "text" in fields:
        fields["text"] = fields["text"].encode("latin-1")
    if "raw" in fields:
        fields["raw"] = fields["raw"].encode("latin-1")
    if "then" in fields:
        fields["then"] = Then(fields["then"])
    return Reply(**fields)


_READ: Mapping[str, Any] = {
    "mode": Mode,
    "greeting": reply,
    "offers": tuple,
    "offers_tls": tuple,
    "replies": lambda rows: {verb: reply(row) for verb, row in rows.items()},
    "replies_tls": lambda rows: {verb: reply(row) for verb, row in rows.items()},
    "recipients": lambda rows: {address: reply(row) for address, row in rows.items()},
    "injected": lambda text: text.encode("latin-1"),
    "shake": Shake,
    "largest": int,
    "tickets": int,
    "group": int,
    "queued": reply,
    "auth": reply,
    "prompts": lambda pair: tuple(each.encode("latin-1") for each in pair),
    "challenge": lambda text: text.encode("latin-1"),
    "proof": Proof,
}


def script(row: Mapping[str, Any]) -> Script:
    """A script from a table's row. Raises TypeError for an unknown field, ValueError for an unknown word."""
    return Script(**{name: _READ.get(name, str)(value) for name, value in row.items()})
