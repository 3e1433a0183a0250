"""What is written in a certificate, and what is odd in a list of them?"""

from __future__ import annotations

import hashlib
import ipaddress
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from smtpcheck.wire import ProtocolError

# bounds the work on a hostile one; below what a handshake's whole list may have
_LIMIT = 64 * 1024

# what `cryptography` raises for a certificate it can't read
_UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)

_E = TypeVar("_E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What is written in one certificate."""

    subject: str
    issuer: str
    common_names: tuple[str, ...]
    serial: str
    """Hexadecimal."""
    not_before: datetime
    not_after: datetime
    san_dns: tuple[str, ...]
    san_ip: tuple[str, ...]
    key: str
    """rsa, ec, ed25519, ed448, dsa or unknown."""
    bits: int
    signature_hash: str
    """As sha256; empty where the algorithm has none of its own (Ed25519), the OID in dots where unknown."""
    is_ca: bool
    eku: tuple[str, ...]
    """The extended key usages, OIDs in dots."""
    aia_issuers: tuple[str, ...]
    """caIssuers URLs: RFC 5280 section 4.2.2.1."""
    key_id: str
    issuer_key_id: str
    sha256: str
    self_signed: bool
    must_staple: bool = False
    """It demands an OCSP response in the handshake (RFC 7633)."""
    lax_constraints: bool = False
    """A CA's basic constraints that are not marked critical, as RFC 5280 section 4.2.1.9 demands."""

    @property
    def san(self) -> tuple[str, ...]:
        """DNS names, then addresses."""
        return self.san_dns + self.san_ip


@dataclass(frozen=True, slots=True)
class ChainOrder:
    """What is odd in a list of certificates as sent; positions count from 0, the leaf."""

    misplaced: tuple[int, ...]
    """Of the chain, but signs nothing sent before it: RFC 5246 section 7.4.2, RFC 8446 section 4.4.2."""
    roots: tuple[int, ...]
    """Self-signed and superfluous: a client that trusts it has it."""
    unrelated: tuple[int, ...]
    repeated: tuple[int, ...]


def describe(der: bytes) -> CertificateFacts:
    """The facts of one certificate. Raises ProtocolError for anything that can't be read."""
    if len(der) > _LIMIT:
        raise ProtocolError(f"a certificate of {len(der)} bytes")
    try:
        with warnings.catch_warnings():
            # a serial number below one warns: a peer's fault is not to reach the user's terminal that way
            warnings.simplefilter("ignore")
            return _described(x509.load_der_x509_certificate(der), der)
    except _UNREADABLE as error:
        raise ProtocolError(f"unreadable certificate: {type(error).__name__}") from None


def _described(certificate: x509.Certificate, der: bytes) -> CertificateFacts:
    key, bits = _key(certificate)
    extensions = certificate.extensions
    san = _extension(extensions, x509.SubjectAlternativeName)
    constraints = _extension(extensions, x509.BasicConstraints)
    eku = _extension(extensions, x509.ExtendedKeyUsage)
    key_id = _extension(extensions, x509.SubjectKeyIdentifier)
    issuer_id = _extension(extensions, x509.AuthorityKeyIdentifier)
    features = _extension(extensions, x509.TLSFeature)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CertificateFacts(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        common_names=tuple(str(attribute.value) for attribute in common),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        san_dns=tuple(san.get_values_for_type(x509.DNSName)) if san else (),
        san_ip=tuple(str(ip) for ip in san.get_values_for_type(x509.IPAddress) if _is_host(ip)) if san else (),
        key=key,
        bits=bits,
        signature_hash=_signature_hash(certificate),
        is_ca=bool(constraints and constraints.ca),
        eku=tuple(usage.dotted_string for usage in eku) if eku else (),
        aia_issuers=_issuer_urls(extensions),
        key_id=key_id.digest.hex() if key_id else "",
        issuer_key_id=(issuer_id.key_identifier or b"").hex() if issuer_id else "",
        sha256=hashlib.sha256(der).hexdigest(),
        self_signed=_self_signed(certificate),
        lax_constraints=_is_lax(extensions),
        must_staple=features is not None and x509.TLSFeatureType.status_request in features,
    )


def _is_host(presented: object) -> bool:
    # eight or thirty-two bytes read as a network, which names no host (RFC 5280 section 4.2.1.6)
    return isinstance(presented, ipaddress.IPv4Address | ipaddress.IPv6Address)


def _extension(extensions: x509.Extensions, kind: type[_E]) -> _E | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _is_lax(extensions: x509.Extensions) -> bool:
    try:
        found = extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return found.value.ca and not found.critical


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown", 0
    match key:
        case rsa.RSAPublicKey():
            return "rsa", key.key_size
        case ec.EllipticCurvePublicKey():
            return "ec", key.key_size
        case dsa.DSAPublicKey():
            return "dsa", key.key_size
        case ed25519.Ed25519PublicKey():
            return "ed25519", 256
        case ed448.Ed448PublicKey():
            return "ed448", 456
    return "unknown", 0


def _signature_hash(certificate: x509.Certificate) -> str:
    try:
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return certificate.signature_algorithm_oid.dotted_string
    return algorithm.name if algorithm else ""


def _issuer_urls(extensions: x509.Extensions) -> tuple[str, ...]:
    access = _extension(extensions, x509.AuthorityInformationAccess) or ()
    places = (
        entry.access_location for entry in access if entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    )
    return tuple(place.value for place in places if isinstance(place, x509.UniformResourceIdentifier))


def _self_signed(certificate: x509.Certificate) -> bool:
    if certificate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # an algorithm `cryptography` does not know, SHA-1 among them: the names have to do
        return True
    return True


def revoked(staple: bytes, serial: str) -> bool:
    """An OCSP response (RFC 6960) says that the certificate of that serial number is revoked; its signature is not
    checked, since it came from the server that it speaks against."""
    try:
        response = ocsp.load_der_ocsp_response(staple)
        return any(
            each.certificate_status is ocsp.OCSPCertStatus.REVOKED and f"{each.serial_number:x}" == serial
            for each in response.responses
        )
    except (ValueError, UnsupportedAlgorithm):
        return False


def chain_order(sent: tuple[CertificateFacts, ...]) -> ChainOrder:
    """Find what is odd in the list as sent, by names and key identifiers; no signature is checked."""
    related = {0}
    for _ in sent:
        related |= {i for i, each in enumerate(sent) if any(_issued(each, sent[k]) for k in related if k != i)}
    first = {each.sha256: i for i, each in reversed(list(enumerate(sent)))}
    later = [i for i in range(1, len(sent)) if first[sent[i].sha256] == i]
    return ChainOrder(
        misplaced=tuple(i for i in later if i in related and not _signs_earlier(sent, i, related)),
        roots=tuple(i for i in later if i in related and sent[i].self_signed),
        unrelated=tuple(i for i in later if i not in related),
        repeated=tuple(i for i in range(1, len(sent)) if first[sent[i].sha256] < i),
    )


def _signs_earlier(sent: tuple[CertificateFacts, ...], position: int, related: set[int]) -> bool:
    return any(k in related and _issued(sent[position], sent[k]) for k in range(position))


def _issued(issuer: CertificateFacts, subject: CertificateFacts) -> bool:
    # RFC 5280 section 4.2.1.1: where both carry a key identifier, they must agree
    same_key = not issuer.key_id or not subject.issuer_key_id or issuer.key_id == subject.issuer_key_id
    return issuer.subject == subject.issuer and same_key
