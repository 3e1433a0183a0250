"""How is a real server started as a child process, awaited, and stopped with nothing left behind?"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_Seen = TypeVar("_Seen", str, bytes)
LOOPBACK = "127.0.0.1"
WITHIN = 20.0
"""Seconds until a server must answer; Postfix checks its queue folders first and needs 1 to 2."""
# Below net.ipv4.ip_local_port_range (32768 on Linux): a port the kernel would itself hand out to a client
# could be taken between choosing it here and the server's bind.
_PORTS = range(10240, 32768)
# Where Debian keeps daemons; absent from the PATH of most users.
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

# If the tests are killed the server must not outlive them. PR_SET_PDEATHSIG alone is lost when a process changes its
# effective user, as master(8) does (prctl(2)), so a shell that does not passes the signal on.
_BOUND = (
    *("setpriv", "--pdeathsig", "TERM", "sh", "-c"),
    '"$@" & trap "kill $!" TERM; wait $!; status=$?; wait $! 2>/dev/null; exit $status',
    "sh",
)


class Broken(Exception):
    """A server that did not start; what happened, and its log."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One listening service: `name` is its host name, in DNS and in the good certificate."""

    name: str
    address: str
    port: int
    service: str
    certificate: str


def program(name: str) -> str | None:
    """The full path of an installed program, or None."""
    return shutil.which(name, path=_PATH)


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as taken:
            try:
                taken.bind((LOOPBACK, port))
            except OSError:
                return False
    return True


def free_ports(count: int) -> list[int]:
    """That many different ports of 127.0.0.1, free for TCP and for UDP."""
    candidates = (port for port in random.sample(_PORTS, 1000) if _is_free(port))
    return [next(candidates) for _ in range(count)]


@contextlib.contextmanager
def folder(server: str) -> Iterator[Path]:
    """A folder for the whole state of a server: traversable by its own users, and short, for sockets in it.

    Pytest's own temporary folders are closed to other users, and sun_path ends at 108 bytes (unix(7)).
    """
    path = Path(tempfile.mkdtemp(prefix=f"smtpcheck-{server}-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextlib.contextmanager
def running(argv: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A daemon in the foreground, from its first answer to its end; its output is appended to `log`.

    Raises Broken, with the log, when it ends or stays silent in place of getting ready.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*_BOUND, *argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    try:
        _await_ready(process, log, ready)
        yield
    finally:
        _stop(process)


def _await_ready(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + WITHIN
    while not ready():
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise Broken(f"ended with status {process.wait(0.02)}\n{log.read_text(errors='replace')}")
        if time.monotonic() > until:
            raise Broken(f"no answer within {WITHIN} s\n{log.read_text(errors='replace')}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10.0)
    # what the daemon itself started and did not wait for
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def awaited(look: Callable[[], _Seen]) -> _Seen:
    """What `look` finds, as soon as it finds something; raises Broken when it does not."""
    until = time.monotonic() + WITHIN
    while not (found := look()):
        if time.monotonic() > until:
            raise Broken(f"not seen within {WITHIN} s")
        time.sleep(0.02)
    return found


def accepts(port: int) -> bool:
    """Whether a TCP port of 127.0.0.1 takes a connection."""
    try:
        socket.create_connection((LOOPBACK, port), 1.0).close()
    except OSError:
        return False
    return True


def greets(port: int, start: bytes) -> bool:
    """Whether a TCP port of 127.0.0.1 sends, first, a line that begins so."""
    try:
        with socket.create_connection((LOOPBACK, port), 5.0) as peer:
            return peer.recv(512).startswith(start)
    except OSError:
        return False


def listens(path: Path) -> bool:
    """Whether a Unix stream socket takes a connection."""
    with socket.socket(socket.AF_UNIX) as peer:
        try:
            peer.connect(str(path))
        except OSError:
            return False
    return True
