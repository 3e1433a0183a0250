"""Do `smtpcheck report` and `smtpcheck nagios` do what their help says: formats, several files, redaction, statuses?"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from smtpcheck.cli.commands import nagios, report
from smtpcheck.lab import Background, Practice, background
from smtpcheck.report import formats
from smtpcheck.report.saved.redact import redacted
from tests.cli.test_commands import Shell, aimed
from tests.report.test_formats import EXAMPLE, recorded

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("LANG", "LC_ALL", "SMTPCHECK_LANG", "SMTPCHECK_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    def invoke(command: click.Command, *words: str, **environ: str) -> Result:
        return CliRunner().invoke(command, words, env=environ, catch_exceptions=False)

    return invoke


@pytest.mark.parametrize("name", formats.names())
def test_a_saved_report_is_written_in_every_format(run: Run, name: str, tmp_path: Path) -> None:
    told = run(report.command, str(EXAMPLE), "--format", name)
    where = tmp_path / f"out{formats.suffixes()[name]}"
    written = run(report.command, str(EXAMPLE), "-o", str(where))
    assert (told.exit_code, written.exit_code, written.output) == (0, 0, "")
    assert told.output == where.read_text("utf-8")


def test_without_a_format_it_is_markdown(run: Run) -> None:
    english, chinese = (EXAMPLE.with_suffix(suffix).read_text("utf-8") for suffix in (".md", ".zh-CN.md"))
    assert run(report.command, str(EXAMPLE)).output == english
    assert run(report.command, str(EXAMPLE), "--lang", "zh-CN").output == chinese


def test_several_files_and_a_file_of_several_become_one(run: Run, tmp_path: Path) -> None:
    several = tmp_path / "several.json"
    several.write_text(formats.render([recorded(), *redacted([recorded()])], "json"), encoding="utf-8")
    told = run(report.command, str(EXAMPLE), str(several), "--format", "csv").output
    rows = list(csv.DictReader(told.splitlines()))
    asked = [row["target"] for row in rows if row["row"] == "verdict"]
    assert asked == [recorded().target.spec, recorded().target.spec, "user1@host-1.domain-1.example"]
    assert [row["row"] for row in rows[:4]] == ["verdict", "verdict", "verdict", "result"]


def test_it_is_shown_as_it_was_saved_also_where_the_rules_of_today_say_otherwise(run: Run, tmp_path: Path) -> None:
    document = json.loads(EXAMPLE.read_text("utf-8"))
    for told in (document["diagnosis"], document["diagnoses"][0]):
        told["code"] = "connect-refused"
    old = tmp_path / "old.json"
    old.write_text(json.dumps(document), encoding="utf-8")
    assert "`connect-refused`" in run(report.command, str(old)).output


def test_redacted_names_nobody(run: Run) -> None:
    told = run(report.command, str(EXAMPLE), "--redact", "--format", "json")
    assert told.exit_code == 0
    assert "lab.test" not in told.output
    assert json.loads(told.output)["target"]["spec"] == "user1@host-1.domain-1.example"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent.json"], "No such file"),
        ([str(Path(__file__))], "not JSON"),
        ([str(EXAMPLE), "--format", "pdf"], "known: commands, csv"),
        ([str(EXAMPLE), "-o", "x.pdf"], "no format is named so"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_said(run: Run, words: list[str], said: str) -> None:
    done = run(report.command, *words)
    assert done.exit_code == 2
    assert said in done.output


def test_help_names_every_format_and_imports_none() -> None:
    code = (
        "import sys\nfrom smtpcheck.cli import cli\n"
        "try:\n    cli(['report', '--help'])\nexcept SystemExit:\n"
        "    heavy = ('smtpcheck.report.formats.', 'smtpcheck.probes')\n"
        "    print([name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.endswith("[]\n")
    for name, suffix in formats.suffixes().items():
        assert re.search(rf"{name}\s+\({re.escape(suffix)}\)", done.stdout)


# The plugin


def checked(shell: Shell, practice: Practice, *words: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the deadline counts from the start of one."""
    return shell("nagios", practice.target, *aimed(practice), *words, SMTPCHECK_PASSWORD=practice.password)


@pytest.mark.parametrize(
    ("fault", "status", "line"),
    [
        ("healthy", 0, "SMTPCHECK OK - me@healthy.lab.test: healthy up to login"),
        ("certificate-expires-soon", 1, "SMTPCHECK WARNING - "),
        ("auth-refused", 2, "SMTPCHECK CRITICAL - me@auth-refused.lab.test: broken at login"),
    ],
)
def test_the_plugin_exits_as_monitoring_has_it(
    shell: Shell, lab: Background, fault: str, status: int, line: str
) -> None:
    done = checked(shell, lab.start(fault))
    assert (done.returncode, done.stdout[: len(line)]) == (status, line)
    assert "'time'=" in done.stdout.split("\n")[0].partition(" | ")[2]


def test_the_plugin_does_not_know_what_could_not_be_told(shell: Shell, lab: Background) -> None:
    done = checked(shell, lab.start("healthy-slow-greeting"), "--deadline", "1.2")
    assert (done.returncode, done.stdout[:19]) == (3, "SMTPCHECK UNKNOWN -")


@pytest.mark.parametrize("words", [["--no-such"], [], ["a:b:c"], ["host", "--until", "x"], ["host", "--mode", "x"]])
def test_a_wrong_option_is_unknown_and_no_alarm(run: Run, words: list[str]) -> None:
    done = run(nagios.command, *words)
    assert done.exit_code == 3
    assert done.stdout.startswith("SMTPCHECK UNKNOWN - ")


@pytest.mark.parametrize(("command", "status"), [("nagios", 3), ("check", 4)])
def test_a_bug_of_ours_is_no_alarm_of_the_plugin(command: str, status: int, tmp_path: Path) -> None:
    broken = "import sys\nsys.modules['smtpcheck.run'] = None\nfrom smtpcheck.cli import main\nmain()"
    words = [sys.executable, "-c", broken, command, "localhost:1"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == status
    assert "a bug of smtpcheck" in done.stderr


def test_the_exit_status_of_check_is_its_own_whatever_is_written(shell: Shell, lab: Background, tmp_path: Path) -> None:
    practice = lab.start("auth-refused")
    files = [tmp_path / f"r{suffix}" for suffix in formats.suffixes().values()]
    words = [word for file in files for word in ("--report", str(file))]
    done = shell.check(practice, *words)
    assert done.returncode == 1
    assert all(file.stat().st_size > 200 for file in files)
    assert practice.password not in "".join(file.read_text("utf-8") for file in files)
