"""Does a person at a terminal see how far a check is, and nothing of it anywhere else?"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcheck.lab import Background, Practice, background
from tests.terminal import environment, seated

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


@pytest.fixture(scope="module")
def silent(lab: Background) -> Practice:
    return lab.start("greeting-never")


def command(practice: Practice, *words: str) -> list[str]:
    pairs = [(name, one) for name, v in practice.options.items() for one in (v if isinstance(v, tuple) else (v,))]
    aimed = [word for name, value in pairs for word in (f"--{name.replace('_', '-')}", str(value))]
    return [sys.executable, "-m", "smtpcheck", "check", practice.target, *aimed, *words]


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_stages_show_as_they_finish_and_ctrl_c_tells_what_was_learnt(silent: Practice, tmp_path: Path) -> None:
    environ = environment(tmp_path, SMTPCHECK_PASSWORD=silent.password)
    with seated(command(silent, "--json", "r.json"), tmp_path, environ) as seat:
        painted = plain(seat.until("Ctrl-C"))
        frame = painted[painted.rindex("checking me@") :]
        seat.type("\x03")
        text = seat.rest()

    assert "DNS ✓  connect ✓  greeting " in frame
    assert re.search(r"greeting [⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] \d s  TLS ·", frame)
    assert seat.process.returncode == 130
    assert text.rindex(SHOWN) > text.rindex(HIDDEN), "the cursor is back"
    report = plain(text[text.rindex(SHOWN) :])
    assert "could not tell" in report
    assert "Stopped before everything was known" in report
    assert "checking" not in report
    assert '"complete": false' in (tmp_path / "r.json").read_text("utf-8")
    assert silent.password not in text


def test_a_polite_kill_leaves_the_terminal_as_it_was(silent: Practice, tmp_path: Path) -> None:
    environ = environment(tmp_path, SMTPCHECK_PASSWORD=silent.password)
    with seated(command(silent, "--lang", "zh-CN"), tmp_path, environ) as seat:
        seat.until("问候")
        seat.process.send_signal(signal.SIGTERM)
        text = seat.rest()

    assert text.rindex(SHOWN) > text.rindex(HIDDEN)
    assert "无法判断" in text[text.rindex(SHOWN) :]


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_is_not_to_be_painted_on_gets_a_line_for_a_long_wait(
    silent: Practice, tmp_path: Path, setting: dict[str, str]
) -> None:
    environ = environment(tmp_path, SMTPCHECK_PASSWORD=silent.password, **setting)
    with seated(command(silent), tmp_path, environ) as seat:
        seat.until("waiting for: greeting (smtp.greeting-never")
        seat.type("\x03")
        text = seat.rest()

    assert "\x1b" not in text
    assert text.count("waiting for: greeting") == 1
    assert "✗" in text or "?" in text


def test_what_is_quick_ends_in_its_report_alone(lab: Background, tmp_path: Path) -> None:
    practice = lab.start("healthy")
    with seated(command(practice), tmp_path, environment(tmp_path, SMTPCHECK_PASSWORD=practice.password)) as seat:
        text = seat.rest()

    assert seat.process.returncode == 0
    assert text.rindex(SHOWN) > text.rindex(HIDDEN)
    assert plain(text[text.rindex(SHOWN) :]).lstrip().startswith("✓ healthy up to login")


def test_the_deadline_does_not_run_while_a_password_is_typed(lab: Background, tmp_path: Path) -> None:
    practice = lab.start("healthy")
    began = time.monotonic()
    with seated(command(practice, "--json", "r.json"), tmp_path, environment(tmp_path)) as seat:
        seat.until("password for me@healthy")
        time.sleep(1.0)  # a person who types: this wait is what is tested
        seat.type(practice.password + "\n")
        text = seat.rest()
    whole = time.monotonic() - began

    assert seat.process.returncode == 0, text
    assert practice.password not in text
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))["elapsed"] <= whole - 1.0


def test_quiet_shows_no_progress(silent: Practice, tmp_path: Path) -> None:
    environ = environment(tmp_path, SMTPCHECK_PASSWORD=silent.password)
    with seated(command(silent, "-q", "--deadline", "1"), tmp_path, environ) as seat:
        text = seat.rest()

    assert "checking" not in text
    assert HIDDEN not in text


def test_a_pipe_gets_the_report_and_not_a_word_of_progress(silent: Practice, tmp_path: Path) -> None:
    done = subprocess.run(
        command(silent, "--deadline", "3"),
        cwd=tmp_path,
        env=os.environ | {"SMTPCHECK_PASSWORD": silent.password, "SMTPCHECK_LANG": "en"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "checking" not in done.stdout


def test_rich_is_imported_before_the_first_stage_or_after_the_last(lab: Background, tmp_path: Path) -> None:
    practice = lab.start("healthy")
    watch = (
        "import sys, smtpcheck.run as run, smtpcheck.cli as cli\n"
        "kept = run.run\n"
        "async def run_and_look(*words, **options):\n"
        "    before = 'rich' in sys.modules\n"
        "    report = await kept(*words, **options)\n"
        "    print('rich', before, 'rich' in sys.modules)\n"
        "    return report\n"
        "run.run = run_and_look\n"
        f"sys.argv[1:] = {command(practice)[3:]!r}\n"
        "cli.main()\n"
    )
    environ = environment(tmp_path, SMTPCHECK_PASSWORD=practice.password)
    piped = subprocess.run([sys.executable, "-c", watch], env=environ, capture_output=True, text=True, check=False)
    with seated([sys.executable, "-c", watch], tmp_path, environ) as seat:
        painted = seat.rest()

    assert "rich False False" in piped.stdout
    assert "rich True True" in painted
