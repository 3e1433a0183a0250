"""How far is this machine's clock off, how sure is that, and how much would be tolerated?"""

from __future__ import annotations

from typing import Any

from smtpcheck.advice import Words
from smtpcheck.core import Report, Result, Status
from smtpcheck.probes.clock import Clock, ClockFacts
from smtpcheck.report import escape
from smtpcheck.report.page.labels import amount, labels
from smtpcheck.report.page.languages import Tongues
from smtpcheck.report.page.markup import Html, Value, tag, together
from smtpcheck.report.page.pictures.drawing import FAINT, TONES, canvas, percent
from smtpcheck.report.terminal.lines import title

MAX_CLOCKS = 8
"""Time servers drawn; one is asked."""
_CROWDED = 0.12
"""Of the width: marks nearer to the middle than this would stand in each other's way."""


_NARROW = 0.025


def clocks(report: Report, tongues: Tongues) -> Html | None:
    """Every time server's answer; None where nobody told."""
    shown = [drawn for result in report.results if (drawn := clock(result, tongues))]
    return together(shown[:MAX_CLOCKS]) if shown else None


def clock(result: Result[Any], tongues: Tongues) -> Html | None:
    """The offset on an axis with the limit of what is tolerated, and in words; None for another probe's result."""
    facts = result.facts
    if not isinstance(facts, ClockFacts):
        return None
    return tag("div", tongues.each(lambda words: _figure(facts, words), "div"), class_="clock")


def _figure(facts: ClockFacts, words: Words) -> Html:
    said, names, limit = saying(facts, words), labels(words.lang), Clock().limit_seconds
    within = names["clock-within"].format(
        uncertainty=amount(facts.uncertainty, words.lang),
        server=escape.visible(facts.server, 120),
        limit=amount(limit, words.lang),
    )
    caption = tag("figcaption", tag("p", tag("strong", title(said))), tag("p", title(within), class_="faint"))
    return tag("figure", caption, _axis(facts, limit, said, within, words))


def saying(facts: ClockFacts, words: Words) -> str:
    """How far the clock is off, in words."""
    off = abs(facts.offset)
    exact = off <= max(facts.uncertainty, 1.0)
    key = "clock-exact" if exact else "clock-ahead" if facts.offset < 0 else "clock-behind"
    return labels(words.lang)[key].format(amount=amount(off, words.lang))


def _axis(facts: ClockFacts, limit: float, said: str, within: str, words: Words) -> Html:
    names, ahead = labels(words.lang), -facts.offset
    off, doubt = abs(ahead), facts.uncertainty
    reach = max((off + min(doubt, off)) * 1.15, limit * 1.6)

    def place(seconds: float) -> float:
        return 0.5 + seconds / reach / 2

    status = Status.FAIL if off - doubt > limit else Status.OK
    tone, fine = TONES[status], TONES[Status.OK]
    width = place(limit) - place(-limit)
    band: dict[str, Value] = {"x": percent(place(-limit)), "y": 22, "width": percent(width), "height": 28, "rx": 3}
    parts = [
        tag("rect", class_="band", fill=fine, opacity=0.16, **band),
        tag("rect", fill="none", stroke=fine, stroke_dasharray="4 3", **band),
        tag("line", x1="0%", x2="100%", y1=36, y2=36, stroke=FAINT, stroke_width=1.5),
        tag("line", x1="50%", x2="50%", y1=18, y2=54, stroke=fine, stroke_width=2),
        tag("line", x1="50%", x2=percent(place(ahead)), y1=36, y2=36, stroke=tone, stroke_width=3),
        *_whisker(place(ahead - doubt), place(ahead + doubt), tone),
        _mark(status, place(ahead), tone),
        _text(names["clock-slow"], 0.0, 12, "start"),
        _text(names["clock-fast"], 1.0, 12, "end"),
        _text("0", 0.5, 68, "middle"),
    ]
    if width / 2 > _CROWDED:
        parts += [
            _text(sign + amount(limit, words.lang), place(limit * way), 68, "middle")
            for sign, way in (("\u2212", -1), ("+", 1))
        ]
    return canvas(74, parts, name=said, about=within, class_=f"offset s-{status}")


def _whisker(low: float, high: float, tone: str) -> tuple[Html, ...]:
    """The uncertainty, as a bar with an end at each side; one narrower than the mark would only blur it."""
    if high - low < _NARROW:
        return ()
    line = tag("line", x1=percent(low), x2=percent(high), y1=36, y2=36, stroke=tone, stroke_width=6, opacity=0.5)
    ends = (
        tag("line", x1=percent(at), x2=percent(at), y1=28, y2=44, stroke=tone, stroke_width=2) for at in (low, high)
    )
    return (line, *ends)


def _mark(status: Status, at: float, tone: str) -> Html:
    """Where the clock is: a square where that is too far off, a circle where it is not."""
    if status is not Status.FAIL:
        return tag("circle", class_="mark", cx=percent(at), cy=36, r=6, fill=tone)
    # a rectangle has no centre to be placed by, so that it is moved by nested coordinates
    square = tag("rect", x=-7, y=29, width=14, height=14, rx=2, fill=tone)
    return tag("svg", square, class_="mark", x=percent(at), width=1, height=74, overflow="visible")


def _text(said: str, at: float, y: int, how: str) -> Html:
    return tag("text", said, x=percent(at), y=y, text_anchor=how, fill="currentColor", font_size=11)
