"""How do I ask from a shell? Parse, call, render; what takes long to import waits until it is needed."""

from __future__ import annotations

import time

_BEGAN = time.monotonic()

# ruff: noqa: E402  # the deadline counts from the start of the process, before the imports
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from smtpcheck import __version__

if TYPE_CHECKING:
    from smtpcheck.core import Report, Result, Target
    from smtpcheck.credentials import Secret
    from smtpcheck.diagnosis.paste import Answer

USAGE, INCONCLUSIVE, BUG, INTERRUPTED = 2, 3, 4, 130
_EXIT = {"healthy": 0, "broken": 1, "inconclusive": INCONCLUSIVE, "bug": BUG}
# of several reports: broken before our bug before "could not tell"
_WORST = (1, BUG, INCONCLUSIVE, 0)
_LANG = click.option("--lang", type=click.Choice(["en", "zh-CN"]), default=None, help="language of the words")


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(__version__, prog_name="smtpcheck")
def cli() -> None:
    """Why does my mail not arrive, and what do I change?

    \b
    smtpcheck check me@qq.com                 from the name to the login
    smtpcheck check smtp.example.com:587      a server, up to its certificate
    smtpcheck check mx:example.com            the exchangers of a domain
    smtpcheck demo                            see it name six faults on this machine
    smtpcheck explain "535 5.7.8 Error"       what a reply, a traceback or a bounce may mean
    """


def _probe_names() -> str:
    """From the file names, so that asking for help imports none of them."""
    return ", ".join(sorted(path.stem for path in (Path(__file__).parent / "probes").glob("[a-z]*.py")))


Command = Callable[..., Any]


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, for the commands that share them."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_AIM = _options(
    click.option("--user", help="log in as this user (default: the account)"),
    click.option("--from", "sender", metavar="ADDRESS", help="envelope sender"),
    click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="recipient; several are allowed"),
    click.option("--mode", type=click.Choice(["auto", "starttls", "implicit", "plain"]), help="expect TLS to start so"),
    click.option("--auth", metavar="MECH", help="use this SASL mechanism and no other"),
    click.option("--allow", multiple=True, metavar="WHAT", help="plaintext-auth, unverified-auth: send the secret so"),
    click.option("--dns", metavar="IP[:PORT]", help="ask this resolver"),
    click.option("--ntp", metavar="HOST[:PORT]", help="compare the clock with this server"),
    click.option("--ca-file", metavar="PEM", help="trust these roots in place of the system's"),
    click.option("--ehlo", metavar="NAME", help="introduce ourselves so"),
    click.option("--connect-to", multiple=True, metavar="HOST:PORT:ADDR:PORT", help="dial ADDR:PORT for HOST:PORT"),
    click.option("--deadline", type=float, metavar="SECONDS", help="be done by then (default 30)"),
    click.option("--only-target", is_flag=True, help="speak to the target and the resolver alone"),
    click.option("--all-addresses", is_flag=True, help="look at more than eight endpoints"),
)
_MAIL = _options(
    click.option("--message", metavar="FILE.eml", help="send this file as it is"),
    click.option("--imap", metavar="HOST[:PORT]", help="look for the message in this mailbox"),
    click.option("--imap-user", metavar="USER", help="the mailbox's user (default: the recipient)"),
    click.option("--wait", type=float, metavar="SECONDS", help="look for it this long (default 120)"),
)
_OUTPUT = _options(
    click.option("--json", "json_file", metavar="FILE|-", help="write the report as JSON"),
    click.option("--report", "page", metavar="FILE.html", help="write the report as a page to look at"),
    click.option("-v", "--verbose", is_flag=True, help="all results and the transcript"),
    click.option("-q", "--quiet", is_flag=True, help="the verdict alone"),
    _LANG,
)


@cli.command(epilog=f"The probes: {_probe_names()}.")
@click.argument("target")
@click.option("--until", metavar="STAGE", help="stop after this stage: dns ... certificate auth rcpt data delivery")
@click.option("--send", is_flag=True, help="send a test message, and look for it in the mailbox")
@_AIM
@_MAIL
@_OUTPUT
def check(target: str, **options: Any) -> None:
    """Walk the way of a mail to TARGET and name the first thing that is broken.

    TARGET is me@example.com, smtp.example.com, host:587, smtps://host, smtp://host:port or mx:example.com.

    The password is read from SMTPCHECK_PASSWORD, a .env file, or asked for; it is never an argument. One login is
    tried, over verified TLS only.

    Exit status: 0 healthy, 1 broken, 2 usage, 3 could not tell, 4 a bug of smtpcheck, 130 interrupted.
    """
    _checked(target, options)


@cli.command()
@click.argument("target")
@click.option("--subject", help="its subject")
@click.option("--text", help="its text")
@click.option("--html", metavar="FILE", help="its HTML; the text goes along as the plain alternative")
@click.option("--attach", multiple=True, metavar="FILE", help="a file to attach; several are allowed")
@_AIM
@_MAIL
@_OUTPUT
def send(target: str, **options: Any) -> None:
    """Send one message through TARGET, and confirm that it arrived: `check --send` with a message of your own.

    The mailbox is looked into by IMAP where its host is known (--imap, or the provider's); its password comes from
    SMTPCHECK_IMAP_PASSWORD, else the login's is used for the same user at the same provider.
    """
    _checked(target, options | {"send": True})


def _checked(spec: str, options: dict[str, Any]) -> NoReturn:
    from smtpcheck import advice

    json_file, page = options.pop("json_file"), options.pop("page")
    verbose, quiet = options.pop("verbose"), options.pop("quiet")
    lang = advice.language(options.pop("lang") or "")
    given = {name: value for name, value in options.items() if not (value is None or value is False or value == ())}
    aim, secret, mail_secret = _aim(spec, given)
    report, interrupted = _run(aim, secret, mail_secret, lang, _progress(lang, quiet=quiet or json_file == "-"))
    for where, format_ in ((json_file, "json"), (page, "html")):
        if where:
            _write(report, where, format_, lang)
    _say(report, lang, verbose=verbose, quiet=quiet, err=json_file == "-")
    sys.exit(INTERRUPTED if interrupted else _EXIT[report.verdict])


def _aim(spec: str, options: dict[str, Any]) -> tuple[Target, Secret | None, Secret | None]:
    from smtpcheck.core import Mode
    from smtpcheck.credentials import SecretError, dotenv, resolve
    from smtpcheck.settings import UsageError, default_imap_secret, default_secret, parse_target

    environ = {**dotenv(Path(".env")), **os.environ}
    try:
        if "until" in options:
            options["until"] = _stage(options["until"])
        if "mode" in options:
            options["mode"] = Mode(options["mode"])
        aim = parse_target(spec, **options)
        reference = default_secret(environ) if aim.user else ""
        secret = resolve(reference, environ) if reference else _ask(aim)
        options["secret"] = "env:SMTPCHECK_PASSWORD" if secret else ""
        options["imap_secret"] = default_imap_secret(environ) if "send" in options else ""
        mail_secret = resolve(options["imap_secret"], environ) if options["imap_secret"] else None
        return parse_target(spec, **options), secret, mail_secret
    except (UsageError, SecretError) as error:
        _usage(": ".join(map(str, error.args)))


def _stage(word: str) -> Any:
    from smtpcheck.core import Stage
    from smtpcheck.settings import UNTIL, UsageError

    if word not in tuple(UNTIL):
        raise UsageError(f"--until {word[:20]!r} is no stage; known: {', '.join(UNTIL)}")
    return Stage(word)


def _ask(aim: Target) -> Secret | None:
    """Ask at the terminal where a login is possible and wanted; without one the login is skipped and said so."""
    from smtpcheck.core import Stage, TargetKind
    from smtpcheck.credentials import Secret

    wanted = aim.user and aim.kind is not TargetKind.MX and aim.until in (None, Stage.AUTH, Stage.MAIL, Stage.RCPT)
    if not wanted or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    typed = click.prompt(
        f"password for {aim.user} (empty: no login)", hide_input=True, default="", err=True, show_default=False
    )
    return Secret(typed) if typed else None


def _run(
    aim: Target,
    secret: Secret | None,
    mail_secret: Secret | None,
    lang: str,
    watch: Callable[[Result[Any]], None] | None,
) -> tuple[Report, bool]:
    import asyncio
    import signal

    from smtpcheck.run import run

    interrupted = False

    async def work() -> Report:
        stop = asyncio.Event()

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            stop.set()

        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
        return await run(aim, secret=secret, mail_secret=mail_secret, watch=watch, began=_BEGAN, stop=stop, lang=lang)

    return asyncio.run(work()), interrupted


def _progress(lang: str, *, quiet: bool) -> Callable[[Result[Any]], None] | None:
    if quiet or not sys.stderr.isatty():
        return None
    from smtpcheck.report.terminal import progress_line

    width = _width()
    return lambda result: click.echo(f"\r\x1b[2K{progress_line(result, lang, width=width)}\r", nl=False, err=True)


def _say(report: Report, lang: str, *, verbose: bool, quiet: bool, err: bool) -> None:
    from smtpcheck.report import terminal

    stream = sys.stderr if err else sys.stdout
    if sys.stderr.isatty() and not quiet:
        click.echo("\r\x1b[2K", nl=False, err=True)
    text = terminal.render(
        report,
        lang=lang,
        width=min(_width(), 100),
        color=stream.isatty() and "NO_COLOR" not in os.environ,
        verbose=verbose,
        quiet=quiet,
    )
    click.echo(text, err=err, color=True)


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


def _write(report: Report, where: str, format_: str, lang: str) -> None:
    from smtpcheck.api import render

    _put(render(report, format_, lang=lang), where)


def _put(text: str, where: str) -> None:
    if where == "-":
        click.echo(text)
        return
    try:
        Path(where).write_text(text, encoding="utf-8")
    except OSError as error:
        _usage(f"{where}: {error.strerror}")


@cli.command()
@click.option("--reports", type=click.Path(file_okay=False, path_type=Path), default=Path("reports"), show_default=True)
@_LANG
def demo(reports: Path, lang: str | None) -> None:
    """Start practice servers on this machine, break six of seven accounts, and name each fault."""
    import asyncio

    from smtpcheck import advice
    from smtpcheck.demo import demonstrate

    sys.exit(asyncio.run(demonstrate(reports, advice.language(lang or ""), _width(), click.echo)))


@cli.command()
@click.argument("faults", nargs=-1)
@click.option("--list", "listed", is_flag=True, help="name all faults that can be practised")
def lab(faults: tuple[str, ...], listed: bool) -> None:
    """Start the practice servers with FAULTS (default: a few) and say how to reach them; Ctrl-C stops them."""
    import asyncio

    from smtpcheck.demo import FAULTS, practise
    from smtpcheck.lab import Lab

    if listed:
        for name, about in Lab.faults.items():
            click.echo(f"{name:38} {about}")
        return
    unknown = [name for name in faults if name not in Lab.faults]
    if unknown:
        _usage(f"no fault {unknown[0]!r}; `smtpcheck lab --list` names them")
    asyncio.run(practise(faults or FAULTS, click.echo))


@cli.command()
@click.argument("target", metavar="REPORT.json|HOST:PORT")
@click.option("--for", "name", metavar="NAME", help="the library or program; without it: which there are")
@click.option("--mode", type=click.Choice(["starttls", "implicit"]), help="how TLS starts there, without a report")
@click.option("--user", help="the login's user")
@click.option("--from", "sender", metavar="ADDRESS", help="the message's sender")
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="the message's recipient")
@click.option("--ca-file", metavar="PEM", help="trust these roots in place of the system's")
def settings(target: str, name: str | None, **options: Any) -> None:
    """Print the settings that work, as a program or configuration for a mail library.

    They follow from a report of `smtpcheck check --json`, or from HOST:PORT; nothing is asked of the network. The
    password is never in them: they read it from the environment variable SMTP_PASSWORD.
    """
    from smtpcheck import snippets
    from smtpcheck.api import load
    from smtpcheck.settings import parse_target
    from smtpcheck.wire import ProtocolError

    given = {option: value for option, value in options.items() if value}
    try:
        saved = load(target) if target.endswith(".json") or Path(target).is_file() else None
    except (OSError, ProtocolError) as error:
        _usage(f"{target} is no report: {error}")
    found = snippets.observed(saved, **given) if saved else snippets.stated(parse_target(target, **given))
    click.echo(found.rendered(name) if name else snippets.summary(found), nl=False)


@cli.command()
@click.argument("words", nargs=-1)
@_LANG
def explain(words: tuple[str, ...], lang: str | None) -> None:
    """Say what a code of smtpcheck means, or what may be behind a text that you paste, without asking anybody.

    \b
    smtpcheck explain cert-chain-incomplete
    smtpcheck explain "535 5.7.8 Error: authentication failed"
    smtpcheck explain - < bounce.eml          a traceback, a transcript, a bounce

    Exit status: 0 something is named, 2 usage, 3 nothing in the text is known.
    """
    from smtpcheck import advice
    from smtpcheck.report import answer
    from smtpcheck.report.terminal import explanation

    chosen, width = advice.language(lang or ""), min(_width(), 100)
    entry = advice.entry(words[0], chosen) if len(words) == 1 else None
    if entry:
        click.echo(explanation(entry, lang=chosen, width=width))
        return
    found = _answered(words)
    if not found.named and len(words) == 1 and words[0] != "-" and len(words[0].split()) == 1:
        _no_code(words[0])
    click.echo(answer.render(found, lang=chosen, width=width))
    sys.exit(0 if found.known else INCONCLUSIVE)


def _answered(words: tuple[str, ...]) -> Answer:
    from smtpcheck.diagnosis import paste

    if words in ((), ("-",)):
        if not words and sys.stdin.isatty():
            _usage("explain what? A code, a text in quotes, or - for standard input")
        text = sys.stdin.buffer.read(paste.MAX_INPUT + 1)
    else:
        text = os.fsencode(" ".join(words))
    if not text.strip():
        _usage("nothing to explain: the text is empty")
    if len(text) > paste.MAX_INPUT:
        _usage(f"more than {paste.MAX_INPUT} octets to explain")
    return paste.answer(text)


def _no_code(code: str) -> NoReturn:
    import difflib

    from smtpcheck import advice

    near = difflib.get_close_matches(code, advice.codes(), n=3, cutoff=0.4)
    _usage(f"no code {code[:60]!r}" + (f"; near: {', '.join(near)}" if near else ""))


@cli.command()
@click.argument("file", metavar="REPORT.json")
@_OUTPUT
def replay(file: str, json_file: str | None, page: str | None, verbose: bool, quiet: bool, lang: str | None) -> None:
    """Judge and diagnose a saved report again, by the rules of this release and without any network.

    Several reports in one file are told one after the other. Exit status as of `check`: of several reports the worst.
    """
    from smtpcheck import advice
    from smtpcheck.report import html
    from smtpcheck.report import replay as saved
    from smtpcheck.wire import ProtocolError

    chosen = advice.language(lang or "")
    try:
        reports = saved.replay(sys.stdin.buffer.read(saved.MAX_INPUT + 1)) if file == "-" else saved.read(file)
    except OSError as error:
        _usage(f"{file}: {error.strerror}")
    except ProtocolError as error:
        _usage(f"{file}: {error}")
    if json_file:
        _put(saved.written(reports, chosen), json_file)
    if page:
        several = len(reports) > 1
        _put(html.render_many(reports, lang=chosen) if several else html.render(reports[0], lang=chosen), page)
    for place, report in enumerate(reports):
        if place:
            click.echo("", err=json_file == "-")
        _say(report, chosen, verbose=verbose, quiet=quiet, err=json_file == "-")
    sys.exit(next(status for status in _WORST if status in {_EXIT[report.verdict] for report in reports}))


def _usage(message: str) -> NoReturn:
    click.echo(f"smtpcheck: {message}", err=True)
    sys.exit(USAGE)


def main() -> None:
    """The command; an exception that nobody foresaw is our bug and says so, without locals."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(INTERRUPTED)
    except Exception as error:  # the outermost door: what comes out here is our mistake
        from smtpcheck.failures import where
        from smtpcheck.settings import UsageError

        if isinstance(error, UsageError):
            _usage(": ".join(map(str, error.args)))
        click.echo(f"smtpcheck: a bug of smtpcheck, not of your mail: {where(error)}", err=True)
        sys.exit(BUG)
