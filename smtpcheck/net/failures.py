"""What does an exception mean? The only file that knows the libraries' exception types."""

from __future__ import annotations

import errno
import os
import ssl
import traceback
from collections.abc import Callable, Mapping
from pathlib import PurePath

from smtpcheck.core import NO_REASON, Blocked, Failure, Kind, Reason, Scalar, Skipped, Stage, because
from smtpcheck.wire import ProtocolError


class Broken(Exception):
    """A step of the way broke, which is a fact about the peer or the way to it.

    args: stage, kind, reason, raw (what was said, masked).
    """

    def __init__(self, stage: Stage, kind: Kind, reason: Reason = NO_REASON, raw: bytes = b"") -> None:
        super().__init__(stage, kind, reason, raw)
        self.stage = stage
        self.kind = kind
        self.reason = reason
        self.raw = raw

    def unless(self, *mine: Stage) -> Broken:
        """Itself when it broke at one of `mine`, which is the prober's own fact; otherwise raises itself."""
        if self.stage not in mine:
            raise self
        return self


class CouldNotAsk(Exception):
    """Our side stopped it, or nobody answered a question that decides nothing; args: stage, kind, reason."""

    def __init__(self, stage: Stage, kind: Kind, reason: Reason = NO_REASON) -> None:
        super().__init__(stage, kind, reason)
        self.stage = stage
        self.kind = kind
        self.reason = reason


class NotNeeded(Exception):
    """The question has no point here; args: the reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


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
    kind, reason = network_kind(error), os_reason(error)
    return CouldNotAsk(stage, kind, reason) if kind in OURS else Broken(stage, kind, reason)


def os_reason(error: OSError) -> Reason:
    """The system's own name and words for it; the library's name where the number is none of the system's."""
    # an SSLError's number is OpenSSL's, a gaierror's is negative
    number = error.errno or 0
    if number in errno.errorcode and not isinstance(error, ssl.SSLError):
        return because("system-error", errno=errno.errorcode[number], os=os.strerror(number))
    return because("library-error", error=type(error).__name__)


def outcome(error: Exception, stage: Stage, mask: Callable[[str], str] = str) -> Failure | Blocked | Skipped:
    """How an exception out of a probe reads in its result."""
    match error:
        case Broken():
            return Blocked(error.stage, error.kind, *_masked(error.reason, mask))
        case CouldNotAsk():
            return Failure(error.kind, error.stage, *_masked(error.reason, mask))
        case NotNeeded():
            return Skipped(*_masked(error.reason, mask))
        case ProtocolError():
            return Failure(Kind.GARBAGE, stage, *_masked(error.reason, mask))
        case TimeoutError():
            return Failure(Kind.DEADLINE, stage)
        case OSError() if network_kind(error) in OURS:
            return Failure(network_kind(error), stage, *_masked(os_reason(error), mask))
    return Failure(Kind.BUG, stage, *_masked(where(error), mask))


def _masked(reason: Reason, mask: Callable[[str], str]) -> tuple[str, Mapping[str, Scalar]]:
    return reason.code, {name: mask(one) if isinstance(one, str) else one for name, one in reason.seen.items()}


def where(error: BaseException) -> Reason:
    """file:line:function and the exception's type and message; never locals."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno}:{frames[-1].name}" if frames else "?"
    return because("exception", place=place, error=type(error).__name__, words=str(error))
