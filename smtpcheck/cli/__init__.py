"""How do I ask from a shell? One file a command in commands/; what takes long to import waits until it is needed."""

from __future__ import annotations

import time

BEGAN = time.monotonic()

# ruff: noqa: E402  # the deadline counts from the start of the process, before the imports
import os
import sys
from importlib import import_module
from pathlib import Path

import click

from smtpcheck import __version__
from smtpcheck.cli.console import BUG, INTERRUPTED, USAGE, stop


class Commands(click.Group):
    """The commands are the files of commands/: a command is `command` in a file of its name, hyphens as underscores."""

    bug = BUG
    """The status of a bug of ours; a command that has statuses of its own says which as its `bug`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the files."""
        files = (Path(__file__).parent / "commands").glob("[a-z]*.py")
        return sorted(path.stem.replace("_", "-") for path in files)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its file imported only now."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"smtpcheck.cli.commands.{cmd_name.replace('-', '_')}").command
        command.name = cmd_name
        self.bug = getattr(command, "bug", BUG)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, prog_name="smtpcheck")
def cli() -> None:
    """Why does my mail not arrive, and what do I change?

    \b
    smtpcheck check me@qq.com                 from the name to the login
    smtpcheck check smtp.example.com:587      a server, up to its certificate
    smtpcheck check mx:example.com            the exchangers of a domain
    smtpcheck report r.json --redact          a saved report for an issue, without the names
    smtpcheck demo                            see it name six faults on this machine
    smtpcheck explain "535 5.7.8 Error"       what a reply, a traceback or a bounce may mean
    """


def main() -> None:
    """The command; an exception that nobody foresaw is our bug and says so, without locals."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(INTERRUPTED)
    except Exception as error:  # the outermost door: what comes out here is our mistake
        from smtpcheck.failures import where
        from smtpcheck.settings import UsageError

        if isinstance(error, UsageError):
            stop(": ".join(map(str, error.args)))
        click.echo(f"smtpcheck: a bug of smtpcheck, not of your mail: {where(error)}", err=True)
        sys.exit(cli.bug)
