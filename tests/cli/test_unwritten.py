"""Where a report can't be written: is the verdict said all the same, and do status and standard error say the rest?"""

from __future__ import annotations

import json
import os
import select
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import smtpcheck
from smtpcheck.core import Report
from smtpcheck.lab import Background, background
from smtpcheck.report import formats
from tests import forked
from tests.cli.test_commands import Shell, aimed

Done = subprocess.CompletedProcess[str]
FULL = "/dev/full"


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


@pytest.fixture(scope="module")
def reports(lab: Background) -> Mapping[str, Report]:
    """Of one target, with its password and with another."""
    asked = lab.start("healthy").arguments
    return {"healthy": smtpcheck.check(**asked), "refused": smtpcheck.check(**asked | {"password": "another"})}


@pytest.fixture
def shell(tmp_path: Path, reports: Mapping[str, Report]) -> Shell:
    for name, report in reports.items():
        smtpcheck.dump(report, tmp_path / f"{name}.json")
    return Shell(tmp_path)


def into_full(shell: Shell, *words: str) -> subprocess.CompletedProcess[str]:
    """As `shell`, with a standard output that is full."""
    command = [sys.executable, "-m", "smtpcheck", *words]
    with Path(FULL).open("w") as full:
        return forked.run(command, cwd=shell.folder, stdout=full)


# check and send


@pytest.mark.parametrize(
    ("fault", "words", "status"),
    [
        ("healthy", (), 5),
        ("auth-refused", (), 1),
        ("starttls-hangs", ("--deadline", "1.5"), 3),
    ],
)
def test_broken_and_could_not_tell_count_before_a_file(
    lab: Background, shell: Shell, fault: str, words: tuple[str, ...], status: int
) -> None:
    done = shell.check(lab.start(fault), *words, "--json", FULL, "--lang", "en")
    assert done.returncode == status
    assert f"{FULL} was not written: No space left on device. Make room there" in done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", ["check", "send"])
def test_after_a_message_was_sent_the_verdict_is_said_and_that_another_check_sends_again(
    lab: Background, shell: Shell, command: str
) -> None:
    practice = lab.start("delivered")
    words = [word for word in aimed(practice) if word not in ("--send", "True")]
    send = ["--send"] if command == "check" else []
    login = {"SMTPCHECK_PASSWORD": practice.password}
    done = shell(command, practice.target, *words, *send, "--json", FULL, "--lang", "en", **login)
    assert done.returncode == 5, done.stderr
    assert done.stdout.startswith("✓ healthy")
    assert "checking again would send one more message" in done.stderr
    assert practice.smtp is not None
    assert practice.smtp.ledger.commands["DATA"] == 1


def test_without_a_message_nothing_is_said_of_sending(lab: Background, shell: Shell) -> None:
    done = shell.check(lab.start("healthy"), "--json", FULL)
    assert "one more message" not in done.stderr


def test_the_verdict_is_said_before_the_first_file_is_touched(lab: Background, shell: Shell) -> None:
    fifo = shell.folder / "r.json"
    os.mkfifo(fifo)
    practice = lab.start("healthy")
    command = [sys.executable, "-m", "smtpcheck", "check", practice.target, *aimed(practice), "--json", str(fifo)]
    environ = os.environ | {"SMTPCHECK_PASSWORD": practice.password, "PYTHONUTF8": "1", "LANG": "C"}
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with subprocess.Popen(command, cwd=shell.folder, env=environ, stdout=subprocess.PIPE, text=True) as process:
        # the report does not fit into a pipe that nobody empties: the process can't be done when it says the verdict
        assert process.stdout is not None
        assert process.stdout.readline().startswith("✓ healthy")
        assert select.select([reading], [], [], 30)[0]
        os.set_blocking(reading, True)
        with os.fdopen(reading, "rb") as file:
            report = json.loads(file.read())
    assert (process.returncode, report["verdict"]) == (0, "healthy")


def test_one_file_that_fails_keeps_no_other_from_being_written(lab: Background, shell: Shell) -> None:
    pages = ["--report", "absent/r.html", "--report", "r.md", "--report", "r.sh"]
    (shell.folder / "r.sh").mkdir()
    done = shell.check(lab.start("healthy"), "--json", "r.json", *pages, "--lang", "en")
    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        "smtpcheck: absent/r.html was not written: No such file or directory. "
        "Create its folder, or name a file in a folder that is there.",
        "smtpcheck: r.sh was not written: Is a directory. Name a file in that folder.",
    ]
    assert smtpcheck.load(shell.folder / "r.json").verdict == "healthy"
    assert (shell.folder / "r.md").read_text("utf-8").startswith("#")


def test_files_of_every_format_are_their_owners_alone(lab: Background, shell: Shell) -> None:
    names = [f"r{suffix}" for suffix in formats.suffixes().values()]
    done = shell.check(lab.start("healthy"), *[word for name in names for word in ("--report", name)])
    assert done.returncode == 0, done.stderr
    assert {stat.S_IMODE((shell.folder / name).lstat().st_mode) for name in names} == {0o600}


def test_standard_output_by_any_name_holds_the_document_alone(lab: Background, shell: Shell) -> None:
    practice = lab.start("healthy")
    for name in ("-", "/dev/stdout", "/proc/self/fd/1"):
        done = shell.check(practice, "--json", name)
        assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "healthy")
        assert "healthy" in done.stderr


@pytest.mark.parametrize("words", [["--json", "-"], ["--json", "/dev/stdout"], ["--json", "r.json"]])
def test_a_standard_output_that_takes_nothing_costs_no_file_and_is_no_bug(shell: Shell, words: list[str]) -> None:
    done = into_full(shell, "replay", "healthy.json", *words, "--lang", "en")
    assert done.returncode == 5
    assert "standard output was not written: No space left on device." in done.stderr
    assert "bug" not in done.stderr
    assert (shell.folder / "r.json").exists() == ("r.json" in words)


def test_a_standard_output_that_takes_nothing_is_said_once(shell: Shell, reports: Mapping[str, Report]) -> None:
    several = formats.render([reports["healthy"], reports["healthy"]], "json")
    (shell.folder / "several.json").write_text(several, encoding="utf-8")
    done = into_full(shell, "replay", "several.json", "--lang", "en")
    assert (done.returncode, done.stderr.count("was not written")) == (5, 1)


def test_it_is_said_in_chinese_too(lab: Background, shell: Shell) -> None:
    done = shell.check(lab.start("healthy"), "--json", "absent/r.json", "--lang", "zh-CN")
    assert (done.returncode, done.stderr) == (
        5,
        "smtpcheck: absent/r.json 没有写成：No such file or directory。先建好文件夹，或者换一个已有的。\n",
    )


# The other commands that write


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["replay", "healthy.json", "--json", FULL], 5, "✓ healthy"),
        (["replay", "refused.json", "--json", FULL], 1, "✗ broken"),
        (["notebook", "healthy.json", "-o", "absent/r.ipynb"], 5, "✓ healthy"),
        (["notebook", "refused.json", "-o", "absent/r.ipynb"], 1, "✗ broken"),
        (["diff", "healthy.json", "healthy.json", "--json", FULL], 5, ""),
        (["diff", "healthy.json", "refused.json", "--json", FULL], 1, ""),
        (["history", ".", "-o", "absent/r.html"], 5, ""),
        (["report", "healthy.json", "-o", "absent/r.md"], 5, None),
        (["report", "healthy.json", "--format", "json", "-o", FULL], 5, None),
        (["suite", "me@example.com", "-o", "healthy.json/tests"], 5, None),
        (["suite", "me@example.com", "-o", "/proc/self/tests"], 5, None),
    ],
)
def test_every_command_says_what_it_found_before_what_it_could_not_write(
    shell: Shell, words: list[str], status: int, said: str | None
) -> None:
    done = shell(*words, LANG="C")
    assert done.returncode == status, done.stderr
    assert "was not written: " in done.stderr
    if said is None:
        assert done.stdout == ""
    else:
        assert done.stdout.startswith(said)
        assert done.stdout.strip()


def test_the_notebook_of_a_check_that_can_not_be_written_costs_no_verdict(lab: Background, shell: Shell) -> None:
    practice = lab.start("healthy")
    login = {"SMTPCHECK_PASSWORD": practice.password}
    done = shell("notebook", practice.target, *aimed(practice), "-o", "absent/r.ipynb", **login)
    assert (done.returncode, done.stdout[:9]) == (5, "✓ healthy")


def test_the_demo_names_its_faults_where_its_reports_can_not_be_written(shell: Shell) -> None:
    done = shell("demo", "--reports", "healthy.json/reports", "--lang", "en")
    assert done.returncode == 5, done.stderr
    assert done.stdout.count("✗ broken") == 6
    assert "healthy.json/reports was not written: Not a directory. " in done.stderr
    assert "in a browser" not in done.stdout


def test_the_reports_of_the_demo_are_their_owners_alone(shell: Shell) -> None:
    done = shell("demo")
    assert done.returncode == 0, done.stderr
    modes = {stat.S_IMODE(path.lstat().st_mode) for path in (shell.folder / "reports").iterdir()}
    assert modes == {0o600}


def test_what_is_refused_before_anything_was_asked_stays_a_usage_error(lab: Background, shell: Shell) -> None:
    practice = lab.start("healthy")
    done = shell.check(practice, "--report", "r.pdf")
    assert (done.returncode, done.stdout) == (2, "")
    assert practice.smtp is not None
    assert practice.smtp.ledger.connections == 0


def test_a_dangling_link_is_something_that_is_there_already(shell: Shell) -> None:
    (shell.folder / "mine.ipynb").symlink_to("elsewhere.ipynb")
    (shell.folder / "mailtests").mkdir()
    (shell.folder / "mailtests" / "pytest.ini").symlink_to("elsewhere.ini")
    for words in (["notebook", "healthy.json", "-o", "mine.ipynb"], ["suite", "me@example.com"]):
        done = shell(*words)
        assert (done.returncode, "is there already" in done.stderr) == (2, True)
    assert (shell.folder / "mine.ipynb").is_symlink()


# Where the statuses are written


@pytest.mark.parametrize("command", ["check", "demo", "diff", "history", "report", "suite"])
def test_the_help_names_the_status(shell: Shell, command: str) -> None:
    text = " ".join(shell(command, "--help").stdout.split())
    _, _, statuses = text.partition("Exit status:")
    assert " 5 " in statuses[:300]


@pytest.mark.parametrize("page", ["README.md", "docs/formats.md", "docs/report.md"])
def test_the_pages_name_the_status(page: str) -> None:
    text = " ".join((Path(__file__).parents[2] / page).read_text("utf-8").split())
    assert "could not be written" in text


# Python


def test_python_raises_with_the_name_and_the_old_report_survives(reports: Mapping[str, Report], tmp_path: Path) -> None:
    path = smtpcheck.dump(reports["healthy"], tmp_path / "r.json")
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    with pytest.raises(FileNotFoundError) as caught:
        smtpcheck.dump(reports["healthy"], tmp_path / "absent" / "r.json")
    assert caught.value.filename == str(tmp_path / "absent" / "r.json")
    with pytest.raises(IsADirectoryError):
        smtpcheck.dump(reports["healthy"], tmp_path)
    assert smtpcheck.load(path).verdict == "healthy"
