"""Does every exception read as what it means, and tell nothing else?"""

from __future__ import annotations

import errno
import os
import socket
import ssl

import pytest

from smtpcheck.core import Blocked, Failure, Kind, Skipped, Stage, because
from smtpcheck.net.failures import OURS, Broken, CouldNotAsk, NotNeeded, broken, network_kind, outcome, where
from smtpcheck.wire import ProtocolError

KINDS = {
    errno.ECONNREFUSED: Kind.REFUSED,
    errno.ECONNRESET: Kind.RESET,
    errno.ECONNABORTED: Kind.RESET,
    errno.EPIPE: Kind.CLOSED,
    errno.ESHUTDOWN: Kind.CLOSED,
    errno.ETIMEDOUT: Kind.TIMEOUT,
    errno.EHOSTUNREACH: Kind.UNREACHABLE,
    errno.EHOSTDOWN: Kind.UNREACHABLE,
    errno.ENETUNREACH: Kind.NO_ROUTE,
    errno.ENETDOWN: Kind.NO_ROUTE,
    errno.EADDRNOTAVAIL: Kind.NO_ROUTE,
    errno.EAFNOSUPPORT: Kind.NO_ROUTE,
}


@pytest.mark.parametrize("number", sorted(errno.errorcode), ids=lambda n: errno.errorcode[n])
def test_every_errno(number: int) -> None:
    error = OSError(number, os.strerror(number))
    kind = KINDS.get(number, Kind.LOCAL)
    assert network_kind(error) is kind
    raised = broken(Stage.CONNECT, error)
    assert isinstance(raised, CouldNotAsk if kind in OURS else Broken)
    assert (raised.stage, raised.kind) == (Stage.CONNECT, kind)
    assert raised.reason == because("system-error", errno=errno.errorcode[number], os=os.strerror(number))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (TimeoutError(), Kind.TIMEOUT, "TimeoutError"),
        (TimeoutError(), Kind.TIMEOUT, "TimeoutError"),
        (ConnectionRefusedError(), Kind.REFUSED, "ConnectionRefusedError"),
        (ConnectionResetError(), Kind.RESET, "ConnectionResetError"),
        (ConnectionAbortedError(), Kind.RESET, "ConnectionAbortedError"),
        (BrokenPipeError(), Kind.CLOSED, "BrokenPipeError"),
        (ssl.SSLError(1, "[SSL] bad"), Kind.HANDSHAKE, "SSLError"),
        (ssl.SSLZeroReturnError(6, "closed"), Kind.HANDSHAKE, "SSLZeroReturnError"),
        (ssl.SSLCertVerificationError(1, "no"), Kind.HANDSHAKE, "SSLCertVerificationError"),
        (ssl.SSLError(errno.ECONNREFUSED, "a number of OpenSSL's"), Kind.HANDSHAKE, "SSLError"),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Kind.LOCAL, "gaierror"),
        (PermissionError(), Kind.LOCAL, "PermissionError"),
        (OSError("words"), Kind.LOCAL, "OSError"),
        # what asyncio says: the address is in the words, the number is right
        (OSError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)"), Kind.REFUSED, os.strerror(errno.ECONNREFUSED)),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, Exception) else str(v),
)
def test_types_without_errno_and_order(error: OSError, kind: Kind, words: str) -> None:
    assert network_kind(error) is kind
    assert words in broken(Stage.TLS, error).reason.seen.values()


def masked(text: str) -> str:
    return text.replace("hunter2", "<secret>")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            Broken(Stage.TLS, Kind.RESET, because("x", said="said hunter2"), b"hunter2"),
            Blocked(Stage.TLS, Kind.RESET, "x", {"said": "said <secret>"}),
        ),
        (
            CouldNotAsk(Stage.DNS, Kind.NO_ROUTE, because("x", said="hunter2", limit=2)),
            Failure(Kind.NO_ROUTE, Stage.DNS, "x", {"said": "<secret>", "limit": 2}),
        ),
        (NotNeeded(because("x", said="no hunter2")), Skipped("x", {"said": "no <secret>"})),
        (ProtocolError("hunter2"), Failure(Kind.GARBAGE, Stage.AUTH)),
        (
            ProtocolError("hunter2", because("x", said="hunter2")),
            Failure(Kind.GARBAGE, Stage.AUTH, "x", {"said": "<secret>"}),
        ),
        (TimeoutError(), Failure(Kind.DEADLINE, Stage.AUTH)),
        (
            OSError(errno.ENETUNREACH, "no way to hunter2"),
            Failure(
                Kind.NO_ROUTE,
                Stage.AUTH,
                "system-error",
                {"errno": "ENETUNREACH", "os": os.strerror(errno.ENETUNREACH)},
            ),
        ),
        (
            OSError(errno.EMFILE, "too many"),
            Failure(Kind.LOCAL, Stage.AUTH, "system-error", {"errno": "EMFILE", "os": os.strerror(errno.EMFILE)}),
        ),
    ],
    ids=lambda v: type(v).__name__,
)
def test_outcome(error: Exception, expected: object) -> None:
    assert outcome(error, Stage.AUTH, masked) == expected


@pytest.mark.parametrize(
    "error",
    [
        ValueError("hunter2"),
        KeyError("hunter2"),
        AssertionError(),
        RecursionError(),
        StopAsyncIteration(),
        ExceptionGroup("several", [ValueError("hunter2"), TimeoutError()]),
        ConnectionResetError(errno.ECONNRESET, "hunter2"),  # a fact that its probe did not write down
        ssl.SSLError(1, "hunter2"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_our_mistake_is_shown_as_ours(error: Exception) -> None:
    result = outcome(error, Stage.AUTH, masked)
    assert isinstance(result, Failure)
    assert (result.kind, result.stage) == (Kind.BUG, Stage.AUTH)
    assert (result.code, result.seen["error"]) == ("exception", type(error).__name__)
    assert "hunter2" not in str(result.seen)


def test_where_shows_the_place_and_no_locals() -> None:
    def deeper(secret: str) -> None:
        copied = secret * 2
        raise RuntimeError(f"broke after {len(copied)}")

    try:
        deeper("canary")
    except RuntimeError as error:
        found = where(error)
    line = deeper.__code__.co_firstlineno + 2
    place = f"test_failures.py:{line}:deeper"
    assert found == because("exception", place=place, error="RuntimeError", words="broke after 12")
    assert where(RuntimeError("never raised")) == because(
        "exception", place="?", error="RuntimeError", words="never raised"
    )


def test_a_break_is_the_fact_of_its_own_prober_only() -> None:
    error = Broken(Stage.TLS, Kind.RESET)
    assert error.unless(Stage.STARTTLS, Stage.TLS) is error
    with pytest.raises(Broken) as caught:
        error.unless(Stage.AUTH)
    assert caught.value is error
    with pytest.raises(Broken):
        error.unless()


def test_exceptions_keep_their_positional_args() -> None:
    a = because("a", limit=1)
    assert Broken(Stage.TLS, Kind.RESET, a, b"b").args == (Stage.TLS, Kind.RESET, a, b"b")
    assert CouldNotAsk(Stage.DNS, Kind.LOCAL, a).args == (Stage.DNS, Kind.LOCAL, a)
    assert NotNeeded(a).args == (a,)
