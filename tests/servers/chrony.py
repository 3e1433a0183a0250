"""How does an honest NTP server run for the tests, and how does a program run under a wrong clock?"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import ntplib

from tests.servers.daemon import LOOPBACK, folder, free_ports, program, running

STRATUM = 8
Faketime = Callable[[str], dict[str, str]]

_CONF = """\
port {port}
bindaddress {address}
allow {address}
local stratum {stratum}
cmdport 0
bindcmdaddress /
pidfile {home}/pid
"""


@dataclass(frozen=True, slots=True)
class Chrony:
    """A running chronyd that serves this machine's clock and never sets it."""

    address: str
    port: int
    log: Path
    stratum: int = STRATUM


def _answers(port: int) -> bool:
    try:
        return bool(ntplib.NTPClient().request(LOOPBACK, version=4, port=port, timeout=0.1).stratum == STRATUM)
    except (ntplib.NTPException, OSError):
        return False


@contextlib.contextmanager
def chrony() -> Iterator[Chrony]:
    """chronyd on a free port: no sources, and -x, so that it leaves the clock alone."""
    (port,) = free_ports(1)
    with folder("chrony") as home:
        conf, log = home / "chrony.conf", home / "log"
        conf.write_text(_CONF.format(home=home, address=LOOPBACK, port=port, stratum=STRATUM))
        # -U: needs no root, as it only answers from a high port
        argv = [program("chronyd") or "chronyd", "-U", "-x", "-d", "-f", str(conf)]
        if os.geteuid() == 0:
            argv += ["-u", "root"]
        with running(argv, log, lambda: _answers(port)):
            yield Chrony(LOOPBACK, port, log)


def faketime_library() -> Path | None:
    """Debian's libfaketime.so.1, or None; its folder depends on the architecture."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


def faketime_env(offset: str) -> dict[str, str]:
    """Variables that shift a program's wall clock, as "+7m", and leave its monotonic clock alone.

    Event loops wait on the monotonic clock; libfaketime would shift that too.
    """
    return {"LD_PRELOAD": str(faketime_library()), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
