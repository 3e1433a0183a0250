"""Where does the secret come from, and when may it be used? Secrets, their references, and the guard of AUTH."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from smtpcheck.core import Kind

# A larger file is not a password.
_MAX_FILE = 65536


class Secret:
    """A password, authorization code or app password. Prints `<secret>`, refuses pickle and copy."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself; called in wire/sasl.py alone."""
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "<secret>"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> NoReturn:
        raise TypeError("secrets are not compared")

    __hash__ = None  # type: ignore[assignment]  # not hashable on purpose: it is no key

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled or copied; carry its reference (env:NAME, file:PATH)")


class SecretError(Exception):
    """A reference leads to no secret; args: the reference and why, never the content."""


def resolve(reference: str, environ: Mapping[str, str] | None = None) -> Secret:
    """The secret that `env:NAME` or `file:PATH` refers to. Raises SecretError."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env" and rest:
        value = (os.environ if environ is None else environ).get(rest)
        if value is None:
            raise SecretError(reference, "that environment variable is not set")
        return Secret(value)
    if scheme == "file" and rest:
        return Secret(_first_line(reference, Path(rest)))
    raise SecretError("the reference", "is neither env:NAME nor file:PATH")


def _first_line(reference: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IWOTH | stat.S_IROTH):
                raise SecretError(reference, "everybody on this machine may read it; chmod 600 it first")
            content = file.read(_MAX_FILE)
    except OSError as error:
        raise SecretError(reference, error.strerror or "can't be read") from None
    try:
        return content.decode().splitlines()[0]
    except (UnicodeDecodeError, IndexError):
        raise SecretError(reference, "its first line is no text") from None


def dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines of a `.env` file; quotes around a value are taken off, nothing is expanded."""
    try:
        lines = path.read_bytes()[:_MAX_FILE].decode().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip().isidentifier():
            found[name.strip()] = _unquoted(value.strip())
    return found


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def gate(*, encrypted: bool, verified: bool, allow: tuple[str, ...]) -> Kind | None:
    """Why no secret may be sent on this connection, or None: it may.

    Verified TLS is needed unless the user said `plaintext-auth` or `unverified-auth` by name.
    """
    if not encrypted:
        return None if "plaintext-auth" in allow else Kind.WITHHELD
    return None if verified or "unverified-auth" in allow else Kind.UNVERIFIED
