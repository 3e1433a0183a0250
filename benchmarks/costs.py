"""What do the parts cost that everybody pays for: the help, the plugin, the tables, a handshake, a certificate?

usage: python -m benchmarks.costs

Prints the best of five, in milliseconds of this process or of one that it starts, beside what each should cost on a
machine at rest; fails where one costs more.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from smtpcheck.lab.pki import Authority
from smtpcheck.target.providers import parse_table

RUNS = 5
TABLE = files("smtpcheck.target").joinpath("providers.toml").read_text("utf-8")
QUIET = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-W", "ignore"]
# CPU time of the import and of the hooks, each by a clock around it, in a whole run without a target.
PLUGIN = f"""
import functools, inspect, time
import pytest

spent = 0.0

def timed(function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        global spent
        before = time.process_time()
        try:
            return function(*args, **kwargs)
        finally:
            spent += time.process_time() - before
    return call

before = time.process_time()
import smtpcheck.pytest_plugin as plugin
spent += time.process_time() - before
hooks = [n for n, f in vars(plugin).items() if n.startswith("pytest_") and not inspect.isgeneratorfunction(f)]
assert len(hooks) >= 5
for name in hooks:
    setattr(plugin, name, timed(getattr(plugin, name)))
assert not pytest.main({QUIET!r})
print(spent)
"""


def here(work: Callable[[], object]) -> float:
    """Seconds of CPU in this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


def started(*words: str) -> float:
    """Seconds by the clock of a process."""
    began = time.monotonic()
    subprocess.run([sys.executable, *words], capture_output=True, check=True, timeout=60)
    return time.monotonic() - began


def plugin() -> float:
    """Seconds of CPU that a run of four files without a target spends in the plugin."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("SMTPCHECK", "PYTEST", "PYTHON"))}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(4):
            lines = "".join(f"def test_{each}(): pass\n" for each in range(50))
            Path(folder, f"test_{number}.py").write_text(lines, "utf-8")
        done = subprocess.run(
            [sys.executable, "-c", PLUGIN], cwd=folder, env=keep, capture_output=True, text=True, check=True, timeout=60
        )
    return float(done.stdout.splitlines()[-1])


def four_certificates() -> None:
    """An authority, and a leaf of each of four kinds."""
    mine = Authority()
    for kind in ("good", "expired", "self-signed", "untrusted-root"):
        mine.issue(kind, "smtp.lab.test")


COSTS: dict[str, tuple[Callable[[], float], float]] = {
    "smtpcheck --help": (lambda: started("-m", "smtpcheck", "--help"), 0.15),
    "a run of pytest without a target": (plugin, 0.005),
    "the table of providers": (lambda: here(lambda: parse_table(TABLE)), 0.03),
    "an authority and four certificates": (lambda: here(four_certificates), 0.2),
}


def main() -> None:
    """Measure each, and fail where one costs more than it should."""
    dear = []
    for name, (measured, most) in COSTS.items():
        best = min(measured() for _ in range(RUNS))
        print(f"{best * 1000:7.1f} ms  (at most {most * 1000:.0f})  {name}")
        dear += [name] if best > most else []
    if dear:
        sys.exit(f"dearer than they should be: {', '.join(dear)}")


if __name__ == "__main__":
    main()
