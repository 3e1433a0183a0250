"""What can be read again? All that was learnt, by the versioned contract."""

from __future__ import annotations

from collections.abc import Sequence

from smtpcheck.advice import Words
from smtpcheck.core import Report
from smtpcheck.probes import classes
from smtpcheck.report.saved import json

SUFFIX = ".json"


def render(reports: Sequence[Report], *, lang: str) -> str:
    """One report, or `{"schema": 2, "reports": [...]}`."""
    words, catalog = Words(lang), json.catalog(classes())
    if len(reports) == 1:
        return json.render(reports[0], words=words, catalog=catalog)
    return json.render_many(reports, words=words, catalog=catalog)
