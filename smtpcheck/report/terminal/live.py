"""How far is a check that still runs? The way of each endpoint as it is walked, and what is being waited for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from smtpcheck import route
from smtpcheck.advice import Words, fill
from smtpcheck.contract import Snapshot
from smtpcheck.core import PATHS, Failure, Kind, Stage, Status, Subject, Target, TargetKind
from smtpcheck.report import escape
from smtpcheck.report.outline import short
from smtpcheck.report.terminal.lines import NARROWEST, STYLES, Line, Sheet, cells, shortened

OVERDUE = 2.0
"""Seconds after which a wait is worth a word; twice the slowest step of a usual check over the Internet."""
MAX_LINES = 8
"""Endpoints that are shown, as many as are asked without `--all-addresses`."""
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_SPINNER = "|/-\\"
_BEATS = 10
# In-between steps: told where they are waited for or broke.
_FOLDED = frozenset({Stage.EHLO, Stage.STARTTLS})
_LATER = frozenset({Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DELIVERY})
# No mark yet: it has not begun, or is being waited for.
_OPEN = None
Mark = tuple[Stage, Status | None]


@dataclass(slots=True)
class Progress:
    """What is shown while a check runs; remembers since when each thing is waited for, reads no clock."""

    target: Target
    lang: str = "en"
    width: int = 80
    unicode: bool = True
    _since: dict[tuple[Subject, Stage], float] = field(default_factory=dict)
    _told: set[tuple[Subject, Stage]] = field(default_factory=set)

    def frame(self, snapshot: Snapshot, now: float) -> list[Line]:
        """The lines for this moment, `now` in seconds since the check began."""
        waits = self._waits(snapshot, now)
        sheet = Sheet(Words(self.lang), max(self.width, NARROWEST), self.unicode)
        head = fill(sheet.ui["progress.checking"], {"target": escape.visible(self.target.spec, 60)}, "")
        lines: list[Line] = [((shortened(f"{head}  {now:.0f} s", sheet.width), "bold"),)]
        endpoints = [s for s in route.endpoints(self.target, snapshot.results) if s.address]
        shared = [*_names(snapshot, waits), *_clock(snapshot, waits)]
        beat = self._beat(now)
        if len(endpoints) == 1:
            way = _way(self.target, snapshot, endpoints[0], waits, alone=True)
            lines += _flow(sheet, "", [*shared[:1], *way, *shared[1:]], self._of(endpoints[0], waits), beat)
        else:
            lines += _flow(sheet, "", shared, self._of(None, waits), beat)
            labels = _labels(endpoints[:MAX_LINES])
            for subject, label in zip(endpoints, labels, strict=False):
                way = _way(self.target, snapshot, subject, waits, alone=False)
                lines += _flow(sheet, label, way, self._of(subject, waits), beat)
            lines += sheet.more(len(endpoints) - MAX_LINES)
        if any(seconds >= OVERDUE for seconds in waits.values()):
            lines.append(((sheet.ui["progress.stop"], "dim"),))
        return lines

    def overdue(self, snapshot: Snapshot, now: float) -> Iterator[str]:
        """A line for each wait that has become long, once: for a terminal that can't be painted on."""
        ui = Words(self.lang).ui
        for (subject, stage), seconds in self._waits(snapshot, now).items():
            if seconds >= OVERDUE and (subject, stage) not in self._told:
                self._told.add((subject, stage))
                values = {"stage": ui[f"stage.{stage}"]}
                yield fill(ui["progress.waiting"], values, escape.visible(str(subject), 60))

    def _waits(self, snapshot: Snapshot, now: float) -> Mapping[tuple[Subject, Stage], float]:
        """Seconds for which each thing is waited for."""
        self._since = {wait: self._since.get(wait, now) for wait in snapshot.waiting}
        return {wait: now - since for wait, since in self._since.items()}

    def _of(self, subject: Subject | None, waits: Mapping[tuple[Subject, Stage], float]) -> dict[Stage, float]:
        """The waits of one endpoint, and those of nobody's in particular."""
        found: dict[Stage, float] = {}
        for (where, stage), seconds in waits.items():
            if where == subject or not where.address or stage is Stage.DELIVERY:
                found[stage] = max(seconds, found.get(stage, 0.0))
        return found

    def _beat(self, now: float) -> str:
        signs = _SPINNER if self.unicode else _ASCII_SPINNER
        return signs[int(now * _BEATS) % len(signs)]


def _labels(endpoints: Sequence[Subject]) -> list[str]:
    """What tells the endpoints apart, in a column: the names and addresses only where they differ."""
    names = len({subject.name for subject in endpoints}) > 1
    addresses = len({(subject.name, subject.address) for subject in endpoints}) > 1
    texts = []
    for subject in endpoints:
        where = f"[{subject.address}]" if ":" in subject.address else subject.address
        parts = (subject.name if names else "", where if addresses else "", str(subject.port))
        texts.append(escape.visible(":".join(filter(None, parts)), 40))
    column = max(map(cells, texts), default=0)
    return [text + " " * (column - cells(text)) for text in texts]


def _names(snapshot: Snapshot, waits: Mapping[tuple[Subject, Stage], float]) -> list[Mark]:
    """The look-ups: broken only where every host asked for has no address."""
    if any(stage is Stage.DNS for subject, stage in waits if not subject.address):
        return [(Stage.DNS, _OPEN)]
    hosts = [result for result in snapshot.results if result.probe == "address"]
    if not hosts:
        return [(Stage.DNS, Status.BLOCKED)]
    broken = all(route.break_of(result) for result in hosts)
    return [(Stage.DNS, Status.FAIL if broken else Status.OK)]


def _clock(snapshot: Snapshot, waits: Mapping[tuple[Subject, Stage], float]) -> list[Mark]:
    if any(stage is Stage.CLOCK for _, stage in waits):
        return [(Stage.CLOCK, _OPEN)]
    asked = [r.status for r in snapshot.results if r.probe == "clock" and r.status is not Status.SKIPPED]
    return [(Stage.CLOCK, status) for status in asked[:1]]


def _way(
    target: Target,
    snapshot: Snapshot,
    subject: Subject,
    waits: Mapping[tuple[Subject, Stage], float],
    *,
    alone: bool,
) -> list[Mark]:
    """The stages of one endpoint in the order walked; the login belongs to the one that was elected."""
    asked = route.asked(target)
    login = target.kind is not TargetKind.MX
    whole = alone or route.primary(target, snapshot.results) == subject
    marks: list[Mark] = []
    for stage in PATHS.get(subject.mode, ()):
        if stage is Stage.DNS or stage not in asked or (stage is Stage.AUTH and not login):
            continue
        # the mailbox is another host than the one that took the message
        awaited = (subject, stage) in waits or (stage is Stage.DELIVERY and any(s is stage for _, s in waits))
        status = _OPEN if awaited else _status(snapshot, subject, stage)
        folded = stage in _FOLDED and status in (Status.OK, Status.BLOCKED)
        if not folded and (whole or stage not in _LATER or status is _OPEN):
            marks.append((stage, status))
    return marks


def _status(snapshot: Snapshot, subject: Subject, stage: Stage) -> Status:
    mine = route.results_of(subject, snapshot.results)
    for result in mine.values():
        if route.break_of(result) is stage:
            return Status.INCONCLUSIVE if isinstance(result.outcome, Failure) else Status.FAIL
    if stage in (Stage.CERTIFICATE, Stage.DELIVERY):  # walked or waited for without a word; judged afterwards
        found = [r for r in snapshot.results if r.probe == "delivery"]
        judged = mine.get("chain") if stage is Stage.CERTIFICATE else next(iter(found), None)
        return _told(judged.status) if judged and judged.facts is not None else Status.BLOCKED
    ended = [s for talk in snapshot.conversations if talk.subject == subject for s in talk.steps if s.stage is stage]
    if not ended:
        return Status.BLOCKED
    broke = ended[-1].broke
    return Status.OK if broke is None else Status.INCONCLUSIVE if broke is Kind.DEADLINE else Status.FAIL


def _told(status: Status) -> Status:
    return Status.OK if status in (Status.NOTE, Status.WARN) else status


def _flow(sheet: Sheet, label: str, marks: Sequence[Mark], waits: Mapping[Stage, float], beat: str) -> list[Line]:
    """The marks behind their label, wrapped where the line ends."""
    indent = "  " if label else ""
    line: list[tuple[str, str]] = [(label, "")] if label else []
    used, lines = cells(label), list[Line]()
    for stage, status in marks:
        if status is _OPEN:
            seconds = waits.get(stage, 0.0)
            text = f"{short(stage, sheet.ui)} {beat}" + (f" {seconds:.0f} s" if seconds >= 1 else "")
            style = "bold cyan"
        else:
            text, style = f"{short(stage, sheet.ui)} {sheet.symbol(status)}", STYLES[status]
        if line and used + 2 + cells(text) > sheet.width:
            lines.append(tuple(line))
            line, used = [(indent, "")], len(indent) - 2
        line += [("  " if used > 0 else "", ""), (text, style)]
        used += (2 if used > 0 else 0) + cells(text)
    return [*lines, tuple(line)] if line else lines
