"""Does a reference lead to its secret and to nothing else, and does a secret stay one?"""

from __future__ import annotations

import copy
import json
import os
import pickle
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.core import Kind
from smtpcheck.target.credentials import Secret, SecretError, dotenv, gate, resolve

CANARY = 'p/+="é密码 x'


def written(tmp_path: Path, content: bytes, mode: int = 0o600) -> str:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return f"file:{path}"


# References


def test_env() -> None:
    assert resolve("env:PW", {"PW": CANARY}).reveal() == CANARY


def test_env_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW_OF_A_TEST", CANARY)
    assert resolve("env:PW_OF_A_TEST").reveal() == CANARY
    monkeypatch.delenv("PW_OF_A_TEST")
    with pytest.raises(SecretError, match="not set"):
        resolve("env:PW_OF_A_TEST")


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (CANARY.encode(), CANARY),
        (CANARY.encode() + b"\n", CANARY),
        (CANARY.encode() + b"\r\n", CANARY),
        (b"one\ntwo\n", "one"),
        (b"\xef\xbb\xbfone\r\n", "one"),
        (b" spaces stay \n", " spaces stay "),
        ("a\u2028b\x85c\x0bd\n".encode(), "a\u2028b\x85c\x0bd"),
        (b"good\n\xff\xfe", "good"),
    ],
)
def test_file(tmp_path: Path, content: bytes, secret: str) -> None:
    assert resolve(written(tmp_path, content)).reveal() == secret


@pytest.mark.parametrize(
    ("mode", "readable"),
    [(0o600, True), (0o400, True), (0o640, True), (0o604, False), (0o602, False), (0o644, False), (0o606, False)],
)
def test_a_file_that_everybody_may_read_is_refused(tmp_path: Path, mode: int, readable: bool) -> None:
    reference = written(tmp_path, CANARY.encode(), mode)
    if readable:
        assert resolve(reference).reveal() == CANARY
        return
    with pytest.raises(SecretError, match="chmod 600") as caught:
        resolve(reference)
    assert not shows(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\n" + CANARY.encode(),
        CANARY.encode("gb18030"),
        b"\xff" + CANARY.encode(),
        CANARY.encode() + b"\0",
        CANARY.encode() * 10_000,
    ],
    ids=["empty", "empty line", "empty first line", "gb18030", "binary", "nul", "large"],
)
def test_a_file_without_a_secret(tmp_path: Path, content: bytes) -> None:
    reference = written(tmp_path, content)
    with pytest.raises(SecretError) as caught:
        resolve(reference)
    assert caught.value.args[0] == reference
    assert not shows(caught.value)


@pytest.mark.parametrize(
    "reference",
    ["", ":", "env", "env:", "file:", "ENV:PW", "keyring:x", CANARY, f"plain:{CANARY}", "env:NOT_SET", "env:EMPTY"],
)
def test_no_reference(reference: str) -> None:
    with pytest.raises(SecretError) as caught:
        resolve(reference, {"EMPTY": "", "PW": CANARY})
    assert not shows(caught.value)


@pytest.mark.parametrize("rest", ["/nonexistent/secret", "/", "a\0b", "x" * 5000])
def test_no_file(rest: str) -> None:
    with pytest.raises(SecretError):
        resolve(f"file:{rest}")


@pytest.mark.parametrize("value", [CANARY + "\udce9", "\0" + CANARY, "\ud800"])
def test_what_no_mechanism_can_say(value: str) -> None:
    with pytest.raises(SecretError) as caught:
        resolve("env:PW", {"PW": value})
    assert caught.value.args[0] == "env:PW"
    assert not shows(caught.value)
    with pytest.raises(SecretError) as caught:
        Secret(value)
    assert not shows(caught.value)


@given(st.text(max_size=30))
def test_any_reference(name: str) -> None:
    for reference in (name, f"env:{name}"):
        try:
            resolve(reference)
        except SecretError as error:
            assert len(error.args) == 2


def shows(error: BaseException) -> bool:
    """The canary is in what a user or a log sees, the chain of causes included."""
    text = "".join(traceback.format_exception(error)) + repr(error)
    told = [line for line in text.splitlines() if "raise " not in line and "resolve(" not in line]
    return any(part in line for line in told for part in ("密码", 'p/+="', "\\xe5\\xaf\\x86"))


# .env


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\nB=2\n", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        (" A = 1 ", {"A": "1"}),
        ('A="x y "\nB=\'x"y\'\nC="x\'\nD="', {"A": "x y ", "B": 'x"y', "C": "\"x'", "D": '"'}),
        ("A=", {"A": ""}),
        ("A=b=c==", {"A": "b=c=="}),
        ("A=$HOME ${B} $(c) `d` \\n", {"A": "$HOME ${B} $(c) `d` \\n"}),
        (f"SMTPCHECK_PASSWORD={CANARY}", {"SMTPCHECK_PASSWORD": CANARY}),
        ("A=x\u2028y\x85z", {"A": "x\u2028y\x85z"}),
        ("# A=1\n\nno equals\n=1\n1A=1\nA B=1\nA-B=1", {}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_dotenv(tmp_path: Path, text: str, found: dict[str, str]) -> None:
    path = tmp_path / ".env"
    path.write_bytes(text.encode())
    assert dotenv(path) == found


def test_no_dotenv(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"A=1\n\xff\xfe")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        assert dotenv(path) == {}


def test_an_endless_dotenv_ends() -> None:
    assert dotenv(Path("/dev/zero")) == {}


# Hygiene


def test_a_secret_prints_nothing() -> None:
    secret = Secret(CANARY)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!s:>40}", f"{secret:>40}", f"{secret!a}", "%s" % secret]  # noqa: UP031  # the old way prints, too
    for text in [*shown, repr([secret]), str({"a": secret}), traceback_of(secret)]:
        assert "<secret>" in text
        assert "密码" not in text
        assert "\\u5bc6" not in text


def traceback_of(secret: Secret) -> str:
    try:
        raise ValueError(secret)
    except ValueError as error:
        frames = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(frames.format())


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(CANARY), protocol)


@dataclass(frozen=True)
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "use",
    [
        copy.copy,
        copy.deepcopy,
        hash,
        json.dumps,
        msgspec.json.encode,
        msgspec.to_builtins,
        vars,
        len,
        list,
        bytes,
        lambda s: s == s,
        lambda s: s != CANARY,
        lambda s: s == CANARY,
        lambda s: s in [CANARY, 1],
        lambda s: {s: 1},
        lambda s: s + "",
        lambda s: CANARY in s,
        lambda s: asdict(Holder(s)),
        lambda s: Holder(s) == Holder(Secret("other")),
        lambda s: os.fspath(s),
    ],
)
def test_a_secret_is_good_for_nothing_else(use: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        use(Secret(CANARY))
    assert "密码" not in str(caught.value)


def test_an_empty_secret_is_none() -> None:
    assert not Secret("")
    assert Secret(" ")


# The gate before AUTH


@pytest.mark.parametrize(
    "allow", [(), ("plaintext-auth",), ("unverified-auth",), ("plaintext-auth", "unverified-auth")]
)
@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("encrypted", [True, False])
def test_gate(encrypted: bool, verified: bool, allow: tuple[str, ...]) -> None:
    assert gate(entrusted=False, encrypted=encrypted, verified=verified, allow=allow) is Kind.NO_CONSENT
    held = gate(entrusted=True, encrypted=encrypted, verified=verified, allow=allow)
    expected = {
        (True, True): None,
        (True, False): None if "unverified-auth" in allow else Kind.UNVERIFIED,
        # nothing verifies without TLS: then `verified` must not open the gate
        (False, True): None if "plaintext-auth" in allow else Kind.WITHHELD,
        (False, False): None if "plaintext-auth" in allow else Kind.WITHHELD,
    }
    assert held is expected[encrypted, verified]


@pytest.mark.parametrize("allow", [("plaintext",), ("PLAINTEXT-AUTH",), ("auth",), ("",)])
def test_consent_is_by_its_whole_name(allow: tuple[str, ...]) -> None:
    assert gate(entrusted=True, encrypted=False, verified=False, allow=allow) is Kind.WITHHELD
    assert gate(entrusted=True, encrypted=True, verified=False, allow=allow) is Kind.UNVERIFIED
