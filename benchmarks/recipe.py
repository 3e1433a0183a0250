"""Is one check as quick as the recipe of dig, nc, openssl, swaks and ntpdig that it replaces?

Both are run against the practice servers of this machine, in turn, as whole processes; the median of the ratios counts.
Needs the Debian packages bind9-dnsutils, netcat-openbsd, openssl, swaks and ntpsec-ntpdig. Exit status 1 when the
ratio is above the budget.

    python benchmarks/recipe.py [RUNS]
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from smtpcheck.lab import Practice, background

BUDGET = 2.5
TOOLS = ("dig", "nc", "openssl", "swaks", "ntpdig")


def recipe(practice: Practice) -> list[list[str]]:
    """What people type one after the other today; the secret is only the practice account's."""
    resolver = practice.options["dns"].partition(":")[2]
    where = ["127.0.0.1", str(practice.port)]
    dig = ["dig", "+short", "+tries=1", "-p", resolver, "@127.0.0.1", practice.host]
    swaks = ["swaks", "--server", where[0], "--port", where[1], "-tls", "--tls-verify-ca", "--tls-ca-path"]
    swaks += [practice.options["ca_file"], "--auth", "PLAIN", "--auth-user", practice.target, "--auth-password"]
    swaks += [practice.password, "--quit-after", "AUTH", "--ehlo", "localhost"]
    return [
        [*dig, "A"],
        [*dig, "AAAA"],
        ["nc", "-z", "-w", "2", *where],
        [
            "openssl",
            "s_client",
            "-connect",
            ":".join(where),
            "-starttls",
            "smtp",
            "-CAfile",
            practice.options["ca_file"],
        ],
        swaks,
        ["ntpdig", "-t", "1", "-p", "1", "127.0.0.1"],
    ]


def ours(practice: Practice) -> list[list[str]]:
    """The one command in their place."""
    words = [word for name, value in practice.options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "smtpcheck", "check", f"smtp://{practice.host}:{practice.port}"]
    return [[*command, "--user", practice.target, *words]]


def seconds(commands: list[list[str]], practice: Practice) -> float:
    """The wall time of the commands, one after the other."""
    environ = os.environ | {"SMTPCHECK_PASSWORD": practice.password}
    began = time.perf_counter()
    for command in commands:
        subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    return time.perf_counter() - began


def measured(runs: int, say: Callable[[str], None]) -> float:
    """The median ratio of ours to theirs."""
    with background() as lab:
        practice = lab.start("healthy")
        pairs = [(seconds(ours(practice), practice), seconds(recipe(practice), practice)) for _ in range(runs + 1)][1:]
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    ours_s, recipe_s = (statistics.median(side) for side in zip(*pairs, strict=True))
    say(f"smtpcheck {ours_s:.3f} s, recipe {recipe_s:.3f} s")
    say(f"ratio {ratio:.2f}, budget {BUDGET}")
    return ratio


def main() -> int:
    """Measure and compare."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"not installed: {', '.join(missing)}")
        return 2
    return 0 if measured(int(sys.argv[1]) if len(sys.argv) > 1 else 7, print) <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
