"""What does a project look like whose targets are practice accounts?"""

from __future__ import annotations

import json
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
