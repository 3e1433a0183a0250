"""What is said at the end? A verdict for each target, its warnings, and loudly what could not be tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from smtpcheck import advice
from smtpcheck.core import Status
from smtpcheck.report import outline
from smtpcheck.report.questions import UNTESTED
from smtpcheck.report.terminal import lines

Answers = Sequence[dict[str, Any]]
_COLOURS = {"healthy": "green", "broken": "red", "inconclusive": "yellow", "bug": "purple"}


def untested(answers: Answers) -> list[dict[str, Any]]:
    """The questions without an answer that count: not those beside a verdict that is known to be good.

    So a time server that is silent fails nothing as long as another question about the target was answered.
    """
    learnt = {a["target"] for a in answers if Status(a["status"]) not in (*UNTESTED, Status.SKIPPED)}
    return [a for a in _open(answers) if a["counts"] or a["target"] not in learnt]


def _open(answers: Answers) -> list[dict[str, Any]]:
    return [answer for answer in answers if Status(answer["status"]) in UNTESTED]


def write(reporter: pytest.TerminalReporter, answers: Answers, inconclusive: str) -> None:
    """The section of pytest's summary; with -q without what is healthy and gives no warning."""
    words = advice.Words(advice.language())
    sheet = lines.Sheet(words, min(max(reporter.config.get_terminal_writer().fullwidth, lines.NARROWEST), 120))
    groups = [[a for a in answers if a["target"] == target] for target in dict.fromkeys(a["target"] for a in answers)]
    shown = [mine for mine in groups if reporter.verbosity >= 0 or any(_remarkable(answer) for answer in mine)]
    if not shown:
        return
    reporter.write_sep("=", "smtpcheck")
    for mine in shown:
        _verdict(reporter, mine, sheet)
    if unanswered := _open(answers):
        fails = inconclusive == "fail" and untested(answers)
        said = words.ui["pytest.untested"].format(count=len(unanswered))
        how = words.ui["pytest.fails" if fails else "pytest.passes"]
        reporter.write_line(f"{said}{how}", yellow=True, bold=True)


def _remarkable(answer: dict[str, Any]) -> bool:
    return bool(answer["line"] or answer["warnings"] or Status(answer["status"]) in UNTESTED)


def _verdict(reporter: pytest.TerminalReporter, mine: Answers, sheet: lines.Sheet) -> None:
    worst = max(mine, key=lambda answer: bool(answer["line"]))
    reporter.write(f"{worst['symbol']} {worst['headline']}", bold=True, **{_COLOURS[worst["verdict"]]: True})
    reporter.write(f"   {mine[0]['target']}\n", bold=True)
    if worst["line"]:
        reporter.write_line("  " + lines.shortened(worst["line"], sheet.width - 2))
    for text in dict.fromkeys(text for answer in mine for text in answer["warnings"]):
        _para(reporter, sheet, f"{outline.SYMBOLS[Status.WARN]} ", text, yellow=True)
    whys: dict[str, list[str]] = {}
    for answer in _open(mine):
        whys.setdefault(answer["why"], []).append(answer["probe"])
    for why, probes in whys.items():
        label = outline.colon(sheet.ui["list.separator"].join(probes), sheet.ui)
        _para(reporter, sheet, f"{outline.SYMBOLS[Status.INCONCLUSIVE]} ", label + why, yellow=True)


def _para(reporter: pytest.TerminalReporter, sheet: lines.Sheet, label: str, text: str, **colour: bool) -> None:
    for line in sheet.para(label, text):
        reporter.write_line("".join(piece for piece, _ in line), **colour)
