"""What goes into a log or a mail? What the terminal shows, without colours."""

from __future__ import annotations

from collections.abc import Sequence

from smtpcheck.core import Report
from smtpcheck.report.terminal import screen

SUFFIX = ".txt"

WIDTH = 100


def render(reports: Sequence[Report], *, lang: str) -> str:
    """The verdicts with all results and transcripts, one after the other; of several the verdicts first."""
    told = [screen.render(report, lang=lang, width=WIDTH, verbose=True) for report in reports]
    if len(reports) > 1:
        told.insert(0, "\n".join(screen.render(report, lang=lang, width=WIDTH, quiet=True) for report in reports))
    return "\n\n".join(told) + "\n"
