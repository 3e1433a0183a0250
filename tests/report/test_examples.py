"""Are the examples in reports/ what the formats write today?"""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from smtpcheck.report import formats

ROOT = Path(__file__).parents[2]
EXAMPLES = runpy.run_path(str(ROOT / "docs" / "examples.py"))["examples"]()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_of_today(name: str) -> None:
    path = ROOT / "reports" / name
    assert path.is_file() and path.read_text("utf-8") == EXAMPLES[name], "run: python docs/examples.py"


def test_every_format_has_one_and_there_is_no_other() -> None:
    kept = {path.name for path in (ROOT / "reports").glob("example.*")}
    assert kept == {f"example{suffix}" for suffix in formats.suffixes().values()} | {"example.zh-CN.md"}
