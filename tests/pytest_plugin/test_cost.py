"""What does the plugin cost a run that has no target?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# In a whole run: the status, and what of ours was imported.
RUN = """
import sys
import pytest

options = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "no:hypothesispytest", "-W", "ignore"]
status = pytest.main(options)
print(status.value, *sorted(name for name in sys.modules if name.startswith("smtpcheck")))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    for number in range(4):
        (project / f"test_{number}.py").write_text("".join(f"def test_{n}(): pass\n" for n in range(50)))
    (project / "other.toml").write_text("[tool]\n")
    (project / "pyproject.toml").write_text("[project]\nname = 'x'\n" + "# long\n" * 2000)
    return project


def test_a_run_without_targets_imports_nothing_but_the_plugin(folder: Path) -> None:
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("SMTPCHECK", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, env=keep, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.splitlines()[-1].split() == ["0", "smtpcheck", "smtpcheck.pytest_plugin"]
