"""What do the commands share? Options, exit statuses, and how a report is said and written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from smtpcheck.cli.layout import BUG, under
from smtpcheck.cli.words import files

if TYPE_CHECKING:
    from smtpcheck.core import Report

USAGE, INCONCLUSIVE, INTERRUPTED = 2, 3, 130
EXIT = {"healthy": 0, "broken": 1, "inconclusive": INCONCLUSIVE, "bug": BUG}
# of several reports: broken before our bug before "could not tell"
_WORST = (1, BUG, INCONCLUSIVE, 0)
WIDEST = 100
"""Cells; longer lines are hard to read."""
Command = Callable[..., Any]


def options(*several: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, for the commands that share them."""

    def decorate(command: Command) -> Command:
        for option in reversed(several):
            command = option(command)
        return command

    return decorate


def known_formats() -> str:
    """The formats with their ends of file names, from the files themselves; nothing of them is imported."""
    from smtpcheck.report import formats

    return ", ".join(f"{name} ({suffix})" for name, suffix in formats.suffixes().items())


def _ends() -> str:
    from smtpcheck.report import formats

    return " ".join(sorted(formats.suffixes().values()))


_LANG = "language of the words: en, zh-CN"
LANG = click.option("--lang", type=click.Choice(["en", "zh-CN"]), metavar="LANG", default=None, help=_LANG)
_out = under("output")
_PAGES = f"write it; its end says how: {_ends()}"
OUTPUT = options(
    _out("--json", "json_file", metavar="FILE|-", shell_complete=files, help="write the report as JSON"),
    _out("--report", "pages", multiple=True, metavar="FILE", shell_complete=files, help=_PAGES),
    _out("-v", "--verbose", is_flag=True, help="all results and the transcript"),
    _out("-q", "--quiet", is_flag=True, help="the verdict alone"),
    _out("--lang", type=click.Choice(["en", "zh-CN"]), metavar="LANG", default=None, help=_LANG),
)


def worst(reports: Sequence[Report]) -> int:
    """The exit status of several reports."""
    return next(status for status in _WORST if status in {EXIT[report.verdict] for report in reports})


def outlets(json_file: str | None, pages: Sequence[str]) -> list[tuple[str, str]]:
    """(where, format) of what `--json` and `--report` ask for, known before anything is asked of the network."""
    if not pages:
        return [(json_file, "json")] if json_file else []
    from smtpcheck.report import formats

    try:
        return [*outlets(json_file, ()), *((page, formats.of_path(page)) for page in pages)]
    except ValueError as error:
        stop(f"--report {error}")


def write_all(reports: Sequence[Report], wanted: Sequence[tuple[str, str]], lang: str) -> None:
    """Write the reports to each of the outlets."""
    if wanted:
        from smtpcheck.report import formats

        for where, name in wanted:
            put(formats.render(reports, name, lang=lang), where)


def say(report: Report, lang: str, *, verbose: bool, quiet: bool, err: bool) -> None:
    """The report for people, on standard output or where `err` says on standard error."""
    from smtpcheck.report import terminal

    stream = sys.stderr if err else sys.stdout
    text = terminal.render(
        report,
        lang=lang,
        width=min(width(), WIDEST),
        color=colored(stream),
        unicode=drawable(stream),
        verbose=verbose,
        quiet=quiet,
    )
    click.echo(text, err=err, color=True)


def colored(stream: TextIO) -> bool:
    """Escape sequences are wanted there: a terminal that knows them, and nobody who said no (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "", None)


def drawable(stream: TextIO) -> bool:
    """Our signs can be written there."""
    try:
        "✓✗·–⠋".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def width() -> int:
    """Columns of the terminal."""
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def put(text: str, where: str) -> None:
    """Write to a file, or to standard output where it is `-`."""
    if where == "-":
        click.echo(text.removesuffix("\n"))
        return
    try:
        Path(where).write_text(text, encoding="utf-8")
    except OSError as error:
        stop(f"{where}: {error.strerror}")


def stop(message: str) -> NoReturn:
    """Say what is wrong with the command line, and exit so."""
    click.echo(f"smtpcheck: {message}", err=True)
    sys.exit(USAGE)
