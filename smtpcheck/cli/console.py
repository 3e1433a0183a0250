"""What do the commands share? Options, exit statuses, and how a report is said and written."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import click

from smtpcheck.cli.layout import BUG, under
from smtpcheck.cli.words import files

if TYPE_CHECKING:
    from smtpcheck.core import Report

USAGE, INCONCLUSIVE, UNWRITTEN, INTERRUPTED = 2, 3, 5, 130
EXIT = {"healthy": 0, "broken": 1, "inconclusive": INCONCLUSIVE, "bug": BUG}
# of several reports: broken before our bug before "could not tell"
_WORST = (1, BUG, INCONCLUSIVE, 0)
WIDEST = 100
"""Cells; longer lines are hard to read."""
Command = Callable[..., Any]
_ACTIONS = {
    errno.ENOENT: "absent",
    errno.ENOTDIR: "absent",
    errno.EISDIR: "folder",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.EROFS: "forbidden",
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EFBIG: "full",
    errno.ENXIO: "unread",
    errno.EPIPE: "unread",
}
"""What to do where a file could not be written, as a key of the words."""


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


def _standard(_ctx: click.Context, _param: click.Parameter, where: str | None) -> str | None:
    """`-` for every name of standard output, so that the words for people stay out of a document there."""
    from smtpcheck.report.files import STANDARD, descriptor

    return "-" if where and descriptor(where) == STANDARD["stdout"] else where


def json_option(what: str) -> Callable[[Command], Command]:
    """`--json FILE|-` of the commands that write a document of their own."""
    return _out("--json", "json_file", metavar="FILE|-", shell_complete=files, callback=_standard, help=what)


OUTPUT = options(
    json_option("write the report as JSON"),
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


def write_all(reports: Sequence[Report], wanted: Sequence[tuple[str, str]], lang: str) -> bool:
    """Write the reports to each of the outlets, also after one that failed; whether all are written."""
    if not wanted:
        return True
    from smtpcheck.report import formats

    done = [put(formats.render(reports, name, lang=lang), where, lang) for where, name in wanted]
    return all(done)


def status(verdict: int, *, written: bool) -> int:
    """The exit status: what was found out counts before what could not be written."""
    return verdict or (0 if written else UNWRITTEN)


def say(report: Report, lang: str, *, verbose: bool, quiet: bool, err: bool) -> bool:
    """The report for people, on standard output or where `err` says on standard error; whether it was taken there."""
    from smtpcheck.report.terminal import screen

    stream = sys.stderr if err else sys.stdout
    text = screen.render(
        report,
        lang=lang,
        width=min(width(), WIDEST),
        color=colored(stream),
        unicode=drawable(stream),
        verbose=verbose,
        quiet=quiet,
    )
    return echo(text, lang, err=err)


def echo(text: str, lang: str, *, err: bool = False) -> bool:
    """Say it; where the stream doesn't take it (a full disk, a reader that went away), False, once that is said."""
    stream = sys.stderr if err else sys.stdout
    try:
        click.echo(text, err=err, color=True)
    except OSError as error:
        silence(stream)  # once is enough: neither the next report nor the end of the process tries again
        unwritten(error, "-", lang)
        return False
    return True


def silence(stream: TextIO) -> None:
    """Nothing more is said there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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


def put(text: str, where: str, lang: str, **how: int) -> bool:
    """Write to a file, or to standard output where it is `-`; False where that fails, once it is said.

    `how` is `mode` of files.write.
    """
    if where == "-":
        return echo(text.removesuffix("\n"), lang)
    from smtpcheck.report.files import write

    try:
        write(where, text, **how)
    except OSError as error:
        unwritten(error, where, lang)
        return False
    return True


def unwritten(error: OSError, where: str, lang: str) -> None:
    """Say which file could not be written, why, and what to do."""
    from smtpcheck import advice

    words = advice.ui(lang)
    seen = {
        "where": words["unwritten.output"] if where == "-" else where,
        "why": error.strerror or type(error).__name__,
        "action": words[f"unwritten.{_ACTIONS.get(error.errno or 0, 'other')}"],
    }
    complain(advice.fill(words["unwritten.said"], seen, ""))


def complain(text: str) -> None:
    """Say on standard error what went wrong."""
    with contextlib.suppress(OSError):  # nowhere is left to say it; the exit status does
        click.echo(f"smtpcheck: {text}", err=True)


def stop(message: str) -> NoReturn:
    """Say what is wrong with the command line, and exit so."""
    click.echo(f"smtpcheck: {message}", err=True)
    sys.exit(USAGE)
