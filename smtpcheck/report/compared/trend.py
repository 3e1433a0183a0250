"""How does a history look as a page? A chart and a table for each target, in one file that runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from smtpcheck.advice import Words, fill
from smtpcheck.core import Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.compared.history import Check, by_target, cells_of, number, since, summary
from smtpcheck.report.page import html
from smtpcheck.report.page.markup import Content, Html, Value, document, tag
from smtpcheck.report.page.pictures.drawing import PAPER, TONES
from smtpcheck.report.page.pictures.signs import SIGNS, icon
from smtpcheck.report.terminal.lines import title

POINTS = 200
"""Checks of one target in a chart and its table; a defence, more is not told apart on a screen."""
_HEIGHT = 120
_TOP, _BOTTOM = 16, 104
_LEFT, _RIGHT = 2.0, 98.0
_STYLE = """
.trend { margin-top: 1rem; }
.trend figcaption { font-size: .85rem; color: var(--faint); }
.trend > svg { width: 100%; height: 120px; background: var(--sunk); border-radius: 8px; margin-top: .35rem; }
.trend svg svg.icon { overflow: visible; }
.trend .line { stroke: var(--idle); stroke-width: 2; }
.trend .grid { stroke: var(--edge); stroke-width: 1; }
.trend text { fill: var(--faint); font: .7rem var(--mono); }
.trend .point { fill: var(--unknown); }
.history { width: 100%; border-collapse: collapse; margin-top: 1rem; font-size: .9rem; }
.history th { text-align: left; font-weight: 400; color: var(--faint); }
.history th, .history td { padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--edge); vertical-align: top;
  white-space: nowrap; }
.history .number { text-align: right; }
.history td:first-child { text-align: left; }
.history .state { color: var(--tone); font-weight: 600; white-space: nowrap; }
.history .icon { width: 1rem; height: 1rem; display: inline-block; vertical-align: -.15em; margin-right: .4rem; }
.wide { overflow-x: auto; }
"""


def render(checks: Iterable[Check], *, lang: str = "en") -> str:
    """The page."""
    words = Words(lang)
    name = words.ui["history.title"]
    sections = [_section(target, several, words) for target, several in by_target(checks).items()]
    heading = tag("header", tag("h1", title(name)))
    return document(
        html.style() + _STYLE, tag("main", heading, *sections), title=f"{title(name)} - smtpcheck", lang=lang
    )


def _section(target: str, checks: Sequence[Check], words: Words) -> Html:
    ui, shown = words.ui, checks[-POINTS:]
    older = len(checks) - len(shown)
    return tag(
        "section",
        tag("h2", tag("bdi", escape.visible(target, 120))),
        [tag("p", title(text)) for text in (summary(checks, ui), since(checks, ui)) if text],
        _chart(shown, "times", [check.seconds for check in shown], words, _sign) if len(shown) > 1 else None,
        _chart(shown, "validity", [check.days for check in shown], words, _point) if len(shown) > 1 else None,
        tag("div", _table(shown, words), class_="wide", tabindex=0, role="region", aria_label=ui["history.title"]),
        tag("p", fill(ui["history.older"], {"count": older}, ""), class_="faint") if older else None,
        class_="card",
    )


Draw = Callable[[Check, float, float, str], Html]


def _chart(checks: Sequence[Check], name: str, values: Sequence[float | None], words: Words, draw: Draw) -> Html | None:
    """Values over time; a gap where one is not known. The words beside it say the same in short."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(0.0, *known), max(1.0, *known)
    places = [
        (x, _BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP)) if value is not None else None
        for x, value in zip(_across(checks), values, strict=True)
    ]
    span = fill(words.ui["history.range"], {"low": number(min(known)), "high": number(max(known))}, "")
    caption = outline.colon(title(words.ui[f"history.{name}"]), words.ui) + span
    lines = [
        tag("line", x1=f"{a[0]:.2f}%", y1=f"{a[1]:.1f}", x2=f"{b[0]:.2f}%", y2=f"{b[1]:.1f}", class_="line")
        for a, b in pairwise(places)
        if a and b
    ]
    points = [each for each in zip(checks, places, values, strict=True) if each[1]]
    # what is not healthy is drawn last, and so never hidden behind what is
    points.sort(key=lambda each: each[0].verdict is not Verdict.HEALTHY)
    signs = [draw(check, *place, _label(check, value, words)) for check, place, value in points if place]
    zero = _BOTTOM - (0 - low) / (high - low) * (_BOTTOM - _TOP)
    ground = tag("line", x1="0%", x2="100%", y1=f"{zero:.1f}", y2=f"{zero:.1f}", class_="grid")
    drawn = tag("svg", ground, lines, signs, role="img", aria_label=caption, height=_HEIGHT, width="100%")
    return tag("figure", tag("figcaption", caption), drawn, class_="trend")


def _across(checks: Sequence[Check]) -> list[float]:
    """Percent of the width for each check, by its time."""
    first, last = checks[0].at, checks[-1].at
    whole = (last - first).total_seconds() or 1.0
    return [_LEFT + (check.at - first).total_seconds() / whole * (_RIGHT - _LEFT) for check in checks]


def _label(check: Check, value: float | None, words: Words) -> str:
    when, verdict, cause, *_ = cells_of(check, words.ui)
    return words.ui["list.separator"].join(filter(None, (when, verdict, cause, number(value or 0.0))))


def _sign(check: Check, x: float, y: float, label: str) -> Html:
    """The sign of the verdict around a point; its box starts at its middle, and what is outside shows."""
    status = outline.OF_VERDICT[check.verdict]
    (name, shape), lines = SIGNS[status]
    ink = tag("path", d=lines, fill="none", stroke=PAPER, stroke_width=3, stroke_linecap="round")
    place: dict[str, Value] = {"x": f"{x:.2f}%", "y": f"{y:.1f}", "width": 14, "height": 14, "overflow": "visible"}
    body = tag(name, fill=TONES[status], **shape)
    return tag("svg", tag("title", label), body, ink, class_=f"icon s-{status}", viewBox="16 16 32 32", **place)


def _point(_check: Check, x: float, y: float, label: str) -> Html:
    return tag("circle", tag("title", label), cx=f"{x:.2f}%", cy=f"{y:.1f}", r=3, class_="point")


def _table(checks: Sequence[Check], words: Words) -> Html:
    ui = words.ui
    names = ("when", "verdict", "cause", "seconds", "days", "file")
    head = tag("tr", [tag("th", title(ui[f"history.{name}"]), scope="col") for name in names])
    rows: list[Content] = []
    for check in reversed(checks):
        when, verdict, cause, seconds, days = cells_of(check, ui)
        status = outline.OF_VERDICT[check.verdict]
        state = tag("td", icon(status), verdict, class_=f"state s-{status}")
        numbers = [tag("td", text, class_="number") for text in (seconds, days)]
        code = tag("code", cause) if cause else None
        file = tag("td", tag("bdi", escape.visible(check.file, 80)))
        rows.append(tag("tr", tag("td", when, class_="number"), state, tag("td", code), *numbers, file))
    return tag("table", tag("thead", head), tag("tbody", rows), class_="history")
