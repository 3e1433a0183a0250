"""What do the commands share? Options, exit statuses, and how a report is said and written."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from smtpcheck.core import Report, Result

USAGE, INCONCLUSIVE, BUG, INTERRUPTED = 2, 3, 4, 130
EXIT = {"healthy": 0, "broken": 1, "inconclusive": INCONCLUSIVE, "bug": BUG}
# of several reports: broken before our bug before "could not tell"
_WORST = (1, BUG, INCONCLUSIVE, 0)
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


LANG = click.option("--lang", type=click.Choice(["en", "zh-CN"]), default=None, help="language of the words")
OUTPUT = options(
    click.option("--json", "json_file", metavar="FILE|-", help="write the report as JSON"),
    click.option("--report", "pages", multiple=True, metavar="FILE", help=f"write it; its end says how: {_ends()}"),
    click.option("-v", "--verbose", is_flag=True, help="all results and the transcript"),
    click.option("-q", "--quiet", is_flag=True, help="the verdict alone"),
    LANG,
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


def progress(lang: str, *, quiet: bool) -> Callable[[Result[Any]], None] | None:
    """What writes one line a result over the last one; None where nobody looks."""
    if quiet or not sys.stderr.isatty():
        return None
    from smtpcheck.report.terminal import progress_line

    columns = width()
    return lambda result: click.echo(f"\r\x1b[2K{progress_line(result, lang, width=columns)}\r", nl=False, err=True)


def say(report: Report, lang: str, *, verbose: bool, quiet: bool, err: bool) -> None:
    """The report for people, on standard output or where `err` says on standard error."""
    from smtpcheck.report import terminal

    stream = sys.stderr if err else sys.stdout
    if sys.stderr.isatty() and not quiet:
        click.echo("\r\x1b[2K", nl=False, err=True)
    text = terminal.render(
        report,
        lang=lang,
        width=min(width(), 100),
        color=stream.isatty() and "NO_COLOR" not in os.environ,
        verbose=verbose,
        quiet=quiet,
    )
    click.echo(text, err=err, color=True)


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
