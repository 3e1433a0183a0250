"""Does every format tell every report, in both languages, and can no stranger's word do harm in any of them?"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from smtpcheck.core import Report
from smtpcheck.report import formats
from smtpcheck.report.saved import replay
from tests.report.samples import ALL
from tests.report.strangers import ATTACKS, attacked

LANGUAGES = ("en", "zh-CN")
EXAMPLE = Path(__file__).parents[2] / "reports" / "example.json"
every = pytest.mark.parametrize("name", formats.names())


@cache
def recorded() -> Report:
    """A report with all the facts that a real run has."""
    return replay.saved(EXAMPLE.read_bytes())[0]


def sources() -> list[Report]:
    return [recorded(), *(ALL[name] for name in ("refused", "expired", "possible", "unfinished", "bug"))]


def moving(text: str) -> set[str]:
    """Characters that do something to whoever shows the text."""
    return {char for char in text if not char.isprintable() and char != "\n"}


def test_every_file_is_a_format() -> None:
    files = {path.stem for path in Path(formats.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(formats.names()) == files, 'a file without a line SUFFIX = ".xyz"'
    assert len(set(formats.suffixes().values())) == len(files), "two formats with one suffix"


@every
def test_the_end_of_a_file_name_asks_for_it(name: str) -> None:
    assert formats.of_path(f"out/My.Report{formats.suffixes()[name].upper()}") == name


@every
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_report_can_be_told_and_is_told_alike_twice(name: str, lang: str) -> None:
    for sample, report in ALL.items():
        told = formats.render([report], name, lang=lang)
        assert told.endswith("\n"), sample
        assert formats.render([report], name, lang=lang) == told, sample


@every
@pytest.mark.parametrize("lang", LANGUAGES)
def test_several_targets_are_all_in_one_document(name: str, lang: str) -> None:
    told = formats.render(sources(), name, lang=lang)
    assert "certificate-chain-incomplete.lab.test" in told
    assert "example.test" in told


@cache
def hostile(attack: str) -> tuple[Report, Report, list[Report]]:
    """The recorded report with a stranger's words after the text and ahead of it, and others with both."""
    after, ahead = attacked(recorded(), attack)
    return (
        after,
        ahead,
        [one for sample in ("refused", "expired", "unfinished") for one in attacked(ALL[sample], attack)],
    )


@every
@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_in_it_moves_a_terminal_or_a_reader(name: str, attack: str) -> None:
    if name == "json" and attack == "surrogate":
        pytest.skip("half a character is refused there: see test_json")
    after, ahead, others = hostile(attack)
    for told in (
        formats.render([after], name),
        formats.render([ahead], name, lang="zh-CN"),
        formats.render(others, name),
    ):
        assert not moving(told)
        told.encode("utf-8")


@every
def test_an_endless_text_is_cut(name: str) -> None:
    if name in ("json", "ipynb"):
        pytest.skip("holds all that was said, within the bounds of the conversation")
    assert not re.search("A{2500}", formats.render([ALL["hostile"]], name))
