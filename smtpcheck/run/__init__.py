"""How is a target checked? Prepared, scheduled, judged and diagnosed; never raises for what the network did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe, Snapshot
from smtpcheck.conversation.plan import Limits, limits_within
from smtpcheck.core import Report, Result, Stage, Target
from smtpcheck.diagnosis import diagnose, judge
from smtpcheck.diagnosis.verdict import not_tested, verdict
from smtpcheck.net import system
from smtpcheck.net.door import Dialer
from smtpcheck.net.system import Machine
from smtpcheck.probes import named
from smtpcheck.probes import probes as all_probes
from smtpcheck.run import prepare
from smtpcheck.run.masking import masked_report
from smtpcheck.run.prepare import (
    compose_message,
    environment,
    load_compared,
    load_roots,
    make_plan,
    make_resolver,
    open_door,
    settled,
)
from smtpcheck.run.schedule import Schedule, Watch, stage_of
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import UsageError
from smtpcheck.wire import sasl, x509

# Seconds kept back from the deadline for QUIT, judging and printing.
RESERVE = 0.4
# What finds the endpoints, and what elects the primary one.
_LEADING = {"submission", "mx", "address", "port"}
_ELECTING = {"greeting", "tls", "chain", "mode", "message"}
Onlooker = Callable[[Callable[[], Snapshot]], None]


async def run(
    target: Target,
    *,
    secret: Secret | None = None,
    mail_secret: Secret | None = None,
    dialer: Dialer | None = None,
    roots: x509.Roots | None = None,
    limits: Limits | None = None,
    probes: Sequence[Probe[Any]] | None = None,
    watch: Watch | None = None,
    onlooker: Onlooker | None = None,
    began: float | None = None,
    stop: asyncio.Event | None = None,
    lang: str = "en",
    machine: Machine | None = None,
    awaited: str = "",
) -> Report:
    """Check one target. `began` is the monotonic time from which its deadline counts (default: now).

    Setting `stop` ends it early; what was learnt until then is reported as not complete. `onlooker` is handed, once,
    what tells at any time how far the run is. `lang` is the language of a message that is sent. `machine` is what
    this machine's settings say (default: what they do say). The probe `awaited` is waited for until the deadline.

    Raises UsageError for a CA file that can't be read; never for what the network did.
    """
    started, began = datetime.now(UTC), time.monotonic() if began is None else began
    target = settled(target)
    limits = limits or limits_within(target.deadline)
    machine = machine or system.machine()
    if target.ca_compare:
        load_roots(target.ca_compare)  # a file that can't be read is the caller's mistake, now and not later
    door = open_door(target, dialer)
    resolver = make_resolver(target, door, limits, machine)
    reused = secret if route.mailbox_user(target) == target.user else None
    ctx = Context(
        plan=make_plan(target, secret, compose_message(target, lang)),
        door=door,
        resolver=resolver,
        roots=roots or load_roots(target.ca_file),
        limits=limits,
        compared=partial(load_compared, target),
        proxies=machine.proxies,
        mail_secret=mail_secret or reused,
        mail_reused=mail_secret is None,
        mask=sasl.mask_for((target.user, secret), (route.mailbox_user(target), mail_secret or reused)),
        secret_slips=sasl.slips_of(secret) if secret is not None and target.secret else (),
    )
    chosen = tuple(probes or all_probes())
    schedule = Schedule(chosen, ctx, watch, stop or asyncio.Event(), awaited)
    if onlooker:
        onlooker(schedule.snapshot)
    waits = target.wait if target.send and ctx.mail_secret and route.mailbox(target) else 0.0
    ends = began + target.deadline + waits - min(RESERVE, target.deadline / 5)
    complete = await schedule.work(ends)
    await asyncio.gather(
        *(dialogue.close(max(0.05, min(1.0, ends + 0.2 - time.monotonic()))) for dialogue in ctx.dialogues)
    )
    await schedule.conclude()
    report = Report(
        target=target,
        started=started,
        elapsed=time.monotonic() - began,
        complete=complete,
        verdict=verdict(target, (), ()),
        results=schedule.ordered(),
        conversations=(
            *(dialogue.record for dialogue in ctx.dialogues if dialogue.subject.address),
            *(mailbox.record for mailbox in ctx.mailboxes),
        ),
        experiments=tuple(ctx.experiments),
        contacts=prepare.contacts(target, resolver),
        environment=environment(),
    )
    # before it is judged, so that a replay sees what was judged; and after, for what judging put together
    return masked_report(assemble(masked_report(report, ctx.mask), chosen), ctx.mask)


async def ask(
    name: str, target: Target, *, secret: Secret | None = None, mail_secret: Secret | None = None
) -> tuple[Result[Any], ...]:
    """One probe with what leads to its subjects; its results. Raises UsageError for a probe that is not there."""
    probe = named(name)
    if probe is None:
        raise UsageError(f"no probe {name!r}; known: {', '.join(probe.name for probe in all_probes())}")
    needed = {name}
    if not list(probe.subjects(settled(target), ())):
        judged_by_others = probe.intrusive or probe.experiment or probe.last or stage_of(probe) is Stage.POLICY
        needed |= _LEADING | (_ELECTING | {"clock"} if judged_by_others else set())
    probes = [probe for probe in all_probes() if probe.name in needed]
    report = await run(target, secret=secret, mail_secret=mail_secret, probes=probes, awaited=name)
    return tuple(result for result in report.results if result.probe == name)


def assemble(report: Report, probes: Sequence[Probe[Any]] = ()) -> Report:
    """The report judged and diagnosed (again): everything that follows from target and results, and from knobs."""
    results = judge(report.target, report.results, probes)
    diagnoses = diagnose(report.target, results)
    return replace(
        report,
        results=results,
        diagnoses=diagnoses,
        verdict=verdict(report.target, results, diagnoses),
        not_tested=not_tested(report.target, results),
    )
