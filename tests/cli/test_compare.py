"""Do `diff` and `history` do what their help says: streams, files, exit status, and no word about a secret?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

import smtpcheck
from smtpcheck import core
from smtpcheck.cli.commands.history import MAX_FILES
from smtpcheck.core import Report
from smtpcheck.lab import background
from smtpcheck.report import formats
from tests import forked
from tests.cli.test_layout import helped

SITE = {"domain": "firma.test", "host": "smtp.firma.test", "ports": [587]}


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    found = {}
    with background() as lab:
        for day, fault in enumerate(("healthy", "connect-refused")):
            practice = lab.start(fault, **SITE)
            report = smtpcheck.check(practice.target, password=practice.password, **practice.options)
            aim = replace(report.target, ca_file="", connect_to=(), dns="", ntp="")
            contacts = (core.Contact("resolver", "127.0.0.1:53"),)
            found[fault] = replace(report, target=aim, contacts=contacts, started=report.started + timedelta(days=day))
    return found


@pytest.fixture
def folder(tmp_path: Path, reports: dict[str, Report]) -> Path:
    for name, report in reports.items():
        smtpcheck.dump(report, tmp_path / f"{name}.json")
    return tmp_path


def said(folder: Path, *words: str, lang: str = "en") -> subprocess.CompletedProcess[str]:
    return forked.run(
        [sys.executable, "-m", "smtpcheck", *words],
        cwd=folder,
        env=os.environ | {"SMTPCHECK_LANG": lang, "COLUMNS": "100"},
    )


# diff


def test_diff_tells_what_changed_and_says_so_as_exit_status(folder: Path) -> None:
    done = said(folder, "diff", "healthy.json", "connect-refused.json")

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("✗ worked then, broken now   me@firma.test\n")
    assert "   - port smtp.firma.test:587: open then, now the connection was refused\n" in done.stdout


def test_diff_in_chinese(folder: Path) -> None:
    done = said(folder, "diff", "healthy.json", "connect-refused.json", lang="zh-CN")
    assert "以前是好的，现在坏了" in done.stdout
    assert "端口 smtp.firma.test:587：以前通，现在连接被拒绝" in done.stdout


def test_diff_of_a_report_with_itself_changes_nothing(folder: Path) -> None:
    done = said(folder, "diff", "healthy.json", "healthy.json")
    assert done.returncode == 0
    assert "Nothing that counts has changed" in done.stdout


def test_diff_as_json_leaves_standard_output_to_it(folder: Path) -> None:
    done = said(folder, "diff", "healthy.json", "connect-refused.json", "--json", "-")
    document = json.loads(done.stdout)
    assert document["comparisons"][0]["changes"][0]["code"] == "port"
    assert "worked then, broken now" in done.stderr
    assert done.returncode == 1


def test_diff_pairs_the_targets_of_files_with_several_reports(folder: Path, reports: dict[str, Report]) -> None:
    other = replace(reports["healthy"], target=replace(reports["healthy"].target, spec="you@firma.test"))
    only = replace(reports["healthy"], target=replace(reports["healthy"].target, spec="she@firma.test"))
    for name, report in (("old", "healthy"), ("new", "connect-refused")):
        several = (other, reports[report]) if name == "old" else (only, reports[report])
        (folder / f"{name}.json").write_text(formats.render(several, "json"), "utf-8")
    done = said(folder, "diff", "old.json", "new.json", "-q")
    assert done.stdout == "✗ worked then, broken now   me@firma.test\n"
    assert sorted(done.stderr.splitlines()) == [
        "smtpcheck: new.json alone holds 'she@firma.test'",
        "smtpcheck: old.json alone holds 'you@firma.test'",
    ]


def test_diff_refuses_what_can_not_be_compared_in_a_line(folder: Path, reports: dict[str, Report]) -> None:
    other = replace(reports["healthy"], target=replace(reports["healthy"].target, spec="you@firma.test"))
    smtpcheck.dump(other, folder / "other.json")
    (folder / "none.json").write_text("{}")
    for second, words in (("other.json", "different targets"), ("none.json", "no report"), ("gone.json", "No such")):
        done = said(folder, "diff", "healthy.json", second)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), second
        assert words in done.stderr


# history


def test_history_tells_each_target_and_names_what_it_skipped(folder: Path) -> None:
    (folder / "a\x1b[2Jb.json").write_text("{")
    (folder / "notes.txt").write_text("no report, and not read")
    os.mkfifo(folder / "pipe.json")
    done = said(folder, "history", ".")

    assert done.returncode == 0
    assert "2 checks from" in done.stdout
    assert "✓✗" in done.stdout
    assert "connect-refused" in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(r"smtpcheck: skipped a\x1b[2Jb.json: ")


def test_history_writes_a_page(folder: Path) -> None:
    done = said(folder, "history", ".", "-o", "trend.html", "--lang", "zh-CN")
    page = (folder / "trend.html").read_text("utf-8")
    assert done.returncode == 0
    assert '<html lang="zh-CN">' in page
    assert "me@firma.test" in page
    assert "<svg" in page
    assert said(folder, "history", ".", "-o", "-").stdout.startswith("<!doctype html>")


@pytest.mark.parametrize("words", [("empty",), ("gone",), ("full", "-o", "trend.pdf")])
def test_history_without_a_report_is_a_usage_error_in_a_line(folder: Path, words: tuple[str, ...]) -> None:
    (folder / "empty").mkdir()
    (folder / "full").mkdir()
    (folder / "healthy.json").rename(folder / "full" / "healthy.json")
    done = said(folder, "history", *words)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_history_reads_the_newest_files_and_says_that_it_left_some(tmp_path: Path, reports: dict[str, Report]) -> None:
    path = smtpcheck.dump(reports["healthy"], tmp_path / "newest.json")
    for number in range(MAX_FILES):
        old = tmp_path / f"{number}.json"
        old.write_text("")
        os.utime(old, (1, 1))
    assert path.stat().st_mtime > 1
    done = said(tmp_path, "history", ".")
    assert done.returncode == 0
    assert "1 check on" in done.stdout
    assert "the 1 oldest files were not read" in done.stderr
    assert len(done.stderr.splitlines()) < 10


@pytest.mark.parametrize(("name", "word"), [("diff", "Exit status: 0 nothing"), ("history", "Exit status: 0 told")])
def test_the_exit_status_is_documented(name: str, word: str) -> None:
    assert word in helped(name)
