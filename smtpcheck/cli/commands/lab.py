"""How do I practise?"""

from __future__ import annotations

import click

from smtpcheck.cli import words
from smtpcheck.cli.console import stop

SECTION = "practise"


@click.command(short_help="start practice servers that misbehave by name")
@click.argument("faults", nargs=-1, shell_complete=words.faults)
@click.option("--list", "listed", is_flag=True, help="name all faults that can be practised")
def command(faults: tuple[str, ...], listed: bool) -> None:
    """Start the practice servers with FAULTS (default: a few) and say how to reach them; Ctrl-C stops them."""
    import asyncio

    from smtpcheck.aliases import current
    from smtpcheck.cli.demo import FAULTS, practise
    from smtpcheck.lab import Lab

    if listed:
        for name, about in Lab.faults.items():
            click.echo(f"{name:38} {about}")
        return
    faults = tuple(map(current, faults))
    unknown = [name for name in faults if name not in Lab.faults]
    if unknown:
        stop(f"no fault {unknown[0]!r}; `smtpcheck lab --list` names them")
    asyncio.run(practise(faults or FAULTS, click.echo))
