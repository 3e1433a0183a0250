"""Does a message of mine arrive?"""

from __future__ import annotations

from typing import Any

import click

from smtpcheck.cli.aim import AIM, MAIL, checked
from smtpcheck.cli.console import OUTPUT


@click.command()
@click.argument("target")
@click.option("--subject", help="its subject")
@click.option("--text", help="its text")
@click.option("--html", metavar="FILE", help="its HTML; the text goes along as the plain alternative")
@click.option("--attach", multiple=True, metavar="FILE", help="a file to attach; several are allowed")
@AIM
@MAIL
@OUTPUT
def command(target: str, **options: Any) -> None:
    """Send one message through TARGET, and confirm that it arrived: `check --send` with a message of your own.

    The mailbox is looked into by IMAP where its host is known (--imap, or the provider's); its password comes from
    SMTPCHECK_IMAP_PASSWORD, else the login's is used for the same user at the same provider.
    """
    checked(target, options | {"send": True})
