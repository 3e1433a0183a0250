"""Is every fault either injected, or explained as one that nobody can see from here?"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from smtpcheck import advice
from smtpcheck.lab import Lab

KNOWN = (Path(__file__).parent.parent.parent / "docs" / "faults.txt").read_text("utf-8").split()
REASONS = tomllib.loads(files("smtpcheck.diagnosis").joinpath("untestable.toml").read_text("utf-8"))


def test_what_can_not_be_seen_is_a_known_fault_with_a_reason_and_is_not_injected() -> None:
    assert REASONS.keys() <= set(KNOWN)
    assert not REASONS.keys() & Lab.faults.keys()
    assert all(row.keys() == {"why"} and row["why"] for row in REASONS.values())


@pytest.mark.parametrize("lang", advice.LANGUAGES)
@pytest.mark.parametrize("fault", REASONS)
def test_it_is_explained_with_steps(fault: str, lang: str) -> None:
    entry = advice.entry(fault, lang)

    assert entry
    assert entry.steps
    assert entry.otherwise
