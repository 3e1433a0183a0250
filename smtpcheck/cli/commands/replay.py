"""What do the rules of today say about a saved report?"""

from __future__ import annotations

import sys

import click

from smtpcheck.cli.console import OUTPUT, echo, outlets, say, status, stop, worst, write_all
from smtpcheck.cli.layout import Command
from smtpcheck.cli.words import files

SECTION = "read"


@click.command(cls=Command, short_help="tell a saved report again, by the rules of today")
@click.argument("file", metavar="REPORT.json", shell_complete=files)
@OUTPUT
def command(
    file: str, json_file: str | None, pages: tuple[str, ...], verbose: bool, quiet: bool, lang: str | None
) -> None:
    """Judge and diagnose a saved report again, by the rules of this release and without any network.

    Several reports in one file are told one after the other. Exit status as of `check`: of several reports the worst.
    """
    from smtpcheck import advice
    from smtpcheck.report.saved import replay as saved
    from smtpcheck.wire import ProtocolError

    chosen, wanted = advice.language(lang or ""), outlets(json_file, pages)
    try:
        reports = saved.replay(sys.stdin.buffer.read(saved.MAX_INPUT + 1)) if file == "-" else saved.read(file)
    except OSError as error:
        stop(f"{file}: {error.strerror}")
    except ProtocolError as error:
        stop(f"{file}: {error}")
    err, done = json_file == "-", []
    for place, report in enumerate(reports):
        if place:
            done.append(echo("", chosen, err=err))
        done.append(say(report, chosen, verbose=verbose, quiet=quiet, err=err))
    done.append(write_all(reports, wanted, chosen))
    sys.exit(status(worst(reports), written=all(done)))
