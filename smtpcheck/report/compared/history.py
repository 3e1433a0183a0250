"""How did a target fare over time? Reports as rows in the order of time, and a table with a trend in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from smtpcheck import route
from smtpcheck.advice import Words, fill
from smtpcheck.core import Report, Verdict, facts_of
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.report import escape, outline
from smtpcheck.report.terminal.lines import NARROWEST, STYLES, Line, Sheet, cells, fitting, printed, shortened, title

ROWS = 12
"""Checks of one target that a terminal shows; half a screen."""
TREND = 60
"""Checks in one trend; a cell each."""
_TEXTS = 3
_LEAST = 8
_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = ".:-=+*#@"
_UI = Mapping[str, str]
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Check:
    """One report, as far as a history tells it."""

    target: str
    at: datetime
    verdict: Verdict
    cause: str
    seconds: float
    days: float | None
    """Until the certificate of the server that the verdict is about expires; None where it was not seen."""
    file: str = ""


def check_of(report: Report, file: str = "") -> Check:
    """The report as a row."""
    return Check(
        target=report.target.spec,
        at=report.started,
        verdict=report.verdict,
        cause=report.diagnosis.code if report.diagnosis else "",
        seconds=report.elapsed,
        days=_days(report),
        file=file,
    )


def _days(report: Report) -> float | None:
    subject = route.chosen(report.target, report.results)
    facts = next(facts_of(ChainFacts, report.results, subject), None) if subject else None
    if not facts or not facts.certificates:
        return None
    return (facts.certificates[0].not_after - report.started).total_seconds() / _DAY


def by_target(checks: Iterable[Check]) -> Mapping[str, tuple[Check, ...]]:
    """The checks of each target, oldest first; one that lies in two files once."""
    found: dict[str, dict[datetime, Check]] = {}
    for check in sorted(checks, key=lambda check: (check.target, check.at, check.file)):
        found.setdefault(check.target, {}).setdefault(check.at, check)
    return {target: tuple(several.values()) for target, several in found.items()}


def summary(checks: Sequence[Check], ui: _UI) -> str:
    """How many checks, when, and how they ended."""
    first, last = (f"{check.at:%Y-%m-%d}" for check in (checks[0], checks[-1]))
    way = "check" if len(checks) == 1 else "day" if first == last else "checks"
    when = fill(ui[f"history.{way}"], {"count": len(checks), "first": first, "last": last}, "")
    counts = Counter(check.verdict for check in checks)
    ended = [counted(ui, verdict, counts[verdict]) for verdict in Verdict if counts[verdict]]
    return outline.colon(when, ui) + ui["list.separator"].join(ended)


def counted(ui: _UI, verdict: Verdict, count: int) -> str:
    """A verdict and how often."""
    return fill(ui["history.counted"], {"count": count, "verdict": ui[f"verdict.{verdict}"]}, "")


def since(checks: Sequence[Check], ui: _UI) -> str:
    """Since when the verdict has been what it is now; empty where it never was another one."""
    last = checks[-1]
    same = 0
    for check in reversed(checks):
        if check.verdict is not last.verdict:
            break
        same += 1
    if same == len(checks):
        return ""
    values = {"verdict": ui[f"verdict.{last.verdict}"], "when": f"{checks[-same].at:%Y-%m-%d %H:%M} UTC"}
    return fill(ui["history.since"], values, "")


def render(
    checks: Iterable[Check], *, lang: str = "en", width: int = 80, color: bool = False, unicode: bool = True
) -> str:
    """A table and a trend for each target, as lines for a terminal."""
    sheet = Sheet(Words(lang), max(width, NARROWEST), unicode)
    lines: list[Line] = []
    for target, several in by_target(checks).items():
        lines += [()] if lines else []
        lines += _section(target, several, sheet)
    return printed(lines, color)


def _section(target: str, checks: Sequence[Check], sheet: Sheet) -> list[Line]:
    status = outline.OF_VERDICT[checks[-1].verdict]
    head = f"{sheet.symbol(status)} {escape.visible(target, 120)}"
    lines: list[Line] = [((shortened(head, sheet.width), f"bold {STYLES[status].removeprefix('bold ')}"),)]
    for text in filter(None, (summary(checks, sheet.ui), since(checks, sheet.ui))):
        lines += sheet.para("", title(text))
    if len(checks) > 1:
        lines += _trends(checks, sheet)
    return [*lines, *_table(checks[-ROWS:], sheet), *_older(len(checks) - ROWS, sheet)]


def _older(count: int, sheet: Sheet) -> list[Line]:
    return sheet.para("", fill(sheet.ui["history.older"], {"count": count}, ""), style="dim") if count > 0 else []


def _trends(checks: Sequence[Check], sheet: Sheet) -> list[Line]:
    """One sign a check for the verdicts, and levels for seconds and days, the newest at the right."""
    recent = checks[-min(TREND, sheet.width - 34) :]
    names = [outline.colon(title(sheet.ui[f"history.{name}"]), sheet.ui) for name in ("verdict", "seconds", "days")]
    column = max(map(cells, names))
    signs = [(sheet.symbol(s)[0], STYLES[s]) for s in (outline.OF_VERDICT[check.verdict] for check in recent)]
    lines: list[Line] = [(("  " + _padded(names[0], column), "dim"), *signs)]
    series: tuple[list[float | None], ...] = ([c.seconds for c in recent], [c.days for c in recent])
    for name, values in zip(names[1:], series, strict=True):
        known = [value for value in values if value is not None]
        if known:
            span = {"low": number(min(known)), "high": number(max(known))}
            text = f"{levels(values, unicode=sheet.unicode)}  {fill(sheet.ui['history.range'], span, '')}"
            lines.append((("  " + _padded(name, column), "dim"), (text, "")))
    return lines


def levels(values: Sequence[float | None], *, unicode: bool = True) -> str:
    """A bar for each value, between zero and the highest; a blank for one that is not known."""
    signs = _LEVELS if unicode else _ASCII_LEVELS
    known = [value for value in values if value is not None]
    if not known:
        return " " * len(values)
    low = min(0.0, *known)
    span = max(known) - low

    def sign(value: float | None) -> str:
        if value is None:
            return " "
        return signs[int((value - low) / span * (len(signs) - 1) + 0.5) if span else 0]

    return "".join(map(sign, values))


def number(value: float) -> str:
    """A number with as many places as a person reads."""
    return f"{value:.2f}" if abs(value) < 10 and value != int(value) else f"{value:.0f}"


def cells_of(check: Check, ui: _UI) -> tuple[str, str, str, str, str]:
    """The row of a table: when, verdict, cause, seconds, days."""
    days = "" if check.days is None else f"{check.days:.0f}"
    cause = escape.visible(check.cause, 60)
    return f"{check.at:%Y-%m-%d %H:%M}", ui[f"verdict.{check.verdict}"], cause, f"{check.seconds:.2f}", days


def _table(checks: Sequence[Check], sheet: Sheet) -> list[Line]:
    names = [title(sheet.ui[f"history.{name}"]) for name in ("when", "verdict", "cause", "seconds", "days")]
    rows = [cells_of(check, sheet.ui) for check in checks]
    columns = [max(map(cells, column)) for column in zip(names, *rows, strict=True)]
    # where a line is too narrow for all of it the cause gives way, then the numbers do
    while len(columns) > _TEXTS and sum(columns) - columns[2] + _LEAST + 2 * len(columns) > sheet.width:
        columns.pop()
    columns[2] = max(min(columns[2], sheet.width - sum(columns) + columns[2] - 2 * len(columns)), _LEAST)
    lines: list[Line] = [((_row(names, columns), "dim"),)]
    for check, row in zip(checks, rows, strict=True):
        lines.append(((_row(row, columns), STYLES[outline.OF_VERDICT[check.verdict]].replace("green", "")),))
    return lines


def _row(texts: Sequence[str], columns: Sequence[int]) -> str:
    """As many cells as there are columns; numbers stand at the right of theirs."""
    shown = [fitting(text, room) if text else "" for text, room in zip(texts, columns, strict=False)]
    left = [_padded(text, room) for text, room in zip(shown[:_TEXTS], columns, strict=False)]
    right = [" " * (room - cells(text)) + text for text, room in zip(shown[_TEXTS:], columns[_TEXTS:], strict=True)]
    return "  " + "  ".join((*left, *right))


def _padded(text: str, room: int) -> str:
    return text + " " * max(room - cells(text), 0)
