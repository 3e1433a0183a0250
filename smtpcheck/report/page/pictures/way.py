"""Where on its way did the mail stop? Every stage from the name to the mailbox; the broken one stands out."""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck import route
from smtpcheck.core import PATHS, Mode, Report, Stage, Status, TargetKind
from smtpcheck.report import outline
from smtpcheck.report.outline import Leg
from smtpcheck.report.page.labels import duration
from smtpcheck.report.page.languages import Tongues
from smtpcheck.report.page.markup import Html, tag
from smtpcheck.report.page.pictures.signs import icon


def way(report: Report, tongues: Tongues) -> Html:
    """The stages in the order walked, then the clock: sign, name, how it went, and the time it took."""
    took = _took(report)
    stops = [_stop(leg, took.get(leg.stage), tongues) for leg in stations(report)]
    return tag("ol", stops, class_="way", role="list")


def stations(report: Report) -> tuple[Leg, ...]:
    """The legs of the report, and those stages of its path that nobody asked for."""
    legs = outline.legs(report, full=True)
    asked = {leg.stage: leg for leg in legs}
    subject = route.chosen(report.target, report.results)
    order = PATHS.get(subject.mode if subject else Mode.STARTTLS, PATHS[Mode.STARTTLS])
    if report.target.kind is TargetKind.MX:
        order = tuple(stage for stage in order if stage is not Stage.AUTH)
    before = tuple(leg for leg in legs if leg.stage is Stage.CONFIG)
    after = tuple(leg for leg in legs if leg.stage not in order and leg not in before)
    return (*before, *(asked.get(stage, Leg(stage, Status.SKIPPED)) for stage in order), *after)


def _stop(leg: Leg, took: float | None, tongues: Tongues) -> Html:
    timed = leg.status in (Status.OK, Status.NOTE) and took
    time = tag("span", duration(took), class_="took") if timed and took else None
    aside = " aside" if leg.stage is Stage.CLOCK else ""
    return tag(
        "li",
        icon(leg.status),
        tag("span", tongues.short(leg.stage), class_="name"),
        tag("span", tongues.ui(f"status.{leg.status}"), time, class_="state"),
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
