"""Is help short, grouped and quick, and is a slip of the command line answered in a line?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import smtpcheck
from smtpcheck.cli import cli
from smtpcheck.cli.layout import SECTIONS, Command, Commands, under
from tests import forked

COMMANDS = Path(smtpcheck.__file__).parent / "cli" / "commands"
# what `--help` may not need: the first is slow, the others lead to it
SLOW = ("asyncio", "ssl", "dns", "cryptography", "msgspec", "rich", "smtpcheck.core", "smtpcheck.advice")


def said(*words: str) -> subprocess.CompletedProcess[str]:
    return forked.run([sys.executable, "-m", "smtpcheck", *words])


def helped(*words: str) -> str:
    return CliRunner().invoke(cli, [*words, "--help"], prog_name="smtpcheck", terminal_width=80).output


def test_every_command_stands_once_under_a_heading() -> None:
    text = helped()
    names = [path.stem.replace("_", "-") for path in COMMANDS.glob("[a-z]*.py")]
    assert [f"{name[:1].upper()}{name[1:]}:" in text for name in SECTIONS] == [True] * len(SECTIONS)
    for name in names:
        assert sum(line.startswith(f"  {name} ") for line in text.splitlines()) == 1, name


def test_help_fits_a_screen_and_no_line_is_cut() -> None:
    lines = helped().partition("More:")[0].splitlines()
    assert len(lines) <= 48
    assert max(map(len, lines)) <= 90  # the examples, which are not wrapped
    assert not [line for line in lines[1:] if line.rstrip().endswith("...")]


def test_a_command_file_without_a_section_stands_under_more(tmp_path: Path) -> None:
    """In a copy of the package: other tests read the folder of the commands at the same time."""
    shutil.copytree(COMMANDS.parents[1], tmp_path / "smtpcheck", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "smtpcheck" / "cli" / "commands" / "zz_dropped_in.py").write_text(
        '"""Is it found?"""\nimport click\n\n\n@click.command()\ndef command() -> None:\n    """Found by its file."""\n'
    )
    words = [sys.executable, "-m", "smtpcheck", "--help"]
    text = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert text.index("More:") < text.index("zz-dropped-in  Found by its file.")
    assert text.index("For programs:") < text.index("More:")


@pytest.mark.parametrize("name", ["check", "send"])
def test_the_options_stand_under_headings(name: str) -> None:
    text = helped(name)
    places = [text.index(f"\n{head}:\n") for head in ("Who to ask", "How to log in", "What may be tried", "Output")]
    assert places == sorted(places)
    assert text.index("How to log in:") < text.index("--user") < text.index("What may be tried:")
    assert text.index("Output:") < text.index("--json") < text.rindex("--help")


def test_options_without_a_heading_come_first_under_options() -> None:
    @click.command(cls=Command)
    @click.option("--loose")
    @under("that")("--bound")
    def command() -> None: ...

    text = CliRunner().invoke(command, ["--help"]).output
    assert text.index("Options:") < text.index("--loose") < text.index("That:") < text.index("--bound")


@pytest.mark.parametrize("words", [("--help",), ("check", "--help"), ("--version",)])
def test_help_imports_nothing_that_takes_long(words: tuple[str, ...]) -> None:
    look = (
        "import sys, smtpcheck.cli as cli\n"
        f"sys.argv[1:] = {list(words)!r}\n"
        "cli.main()\n"
        f"print(*(name for name in {SLOW!r} if name in sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("chek",), ("'chek'", "did you mean check?")),
        (("xyzzyxyzzy",), ("no command", "known: ", "check", "--help")),
        (("me@example.com",), ("smtpcheck check TARGET",)),
        (("check",), ("check: ", "TARGET", "me@example.com")),
        (("check", "a.test", "--deadlin", "3"), ("--deadlin", "--deadline")),
        (("check", "a.test", "--mode", "sideways"), ("--mode", "starttls")),
        (("check", "a.test", "--password", "x"), ("SMTPCHECK_PASSWORD",)),
        (("completion", "tcsh"), ("bash", "zsh", "fish")),
        (("check", "a.test", "--deadline", "soon"), ("--deadline", "soon")),
    ],
)
def test_a_slip_is_answered_in_one_helpful_line(words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    done = said(*words)

    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("smtpcheck: ")
    assert [part for part in parts if part not in line] == []


@pytest.mark.parametrize(
    "words",
    [
        ("hunter2:pass/word@smtp.example.com",),
        ("check", "me@example.com", "pass/word"),
        ("check", "me@example.com", "--password=pass/word"),
        ("check", "hunter2:pass/word@smtp.example.com"),
    ],
)
def test_a_password_in_the_wrong_place_is_not_repeated(words: tuple[str, ...]) -> None:
    done = said(*words)
    assert done.returncode == 2
    assert "pass/word" not in done.stdout + done.stderr


def test_a_word_that_would_move_the_cursor_is_spelt_out() -> None:
    done = said("ev\x1b[2Jil")
    assert "\x1b" not in done.stderr
    assert r"ev\x1b[2Jil" in done.stderr


def test_without_words_the_help_is_shown() -> None:
    done = said()
    assert done.returncode == 2
    assert "smtpcheck check me@qq.com" in done.stderr


def test_a_group_of_no_near_word_names_all() -> None:
    context = click.Context(Commands(name="x"))
    with pytest.raises(click.UsageError, match=r"known: .*check, .*send"):
        Commands(name="x").resolve_command(context, ["qqqq"])
