"""Does a check say what to write into the program, where that was seen to work, and why not elsewhere?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcheck.core import Mode
from smtpcheck.lab import Background, background
from smtpcheck.report import snippets
from tests.cli.test_commands import Shell


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize(
    ("fault", "status", "mode"),
    [("healthy-implicit", 0, Mode.IMPLICIT), ("tls-implicit-on-starttls-port", 1, Mode.STARTTLS)],
)
def test_after_the_verdict_stand_the_settings_that_were_seen_to_work(
    lab: Background, shell: Shell, fault: str, status: int, mode: Mode
) -> None:
    practice = lab.start(fault)

    done = shell.check(practice, "--for", "nodemailer")

    me = practice.target
    text = snippets.render(
        *("nodemailer", practice.host, practice.port, mode, me, me, me), ca_file=practice.options["ca_file"]
    )
    assert done.returncode == status
    verdict, _, settings = done.stdout.partition("\nsettings for nodemailer: ")
    assert me in verdict
    assert settings.splitlines()[0].startswith(f"{practice.host}:{practice.port}, {mode};")
    assert settings.partition("\n\n")[2] == text
    assert practice.password not in done.stdout


@pytest.mark.parametrize(
    ("fault", "lang", "why"),
    [
        ("connect-refused", "en", "no settings for curl: no server was seen to speak TLS"),
        ("connect-refused", "zh-CN", "给不出 curl 的配置：没有测到能用 TLS 的服务器"),
        ("mx-healthy", "en", "no settings for curl: mail exchangers take mail without a login;"),
    ],
)
def test_without_a_mode_that_worked_one_line_says_why_there_are_no_settings(
    lab: Background, shell: Shell, fault: str, lang: str, why: str
) -> None:
    done = shell.check(lab.start(fault), "--for", "curl", "--lang", lang)

    assert done.stdout.splitlines()[-1].startswith(why)


def test_a_user_whom_the_library_can_not_say_is_the_reason_and_no_error(lab: Background, shell: Shell) -> None:
    done = shell.check(lab.start("healthy"), "--for", "curl", "--user", "a:b", "--until", "certificate")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("no settings for curl: ")


def test_an_unknown_library_is_a_usage_error_with_the_known_ones_before_anything_is_asked(
    lab: Background, shell: Shell
) -> None:
    practice = lab.start("healthy")

    done = shell.check(practice, "--for", "nodemailr")

    assert done.returncode == 2
    assert ", ".join(snippets.names()) in done.stderr
    assert practice.smtp is not None
    assert not practice.smtp.ledger.connections


def test_beside_json_on_standard_output_the_settings_go_to_standard_error(lab: Background, shell: Shell) -> None:
    done = shell.check(lab.start("healthy"), "--for", "smtplib", "--json", "-")

    assert json.loads(done.stdout)["verdict"] == "healthy"
    assert "settings for smtplib: " in done.stderr
