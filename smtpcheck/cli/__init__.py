"""How do I ask from a shell? One file a command in commands/; what takes long to import waits until it is needed."""

from __future__ import annotations

import time

BEGAN = time.monotonic()

# ruff: noqa: E402  # the deadline counts from the start of the process, before the imports
import io
import os
import sys

import click

from smtpcheck import __version__
from smtpcheck.cli.console import INTERRUPTED, USAGE, silence, stop
from smtpcheck.cli.layout import Commands

COMPLETE = "_SMTPCHECK_COMPLETE"
"""Set by the shell that wants to know how a word may go on."""


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    epilog="`smtpcheck COMMAND --help` says more. The words come in English and Chinese: --lang zh-CN, or LANG.",
)
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a sign that the terminal's encoding lacks is no reason to fail
            stream.reconfigure(errors="backslashreplace")
    if COMPLETE in os.environ:
        import smtpcheck.cli.complete  # noqa: F401  # makes the shells known to click
    try:
        cli(prog_name="smtpcheck", complete_var=COMPLETE, standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(USAGE)
    except click.ClickException as error:
        stop(_in_a_line(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        silence(sys.stdout)
        sys.exit(INTERRUPTED)
    except Exception as error:  # the outermost door: what comes out here is our mistake
        from smtpcheck.net.failures import where
        from smtpcheck.target.grammar import UsageError

        if isinstance(error, UsageError):
            stop(": ".join(map(str, error.args)))
        click.echo(f"smtpcheck: a bug of smtpcheck, not of your mail: {where(error)}", err=True)
        sys.exit(cli.bug)


def _in_a_line(error: click.ClickException) -> str:
    """What is wrong with the command line, and where it is said how it goes."""
    text = " ".join(error.format_message().split()).rstrip(".")
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "smtpcheck"
    if text.startswith("Got unexpected extra argument"):
        # not repeated: it may be a password
        text = "more words than it takes; a password is never one of them, it is read from SMTPCHECK_PASSWORD"
    if isinstance(error, click.MissingParameter) and error.param and error.param.human_readable_name == "TARGET":
        text = "TARGET is missing: me@example.com, smtp.example.com:587 or mx:example.com"
    if isinstance(error, click.NoSuchOption) and "pass" in error.option_name:
        text += "; the password is read from SMTPCHECK_PASSWORD, a .env file, or asked for"
    name = path.removeprefix("smtpcheck").strip()
    said = text if text.startswith("TARGET") else text[:1].lower() + text[1:]
    return f"{name + ': ' if name else ''}{said} (see {path} --help)"
