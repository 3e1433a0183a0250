"""Does a message of mine arrive?"""

from __future__ import annotations

from typing import Any

import click

from smtpcheck.cli.console import OUTPUT
from smtpcheck.cli.layout import Command
from smtpcheck.cli.target import AIM, MAIL, checked
from smtpcheck.cli.words import files, targets

SECTION = "ask"


@click.command(cls=Command, short_help="send one message and see whether it arrives")
@click.argument("target", shell_complete=targets)
@click.option("--subject", help="its subject")
@click.option("--text", help="its text")
@click.option(
    "--html", metavar="FILE", shell_complete=files, help="its HTML; the text goes along as the plain alternative"
)
@click.option(
    "--attach", multiple=True, metavar="FILE", shell_complete=files, help="a file to attach; several are allowed"
)
@AIM
@MAIL
@OUTPUT
def command(target: str, **options: Any) -> None:
    """Send one message through TARGET, and confirm that it arrived: `check --send` with a message of your own.

    The mailbox is looked into by IMAP where its host is known (--imap, or the provider's); its password comes from
    SMTPCHECK_IMAP_PASSWORD, else the login's is used for the same user at the same provider.
    """
    checked(target, options | {"send": True})
