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
        """Raises SecretError for what no mechanism can say (RFC 4616 section 2: UTF-8 without NUL)."""
        if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
            raise SecretError("the secret", "holds a NUL or bytes that are not UTF-8")
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

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {' '.join(map(str, self.args))}"]


def resolve(reference: str, environ: Mapping[str, str] | None = None) -> Secret:
    """The secret that `env:NAME` or `file:PATH` refers to. Raises SecretError."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env" and rest:
        return _secret(reference, _from_environ(rest, os.environ if environ is None else environ))
    if scheme == "file" and rest:
        return _secret(reference, _first_line(reference, Path(rest)))
    raise SecretError("the reference", "is neither env:NAME nor file:PATH")


def _secret(reference: str, value: str | None) -> Secret:
    if not value:
        raise SecretError(reference, "is not set" if value is None else "is empty")
    try:
        return Secret(value)
    except SecretError as error:
        raise SecretError(reference, error.args[1]) from None


def _from_environ(name: str, environ: Mapping[str, str]) -> str | None:
    try:
        return environ.get(name)
    except UnicodeEncodeError:  # a name that can't be one
        return None


def _first_line(reference: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IWOTH | stat.S_IROTH):
                raise SecretError(reference, "everybody on this machine may read it; chmod 600 it first")
            content = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise SecretError(reference, error.strerror or "can't be read") from None
    except ValueError:
        raise SecretError(reference, "is no path") from None
    if len(content) > _MAX_FILE:
        raise SecretError(reference, f"holds more than {_MAX_FILE} bytes and is no password")
    try:
        # only line ends end it: a password may hold what str.splitlines takes for one, and editors write a BOM
        return content.partition(b"\n")[0].removesuffix(b"\r").decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SecretError(reference, "its first line is no text") from None


def dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines of a `.env` file; quotes around a value are taken off, nothing is expanded."""
    try:
        with path.open("rb") as file:
            lines = file.read(_MAX_FILE).decode("utf-8-sig").split("\n")
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


def gate(*, entrusted: bool, encrypted: bool, verified: bool, allow: tuple[str, ...]) -> Kind | None:
    """Why no secret may be sent on this connection, or None: it may.

    Something has to speak for the host (consent.py; RFC 6186 section 6).
    Verified TLS is needed unless the user said `plaintext-auth` or `unverified-auth` by name.
    """
    if not entrusted:
        return Kind.NO_CONSENT
    if not encrypted:
        return None if "plaintext-auth" in allow else Kind.WITHHELD
    return None if verified or "unverified-auth" in allow else Kind.UNVERIFIED


PREFIX = "host:"
"""Before the name of a host that the user allows."""


def allow_option(host: str) -> str:
    """What the user types to say yes."""
    return f"--allow {PREFIX}{host}"
