"""Is everything that docs/pytest.md shows true? Its files are written, its commands run, its output compared."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcheck.lab import Background, Practice, background
from tests.pytest_plugin.projects import INI

pytest_plugins = ["pytester"]

DOC = (Path(__file__).parents[2] / "docs" / "pytest.md").read_text("utf-8")


def block(marker: str) -> str:
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```\w+\n(.*?\n)```", DOC, re.DOTALL)
    assert found, marker
    return found[1]


@pytest.fixture(scope="module")
def practice() -> Iterator[Practice]:
    with background() as lab:
        yield account(lab)


def account(lab: Background) -> Practice:
    records = ("_submission._tcp.example.com SRV 0 1 587 smtp.example.com.", "smtp.example.com A 127.0.0.1")
    return lab.start("healthy", domain="example.com", host="smtp.example.com", ports=(587,), records=records)


@pytest.fixture
def project(pytester: pytest.Pytester, practice: Practice, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The page's files; its names lead to the practice server, by settings from the environment."""
    (pytester.path / "pytest.ini").write_text(INI + "asyncio_mode = auto\n")
    for name in ("smtpcheck.toml", "test_own.py"):
        (pytester.path / name).write_text(block(f"file: {name}"), encoding="utf-8")
    (pytester.path / "smtpcheck.staging.toml").write_text("deadline = 20\n")
    monkeypatch.setenv("SMTPCHECK_LANG", "en")
    monkeypatch.delenv("SMTPCHECK_PASSWORD", raising=False)
    for key, value in practice.options.items():
        monkeypatch.setenv(f"SMTPCHECK__{key.upper()}", value if isinstance(value, str) else json.dumps(value))
    return pytester


def test_the_commands_do_what_is_said(
    project: pytest.Pytester, practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_CODE", practice.password)
    lines = block("commands").splitlines()
    expected = [22, 2, 10, 5, 29, 22, 22, 22]

    for line, passed in zip(lines, expected, strict=True):
        program, *words = shlex.split(line, comments=True)
        assert program == "pytest"
        workers = "-n" in words
        result = project.runpytest_subprocess(*words) if workers else project.runpytest(*words)
        assert (result.ret, result.parseoutcomes()["passed"]) == (0, passed), line


def test_the_output_is_what_is_printed(project: pytest.Pytester) -> None:
    result = project.runpytest("smtpcheck.toml")

    assert result.ret == 1
    assert block("output") in result.stdout.str()


def test_the_id_is_as_shown(project: pytest.Pytester) -> None:
    result = project.runpytest("smtpcheck.toml", "--collect-only", "-q")

    (shown,) = set(re.findall(r"`(smtpcheck\.toml::\S+)`", DOC))
    assert shown in result.outlines
