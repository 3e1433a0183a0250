"""How is a file written so that an older one survives a failure? Whole beside it, synced, then renamed over it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

PRIVATE = 0o600
"""A report names hosts, accounts and recipients: it is its owner's alone."""
PROJECT = 0o666
"""Less the umask: what a project keeps under version control."""
STANDARD = {"stdin": 0, "stdout": 1, "stderr": 2}
_DESCRIPTOR = re.compile(r"/dev/(?P<name>stdin|stdout|stderr)|/(?:dev|proc/self)/fd/(?P<number>[0-9]{1,9})")


def write(path: str | os.PathLike[str], content: str, *, mode: int = PRIVATE) -> None:
    """Write UTF-8. Raises OSError, with `path` as its file name; what stood there before is then still whole.

    A regular file, or a name that is free, gets the content by rename(2): its reader sees the old or the new text,
    never a part. A symbolic link there is replaced, never followed: whoever could plant it in a shared folder would
    choose which file is overwritten or where a report is sent, and a refusal would lose the report.

    What can't be renamed over is written to directly: a device, a FIFO that somebody reads (else ENXIO, instead of
    waiting for ever), and a descriptor of this process such as /dev/stdout, also one redirected to a file.
    """
    octets = content.encode("utf-8")
    try:
        if (own := descriptor(path)) is not None:
            _into(os.dup(own), octets)
        elif _replaceable(path):
            _replace(os.fspath(path), octets, mode)
        else:
            _into(_opened(path), octets)
    except OSError as error:
        error.filename, error.filename2 = os.fspath(path), None
        raise


def descriptor(path: str | os.PathLike[str]) -> int | None:
    """The descriptor of this process that a path stands for, as /dev/stdout and /dev/fd/63 do; None for others."""
    found = _DESCRIPTOR.fullmatch(os.fspath(path))
    if found is None:
        return None
    return int(found["number"]) if found["number"] else STANDARD[found["name"]]


def _replaceable(path: str | os.PathLike[str]) -> bool:
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return True
    return stat.S_ISREG(kind) or stat.S_ISLNK(kind)


def _replace(path: str, octets: bytes, mode: int) -> None:
    # a name of its own, since the destination's with an addition may be too long
    part = Path(path).parent / f".smtpcheck-{os.urandom(8).hex()}.tmp"
    fresh = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fresh, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _opened(path: str | os.PathLike[str]) -> int:
    opened = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(opened, True)
    return opened


def _into(opened: int, octets: bytes) -> None:
    with os.fdopen(opened, "wb") as file:
        file.write(octets)
