"""How does a practice server check a login? The server's side of the SASL mechanisms, honest or not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from smtpcheck.lab.script import Proof, Script
from smtpcheck.wire import ProtocolError

_ITERATIONS = 4096
_CLIENT_FIRST = re.compile(rb"[ny],(?:a=[^,]*)?,(n=([^,]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)", re.DOTALL)
_CLIENT_FINAL = re.compile(rb"(c=([^,]+),r=([^,]+)(?:,[^p].*)?),p=([A-Za-z0-9+/=]+)", re.DOTALL)
_XOAUTH2 = re.compile(rb"user=([^\x01]+)\x01auth=Bearer ([^\x01]+)\x01\x01", re.DOTALL)
_OAUTHBEARER = re.compile(
    rb"n,a=([^,\x01]+),\x01(?:host=[^\x01]+\x01)?(?:port=[0-9]+\x01)?auth=Bearer ([^\x01]+)\x01\x01", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who wanted in, with which secret as far as this server knows it, and whether it was right."""

    user: bytes
    secret: bytes
    right: bool


@dataclass(frozen=True, slots=True)
class Desk:
    """What a mechanism works with. `ask` says the text of a 334 and returns the client's line, undecoded."""

    ask: Callable[[bytes], Awaitable[bytes]]
    accounts: Mapping[str, str]
    script: Script

    def secret(self, user: bytes) -> bytes | None:
        """The account's, None for an unknown user."""
        known = self.accounts.get(user.decode("utf-8", "replace"))
        return None if known is None else known.encode()

    def told(self, user: bytes, secret: bytes) -> Outcome:
        """For mechanisms that tell the secret."""
        return Outcome(user, secret, self.secret(user) == secret)


def _decoded(response: bytes) -> bytes:
    return base64.b64decode(b"" if response == b"=" else response, validate=True)


async def _first(desk: Desk, initial: bytes, challenge: bytes = b"") -> bytes:
    return initial or await desk.ask(challenge)


async def _plain(desk: Desk, initial: bytes) -> Outcome:
    """RFC 4616: authorization identity, user and password between NULs."""
    parts = _decoded(await _first(desk, initial)).split(b"\0")
    if len(parts) != 3:
        raise ProtocolError("not a PLAIN message")
    return desk.told(parts[1], parts[2])


async def _login(desk: Desk, initial: bytes) -> Outcome:
    """LOGIN as in draft-murchison-sasl-login: two prompts, or one when the user came with AUTH."""
    user = _decoded(await _first(desk, initial, desk.script.prompts[0]))
    return desk.told(user, _decoded(await desk.ask(desk.script.prompts[1])))


async def _cram(desk: Desk, initial: bytes) -> Outcome:
    """RFC 2195."""
    if initial:
        raise ProtocolError("the server speaks first in CRAM-MD5")
    challenge = f"<{secrets.randbits(32)}.{secrets.randbits(32)}@lab.test>".encode()
    stated = desk.script.challenge
    response = await desk.ask(base64.b64encode(challenge) if stated is None else stated)
    user, _, digest = _decoded(response).rpartition(b" ")
    secret = desk.secret(user) or b""
    return Outcome(user, secret, bool(secret) and hmac.new(secret, challenge, "md5").hexdigest().encode() == digest)


async def _scram(algorithm: str, desk: Desk, initial: bytes) -> Outcome:
    """RFC 5802. What `script.proof` says goes wrong; who can't prove to know the password lets everybody in."""
    opened = _CLIENT_FIRST.fullmatch(_decoded(await _first(desk, initial)))
    if opened is None:
        raise ProtocolError("not a client-first-message")
    user = opened[2].replace(b"=2C", b",").replace(b"=3D", b"=")
    secret, salt, proof = desk.secret(user), secrets.token_bytes(16), desk.script.proof
    nonce = (b"another" if proof is Proof.NONCE else opened[3]) + secrets.token_hex(12).encode()
    rounds = {Proof.COSTLY: 2_000_000_000, Proof.CHEAP: 1}.get(proof, _ITERATIONS)
    server_first = b"r=%s,s=%s,i=%d" % (nonce, base64.b64encode(salt), rounds)
    stated = desk.script.challenge
    closed = _CLIENT_FINAL.fullmatch(
        _decoded(await desk.ask(base64.b64encode(server_first) if stated is None else stated))
    )
    if closed is None or closed[3] != nonce:
        raise ProtocolError("not a client-final-message")

    said = b",".join((opened[1], server_first, closed[1]))
    client, server = _keys(algorithm, secret or secrets.token_bytes(16), salt, said)
    right = secret is not None and hmac.compare_digest(client, _decoded(closed[4]))
    if proof in (Proof.SIGNATURE, Proof.MISSING):
        right, server = True, secrets.token_bytes(len(server))
    if right and proof is not Proof.MISSING and await desk.ask(base64.b64encode(b"v=" + base64.b64encode(server))):
        raise ProtocolError("an answer to the server-final-message")
    return Outcome(user, secret or b"", right)


def _keys(algorithm: str, secret: bytes, salt: bytes, said: bytes) -> tuple[bytes, bytes]:
    """The client's proof and the server's signature (RFC 5802 section 3)."""
    prepared = unicodedata.normalize("NFKC", secret.decode("utf-8", "replace")).encode()
    salted = hashlib.pbkdf2_hmac(algorithm, prepared, salt, _ITERATIONS)
    client_key = hmac.digest(salted, b"Client Key", algorithm)
    signature = hmac.digest(hashlib.new(algorithm, client_key).digest(), said, algorithm)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return proof, hmac.digest(hmac.digest(salted, b"Server Key", algorithm), said, algorithm)


async def _token(form: re.Pattern[bytes], farewell: bytes, desk: Desk, initial: bytes) -> Outcome:
    """RFC 7628 section 3.2.3: a refusal is a challenge with its reason, then the reply."""
    match = form.fullmatch(_decoded(await _first(desk, initial)))
    if match is None:
        raise ProtocolError("not a message with a token")
    outcome = desk.told(match[1].replace(b"=2C", b",").replace(b"=3D", b"="), match[2])
    if not outcome.right:
        repeated = json.dumps(match[2].decode("utf-8", "replace"))[1:-1]
        reason = desk.script.oauth_error.replace("{password}", repeated).encode()
        if await desk.ask(base64.b64encode(reason)) != farewell:
            raise ProtocolError("not the answer to a refused token")
    return outcome


MECHANISMS: Mapping[str, Callable[[Desk, bytes], Awaitable[Outcome]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram,
    "SCRAM-SHA-1": partial(_scram, "sha1"),
    "SCRAM-SHA-256": partial(_scram, "sha256"),
    "XOAUTH2": partial(_token, _XOAUTH2, b""),
    "OAUTHBEARER": partial(_token, _OAUTHBEARER, b"AQ=="),
}
"""By name: called with the initial response, undecoded or empty. Raise ProtocolError, binascii.Error."""
