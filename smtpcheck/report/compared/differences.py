"""How is a comparison of two reports told? In words for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from smtpcheck.advice import Words, fill
from smtpcheck.core import Report, Status, Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.compared import changes
from smtpcheck.report.compared.changes import Change, Comparison
from smtpcheck.report.terminal.lines import NARROWEST, STYLES, Line, Sheet, cells, printed, shortened, title

SCHEMA = 1
MAX_VALUES = 6
"""Members of a set that are told; a defence, and what a person reads."""
_VALUE = 90

_UI = Mapping[str, str]


def render(
    comparison: Comparison,
    *,
    lang: str = "en",
    width: int = 80,
    color: bool = False,
    unicode: bool = True,
    quiet: bool = False,
) -> str:
    """The comparison as lines for a terminal: how it went then and now, what may explain it, what else changed."""
    sheet = Sheet(Words(lang), max(width, NARROWEST), unicode)
    lines = [_headline(comparison, sheet)]
    if not quiet:
        lines += _verdicts(comparison, sheet)
        lines += _lists(comparison, sheet)
    return printed(lines, color)


def render_json(comparisons: Sequence[Comparison], *, lang: str = "en") -> str:
    """`{"schema": 1, "comparisons": [...]}`: every change with its code, its values and its sentence."""
    document = {"schema": SCHEMA, "comparisons": [_object(one, Words(lang).ui) for one in comparisons]}
    return json.dumps(document, ensure_ascii=False, indent=2)


def sentence(change: Change, ui: _UI) -> str:
    """The change in words; values of a peer are harmless in it."""
    values = {
        "name": fill(ui[f"trait.{change.code}"], {"about": _about(change, ui)}, ""),
        "lost": _listed(change.lost, change, ui),
        "gained": _listed(change.gained, change, ui),
    }
    # not by `fill`, which would take a name of ours and its colon along with a value that is empty
    text = ui[f"change.{_pattern(change, ui)}"]
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value.replace("{", "\0"))
    return text.replace("\0", "{")


def _pattern(change: Change, ui: _UI) -> str:
    if f"change.{change.code}" in ui:
        return change.code
    way = "turned" if change.lost and change.gained else "gone" if change.lost else "come"
    if f"change.{change.code}-lost" in ui:
        return f"{change.code}-{'gained' if change.gained else 'lost'}"
    if change.code in changes.SETS:
        return {"turned": "exchanged", "gone": "lost", "come": "gained"}[way]
    return way


def _about(change: Change, ui: _UI) -> str:
    if change.code == "latency":
        return ui[f"stage.{change.about}"]
    return escape.visible(change.about, _VALUE)


def _listed(values: Sequence[str], change: Change, ui: _UI) -> str:
    shown = [_value(value, change, ui) for value in values[:MAX_VALUES]]
    if len(values) > MAX_VALUES:
        shown.append(ui["diff.more"].format(count=len(values) - MAX_VALUES))
    return ui["list.separator"].join(shown)


def _value(value: str, change: Change, ui: _UI) -> str:
    if change.code == "port":
        return ui["trait.open"] if value == "open" else ui.get(f"kind.{value}", escape.visible(value, _VALUE))
    return escape.visible(value, _VALUE)


# For people


def _headline(comparison: Comparison, sheet: Sheet) -> Line:
    status = outline.OF_VERDICT[comparison.new.verdict]
    said = f"{sheet.symbol(status)} {_course(comparison, sheet.ui)}"
    room = max(sheet.width - cells(said) - 3, 20)
    spec = shortened(escape.visible(comparison.new.target.spec), room)
    return ((said, f"bold {STYLES[status].removeprefix('bold ')}"), ("   " + spec, "bold"))


def _course(comparison: Comparison, ui: _UI) -> str:
    """How it went then and how now."""
    then, now = comparison.old.verdict, comparison.new.verdict
    match then, now:
        case Verdict.HEALTHY, Verdict.BROKEN:
            return ui["diff.worked-broken"]
        case Verdict.BROKEN, Verdict.HEALTHY:
            return ui["diff.broken-worked"]
        case Verdict.HEALTHY, Verdict.HEALTHY:
            return ui["diff.healthy-healthy"]
        case Verdict.BROKEN, Verdict.BROKEN:
            codes = [report.diagnosis.code if report.diagnosis else "" for report in (comparison.old, comparison.new)]
            return ui["diff.broken-broken" if codes[0] == codes[1] else "diff.broken-otherwise"]
    words = {"old": ui[f"verdict.{then}"], "new": ui[f"verdict.{now}"]}
    return fill(ui["diff.unclear"], words, "")


def _verdicts(comparison: Comparison, sheet: Sheet) -> list[Line]:
    lines: list[Line] = []
    for name, report in (("then", comparison.old), ("now", comparison.new)):
        label = outline.colon(title(sheet.ui[f"diff.{name}"]), sheet.ui)
        apart = outline.brackets(_apart(changes.between(comparison), sheet.ui), sheet.ui) if name == "now" else ""
        text = f"{report.started:%Y-%m-%d %H:%M} UTC{apart}{sheet.ui['list.separator']}{_gist(report, sheet.words)}"
        style = STYLES[outline.OF_VERDICT[report.verdict]]
        lines += sheet.para(label, text, label_style=style)
    return lines


def _gist(report: Report, words: Words) -> str:
    if report.diagnosis:
        return words.summary(escape.diagnosis(report.diagnosis))
    return next(iter(outline.shortfalls(report, words.ui)), outline.headline(report, words.ui))


def _apart(time: timedelta, ui: _UI) -> str:
    minutes = time.total_seconds() / 60
    if minutes >= 60 * 48:
        return ui["diff.days"].format(count=f"{minutes / 1440:.0f}")
    if minutes >= 120:
        return ui["diff.hours"].format(count=f"{minutes / 60:.0f}")
    if minutes >= 2:
        return ui["diff.minutes"].format(count=f"{minutes:.0f}")
    return ui["diff.seconds"].format(count=f"{minutes * 60:.0f}")


def _lists(comparison: Comparison, sheet: Sheet) -> list[Line]:
    told = [change for change in comparison.changes if change.code not in changes.OUTCOMES]
    parts = {
        "explains": [change for change in told if change.explains],
        "changed": [change for change in told if change.counts and not change.explains],
        "quiet": [change for change in told if not (change.counts or change.explains)],
    }
    lines: list[Line] = []
    if comparison.broken and not parts["explains"]:
        lines += [(), *sheet.para("", title(sheet.ui["diff.unexplained"]))]
    for name, several in parts.items():
        if several:
            lines += [(), (("  " + title(sheet.ui[f"diff.{name}"]), _style(name)),)]
            lines += _bullets(several, sheet, "dim" if name == "quiet" else "")
    if not comparison.broken and not parts["explains"] and not parts["changed"]:
        lines += [(), *sheet.para("", title(sheet.ui["diff.nothing"]))]
    if comparison.unknown:
        stages = dict.fromkeys(stage for _, stage in comparison.unknown)
        names = outline.stage_list(stages, sheet.ui)
        label = outline.colon(title(sheet.ui["diff.unknown"]), sheet.ui)
        lines += [(), *sheet.para("", label + names, style="dim")]
    return [*lines, *_rule(sheet)]


def _style(name: str) -> str:
    return {"explains": STYLES[Status.FAIL], "changed": "bold"}.get(name, "dim")


def _bullets(several: Iterable[Change], sheet: Sheet, style: str) -> list[Line]:
    lines: list[Line] = []
    for change in several:
        lines += sheet.para("- ", sentence(change, sheet.ui), indent=3, style=style)
    return lines


def _rule(sheet: Sheet) -> list[Line]:
    values = {
        "factor": f"{changes.SLOWER:.0f}",
        "seconds": f"{changes.LATER:.1f}",
        "clock": f"{changes.CLOCK_MOVED:.0f}",
    }
    return sheet.para("", title(fill(sheet.ui["diff.rule"], values, "")), style="dim")


# For programs


def _object(comparison: Comparison, ui: _UI) -> dict[str, Any]:
    return {
        "target": comparison.new.target.spec,
        "old": _report(comparison.old),
        "new": _report(comparison.new),
        "changed": comparison.changed,
        "changes": [_change(change, ui) for change in comparison.changes],
        "not_compared": [code for code, _ in comparison.unknown],
    }


def _report(report: Report) -> dict[str, Any]:
    return {
        "started": report.started.isoformat().replace("+00:00", "Z"),
        "verdict": report.verdict.value,
        "diagnosis": report.diagnosis.code if report.diagnosis else None,
    }


def _change(change: Change, ui: _UI) -> dict[str, Any]:
    return {
        "code": change.code,
        "stage": change.stage.value,
        "about": change.about,
        "old": list(change.lost),
        "new": list(change.gained),
        "explains": change.explains,
        "counts": change.counts or change.explains,
        "text": None if change.code in changes.OUTCOMES else sentence(change, ui),
    }
