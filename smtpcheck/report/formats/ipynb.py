"""What can be read, run and asked again? A notebook that explains the diagnosis."""

from __future__ import annotations

from collections.abc import Sequence

from smtpcheck.core import Report

SUFFIX = ".ipynb"


def render(reports: Sequence[Report], *, lang: str) -> str:
    """The notebook of one report, or of several one after the other."""
    from smtpcheck.report.notebook import (
        document,  # late: the file's library takes longer to import than a report to write
    )

    return document.render(reports, lang=lang)
