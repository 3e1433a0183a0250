"""What do I write into my program?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smtpcheck.cli.console import stop
from smtpcheck.cli.words import files, libraries

SECTION = "for programs"


@click.command(short_help="print the settings that work, for a mail library")
@click.argument("target", metavar="REPORT.json|HOST:PORT", shell_complete=files)
@click.option(
    "--for",
    "name",
    metavar="NAME",
    shell_complete=libraries,
    help="the library or program; without it: which there are",
)
@click.option("--mode", type=click.Choice(["starttls", "implicit"]), help="how TLS starts there, without a report")
@click.option("--user", help="the login's user")
@click.option("--from", "sender", metavar="ADDRESS", help="the message's sender")
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="the message's recipient")
@click.option("--ca-file", metavar="PEM", help="trust these roots in place of the system's")
def command(target: str, name: str | None, **options: Any) -> None:
    """Print the settings that work, as a program or configuration for a mail library.

    They follow from a report of `smtpcheck check --json`, or from HOST:PORT; nothing is asked of the network. The
    password is never in them: they read it from the environment variable SMTP_PASSWORD.
    """
    from smtpcheck.api import load
    from smtpcheck.report import snippets
    from smtpcheck.target.grammar import parse_target
    from smtpcheck.wire import ProtocolError

    given = {option: value for option, value in options.items() if value}
    try:
        saved = load(target) if target.endswith(".json") or Path(target).is_file() else None
    except (OSError, ProtocolError) as error:
        stop(f"{target} is no report: {error}")
    found = snippets.observed(saved, **given) if saved else snippets.stated(parse_target(target, **given))
    click.echo(found.rendered(name) if name else snippets.summary(found), nl=False)
