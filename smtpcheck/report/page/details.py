"""What lies behind the verdict? The parts of a page that are folded away until somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import partial
from typing import Any

from smtpcheck.advice import Words
from smtpcheck.core import Contact, Conversation, Direction, Event, Finding, Report, Result, Stage, TargetKind
from smtpcheck.report import escape, outline
from smtpcheck.report.page.labels import duration
from smtpcheck.report.page.languages import Tongues
from smtpcheck.report.page.markup import Content, Html, tag, together
from smtpcheck.report.page.pictures.chain import chains
from smtpcheck.report.page.pictures.clock import clocks
from smtpcheck.report.page.pictures.heat import heat
from smtpcheck.report.page.pictures.signs import icon, remark
from smtpcheck.report.page.pictures.waterfall import waterfall

MAX_EVENTS = 500
"""Lines of one transcript; a defence, several times the longest honest conversation."""
MAX_TRANSCRIPTS = 30
"""Connections whose transcript is shown; a check of one account makes ten at most."""
MAX_ROWS = 200
"""Rows of one list; a defence."""
MAX_ITEMS = 40
"""Values of one list in the facts; large providers have a few dozen names."""
MAX_DEPTH = 6
# An arrow for the eye; C and S as the RFCs have it, client and server, for who hears the page.
_SPEAKERS = {Direction.OUT: ("→", "C:"), Direction.IN: ("←", "S:"), Direction.NOTE: ("·", "")}


def parts(report: Report, tongues: Tongues) -> Iterator[Html]:
    """Everything that the report holds, each part folded; what the diagnosis speaks of is open."""
    broken = report.diagnosis.stage if report.diagnosis else None
    several = report.target.kind is TargetKind.MX or broken is Stage.CONNECT
    yield from _fold(tongues.head("head.findings"), remarks(report, tongues), len(outline.remarks(report)))
    yield from _fold(tongues.own("endpoints"), heat(report, tongues), opened=several)
    yield from _fold(tongues.own("certificates"), chains(report, tongues), opened=broken is Stage.CERTIFICATE)
    yield from _fold(tongues.head("stage.clock"), clocks(report, tongues))
    yield from _fold(tongues.own("timeline"), waterfall(report, tongues))
    yield from _fold(tongues.head("head.results"), results(report, tongues), len(report.results))
    for talk in report.conversations[:MAX_TRANSCRIPTS]:
        about = escape.visible(str(talk.subject), 120)
        yield from _fold(tongues.head("head.transcript"), transcript(talk, tongues), about=about)
    yield from _fold(tongues.head("head.experiments"), _pairs((e.probe, e.subject) for e in report.experiments))
    yield from _fold(tongues.head("head.contacts"), _pairs(_contacts(report, tongues)))
    yield from _fold(tongues.head("head.environment"), _pairs(report.environment.items()))


def _fold(name: Html, content: Html | None, count: int = 0, *, about: str = "", opened: bool = False) -> Iterator[Html]:
    if content is not None:
        aside = about or (str(count) if count else "")
        heading = tag("h3", name)
        summary = tag("summary", heading, tag("bdi", aside, class_="aside") if aside else None)
        yield tag("details", summary, tag("div", content, class_="fold"), open=opened)


def _pairs(pairs: Iterable[tuple[str | Html, str | Html]]) -> Html | None:
    rows = [(tag("dt", _bounded(name, 120)), tag("dd", _bounded(text))) for name, text in pairs]
    return tag("dl", rows[:MAX_ROWS], class_="pairs") if rows else None


def _bounded(text: str | Html, limit: int = escape.LIMIT) -> str | Html:
    return escape.visible(text, limit) if isinstance(text, str) else text


def _contacts(report: Report, tongues: Tongues) -> Iterator[tuple[str | Html, str | Html]]:
    for contact in report.contacts:
        known = f"contact.{contact.who}" in tongues.words[0].ui
        name = tongues.head(f"contact.{contact.who}") if known else contact.who
        yield name, tongues.each(partial(_contact, contact))


def _contact(contact: Contact, words: Words) -> str:
    return outline.contact(contact, words.ui)


# Findings and results


def remarks(report: Report, tongues: Tongues) -> Html | None:
    """What was found beside the diagnosis, the worst first."""
    rows = [_remark(one, tongues) for one in outline.remarks(report)[:MAX_ROWS]]
    return tag("ul", rows, class_="remarks") if rows else None


def _remark(one: outline.Remark, tongues: Tongues) -> Html:
    severity = tag("strong", tongues.ui(f"severity.{one.finding.severity}"))
    text = tag("p", severity, " ", tongues.each(lambda words: outline.remark_text(one, words)))
    code = tag("code", escape.visible(one.finding.code, 80))
    return tag("li", remark(one.finding.severity), tag("div", text, code))


def results(report: Report, tongues: Tongues) -> Html | None:
    """Every probe on every subject, with its facts."""
    rows = [_result(result, tongues) for result in report.results[:MAX_ROWS]]
    return tag("div", rows, _more(len(report.results) - MAX_ROWS, tongues), class_="results") if rows else None


def _result(result: Result[Any], tongues: Tongues) -> Html:
    head = (
        icon(result.status),
        tag("span", escape.visible(result.probe, 40), class_="probe"),
        tag("bdi", escape.visible(str(result.subject), 120), class_="subject"),
        tag("span", tongues.ui(f"status.{result.status}"), class_=f"state s-{result.status}"),
        tag("span", duration(result.elapsed), class_="number"),
    )
    found = [_finding(finding, tongues) for finding in result.findings[:MAX_ROWS]]
    reason = tongues.each(lambda words: outline.reason(result, words.ui))
    body: list[Content] = [tag("p", reason) if reason.source else None]
    body += [tag("ul", found) if found else None, _facts(result)]
    return tag("details", tag("summary", *head), tag("div", *body, class_="fold"), class_="result")


def _finding(finding: Finding, tongues: Tongues) -> Html:
    said = tongues.each(lambda words: words.finding(escape.finding(finding)))
    return tag("li", said, " ", tag("code", escape.visible(finding.code, 80)))


def _facts(result: Result[Any]) -> Html | None:
    return None if result.facts is None else _value(result.facts, 0)


def _value(value: object, depth: int) -> Html:
    """The fields of any probe's facts; what is empty says nothing and is left away."""
    if depth >= MAX_DEPTH:
        return tag("span", "...")
    if is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        kept = [(key, one) for key, one in value.items() if one not in (None, "", b"", (), [], {})]
        pairs = [(tag("dt", str(key)), tag("dd", _value(one, depth + 1))) for key, one in kept[:MAX_ROWS]]
        return tag("dl", pairs, class_="facts")
    if isinstance(value, tuple | list):
        return tag("ul", [tag("li", _value(one, depth + 1)) for one in value[:MAX_ITEMS]], class_="facts")
    return tag("code", _scalar(value))


def _scalar(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case bytes():
            return escape.said(value, 240)
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return escape.visible(str(value), 240)


def _more(count: int, tongues: Tongues) -> Html | None:
    told = tongues.each(lambda words: words.ui["sentence.more"].format(count=count))
    return tag("p", told, class_="faint") if count > 0 else None


# The conversation


def transcript(talk: Conversation, tongues: Tongues) -> Html | None:
    """Every line with its time and direction, in a box of its own."""
    lines: list[Html] = []
    last: Stage | None = None
    for event in talk.events[:MAX_EVENTS]:
        lines.append(_line(event, tongues, first=event.stage is not last))
        last = event.stage
    if not lines:
        return None
    box = tag("ol", lines, class_="talk", tabindex=0, role="list", aria_label=escape.visible(str(talk.subject), 120))
    return together(
        tag("p", _legend(tongues), class_="faint legend"), box, _more(len(talk.events) - MAX_EVENTS, tongues)
    )


def _legend(tongues: Tongues) -> list[Content]:
    told = [(glyph, " ", tongues.ui(f"direction.{way}")) for way, (glyph, _) in _SPEAKERS.items()]
    return [tag("span", *one) for one in told]


def _line(event: Event, tongues: Tongues, *, first: bool) -> Html:
    glyph, speaker = _SPEAKERS[event.dir]
    arrow = tag("span", tag("span", glyph, aria_hidden="true"), tag("span", speaker, class_="vh"), class_="arrow")
    stage = tag(
        "span", tongues.each(lambda words: outline.short(event.stage, words.ui)) if first else "", class_="stage"
    )
    said = tag("code", escape.said(event.raw, 1000))
    begins = " first" if first else ""
    time = tag("span", f"{event.t:.3f}", class_="number")
    return tag("li", stage, time, arrow, said, class_=f"d-{event.dir}{begins}")
