"""Whom does a check ask, and as whom? The options of `check` and `send`, and the one run behind both."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from smtpcheck.cli.console import EXIT, INTERRUPTED, complain, echo, options, outlets, say, status, stop, write_all
from smtpcheck.cli.layout import under
from smtpcheck.cli.words import consents, files, mechanisms

if TYPE_CHECKING:
    from smtpcheck.core import Report, Target
    from smtpcheck.target.credentials import Secret

_MODE = "expect TLS to start so: auto, starttls, implicit, plain"
_ALLOW = "let the secret go: plaintext-auth, unverified-auth, host:NAME"
_target = under("who to ask")
_login = under("how to log in")
_may = under("what may be tried")
_mail = under("with a message")
AIM = options(
    _target("--mode", type=click.Choice(["auto", "starttls", "implicit", "plain"]), metavar="MODE", help=_MODE),
    _target("--dns", metavar="IP[:PORT]", help="ask this resolver; further ones after a comma"),
    _target("--ntp", metavar="HOST[:PORT]", help="compare the clock with this server"),
    _target("--connect-to", multiple=True, metavar="MAP", help="HOST:PORT:ADDR:PORT dials ADDR:PORT for HOST:PORT"),
    _target("--ca-file", metavar="PEM", shell_complete=files, help="trust these roots in place of the system's"),
    _target("--ca-compare", metavar="PEM", shell_complete=files, help="see what these say too (default: certifi's)"),
    _target("--ehlo", metavar="NAME", help="introduce ourselves so"),
    _login("--user", metavar="USER", help="log in as this user (default: the account)"),
    _login("--auth", metavar="MECH", shell_complete=mechanisms, help="use this SASL mechanism and no other"),
    _may("--allow", multiple=True, metavar="WHAT", shell_complete=consents, help=_ALLOW),
    _may("--deadline", type=float, metavar="SECONDS", help="be done by then (default 30)"),
    _may("--only-target", is_flag=True, help="speak to the target and the resolver alone"),
    _may("--all-addresses", is_flag=True, help="look at more than eight endpoints"),
    _may("--control", metavar="HOST[:PORT]", help="a server that you know to open this port, to compare with"),
    _may("--no-experiments", is_flag=True, help="make no further connections to decide between causes"),
    _mail("--from", "sender", metavar="ADDRESS", help="envelope sender"),
    _mail("--to", "recipients", multiple=True, metavar="ADDRESS", help="recipient; several are allowed"),
)
MAIL = options(
    _mail("--message", metavar="FILE.eml", shell_complete=files, help="send this file as it is"),
    _mail("--imap", metavar="HOST[:PORT]", help="look for the message in this mailbox"),
    _mail("--imap-user", metavar="USER", help="the mailbox's user (default: the recipient)"),
    _mail("--wait", type=float, metavar="SECONDS", help="look for it this long (default 120)"),
)


def checked(spec: str, given: dict[str, Any]) -> NoReturn:
    """Check as the options of `check` say, say the report, write its files, and exit with its status."""
    from smtpcheck import advice
    from smtpcheck.target.credentials import SecretError
    from smtpcheck.target.grammar import UsageError

    json_file = given.pop("json_file")
    wanted = outlets(json_file, given.pop("pages"))
    verbose, quiet, library = given.pop("verbose"), given.pop("quiet"), _library(given.pop("library", None))
    lang = advice.language(given.pop("lang") or "")
    try:
        report, interrupted = asked(spec, given, lang, quiet=quiet or json_file == "-")
    except (UsageError, SecretError) as error:
        stop(": ".join(map(str, error.args)))
    # the verdict first: a message may have been sent, and whoever does not hear of it sends another
    err = json_file == "-"
    done = [say(report, lang, verbose=verbose, quiet=quiet, err=err)]
    if library:
        done.append(echo(f"\n{_settings(report, library, lang)}", lang, err=err))
    done.append(write_all([report], wanted, lang))
    if report.target.send and not all(done):
        complain(advice.ui(lang)["unwritten.sent"])
    sys.exit(INTERRUPTED if interrupted else status(EXIT[report.verdict], written=all(done)))


def _library(name: str | None) -> str | None:
    """The library whose settings are wanted; one that is not known is a usage error, before anything is asked."""
    if name is None:
        return None
    from smtpcheck.report import snippets

    if name not in snippets.names():
        stop(f"--for {name[:60]!r} is none of {', '.join(snippets.names())}")
    return name


def _settings(report: Report, library: str, lang: str) -> str:
    """What to write into the program; one line of why not, where port and mode were not seen to work."""
    from smtpcheck.advice import ui
    from smtpcheck.report import snippets
    from smtpcheck.target.grammar import UsageError

    words = ui(lang)
    try:
        found = snippets.observed(report)
        text = found.rendered(library)
    except snippets.Unfounded as error:
        return words["settings.none"].format(name=library, why=words[f"settings.{error.reason}"])
    except UsageError as error:  # a user or an address that this library's language can't say
        return words["settings.none"].format(name=library, why=error)
    head = words["settings.head"].format(name=library, host=found.host, port=found.port, mode=found.mode)
    return f"{head}\n\n{text.removesuffix(chr(10))}"


def asked(spec: str, given: Mapping[str, Any], lang: str, *, quiet: bool = True) -> tuple[Report, bool]:
    """The report about a target, by the options of AIM and MAIL, and whether it was cut short.

    Unless `quiet`, a terminal shows how far it is. Raises UsageError and SecretError.
    """
    chosen = {name: value for name, value in given.items() if not (value is None or value is False or value == ())}
    if chosen.pop("no_experiments", False):
        chosen["experiments"] = False
    aim, secret, mail_secret, typing = _aim(spec, chosen)
    return _run(aim, secret, mail_secret, lang, quiet=quiet, typing=typing)


def _aim(spec: str, options: dict[str, Any]) -> tuple[Target, Secret | None, Secret | None, float]:
    """What to check, with which secrets, and the seconds that a person took to type one."""
    from smtpcheck.core import Mode
    from smtpcheck.target.credentials import dotenv, resolve
    from smtpcheck.target.grammar import default_imap_secret, default_secret, parse_target

    environ = {**dotenv(Path(".env")), **os.environ}
    if "until" in options:
        options["until"] = _stage(options["until"])
    if "mode" in options:
        options["mode"] = Mode(options["mode"])
    aim = parse_target(spec, **options)
    reference = default_secret(environ) if aim.user else ""
    began = time.monotonic()
    secret = resolve(reference, environ) if reference else _ask(aim)
    typing = time.monotonic() - began
    options["secret"] = "env:SMTPCHECK_PASSWORD" if secret else ""
    options["imap_secret"] = default_imap_secret(environ) if "send" in options else ""
    mail_secret = resolve(options["imap_secret"], environ) if options["imap_secret"] else None
    aim = parse_target(spec, **options)
    if secret and _at_terminal():
        yes, asking = _agreed(aim, reused=mail_secret is None)
        aim, typing = replace(aim, allow=(*aim.allow, *yes)), typing + asking
    return aim, secret, mail_secret, typing


def _agreed(aim: Target, *, reused: bool) -> tuple[tuple[str, ...], float]:
    """The consents to hosts for which nothing speaks, asked before any connection to them; and the seconds it took.

    DNS is asked ahead of the check for that, since a person is not to be waited for in the middle of it.
    """
    import asyncio

    from smtpcheck import consent
    from smtpcheck.run import ask
    from smtpcheck.target.credentials import PREFIX

    found = asyncio.run(ask("submission", replace(aim, secret="", send=False, message="", until=None)))
    strange = consent.strangers(aim, found, reused=reused)
    began = time.monotonic()
    yes = [PREFIX + host for host in strange if click.confirm(_question(aim, host), default=False, err=True)]
    return tuple(yes), time.monotonic() - began


def _question(aim: Target, host: str) -> str:
    return f"{host} is not known to belong to {aim.user or aim.name}: send it the password all the same?"


def _stage(word: str) -> Any:
    from smtpcheck.core import Stage
    from smtpcheck.target.grammar import UNTIL, UsageError

    if word not in tuple(UNTIL):
        raise UsageError(f"--until {word[:20]!r} is no stage; known: {', '.join(UNTIL)}")
    return Stage(word)


def _ask(aim: Target) -> Secret | None:
    """Ask at the terminal where a login is possible and wanted; without one the login is skipped and said so."""
    from smtpcheck.core import Stage, TargetKind
    from smtpcheck.target.credentials import Secret

    wanted = aim.user and aim.kind is not TargetKind.MX and aim.until in (None, Stage.AUTH, Stage.MAIL, Stage.RCPT)
    if not wanted or not _at_terminal():
        return None
    typed = click.prompt(
        f"password for {aim.user} (empty: no login)", hide_input=True, default="", err=True, show_default=False
    )
    return Secret(typed) if typed else None


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _run(
    aim: Target,
    secret: Secret | None,
    mail_secret: Secret | None,
    lang: str,
    *,
    quiet: bool,
    typing: float,
) -> tuple[Report, bool]:
    import asyncio
    import signal

    from smtpcheck.cli import BEGAN
    from smtpcheck.cli.live import shown
    from smtpcheck.run import run

    interrupted = False

    async def work() -> Report:
        stop = asyncio.Event()

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            stop.set()

        for signum in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signum, interrupt)
        async with shown(aim, lang, quiet=quiet) as onlooker:
            return await run(
                aim,
                secret=secret,
                mail_secret=mail_secret,
                onlooker=onlooker,
                began=BEGAN + typing,
                stop=stop,
                lang=lang,
            )

    return asyncio.run(work()), interrupted
