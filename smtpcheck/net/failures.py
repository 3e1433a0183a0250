"""What does an exception mean? The only file that knows the libraries' exception types."""

from __future__ import annotations

import errno
import os
import ssl
import traceback
from collections.abc import Callable
from pathlib import PurePath

from smtpcheck.core import Blocked, Failure, Kind, Skipped, Stage
from smtpcheck.wire import ProtocolError


class Broken(Exception):
    """A step of the way broke, which is a fact about the peer or the way to it.

    args: stage, kind, detail (words), raw (what was said, masked).
    """

    def __init__(self, stage: Stage, kind: Kind, detail: str = "", raw: bytes = b"") -> None:
        super().__init__(stage, kind, detail, raw)
        self.stage = stage
        self.kind = kind
        self.detail = detail
        self.raw = raw

    def unless(self, *mine: Stage) -> Broken:
        """Itself when it broke at one of `mine`, which is the prober's own fact; otherwise raises itself."""
        if self.stage not in mine:
            raise self
        return self


class CouldNotAsk(Exception):
    """Our side stopped it, or nobody answered a question that decides nothing; args: stage, kind, detail."""

    def __init__(self, stage: Stage, kind: Kind, detail: str = "") -> None:
        super().__init__(stage, kind, detail)
        self.stage = stage
        self.kind = kind
        self.detail = detail


class NotNeeded(Exception):
    """The question has no point here; args: why."""


# Order matters: TimeoutError, the ConnectionErrors and ssl's errors are all OSErrors.
_NETWORK: tuple[tuple[type[OSError], Kind], ...] = (
    (ssl.SSLError, Kind.HANDSHAKE),
    (ConnectionRefusedError, Kind.REFUSED),
    (ConnectionResetError, Kind.RESET),
    (ConnectionAbortedError, Kind.RESET),
    (BrokenPipeError, Kind.CLOSED),
    (TimeoutError, Kind.TIMEOUT),
)
_ERRNO = {
    errno.ENETUNREACH: Kind.NO_ROUTE,
    errno.ENETDOWN: Kind.NO_ROUTE,
    errno.EADDRNOTAVAIL: Kind.NO_ROUTE,
    errno.EAFNOSUPPORT: Kind.NO_ROUTE,
    errno.EHOSTUNREACH: Kind.UNREACHABLE,
    errno.EHOSTDOWN: Kind.UNREACHABLE,
    errno.ECONNREFUSED: Kind.REFUSED,
    errno.ETIMEDOUT: Kind.TIMEOUT,
}
OURS = frozenset({Kind.NO_ROUTE, Kind.LOCAL, Kind.DEADLINE, Kind.UNSUPPORTED})


def network_kind(error: OSError) -> Kind:
    """What an error of a socket says about the way to the peer; LOCAL when it says something about us."""
    by_type = next((kind for type_, kind in _NETWORK if isinstance(error, type_)), None)
    return by_type or _ERRNO.get(error.errno or 0, Kind.LOCAL)


def broken(stage: Stage, error: OSError) -> Broken | CouldNotAsk:
    """The exception to raise for a socket's error at `stage`."""
    kind = network_kind(error)
    # an SSLError's number is OpenSSL's, a gaierror's is negative
    known = error.errno in errno.errorcode and not isinstance(error, ssl.SSLError)
    detail = os.strerror(error.errno or 0) if known else type(error).__name__
    return CouldNotAsk(stage, kind, detail) if kind in OURS else Broken(stage, kind, detail)


def outcome(error: Exception, stage: Stage, mask: Callable[[str], str] = str) -> Failure | Blocked | Skipped:
    """How an exception out of a probe reads in its result."""
    match error:
        case Broken():
            return Blocked(error.stage, error.kind, mask(error.detail))
        case CouldNotAsk():
            return Failure(error.kind, error.stage, mask(error.detail))
        case NotNeeded():
            return Skipped(mask(str(error)))
        case ProtocolError():
            return Failure(Kind.GARBAGE, stage, mask(str(error)))
        case TimeoutError():
            return Failure(Kind.DEADLINE, stage)
        case OSError() if network_kind(error) in OURS:
            return Failure(network_kind(error), stage, mask(error.strerror or ""))
    return Failure(Kind.BUG, stage, mask(where(error)))


def where(error: BaseException) -> str:
    """file:line:function and the exception's type and message; never locals."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}:{frames[-1].name}" if frames else "?"
    return f"{place} {type(error).__name__}: {error}"
