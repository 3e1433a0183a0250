"""Would a client trust this chain for this name at this time, and if not, for which reasons?

The chain is judged as a client judges it: it is fed to OpenSSL as the flight of a TLS 1.2 server, made up here, in
memory, without the server's key. An X509StoreContext would let a short key, SHA-1 and a wrong purpose through.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import ipaddress
import re
import ssl
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime

import OpenSSL
from OpenSSL import SSL, crypto
from service_identity import hazmat
from service_identity.exceptions import CertificateError

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.certificate import CertificateFacts, ChainOrder, chain_order, describe

__all__ = [
    "CHAIN_LIMIT",
    "CertificateFacts",
    "ChainOrder",
    "Flaw",
    "HostMatch",
    "Roots",
    "Verdict",
    "chain_order",
    "describe",
    "flight",
    "interpreter_says",
    "library",
    "match_host",
    "verify",
]

# SSL_MAX_CERT_LIST_DEFAULT of OpenSSL: a live handshake refuses a longer list of certificates
CHAIN_LIMIT = 100 * 1024
# Debian's and Python's default: 112 bits, so RSA from 2048 on and no SHA-1; SSL_CTX_set_security_level(3)
_CIPHERS = b"DEFAULT:@SECLEVEL=2"

# the flags of ssl.create_default_context since Python 3.13
_STRICT = crypto.X509StoreFlags.X509_STRICT | crypto.X509StoreFlags.PARTIAL_CHAIN

# X509_V_ERR_* of OpenSSL's x509_vfy.h: our code, OpenSSL's text
_ERRORS = {
    2: ("issuer-unknown", "unable to get issuer certificate"),
    6: ("bad-key", "unable to decode issuer public key"),
    7: ("bad-signature", "certificate signature failure"),
    9: ("not-yet-valid", "certificate is not yet valid or the system clock is incorrect"),
    10: ("expired", "certificate has expired"),
    13: ("bad-time", "format error in certificate's notBefore field"),
    14: ("bad-time", "format error in certificate's notAfter field"),
    18: ("self-signed", "self-signed certificate"),
    19: ("self-signed-in-chain", "self-signed certificate in certificate chain"),
    20: ("issuer-unknown", "unable to get local issuer certificate"),
    21: ("leaf-unverified", "unable to verify the first certificate"),
    22: ("chain-too-long", "certificate chain too long"),
    24: ("bad-key", "issuer certificate doesn't have a public key"),
    25: ("path-too-long", "path length constraint exceeded"),
    26: ("wrong-purpose", "unsuitable certificate purpose"),
    32: ("not-a-ca", "key usage does not include certificate signing"),
    34: ("unknown-critical", "unhandled critical extension"),
    37: ("wrong-purpose", "invalid non-CA certificate (has CA markings)"),
    41: ("bad-extension", "invalid or inconsistent certificate extension"),
    47: ("name-constraint", "permitted subtree violation"),
    48: ("name-constraint", "excluded subtree violation"),
    66: ("weak-key", "EE certificate key too weak"),
    67: ("weak-key", "CA certificate key too weak"),
    68: ("weak-signature", "CA signature digest algorithm too weak"),
    76: ("bad-signature", "Cannot find certificate signature algorithm"),
    77: ("bad-signature", "subject signature algorithm and issuer public key algorithm mismatch"),
    78: ("bad-signature", "cert info signature and signature algorithm mismatch"),
    79: ("not-a-ca", "invalid CA certificate"),
    80: ("path-length-misused", "Path length invalid for non-CA cert"),
    81: ("path-length-misused", "Path length given without key usage keyCertSign"),
    82: ("key-usage-misused", "Key usage keyCertSign invalid for non-CA cert"),
    83: ("issuer-empty", "Issuer name empty"),
    84: ("subject-empty", "Subject name empty"),
    85: ("no-issuer-key-id", "Missing Authority Key Identifier"),
    86: ("no-subject-key-id", "Missing Subject Key Identifier"),
    87: ("bad-san", "Empty Subject Alternative Name extension"),
    88: ("bad-san", "Subject empty and Subject Alt Name extension not critical"),
    89: ("ca-not-critical", "Basic Constraints of CA cert not marked critical"),
    90: ("key-id-critical", "Authority Key Identifier marked critical"),
    91: ("key-id-critical", "Subject Key Identifier marked critical"),
    92: ("no-key-usage", "CA cert does not include key usage extension"),
    93: ("old-version", "Using cert extension requires at least X509v3"),
    94: ("explicit-curve", "Certificate public key has explicit ECC parameters"),
}

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Roots:
    """A root store: certificates as DER, and in words where they came from. Equal when the certificates are."""

    der: tuple[bytes, ...] = field(compare=False, repr=False)
    source: str = field(compare=False)
    fingerprint: str = field(init=False)
    """SHA-256 in hex over the sorted SHA-256 of the certificates."""

    def __post_init__(self) -> None:
        each = sorted({hashlib.sha256(der).digest() for der in self.der})
        object.__setattr__(self, "fingerprint", hashlib.sha256(b"".join(each)).hexdigest())

    @classmethod
    def from_pem(cls, pem: bytes, source: str) -> Roots:
        """All certificates of a PEM text (RFC 7468). Raises ProtocolError when one is unreadable or there is none."""
        blocks = _PEM.findall(pem)
        if not blocks or len(blocks) != pem.count(b"-----BEGIN CERTIFICATE-----"):
            raise ProtocolError(f"{source}: {'a damaged' if blocks else 'no'} certificate in PEM form")
        try:
            roots = cls(tuple(base64.b64decode(b"".join(block.split()), validate=True) for block in blocks), source)
        except binascii.Error:
            raise ProtocolError(f"{source}: damaged base64") from None
        _parsed(roots)
        return roots


@dataclass(frozen=True, slots=True)
class Flaw:
    """One reason not to trust: a stable code, OpenSSL's number and text, the depth (0: leaf) and whose it is."""

    code: str
    errno: int
    depth: int
    subject: str
    """RFC 4514; empty when unreadable."""
    text: str


@dataclass(frozen=True, slots=True)
class HostMatch:
    """Does the leaf speak for the name? RFC 9525 section 6: subjectAltName alone decides."""

    matched: bool
    how: str
    """san-dns, san-ip, cn-only (only the common name would, which does not match) or none."""
    names: tuple[str, ...]
    """The subjectAltNames presented: DNS names, then addresses."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a client would think of a chain."""

    answered: bool
    """The library gave a positive answer for the leaf; without one, no flaws prove nothing."""
    flaws: tuple[Flaw, ...]
    host: HostMatch
    strict: tuple[Flaw, ...]
    """What X509_STRICT finds besides, a default of Python since 3.13."""
    library: str

    @property
    def verified(self) -> bool:
        """The gate: may a secret be sent to whoever presented this?"""
        return self.answered and not self.flaws and self.host.matched


# --- the verdict


def verify(chain: tuple[bytes, ...], name: str, roots: Roots, at: datetime) -> Verdict:
    """Judge a chain (DER, leaf first) for a host name or IP literal at an aware time.

    What can't be read in the chain is not verified, and raises nothing. Raises ProtocolError for unreadable `roots` and
    ValueError for a time without zone. Pure but for a cache of parsed roots.
    """
    if at.tzinfo is None:
        raise ValueError("the time of a verdict needs a time zone")
    shown = flight(chain)
    answered, flaws = _ask(roots, 0, shown, at)
    _, severe = _ask(roots, _STRICT, shown, at)
    known = {(flaw.errno, flaw.depth) for flaw in flaws}
    extra = tuple(flaw for flaw in severe if (flaw.errno, flaw.depth) not in known)
    if not answered and not flaws:
        flaws = (Flaw("unreadable", -1, 0, "", "no certificate that OpenSSL can read"),)
    return Verdict(answered, flaws, _leaf_match(chain, name), extra if answered else (), library())


def library() -> str:
    """Which library judges, with versions."""
    return f"pyOpenSSL {OpenSSL.__version__}, {SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode('ascii', 'replace')}"


def _ask(roots: Roots, flags: int, shown: bytes, at: datetime) -> tuple[bool, tuple[Flaw, ...]]:
    """Whether the leaf got a positive answer, and every error."""
    seen: list[tuple[crypto.X509, int, int, int]] = []
    client = SSL.Connection(_context(roots, flags, at), None)
    client.set_app_data(seen)
    client.set_connect_state()
    _run(client, shown)
    answered = any(ok and depth == 0 for _, _, depth, ok in seen)
    wrong = {(errno, depth): certificate for certificate, errno, depth, ok in seen if not ok}
    return answered, tuple(_flaw(errno, depth, certificate) for (errno, depth), certificate in wrong.items())


def _context(roots: Roots, flags: int, at: datetime) -> SSL.Context:
    # never kept for another time: X509_VERIFY_PARAM_set1(3) leaves a time alone that is already set, so the first
    # set_time of a store is its last. What is dear is reading the certificates (9 ms for 144), not this (0.5 ms)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_CIPHERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER, _note)
    store = context.get_cert_store()
    assert store is not None
    for certificate in _parsed(roots):
        store.add_cert(certificate)
    store.set_flags(flags)
    # set_time takes what it is given for UTC
    store.set_time(at.astimezone(UTC))
    return context


@functools.lru_cache(maxsize=16)
def _parsed(roots: Roots) -> tuple[crypto.X509, ...]:
    parsed = []
    for number, der in enumerate(roots.der, 1):
        try:
            parsed.append(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
        except crypto.Error:
            raise ProtocolError(f"{roots.source}: certificate {number} of {len(roots.der)} is unreadable") from None
    return tuple(parsed)


def _note(client: SSL.Connection, certificate: crypto.X509, errno: int, depth: int, ok: int) -> bool:
    client.get_app_data().append((certificate, errno, depth, ok))
    return True


def _run(client: SSL.Connection, answer: bytes) -> None:
    try:
        client.do_handshake()
    except SSL.WantReadError:
        client.bio_write(answer)
    try:
        client.do_handshake()
    except SSL.Error:
        # the made-up server never finishes: the callback has heard what there is to hear
        return


def flight(chain: tuple[bytes, ...]) -> bytes:
    """The ServerHello and Certificate of a TLS 1.2 server (RFC 5246 section 7.4) that presents this chain.

    A list longer than a live handshake would take is sent as an empty one.
    """
    if sum(map(len, chain)) > CHAIN_LIMIT:
        chain = ()
    # TLS_ECDHE_RSA or TLS_ECDHE_ECDSA _WITH_AES_128_GCM_SHA256: must fit the leaf's key
    suite = b"\xc0\x2f" if _has_rsa_key(chain) else b"\xc0\x2b"
    # an empty renegotiation_info (RFC 5746), without which OpenSSL refuses
    hello = b"\x03\x03" + bytes(32) + b"\0" + suite + b"\0" + b"\x00\x05\xff\x01\x00\x01\x00"
    listed = b"".join(len(der).to_bytes(3, "big") + der for der in chain)
    body = len(listed).to_bytes(3, "big") + listed
    messages = b"\x02" + len(hello).to_bytes(3, "big") + hello + b"\x0b" + len(body).to_bytes(3, "big") + body
    step = 1 << 14
    parts = [messages[start : start + step] for start in range(0, len(messages), step)]
    return b"".join(b"\x16\x03\x03" + len(part).to_bytes(2, "big") + part for part in parts)


def _has_rsa_key(chain: tuple[bytes, ...]) -> bool:
    try:
        return describe(chain[0]).key == "rsa"
    except (ProtocolError, IndexError):
        return False


def _flaw(errno: int, depth: int, certificate: crypto.X509) -> Flaw:
    code, text = _ERRORS.get(errno, (f"openssl-{errno}", f"OpenSSL verify error {errno}"))
    try:
        subject = describe(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)).subject
    except (ProtocolError, crypto.Error):
        subject = ""
    return Flaw(code, errno, depth, subject, text)


def interpreter_says(chain: tuple[bytes, ...], name: str, roots: Roots) -> str:
    """What this interpreter's own `ssl` says now to the same flight: "ok", or its message and number.

    A fact to show, never the gate; `ssl` can't be told a time.
    """
    received = ssl.MemoryBIO()
    try:
        client = _stdlib(roots).wrap_bio(received, ssl.MemoryBIO(), server_hostname=name)
        received.write(flight(chain))
        client.do_handshake()
    except ssl.SSLWantReadError:
        return "ok"
    except ssl.SSLCertVerificationError as error:
        return f"{error.verify_message} ({error.verify_code})"
    except ssl.SSLError as error:
        return f"{error.reason or error}"
    except ValueError as error:
        return f"{type(error).__name__}: {error}"
    return "no answer"


@functools.lru_cache(maxsize=8)
def _stdlib(roots: Roots) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if roots.der:
        context.load_verify_locations(cadata=b"".join(roots.der))
    return context


# --- the name


def _leaf_match(chain: tuple[bytes, ...], name: str) -> HostMatch:
    try:
        return match_host(describe(chain[0]), name)
    except (ProtocolError, IndexError):
        return HostMatch(False, "none", ())


def match_host(leaf: CertificateFacts, name: str) -> HostMatch:
    """Compare a DNS name (Unicode or A-labels, a final dot is ignored) or an IP literal with a leaf's names."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return _match_dns(leaf, name)
    # RFC 9525 section 6.5: an address needs an iPAddress name
    if any(ipaddress.ip_address(presented) == address for presented in leaf.san_ip):
        return HostMatch(True, "san-ip", leaf.san)
    return HostMatch(False, "cn-only" if not leaf.san and name in leaf.common_names else "none", leaf.san)


def _match_dns(leaf: CertificateFacts, name: str) -> HostMatch:
    try:
        wanted = name.removesuffix(".").encode("idna").decode("ascii")
        hazmat.DNS_ID(wanted)
    except ValueError:
        return HostMatch(False, "none", leaf.san)
    if any(_presents(pattern, wanted) for pattern in leaf.san_dns):
        return HostMatch(True, "san-dns", leaf.san)
    by_cn = not leaf.san_dns and any(_presents(pattern, wanted) for pattern in leaf.common_names)
    return HostMatch(False, "cn-only" if by_cn else "none", leaf.san)


def _presents(presented: str, wanted: str) -> bool:
    if presented.startswith("*.") and wanted[:4].lower() == "xn--":
        # service_identity lets no wildcard stand for an A-label; RFC 9525 section 6.3 and OpenSSL do for a whole label
        wanted = "x." + wanted.partition(".")[2]
    try:
        pattern = hazmat.DNSPattern.from_bytes(presented.encode("ascii"))
        return hazmat.DNS_ID(wanted).verify(pattern)
    except (CertificateError, ValueError):
        return False
