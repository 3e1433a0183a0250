"""Does the README show what the program really does? Its sessions, commands, Python and codes are executed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from smtpcheck import advice
from smtpcheck.cli import cli
from smtpcheck.lab import background

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def block(marker: str, kind: str) -> str:
    """The fenced block after a marker."""
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```{kind}\n(.*?)\n?```", README, re.DOTALL)
    assert found, marker
    return found[1]


def steady(text: str) -> list[str]:
    """Lines without what differs between runs: ports and times."""
    return [
        re.sub(r"\d+(\.\d+)? s\b", "N s", re.sub(r":\d{4,5}\b", ":PORT", line)).rstrip() for line in text.splitlines()
    ]


def test_the_session_is_what_the_demo_prints(tmp_path: Path) -> None:
    shown = steady(block("session: demo", "text"))

    done = subprocess.run(
        [sys.executable, "-m", "smtpcheck", "demo", "--lang", "en"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    printed = steady(done.stdout)
    start = printed.index(shown[0])
    assert printed[start : start + len(shown)] == shown


def test_the_two_commands_install_from_the_lock_with_hashes() -> None:
    for marker in ("demo-command", "test-command"):
        command = block(marker, "sh")
        assert len(command.splitlines()) == 1
        assert "--require-hashes -r requirements.lock" in command
    assert "--hash=sha256:" in (ROOT / "requirements.lock").read_text("utf-8")


@pytest.mark.parametrize("line", [line for line in README.splitlines() if line.startswith("smtpcheck ")])
def test_every_command_shown_is_one_that_exists(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = cli.get_command(click.Context(cli), words[0])
    assert command
    command.make_context("smtpcheck", words[1:], resilient_parsing=True)
    if words[0] == "explain":
        assert advice.entry(words[1], "en")


def test_the_python_shown_runs() -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code
    with background() as lab:
        practice = lab.start("healthy-implicit")
        where = f"smtp.example.com:587:127.0.0.1:{practice.port}"
        shown = (
            code[1]
            .replace('ntp="192.0.2.1"', f'ntp="{practice.options["ntp"]}"')
            .replace(
                'until="certificate"',
                f'until="certificate", connect_to=("{where}",), ntp="{practice.options["ntp"]}", deadline=5',
            )
        )
        names: dict[str, object] = {}
        exec(shown, names)  # noqa: S102  # the README's own lines

    assert str(getattr(names["report"], "verdict", "")) in ("healthy", "broken")


def test_every_file_that_is_linked_is_there() -> None:
    links = re.findall(r"\]\(([a-zA-Z][^):]*)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
