"""What are pictures drawn with? Colours, lengths as percentages of whatever width there is, and axes."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10

from smtpcheck.core import Status
from smtpcheck.report.page.markup import Content, Html, tag

# The second of each pair is for a page without our style sheet: at least 3 to 1 on white and on black.
TONES: Mapping[Status, str] = {
    Status.OK: "var(--ok, #2a9d54)",
    Status.NOTE: "var(--ok, #2a9d54)",
    Status.WARN: "var(--warn, #b97f00)",
    Status.FAIL: "var(--fail, #e5484d)",
    Status.INCONCLUSIVE: "var(--unknown, #3b82d6)",
    Status.BLOCKED: "var(--idle, #858585)",
    Status.SKIPPED: "var(--idle, #858585)",
    Status.BUG: "var(--bug, #b05cd6)",
}
PAPER = "var(--card, #fff)"
FAINT = "var(--idle, #858585)"
_NEAT = (1.0, 2.0, 5.0, 10.0)
_FEWEST = 3


def percent(part: float) -> str:
    """A share of the width, bounded to it."""
    return f"{min(max(part, 0.0), 1.0) * 100:.4g}%"


def canvas(height: int, *content: Content, name: str = "", about: str = "", class_: str | None = None) -> Html:
    """A picture as wide as there is room, with its text alternative; without one it only repeats what is beside it."""
    told = (tag("title", name) if name else None, tag("desc", about) if about else None)
    spoken = {"role": "img", "aria_label": name} if name else {"aria_hidden": "true"}
    return tag("svg", *told, *content, class_=class_, width="100%", height=height, **spoken)


def marks(total: float) -> tuple[float, ...]:
    """Neat values from 0 up to `total`, three to six of them."""
    if total <= 0:
        return (0.0,)
    unit = 10 ** floor(log10(total / _FEWEST))
    step = next(neat * unit for neat in reversed(_NEAT) if neat * unit * (_FEWEST - 1) <= total)
    return tuple(step * i for i in range(int(total / step + 1e-9) + 1))
