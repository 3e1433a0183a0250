"""Do TLSA records vouch for a chain? DANE for SMTP (RFC 7672) over DNS answers that are authenticated."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from cryptography import x509 as certificates
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smtpcheck.wire import x509
from smtpcheck.wire.dns import Tlsa

_HASHES = {1: hashlib.sha256, 2: hashlib.sha512}
# RFC 7672 sections 3.1.1 and 3.1.2; 0 and 1 name public authorities, and senders of mail take them for unusable (3.1.3)
_TRUST_ANCHOR, _END_ENTITY = 2, 3


class Dane(StrEnum):
    """What a sender that honours DANE makes of an exchange."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNUSABLE = "unusable"
    """No record that it can use: it encrypts without authentication (RFC 7672 section 2.2)."""


def usable(record: Tlsa) -> bool:
    """A combination that senders of mail use, with data of the right length."""
    known = record.usage in (_TRUST_ANCHOR, _END_ENTITY) and record.selector in (0, 1) and record.matching in (0, 1, 2)
    return known and len(record.data) in {0: range(2, 1 << 18), 1: (64,), 2: (128,)}[record.matching]


def weigh(records: Sequence[Tlsa], chain: tuple[bytes, ...], names: Sequence[str], at: datetime) -> Dane:
    """Any usable record that fits is enough (RFC 7672 section 3.1)."""
    used = [record for record in records if usable(record)]
    if not used:
        return Dane.UNUSABLE
    return Dane.MATCH if any(_fits(record, chain, names, at) for record in used) else Dane.MISMATCH


def _fits(record: Tlsa, chain: tuple[bytes, ...], names: Sequence[str], at: datetime) -> bool:
    if record.usage == _END_ENTITY:
        # RFC 7672 section 3.1.1: names and dates of the leaf are not looked at
        return bool(chain) and presented(chain[0], record) == record.data
    anchors = tuple(der for der in chain if presented(der, record) == record.data)
    roots = x509.Roots(anchors, "TLSA")
    return bool(anchors) and any(x509.verify(chain, name, roots, at).verified for name in names)


def presented(der: bytes, record: Tlsa) -> str:
    """What the record should hold for this certificate, in hexadecimal; empty for one that can't be read."""
    data = der
    if record.selector == 1:
        try:
            key = certificates.load_der_x509_certificate(der).public_key()
        except ValueError:
            return ""
        data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _HASHES[record.matching](data).hexdigest() if record.matching else data.hex()
