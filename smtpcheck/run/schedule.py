"""Which probe runs when, and until when? Every probe is asked for its subjects until nobody has another one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Glimpse, Probe
from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.core import Failure, Kind, Result, Skipped, Stage, Status, Subject
from smtpcheck.net import failures
from smtpcheck.run.masking import masked

_ELECTED_BY = (Stage.DNS, Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.TLS, Stage.CERTIFICATE)


# Side endpoints are waited for at most this long once one endpoint spoke verified TLS, and nothing broke there.
SIDE_PATIENCE = 5.0


Watch = Callable[[Result[Any]], None]


Key = tuple[str, Subject]


class _Schedule:
    """Asks every probe for its subjects until nobody has another one."""

    def __init__(
        self,
        probes: tuple[Probe[Any], ...],
        ctx: Context,
        watch: Watch | None,
        stop: asyncio.Event,
        awaited: str,
    ) -> None:
        self._probes = probes
        self._ctx = ctx
        self._watch = watch
        self._stop = stop
        self._awaited = awaited
        self._results: dict[Key, Result[Any]] = {}
        self._pending: dict[asyncio.Task[Result[Any]], tuple[Probe[Any], Subject]] = {}
        self._verified: dict[Subject, float] = {}

    async def work(self, ends: float) -> bool:
        """Run until all is known, the time is up or a stop is asked for; False when something was left."""
        stopping = asyncio.create_task(self._stop.wait())
        try:
            return await self._work(ends, stopping)
        finally:
            stopping.cancel()

    async def _work(self, ends: float, stopping: asyncio.Task[bool]) -> bool:
        self._start_new()
        while self._pending:
            patience, hasty = self._patience(ends)
            waited: set[asyncio.Task[Any]] = {*self._pending, stopping}
            done, _ = await asyncio.wait(
                waited, timeout=max(0.0, patience - time.monotonic()), return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {stopping}:
                self._take(task.result(), self._pending.pop(task))
            if stopping in done or time.monotonic() >= ends:
                await self._cut_off(list(self._pending))
                return False
            if not done:
                await self._cut_off(hasty)
            self._start_new()
            self._leave_where_all_is_asked()
        return True

    def glimpse(self) -> Glimpse:
        """How far it is."""
        return Glimpse(
            tuple(self._results.values()),
            tuple(dialogue.record for dialogue in self._ctx.dialogues if dialogue.subject.address),
            tuple(dict.fromkeys(where for asked in self._pending.values() if (where := self._whereabouts(*asked)))),
        )

    def _whereabouts(self, probe: Probe[Any], subject: Subject) -> tuple[Subject, Stage] | None:
        """What is being waited for; None where the wait is for our own turn, as a host sees two of us at most."""
        if not subject.address:
            return subject, _stage_of(probe)
        dialogue = self._ctx.dialogue(subject)
        if dialogue.closed and not dialogue.record.steps:
            return None
        return subject, dialogue.current if dialogue.walking else _stage_of(probe)

    async def conclude(self) -> None:
        """Ask those who ask about the conversations, which are over."""
        self._ctx.results = tuple(self._results.values())
        for probe in self._probes:
            for subject in probe.subjects(self._ctx.target, self._ctx.results) if probe.last else ():
                self._take(await self._ask(probe, subject), (probe, subject))

    def ordered(self) -> tuple[Result[Any], ...]:
        """Results in the order of the way, without experiments that were not needed."""
        order = [probe.name for probe in self._probes]
        experiments = {probe.name for probe in self._probes if probe.experiment}
        kept = [r for r in self._results.values() if not (r.probe in experiments and isinstance(r.outcome, Skipped))]
        return tuple(sorted(kept, key=lambda result: order.index(result.probe)))

    def _start_new(self) -> None:
        self._ctx.results = tuple(self._results.values())
        for probe in self._probes:
            for subject in () if probe.last else probe.subjects(self._ctx.target, self._ctx.results):
                known = (probe.name, subject) in self._results or (probe, subject) in self._pending.values()
                if not known:
                    task = asyncio.create_task(self._ask(probe, subject))
                    self._pending[task] = (probe, subject)

    async def _ask(self, probe: Probe[Any], subject: Subject) -> Result[Any]:
        started, before = datetime.now(UTC), time.perf_counter()
        outcome: Any
        try:
            outcome = masked(await probe.observe(subject, self._ctx), self._ctx.mask)
            findings = probe.judged(subject, outcome)
        except Exception as error:  # the one blind except: a probe's bug must not hide the other results
            outcome, findings = failures.outcome(error, _stage_of(probe), self._ctx.mask.text), ()
        elapsed = time.perf_counter() - before
        return Result(
            probe=probe.name, subject=subject, outcome=outcome, findings=findings, started=started, elapsed=elapsed
        )

    def _take(self, result: Result[Any], asked: tuple[Probe[Any], Subject]) -> None:
        self._results[result.probe, asked[1]] = result
        if result.probe == "chain" and result.status in (Status.OK, Status.NOTE, Status.WARN):
            self._verified[result.subject] = time.monotonic()
        if self._watch:
            self._watch(result)

    def _patience(self, ends: float) -> tuple[float, list[asyncio.Task[Result[Any]]]]:
        """Until when to wait, and for whom not to wait longer."""
        hasty = [t for t, (p, _) in self._pending.items() if p.patience is not None and p.name != self._awaited]
        if len(hasty) == len(self._pending):
            longest = max(probe.patience or 0.0 for probe, _ in self._pending.values())
            return min(ends, time.monotonic() + longest), hasty
        sound = [s for s in self._verified if not any(route.first_break(s, self._ctx.results, _ELECTED_BY))]
        elected = route.primary(self._ctx.target, self._ctx.results)
        side = [t for t, (_, subject) in self._pending.items() if subject.address and subject != elected]
        if sound and side:
            return min(ends, self._verified[sound[0]] + SIDE_PATIENCE), side
        return ends, list(self._pending)

    async def _cut_off(self, tasks: Sequence[asyncio.Task[Result[Any]]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            probe, subject = self._pending.pop(task)
            self._take(self._unfinished(probe, subject), (probe, subject))

    def _unfinished(self, probe: Probe[Any], subject: Subject) -> Result[Any]:
        stage = self._ctx.dialogue(subject).current if subject.address else _stage_of(probe)
        return Result(
            probe=probe.name,
            subject=subject,
            outcome=Failure(Kind.DEADLINE, stage, "not-waited-for"),
            started=datetime.now(UTC),
            elapsed=0.0,
        )

    def _leave_where_all_is_asked(self) -> None:
        """Say goodbye where nothing is left to ask: a host sees two of us at most, and others wait for the place."""
        asked = {result.subject for result in self._results.values()}
        fit = route.eligible(self._ctx.target, tuple(self._results.values()))
        for dialogue in self._ctx.shared:
            if dialogue.subject in asked and not self._wanted(dialogue, fit):
                dialogue.leave()

    def _wanted(self, dialogue: Dialogue, fit: Sequence[Subject]) -> bool:
        """Somebody asks on it, or may once it is elected; an experiment waits at most for the stage under way."""
        if any(s == dialogue.subject and (dialogue.walking or not p.experiment) for p, s in self._pending.values()):
            return True
        candidate = len(fit) > 1 and dialogue.subject in fit and not dialogue.told_all
        return candidate and any(probe.intrusive for probe in self._probes)


def _stage_of(probe: Probe[Any]) -> Stage:
    return probe.rules[0].stage if probe.rules else Stage.POLICY
