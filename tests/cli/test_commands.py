"""Does the command do what its help says: targets, options, languages, exit status?"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from smtpcheck.lab import Background, Practice, background
from tests import forked


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


class Shell:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        keep = {k: v for k, v in os.environ.items() if k not in ("SMTPCHECK_PASSWORD", "LANG", "LC_ALL")}
        return forked.run(
            [sys.executable, "-m", "smtpcheck", *words],
            env=keep | {"HOME": str(self.folder), "PYTHONUTF8": "1"} | environ,
            cwd=self.folder,
        )

    def check(
        self, practice: Practice, *words: str, password: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        login = {"SMTPCHECK_PASSWORD": password or practice.password}
        return self("check", practice.target, *aimed(practice), *words, **login | environ)


def aimed(practice: Practice) -> list[str]:
    """The practice options as words of a command line."""
    pairs = [(name, one) for name, v in practice.options.items() for one in (v if isinstance(v, tuple) else (v,))]
    return [word for name, value in pairs for word in (f"--{name.replace('_', '-')}", str(value))]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.parametrize(
    ("fault", "words", "status"),
    [
        ("healthy", (), 0),
        ("auth-refused", (), 1),
        ("certificate-expired", (), 1),
        ("connect-refused", (), 1),
        ("starttls-hangs", ("--deadline", "1"), 3),
        ("healthy", ("--allow", "nonsense"), 2),
        ("healthy", ("--until", "nonsense"), 2),
        ("healthy", ("--deadline", "0"), 2),
        ("healthy", ("--ca-file", "/nonexistent"), 2),
        ("healthy", ("--nonsense",), 2),
    ],
)
def test_exit_status(lab: Background, shell: Shell, fault: str, words: tuple[str, ...], status: int) -> None:
    practice = lab.start(fault)

    done = shell.check(practice, *words)

    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    with_json = shell.check(practice, *words, "--json", "r.json")
    assert with_json.returncode == status


def test_json_on_standard_output_is_the_schema_and_nothing_else(lab: Background, shell: Shell) -> None:
    practice = lab.start("certificate-chain-incomplete")

    done = shell.check(practice, "--json", "-")

    report = json.loads(done.stdout)
    jsonschema.validate(report, json.loads(files("smtpcheck.report.saved").joinpath("schema.json").read_text("utf-8")))
    assert report["diagnosis"]["code"] == "certificate-chain-incomplete"
    assert report["target"]["secret"] == "env:SMTPCHECK_PASSWORD"


def test_until_stops_there_and_names_what_was_not_tested(lab: Background, shell: Shell) -> None:
    practice = lab.start("auth-refused")

    done = shell.check(practice, "--until", "certificate", "--json", "-")

    report = json.loads(done.stdout)
    assert (done.returncode, report["verdict"]) == (0, "healthy")
    assert "auth" in report["not_tested"]
    assert practice.smtp is not None
    assert practice.smtp.ledger.auths == 0


def test_without_password_and_terminal_the_login_is_skipped_and_said_so(lab: Background, shell: Shell) -> None:
    practice = lab.start("healthy")

    done = shell("check", practice.target, *aimed(practice))

    assert done.returncode == 0
    assert "login" in done.stdout.lower()
    assert practice.smtp is not None
    assert practice.smtp.ledger.auths == 0


def test_the_password_is_read_from_dotenv(lab: Background, shell: Shell) -> None:
    practice = lab.start("healthy", password="dot env+/=")
    (shell.folder / ".env").write_text('SMTPCHECK_PASSWORD="dot env+/="\n')

    done = shell("check", practice.target, *aimed(practice))

    assert done.returncode == 0
    assert practice.smtp is not None
    assert practice.smtp.ledger.auths == 1


def test_plaintext_needs_consent_by_name(lab: Background, shell: Shell) -> None:
    practice = lab.start("starttls-not-offered", script={"offers": ["AUTH PLAIN LOGIN"]})
    assert practice.smtp is not None

    refused = shell.check(practice, "--mode", "plain", "--json", "-")
    assert practice.smtp.ledger.auths == 0
    assert json.loads(refused.stdout)["verdict"] == "inconclusive"

    allowed = shell.check(practice, "--mode", "plain", "--allow", "plaintext-auth", "--json", "-")
    assert practice.smtp.ledger.auths == 1
    assert json.loads(allowed.stdout)["verdict"] == "healthy"


@pytest.mark.parametrize(("lang", "word"), [("en", "What to do"), ("zh-CN", "怎么办")])
def test_both_languages(lab: Background, shell: Shell, lang: str, word: str) -> None:
    practice = lab.start("auth-refused")

    done = shell.check(practice, "--lang", lang)

    assert word.lower() in done.stdout.lower()
    assert "535 5.7.8" in done.stdout


def test_piped_output_has_no_escapes_and_a_verdict_first(lab: Background, shell: Shell) -> None:
    done = shell.check(lab.start("auth-refused"))

    assert "\x1b" not in done.stdout
    assert "broken" in done.stdout.splitlines()[0]
    assert len(done.stdout.splitlines()) <= 23


def test_quiet_and_verbose(lab: Background, shell: Shell) -> None:
    practice = lab.start("auth-refused")

    quiet, verbose = shell.check(practice, "-q"), shell.check(practice, "-v")

    assert len(quiet.stdout.splitlines()) <= 2
    assert "AUTH PLAIN <secret>" in verbose.stdout
    assert "EHLO [127.0.0.1]" in verbose.stdout


def test_explain_known_and_unknown_codes(shell: Shell) -> None:
    known, unknown = shell("explain", "certificate-chain-incomplete"), shell("explain", "cert-chain-incomplet")

    assert known.returncode == 0
    assert "intermediate" in known.stdout
    assert unknown.returncode == 2
    assert "certificate-chain-incomplete" in unknown.stderr
    assert shell("explain", "../../etc/passwd").returncode == 2


def test_interrupted_reports_what_was_learnt(lab: Background, shell: Shell) -> None:
    practice = lab.start("greeting-never")
    process = subprocess.Popen(
        [sys.executable, "-m", "smtpcheck", "check", practice.target, *aimed(practice), "--json", "r.json"],
        env=os.environ | {"SMTPCHECK_PASSWORD": practice.password},
        cwd=shell.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert practice.smtp is not None
    ends = time.monotonic() + 10
    while not practice.smtp.ledger.connections and time.monotonic() < ends:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)

    assert process.returncode == 130, said
    report = json.loads((shell.folder / "r.json").read_text("utf-8"))
    assert report["complete"] is False
    assert "Traceback" not in said


def test_demo_names_every_fault_and_writes_its_report(shell: Shell) -> None:
    done = shell("demo", "--lang", "en")

    assert done.returncode == 0, done.stdout + done.stderr
    written = list((shell.folder / "reports").glob("demo-*.json"))
    assert len(written) == 1
    assert written[0].name in done.stdout
    page = written[0].with_suffix(".html")
    assert page.name in done.stdout
    assert page.read_text("utf-8").count('<details class="report"') == 7
    reports = json.loads(written[0].read_text("utf-8"))["reports"]
    codes = [r["diagnosis"]["code"] if r["diagnosis"] else "" for r in reports]
    assert len(codes) >= 6
    assert codes.count("") == 1
    assert {"certificate-wrong-host", "certificate-chain-incomplete", "connect-refused", "clock-behind"} <= set(codes)


@pytest.mark.parametrize(
    ("fault", "status", "word"), [("certificate-expired", 1, "expired"), ("delivered", 0, "delivery")]
)
def test_lab_prints_commands_that_work_and_stops_clean(shell: Shell, fault: str, status: int, word: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-m", "smtpcheck", "lab", fault],
        cwd=shell.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = next(text for text in process.stdout if "smtpcheck check" in text)
    setting, _, *words = line.split()
    done = shell(*words, **dict([setting.split("=", 1)]))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)

    assert done.returncode == status, done.stderr
    assert word in done.stdout
    assert (process.returncode, said) == (0, "")


def test_a_terminal_of_another_encoding_gets_signs_that_it_has(lab: Background, shell: Shell) -> None:
    practice = lab.start("auth-refused")

    done = shell.check(practice, "--lang", "en", PYTHONIOENCODING="ascii")

    assert done.returncode == 1, done.stderr
    assert done.stdout.isascii()
    assert done.stdout.startswith("FAIL broken")


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        ("user-unknown", "no such mailbox"),
        ("message-too-large", "552 5.3.4"),
        ("auth-not-attempted", "there was none"),
        ("qq-newest-535-blank", "with a blank or a line end"),
    ],
)
def test_lab_prints_recipients_sending_and_passwords_as_they_are_typed(fault: str, named: str, shell: Shell) -> None:
    command = [sys.executable, "-m", "smtpcheck", "lab", fault]
    process = subprocess.Popen(command, cwd=shell.folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = next(text for text in process.stdout if "smtpcheck check" in text)
    words = shlex.split(line)
    settings = dict(word.split("=", 1) for word in words[: words.index("smtpcheck")])
    done = shell(*words[words.index("smtpcheck") + 1 :], **settings)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)

    assert done.returncode == 1
    assert named in " ".join(done.stdout.split())
