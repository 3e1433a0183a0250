"""Does `smtpcheck suite` write a directory in which `pytest` works at once?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcheck import settings
from smtpcheck.lab import Background, background
from tests.cli.test_commands import Shell, aimed


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_pytest_works_at_once_in_what_suite_writes(lab: Background, shell: Shell) -> None:
    practice = lab.start("healthy")

    written = shell("suite", practice.target, *aimed(practice), "-o", "mail")
    done = subprocess.run(
        [sys.executable, "-m", "pytest"],
        cwd=shell.folder / "mail",
        env=os.environ | {"SMTPCHECK_LANG": "en", "SMTPCHECK_PASSWORD": practice.password},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert written.returncode == 0, written.stderr
    assert written.stdout.splitlines()[-1] == "cd mail && pytest"
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 passed" in done.stdout
    assert f"healthy up to certificate; login, delivery not tested   {practice.target}" in done.stdout
    assert practice.smtp is not None
    assert (practice.smtp.ledger.connections, practice.smtp.ledger.auths) == (1, 0)


def test_options_are_written_under_their_names_and_read_again(shell: Shell) -> None:
    done = shell(
        *("suite", "me@qq.com", "--to", "a@b.test", "--to", "c@d.test", "--deadline", "7", "--only-target"),
        *("--connect-to", "smtp.qq.com:465:127.0.0.1:1465", "--mode", "implicit"),
    )

    assert done.returncode == 0, done.stderr
    (entry,) = settings.read(shell.folder / "mailtests", {}).entries
    assert (entry.name, entry.spec) == ("me-qq-com", "me@qq.com")
    assert entry.options == {
        "recipients": ("a@b.test", "c@d.test"),
        "deadline": 7.0,
        "only_target": True,
        "connect_to": ("smtp.qq.com:465:127.0.0.1:1465",),
        "mode": "implicit",
        "secret": "env:SMTPCHECK_PASSWORD",
    }
    assert "qq-password-not-authcode" in (shell.folder / "mailtests" / "test_mail.py").read_text("utf-8")


def test_nothing_is_overwritten_and_a_target_that_is_none_is_a_usage_error(shell: Shell) -> None:
    (shell.folder / "mailtests").mkdir()
    (shell.folder / "mailtests" / "README.md").write_text("mine")

    again, none = shell("suite", "me@qq.com"), shell("suite", "me:hunter2@qq.com", "-o", "x")

    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert [path.name for path in (shell.folder / "mailtests").iterdir()] == ["README.md"]
    assert none.returncode == 2
    assert "hunter2" not in none.stderr
    assert not (shell.folder / "x").exists()


def test_the_workflow_is_yaml_with_the_folder_filled_in(shell: Shell) -> None:
    shell("suite", "me@qq.com", "-o", "mail")

    text = (shell.folder / "mail" / "mail.yml").read_text("utf-8")

    assert "working-directory: mail" in text
    assert "${{ secrets.SMTPCHECK_PASSWORD }}" in text
    assert "{folder}" not in text
