"""How does a test start the command without paying for its imports? As a fork of a process that has them already.

What runs is a process of its own, with its own streams, folder, environment and end, as `subprocess.run` would start
it, at a tenth of the cost. A new interpreter starts where one is the subject: what is imported, or a variable that
only its start reads.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import smtpcheck
from smtpcheck import advice

# Read when an interpreter starts and never again; the forks are all in UTF-8 mode.
_AT_THE_START, _GRANTED = ("PYTHON", "LD_"), {"PYTHONUTF8"}
# Each process of the command imports these itself: the clock of the deadline starts with the first.
_OWN = ("smtpcheck.cli", "smtpcheck.__main__", "smtpcheck.pytest_plugin", "smtpcheck.notebook")
# Imported by the command when it needs them.
_LATE = ("click.shell_completion", "rich.console", "rich.live", "rich.text", "cryptography.x509", "nbformat", "scramp")
_lock = threading.Lock()
_server: tuple[int, subprocess.Popen[bytes], socket.socket] | None = None


def run(
    command: Sequence[str],
    *,
    cwd: Path | str | None = None,
    env: Mapping[str, str] | None = None,
    input: str | bytes | None = None,  # noqa: A002 - as subprocess.run calls it
    stdout: IO[Any] | None = None,
    text: bool = True,
    timeout: float = 60,
) -> subprocess.CompletedProcess[Any]:
    """As `subprocess.run([sys.executable, "-m", MODULE, ...])` or `-c CODE`, captured; an empty input without `input`.

    Raises TimeoutExpired, after the process was killed.
    """
    environ = dict(os.environ if env is None else env)
    if _only_at_the_start(environ):
        streams: dict[str, Any] = {"stdout": stdout or subprocess.PIPE, "stderr": subprocess.PIPE}
        typed = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            list(command), cwd=cwd, env=environ, text=text, timeout=timeout, check=False, **streams, **typed
        )
    with contextlib.ExitStack() as files:
        entry, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        entry.write(input.encode() if isinstance(input, str) else input or b"")
        entry.seek(0)
        request = {"words": list(command[1:]), "cwd": str(cwd or Path.cwd()), "env": environ}
        with _lock:
            status = _ask(request, [entry.fileno(), (stdout or out).fileno(), err.fileno()], timeout)
        said = [_read(file) for file in (out, err)]
    if status is None:
        raise subprocess.TimeoutExpired(list(command), timeout, *said)
    shown = [None if stdout else said[0], said[1]]
    if text:
        shown = [None if raw is None else raw.decode().replace("\r\n", "\n").replace("\r", "\n") for raw in shown]
    return subprocess.CompletedProcess(list(command), status, *shown)


def _only_at_the_start(environ: Mapping[str, str]) -> bool:
    names = {name for name in {*environ, *os.environ} if name.startswith(_AT_THE_START)} - _GRANTED
    return any(environ.get(name) != os.environ.get(name) for name in names)


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _ask(request: dict[str, Any], streams: list[int], timeout: float) -> int | None:
    """The status of the process, negative for a signal; None where it had to be killed."""
    line = _started()
    body = json.dumps(request).encode()
    socket.send_fds(line, [len(body).to_bytes(8, "big")], streams)
    line.sendall(body)
    pid = _number(line)
    line.settimeout(timeout)
    try:
        return _number(line)
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        line.settimeout(None)
        _number(line)
        return None
    finally:
        line.settimeout(None)


def _number(line: socket.socket) -> int:
    raw = line.recv(8, socket.MSG_WAITALL)
    assert len(raw) == 8, "the process that forks is gone"
    return int.from_bytes(raw, "big", signed=True)


def _started() -> socket.socket:
    """The line to the process that forks: one for each process that runs tests."""
    global _server
    if _server is None or _server[0] != os.getpid():
        ours, its = socket.socketpair()
        command = [sys.executable, "-X", "utf8", __file__, str(its.fileno())]
        process = subprocess.Popen(command, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)
        its.close()
        _server = os.getpid(), process, ours
        atexit.register(_end, process, ours)
    return _server[2]


def _end(process: subprocess.Popen[bytes], line: socket.socket) -> None:
    line.close()
    process.wait(timeout=10)


# The process that forks


def _serve(line: socket.socket) -> None:
    """Start what is asked for, one after the other, until the line ends."""
    while True:
        head, streams, _, _ = socket.recv_fds(line, 8, 3)
        if not head:
            return
        request = json.loads(line.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
        pid = os.fork()
        if not pid:
            line.close()
            _become(request, streams)
            return
        for stream in streams:
            os.close(stream)
        _say(line, pid)
        _say(line, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _say(line: socket.socket, number: int) -> None:
    line.sendall(number.to_bytes(8, "big", signed=True))


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """What an interpreter does between its start and the first line of the program."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.stdin, sys.stdout = open(0, encoding="utf-8"), open(1, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1)  # noqa: SIM115
    sys.path[0] = request["cwd"]
    importlib.invalidate_caches()  # a file that a test has just written is found, however coarse the folder's time is
    how, what, *words = request["words"]
    sys.argv = [what if how == "-m" else how, *words]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as `python -c` does


def _preload() -> None:
    root = Path(smtpcheck.__file__).parent
    files = (path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*.py")))
    names = (".".join(file.parts).removesuffix(".__init__") for file in files)
    for name in (*_LATE, *(name for name in names if not name.startswith(_OWN))):
        importlib.import_module(name)
    advice.ui("en")
    gc.freeze()  # so that the forks share it


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parent.parent)
    _preload()
    _serve(socket.socket(fileno=int(sys.argv[1])))
