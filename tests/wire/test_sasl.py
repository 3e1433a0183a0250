"""Is a login said as the RFCs have it, and is no form of the secret left where the mask was?"""

from __future__ import annotations

import base64
import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.target.credentials import Secret
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.challenges import OAuthRefusal, decode_challenge
from smtpcheck.wire.mistakes import SIGNS
from smtpcheck.wire.sasl import (
    KNOWN,
    MASK,
    MECHANISMS,
    TOKENS,
    CramMd5,
    Line,
    Login,
    Looks,
    Mask,
    Plain,
    Scram,
    Unproven,
    Unsayable,
    begin,
    command,
    look,
    mask_for,
    preference,
)

CANARY = 'p/+="é密码 x'
WESTERN = 'p/+="é£ x'
USER = "me@example.com"


def b64(text: str | bytes) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def written(said: Line | bytes | None) -> bytes:
    """What goes on the wire; a line with a secret shows nothing of it."""
    if isinstance(said, Line):
        assert MASK in said.shown
        assert said.raw not in said.shown
        return said.raw
    assert said is not None
    return said


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


# as they come in a 334: in base64 or not, in any language, swapped or empty
@pytest.mark.parametrize(
    "prompts",
    [
        (b64("Username:"), b64("Password:")),
        (b"", b""),
        (b64("Password:"), b64("Username:")),
        (b64("用户名："), b64("密码：")),
        (b"Username:", b"Password:"),
        (b"\xd3\xc3\xbb\xa7\xc3\xfb", b"\xc3\xdc\xc2\xeb"),
    ],
)
def test_login_answers_in_order_whatever_the_prompt_says(prompts: tuple[bytes, bytes]) -> None:
    login = Login(USER, Secret(CANARY))
    assert login.initial() is None
    assert [written(login.answer(prompt)) for prompt in prompts] == [b64(USER), b64(CANARY)]
    with pytest.raises(ProtocolError):
        login.answer(b"again?")


def test_two_logins_do_not_share_their_place() -> None:
    first, second = Login(USER, Secret(CANARY)), Login(USER, Secret(CANARY))
    first.answer(b"")
    assert written(second.answer(b"")) == b64(USER)


# SCRAM: the examples of RFC 5802 section 5 and RFC 7677 section 3


@dataclass(frozen=True)
class Vector:
    mechanism: str
    nonce: str
    server_first: str
    client_final: str
    server_final: str


VECTORS = (
    Vector(
        "SCRAM-SHA-1",
        "fyko+d2lbbFgONRv9qkxdawL",
        "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    Vector(
        "SCRAM-SHA-256",
        "rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
)


def opened(vector: Vector = VECTORS[1]) -> Scram:
    """The vector's login, its first message said."""
    scram = Scram(vector.mechanism, "user", Secret("pencil"), vector.nonce)
    assert written(scram.initial()) == b64(f"n,,n=user,r={vector.nonce}")
    return scram


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.mechanism)
def test_scram_as_in_its_rfc(vector: Vector) -> None:
    scram = opened(vector)
    final = scram.answer(b64(vector.server_first))
    assert isinstance(final, Line)
    assert base64.b64decode(final.raw).decode() == vector.client_final
    with pytest.raises(Unproven, match="missing"):
        scram.finish()
    assert scram.answer(b64(vector.server_final)) == b""
    scram.finish()
    with pytest.raises(ProtocolError, match="third"):
        scram.answer(b64(vector.server_final))


def test_a_wrong_signature_is_no_login() -> None:
    scram = opened()
    scram.answer(b64(VECTORS[1].server_first))
    with pytest.raises(Unproven, match="wrong"):
        scram.answer(b64("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))
    with pytest.raises(Unproven):
        scram.finish()


def test_a_scram_error_is_answered_by_nothing_and_proves_nothing() -> None:
    scram = opened()
    scram.answer(b64(VECTORS[1].server_first))
    assert scram.answer(b64("e=invalid-proof")) == b""
    with pytest.raises(Unproven):
        scram.finish()


NONCE = VECTORS[1].nonce
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="


@pytest.mark.parametrize(
    "said",
    [
        "",
        "hello",
        f"r=another{NONCE},s={SALT},i=4096",
        f"r={NONCE},s={SALT},i=4096",  # nothing of the server's own
        f"r={NONCE[:-1]}x,s={SALT},i=4096",
        f"r={NONCE}x,s={SALT},i=1000001",
        f"r={NONCE}x,s={SALT},i=2000000000",
        f"r={NONCE}x,s={SALT},i={'9' * 5000}",
        f"r={NONCE}x,s={SALT},i=4095",
        f"r={NONCE}x,s={SALT},i=0",
        f"r={NONCE}x,s={SALT},i=-4096",
        f"r={NONCE}x,s={SALT},i=４０９６",
        f"r={NONCE}x,s={SALT}",
        f"r={NONCE}x,s=,i=4096",
        f"r={NONCE}x,s=W22,i=4096",
        f"m=must-understand,r={NONCE}x,s={SALT},i=4096",
        f"r={NONCE}é,s={SALT},i=4096",
        f"s={SALT},r={NONCE}x,i=4096",
        f"r={NONCE}x,s={SALT},i=4096,r={NONCE}y",
    ],
)
def test_a_server_that_breaks_scram_is_told_nothing(said: str) -> None:
    scram = opened()
    with pytest.raises(ProtocolError):
        scram.answer(b64(said))


@pytest.mark.parametrize("said", ["", "v=", "v=!", "x=1", "v", VECTORS[1].server_first])
def test_what_is_no_signature_is_no_wrong_one(said: str) -> None:
    scram = opened()
    scram.answer(b64(VECTORS[1].server_first))
    with pytest.raises(ProtocolError) as caught:
        scram.answer(b64(said))
    assert not isinstance(caught.value, Unproven)


def test_as_many_iterations_as_healthy_servers_ask_for() -> None:
    assert isinstance(opened().answer(b64(f"r={NONCE}x,s={SALT},i=600000")), Line)


def test_scram_prepares_names_and_secrets() -> None:
    scram = Scram("SCRAM-SHA-256", "a,b=c", Secret("p\u00aa\u3000x"), NONCE)
    assert written(scram.initial()) == b64(f"n,,n=a=2Cb=3Dc,r={NONCE}")


@pytest.mark.parametrize(("user", "secret"), [("me", "bell\a"), ("me", "new\U0001fae0"), ("\u0627x", "hunter2")])
def test_what_saslprep_forbids_can_not_be_said(user: str, secret: str) -> None:
    with pytest.raises(Unsayable) as caught:
        Scram("SCRAM-SHA-256", user, Secret(secret))
    assert secret not in str(caught.value)


# RFC 2195 section 2
CRAM_CHALLENGE = b64("<1896.697170952@postoffice.reston.mci.net>")


def test_cram_as_in_its_rfc() -> None:
    cram = CramMd5("tim", Secret("tanstaaftanstaaf"))
    assert cram.initial() is None
    assert written(cram.answer(CRAM_CHALLENGE)) == b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"
    with pytest.raises(ProtocolError, match="second"):
        cram.answer(CRAM_CHALLENGE)


@pytest.mark.parametrize("challenge", [b"", b"=", b"<1896@x>", b"\xff"])
def test_cram_answers_no_challenge_that_is_none(challenge: bytes) -> None:
    with pytest.raises(ProtocolError):
        CramMd5("tim", Secret("tanstaaftanstaaf")).answer(challenge)


# RFC 7628 section 4: the same message for SMTP's port, and the reason of its failed exchange
OAUTHBEARER = (
    b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9NTg3AWF1dGg9QmVhcmVyIHZGOWRm"
    b"dDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9PQEB"
)
TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
REASON = b64(
    '{"status":"invalid_token","scope":"example_scope",'
    '"openid-configuration":"https://example.com/.well-known/openid-configuration"}'
)


def test_oauthbearer_as_in_its_rfc() -> None:
    login = begin("OAUTHBEARER", "user@example.com", Secret(TOKEN), "server.example.com", 587)
    assert written(login.initial()) == OAUTHBEARER
    assert login.refusal is None
    assert login.answer(REASON) == b"AQ=="
    assert login.refusal == OAuthRefusal(status="invalid_token", scope="example_scope")
    with pytest.raises(ProtocolError):
        login.answer(REASON)


def test_oauthbearer_escapes_the_name() -> None:
    said = written(begin("OAUTHBEARER", "a,b=c", Secret("t"), "h", 1).initial())
    assert base64.b64decode(said) == b"n,a=a=2Cb=3Dc,\1host=h\1port=1\1auth=Bearer t\1\1"


def test_xoauth2_as_google_and_microsoft_have_it() -> None:
    login = begin("XOAUTH2", "me@example.com", Secret(TOKEN), "h", 1)
    assert base64.b64decode(written(login.initial())) == f"user=me@example.com\1auth=Bearer {TOKEN}\1\1".encode()
    google = b"eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2dsZS5jb20vIn0K"
    assert login.answer(google) == b""
    assert login.refusal == OAuthRefusal(status="401", schemes="bearer mac", scope="https://mail.google.com/")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"", ""),
        (b"not base64", ""),
        (b64("not JSON"), ""),
        (b64("[1]"), ""),
        (b64("null"), ""),
        (b64('{"status":400}'), "400"),
        (b64('{"status":{"a":1}}'), ""),
        (b64("[" * 6000), ""),
        (b64('{"status":"' + "x" * 5000 + '"}'), "x" * 200),
        (b64(b"\xff\xfe"), ""),
    ],
)
def test_a_reason_that_can_not_be_read_ends_no_login(said: bytes, status: str) -> None:
    login = begin("XOAUTH2", USER, Secret(TOKEN), "h", 1)
    assert login.answer(said) == b""
    assert login.refusal is not None
    assert login.refusal.masked(str) == OAuthRefusal(status=status)


def test_a_reason_is_masked_before_it_is_cut() -> None:
    mask = mask_for((USER, Secret(TOKEN)))
    login = begin("XOAUTH2", USER, Secret(TOKEN), "h", 1)
    login.answer(b64(json.dumps({"status": "x" * 190 + " " + TOKEN})))
    assert login.refusal is not None
    assert login.refusal.masked(mask.text) == OAuthRefusal(status="x" * 190 + " <secret>")


@pytest.mark.parametrize("mechanism", TOKENS)
def test_a_separator_inside_a_token_or_name_is_not_said(mechanism: str) -> None:
    for user, token in ((USER, "a\1auth=Bearer b"), ("me\1auth=Bearer b", "t")):
        with pytest.raises(Unsayable):
            begin(mechanism, user, Secret(token), "h", 1)


# Which one, and how it begins


def test_the_mechanisms_in_their_order() -> None:
    assert list(MECHANISMS) == ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"]
    assert {*MECHANISMS, "XOAUTH2", "OAUTHBEARER"} == KNOWN


PASSWORDS = "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"
CLEAR = "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN"


@pytest.mark.parametrize(
    ("encrypted", "hints", "token", "order"),
    [
        (True, "", False, PASSWORDS),
        (False, "", False, CLEAR),
        # a provider's order first, without what its kind of credential can't be
        (True, "LOGIN PLAIN XOAUTH2", False, "LOGIN PLAIN SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"),
        (True, "XOAUTH2 LOGIN", True, "XOAUTH2 LOGIN OAUTHBEARER PLAIN SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"),
        (True, "", True, f"XOAUTH2 OAUTHBEARER {PASSWORDS}"),
        # no hint brings a password or a token into the clear
        (False, "LOGIN PLAIN", False, CLEAR),
        (False, "XOAUTH2 LOGIN", True, CLEAR),
        (True, "GSSAPI NTLM", False, PASSWORDS),
    ],
)
def test_preference(encrypted: bool, hints: str, token: bool, order: str) -> None:
    assert " ".join(preference(encrypted=encrypted, hints=hints.split(), token=token)) == order


@pytest.mark.parametrize("mechanism", sorted(KNOWN))
def test_a_mechanism_by_name_says_its_secret_masked(mechanism: str) -> None:
    login = begin(mechanism, USER, Secret(CANARY), "smtp.example.com", 587)
    first = login.initial()
    said, waiting = command(mechanism, first)
    assert waiting is None
    if first is None:
        assert said == b"AUTH " + mechanism.encode()
    else:
        assert isinstance(said, Line)
        assert (said.raw, said.shown) == (
            b"AUTH %s %s" % (mechanism.encode(), first.raw),
            b"AUTH %s %s" % (mechanism.encode(), MASK),
        )
        assert len(said.raw) <= 510


def test_a_long_initial_response_waits_for_its_challenge() -> None:
    for size, waits in ((100, False), (351, False), (352, True), (3000, True)):
        first = begin("XOAUTH2", "u", Secret("t" * size), "h", 1).initial()
        said, waiting = command("XOAUTH2", first)
        assert (waiting is first) is waits
        assert len(written(said)) <= 510


@given(st.sampled_from(sorted(KNOWN)), st.lists(st.binary(max_size=40) | st.binary(max_size=40).map(b64), max_size=4))
def test_any_challenge_is_answered_or_refused(mechanism: str, said: list[bytes]) -> None:
    login = begin(mechanism, USER, Secret(CANARY), "h", 1)
    login.initial()
    try:
        for challenge in said:
            assert isinstance(login.answer(challenge), Line | bytes)
    except ProtocolError as error:
        assert not shows_canary(str(error))


# How a secret looks

CODE = "abcdefghijklmnop"


@pytest.mark.parametrize(
    ("secret", "shape", "flags"),
    [
        (CODE, "fits", ""),
        (CODE + " ", "does-not-fit", "padded"),
        ("\n" + CODE, "does-not-fit", "padded"),
        (CODE[:8] + "\n" + CODE[8:], "does-not-fit", "line-break"),
        (CODE.upper(), "does-not-fit", ""),
        (CODE[:-1] + "ｐ", "does-not-fit", "full-width"),
        (CODE + "\u3000", "does-not-fit", "padded full-width"),
        (CODE + "\u200b", "does-not-fit", "invisible"),
        ("\ufeff" + CODE, "does-not-fit", "invisible"),
        ("None", "does-not-fit", "placeholder"),
        (" null", "does-not-fit", "placeholder padded"),
        ("", "does-not-fit", "empty"),
        (" \t", "does-not-fit", "empty"),
    ],
)
def test_look(secret: str, shape: str, flags: str) -> None:
    assert look(Secret(secret), "[a-z]{16}") == Looks(shape=shape, flags=tuple(flags.split()))
    assert look(Secret(secret)) == Looks(shape="unknown", flags=tuple(flags.split()))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_look_holds_nothing_of_the_secret(secret: str) -> None:
    words = {"unknown", *SIGNS}
    seen = look(Secret(secret))
    assert {seen.shape, *seen.flags} <= words


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
    others = [begin(mechanism, USER, secret, "h", 1) for mechanism in sorted(KNOWN)]
    scram = begin("SCRAM-SHA-256", USER, secret, "h", 1)
    said = Line(CANARY.encode(), MASK)
    return [line, login.answer(b""), said, mask_for((USER, secret)), login, *others, scram.initial()]


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
