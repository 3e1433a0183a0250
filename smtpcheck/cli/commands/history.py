"""How did it fare over time?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smtpcheck.cli.console import LANG, UNWRITTEN, colored, drawable, echo, put, stop, width
from smtpcheck.cli.words import files

if TYPE_CHECKING:
    from smtpcheck.report.compared.history import Check

SECTION = "read"
MAX_FILES = 2000
"""Newest first; a report every quarter of an hour for three weeks."""
MAX_OCTETS = 512 * 1024 * 1024
_NAMED = 5


@click.command(short_help="a table and a trend of the reports in a folder")
@click.argument("folder", metavar="FOLDER", shell_complete=files)
@click.option("-o", "--output", metavar="FILE.html", shell_complete=files, help="write a page with the trend as well")
@LANG
def command(folder: str, output: str | None, lang: str | None) -> None:
    """Tell how each target fared over time, from the JSON reports in FOLDER: when, verdict, cause, seconds, and the
    days until the server's certificate expires.

    \b
    smtpcheck check me@qq.com -q --json "reports/$(date +%FT%H%M).json"     from cron, every hour
    smtpcheck history reports -o trend.html

    The verdicts are those of the time; a file that is no report is named and skipped.

    Exit status: 0 told, 2 usage or no report at all, 5 told, but the page could not be written.
    """
    from smtpcheck import advice
    from smtpcheck.report.compared import history

    if output and output != "-" and not output.lower().endswith((".html", ".htm")):
        stop(f"-o {output}: a page ends in .html")
    chosen = advice.language(lang or "")
    checks = list(_checks(Path(folder)))
    if not checks:
        stop(f"{folder}: no report in it; `smtpcheck check TARGET --json {folder}/NAME.json` writes one")
    err = output == "-"
    stream = sys.stderr if err else sys.stdout
    text = history.render(checks, lang=chosen, width=width(), color=colored(stream), unicode=drawable(stream))
    done = [echo(text, chosen, err=err)]
    if output:
        from smtpcheck.report.compared import trend

        done.append(put(trend.render(checks, lang=chosen), output, chosen))
    if not all(done):
        sys.exit(UNWRITTEN)


def _checks(folder: Path) -> Iterator[Check]:
    """What can be read of the folder, within the bounds; what can't is said."""
    from smtpcheck.report.compared.history import check_of
    from smtpcheck.report.saved import replay
    from smtpcheck.wire import ProtocolError

    skipped: list[str] = []
    for path, octets in _files(folder):
        try:
            with path.open("rb") as file:
                raw = file.read(min(octets, replay.MAX_INPUT))
            for report in replay.saved(raw):
                yield check_of(report, path.name)
        except OSError as error:
            skipped.append(f"{ascii(path.name)[1:-1]}: {error.strerror}")
        except ProtocolError as error:
            skipped.append(f"{ascii(path.name)[1:-1]}: {ascii(str(error))[1:-1][:120]}")
    for text in skipped[:_NAMED]:
        click.echo(f"smtpcheck: skipped {text}", err=True)
    if len(skipped) > _NAMED:
        click.echo(f"smtpcheck: skipped {len(skipped) - _NAMED} more", err=True)


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """The newest JSON files, and how many octets each may be read for."""
    try:
        found = [(path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir() if _regular(path)]
    except OSError as error:
        stop(f"{folder}: {error.strerror}")
    left = MAX_OCTETS
    newest = sorted(found, reverse=True)
    for place, (_, size, path) in enumerate(newest):
        if place >= MAX_FILES or size > left:
            click.echo(f"smtpcheck: the {len(newest) - place} oldest files were not read: there are too many", err=True)
            return
        left -= size
        yield path, size


def _regular(path: Path) -> bool:
    return path.suffix.lower() == ".json" and path.is_file()
