"""What does a project look like whose targets are practice accounts?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

# pytester forgets after each inner run what that has imported; half of a package forgotten is two packages
import smtpcheck.pytest_plugin.items
import smtpcheck.pytest_plugin.practice
import smtpcheck.pytest_plugin.summary  # noqa: F401
from smtpcheck.lab import Practice

INI = """[pytest]
addopts = -p no:hypothesispytest
asyncio_default_fixture_loop_scope = function
"""
"""For inner runs: Hypothesis takes a second to load, and pytest-asyncio warns where it is not told a scope."""


def table(practice: Practice, name: str, **options: Any) -> str:
    """[targets.NAME] for a practice account."""
    given = {"target": practice.target, **practice.options, **options}
    lines = (f"{key} = {json.dumps(value)}" for key, value in given.items())
    return "\n".join([f"[targets.{name}]", *lines, ""])


@cache
def _compiled() -> tempfile.TemporaryDirectory[str]:
    """Where inner runs keep what they compiled, as any installation does; gone with this process."""
    return tempfile.TemporaryDirectory(prefix="smtpcheck-tests-")


def run_pytest(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """pytest as its own process in a folder, with nothing of ours around it but `environ`."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("SMTPCHECK", "PYTEST", "PYTHON"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *words],
        cwd=folder,
        env=keep | {"SMTPCHECK_LANG": "en", "PYTHONPYCACHEPREFIX": _compiled().name} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
