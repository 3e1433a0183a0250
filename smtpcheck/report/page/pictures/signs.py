"""Which sign does a status have? Each a shape of its own, so that nobody needs the colour."""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.core import Severity, Status
from smtpcheck.report.page.markup import Html, Value, tag
from smtpcheck.report.page.pictures.drawing import PAPER, TONES

_INFO = "var(--unknown, #3b82d6)"
_RING = ("circle", {"cx": 16, "cy": 16, "r": 14})
# The body of each sign and the lines on it, in a square of 32.
SIGNS: Mapping[Status, tuple[tuple[str, Mapping[str, str | int]], str]] = {
    Status.OK: (_RING, "M9.5 16.5l4.5 4.5 8.5-9.5"),
    Status.NOTE: (_RING, "M9.5 16.5l4.5 4.5 8.5-9.5"),
    Status.WARN: (("path", {"d": "M16 2.5L30.5 29h-29z"}), "M16 12v8M16 24v.2"),
    Status.FAIL: (("path", {"d": "M10 1.5h12l8.5 8.5v12L22 30.5H10L1.5 22V10z"}), "M11 11l10 10M21 11L11 21"),
    Status.INCONCLUSIVE: (
        ("path", {"d": "M16 .8L31.2 16 16 31.2.8 16z"}),
        "M12.5 13.2c0-4.6 7-4.6 7 0 0 2.8-3.5 2.6-3.5 5.6M16 22.6v.2",
    ),
    Status.BLOCKED: (_RING, "M10.5 16h.2M16 16h.2M21.5 16h.2"),
    Status.SKIPPED: (_RING, "M11 16h10"),
    Status.BUG: (
        ("rect", {"x": 2, "y": 2, "width": 28, "height": 28, "rx": 3}),
        "M13 9l-2 14M21 9l-2 14M9 13h15M8 19h15",
    ),
}
_DASHES = {Status.BLOCKED: "4.4 2.93", Status.SKIPPED: None}


def icon(status: Status) -> Html:
    """The sign of a status; it only repeats the words beside it."""
    (name, shape), lines = SIGNS[status]
    tone = TONES[status]
    if status in _DASHES:
        # hollow, so that they stand on any ground; where a line runs behind them the page fills them
        body = tag(name, fill="none", stroke=tone, stroke_width=2, stroke_dasharray=_DASHES[status], **shape)
        return _sign(body, lines, tone, f"s-{status}")
    return _sign(tag(name, fill=tone, **shape), lines, PAPER, f"s-{status}")


def remark(severity: Severity) -> Html:
    """The sign of a finding; a note is neither good nor bad."""
    if severity is not Severity.NOTE:
        return icon(Status(severity))
    ring = tag("circle", fill="none", stroke=_INFO, stroke_width=2, **_RING[1])
    return _sign(ring, "M16 15v8M16 9v.2", _INFO, "info")


def _sign(body: Html, lines: str, ink: str, name: str) -> Html:
    drawn = tag("path", d=lines, fill="none", stroke=ink, stroke_width=3, stroke_linecap="round")
    size: dict[str, Value] = {"width": 18, "height": 18, "viewBox": "0 0 32 32"}
    return tag("svg", body, drawn, class_=f"icon {name}", aria_hidden="true", **size)
