"""Which endpoint went how far, and where was it slow? One row an address and port, one column a stage."""

from __future__ import annotations

from collections.abc import Sequence

from smtpcheck import route
from smtpcheck.core import PATHS, Kind, Report, Stage, Status, Step, Subject
from smtpcheck.report import escape, outline
from smtpcheck.report.page.languages import Tongues
from smtpcheck.report.page.markup import Html, tag, together
from smtpcheck.report.page.pictures.drawing import TONES, canvas, percent
from smtpcheck.report.page.pictures.signs import icon

MAX_ENDPOINTS = 60
"""Rows; more than eight are asked only where all addresses are wanted."""
_HELD_BACK = (Kind.UNVERIFIED, Kind.WITHHELD, Kind.NO_CONSENT)


def endpoints(report: Report) -> tuple[Subject, ...]:
    """Every address and port that was asked, in the order of asking."""
    asked = dict.fromkeys(r.subject for r in report.results if r.subject.address and r.probe in route.CONCERNS)
    return tuple(asked)


def heat(report: Report, tongues: Tongues) -> Html | None:
    """A table of signs and times; None where there is one endpoint only, whose way is drawn anyway."""
    found = endpoints(report)
    if len(found) < 2:
        return None
    shown = found[:MAX_ENDPOINTS]
    took = {subject: {at: step.elapsed for at, step in _walked(report, subject).items()} for subject in shown}
    stages = _columns(report, shown)
    slowest = max((seconds for row in took.values() for seconds in row.values()), default=0.0)
    chosen = route.chosen(report.target, report.results)
    heads = [tag("th", tongues.short(stage), scope="col") for stage in stages]
    corner = tag("th", tongues.own("endpoint"), scope="col", class_="endpoint")
    rows = [
        tag(
            "tr",
            _name(subject, subject == chosen, tongues),
            [_cell(report, subject, stage, took[subject].get(stage), slowest, tongues) for stage in stages],
        )
        for subject in shown
    ]
    about = tag("p", tongues.own("heat-about"), class_="faint")
    left = len(found) - len(shown)
    more = tag("p", tongues.each(lambda words: words.ui["sentence.more"].format(count=left)), class_="faint")
    table = tag("table", tag("thead", tag("tr", corner, heads)), tag("tbody", rows), class_="heat")
    return together(about, table, more if left else None)


def _columns(report: Report, subjects: Sequence[Subject]) -> tuple[Stage, ...]:
    """The stages that any of them was asked about, in the order that most have them."""
    modes = [subject.mode for subject in subjects if subject.mode in PATHS]
    order = PATHS[max(modes, key=modes.count)] if modes else ()
    every = (*order, *(stage for mode in modes for stage in PATHS[mode]))
    told = {stage for subject in subjects for stage in every if status(report, subject, stage) is not None}
    return tuple(dict.fromkeys(s for s in every if s in told and s not in (Stage.DNS, Stage.DELIVERY)))


def status(report: Report, subject: Subject, stage: Stage) -> Status | None:
    """How the stage went there, None where it was not asked: what ended the walk is broken, although the verdict may
    be about another endpoint and the finding a note.
    """
    if stage not in PATHS.get(subject.mode, ()):
        return None
    judged, walked = outline.status_of(stage, subject, report.results), _walked(report, subject)
    if stage in walked and walked[stage].broke not in (None, *_HELD_BACK):
        return Status.FAIL
    if walked and stage not in walked and judged in (Status.OK, Status.NOTE):
        return Status.BLOCKED
    return None if judged is Status.SKIPPED else judged


def _walked(report: Report, subject: Subject) -> dict[Stage, Step]:
    found: dict[Stage, Step] = {}
    for talk in report.conversations:
        if talk.subject == subject:
            for step in talk.steps:
                found.setdefault(step.stage, step)
    return found


def _name(subject: Subject, chosen: bool, tongues: Tongues) -> Html:
    chip = tag("span", tongues.own("primary"), class_="chip") if chosen else None
    host = f"[{subject.address}]" if ":" in subject.address else subject.address
    where = tag("bdi", escape.visible(f"{host}:{subject.port} {subject.mode}", 120), class_="where")
    return tag(
        "th", tag("bdi", escape.visible(subject.name, 120)), " ", where, " ", chip, scope="row", class_="endpoint"
    )


def _cell(report: Report, subject: Subject, stage: Stage, took: float | None, slowest: float, tongues: Tongues) -> Html:
    went = status(report, subject, stage)
    if went is None:
        return tag("td", class_="none")
    word = tag("span", tongues.ui(f"status.{went}"), class_="vh")
    ended = went in (Status.BLOCKED, Status.INCONCLUSIVE)
    time = None if took is None or ended else tag("span", _milliseconds(took), class_="number")
    warmth = None if took is None or ended or not slowest else _warmth(took / slowest, went)
    return tag("td", icon(went), " ", word, " ", time, warmth, class_=f"s-{went}")


def _warmth(share: float, status: Status) -> Html:
    bar = tag("rect", x="0%", y=0, width=percent(max(share, 0.03)), height=4, rx=2, fill=TONES[status])
    return canvas(4, bar)


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
