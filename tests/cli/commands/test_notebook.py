"""Does `smtpcheck notebook` write a notebook, from a check and from a saved report, and overwrite nothing?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

import smtpcheck
from smtpcheck.lab import Practice, background
from tests.cli.test_commands import Shell, aimed
from tests.report import samples
from tests.test_leaks import forms


@pytest.fixture(scope="module")
def refused() -> Iterator[Practice]:
    with background() as lab:
        yield lab.start("auth-refused")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def read(path: Path) -> str:
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    return "\n".join(cell.source for cell in book.cells)


def test_a_check_becomes_a_notebook_without_its_password(shell: Shell, refused: Practice) -> None:
    login = {"SMTPCHECK_PASSWORD": refused.password}
    done = shell("notebook", refused.target, *aimed(refused), "-o", "why.ipynb", "--lang", "zh-CN", **login)
    assert done.returncode == 1, done.stderr
    assert "有故障" in done.stdout
    text = read(shell.folder / "why.ipynb")
    assert "有故障" in text
    assert not [form for form in forms(refused.password, refused.target) if form in text]


def test_a_saved_report_becomes_a_notebook_without_network(shell: Shell, refused: Practice) -> None:
    report = smtpcheck.check(**refused.arguments)
    smtpcheck.dump(report, shell.folder / "r.json")
    done = shell("notebook", "r.json", "-q")
    assert done.returncode == 1, done.stderr
    assert smtpcheck.render(report, "ipynb") == (shell.folder / "smtpcheck.ipynb").read_text("utf-8")
    again = shell("check", refused.target, *aimed(refused), "--report", "other.ipynb", "--until", "dns")
    assert again.returncode == 0
    assert "healthy" in read(shell.folder / "other.ipynb")


def test_nothing_is_overwritten_unless_asked(shell: Shell, refused: Practice) -> None:
    smtpcheck.dump(smtpcheck.check(**refused.arguments), shell.folder / "r.json")
    (shell.folder / "mine.ipynb").write_text("my notes")
    done = shell("notebook", "r.json", "-o", "mine.ipynb")
    assert (done.returncode, (shell.folder / "mine.ipynb").read_text()) == (2, "my notes")
    assert "-f overwrites it" in done.stderr
    assert shell("notebook", "r.json", "-o", "mine.ipynb", "-f").returncode == 1
    assert "broken" in read(shell.folder / "mine.ipynb")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("me@example.test", "-o", "why.txt"), "ends with .ipynb"),
        (("bad.json",), "bad.json: "),
        (("me@example.test", "--until", "nonsense"), "is no stage"),
    ],
)
def test_what_makes_no_sense_is_said_without_a_traceback(shell: Shell, words: tuple[str, ...], said: str) -> None:
    (shell.folder / "bad.json").write_text("{}")
    done = shell("notebook", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(shell.folder.glob("*.ipynb"))


def test_the_language_of_a_notebook_is_asked_for_as_everywhere() -> None:
    assert "What to do" in smtpcheck.render(samples.refused(), "ipynb", lang="en")
    assert "怎么办" in smtpcheck.render(samples.refused(), "ipynb", lang="zh-CN")
