"""Where can I read, run and change a diagnosis?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from smtpcheck.cli.console import LANG, say, status, stop, worst, write_all
from smtpcheck.cli.layout import Command
from smtpcheck.cli.target import AIM, MAIL, checked

SECTION = "for programs"


@click.command(cls=Command, short_help="write a notebook that explains a diagnosis and asks again")
@click.argument("source", metavar="TARGET|REPORT.json")
@click.option("-o", "--output", default="smtpcheck.ipynb", metavar="FILE.ipynb", help="default: smtpcheck.ipynb")
@click.option("-f", "--force", is_flag=True, help="overwrite the file")
@click.option("--until", metavar="STAGE", help="stop after this stage")
@click.option("--send", is_flag=True, help="send a test message, and look for it in the mailbox")
@click.option("-q", "--quiet", is_flag=True, help="the verdict alone")
@AIM
@MAIL
@LANG
def command(source: str, output: str, force: bool, **options: Any) -> None:
    """Write a Jupyter notebook that explains one diagnosis and can ask again.

    From a saved report, judged by the rules of this release and without any network, or from a check of TARGET, as
    `smtpcheck check` does it. The notebook holds no password, and sends nothing when it is run.

    Exit status as of `check`.
    """
    if not output.lower().endswith(".ipynb"):
        stop(f"{output}: a notebook's name ends with .ipynb")
    if os.path.lexists(output) and not force:
        stop(f"{output} is there already; -f overwrites it")
    if Path(source).is_file():
        _from_report(source, output, options)
    checked(source, {**options, "json_file": None, "pages": (output,), "verbose": False})


def _from_report(file: str, output: str, options: dict[str, Any]) -> None:
    from smtpcheck import advice
    from smtpcheck.report.saved import replay
    from smtpcheck.wire import ProtocolError

    lang = advice.language(options["lang"] or "")
    try:
        reports = replay.read(file)
    except (OSError, ProtocolError) as error:
        stop(f"{file}: {getattr(error, 'strerror', None) or error}")
    done = [say(report, lang, verbose=False, quiet=options["quiet"], err=False) for report in reports]
    done.append(write_all(reports, [(output, "ipynb")], lang))
    sys.exit(status(worst(reports), written=all(done)))
