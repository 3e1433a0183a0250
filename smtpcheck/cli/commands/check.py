"""What is the one thing that is broken on the way of a mail?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from smtpcheck.cli.console import OUTPUT
from smtpcheck.cli.layout import Command, under
from smtpcheck.cli.target import AIM, MAIL, checked
from smtpcheck.cli.words import libraries, stages, targets

SECTION = "ask"
_UNTIL = "stop after this stage: dns ... certificate auth rcpt data delivery"

_FOR = "then print the settings that work, for this mail library or program"
_may = under("what may be tried")
_CONTROL_RECIPIENT = "where a recipient is refused, ask for postmaster@ of its domain too; nothing is sent"


def _probe_names() -> str:
    """From the file names, so that asking for help imports none of them."""
    return ", ".join(sorted(path.stem for path in (Path(__file__).parents[2] / "probes").glob("[a-z]*.py")))


@click.command(
    cls=Command,
    short_help="name the one thing that is broken on the way of a mail",
    epilog=f"The probes: {_probe_names()}.",
)
@click.argument("target", shell_complete=targets)
@click.option("--until", metavar="STAGE", shell_complete=stages, help=_UNTIL)
@click.option("--send", is_flag=True, help="send a test message, and look for it in the mailbox")
@click.option("--for", "library", metavar="NAME", shell_complete=libraries, help=_FOR)
@AIM
@_may("--control-recipient", is_flag=True, help=_CONTROL_RECIPIENT)
@MAIL
@OUTPUT
def command(target: str, **options: Any) -> None:
    """Walk the way of a mail to TARGET and name the first thing that is broken.

    \b
    smtpcheck check me@qq.com                           from the name to the login
    smtpcheck check smtp.example.com:587 --until tls    a server, no further than TLS
    smtpcheck check me@qq.com --to you@example.com --send --report r.html
    smtpcheck check me@qq.com --for nodemailer          and what to write into the program

    TARGET is me@example.com, smtp.example.com, host:587, smtps://host, smtp://host:port or mx:example.com.

    The password is read from SMTPCHECK_PASSWORD, a .env file, or asked for; it is never an argument. One login is
    tried, over verified TLS only.

    Exit status: 0 healthy, 1 broken, 2 usage, 3 could not tell, 4 a bug of smtpcheck, 5 healthy, but a report
    could not be written, 130 interrupted.
    """
    checked(target, options)
