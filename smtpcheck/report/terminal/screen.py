"""How does a report look in a terminal? One screen for what is broken, all of it with `verbose`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from smtpcheck import advice
from smtpcheck.core import Confidence, Conversation, Diagnosis, Direction, Report, Result, Status, Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.terminal.lines import NARROWEST, STYLES, Line, Sheet, cells, printed, shortened, title

SCREEN = 23
"""Lines of the classic terminal (VT100) less one for the shell's next prompt; a broken account has to fit."""
MAX_EVENTS = 500
"""Lines of one transcript; a defence, several times the longest honest conversation."""
_ARROWS = {Direction.OUT: "->", Direction.IN: "<-", Direction.NOTE: "=="}


def render(
    report: Report,
    *,
    lang: str = "en",
    width: int = 80,
    color: bool = False,
    unicode: bool = True,
    verbose: bool = False,
    quiet: bool = False,
) -> str:
    """The report as lines for a terminal of `width` cells, the verdict first; no escape sequences without `color`.

    `unicode` False spells our own symbols in ASCII; words and what a server said keep their characters.
    """
    page = _Page(report, Sheet(advice.Words(lang, report), max(width, NARROWEST), unicode))
    if quiet:
        return printed(page.brief(), color)
    if verbose:
        return printed([*page.screen(_ALL), *page.appendix()], color)
    lines: list[Line] = []
    for room in _ROOMS:
        lines = page.screen(room)
        if len(lines) <= SCREEN:
            break
    return printed(lines, color)


def explanation(entry: advice.Entry, *, lang: str = "en", width: int = 80) -> str:
    """What is said about a code, with its values."""
    sheet = Sheet(advice.Words(lang), max(width, NARROWEST))
    lines: list[Line] = [((entry.code, "bold"),), *sheet.para("", entry.summary)]
    if entry.why:
        lines += [(), *sheet.para("", entry.why)]
    if entry.steps:
        lines += [(), *sheet.numbered(entry.steps)]
    if entry.otherwise:
        lines += sheet.para("", title(entry.otherwise))
    if entry.decides:
        lines += sheet.para(sheet.label("decided-by"), entry.decides)
    return printed(lines, False)


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of each part is shown."""

    air: bool = True
    remarks: int = 4
    evidence: int = 3
    raw: int = 240
    steps: int = 99
    alternatives: int = 3
    text: int = 1000
    otherwise: bool = True


_ALL = _Room(remarks=999, evidence=99, raw=2000, alternatives=99)
_ROOMS = (
    _Room(),
    _Room(air=False),
    _Room(air=False, remarks=1, evidence=2),
    _Room(air=False, remarks=0, evidence=2, raw=120),
    _Room(air=False, remarks=0, evidence=1, raw=120, steps=4),
    _Room(air=False, remarks=0, evidence=1, raw=120, steps=3, text=230),
    _Room(air=False, remarks=0, evidence=1, raw=120, steps=2, text=150),
    _Room(air=False, remarks=0, evidence=1, raw=120, steps=2, alternatives=2, text=130, otherwise=False),
    _Room(air=False, remarks=0, evidence=1, raw=120, steps=1, alternatives=2, text=110, otherwise=False),
    _Room(air=False, remarks=0, evidence=1, raw=60, steps=1, alternatives=2, text=70, otherwise=False),
)


@dataclass(frozen=True, slots=True)
class _Page:
    report: Report
    sheet: Sheet

    def brief(self) -> list[Line]:
        """The verdict, and the cause or what kept it from being known."""
        ui, told = self.sheet.ui, self._first()
        texts = [self.sheet.words.summary(told)] if told else list(outline.shortfalls(self.report, ui)[:1])
        return [self._verdict(), *((("  " + escape.visible(text, 1000), ""),) for text in texts)]

    def screen(self, room: _Room) -> list[Line]:
        """The verdict, the way, and what to do, in the room there is."""
        told = self._first()
        parts = [
            [self._verdict(), *self._path(full=room is _ALL)],
            self._open(room),
            self._cause(told, room) if told else [],
            self._steps(told, room) if told else [],
            [*self._further(room), *self._remarks(room)],
            self._footer(),
        ]
        gap: list[Line] = [()] if room.air else []
        return list(chain.from_iterable(part + gap for part in parts[:-1] if part)) + parts[-1]

    def appendix(self) -> list[Line]:
        """All results, contacts and transcripts."""
        report, sheet = self.report, self.sheet
        lines: list[Line] = [(), sheet.head("results")]
        lines += chain.from_iterable(self._result(result) for result in report.results)
        lines += self._list("experiments", (f"{one.probe}  {one.subject}" for one in report.experiments))
        lines += self._list(
            "contacts",
            (
                outline.colon(sheet.ui.get(f"contact.{one.who}", one.who), sheet.ui) + outline.contact(one, sheet.ui)
                for one in report.contacts
            ),
        )
        for conversation in report.conversations:
            label, about = sheet.label("transcript"), escape.visible(str(conversation.subject))
            lines += [(), *sheet.para(label, about, label_style="bold"), *self._talk(conversation)]
        return lines + self._list("environment", (f"{name}: {value}" for name, value in report.environment.items()))

    # The parts of a screen

    def _first(self) -> Diagnosis | None:
        return escape.diagnosis(self.report.diagnosis) if self.report.diagnosis else None

    def _verdict(self) -> Line:
        status = outline.OF_VERDICT[self.report.verdict]
        said = f"{self.sheet.symbol(status)} {outline.headline(self.report, self.sheet.ui)}"
        style = "bold " + STYLES[status].removeprefix("bold ")
        room = max(self.sheet.width - cells(said) - 3, 20)
        return ((said, style), ("   " + shortened(escape.visible(self.report.target.spec), room), "bold"))

    def _path(self, *, full: bool) -> Iterator[Line]:
        line: list[tuple[str, str]] = []
        used = 0
        for leg in outline.legs(self.report, full=full):
            text = f"{outline.short(leg.stage, self.sheet.ui)} {self.sheet.symbol(leg.status)}"
            if line and used + 2 + cells(text) > self.sheet.width:
                yield tuple(line)
                line, used = [], 0
            line += [("  ", ""), (text, STYLES[leg.status])]
            used += 2 + cells(text)
        if line:
            yield tuple(line)

    def _open(self, room: _Room) -> list[Line]:
        """What kept the verdict from being known, or the check from its end."""
        sheet, lines = self.sheet, list[Line]()
        if not self.report.complete:
            lines += sheet.para("", title(sheet.ui["sentence.interrupted"]), style="yellow")
        if self.report.verdict is Verdict.BUG:
            lines += sheet.para("", sheet.ui["sentence.bug"], style="bold")
        reasons = outline.shortfalls(self.report, sheet.ui)
        for text in reasons[: room.evidence]:
            lines += sheet.para("- ", text)
        return lines + sheet.more(len(reasons) - room.evidence)

    def _cause(self, told: Diagnosis, room: _Room) -> list[Line]:
        sheet = self.sheet
        sure = sheet.ui[f"confidence.{told.confidence}"]
        label = outline.colon(title(sheet.ui["head.cause"]) + outline.brackets(sure, sheet.ui), sheet.ui)
        summary = sheet.words.summary(told)
        lines = sheet.para(label, outline.cut(summary, max(room.text, 150)), style="bold", label_style="bold")
        if told.subject and told.subject not in summary:
            lines += sheet.para(sheet.label("where"), told.subject, style="dim", label_style="dim")
        if room is _ALL and (why := sheet.words.why(told)):
            lines += sheet.para("", why)
        said = outline.testimony(self.report.diagnoses[0], self.report, sheet.words, room.raw, plain=True)
        for place, (who, text) in enumerate(said[: room.evidence], 1):
            hidden = len(said) - room.evidence if place == room.evidence else 0
            shown = f"{text} (+{hidden}: -v)" if hidden > 0 else text
            lines += sheet.para(outline.colon(who, sheet.ui), shown, label_style="cyan")
        return lines + self._alternatives(told, room)

    def _alternatives(self, told: Diagnosis, room: _Room) -> list[Line]:
        if not told.alternatives:
            return []
        sheet = self.sheet
        lines = [sheet.head("could-also-be")]
        for one in told.alternatives[: room.alternatives]:
            likely = one.confidence is Confidence.LIKELY
            sure = outline.brackets(sheet.ui["confidence.likely"], sheet.ui) if likely else ""
            summary = outline.cut(sheet.words.summary(replace(told, code=one.code)), room.text)
            lines += sheet.para("- ", summary + sure, indent=3)
            if decides := outline.cut(sheet.words.decided_by(told, one), room.text):
                lines += sheet.para(sheet.label("decided-by"), decides, indent=5, label_style="dim")
        return lines + sheet.more(len(told.alternatives) - room.alternatives)

    def _steps(self, told: Diagnosis, room: _Room) -> list[Line]:
        sheet = self.sheet
        steps = [outline.cut(text, room.text) for _, text in sheet.words.steps(told)]
        otherwise = outline.cut(sheet.words.otherwise(told), room.text) if room.otherwise else ""
        return sheet.numbered(steps, room.steps) + (sheet.para("", title(otherwise)) if otherwise else [])

    def _further(self, room: _Room) -> list[Line]:
        sheet, lines = self.sheet, list[Line]()
        for told in map(escape.diagnosis, self.report.diagnoses[1:4]):
            lines += sheet.para(sheet.label("also-broken"), sheet.words.summary(told), label_style="bold red")
            if room is _ALL:
                lines += sheet.numbered([text for _, text in sheet.words.steps(told)])
        return lines + sheet.more(len(self.report.diagnoses) - 4)

    def _remarks(self, room: _Room) -> list[Line]:
        sheet, remarks = self.sheet, outline.remarks(self.report)
        if remarks and not room.remarks:
            return sheet.para(sheet.label("findings"), f"{len(remarks)} (-v)", label_style="dim")
        lines: list[Line] = []
        for text in outline.unknown(self.report, sheet.ui)[: room.remarks]:
            mark, style = sheet.symbol(Status.INCONCLUSIVE), STYLES[Status.INCONCLUSIVE]
            lines += sheet.para(f"{mark} ", text, label_style=style)
        for remark in remarks[: room.remarks]:
            status = Status(remark.finding.severity)
            mark = "i" if status is Status.NOTE else sheet.symbol(status)
            lines += sheet.para(f"{mark} ", outline.remark_text(remark, sheet.words), label_style=STYLES[status])
        return lines + sheet.more(len(remarks) - room.remarks)

    def _footer(self) -> list[Line]:
        sheet, lines = self.sheet, list[Line]()
        if untested := outline.untested(self.report):
            stages = outline.stage_list(untested, sheet.ui)
            lines += sheet.para(sheet.label("not-tested"), stages, style="dim", label_style="dim")
        if outline.login_skipped(self.report):
            lines += sheet.para("", sheet.ui["sentence.login-skipped"], style="dim")
        return lines + sheet.para("", outline.effort(self.report, sheet.ui), style="dim")

    # The parts of an appendix

    def _result(self, result: Result[Any]) -> list[Line]:
        sheet = self.sheet
        about = f"{escape.visible(result.probe, 40)}  {escape.visible(str(result.subject))}"
        text = f"{about}  {sheet.ui[f'status.{result.status}']}, {result.elapsed:.3f} s"
        lines = sheet.para(f"{sheet.symbol(result.status)} ", text, label_style=STYLES[result.status])
        if reason := outline.reason(result, sheet.ui, 1000):
            lines += sheet.para("", reason, indent=6, style="dim")
        for finding in result.findings:
            lines += sheet.para("", f"{finding.code}: {sheet.words.finding(escape.finding(finding))}", indent=6)
        return lines

    def _talk(self, conversation: Conversation) -> list[Line]:
        sheet, lines = self.sheet, list[Line]()
        for event in conversation.events[:MAX_EVENTS]:
            label = f"{event.t:8.3f} {_ARROWS[event.dir]} "
            style = "dim" if event.dir is Direction.NOTE else ""
            text = escape.said(event.raw, 1000)
            lines += sheet.para(label, text, style=style, label_style="dim", hang=len(label))
        return lines + sheet.more(len(conversation.events) - MAX_EVENTS)

    def _list(self, name: str, texts: Iterable[str]) -> list[Line]:
        lines = list(chain.from_iterable(self.sheet.para("- ", escape.visible(text)) for text in texts))
        return [(), self.sheet.head(name), *lines] if lines else []
