"""What does a code, a reply, a traceback or a bounce mean?"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from smtpcheck.cli.console import INCONCLUSIVE, LANG, stop, width
from smtpcheck.cli.words import codes

if TYPE_CHECKING:
    from smtpcheck.pasted.answer import Answer

SECTION = "read"


@click.command(short_help="say what a code, a reply, a traceback or a bounce means")
@click.argument("words", nargs=-1, shell_complete=codes)
@LANG
def command(words: tuple[str, ...], lang: str | None) -> None:
    """Say what a code of smtpcheck means, or what may be behind a text that you paste, without asking anybody.

    \b
    smtpcheck explain certificate-chain-incomplete
    smtpcheck explain "535 5.7.8 Error: authentication failed"
    smtpcheck explain - < bounce.eml          a traceback, a transcript, a bounce

    Exit status: 0 something is named, 2 usage, 3 nothing in the text is known.
    """
    from smtpcheck import advice
    from smtpcheck.pasted import shown
    from smtpcheck.report.terminal.screen import explanation

    chosen, columns = advice.language(lang or ""), min(width(), 100)
    if len(words) == 1 and advice.entry(words[0], chosen):
        click.echo(explanation(advice.example(words[0], chosen), lang=chosen, width=columns))
        return
    found = _answered(words)
    if not found.named and len(words) == 1 and words[0] != "-" and len(words[0].split()) == 1:
        _no_code(words[0])
    click.echo(shown.render(found, lang=chosen, width=columns))
    sys.exit(0 if found.known else INCONCLUSIVE)


def _answered(words: tuple[str, ...]) -> Answer:
    from smtpcheck.pasted import answer

    if words in ((), ("-",)):
        if not words and sys.stdin.isatty():
            stop("explain what? A code, a text in quotes, or - for standard input")
        text = sys.stdin.buffer.read(answer.MAX_INPUT + 1)
    else:
        text = os.fsencode(" ".join(words))
    if not text.strip():
        stop("nothing to explain: the text is empty")
    if len(text) > answer.MAX_INPUT:
        stop(f"more than {answer.MAX_INPUT} octets to explain")
    return answer.answer(text)


def _no_code(code: str) -> NoReturn:
    import difflib

    from smtpcheck import advice

    near = difflib.get_close_matches(code, advice.codes(), n=3, cutoff=0.4)
    stop(f"no code {code[:60]!r}" + (f"; near: {', '.join(near)}" if near else ""))
