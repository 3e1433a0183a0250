"""Which certificates can a practice server show? A private CA with an intermediate, and the zoo of what goes wrong."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_ELSEWHERE = "elsewhere.example.net"

# AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758 section 3.2) and of ecdsa-with-SHA1 (RFC 3279 section 2.2.3)
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_ECDSA_SHA1 = bytes.fromhex("300906072a8648ce3d0401")


@dataclass(frozen=True, slots=True)
class Served:
    """What a server presents: the chain as DER in the order sent, leaf first, and the leaf's key."""

    chain: tuple[bytes, ...]
    key_pem: bytes = field(repr=False)

    def pem(self) -> bytes:
        """The chain as PEM in the order sent."""
        return b"".join(ssl.DER_cert_to_PEM_cert(der).encode("ascii") for der in self.chain)

    @property
    def spki(self) -> str:
        """The SHA-256 of the leaf's public key in hexadecimal, as TLSA 3 1 1 has it (RFC 6698 section 2.1)."""
        key = x509.load_der_x509_certificate(self.chain[0]).public_key()
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()

    def server_context(self) -> ssl.SSLContext:
        """A server side that presents the chain as it is; weak keys and old signatures are let through."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with tempfile.TemporaryDirectory(prefix="smtpcheck-pki-") as folder:
            chain, key = self.write(Path(folder))
            context.load_cert_chain(chain, key)
        return context

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write chain.pem and key.pem (mode 0600) into an existing folder; the two paths. Raises OSError."""
        chain, key = folder / "chain.pem", folder / "key.pem"
        chain.write_bytes(self.pem())
        key.unlink(missing_ok=True)
        with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(self.key_pem)
        return chain, key


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recipe:
    """How a kind differs from a good certificate; windows count from now."""

    since: timedelta = -1 * _DAY
    until: timedelta = 90 * _DAY
    issuer: str = "intermediate"
    sent: tuple[str, ...] = ("leaf", "intermediate")
    names: str = "given"
    san: bool = True
    rsa_bits: int = 0
    sha1: bool = False
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    must_staple: bool = False


_ZOO: Mapping[str, _Recipe] = {
    "good": _Recipe(),
    "expired": _Recipe(since=-100 * _DAY, until=-10 * _DAY),
    "not-yet-valid": _Recipe(since=10 * _DAY, until=100 * _DAY),
    "expires-soon": _Recipe(since=-85 * _DAY, until=5 * _DAY),
    "expired-minutes-ago": _Recipe(since=-90 * _DAY, until=-3 * _MINUTE),
    "valid-in-minutes": _Recipe(since=3 * _MINUTE),
    "intermediate-expired": _Recipe(issuer="expired"),
    "not-a-ca-intermediate": _Recipe(issuer="no-ca"),
    "self-signed": _Recipe(issuer="self", sent=("leaf",)),
    "untrusted-root": _Recipe(issuer="stranger"),
    "untrusted-root-sent": _Recipe(issuer="stranger", sent=("leaf", "intermediate", "root")),
    "missing-intermediate": _Recipe(sent=("leaf",)),
    "wrong-order": _Recipe(sent=("leaf", "root", "intermediate")),
    "superfluous-root": _Recipe(sent=("leaf", "intermediate", "root")),
    "wrong-host": _Recipe(names="elsewhere"),
    "cn-only": _Recipe(san=False),
    "wildcard": _Recipe(names="parent"),
    "wildcard-too-deep": _Recipe(names="grandparent"),
    "ip-san": _Recipe(names="addresses"),
    "weak-key": _Recipe(rsa_bits=1024),
    "weak-signature": _Recipe(sha1=True),
    "wrong-purpose": _Recipe(purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
    "rsa": _Recipe(rsa_bits=2048),
    "must-staple": _Recipe(must_staple=True),
    "ca-not-critical": _Recipe(issuer="lax"),
    # by a signer of that name, as an antivirus program or an inspecting firewall signs
    "signed-by": _Recipe(issuer="signer", sent=("leaf", "root")),
    "signed-by-root-kept": _Recipe(issuer="signer", sent=("leaf",)),
    # by itself, under that name
    "self-signed-as": _Recipe(issuer="self", sent=("leaf",)),
}

KINDS: tuple[str, ...] = tuple(_ZOO)


@dataclass(frozen=True, slots=True)
class _Signer:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: _Key = field(repr=False)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


@dataclass(frozen=True, slots=True)
class _Line:
    """A root and an intermediate under it."""

    root: _Signer
    intermediate: _Signer


class Authority:
    """A private certificate authority: `root_pem` is what a client trusts, `issue` makes what a server shows.

    `issuer_url` goes into the leaves as caIssuers (RFC 5280 section 4.2.2.1) and should serve `intermediate_der`.
    `now` (aware UTC, default: the present) is what the windows of the zoo count from.
    """

    def __init__(self, *, issuer_url: str = "", now: datetime | None = None) -> None:
        self.now = (now or datetime.now(UTC)).replace(microsecond=0)
        self.issuer_url = issuer_url
        self._house = _found("smtpcheck lab", self.now)
        self._stranger: _Line | None = None
        self.root_der = self._house.root.der
        self.root_pem = ssl.DER_cert_to_PEM_cert(self.root_der).encode("ascii")
        self.intermediate_der = self._house.intermediate.der

    def issue(self, kind: str, *names: str, signer: str = "") -> Served:
        """A chain of that kind (one of `KINDS`) for DNS names or IP literals, made afresh.

        `signer` is the name of who signs (RFC 4514), where the kind leaves it open. Raises ValueError for an unknown
        kind, no name, or a name too short for its wildcard.
        """
        if kind not in _ZOO:
            raise ValueError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
        if not names:
            raise ValueError("a certificate needs a name")
        recipe = _ZOO[kind]
        line = _signing(signer or "CN=Signer", self.now) if recipe.issuer == "signer" else self._line(recipe.issuer)
        key = _key(recipe.rsa_bits)
        shown = _presented(recipe, names)
        subject = x509.Name.from_rfc4514_string(signer) if signer and recipe.issuer == "self" else _subject(shown[0])
        leaf = self._leaf(recipe, subject, shown, key, line.intermediate)
        parts = {"leaf": leaf, "intermediate": line.intermediate.der, "root": line.root.der}
        return Served(tuple(parts[part] for part in recipe.sent), _key_pem(key))

    def _line(self, issuer: str) -> _Line:
        house = self._house
        if issuer == "stranger":
            self._stranger = self._stranger or _found("Stranger", self.now)
            return self._stranger
        if issuer == "expired":
            window = (self.now - 400 * _DAY, self.now - 10 * _DAY)
            return _Line(house.root, _intermediate("smtpcheck lab", house.root, window, key=house.intermediate.key))
        if issuer == "lax":
            window = (self.now - 30 * _DAY, self.now + 1000 * _DAY)
            return _Line(house.root, _intermediate("smtpcheck lab lax", house.root, window, critical=False))
        if issuer == "no-ca":
            window = (self.now - 30 * _DAY, self.now + 1000 * _DAY)
            return _Line(house.root, _intermediate("smtpcheck lab no CA", house.root, window, is_ca=False))
        return house

    def _leaf(self, recipe: _Recipe, subject: x509.Name, names: tuple[str, ...], key: _Key, issuer: _Signer) -> bytes:
        window = (self.now + recipe.since, self.now + recipe.until)
        signer_key, issuer_name = issuer.key, issuer.certificate.subject
        if recipe.issuer == "self":
            signer_key, issuer_name = key, subject
        builder = _builder(subject, issuer_name, key, signer_key, window)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(ca=False, rsa=bool(recipe.rsa_bits)), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([recipe.purpose]), critical=False)
        if recipe.san:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        if recipe.must_staple:
            builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
        if self.issuer_url and recipe.issuer not in ("self", "stranger", "signer"):
            where = x509.UniformResourceIdentifier(self.issuer_url)
            access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
            builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        signed = builder.sign(signer_key, hashes.SHA256())
        return _with_sha1(signed, signer_key) if recipe.sha1 else signed.public_bytes(serialization.Encoding.DER)


def _found(title: str, now: datetime) -> _Line:
    root = _root(_subject(f"{title} root"), now)
    return _Line(root, _intermediate(title, root, (now - 500 * _DAY, now + 1000 * _DAY)))


def _signing(name: str, now: datetime) -> _Line:
    """A root of that name that signs leaves itself."""
    root = _root(x509.Name.from_rfc4514_string(name), now)
    return _Line(root, root)


def _root(name: x509.Name, now: datetime) -> _Signer:
    key = _ec_key()
    builder = _builder(name, name, key, key, (now - 1000 * _DAY, now + 3000 * _DAY))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(ca=True), critical=True)
    return _Signer(builder.sign(key, hashes.SHA256()), key)


def _intermediate(
    title: str,
    root: _Signer,
    window: tuple[datetime, datetime],
    *,
    key: _Key | None = None,
    is_ca: bool = True,
    critical: bool = True,
) -> _Signer:
    key = key or _ec_key()
    builder = _builder(_subject(f"{title} intermediate"), root.certificate.subject, key, root.key, window)
    constraints = x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None)
    builder = builder.add_extension(constraints, critical=critical)
    builder = builder.add_extension(_key_usage(ca=is_ca), critical=True)
    return _Signer(builder.sign(root.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: _Key, signer: _Key, window: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    # subject and authority key identifiers on all: RFC 5280 sections 4.2.1.1 and 4.2.1.2, which Python 3.13's
    # X509_STRICT enforces
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(window[0])
        .not_valid_after(window[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )


def _key_usage(*, ca: bool, rsa: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=rsa,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _presented(recipe: _Recipe, names: tuple[str, ...]) -> tuple[str, ...]:
    match recipe.names:
        case "elsewhere":
            return (_ELSEWHERE,)
        case "parent":  # of the first name; addresses beside it have no parents
            return (*_wildcards(names, 1), *(name for name in names[1:] if _address(name)))
        case "grandparent":
            return _wildcards(names, 2)
        case "addresses":
            return tuple(name for name in names if _address(name)) or ("127.0.0.1", "::1")
    return names


def _wildcards(names: tuple[str, ...], levels: int) -> tuple[str, ...]:
    return tuple("*." + _ancestor(name, levels) for name in names if name is names[0] or not _address(name))


def _ancestor(name: str, levels: int) -> str:
    labels = name.split(".")
    if len(labels) <= levels or _address(name):
        raise ValueError(f"{name!r} is too short for this wildcard")
    return ".".join(labels[levels:])


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _general(name: str) -> x509.GeneralName:
    address = _address(name)
    return x509.IPAddress(address) if address else x509.DNSName(name.encode("idna").decode("ascii"))


def _subject(name: str) -> x509.Name:
    # commonName holds at most 64 characters: RFC 5280 appendix A.1, ub-common-name
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _key(rsa_bits: int) -> _Key:
    if rsa_bits == 2048:
        return _common_rsa_key()
    return rsa.generate_private_key(65537, rsa_bits) if rsa_bits else _ec_key()


@functools.cache
def _common_rsa_key() -> rsa.RSAPrivateKey:
    """One for all practice servers: a key of 2048 bits takes a tenth of a second."""
    return rsa.generate_private_key(65537, 2048)


def _ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _key_pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _with_sha1(certificate: x509.Certificate, key: _Key) -> bytes:
    """The same certificate signed with ECDSA and SHA-1, which `cryptography` no longer does for certificates."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    tbs = certificate.tbs_certificate_bytes
    body = tbs[2 + (tbs[1] & 0x7F if tbs[1] & 0x80 else 0) :].replace(_ECDSA_SHA256, _ECDSA_SHA1, 1)
    tbs = _tlv(0x30, body)
    signature = key.sign(tbs, ec.ECDSA(hashes.SHA1()))  # noqa: S303 - a weak signature is what this is for
    return _tlv(0x30, tbs + _ECDSA_SHA1 + _tlv(0x03, b"\0" + signature))


def _tlv(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
