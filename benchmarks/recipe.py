"""Is one check as quick as the recipe of dig, nc, openssl, swaks and ntpdig that it replaces?

Both are run against the practice servers of this machine, in turn, as whole processes, and each of them must have done
its work: the address, the greeting, a verified chain, an accepted login, an offset. The median of the ratios counts.
Needs the Debian packages bind9-dnsutils, netcat-openbsd, openssl, swaks and ntpsec-ntpdig, and root, since ntpdig asks
port 123 and no other. Exit status 1 when the ratio is above the budget or a peer did no work, 2 when one of them can't
be run: then there is no figure.

    python -m benchmarks.recipe [RUNS]
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.peers import IdleError, Peer
from smtpcheck.lab import Lab, Practice
from smtpcheck.lab.listeners import LOOPBACK
from smtpcheck.lab.ntpd import TimeServer

BUDGET = 4.0
"""What is had today, with room for a busy machine; the aim is 1.0."""
TOOLS = ("dig", "nc", "openssl", "swaks", "ntpdig")
NTP = 123
Say = Callable[[str], None]


class UnaskedError(Exception):
    """A peer that can't be given anything to do here."""


def recipe(practice: Practice) -> list[Peer]:
    """What people type one after the other today."""
    resolver = practice.options["dns"].partition(":")[2]
    roots, port = practice.options["ca_file"], str(practice.port)
    dig = ("dig", "+noall", "+comments", "+answer", "+tries=1", "-p", resolver, f"@{LOOPBACK}", practice.host)
    tls = ("-starttls", "smtp", "-CAfile", roots, "-verify_hostname", practice.host, "-verify_return_error")
    login = ("--auth", "PLAIN", "--auth-user", practice.target, "--auth-password", practice.password)
    swaks = ("swaks", "--server", LOOPBACK, "--port", port, "-tls", "--tls-verify", "--tls-ca-path", roots)
    return [
        Peer("dig A", (*dig, "A"), rf"\sA\s+{re.escape(LOOPBACK)}$"),
        Peer("dig AAAA", (*dig, "AAAA"), r"status: NOERROR"),
        Peer("nc", ("nc", "-w", "2", LOOPBACK, port), r"^220 ", "QUIT\r\n"),
        Peer(
            "openssl s_client",
            ("openssl", "s_client", "-connect", f"{LOOPBACK}:{port}", "-servername", practice.host, *tls),
            r"Verify return code: 0 \(ok\)",
            "QUIT\n",
        ),
        Peer("swaks", (*swaks, *login, "--quit-after", "AUTH", "--ehlo", "localhost"), r"^<~\s+235 "),
        Peer(
            "ntpdig", ("ntpdig", "-t", "1", "-p", "1", LOOPBACK), rf"^\d{{4}}-.* [+-]\d+\.\d+ .*{re.escape(LOOPBACK)}"
        ),
    ]


def ours(practice: Practice) -> list[Peer]:
    """The one command in their place."""
    words = [word for name, value in practice.options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = (sys.executable, "-m", "smtpcheck", "check", f"smtp://{practice.host}:{practice.port}")
    return [Peer("smtpcheck", (*command, "--user", practice.target, "--lang", "en", *words), "login ✓.*clock ✓")]


def seconds(peers: Sequence[Peer], environ: Mapping[str, str]) -> float:
    """The wall time of the commands, one after the other. Raises IdleError."""
    began = time.perf_counter()
    for peer in peers:
        peer.run(environ)
    return time.perf_counter() - began


async def measured(runs: int, say: Say) -> float:
    """The median ratio of ours to theirs. Raises IdleError, and UnaskedError where port 123 can't be had."""
    clock = TimeServer()
    try:
        await clock.start(NTP)
    except OSError as error:
        raise UnaskedError(f"{LOOPBACK}:{NTP}, where ntpdig asks, can't be had: {error.strerror}") from error
    try:
        async with Lab() as lab:
            practice = await lab.start("healthy")
            pairs = await asyncio.to_thread(_pairs, practice, runs)
    finally:
        await clock.stop()
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    ours_s, recipe_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    say(f"smtpcheck {ours_s:.3f} s, recipe {recipe_s:.3f} s; {len(pairs)} pairs, each peer did its work")
    say(f"ratio {ratio:.2f}, budget {BUDGET}")
    return ratio


def _pairs(practice: Practice, runs: int) -> list[tuple[float, float]]:
    environ = os.environ | {"SMTPCHECK_PASSWORD": practice.password, "PYTHONUTF8": "1"}
    asked = ours(practice), recipe(practice)
    # the first is not counted: it reads what the later ones find in memory
    return [(seconds(asked[0], environ), seconds(asked[1], environ)) for _ in range(runs + 1)][1:]


def main() -> int:
    """Measure and compare."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"no figure: not installed: {', '.join(missing)}")
        return 2
    try:
        ratio = asyncio.run(measured(int(sys.argv[1]) if len(sys.argv) > 1 else 7, print))
    except IdleError as error:
        print(f"no figure: a peer did not do its work: {error}")
        return 1
    except UnaskedError as error:
        print(f"no figure: {error}")
        return 2
    return 0 if ratio <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
