"""Does Tab complete commands, options and names in a real shell?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smtpcheck.cli.complete import SHELLS, script
from smtpcheck.lab import Lab
from tests.terminal import environment, seated

BASH = shutil.which("bash")
needs_bash = pytest.mark.skipif(BASH is None, reason="needs bash")
ASK = """
source "$1"
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
    _smtpcheck_completion smtpcheck "" "" 2>/dev/null
    printf '%s\\n' "${COMPREPLY[*]}"
done
"""
# what a person types before Tab, and the line that he has then
TYPED = {
    "smtpcheck hist": "smtpcheck history ",
    "smtpcheck check me@vip.qq.c": "smtpcheck check me@vip.qq.com ",
    "smtpcheck check mx:vip.qq.c": "smtpcheck check mx:vip.qq.com ",
    "smtpcheck check smtp.qq.com:5": "smtpcheck check smtp.qq.com:587 ",
    "smtpcheck check a.test --mode=sta": "smtpcheck check a.test --mode=starttls ",
    "smtpcheck lab greeting-nev": "smtpcheck lab greeting-never ",
}


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    done = subprocess.run(
        ["smtpcheck", "completion", "bash"], env=environment(folder), capture_output=True, text=True, check=True
    )
    (folder / "smtpcheck.bash").write_text(done.stdout)
    return folder


def completed(folder: Path, lines: list[str]) -> list[list[str]]:
    """What a real bash would put in place of the last word of each line."""
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK, "ask", "smtpcheck.bash"],
        input="\n".join(lines) + "\n",
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [line.split() for line in done.stdout.splitlines()]


@needs_bash
def test_words_of_every_kind_are_completed(bash: Path) -> None:
    cases = {
        "smtpcheck ": {"check", "diff", "explain", "lab"},
        "smtpcheck hist": {"history"},
        "smtpcheck check --dea": {"--deadline"},
        "smtpcheck check smtp.qq": {"smtp.qq.com"},
        # bash cuts before @ and after a colon, and replaces what comes then
        "smtpcheck check me@qq.c": {"@qq.com"},
        "smtpcheck check mx:163.c": {"163.com"},
        "smtpcheck check smtp.qq.com:": {"465", "587"},
        "smtpcheck check a.test --until certi": {"certificate"},
        "smtpcheck check a.test --mode=sta": {"starttls"},
        "smtpcheck check a.test --allow plain": {"plaintext-auth"},
        "smtpcheck explain certificate-chain": {"certificate-chain-incomplete"},
        "smtpcheck lab greeting-nev": {"greeting-never"},
        "smtpcheck completion z": {"zsh"},
        "smtpcheck nonsense a": set(),
    }
    for (line, wanted), found in zip(cases.items(), completed(bash, list(cases)), strict=True):
        assert wanted <= set(found), line
        assert len(found) == len(set(found))
        assert len(wanted) > 1 or set(found) == wanted, line


@needs_bash
def test_every_fault_is_completed(bash: Path) -> None:
    (found,) = completed(bash, ["smtpcheck lab "])
    assert set(found) == set(Lab.faults)


@needs_bash
def test_a_person_presses_tab(bash: Path) -> None:
    with seated(["bash", "--norc", "--noprofile", "-i"], bash, environment(bash, PS1="ready> ")) as seat:
        seat.until("ready> ")
        seat.type("source smtpcheck.bash\n")
        seat.until("ready> ", after=len(seat.text))
        for typed, wanted in TYPED.items():
            before = len(seat.text)
            seat.type(f"{typed}\t\x01echo [\x05]\n")  # Tab; then to the start of the line, and to its end
            seat.until(f"\r[{wanted}]\r\n", after=before)
            seat.until("ready> ", after=seat.text.rindex(f"\r[{wanted}]"))
        seat.type("exit\n")
        seat.rest()


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script_that_asks_us(shell: str) -> None:
    text = script(shell, "smtpcheck", "_SMTPCHECK_COMPLETE")
    assert f"_SMTPCHECK_COMPLETE={shell}_complete" in text


def test_another_shell_is_refused() -> None:
    with pytest.raises(ValueError, match="bash, zsh, fish"):
        script("tcsh", "smtpcheck", "X")


@pytest.mark.parametrize(("shell", "wanted"), [("zsh", "plain\ncheck\n"), ("fish", "plain,check")])
def test_the_other_shells_are_answered_in_their_way(tmp_path: Path, shell: str, wanted: str) -> None:
    asked = {"_SMTPCHECK_COMPLETE": f"{shell}_complete", "COMP_WORDS": "smtpcheck che", "COMP_CWORD": "1"}
    if shell == "fish":
        asked["COMP_CWORD"] = "che"
    done = subprocess.run(
        [sys.executable, "-m", "smtpcheck"],
        env=environment(tmp_path, **asked),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(wanted)
