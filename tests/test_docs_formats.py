"""Does docs/formats.md name every format, and do its command lines work?"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from smtpcheck.cli import cli
from smtpcheck.report import formats
from tests import browser
from tests.report.test_formats import EXAMPLE

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "formats.md").read_text("utf-8")
ROWS = re.findall(r"^\| (\w+) \| `(\.\w+)` \| .* \| `([^`]+)` \|$", PAGE, re.MULTILINE)


def test_the_table_names_every_format_with_its_end() -> None:
    assert {name: suffix for name, suffix, _ in ROWS} == dict(formats.suffixes())


@pytest.mark.parametrize("line", [line for _, _, line in ROWS if line.startswith("smtpcheck report")])
def test_a_command_line_works(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(EXAMPLE, tmp_path / "r.json")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line.replace("*.json", "r.json"))[1:]
    cli(words, standalone_mode=False)
    assert "-o" not in words or (tmp_path / words[-1]).stat().st_size > 100


@pytest.mark.parametrize("line", [line for _, _, line in ROWS if not line.startswith("smtpcheck report")])
def test_an_option_is_there(line: str) -> None:
    _, name, *words = shlex.split(line)
    command = cli.get_command(None, name)  # type: ignore[arg-type]  # no context is needed for it
    assert command
    known = {option for one in command.params for option in one.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.browser
@pytest.mark.timeout(120)
def test_the_page_becomes_a_pdf(tmp_path: Path) -> None:
    (line,) = re.findall(r"^chromium .*$", PAGE, re.MULTILINE)
    shutil.copy(EXAMPLE.with_suffix(".html"), tmp_path / "r.html")
    quiet = ["--no-sandbox", f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    command = [browser.chromium(), *quiet, *shlex.split(line)[1:]]
    subprocess.run(command, cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=browser.WITHIN)
    written = (tmp_path / "r.pdf").read_bytes()
    assert written.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", written)) >= 1
