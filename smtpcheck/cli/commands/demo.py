"""What does it look like?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from smtpcheck.cli.console import LANG, width

SECTION = "practise"


@click.command(short_help="see six faults named on this machine")
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@LANG
def command(reports: Path, lang: str | None) -> None:
    """Start practice servers on this machine, break six of seven accounts, and name each fault."""
    import asyncio

    from smtpcheck import advice
    from smtpcheck.demo import demonstrate

    sys.exit(asyncio.run(demonstrate(reports, advice.language(lang or ""), width(), click.echo)))
