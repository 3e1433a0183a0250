"""How does a monitoring system ask? A plugin for Nagios, Icinga and whatever speaks their plugin API."""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import click

from smtpcheck.cli.console import LANG
from smtpcheck.cli.layout import Command
from smtpcheck.cli.target import AIM, MAIL, asked
from smtpcheck.cli.words import targets

SECTION = "for programs"
UNKNOWN = 3


class Plugin(Command):
    """A command whose wrong options and bugs are UNKNOWN: the 2 of other commands would read as CRITICAL."""

    bug = UNKNOWN

    def make_context(self, *args: Any, **given: Any) -> click.Context:
        """The options as given, or the end."""
        try:
            return super().make_context(*args, **given)
        except click.UsageError as error:
            _unknown(error.format_message())


def _unknown(why: str) -> NoReturn:
    click.echo("SMTPCHECK UNKNOWN - " + why.replace("|", " "))
    sys.exit(UNKNOWN)


@click.command(cls=Plugin, short_help="one line for Nagios and Icinga, with their exit status")
@click.argument("target", shell_complete=targets)
@click.option("--until", metavar="STAGE", help="stop after this stage: dns ... certificate auth rcpt data delivery")
@click.option("--send", is_flag=True, help="send a test message, and look for it in the mailbox")
@AIM
@MAIL
@LANG
def command(target: str, lang: str | None, **options: Any) -> None:
    """Check TARGET as `check` does, and say one line with performance data.

    Exit status, the plugin API's own: 0 OK, 1 WARNING (healthy, with a warning on its way), 2 CRITICAL (broken),
    3 UNKNOWN (could not tell, a wrong option, a bug of smtpcheck). The other commands keep smtpcheck's own.
    """
    from smtpcheck import advice
    from smtpcheck.report import formats
    from smtpcheck.report.formats import nagios
    from smtpcheck.target.credentials import SecretError
    from smtpcheck.target.grammar import UsageError

    chosen = advice.language(lang or "")
    try:
        report, _ = asked(target, options, chosen)
    except (UsageError, SecretError) as error:
        _unknown(": ".join(map(str, error.args)))
    click.echo(formats.render([report], "nagios", lang=chosen), nl=False)
    sys.exit(nagios.state([report]))
