"""How do I hand a saved report on? Written again in another format, several in one, and without names if asked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from smtpcheck.cli import words
from smtpcheck.cli.console import LANG, UNWRITTEN, known_formats, outlets, stop, write_all
from smtpcheck.cli.layout import Command

if TYPE_CHECKING:
    from smtpcheck.core import Report

SECTION = "read"


@click.command(
    cls=Command,
    short_help="write saved reports in another format, also without names",
    epilog=f"The formats: {known_formats()}.",
)
@click.argument("files", metavar="REPORT.json...", nargs=-1, required=True, shell_complete=words.files)
@click.option("--format", "name", metavar="NAME", help="write it so (default: as the end of -o says, else markdown)")
@click.option("-o", "--output", "where", default="-", metavar="FILE", help="write it there (default: standard output)")
@click.option("--redact", is_flag=True, help="replace mail addresses, hosts, IP addresses and names in certificates")
@LANG
def command(files: tuple[str, ...], name: str | None, where: str, redact: bool, lang: str | None) -> None:
    """Write saved reports in another format, as they were saved; several become one with an overview.

    \b
    smtpcheck report mine.json                            Markdown, for an issue or a chat
    smtpcheck report mine.json --redact -o public.md      without names, for a public one
    smtpcheck report a.json b.json -o all.html            several targets on one page

    What the rules of this release would say today is `smtpcheck replay`. Exit status: 0 written, 2 usage,
    5 it could not be written.
    """
    from smtpcheck import advice
    from smtpcheck.report import formats

    wanted = [(where, name)] if name else outlets(None, [where]) if where != "-" else [("-", "markdown")]
    if name and name not in formats.names():
        stop(f"--format {name[:40]!r} is unknown; known: {', '.join(formats.names())}")
    reports = [report for file in files for report in _saved(file)]
    if redact:
        from smtpcheck.report.saved.redact import redacted

        reports = redacted(reports)
    if not write_all(reports, wanted, advice.language(lang or "")):
        sys.exit(UNWRITTEN)


def _saved(file: str) -> tuple[Report, ...]:
    from smtpcheck.report.saved import replay
    from smtpcheck.wire import ProtocolError

    try:
        return replay.saved(sys.stdin.buffer.read(replay.MAX_INPUT + 1) if file == "-" else replay.octets(file))
    except OSError as error:
        stop(f"{file}: {error.strerror}")
    except ProtocolError as error:
        stop(f"{file}: {error}")
