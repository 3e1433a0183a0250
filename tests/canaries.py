"""How may a secret come back? Every form that a server could give it, and a search without code of the mask's."""

from __future__ import annotations

import base64
import codecs
import html
import json
import quopri
import re
import warnings
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus, unquote_to_bytes

CANARY = 'c4n/ary+="é授权 \\z%41'

Form = Callable[[str], bytes]


def b64(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def _qp(secret: str) -> bytes:
    return b"".join(b"=%02X" % octet for octet in secret.encode())


FORMS: Mapping[str, Form] = {
    "plain": str.encode,
    "upper-case": lambda s: s.encode().upper(),
    "gb18030": lambda s: s.encode("gb18030"),
    "utf-8 taken for latin-1": lambda s: s.encode().decode("latin-1").encode(),
    "base64": b64,
    "base64 within": lambda s: b64(f"?{s}!"),
    "base64 of JSON": lambda s: b64(json.dumps({"a": s})),
    "percent-encoded": lambda s: quote(s, safe="").encode(),
    "percent-encoded form": lambda s: quote_plus(s).encode(),
    "percent-encoded, every octet": lambda s: b"".join(b"%%%02x" % octet for octet in s.encode()),
    "percent-encoded twice": lambda s: quote(quote(s, safe=""), safe="").encode(),
    "percent-encoded, as JavaScript's escape": lambda s: "".join(
        f"%{ord(char):02X}" if ord(char) < 256 else f"%u{ord(char):04X}" for char in s
    ).encode(),
    "JSON": lambda s: json.dumps(s)[1:-1].encode(),
    "JSON, every character": lambda s: "".join(f"\\u{ord(char):04x}" for char in s).encode(),
    "ascii()": lambda s: ascii(s)[1:-1].encode(),
    "repr of bytes": lambda s: repr(s.encode())[2:-1].encode(),
    "octal": lambda s: "".join(f"\\{octet:03o}" for octet in s.encode()).encode(),
    "HTML": lambda s: html.escape(s).encode(),
    "HTML, decimal": lambda s: "".join(f"&#{ord(char)};" for char in s).encode(),
    "HTML, hexadecimal": lambda s: "".join(f"&#x{ord(char):X};" for char in s).encode(),
    "hex": lambda s: s.encode().hex().encode(),
    "hex with colons": lambda s: s.encode().hex(":").upper().encode(),
    "hex with spaces": lambda s: s.encode().hex(" ").encode(),
    "hex as in C": lambda s: b", ".join(b"0x%02x" % octet for octet in s.encode()),
    "hex escapes": lambda s: b"".join(b"\\x%02x" % octet for octet in s.encode()),
    "hex escapes of GB18030": lambda s: b"".join(b"\\x%02x" % octet for octet in s.encode("gb18030")),
    "quoted-printable": lambda s: quopri.encodestring(s.encode()).rstrip(b"\n"),
    "quoted-printable header": lambda s: quopri.encodestring(s.encode(), header=True).rstrip(b"\n"),
    "quoted-printable, every octet": _qp,
    "base32": lambda s: base64.b32encode(s.encode()),
    "base32 within": lambda s: base64.b32encode(f"??{s}!".encode()),
    "base64 twice": lambda s: b64(b64(s)),
    "base64 twice within": lambda s: b64(b"? " + b64(f"?{s}!") + b" !"),
    "UTF-16": lambda s: s.encode("utf-16-be"),
    "UTF-16 in base64": lambda s: b64(s.encode("utf-16-le")),
    "reversed": lambda s: s[::-1].encode(),
    "spaced": lambda s: " ".join(s).encode(),
    "dotted": lambda s: ".".join(re.sub(r"[^\w]", "", s)).encode(),
}
"""By name. Each is written here by other means than the mask's."""


def folded(form: bytes, columns: int) -> list[bytes]:
    """The form in lines of so many octets."""
    return [form[at : at + columns] for at in range(0, len(form), columns)] or [b""]


def readings(text: str) -> set[str]:
    """The text as somebody might read it who looks for a secret: with its escapes undone, without its layout."""
    raw = text.encode("utf-8", "surrogatepass")
    found = {text, html.unescape(text), unquote_to_bytes(raw).decode("utf-8", "replace")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of what is no escape
        found |= {codecs.decode(raw, "unicode_escape", "replace")}
    found |= {quopri.decodestring(raw).decode("utf-8", "replace")}
    # bytes in the JSON report and in repr stand as \xNN
    octets = re.sub(rb"\\+x([0-9a-fA-F]{2})", lambda match: bytes.fromhex(match[1].decode()), raw)
    found |= {octets.decode("utf-8", "replace"), octets.decode("latin-1")}
    found |= {re.sub(r"<[^<>]+>", " ", each) for each in (text, html.unescape(text))}
    return found | {_bare(each) for each in found}


def _bare(text: str) -> str:
    without_codes = re.sub(r"(?m)^\s*(?:[<>]\s*)?(?:[2-5]\d\d[ -]|\* \w+ )", "", text)
    return re.sub(r"[\W_]+", "", without_codes)


def found(text: str, secret: str) -> set[str]:
    """The forms of the secret that somebody finds in the text."""
    seen = readings(text.casefold())
    hits = set()
    for name, write in FORMS.items():
        form = write(secret)
        written = {form.decode(codec, "replace").casefold() for codec in ("utf-8", "latin-1")}
        bare = {_bare(each) for each in written}
        if any(w in each for w in written | {b for b in bare if len(b) >= 10} for each in seen):
            hits.add(name)
    return hits
