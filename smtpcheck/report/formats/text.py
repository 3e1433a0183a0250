"""What goes into a log or a mail? What the terminal shows, without colours."""

from __future__ import annotations

from collections.abc import Sequence

from smtpcheck.core import Report
from smtpcheck.report import terminal

SUFFIX = ".txt"


def render(reports: Sequence[Report], *, lang: str) -> str:
    """The verdicts with all results and transcripts, one after the other."""
    return "\n\n".join(terminal.render(report, lang=lang, width=100, verbose=True) for report in reports) + "\n"
