"""Can the replay commands be pasted into a shell, whatever a name holds, and do they ask the same server?"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from smtpcheck.core import Mode, Report, Subject
from smtpcheck.lab import Background, background
from smtpcheck.report import escape, formats
from tests.checking import SHORT, aim
from tests.report.samples import ALL, HERE, refused, report, result, target, walk
from tests.report.strangers import ATTACKS, attacked
from tests.report.test_formats import recorded

PROGRAMS = ("dig", "openssl", "swaks")


def commands(one: Report) -> list[list[str]]:
    lines = formats.render([one], "commands").splitlines()
    return [shlex.split(line.removesuffix(" </dev/null")) for line in lines if line and not line.startswith("#")]


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


@pytest.fixture
def shell(tmp_path: Path):
    """Runs a script where the three programs only write down their arguments."""
    tools, home = tmp_path / "tools", tmp_path / "home"
    tools.mkdir()
    home.mkdir()
    log = tmp_path / "log"
    (tools / "touch").symlink_to(str(shutil.which("touch")))
    for name in PROGRAMS:
        stand_in = tools / name
        stand_in.write_text(f"#!/bin/sh\nprintf '%s\\0' {name} \"$@\" >> {log}\nprintf '\\n\\0' >> {log}\n")
        stand_in.chmod(0o755)

    def run(script: str) -> list[list[str]]:
        log.write_text("")
        subprocess.run(
            ["/bin/sh"],
            input=script,
            text=True,
            cwd=home,
            env={"PATH": str(tools), "LC_ALL": "C.UTF-8"},
            check=True,
            timeout=30,
        )
        assert not list(home.iterdir()), "the shell ran a stranger's words"
        return [words.split("\0")[:-1] for words in log.read_text("utf-8").split("\n\0")[:-1]]

    return run


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_shell_runs_the_three_programs_and_nothing_of_a_strangers(attack: str, shell) -> None:
    ran = []
    for one in attacked(recorded(), attack):
        script = formats.render([one], "commands")
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
        ran = shell(script)
        assert ran == commands(one)
        assert {command[0] for command in ran} == set(PROGRAMS)
    spec = escape.visible(one.target.user, 1000)
    assert option(ran[-1], "--auth-user") == spec


def test_a_file_name_in_a_comment_is_no_command(shell) -> None:
    one = replace(ALL["refused"], target=target(spec="x\ntouch pwned\n#"))
    shell(formats.render([one, one], "commands", lang="zh-CN"))


def test_the_very_address_is_asked_with_the_name_of_the_host() -> None:
    dig, *_, openssl, swaks = commands(recorded())
    assert dig[:2] == ["dig", f"@{recorded().target.dns.partition(':')[0]}"]
    subject = next(r.subject for r in recorded().results if r.probe == "chain")
    assert option(openssl, "-connect") == f"127.0.0.1:{subject.port}"
    assert option(openssl, "-servername") == option(openssl, "-verify_hostname") == subject.name
    assert (option(swaks, "--server"), option(swaks, "--port")) == ("127.0.0.1", str(subject.port))


def test_a_detour_is_taken() -> None:
    one = refused(target=target(connect_to=(f"{HERE.name}:587:127.0.0.9:2587",)))
    *_, openssl, swaks = commands(one)
    assert option(openssl, "-connect") == "127.0.0.9:2587"
    assert option(swaks, "--port") == "2587"


def test_ipv6_stands_in_brackets_where_a_port_follows() -> None:
    six = Subject(HERE.name, "2001:db8::1", 465, Mode.IMPLICIT)
    *_, openssl, swaks = commands(report(walk(six)))
    assert option(openssl, "-connect") == "[2001:db8::1]:465"
    assert "-starttls" not in openssl
    assert option(swaks, "--server") == "2001:db8::1"
    assert "--tls-on-connect" in swaks


def test_one_mechanism_is_named_and_no_password() -> None:
    """Left to itself swaks tries every mechanism, and each costs an attempt."""
    swaks = commands(refused(target=target(user="me@example.test")))[-1]
    assert option(swaks, "--auth") == "PLAIN"
    assert {"--protect-prompt", "--auth-hide-password"} <= set(swaks)
    assert not [word for word in swaks if word.startswith(("--auth-password", "-ap"))]


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "XOAUTH2"])
def test_what_swaks_does_not_speak_is_not_tried(mechanism: str) -> None:
    swaks = commands(refused(target=target(user="me@example.test", auth=mechanism)))[-1]
    assert "--auth" not in swaks
    assert option(swaks, "--quit-after") == "TLS"


def test_without_an_endpoint_there_are_names_alone() -> None:
    lost = report((result("submission", Subject("example.test")),))
    assert {command[0] for command in commands(lost)} == {"dig"}


@pytest.fixture(scope="module")
def lab():
    with background() as running:
        yield running


@pytest.mark.parametrize(("fault", "status"), [("healthy", 0), ("healthy-implicit", 0), ("auth-refused", 28)])
def test_real_swaks_and_openssl_come_to_the_same(lab: Background, fault: str, status: int) -> None:
    for name in ("swaks", "openssl"):
        if shutil.which(name) is None:
            pytest.skip(f"needs {name}: apt-get install {name}")
    practice = lab.start(fault)
    one = check(practice)
    script = [line for line in formats.render([one], "commands").splitlines() if line.startswith(("swaks", "openssl"))]
    openssl, swaks = (
        subprocess.run(
            ["/bin/sh", "-c", line],
            input=f"{practice.password}\n",
            text=True,
            capture_output=True,
            timeout=30,
            check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        for line in script
    )
    assert "Verify return code: 0 (ok)" in openssl.stdout
    assert swaks.returncode == status, swaks.stdout + swaks.stderr
    assert swaks.stdout.count("~> AUTH") == 1
    assert practice.password not in swaks.stdout


def check(practice) -> Report:
    import asyncio

    from smtpcheck.run import run
    from smtpcheck.target.credentials import Secret

    return asyncio.run(run(aim(practice), secret=Secret(practice.password), limits=SHORT))
