"""What is on the screen while a check runs? Painted anew ten times a second; on a pipe nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import click

from smtpcheck.cli.console import colored, drawable, width

if TYPE_CHECKING:
    from smtpcheck.contract import Snapshot
    from smtpcheck.core import Target
    from smtpcheck.report.terminal.live import Progress

_BEAT = 0.1
Look = Callable[[], "Snapshot"]


@asynccontextmanager
async def shown(target: Target, lang: str, *, quiet: bool) -> AsyncIterator[Callable[[Look], None] | None]:
    """What `run` takes as its onlooker while the progress is shown; None where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    # now, because what is imported later would be imported while a stage is timed
    from smtpcheck.report.terminal.live import Progress

    progress = Progress(target, lang, width(), drawable(sys.stderr))
    begun: asyncio.Future[Look] = asyncio.get_running_loop().create_future()
    painting = asyncio.create_task((_paint if colored(sys.stderr) else _tell)(progress, begun))
    await asyncio.sleep(0)  # it imports what it paints with
    try:
        yield begun.set_result
    finally:
        painting.cancel()
        with suppress(asyncio.CancelledError):
            await painting


async def _paint(progress: Progress, begun: asyncio.Future[Look]) -> None:
    """Frames in place, gone without a trace when the task is cancelled."""
    from rich.console import Console
    from rich.live import Live

    from smtpcheck.report.terminal.lines import painted

    # nothing of the environment: whether to paint is decided already
    console = Console(file=sys.stderr, force_terminal=True, color_system="standard", legacy_windows=False, _environ={})
    look, began = await begun, time.monotonic()
    with Live(
        console=console, transient=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
    ) as area:
        while True:
            await asyncio.sleep(_BEAT)
            progress.width = console.width
            area.update(painted(progress.frame(look(), time.monotonic() - began)), refresh=True)


async def _tell(progress: Progress, begun: asyncio.Future[Look]) -> None:
    """A line for what takes long, on a terminal that is not to be painted on."""
    look, began = await begun, time.monotonic()
    while True:
        await asyncio.sleep(_BEAT)
        for line in progress.overdue(look(), time.monotonic() - began):
            click.echo(line, err=True)
