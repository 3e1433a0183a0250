"""What does it look like?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from smtpcheck.cli.console import LANG, put, status, unwritten, width

SECTION = "practise"


@click.command(short_help="see six faults named on this machine")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@LANG
def command(reports: Path, lang: str | None) -> None:
    """Start practice servers on this machine, break six of seven accounts, and name each fault.

    Exit status: 0 every verdict was the expected one, 1 one was not, 2 usage, 5 all were, but the reports could not be
    written.
    """
    import asyncio

    from smtpcheck import advice
    from smtpcheck.cli.demo import demonstrate

    chosen = advice.language(lang or "")

    def keep(path: Path, text: str) -> bool:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            unwritten(error, str(path.parent), chosen)
            return False
        return put(text, str(path), chosen)

    expected, kept = asyncio.run(demonstrate(reports, chosen, width(), click.echo, keep))
    sys.exit(status(0 if expected else 1, written=kept))
