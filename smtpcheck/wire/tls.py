"""What does TLS say over bytes that somebody else carries? A client side over a memory BIO, and no socket.

The handshake is completed unverified and the chain kept as sent: `smtpcheck.wire.x509` judges it.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass

from OpenSSL import SSL, crypto

from smtpcheck.core import NO_REASON, Kind, Reason, Scalar, because
from smtpcheck.wire.handshake import overhear

# OpenSSL takes a list of certificates up to 100 KiB; the rest of a handshake is small
HANDSHAKE_LIMIT = 256 * 1024
# enough for "HTTP/1.1 400 Bad Request" or a greeting to be told apart by its reader
_HEAD = 64
_CHUNK = 1 << 16
_FATAL = 2

# accept what is spoken, down to TLS 1.0 with SHA-1 and short keys; never a suite without certificate or encryption
_CIPHERS = b"ALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0"
# to see what a server that refused those would take; nothing is said over such a line
_ANY_CIPHERS = b"ALL:COMPLEMENTOFALL:@SECLEVEL=0"

# RFC 8446 section 6 and appendix B.2, with the reserved ones of RFC 5246
ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}


# handshake_failure, protocol_version, insufficient_security: what a server says that finds nothing in common
NOTHING_IN_COMMON = (40, 70, 71)

# RFC 8996 forbids what is older.
CURRENT = ("TLSv1.2", "TLSv1.3")
# OpenSSL's security level 2, which is Debian's and Python's: 112 bits; RFC 9325 section 4.1
LEAST_GROUP = 2048


@dataclass(frozen=True, slots=True)
class Hello:
    """How we introduce ourselves to TLS; experiments do it in another way."""

    server_name: str | None = None
    """Ask for this name (RFC 6066 section 3), empty: for none; None: for the endpoint's own."""
    any_cipher: bool = False
    """TLS 1.2 at most, and suites without encryption or certificate too."""


class TlsError(Exception):
    """TLS ended short; args: the kind (core.Kind), the reason, the peer's first bytes where they tell.

    NOT_TLS: the reason holds the first bytes (64 at most), escaped. ALERT: its name and number. HANDSHAKE: what
    our side could not take, and the alert that it said then. CLOSED: the peer closed in mid-handshake. GARBAGE: a
    broken record after the handshake.
    """

    def __init__(self, kind: Kind, reason: Reason, raw: bytes = b"") -> None:
        super().__init__(kind, reason, raw)
        self.kind = kind
        self.reason = reason
        self.raw = raw


@dataclass(frozen=True, slots=True)
class TlsSession:
    """What a completed handshake agreed on."""

    version: str
    """As TLSv1.3."""
    cipher: str
    """OpenSSL's name."""
    bits: int
    group: str
    """Of the key exchange, as X25519MLKEM768; empty where there was none."""
    chain: tuple[bytes, ...]
    """DER as sent, leaf first."""
    library: str
    dh_bits: int = 0
    """Of the prime of a finite-field group (DHE); 0 where there was none."""
    safe_renegotiation: bool = True
    """RFC 5746, of which TLS 1.3 has no need."""
    staple: bytes = b""
    """The OCSP response that came along (RFC 6066 section 8)."""

    @property
    def unsafe(self) -> Reason:
        """Why no secret belongs on this line, whatever its certificate; without code: nothing speaks against it."""
        if self.version not in CURRENT:
            return because("tls-version-unsafe", version=self.version)
        if 0 < self.dh_bits < LEAST_GROUP:
            return because("tls-group-unsafe", bits=self.dh_bits)
        return NO_REASON if self.safe_renegotiation else because("tls-renegotiation-unsafe")


class Engine:
    """One TLS client. Carry what `handshake`, `encrypt` and `shutdown` return to the peer, in order.

    What arrives together with the last flight of the handshake may hold data: call `decrypt(b"")` once it is done.
    """

    def __init__(self, server_name: str, hello: Hello | None = None) -> None:
        hello = hello or Hello()
        self.done = False
        self.closed = False
        self._head = b""
        self._flight = b""
        self._received = 0
        self._heard: list[tuple[int, int]] = []
        self._said: list[tuple[int, int]] = []
        self._session: TlsSession | None = None
        self._staple: list[bytes] = []
        self._tls = SSL.Connection(_context(any_cipher=hello.any_cipher), None)
        self._tls.set_app_data((self._heard, self._said, self._staple))
        self._tls.request_ocsp()
        sni = _sni(server_name if hello.server_name is None else hello.server_name)
        if sni:
            self._tls.set_tlsext_host_name(sni)
        self._tls.set_connect_state()

    @property
    def session(self) -> TlsSession:
        """What was agreed; only once `done`."""
        if self._session is None:
            raise RuntimeError("the handshake is not done")
        return self._session

    def handshake(self, received: bytes = b"") -> bytes:
        """Take what came, return what to send (possibly nothing), and set `done`. Raises TlsError."""
        self._take(received)
        if received and not self._looks_like_tls():
            return b""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return self._outgoing()
        except SSL.Error as error:
            raise self._broken(error) from None
        self._session = self._agreed()
        self.done = True
        return self._outgoing()

    def handshake_eof(self) -> TlsError:
        """The error to raise when the peer closed before `done`."""
        if self._head and not _record(self._head):
            return TlsError(Kind.NOT_TLS, because("tls-first-bytes", octets=escaped(self._head)), self._head)
        if self._heard:
            return TlsError(Kind.ALERT, because("tls-alert", **alert(self._heard[-1][1])), self._head)
        return TlsError(Kind.CLOSED, because("tls-closed", received=self._received), self._head)

    def encrypt(self, plain: bytes) -> bytes:
        """The records to send for `plain`; with b"", what TLS itself has to say. Raises TlsError."""
        try:
            if plain:
                self._tls.sendall(plain)
        except SSL.Error as error:
            raise self._broken(error) from None
        return self._outgoing()

    def decrypt(self, received: bytes) -> bytes:
        """The plaintext of what came, possibly none yet; sets `closed` at close_notify. Raises TlsError."""
        if received:
            self._tls.bio_write(received)
        plain = bytearray()
        while not self.closed:
            try:
                plain += self._tls.recv(_CHUNK)
            except SSL.ZeroReturnError:
                self.closed = True
            except SSL.WantReadError:
                break
            except SSL.Error as error:
                if not plain:
                    raise self._broken(error) from None
                # what was well said before the break counts; the next call meets the break again
                break
        return bytes(plain)

    def shutdown(self) -> bytes:
        """Our close_notify, to send before closing; nothing before the handshake is done."""
        if self.done:
            try:
                self._tls.shutdown()
            except SSL.Error:
                return b""
        return self._outgoing()

    def _take(self, received: bytes) -> None:
        self._received += len(received)
        if self._received > HANDSHAKE_LIMIT:
            raise TlsError(Kind.HANDSHAKE, because("tls-too-long", limit=HANDSHAKE_LIMIT), self._head)
        self._head += received[: _HEAD - len(self._head)]
        self._flight += received
        if received:
            self._tls.bio_write(received)

    def _looks_like_tls(self) -> bool:
        """False while too little came to show what else it is; raises NOT_TLS when it is something else."""
        if _record(self._head):
            return True
        # four bytes tell "220 " from "HTTP"
        if len(self._head) < 4:
            return False
        raise TlsError(Kind.NOT_TLS, because("tls-first-bytes", octets=escaped(self._head)), self._head)

    def _broken(self, error: SSL.Error) -> TlsError:
        # a warning (level 1) breaks nothing before TLS 1.3 and anything since, so what we said ourselves decides:
        # OpenSSL answers what it can't take with an alert, and an alert with nothing
        if any(level == _FATAL for level, _ in self._heard) or (self._heard and not self._said):
            return TlsError(Kind.ALERT, because("tls-alert", **alert(self._heard[-1][1])), self._head)
        if self.done:
            return TlsError(Kind.GARBAGE, because("tls-library", openssl=_words(error)))
        version = _unknown_version(self._head)
        values = {"version": version} if version else {"openssl": _words(error)}
        code = "tls-version" if version else "tls-library"
        answered = alert(self._said[-1][1]) if self._said else {}
        reason = Reason(f"{code}-refused" if answered else code, {**values, **answered})
        return TlsError(Kind.HANDSHAKE, reason, self._head)

    def _outgoing(self) -> bytes:
        parts = []
        try:
            while True:
                parts.append(self._tls.bio_read(_CHUNK))
        except SSL.WantReadError:
            return b"".join(parts)

    def _agreed(self) -> TlsSession:
        sent = self._tls.get_peer_cert_chain() or []
        cipher = self._tls.get_cipher_name() or ""
        heard, self._flight = overhear(self._flight), b""
        return TlsSession(
            version=self._tls.get_protocol_version_name(),
            cipher=cipher,
            bits=self._tls.get_cipher_bits() or 0,
            group=self._tls.get_group_name() or "",
            chain=tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in sent),
            library=library(),
            dh_bits=heard.group if cipher.startswith(("DHE-", "EDH-", "ADH-")) else 0,
            safe_renegotiation=heard.safe_renegotiation is not False,
            staple=self._staple[-1] if self._staple else b"",
        )


def library() -> str:
    """Which OpenSSL speaks, with its version."""
    return SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii", "replace")


def escaped(raw: bytes) -> str:
    r"""Bytes as printable ASCII, reversibly: everything else, and the backslash, as \xNN."""
    return "".join(chr(each) if 0x20 <= each < 0x7F and each != 0x5C else f"\\x{each:02x}" for each in raw)


def alert(number: int) -> dict[str, Scalar]:
    """An alert by its name and number."""
    return {"alert": ALERTS.get(number, "unknown"), "number": number}


@functools.cache
def _context(*, any_cipher: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_VERSION)
    if any_cipher:
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_ANY_CIPHERS if any_cipher else _CIPHERS)
    # LEGACY_SERVER_CONNECT: servers without RFC 5746 are spoken to and judged later. NO_RENEGOTIATION: the certificate
    # that was judged is the one that stays.
    context.set_options(SSL.OP_LEGACY_SERVER_CONNECT | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION)
    # a resumed TLS 1.2 session shows no chain
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_info_callback(_note_alert)
    context.set_ocsp_client_callback(_note_staple)
    return context


def _note_staple(tls: SSL.Connection, response: bytes, _: object) -> bool:
    # none is no fault here: what the certificate itself demands is judged later
    tls.get_app_data()[2].append(response)
    return True


def _note_alert(tls: SSL.Connection, where: int, value: int) -> None:
    # SSL_CTX_set_info_callback(3): an alert comes as level and number in two bytes, decrypted
    if where not in (SSL.SSL_CB_READ_ALERT, SSL.SSL_CB_WRITE_ALERT):
        return
    heard, said, _ = tls.get_app_data()
    (heard if where == SSL.SSL_CB_READ_ALERT else said).append((value >> 8, value & 0xFF))


def _sni(server_name: str) -> bytes:
    # RFC 6066 section 3: neither addresses nor a final dot
    try:
        ipaddress.ip_address(server_name)
    except ValueError:
        try:
            name = server_name.removesuffix(".").encode("idna")
        except UnicodeError:
            return b""
        return b"" if b"\0" in name else name
    return b""


def _record(head: bytes) -> bool:
    """Could these be the first bytes of a TLS record? RFC 8446 section 5.1: type 20 to 23, then version 3.x."""
    return head[0] in range(20, 24) and head[1:2] in (b"", b"\x03")


def _unknown_version(head: bytes) -> str:
    # a handshake record (22) with a ServerHello (2), whose first field is the version: RFC 5246 section 7.4.1.3.
    # 3.1 to 3.3 are TLS 1.0 to 1.2, and 3.3 is what TLS 1.3 says there, too
    if len(head) < 11 or head[0] != 22 or head[5] != 2 or head[9:11] in (b"\x03\x01", b"\x03\x02", b"\x03\x03"):
        return ""
    return "SSL 3.0" if head[9:11] == b"\x03\x00" else f"{head[9]}.{head[10]}"


def _words(error: SSL.Error) -> str:
    """OpenSSL's own words, to show; nothing is decided by them."""
    entries = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(str(entry[-1]) for entry in entries[:3] if entry) or type(error).__name__
