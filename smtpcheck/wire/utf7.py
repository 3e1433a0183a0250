"""How does IMAP say a folder name that is not ASCII? Modified UTF-7 (RFC 3501 section 5.1.3)."""

from __future__ import annotations

import binascii
import re

from smtpcheck.wire import ProtocolError

_UTF7 = re.compile(rb"(?:&[A-Za-z0-9+,]*-|[\x20-\x25\x27-\x7e])*")
_PART = re.compile(rb"&([A-Za-z0-9+,]*)-|([\x20-\x25\x27-\x7e]+)")
_PRINTABLE = re.compile("([\x20-\x7e]+)")


def decode_utf7(raw: bytes) -> str:
    """A folder name out of modified UTF-7. Raises ProtocolError.

    Superfluous shifts and encoded ASCII are read, though none should be written: they are for people to see.
    """
    if not _UTF7.fullmatch(raw):
        raise ProtocolError("not modified UTF-7")
    return "".join(_shifted(part[1]) if part[2] is None else part[2].decode("ascii") for part in _PART.finditer(raw))


def _shifted(base64: bytes) -> str:
    if not base64:
        return "&"
    padded = base64.replace(b",", b"/") + b"=" * (-len(base64) % 4)
    try:
        units = binascii.a2b_base64(padded, strict_mode=True)
        text = units.decode("utf-16-be")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ProtocolError("not modified UTF-7") from error
    if _base64(units) != base64:  # bits left over that are not zero: two names would look the same
        raise ProtocolError("not modified UTF-7")
    return text


def encode_utf7(name: str) -> bytes:
    """A folder name in modified UTF-7. Raises ProtocolError for half a surrogate pair."""
    try:
        return b"".join(
            part.replace("&", "&-").encode("ascii") if at % 2 else b"&" + _base64(part.encode("utf-16-be")) + b"-"
            for at, part in enumerate(_PRINTABLE.split(name))
            if part
        )
    except UnicodeEncodeError as error:
        raise ProtocolError("no Unicode text") from error


def _base64(units: bytes) -> bytes:
    return binascii.b2a_base64(units, newline=False).rstrip(b"=").replace(b"/", b",")
