"""How did a TLS server speak before RFC 5746? The server's side of one TLS 1.2 suite, without any extension.

No library lets its server leave secure renegotiation out any more. For practice alone: the key exchange is RSA's with
PKCS #1 v1.5 padding, which is why nobody does it so any more (Bleichenbacher's attack).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key

# RFC 5246 sections 6.2.1 and 7.4
_CHANGE_CIPHER, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_SERVER_HELLO, _CERTIFICATE, _HELLO_DONE, _FINISHED = 2, 11, 14, 20
_VERSION = b"\x03\x03"
_SUITE = b"\x00\x9c"  # TLS_RSA_WITH_AES_128_GCM_SHA256: RFC 5288 section 3
_CLOSE_NOTIFY = b"\x01\x00"
_MOST = 1 << 14


@dataclass(frozen=True, slots=True)
class OldContext:
    """Stands where an ssl.SSLContext does: what is presented, and the RSA key to it."""

    chain: tuple[bytes, ...]
    key_pem: bytes = field(repr=False)

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *, server_side: bool = True) -> OldTls:
        """The server's side of a connection over those buffers. Raises TypeError for another key than RSA's."""
        key = load_pem_private_key(self.key_pem, None)
        if not isinstance(key, rsa.RSAPrivateKey) or not server_side:
            raise TypeError("a server with an RSA key")
        return OldTls(incoming, outgoing, self.chain, key)


class OldTls:
    """Stands where an ssl.SSLObject does."""

    def __init__(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, chain: tuple[bytes, ...], key: rsa.RSAPrivateKey
    ) -> None:
        self._in = incoming
        self._out = outgoing
        self._chain = chain
        self._key = key
        self._waiting = b""
        self._messages = b""
        self._transcript = b""
        self._randoms = b""
        self._master = b""
        self._theirs: _Direction | None = None
        self._ours: _Direction | None = None
        self._changed = False
        self._done = False

    def version(self) -> str | None:
        """As OpenSSL names it."""
        return "TLSv1.2" if self._done else None

    def do_handshake(self) -> None:
        """Go on as far as what came allows. Raises SSLWantReadError, SSLError."""
        while not self._done:
            kind, body = self._record()
            match kind:
                case 22:  # handshake
                    self._messages += self._opened(kind, body)
                    for number, whole in self._whole_messages():
                        self._take(number, whole)
                case 20:  # change_cipher_spec
                    self._changed = True
                case _:
                    raise ssl.SSLError(1, f"record of type {kind} in a handshake")

    def read(self, size: int) -> bytes:
        """What was sent, empty at close_notify. Raises SSLWantReadError, SSLError."""
        kind, body = self._record()
        plain = self._opened(kind, body)
        return plain[:size] if kind == _DATA else b""

    def write(self, data: bytes) -> int:
        """Send in records."""
        for start in range(0, len(data), _MOST):
            self._send(_DATA, data[start : start + _MOST])
        return len(data)

    def unwrap(self) -> None:
        """Say close_notify."""
        self._send(_ALERT, _CLOSE_NOTIFY)

    def _record(self) -> tuple[int, bytes]:
        self._waiting += self._in.read()
        size = int.from_bytes(self._waiting[3:5], "big")
        if len(self._waiting) < 5 or len(self._waiting) < 5 + size:
            raise ssl.SSLWantReadError
        kind, body = self._waiting[0], self._waiting[5 : 5 + size]
        self._waiting = self._waiting[5 + size :]
        return kind, body

    def _whole_messages(self) -> Iterator[tuple[int, bytes]]:
        while len(self._messages) >= 4 + int.from_bytes(self._messages[1:4], "big") and self._messages:
            size = 4 + int.from_bytes(self._messages[1:4], "big")
            whole, self._messages = self._messages[:size], self._messages[size:]
            yield whole[0], whole

    def _take(self, number: int, whole: bytes) -> None:
        match number:
            case 1:  # ClientHello
                self._greet(whole)
            case 16:  # ClientKeyExchange
                self._transcript += whole
                self._agree(whole[6:])
            case 20:  # Finished
                self._finish(whole)

    def _greet(self, hello: bytes) -> None:
        ours = secrets.token_bytes(32)
        self._randoms = hello[6:38] + ours
        listed = b"".join(len(der).to_bytes(3, "big") + der for der in self._chain)
        # the body of ServerHello ends with the compression method: there is not one extension
        body = _VERSION + ours + b"\0" + _SUITE + b"\0"
        said = _message(_SERVER_HELLO, body)
        said += _message(_CERTIFICATE, len(listed).to_bytes(3, "big") + listed) + _message(_HELLO_DONE, b"")
        self._transcript = hello + said
        self._send(_HANDSHAKE, said)

    def _agree(self, sealed: bytes) -> None:
        try:
            secret = self._key.decrypt(sealed, padding.PKCS1v15())
        except ValueError as error:
            raise ssl.SSLError(1, "a secret that can't be read") from error
        client, server = self._randoms[:32], self._randoms[32:]
        self._master = _prf(secret, b"master secret", client + server, 48)
        block = _prf(self._master, b"key expansion", server + client, 40)
        self._theirs = _Direction(AESGCM(block[:16]), block[32:36])
        self._ours = _Direction(AESGCM(block[16:32]), block[36:40])
        self._changed = False

    def _finish(self, whole: bytes) -> None:
        if whole[4:] != self._verify_data(b"client finished"):
            raise ssl.SSLError(1, "a Finished that does not fit")
        self._transcript += whole
        self._out.write(bytes((_CHANGE_CIPHER,)) + _VERSION + b"\x00\x01\x01")
        self._done = True
        self._send(_HANDSHAKE, _message(_FINISHED, self._verify_data(b"server finished")))

    def _verify_data(self, label: bytes) -> bytes:
        return _prf(self._master, label, hashlib.sha256(self._transcript).digest(), 12)

    def _opened(self, kind: int, body: bytes) -> bytes:
        return self._theirs.opened(kind, body) if self._theirs and self._changed else body

    def _send(self, kind: int, plain: bytes) -> None:
        body = self._ours.sealed(kind, plain) if self._ours and self._done else plain
        self._out.write(bytes((kind,)) + _VERSION + len(body).to_bytes(2, "big") + body)


@dataclass(slots=True)
class _Direction:
    """The keys of one direction (RFC 5288 section 3) and the number of the next record."""

    cipher: AESGCM
    fixed: bytes
    number: int = 0

    def sealed(self, kind: int, plain: bytes) -> bytes:
        explicit = self.number.to_bytes(8, "big")
        return explicit + self.cipher.encrypt(self.fixed + explicit, plain, self._beside(kind, len(plain)))

    def opened(self, kind: int, body: bytes) -> bytes:
        try:
            return self.cipher.decrypt(self.fixed + body[:8], body[8:], self._beside(kind, len(body) - 24))
        except (InvalidTag, ValueError) as error:
            raise ssl.SSLError(1, "a record that can't be read") from error

    def _beside(self, kind: int, size: int) -> bytes:
        """What is authenticated and not encrypted: RFC 5246 section 6.2.3.3."""
        beside = self.number.to_bytes(8, "big") + bytes((kind,)) + _VERSION + max(size, 0).to_bytes(2, "big")
        self.number += 1
        return beside


def _message(number: int, body: bytes) -> bytes:
    return bytes((number,)) + len(body).to_bytes(3, "big") + body


def _prf(secret: bytes, label: bytes, seed: bytes, size: int) -> bytes:
    """P_SHA256 of RFC 5246 section 5."""
    seed, made, each = label + seed, b"", label + seed
    while len(made) < size:
        each = hmac.digest(secret, each, "sha256")
        made += hmac.digest(secret, each + seed, "sha256")
    return made[:size]
