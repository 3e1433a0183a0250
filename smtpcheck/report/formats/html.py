"""What can anybody open? One self-contained page."""

from __future__ import annotations

from collections.abc import Sequence

from smtpcheck.core import Report
from smtpcheck.report.page import html

SUFFIX = ".html"


def render(reports: Sequence[Report], *, lang: str) -> str:
    """The page of one report, or of several with an overview."""
    return html.render(reports[0], lang=lang) if len(reports) == 1 else html.render_many(reports, lang=lang)
