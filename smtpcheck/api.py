"""How do I call it from Python? `check` in a script or a notebook cell, `acheck` where a loop runs already."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from smtpcheck import advice
from smtpcheck.contract import Probe
from smtpcheck.core import Report, Result, Target
from smtpcheck.probes import classes
from smtpcheck.report import files, formats
from smtpcheck.report.saved import json
from smtpcheck.run import ask as run_probe
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret, resolve
from smtpcheck.target.grammar import default_imap_secret, default_secret, parse_target

T = TypeVar("T")


async def acheck(
    target: str | Target,
    *,
    password: str | Secret | None = None,
    imap_password: str | Secret | None = None,
    probes: Sequence[Probe[Any]] | None = None,
    **options: Any,
) -> Report:
    """Check one target: me@example.com, smtp.example.com, host:587, smtps://host, smtp://host:port or mx:domain.

    `options` are the fields of `Target` (user, sender, recipient, mode, until, dns, ntp, ca_file, connect_to,
    deadline ...). The password comes from `password`, else from the reference `secret` (env:NAME, file:PATH), else
    from SMTPCHECK_PASSWORD; without one the login is not tested. The mailbox's comes from `imap_password`, else from
    `imap_secret`. `probes` are those to run, with knobs of your own; default: all. Raises UsageError and SecretError,
    never for what the network did.
    """
    password, imap_password = _kept(password), _kept(imap_password)
    _shown_in_notebooks()
    aim, secret, mail_secret = _aimed(target, password, options, imap_password)
    return await run(aim, secret=secret, mail_secret=mail_secret, probes=probes)


def check(
    target: str | Target,
    *,
    password: str | Secret | None = None,
    imap_password: str | Secret | None = None,
    probes: Sequence[Probe[Any]] | None = None,
    **options: Any,
) -> Report:
    """`acheck` for scripts; works in a running Jupyter loop too, by a thread of its own."""
    password, imap_password = _kept(password), _kept(imap_password)
    return _finished(acheck(target, password=password, imap_password=imap_password, probes=probes, **options))


async def aprobe(
    name: str, target: str | Target, *, password: str | Secret | None = None, **options: Any
) -> tuple[Result[Any], ...]:
    """One probe alone, with what it needs to find its subjects; its results. Raises UsageError for an unknown name."""
    password = _kept(password)
    _shown_in_notebooks()
    aim, secret, mail_secret = _aimed(target, password, options)
    return await run_probe(name, aim, secret=secret, mail_secret=mail_secret)


def probe(
    name: str, target: str | Target, *, password: str | Secret | None = None, **options: Any
) -> tuple[Result[Any], ...]:
    """`aprobe` for scripts and notebook cells."""
    password = _kept(password)
    return _finished(aprobe(name, target, password=password, **options))


def render(report: Report | Sequence[Report], format: str = "text", *, lang: str = "") -> str:  # noqa: A002  # its name
    """The report, or several in one, in a format of smtpcheck/report/formats/. Raises ValueError for another format."""
    several = (report,) if isinstance(report, Report) else tuple(report)
    return formats.render(several, format, lang=advice.language(lang))


def dump(report: Report, path: str | Path, *, lang: str = "") -> Path:
    """Write the report as JSON, for its owner's eyes alone (mode 0600); the path written.

    Raises OSError; an older report of that name is then still whole. A symbolic link there is replaced.
    """
    files.write(path, render(report, "json", lang=lang))
    return Path(path)


def load(path: str | Path) -> Report:
    """Read a JSON report again; equal to the one written. Raises wire.ProtocolError and OSError."""
    return loads(Path(path).read_bytes())


def loads(text: str | bytes) -> Report:
    """The report of a JSON text. Raises wire.ProtocolError."""
    _shown_in_notebooks()
    return json.decode(text.encode("utf-8") if isinstance(text, str) else text, json.catalog(classes()))


def _kept(password: str | Secret | None) -> Secret | None:
    """Out of reach of tracebacks that show locals, before anything can raise."""
    return Secret(password) if isinstance(password, str) else password


def _aimed(
    target: str | Target, given: Secret | None, options: dict[str, Any], mail: Secret | None = None
) -> tuple[Target, Secret | None, Secret | None]:
    reference = options.pop("secret", "") or default_secret(os.environ)
    if isinstance(target, Target):
        aim = target
    else:
        options.setdefault("imap_secret", default_imap_secret(os.environ))
        aim = parse_target(target, secret=reference or ("env:SMTPCHECK_PASSWORD" if given else ""), **options)
    if given is None and aim.secret:
        given = resolve(aim.secret)
    if mail is None and aim.imap_secret:
        mail = resolve(aim.imap_secret)
    return aim, given, mail


def _shown_in_notebooks() -> None:
    """Where IPython runs, it learns how to show what comes back."""
    if "IPython" in sys.modules:
        from smtpcheck import notebook

        notebook.show()


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, whether or not a loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _in_thread(work)


def _in_thread(work: Coroutine[Any, Any, T]) -> T:
    done: list[T] = []
    failed: list[BaseException] = []

    def go() -> None:
        try:
            done.append(asyncio.run(work))
        except BaseException as error:  # carried to the caller's thread and raised there
            failed.append(error)

    thread = threading.Thread(target=go, name="smtpcheck", daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
