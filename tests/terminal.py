"""How does a test sit at a terminal? A program on a pseudo-terminal of 80 by 24, read as it writes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 20.0


class Seat:
    """The program, and everything it wrote so far."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self._end = end
        self._raw = b""

    @property
    def text(self) -> str:
        """What was written, escape sequences included."""
        return self._raw.decode("utf-8", "replace")

    def type(self, keys: str) -> None:
        """Press keys; `\\x03` is Ctrl-C."""
        os.write(self._end, keys.encode())

    def until(self, words: str, *, after: int = 0) -> str:
        """Everything written, once `words` are in it; fails when the program ends or the patience does."""
        ends = time.monotonic() + PATIENCE
        while words not in self.text[after:]:
            assert time.monotonic() < ends, self.text[-2000:]
            assert self._read(ends), self.text[-2000:]
        return self.text

    def rest(self) -> str:
        """Everything written until the program ended."""
        ends = time.monotonic() + PATIENCE
        while self._read(ends):
            assert time.monotonic() < ends, self.text[-2000:]
        self.process.wait(timeout=PATIENCE)
        return self.text

    def _read(self, ends: float) -> bool:
        ready, _, _ = select.select([self._end], [], [], max(0.0, ends - time.monotonic()))
        if not ready:
            return True
        try:
            raw = os.read(self._end, 65536)
        except OSError:  # Linux says EIO where the last user of the other end has gone
            return False
        self._raw += raw
        return bool(raw)


@contextmanager
def seated(words: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Iterator[Seat]:
    """The program with a terminal as its input, output and error; its group is ended where it still runs."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        list(words),
        cwd=folder,
        env=dict(environ),
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # so that Ctrl-C reaches it
    )
    os.close(its)
    try:
        yield Seat(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        with contextlib.suppress(OSError):
            os.close(ours)


def environment(folder: Path, **more: str) -> dict[str, str]:
    """A user's environment with a terminal that knows colours, and the program of these tests first on the path."""
    here = Path(sys.executable).parent
    kept = {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "LANG": "C.UTF-8"}
    return kept | {"TERM": "xterm-256color", "PYTHONUTF8": "1"} | more
