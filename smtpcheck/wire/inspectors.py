"""Whose program signed this certificate in the server's place? The rows of inspectors.toml, read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from smtpcheck.wire.certificate import CertificateFacts

KINDS = ("antivirus", "firewall", "bridge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """A product that answers with certificates of its own."""

    product: str
    kind: str
    issuer: str
    source: str
    personal: bool = False
    """The words hold a serial number or a customer's name."""


@cache
def rows() -> tuple[Inspector, ...]:
    """The table as it stands in its file. Raises TypeError for a field that it does not know."""
    text = resources.files("smtpcheck.wire").joinpath("inspectors.toml").read_text(encoding="utf-8")
    return tuple(Inspector(**row) for row in tomllib.loads(text)["inspector"])


def inspector(chain: Iterable[CertificateFacts]) -> tuple[Inspector, str] | None:
    """The product that signed one of these, with the issuer's name as it stands there; None: none that is known."""
    found = ((signed_by(each.issuer), each.issuer) for each in chain)
    return next(((row, name) for row, name in found if row), None)


def signed_by(name: str) -> Inspector | None:
    """The product whose certificates bear that issuer's name (RFC 4514)."""
    return next((row for row in rows() if re.search(row.issuer, name, re.IGNORECASE)), None)
