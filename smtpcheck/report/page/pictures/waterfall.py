"""When did each stage begin, how long did it take, and how much of that was waiting for an answer?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from smtpcheck import route
from smtpcheck.core import Conversation, Direction, Event, Kind, Report, Severity, Stage, Status, Step
from smtpcheck.report import escape
from smtpcheck.report.page.labels import duration
from smtpcheck.report.page.languages import Tongues
from smtpcheck.report.page.markup import Content, Html, Value, tag, together
from smtpcheck.report.page.pictures.drawing import FAINT, TONES, canvas, marks, percent
from smtpcheck.report.page.pictures.signs import icon

MAX_CONVERSATIONS = 12
"""Connections in one timeline; a check of one account makes ten at most."""
MAX_ASIDE = 40
"""What was asked beside the connections; a defence."""
MAX_TRIPS = 40
"""Round trips marked in one stage; a defence."""
_SHORTEST = 0.004
"""Of the width: what is shorter would not be seen."""
_LOUD = (Status.FAIL, Status.WARN, Status.INCONCLUSIVE, Status.BUG)

Trip = tuple[float, float]
"""From a line sent to the last line of its answer, in seconds."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row; times in seconds since the check began."""

    what: Stage | str
    """A stage of a walk, else the name of a probe."""
    start: float
    length: float
    status: Status
    broke: Kind | None = None
    trips: tuple[Trip, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """What was asked aside, or one connection."""

    name: str
    bars: tuple[Bar, ...]
    primary: bool = False


def groups(report: Report) -> tuple[Group, ...]:
    """The rows of the timeline: what was asked aside, then each connection by itself."""
    aside = tuple(
        Bar(result.probe, _since(report, result.started), result.elapsed, result.status)
        for result in report.results
        if not result.subject.address and result.facts is not None
    )
    chosen = route.chosen(report.target, report.results)
    first = Group("", tuple(sorted(aside, key=lambda bar: bar.start)[:MAX_ASIDE]))
    talks = (
        Group(str(talk.subject), tuple(_walked(report, talk)), talk.subject == chosen)
        for talk in report.conversations[:MAX_CONVERSATIONS]
    )
    return tuple(group for group in (first, *talks) if group.bars)


def _since(report: Report, at: datetime) -> float:
    # the clock may have been set in between
    return max((at - report.started).total_seconds(), 0.0)


def _walked(report: Report, talk: Conversation) -> Iterator[Bar]:
    offset, subject = _since(report, talk.started), str(talk.subject)
    # a certificate never stops the walk, so that only its findings say how it was
    failed = {f.stage for f in report.findings if f.severity is Severity.FAIL and f.subject == subject}
    for step in talk.steps:
        status = Status.FAIL if step.stage in failed else _ended(step)
        yield Bar(step.stage, offset + step.started, step.elapsed, status, step.broke, _trips(step, talk, offset))


def _ended(step: Step) -> Status:
    held_back = (Kind.UNVERIFIED, Kind.WITHHELD, Kind.NO_CONSENT)
    return Status.OK if step.broke is None else Status.BLOCKED if step.broke in held_back else Status.FAIL


def _trips(step: Step, talk: Conversation, offset: float) -> tuple[Trip, ...]:
    end = step.started + step.elapsed
    events = [e for e in talk.events if e.stage is step.stage and step.started <= e.t <= end]
    return tuple((sent + offset, heard + offset) for sent, heard in round_trips(events))[:MAX_TRIPS]


def round_trips(events: Sequence[Event]) -> list[Trip]:
    """When something was sent, and when the last line of the answer to it came in."""
    found: list[Trip] = []
    asked: float | None = None
    for event in events:
        if event.dir is Direction.OUT:
            asked = event.t
        elif event.dir is Direction.IN and asked is not None:
            if found and found[-1][0] == asked:
                found.pop()
            found.append((asked, event.t))
    return found


# Drawn


def waterfall(report: Report, tongues: Tongues) -> Html | None:
    """A table with a bar in each row; None where nothing was timed."""
    found = groups(report)
    total = max((bar.start + bar.length for group in found for bar in group.bars), default=0.0)
    if total <= 0:
        return None
    bodies = [tag("tbody", _heading(group, tongues), _rows(group, total, tongues)) for group in found]
    left = len(report.conversations) - MAX_CONVERSATIONS
    more = tag("p", tongues.each(lambda words: words.ui["sentence.more"].format(count=left)), class_="faint")
    about = tag("p", tongues.own("timeline-about"), class_="faint")
    table = tag("table", tag("thead", _axis(total, tongues)), bodies, class_="timeline", width="100%")
    return together(about, table, more if left > 0 else None)


def _axis(total: float, tongues: Tongues) -> Html:
    texts = [_mark(at, total, odd=i % 2 == 1) for i, at in enumerate(marks(total))]
    ruler = canvas(16, texts, class_="ruler")
    cells = (
        tag("th", tongues.own("stage"), scope="col"),
        tag("th", ruler, class_="track", scope="col", width="65%"),
        tag("th", tongues.own("took"), scope="col", class_="number"),
    )
    return tag("tr", *cells)


def _mark(at: float, total: float, *, odd: bool) -> Html:
    # every second one may go where there is little room
    how = "start" if at == 0 else "end" if at > total * 0.96 else "middle"
    return tag(
        "text",
        duration(at),
        x=percent(at / total),
        y=12,
        text_anchor=how,
        fill="currentColor",
        font_size=11,
        class_="odd" if odd else None,
    )


def _heading(group: Group, tongues: Tongues) -> Html | None:
    if not group.name:
        return None
    trips = [trip for bar in group.bars for trip in bar.trips]
    waited = duration(sum(heard - sent for sent, heard in trips))
    told = tag("span", tongues.own("round-trips", count=len(trips), took=waited), class_="aside") if trips else None
    chip = tag("span", tongues.own("primary"), class_="chip") if group.primary else None
    name = tag("bdi", escape.visible(group.name, 120))
    return tag("tr", tag("th", name, " ", chip, " ", told, scope="rowgroup", class_="group", colspan=3))


def _rows(group: Group, total: float, tongues: Tongues) -> Iterator[Html]:
    for bar in group.bars:
        what = tongues.short(bar.what) if isinstance(bar.what, Stage) else escape.visible(bar.what, 40)
        name: list[Content] = [what]
        if bar.status in _LOUD:
            name += [" ", icon(bar.status)]
        yield tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", _track(bar, total), _why(bar, tongues), class_="track"),
            tag("td", duration(bar.length), class_="number"),
        )


def _why(bar: Bar, tongues: Tongues) -> Html | None:
    if bar.broke is None:
        return None
    return tag("span", tongues.ui(f"kind.{bar.broke}"), class_=f"broke s-{bar.status}")


def _track(bar: Bar, total: float) -> Html:
    grid = [
        tag("line", x1=percent(at / total), x2=percent(at / total), y1=0, y2=20, stroke=FAINT, opacity=0.25)
        for at in marks(total)
    ]
    width = max(bar.length / total, _SHORTEST)
    place: dict[str, Value] = {
        "x": percent(min(bar.start / total, 1 - width)),
        "y": 4,
        "width": percent(width),
        "height": 12,
        "rx": 2,
    }
    tone = TONES[bar.status]
    quiet = bar.status in (Status.OK, Status.NOTE)
    if bar.status is Status.BLOCKED:
        body = tag("rect", fill="none", stroke=tone, stroke_width=1.5, stroke_dasharray="3 2", **place)
    else:
        body = tag("rect", fill=tone, opacity=0.4 if quiet and bar.trips else None, **place)
    told = f"{duration(bar.start)} - {duration(bar.start + bar.length)}"
    return canvas(20, grid, body, [_trip(trip, total, tone) for trip in bar.trips], name=told)


def _trip(trip: Trip, total: float, tone: str) -> Html:
    sent, heard = trip
    width = max((heard - sent) / total, _SHORTEST)
    return tag("rect", x=percent(min(sent / total, 1 - width)), y=7, width=percent(width), height=6, fill=tone)
