"""What changed since it last worked?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from smtpcheck.cli.console import LANG, WIDEST, colored, drawable, echo, json_option, put, status, stop, width
from smtpcheck.cli.layout import Command, under
from smtpcheck.cli.words import files

if TYPE_CHECKING:
    from smtpcheck.core import Report

SECTION = "read"
CHANGED = 1
_out = under("output")


@click.command(cls=Command, short_help="say what changed between two reports of one target")
@click.argument("old", metavar="OLD.json", shell_complete=files)
@click.argument("new", metavar="NEW.json", shell_complete=files)
@json_option("write the comparison as JSON")
@_out("-q", "--quiet", is_flag=True, help="one line for each target")
@LANG
def command(old: str, new: str, json_file: str | None, quiet: bool, lang: str | None) -> None:
    """Say what changed since it last worked: first what may explain a new break, then what else is different.

    \b
    smtpcheck check me@qq.com --json monday.json
    smtpcheck check me@qq.com --json friday.json
    smtpcheck diff monday.json friday.json

    Both reports are judged by the rules of this release; nothing is asked of the network. Compared are addresses,
    exchangers, resolver, ports, greeting, extensions, TLS, certificate, login mechanisms, clock, times, options and
    the verdict. Reports of several targets are compared target by target.

    Exit status: 0 nothing that counts changed, 1 something did, 2 usage, 5 nothing did, but the comparison could not be
    written.
    """
    from smtpcheck import advice
    from smtpcheck.report.compared import differences
    from smtpcheck.report.compared.changes import compare

    chosen = advice.language(lang or "")
    comparisons = [compare(one, other) for one, other in _paired(old, new)]
    err = json_file == "-"
    stream = sys.stderr if err else sys.stdout
    texts = [
        differences.render(
            comparison,
            lang=chosen,
            width=min(width(), WIDEST),
            color=colored(stream),
            unicode=drawable(stream),
            quiet=quiet,
        )
        for comparison in comparisons
    ]
    done = [echo(("\n" if quiet else "\n\n").join(texts), chosen, err=err)]
    if json_file:
        done.append(put(differences.render_json(comparisons, lang=chosen), json_file, chosen))
    changed = any(comparison.changed for comparison in comparisons)
    sys.exit(status(CHANGED if changed else 0, written=all(done)))


def _paired(old: str, new: str) -> list[tuple[Report, Report]]:
    """The reports of the same target in both files; a usage error where there is none."""
    from smtpcheck.report.compared.changes import same_target

    before, after = _read(old), _read(new)
    pairs = [(one, other) for other in after for one in before if same_target(one, other)]
    if not pairs:
        specs = [ascii(reports[0].target.spec[:60]) for reports in (before, after)]
        stop(f"reports of different targets: {' and '.join(specs)}")
    if len({other.target.spec for _, other in pairs}) < len(pairs):
        stop("a file holds more than one report of the same target; which one to compare is not known")
    for reports, name in ((before, old), (after, new)):
        for report in reports:
            if not any(report in pair for pair in pairs):
                click.echo(f"smtpcheck: {name} alone holds {report.target.spec[:60]!a}", err=True)
    return pairs


def _read(file: str) -> tuple[Report, ...]:
    from smtpcheck.report.saved import replay
    from smtpcheck.wire import ProtocolError

    try:
        return replay.read(file)
    except OSError as error:
        stop(f"{file}: {error.strerror}")
    except ProtocolError as error:
        stop(f"{file} is no report: {error}")
