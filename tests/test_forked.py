"""Is a fork the process that `subprocess.run` would have started: streams, folder, environment, end?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

ALL_OF_IT = (
    "import os, sys\n"
    "print(sys.argv, sys.stdin.read(), os.getcwd(), os.environ['ONE'], os.environ.get('HOME'), os.listdir('.'))\n"
    "print(sys.stdout.encoding, sys.stdout.isatty(), __name__, os.getpid() != os.getppid())\n"
    "print('said', file=sys.stderr)\n"
    "sys.exit(7)\n"
)


def test_it_says_what_a_new_interpreter_says(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ALL_OF_IT, "word"]
    environ = {name: value for name, value in os.environ.items() if name != "HOME"} | {"ONE": "1", "PYTHONUTF8": "1"}
    (tmp_path / "here").touch()

    ours = forked.run(command, input="typed", cwd=tmp_path, env=environ)
    theirs = subprocess.run(
        command, input="typed", cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )

    assert (ours.returncode, ours.stdout, ours.stderr) == (7, theirs.stdout, theirs.stderr)


def test_the_forks_share_nothing(tmp_path: Path) -> None:
    spoil = (
        "import os, sys, smtpcheck; os.environ['SPOILT'] = '1'; smtpcheck.spoilt = 1; os.chdir('/'); sys.stdout.close()"
    )
    forked.run([sys.executable, "-c", spoil], cwd=tmp_path)
    look = "import os, smtpcheck; print(hasattr(smtpcheck, 'spoilt'), 'SPOILT' in os.environ, os.getcwd())"

    assert forked.run([sys.executable, "-c", look], cwd=tmp_path).stdout == f"False False {tmp_path}\n"


def test_the_command_is_imported_by_each() -> None:
    look = "import sys; print('smtpcheck.run' in sys.modules, 'smtpcheck.cli' in sys.modules)"

    assert forked.run([sys.executable, "-c", look]).stdout == "True False\n"


def test_what_does_not_end_is_killed_and_the_next_one_runs() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run([sys.executable, "-c", "import signal; signal.pause()"], timeout=0.2)

    assert forked.run([sys.executable, "-c", "print(1)"]).stdout == "1\n"


def test_a_signal_is_told_as_a_negative_status() -> None:
    assert forked.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 15)"]).returncode == -15


@pytest.mark.parametrize(("name", "value"), [("PYTHONHASHSEED", "7"), ("LD_PRELOAD", "")])
def test_what_only_the_start_reads_starts_an_interpreter(name: str, value: str) -> None:
    look = "import sys; print('smtpcheck.run' in sys.modules)"

    assert forked.run([sys.executable, "-c", look], env=os.environ | {name: value}).stdout == "False\n"
