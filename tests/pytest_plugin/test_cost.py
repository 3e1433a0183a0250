"""What does the plugin cost a run that has no target?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BUDGET = 0.005
"""Seconds."""
# CPU time of the import and of the hooks, each by a clock around it, in a whole run; and what was imported.
MEASURED = """
import functools, inspect, sys, time
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
for name in hooks:
    setattr(plugin, name, timed(getattr(plugin, name)))
options = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-W", "ignore"]
status = pytest.main(options)
print(len(hooks), status.value, spent, *sorted(name for name in sys.modules if name.startswith("smtpcheck")))
"""


def measured(folder: Path) -> tuple[int, float, list[str]]:
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("SMTPCHECK", "PYTEST", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        cwd=folder,
        env=keep | {"PYTHONPYCACHEPREFIX": str(folder.parent / "compiled")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    hooks, status, seconds, *modules = done.stdout.splitlines()[-1].split()
    assert int(hooks) >= 5
    return int(status), float(seconds), modules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    for number in range(4):
        (project / f"test_{number}.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(50)))
    (project / "other.toml").write_text("[tool]\n")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n" + "# long\n" * 2000)
    return project


def test_a_run_without_targets_pays_less_than_five_milliseconds(folder: Path) -> None:
    """Compiled once before, as any installed module is; the best of three, for other programs are not the plugin's."""
    runs = [measured(folder) for _ in range(4)]

    assert {status for status, _, _ in runs} == {0}
    assert min(seconds for _, seconds, _ in runs[1:]) < BUDGET


def test_a_run_without_targets_imports_nothing_but_the_plugin(folder: Path) -> None:
    assert measured(folder)[2] == ["smtpcheck", "smtpcheck.pytest_plugin"]
