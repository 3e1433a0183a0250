"""Is a login said as the RFCs have it, and is no form of the secret left where the mask was?"""

from __future__ import annotations

import base64
import copy
import json
import pickle
import quopri
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.credentials import Secret
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.sasl import MASK, MECHANISMS, Line, Login, Mask, Plain, decode_challenge

CANARY = 'p/+="é密码 x'
WESTERN = 'p/+="é£ x'
USER = "me@example.com"


def b64(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


# RFC 4616 section 4: the user and password of its first example
def test_plain_as_in_its_rfc() -> None:
    line = Plain("tim", Secret("tanstaaftanstaaf")).initial()
    assert line is not None
    assert line.raw == b"AHRpbQB0YW5zdGFhZnRhbnN0YWFm"
    assert base64.b64decode(line.raw) == b"\0tim\0tanstaaftanstaaf"


def test_plain_is_utf8_without_end_of_line() -> None:
    line = Plain("é@例子.cn", Secret(CANARY * 20)).initial()
    assert line is not None
    assert base64.b64decode(line.raw, validate=True) == f"\0é@例子.cn\0{CANARY * 20}".encode()
    with pytest.raises(ProtocolError):
        Plain(USER, Secret(CANARY)).answer(b"")


@pytest.mark.parametrize("prompts", [(b"Username:", b"Password:"), (b"", b""), (b"Password:", b"Username:")])
def test_login_answers_in_order_whatever_the_prompt_says(prompts: tuple[bytes, bytes]) -> None:
    login = Login(USER, Secret(CANARY))
    assert login.initial() is None
    assert [login.answer(prompt).raw for prompt in prompts] == [b64(USER), b64(CANARY)]
    with pytest.raises(ProtocolError):
        login.answer(b"again?")


def test_two_logins_do_not_share_their_place() -> None:
    first, second = Login(USER, Secret(CANARY)), Login(USER, Secret(CANARY))
    first.answer(b"")
    assert second.answer(b"").raw == b64(USER)


def test_the_mechanisms_in_their_order() -> None:
    assert list(MECHANISMS) == ["PLAIN", "LOGIN"]


@pytest.mark.parametrize(
    ("text", "challenge"),
    [(b"VXNlcm5hbWU6", b"Username:"), (b" UGFzc3dvcmQ6 ", b"Password:"), (b"", b""), (b"AAA=", b"\0\0")],
)
def test_challenge(text: bytes, challenge: bytes) -> None:
    assert decode_challenge(text) == challenge


@pytest.mark.parametrize("text", [b"Username:", b"VXNl cm5h", b"VXNlcm5hbWU", b"=", b"\xff\xff\xff\xff", b"-_-_"])
def test_no_challenge(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_challenge(text)


@given(st.binary(max_size=60))
def test_any_challenge(text: bytes) -> None:
    try:
        assert isinstance(decode_challenge(text), bytes)
    except ProtocolError as error:
        assert text.decode("latin-1") not in str(error) or len(text) < 3


# Hygiene


def holders() -> list[object]:
    secret = Secret(CANARY)
    login = Login(USER, secret)
    login.answer(b"")
    line = Plain(USER, secret).initial()
    assert line is not None
    return [line, login.answer(b""), Line(CANARY.encode(), MASK), Mask(USER, secret), Plain(USER, secret), login]


def shows_canary(text: str) -> bool:
    blobs = (b64(CANARY), b64(f"\0{USER}\0{CANARY}"))
    return CANARY in text or "密码" in text or "\\u5bc6" in text or any(b.decode() in text for b in blobs)


@pytest.mark.parametrize("holder", holders(), ids=lambda h: type(h).__name__)
def test_prints_nothing(holder: object) -> None:
    for text in (repr(holder), str(holder), f"{holder}", repr([holder]), f"{holder!a}"):
        assert not shows_canary(text), text


@pytest.mark.parametrize("holder", holders(), ids=lambda h: type(h).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_is_not_pickled(holder: object, protocol: int) -> None:
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as caught:
        pickle.dumps(holder, protocol)
    assert not shows_canary(str(caught.value))


@pytest.mark.parametrize("holder", [h for h in holders() if isinstance(h, Line | Mask)], ids=lambda h: type(h).__name__)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_is_not_copied(holder: object, copied: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        copied(holder)


@pytest.mark.parametrize("holder", holders(), ids=lambda h: type(h).__name__)
def test_is_no_json(holder: object) -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps(holder)
    assert not shows_canary(str(caught.value))


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


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name)
@pytest.mark.parametrize("before", AROUND)
@pytest.mark.parametrize("secret", [CANARY, CANARY + CANARY, WESTERN, "hunter2", "\tpadded é"])
def test_mask(form: Form, before: bytes, secret: str) -> None:
    written = form.write(secret)
    masked = Mask(USER, Secret(secret))(before + written + b" - bye")
    assert MASK in masked
    assert masked.startswith(before)
    assert masked.endswith(b" - bye")
    for other in FORMS:
        assert other.write(secret) not in masked, other.name


def test_mask_of_latin_1() -> None:
    masked = Mask(USER, Secret(WESTERN))(b"no: " + WESTERN.encode("latin-1") + b".")
    assert masked == b"no: " + MASK + b"."


@pytest.mark.parametrize("shift", range(6))
@pytest.mark.parametrize("after", [b"", b"!", b"!!", b"!!!"])
@pytest.mark.parametrize("secret", [CANARY, CANARY[1:], CANARY[2:], "hunter2"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_mask_at_every_alignment(shift: int, after: bytes, secret: str, encode: Callable[[bytes], bytes]) -> None:
    """What is left of the base64 decodes to no part of the secret longer than what two groups hold."""
    blob = encode(b"#" * shift + secret.encode() + after)
    masked = Mask(USER, Secret(secret))(b"334 " + blob)
    assert MASK in masked, blob
    left = masked.removeprefix(b"334 ").replace(MASK, b"")
    # the border characters hold bits of its first and last octet
    assert len(left) <= -(-shift * 4 // 3) + -(-len(after) * 4 // 3) + 4


def test_mask_twice_and_many() -> None:
    mask = Mask(USER, Secret(CANARY))
    said = b"%s, %s and %s" % (CANARY.encode(), b64(CANARY), CANARY.encode("gb18030"))
    assert mask(said) == b"%s, %s and %s" % (MASK, MASK, MASK)
    assert mask(mask(said)) == mask(said)


def test_mask_of_text() -> None:
    mask = Mask(USER, Secret(CANARY))
    assert mask.text(f"Error: {CANARY}!") == "Error: <secret>!"
    assert mask.text("错误 é \ud800")[:4] == "错误 é"


@given(st.text(max_size=60), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6))
def test_mask_of_any_text(said: str, secret: str) -> None:
    assert isinstance(Mask(USER, Secret(secret)).text(said), str)


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
    assert Mask(USER, Secret(secret))(said) == said


@pytest.mark.parametrize("secret", ["p", "ab", "a1b"])
def test_a_short_secret_is_found_where_it_is_no_accident(secret: str) -> None:
    line = Plain(USER, Secret(secret)).initial()
    assert line is not None
    assert Mask(USER, Secret(secret))(b"no: " + line.raw) == b"no: " + MASK


def test_without_a_secret_nothing_is_masked() -> None:
    for mask in (Mask(), Mask(USER), Mask(USER, None)):
        assert mask(b"AHRpbQB0") == b"AHRpbQB0"
        assert mask.text("x") == "x"


@pytest.mark.parametrize("said", [b"p/+=", b'p/+="\xc3\xa9', b"A", b"AHRp", bytes(range(256)), b"%70%2F"])
def test_mask_takes_linear_time(said: bytes) -> None:
    mask = Mask(USER, Secret(CANARY))

    def seconds(size: int) -> float:
        text = said * (size // len(said))
        started = time.perf_counter()
        mask(text)
        return time.perf_counter() - started

    small = min(seconds(1 << 14) for _ in range(3))
    large = min(seconds(1 << 16) for _ in range(3))
    assert large < 1
    assert large < 12 * small + 0.01
