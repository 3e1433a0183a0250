"""How does a report show itself in a notebook? As HTML, by a formatter that IPython asks; core knows nothing of it."""

from __future__ import annotations

import sys
from typing import Any

from smtpcheck.core import Report


def show() -> None:
    """Tell IPython how to show a Report; nothing happens where no IPython runs."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None:
        shell.display_formatter.formatters["text/html"].for_type(Report, html)


def html(report: Report) -> str:
    """The report as a fragment of HTML."""
    from smtpcheck.report import html as renderer

    return renderer.render(report)
