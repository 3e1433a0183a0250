"""Which probes, on which subjects, until when? The scheduler of one check; never raises for what the network did."""

from __future__ import annotations

import asyncio
import mimetypes
import platform
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from smtpcheck import __version__, failures, net, reach, route, system
from smtpcheck.context import Context, Glimpse
from smtpcheck.conversation import Dialogue
from smtpcheck.core import (
    Failure,
    Kind,
    Probe,
    Report,
    Result,
    Skipped,
    Stage,
    Status,
    Subject,
    Target,
    TargetKind,
)
from smtpcheck.credentials import Secret
from smtpcheck.diagnosis import diagnose, judge
from smtpcheck.diagnosis.verdict import not_tested, verdict
from smtpcheck.heard import Limits, Wish, limits_within
from smtpcheck.masking import masked, masked_report
from smtpcheck.net import Dialer, Door, parse_server
from smtpcheck.probes import named
from smtpcheck.probes import probes as all_probes
from smtpcheck.sending.compose import Attachment, Composed, ComposeError, compose, read_message
from smtpcheck.settings import UsageError, parse_detour
from smtpcheck.system import Machine, root_stores
from smtpcheck.wire import ProtocolError, sasl, x509
from smtpcheck.wire.message import dot_stuffed, needs, size

# Seconds kept back from the deadline for QUIT, judging and printing.
RESERVE = 0.4
# Side endpoints are waited for at most this long once one endpoint spoke verified TLS, and nothing broke there.
SIDE_PATIENCE = 5.0
# A test message; what is larger belongs into no test.
MAX_MESSAGE = 32 * 1024 * 1024
# What finds the endpoints, and what elects the primary one.
_LEADING = {"submission", "mx", "address", "port"}
_ELECTING = {"greeting", "tls", "chain", "mode", "message"}
_ELECTED_BY = (Stage.DNS, Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.TLS, Stage.CERTIFICATE)
Watch = Callable[[Result[Any]], None]
Key = tuple[str, Subject]
Onlooker = Callable[[Callable[[], Glimpse]], None]


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
    door = open_door(target, dialer, limits, machine)
    message = _composed(target, lang)
    reused = secret if route.mailbox_user(target) == target.user else None
    ctx = Context(
        target=target,
        door=door,
        wish=wish(target, secret, message),
        roots=roots or load_roots(target.ca_file),
        limits=limits,
        compared=partial(load_compared, target),
        message=message,
        proxies=machine.proxies,
        mail_secret=mail_secret or reused,
        mail_reused=mail_secret is None,
        mask=sasl.mask_for((target.user, secret), (route.mailbox_user(target), mail_secret or reused)),
        secret_slips=sasl.slips_of(secret) if secret is not None and target.secret else (),
    )
    chosen = tuple(probes or all_probes())
    schedule = _Schedule(chosen, ctx, watch, stop or asyncio.Event(), awaited)
    if onlooker:
        onlooker(schedule.glimpse)
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
        contacts=reach.contacts(target, door),
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
        judged_by_others = probe.intrusive or probe.experiment or probe.last or _stage_of(probe) is Stage.POLICY
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
            outcome=Failure(Kind.DEADLINE, stage, "not waited for any longer"),
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


def settled(target: Target) -> Target:
    """The target with what this host's own configuration adds."""
    if target.ntp or target.only_target:
        return target
    return replace(target, ntp=net.system_ntp())


def open_door(target: Target, dialer: Dialer | None, limits: Limits, machine: Machine) -> Door:
    """The door to the network as the target asks for it."""
    resolvers, search = net.system_resolvers()
    if target.dns:
        resolvers = tuple(parse_server(each, 53) for each in target.dns.split(","))
    return Door(
        resolvers=resolvers,
        search=search,
        hosts=machine.hosts,
        detours=[parse_detour(text) for text in target.connect_to],
        dialer=dialer,
        dns_timeout=limits.dns,
    )


def wish(target: Target, secret: Secret | None, message: Composed | None) -> Wish:
    """What to say, derived from the target."""
    mx = target.kind is TargetKind.MX
    login = bool(target.secret) and not mx and Stage.AUTH in route.asked(target)
    addresses = (target.sender, *target.recipients)
    return Wish(
        ehlo=target.ehlo,
        user=target.user,
        secret=secret if login else None,
        mechanism=target.auth.upper(),
        allow=target.allow,
        sender=target.sender,
        recipients=target.recipients,
        control=target.control_recipient,
        message=dot_stuffed(message.message) if message else None,
        octets=size(message.message) if message else 0,
        needs=needs(message.message if message else b"", addresses),
        tls_required=not mx,
    )


def _composed(target: Target, lang: str) -> Composed | None:
    if not target.send:
        return None
    try:
        if target.message:
            return read_message(_read(target.message))
        return compose(
            target.sender,
            target.recipients,
            subject=target.subject or None,
            text=target.text or None,
            html=_read(target.html).decode() if target.html else None,
            lang=lang,
            attachments=[Attachment(Path(path).name, _read(path), _media_type(path)) for path in target.attach],
        )
    except (ComposeError, UnicodeDecodeError) as error:
        raise UsageError(f"no message can be made: {error}") from None


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_MESSAGE + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    if len(content) > MAX_MESSAGE:
        raise UsageError(f"{path}: larger than {MAX_MESSAGE} octets")
    return content


def _media_type(path: str) -> str:
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


@cache
def load_roots(ca_file: str = "") -> x509.Roots:
    """The roots of `ca_file`, else of the system's OpenSSL. Raises UsageError for a file without certificates."""
    try:
        if ca_file:
            pem = Path(ca_file).read_bytes()
            # an empty file is what a slim image has: a store that holds nothing
            return x509.Roots.from_pem(pem, ca_file) if pem else x509.Roots((), ca_file)
        for path in root_stores():
            if path.is_file():
                return x509.Roots.from_pem(path.read_bytes(), str(path))
    except (OSError, ProtocolError) as error:
        raise UsageError(f"no certificates in {ca_file or 'the system store'}: {error}") from None
    return x509.Roots((), "none found on this system")


def load_compared(target: Target) -> x509.Roots | None:
    """The roots that other programs trust: certifi's, which many Python programs bring along. Raises UsageError."""
    if target.ca_compare:
        return load_roots(target.ca_compare)
    if target.ca_file:
        return None
    import certifi  # late, as its 144 certificates are: a chain that verifies has no need of them

    return load_roots(certifi.where())


def environment() -> Mapping[str, str]:
    """What a reader of the report needs to know of this machine; no host or user name."""
    return {
        "smtpcheck": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "openssl": ssl.OPENSSL_VERSION,
        "tls": x509.library(),
    }
