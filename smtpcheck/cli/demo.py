"""What does it look like? Seven practice accounts on loopback, one healthy and six broken, checked one by one."""

from __future__ import annotations

import asyncio
import shlex
import signal
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from smtpcheck import advice
from smtpcheck.core import Report, Verdict
from smtpcheck.lab import Lab, Practice
from smtpcheck.lab.faults import rows
from smtpcheck.probes import classes
from smtpcheck.report.page import html
from smtpcheck.report.saved import json
from smtpcheck.report.terminal import screen
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target

# what is started, and the code that a check must come to by itself; empty: healthy
EXPECTED = {
    "delivered": "",
    "certificate-wrong-host": "certificate-wrong-host",
    "certificate-chain-incomplete": "certificate-chain-incomplete",
    "auth-refused": "auth-credentials-refused",
    "connect-refused": "connect-refused",
    "clock-behind": "clock-behind",
    "plain-on-implicit-tls-port": "plain-on-implicit-tls-port",
}
FAULTS = tuple(EXPECTED)
_PASSWORD = "practice"
Say = Callable[[str], None]
Keep = Callable[[Path, str], bool]
"""Write a text to a file; False where that failed, once it is said."""


async def demonstrate(folder: Path, lang: str, width: int, say: Say, keep: Keep) -> tuple[bool, bool]:
    """Check every account, say each verdict, then keep the reports.

    Whether all verdicts were the expected ones, and whether all reports were written.
    """
    began = time.perf_counter()
    ui = advice.ui(lang)
    reports: list[Report] = []
    async with Lab() as lab:
        say(ui["demo-begin"].replace("{count}", str(len(EXPECTED))))
        for number, name in enumerate(EXPECTED, 1):
            practice = await lab.start(name)
            say(f"\n[{number}/{len(EXPECTED)}] {ui['demo-account']}: {Lab.faults[name]}")
            report = await _checked(practice)
            reports.append(report)
            say(screen.render(report, lang=lang, width=min(width, 100)))
    surprises = [name for name, report in zip(EXPECTED, reports, strict=True) if not _expected(name, report)]
    say("")
    for name in surprises:
        say(ui["demo-surprise"].replace("{fault}", name))
    page, kept = _kept(reports, folder, lang, keep)
    words = {"seconds": f"{time.perf_counter() - began:.1f}", "path": str(page), "json": page.with_suffix(".json").name}
    if kept:
        say(advice.fill(ui["demo-end"], words, ""))
    return not surprises, kept


async def _checked(practice: Practice) -> Report:
    target = parse_target(practice.target, secret="env:SMTPCHECK_PASSWORD", **practice.options)
    return await run(target, secret=Secret(practice.password))


def _expected(name: str, report: Report) -> bool:
    if not EXPECTED[name]:
        return report.verdict is Verdict.HEALTHY
    return report.diagnosis is not None and report.diagnosis.code == EXPECTED[name]


def _kept(reports: Sequence[Report], folder: Path, lang: str, keep: Keep) -> tuple[Path, bool]:
    """The page to look at, with the JSON report beside it, and whether both were written."""
    path = folder / f"demo-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    text = json.render_many(tuple(reports), words=advice.Words(lang), catalog=json.catalog(classes()))
    page = path.with_suffix(".html")
    return page, keep(path, text) and keep(page, html.render_many(reports, lang=lang))


async def practise(faults: Sequence[str], say: Say) -> None:
    """Start the faults, say how to reach them, and keep them until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with Lab() as lab:
        say(f"practice servers on loopback; the password of every account is {_PASSWORD} where no other is shown\n")
        for name in faults:
            own = {} if rows()[name].get("password") else {"password": _PASSWORD}
            practice = await lab.start(name, **own)
            say(f"# {name}: {Lab.faults[name]}")
            say(f"{_login(practice)}smtpcheck check {practice.target} {_options(practice)}\n")
        say("Ctrl-C stops them.")
        await stop.wait()
    say("stopped.")


def _login(practice: Practice) -> str:
    if practice.options.get("secret") == "":
        return ""
    return f"SMTPCHECK_PASSWORD={shlex.quote(practice.password)} "


_WORDS = {"recipients": "to", "sender": "from"}


def _options(practice: Practice) -> str:
    pairs = (
        (f"--{_WORDS.get(name, name).replace('_', '-')}", one)
        for name, value in practice.options.items()
        for one in (value if isinstance(value, tuple | list) else (value,))
        if one not in ("", False)
    )
    return " ".join(option if one is True else f"{option} {shlex.quote(str(one))}" for option, one in pairs)
