"""Where on its way did the mail stop, and when? The pictures of a page: inline SVG, each with its words beside it.

Lengths are percentages, so that a picture fits any width without a script. Every status has a shape of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from smtpcheck import route
from smtpcheck.advice import Words
from smtpcheck.core import PATHS, Conversation, Kind, Mode, Report, Severity, Stage, Status, Step, TargetKind
from smtpcheck.report import path, safe
from smtpcheck.report.labels import duration, labels
from smtpcheck.report.lines import title
from smtpcheck.report.markup import Html, tag, together
from smtpcheck.report.path import Leg

MAX_CONVERSATIONS = 30
"""Connections in one timeline; a defence, a check makes about ten at most."""
MAX_TICKS = 60
"""Lines marked in one stage of a timeline; a defence."""
_COLUMNS = (("stage", None), ("took", "number"))
_RING = ("circle", {"cx": 16, "cy": 16, "r": 14})
# The body of each sign and the lines on it, in a square of 32.
_SIGNS: Mapping[Status, tuple[tuple[str, Mapping[str, str | int]], str]] = {
    Status.OK: (_RING, "M9.5 16.5l4.5 4.5 8.5-9.5"),
    Status.NOTE: (_RING, "M9.5 16.5l4.5 4.5 8.5-9.5"),
    Status.WARN: (("path", {"d": "M16 2.5L30.5 29h-29z"}), "M16 12v8M16 24v.2"),
    Status.FAIL: (("path", {"d": "M10 1.5h12l8.5 8.5v12L22 30.5H10L1.5 22V10z"}), "M11 11l10 10M21 11L11 21"),
    Status.INCONCLUSIVE: (
        ("path", {"d": "M16 .8L31.2 16 16 31.2.8 16z"}),
        "M12.5 13.2c0-4.6 7-4.6 7 0 0 2.8-3.5 2.6-3.5 5.6M16 22.6v.2",
    ),
    Status.BLOCKED: (_RING, "M10.5 16h.2M16 16h.2M21.5 16h.2"),
    Status.SKIPPED: (_RING, "M11 16h10"),
    Status.BUG: (
        ("rect", {"x": 2, "y": 2, "width": 28, "height": 28, "rx": 3}),
        "M13 9l-2 14M21 9l-2 14M9 13h15M8 19h15",
    ),
}


def icon(status: Status, label: str = "") -> Html:
    """The sign of a status; without a label it only repeats the words beside it."""
    (name, shape), lines = _SIGNS[status]
    body = (tag(name, class_="body", **shape), tag("path", class_="ink", d=lines))
    if not label:
        return tag("svg", *body, class_=f"icon s-{status}", viewBox="0 0 32 32", aria_hidden="true")
    named = {"role": "img", "aria_label": label}
    return tag("svg", tag("title", label), *body, class_=f"icon s-{status}", viewBox="0 0 32 32", **named)


def remark(severity: Severity) -> Html:
    """The sign of a finding; a note is neither good nor bad."""
    if severity is not Severity.NOTE:
        return icon(Status(severity))
    body = (tag("circle", class_="body", **_RING[1]), tag("path", class_="ink", d="M16 15v8M16 9v.2"))
    return tag("svg", *body, class_="icon info", viewBox="0 0 32 32", aria_hidden="true")


# The way


def way(report: Report, words: Words) -> Html:
    """Every stage from the name to the mailbox in the order walked, then the clock; the broken one stands out."""
    took = _took(report)
    stops = [_stop(leg, took.get(leg.stage), words) for leg in stations(report)]
    return tag("ol", stops, class_="way")


def stations(report: Report) -> tuple[Leg, ...]:
    """The legs of the report, and those stages of its path that nobody asked for."""
    legs = path.legs(report, full=True)
    asked = {leg.stage: leg for leg in legs}
    subject = route.chosen(report.target, report.results)
    order = PATHS.get(subject.mode if subject else Mode.STARTTLS, PATHS[Mode.STARTTLS])
    if report.target.kind is TargetKind.MX:
        order = tuple(stage for stage in order if stage is not Stage.AUTH)
    before = tuple(leg for leg in legs if leg.stage is Stage.CONFIG)
    after = tuple(leg for leg in legs if leg.stage not in order and leg not in before)
    return (*before, *(asked.get(stage, Leg(stage, Status.SKIPPED)) for stage in order), *after)


def _stop(leg: Leg, took: float | None, words: Words) -> Html:
    status = words.ui[f"status.{leg.status}"]
    timed = leg.status in (Status.OK, Status.NOTE) and took is not None
    aside = " aside" if leg.stage is Stage.CLOCK else ""
    return tag(
        "li",
        icon(leg.status),
        tag("span", title(path.short(leg.stage, words.ui)), class_="name"),
        tag("span", status, tag("span", duration(took), class_="took") if timed and took else None, class_="state"),
        class_=f"s-{leg.status}{aside}",
    )


def _took(report: Report) -> Mapping[Stage, float]:
    """Seconds of each stage on the endpoint that the verdict is about."""
    subject = route.chosen(report.target, report.results)
    found: dict[Stage, float] = {}
    for conversation in report.conversations:
        if conversation.subject == subject:
            for step in conversation.steps:
                found.setdefault(step.stage, step.elapsed)
    looked_up = [
        r.elapsed for r in report.results if r.probe == "address" and subject and r.subject.name == subject.name
    ]
    return found | ({Stage.DNS: looked_up[0]} if looked_up else {})


# The timeline


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a timeline; times in seconds since the check began."""

    name: str
    start: float
    length: float
    status: Status
    why: str = ""
    ticks: tuple[float, ...] = ()


def bars(report: Report, words: Words) -> tuple[tuple[str, tuple[Bar, ...]], ...]:
    """The rows of a timeline in groups: what was asked aside, then one group a connection."""
    aside = tuple(
        Bar(result.probe, _since(report, result.started), result.elapsed, result.status)
        for result in report.results
        if not result.subject.address and result.facts is not None
    )
    talks = report.conversations[:MAX_CONVERSATIONS]
    groups = [("", tuple(sorted(aside, key=lambda bar: bar.start)))]
    groups += [(str(talk.subject), tuple(_steps(report, talk, words))) for talk in talks]
    return tuple(group for group in groups if group[1])


def _since(report: Report, at: datetime) -> float:
    # the clock may have been set in between
    return max((at - report.started).total_seconds(), 0.0)


def _steps(report: Report, talk: Conversation, words: Words) -> Iterator[Bar]:
    offset, subject = _since(report, talk.started), str(talk.subject)
    # a certificate never stops the walk, so that only its findings say how it was
    failed = {f.stage for f in report.findings if f.severity is Severity.FAIL and f.subject == subject}
    for step in talk.steps:
        end = step.started + step.elapsed
        ticks = [e.t + offset for e in talk.events if e.stage is step.stage and step.started <= e.t <= end]
        name = title(path.short(step.stage, words.ui))
        status = Status.FAIL if step.stage in failed else _walked(step)
        why = words.ui[f"kind.{step.broke}"] if step.broke else ""
        yield Bar(name, offset + step.started, step.elapsed, status, why, tuple(ticks[:MAX_TICKS]))


def _walked(step: Step) -> Status:
    held_back = (Kind.UNVERIFIED, Kind.WITHHELD)
    return Status.OK if step.broke is None else Status.BLOCKED if step.broke in held_back else Status.FAIL


def timeline(report: Report, words: Words) -> Html | None:
    """When each stage began, how long it took and when lines went; None where nothing was timed."""
    groups = bars(report, words)
    total = max((bar.start + bar.length for _, rows in groups for bar in rows), default=0.0)
    if total <= 0:
        return None
    body = [tag("tbody", _group(name), [_row(bar, total) for bar in rows]) for name, rows in groups]
    about = tag("p", title(labels(words.lang)["timeline-about"]), class_="faint")
    return together(about, tag("table", tag("thead", _heads(total, words)), body, class_="timeline"))


def _heads(total: float, words: Words) -> Html:
    names = labels(words.lang)
    stage, took = (tag("th", title(names[key]), scope="col", class_=css) for key, css in _COLUMNS)
    return tag("tr", stage, tag("th", _ruler(total), class_="track", scope="col"), took)


def _group(name: str) -> Html | None:
    shown = tag("bdi", safe.visible(name, 120))
    return tag("tr", tag("th", shown, scope="rowgroup", class_="group", colspan=3)) if name else None


def _row(bar: Bar, total: float) -> Html:
    why = tag("span", bar.why, class_=f"why s-{bar.status}") if bar.why else None
    return tag(
        "tr",
        tag("th", safe.visible(bar.name, 40), scope="row"),
        tag("td", _track(bar, total), why, class_="track"),
        tag("td", duration(bar.length), class_="number"),
    )


def _track(bar: Bar, total: float) -> Html:
    width = max(bar.length / total * 100, 0.4)
    start = min(bar.start / total * 100, 100 - width)
    body = tag("rect", class_="bar", x=_part(start), y=4, width=_part(width), height=12, rx=2)
    ticks = [tag("circle", class_="tick", cx=_part(at / total * 100), cy=10, r=2) for at in bar.ticks]
    label = f"{duration(bar.start)} - {duration(bar.start + bar.length)}"
    parts = (tag("title", label), body, ticks)
    return tag("svg", *parts, class_=f"s-{bar.status}", width="100%", height=20, role="img", aria_label=label)


def _ruler(total: float) -> Html:
    marks = ((0.0, "start"), (50.0, "middle"), (100.0, "end"))
    texts = [
        tag("text", duration(total * at / 100), x=_part(at), y=14, text_anchor=how, class_=how) for at, how in marks
    ]
    return tag("svg", texts, class_="ruler", width="100%", height=20)


def _part(percent: float) -> str:
    return f"{min(max(percent, 0.0), 100.0):.2f}%"


# Spans against now


def validity(start: datetime, end: datetime, at: datetime, *, good: bool, label: str) -> Html:
    """The span of a certificate and the moment of the check, on one line."""
    first, last = min(start, at), max(end, at)
    room = max((last - first).total_seconds(), 1.0) * 1.12
    begin = first.timestamp() - room * 0.05

    def place(when: datetime) -> float:
        return (when.timestamp() - begin) / room * 100

    bar = tag("rect", class_="bar", x=_part(place(start)), y=9, width=_part(place(end) - place(start)), height=6, rx=3)
    now = tag("line", class_="now", x1=_part(place(at)), x2=_part(place(at)), y1=1, y2=23)
    rail = tag("rect", class_="rail", x="0%", y=9, width="100%", height=6, rx=3)
    status = Status.OK if good else Status.FAIL
    parts = (tag("title", label), rail, bar, now, tag("circle", class_="now", cx=_part(place(at)), cy=12, r=4))
    return tag("svg", *parts, class_=f"span s-{status}", width="100%", height=24, role="img", aria_label=label)


def offset(ahead: float, uncertainty: float, limit: float, *, label: str) -> Html:
    """How far this clock is from the right time, in seconds, against the limit of what is tolerated."""
    reach = max(abs(ahead) * 1.25, limit * 1.6)

    def place(seconds: float) -> float:
        return 50 + seconds / reach * 50

    band = tag("rect", class_="band", x=_part(place(-limit)), y=6, width=_part(place(limit) - place(-limit)), height=24)
    rail = tag("rect", class_="rail", x="0%", y=16, width="100%", height=4, rx=2)
    true = tag("line", class_="zero", x1="50%", x2="50%", y1=2, y2=34)
    low, high = place(ahead - uncertainty), place(ahead + uncertainty)
    span = tag("rect", class_="bar", x=_part(low), y=15, width=_part(max(high - low, 0.2)), height=6)
    gap = tag("line", class_="gap", x1="50%", x2=_part(place(ahead)), y1=18, y2=18)
    status = Status.FAIL if abs(ahead) - uncertainty > limit else Status.OK
    mark = tag("circle", class_="mark", cx=_part(place(ahead)), cy=18, r=7)
    parts = (tag("title", label), band, rail, true, gap, span, mark)
    return tag("svg", *parts, class_=f"offset s-{status}", width="100%", height=36, role="img", aria_label=label)
