"""Is a secret found in every form and every place, and is nothing else masked?"""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.target.credentials import Secret
from smtpcheck.wire.mask import MASK, READINGS, WRITINGS, Mask
from smtpcheck.wire.sasl import CramMd5, Line, Plain, Scram, mask_for
from tests.canaries import CANARY as LONGER
from tests.canaries import FORMS as MORE_FORMS
from tests.canaries import folded
from tests.every import every

CANARY = 'p/+="é密码 x'
WESTERN = 'p/+="é£ x'
USER = "me@example.com"


def b64(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


@cache
def knowing(secret: str) -> Mask:
    return mask_for((USER, Secret(secret)))


@cache
def in_all_forms(secret: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((form.name, form.write(secret)) for form in FORMS)


# The mask


@dataclass(frozen=True)
class Form:
    name: str
    write: Callable[[str], bytes]


FORMS = (
    Form("utf-8", str.encode),
    Form("upper-case", lambda s: s.encode().upper()),
    Form("gb18030", lambda s: s.encode("gb18030")),
    Form("utf-8 taken for latin-1", lambda s: s.encode().decode("latin-1").encode()),
    Form("stripped", lambda s: s.strip().encode()),
    Form("base64", b64),
    Form("base64 without padding", lambda s: b64(s).rstrip(b"=")),
    Form("base64 url-safe", lambda s: base64.urlsafe_b64encode(s.encode())),
    Form("PLAIN", lambda s: b64(f"\0{USER}\0{s}")),
    Form("PLAIN with authorization identity", lambda s: b64(f"{USER}\0{USER}\0{s}")),
    Form("PLAIN without padding", lambda s: b64(f"\0{USER}\0{s}").rstrip(b"=")),
    Form("PLAIN url-safe", lambda s: base64.urlsafe_b64encode(f"\0{USER}\0{s}".encode())),
    Form("PLAIN of another user", lambda s: b64(f"\0somebody\0{s}")),
    Form("LOGIN", lambda s: b64(USER) + b" " + b64(s)),
    Form("XOAUTH2", lambda s: b64(f"user={USER}\1auth=Bearer {s}\1\1")),
    Form("JSON in base64", lambda s: b64(json.dumps({"scope": s}))),
    Form("JSON as UTF-8 in base64", lambda s: b64(json.dumps({"a": s}, ensure_ascii=False))),
    Form("basic", lambda s: b64(f"{USER}:{s}")),
    Form("percent-encoded", lambda s: quote(s, safe="").encode()),
    Form("percent-encoded path", lambda s: quote(s).encode()),
    Form("percent-encoded form", lambda s: quote_plus(s).encode()),
    Form("percent-encoded in lower case", lambda s: quote(s, safe="").lower().encode()),
    Form("JSON", lambda s: json.dumps(s).encode()),
    Form("JSON as UTF-8", lambda s: json.dumps(s, ensure_ascii=False).encode()),
    Form("repr", lambda s: repr(s).encode()),
    Form("repr of bytes", lambda s: repr(s.encode()).encode()),
    Form("hex", lambda s: s.encode().hex().encode()),
    Form("hex in upper case", lambda s: s.encode().hex().upper().encode()),
    Form("quoted-printable", lambda s: quopri.encodestring(s.encode()).rstrip(b"\n")),
    Form("quoted-printable header", lambda s: quopri.encodestring(s.encode(), header=True).rstrip(b"\n")),
    Form("HTML", lambda s: s.replace('"', "&quot;").encode()),
)
# what stands of the secret in a form after the mask: a form is found whole or not at all
AROUND = (b"", b"535 5.7.8 Error: ", b"x", b"\xff")


@every(secret=(CANARY, CANARY + CANARY, WESTERN, "hunter22", "\tpadded é"), before=AROUND, form=FORMS)
def test_mask(form: Form, before: bytes, secret: str) -> None:
    written = form.write(secret)
    masked = knowing(secret)(before + written + b" - bye")
    assert MASK in masked
    assert masked.startswith(before)
    assert masked.endswith(b" - bye")
    for name, other in in_all_forms(secret):
        assert other not in masked, name


def test_mask_of_latin_1() -> None:
    masked = knowing(WESTERN)(b"no: " + WESTERN.encode("latin-1") + b".")
    assert masked == b"no: " + MASK + b"."


@every(
    encode=(base64.b64encode, base64.urlsafe_b64encode),
    secret=(CANARY, CANARY[1:], CANARY[2:], "hunter2"),
    after=(b"", b"!", b"!!", b"!!!"),
    shift=range(6),
)
def test_mask_at_every_alignment(shift: int, after: bytes, secret: str, encode: Callable[[bytes], bytes]) -> None:
    """What is left of the base64 decodes to no part of the secret longer than what two groups hold."""
    blob = encode(b"#" * shift + secret.encode() + after)
    masked = knowing(secret)(b"334 " + blob)
    assert MASK in masked, blob
    left = masked.removeprefix(b"334 ").replace(MASK, b"")
    # the border characters hold bits of its first and last octet
    assert len(left) <= -(-shift * 4 // 3) + -(-len(after) * 4 // 3) + 4


def test_mask_twice_and_many() -> None:
    mask = knowing(CANARY)
    said = b"%s, %s and %s" % (CANARY.encode(), b64(CANARY), CANARY.encode("gb18030"))
    assert mask(said) == b"%s, %s and %s" % (MASK, MASK, MASK)
    assert mask(mask(said)) == mask(said)


def test_mask_of_text() -> None:
    mask = knowing(CANARY)
    assert mask.text(f"Error: {CANARY}!") == "Error: <secret>!"
    assert mask.text("错误 é \ud800")[:4] == "错误 é"


@given(st.text(max_size=60), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6))
def test_mask_of_any_text(said: str, secret: str) -> None:
    assert isinstance(knowing(secret).text(said), str)


ORDINARY = (
    b"535 5.7.8 Error: authentication failed: (reason unavailable)",
    b"250 2.0.0 Ok: queued as 4F6162ABCD",
    b"250-AUTH PLAIN LOGIN XOAUTH2",
    b"334 VXNlcm5hbWU6",
    b"220 smtp.example.com ESMTP p x 2026-11-23",
    "535 登录失败".encode("gb18030"),
    "550 用户不存在 é".encode(),
    bytes(range(256)),
)


@pytest.mark.parametrize("said", ORDINARY)
@pytest.mark.parametrize("secret", [CANARY, "correct horse battery staple", "p", "x", "ab", "é", "250", "5.7"])
def test_ordinary_text_is_left_alone(said: bytes, secret: str) -> None:
    assert knowing(secret)(said) == said


@pytest.mark.parametrize("secret", ["p", "ab", "a1b"])
def test_a_short_secret_is_found_where_it_is_no_accident(secret: str) -> None:
    line = Plain(USER, Secret(secret)).initial()
    assert line is not None
    assert knowing(secret)(b"no: " + line.raw) == b"no: " + MASK


def test_without_a_secret_nothing_is_masked() -> None:
    for mask in (Mask(), mask_for((USER, None)), mask_for((USER, Secret("")))):
        assert mask(b"AHRpbQB0") == b"AHRpbQB0"
        assert mask.text("x") == "x"


@pytest.mark.parametrize("said", [b"p/+=", b'p/+="\xc3\xa9', b"A", b"AHRp", bytes(range(256)), b"%70%2F"])
def test_four_times_the_text_takes_no_sixteen_times_the_work(said: bytes) -> None:
    mask = knowing(CANARY)

    def seconds(size: int) -> float:
        text = said * (size // len(said))
        started = time.process_time()
        mask(text)
        return time.process_time() - started

    small = min(seconds(1 << 14) for _ in range(3))
    large = min(seconds(1 << 16) for _ in range(3))
    assert large < 12 * small + 0.01


# Every form, every place


def places(form: bytes) -> dict[str, list[bytes]]:
    """A form where servers may put it, as the lines of a reply."""
    return {
        "alone": [form],
        "in a sentence": [b"5.7.8 Error: " + form + b" - bye"],
        "in quotes": [b'5.7.8 "' + form + b'"'],
        "folded at 20": folded(form, 20),
        "folded at 76": folded(b"5.7.8 bad credentials for somebody: " + form, 76),
        "in two halves": [b"5.7.8 " + form[: len(form) // 2], form[len(form) // 2 :] + b" was wrong"],
        "octet by octet": folded(form, 1),
    }


@every(form=MORE_FORMS, place=places(b""))
def test_every_form_is_masked_in_every_place(form: str, place: str) -> None:
    written = MORE_FORMS[form](LONGER)
    said = places(written)[place]
    masked = knowing(LONGER).lines(said)

    assert len(masked) == len(said)
    left = b"".join(masked).replace(MASK, b"")
    around = b"".join(said).replace(written, b"")
    # at the borders of base64 and base32 stand characters that hold bits of its first and last octets
    assert len(left) <= len(around) + len(MORE_FORMS[form]("")) + 10, masked


@every(form=MORE_FORMS)
def test_every_form_is_masked_in_text_with_its_codes(form: str) -> None:
    """A reply as it came over the line: in evidence of what could not be read as a reply."""
    first, second = MORE_FORMS[form](LONGER)[:9], MORE_FORMS[form](LONGER)[9:]
    masked = knowing(LONGER)(b"535-" + first + b"\r\n535 " + second + b"\r\n")
    assert len(masked.replace(MASK, b"")) <= len(b"535-535 \r\n\r\n") + len(MORE_FORMS[form]("")) + 10, masked


WITHOUT = [
    *((f"writing {name}", {"writings": {k: v for k, v in WRITINGS.items() if k != name}}) for name in WRITINGS),
    *((f"reading {r.name}", {"readings": [o for o in READINGS if o is not r]}) for r in READINGS),
]


@pytest.mark.parametrize("missing", [each for _, each in WITHOUT], ids=[name for name, _ in WITHOUT])
def test_no_row_can_be_left_out(missing: dict[str, object]) -> None:
    """With one way of writing or reading switched off, a form comes through that is masked with all of them."""
    less = knowing_several(Mask(**missing))  # type: ignore[arg-type]
    assert any(less.lines(text) != masked for text, masked in masked_by_all())


def knowing_several(mask: Mask) -> Mask:
    for secret in (LONGER, "hunter2", ODD, PAIRED):
        mask.add(secret, USER)
    return mask


@cache
def masked_by_all() -> list[tuple[list[bytes], tuple[bytes, ...]]]:
    whole = knowing_several(Mask())
    texts = [text for form in MORE_FORMS.values() for text in places(form(LONGER)).values()]
    return [(text, whole.lines(text)) for text in [*SPECIAL, *texts]]


QUOTED = quopri.encodestring(LONGER.encode()).strip()
# marks nearly all, and an escape in every family
ODD = '"&lt;\\n%41=42!?'
# two backslashes, which a quoted string of IMAP would be of one
PAIRED = "q\\\\w&lt;é授%41=7zz9"


def spelt(raw: bytes, lead: bytes) -> bytes:
    """The octets above 127, and the lead itself, as escapes of two digits."""
    return b"".join(lead + b"%02X" % octet if octet > 127 or octet == lead[0] else bytes((octet,)) for octet in raw)


PARTLY = (
    html.escape(PAIRED).encode(),
    PAIRED.replace("%", "%25").replace("é", "%E9").replace("授", "%u6388").encode(),
    spelt(PAIRED.encode("gb18030"), b"%"),
    PAIRED.replace("=", "=3D").encode(),
    ascii(PAIRED)[1:-1].encode(),
    spelt(PAIRED.replace("\\", "\\\\").encode("gb18030"), b"\\x").replace(b"\\x5C", b"\\"),
)
SPECIAL = (
    *([part] for part in PARTLY),
    *([re.sub(rb'(["\\])', rb"\\\1", part)] for part in PARTLY),
    folded(PARTLY[3], 1),
    [html.escape(html.escape(PAIRED)).encode()],
    [ODD.replace(";", "; ").encode()],
    # as the name of a mailbox (RFC 3501 section 5.1.3)
    [b'* LIST () "/" c4n/ary+="&AOljiGdD- \\z%41'],
    [LONGER.encode().replace(b" ", b"_")],
    [each + b"=" for each in folded(QUOTED, 9)],
    [b"no", b"hunter2"],
    folded(b64("hunter2"), 5),
)


# Short secrets


@pytest.mark.parametrize(
    ("secret", "said", "masked"),
    [
        ("error", b"5.7.8 Error: wrong password 'error'", b"5.7.8 Error: wrong password '<secret>'"),
        ("error", b"5.7.8 Errors and terrors", b"5.7.8 Errors and terrors"),
        ("error", b"ERROR", b"<secret>"),
        ("error", b"6572726f72 rorre e r r o r", b"6572726f72 rorre e r r o r"),
        ("error", b64("error"), b"<secret>"),
        ("secret", b"your secret", b"your <secret>"),
        ("密码", "您的密码错误".encode(), "您的密码错误".encode()),
        ("密码", "密码".encode(), b"<secret>"),
    ],
)
def test_a_short_secret_is_masked_as_a_word_and_in_base64(secret: str, said: bytes, masked: bytes) -> None:
    mask = knowing(secret)
    assert mask(said) == masked
    assert mask(masked) == masked


@pytest.mark.parametrize(
    "said", [b"no: hun\r\n535-ter2\r\n535 bye", b"* OK hun\r\n* OK ter2\r\n* LIST", b"no hun / ter2 / me"]
)
def test_a_short_secret_is_masked_as_a_word_of_its_own_over_lines(said: bytes) -> None:
    assert MASK in knowing("hunter2")(said)
    assert MASK not in knowing("hunter2")(said.replace(b"ter2", b"ter22"))


def test_a_short_secret_is_masked_over_two_lines() -> None:
    assert knowing("hunter2").lines([b"no: hun", b"ter2 is wrong"]) == (b"no: " + MASK, MASK + b" is wrong")


@pytest.mark.parametrize("secret", ["plain", "login", "PLAIN LOGIN", "starttls", "auth plain", "8BITMIME"])
def test_what_the_protocol_says_is_left_alone(secret: str) -> None:
    """It tells nothing there, and without it the verdict would be another."""
    said = (b"lab.test", b"8BITMIME", b"STARTTLS", b"AUTH PLAIN LOGIN", b"AUTH=PLAIN LOGIN")
    assert knowing(secret).lines(said) == said
    assert knowing(secret)(b64(f"\0{USER}\0{secret}")) == MASK


@pytest.mark.parametrize("secret", ["maildata", "plainlogin", "starttls1", "size 10485760"])
def test_what_it_does_not_say_is_masked(secret: str) -> None:
    assert knowing(secret)(b"no: " + secret.encode()) == b"no: " + MASK


@pytest.mark.parametrize("secret", ["<secret>", "secret", "the <secret> of it"])
def test_a_mask_is_not_masked(secret: str) -> None:
    mask = knowing(secret)
    said = b"no: " + secret.encode() + b", " + MASK
    assert mask(said) == mask(mask(said))


# Proofs


def test_the_digest_of_cram_md5_is_masked_in_the_line_and_out_of_it() -> None:
    mask = knowing(CANARY)
    line = CramMd5(USER, Secret(CANARY)).answer(b64("<1.2@h>"))
    assert isinstance(line, Line)
    mask.made(line.raw, line.proofs)
    digest = base64.b64decode(line.raw).rpartition(b" ")[2]
    for form in (digest, digest.upper(), line.raw, b64(digest), digest[::-1]):
        assert mask(b"535 no: " + form) == b"535 no: " + MASK
    assert mask(USER.encode()) == USER.encode()


def test_the_proofs_of_scram_are_masked_in_the_line_and_out_of_it() -> None:
    mask = knowing(CANARY)
    login = Scram("SCRAM-SHA-256", USER, Secret(CANARY), "abc")
    login.initial()
    line = login.answer(b64("r=abcdef,s=" + b64("0123456789abcdef").decode() + ",i=4096"))
    assert isinstance(line, Line)
    mask.made(line.raw, line.proofs)
    ours, theirs = line.proofs
    assert base64.b64decode(line.raw).endswith(ours.encode())
    for form in (ours.encode(), theirs.encode(), line.raw):
        assert mask(b"535 no: " + form) == b"535 no: " + MASK
    assert MASK in mask(b64("v=" + theirs))
