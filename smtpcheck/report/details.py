"""What lies behind the verdict? The parts of a page that are folded away until somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from smtpcheck.advice import Words
from smtpcheck.core import Conversation, Direction, Event, Report, Result, Stage, Status
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import Clock, ClockFacts
from smtpcheck.report import path, picture, safe
from smtpcheck.report.labels import amount, duration, labels, moment
from smtpcheck.report.lines import title
from smtpcheck.report.markup import Content, Html, tag, together
from smtpcheck.wire.certificate import CertificateFacts

MAX_EVENTS = 500
"""Lines of one transcript; a defence, several times the longest honest conversation."""
MAX_ROWS = 200
"""Rows of one list; a defence."""
MAX_NAMES = 40
"""Names of one certificate; large providers have a few dozen."""
MAX_DEPTH = 6
_ARROWS = {Direction.OUT: "→", Direction.IN: "←", Direction.NOTE: "·"}


def parts(report: Report, words: Words) -> Iterator[Html]:
    """Everything that the report holds, each part folded; what the diagnosis speaks of is open."""
    broken = report.diagnosis.stage if report.diagnosis else None
    ui, names = words.ui, labels(words.lang)
    yield from _fold(ui["head.findings"], remarks(report, words), len(path.remarks(report)))
    yield from _fold(names["certificates"], chains(report, words), opened=broken is Stage.CERTIFICATE)
    yield from _fold(ui["stage.clock"], clock(report, words))
    yield from _fold(names["timeline"], picture.timeline(report, words))
    yield from _fold(ui["head.results"], results(report, words), len(report.results))
    for talk in report.conversations[: picture.MAX_CONVERSATIONS]:
        yield from _fold(ui["head.transcript"], transcript(talk, words), about=safe.visible(str(talk.subject), 120))
    yield from _fold(ui["head.experiments"], _pairs((e.probe, e.subject) for e in report.experiments))
    yield from _fold(ui["head.contacts"], _pairs(_contacts(report, words)))
    yield from _fold(ui["head.environment"], _pairs(report.environment.items()))


def _fold(name: str, content: Html | None, count: int = 0, *, about: str = "", opened: bool = False) -> Iterator[Html]:
    if content is not None:
        aside = about or (str(count) if count else "")
        heading = tag("h3", title(name))
        summary = tag("summary", heading, tag("bdi", aside, class_="aside") if aside else None)
        yield tag("details", summary, tag("div", content, class_="fold"), open=opened)


def _pairs(pairs: Iterable[tuple[str, str]]) -> Html | None:
    rows = [(tag("dt", safe.visible(name, 120)), tag("dd", safe.visible(text))) for name, text in pairs]
    return tag("dl", rows[:MAX_ROWS], class_="pairs") if rows else None


def _contacts(report: Report, words: Words) -> Iterator[tuple[str, str]]:
    for contact in report.contacts:
        why = path.brackets(safe.visible(contact.why, 120), words.ui) if contact.why else ""
        yield words.ui.get(f"contact.{contact.who}", contact.who), contact.where + why


# Findings and results


def remarks(report: Report, words: Words) -> Html | None:
    """What was found beside the diagnosis, the worst first."""
    rows = []
    for remark in path.remarks(report)[:MAX_ROWS]:
        severity = words.ui[f"severity.{remark.finding.severity}"]
        text = tag("p", tag("strong", severity), " ", path.remark_text(remark, words))
        rows.append(
            tag(
                "li",
                picture.remark(remark.finding.severity),
                tag("div", text, tag("code", safe.visible(remark.finding.code, 80))),
            )
        )
    return tag("ul", rows, class_="remarks") if rows else None


def results(report: Report, words: Words) -> Html | None:
    """Every probe on every subject, with its facts."""
    rows = [_result(result, words) for result in report.results[:MAX_ROWS]]
    return tag("div", rows, _more(len(report.results) - MAX_ROWS, words), class_="results") if rows else None


def _result(result: Result[Any], words: Words) -> Html:
    head = (
        picture.icon(result.status),
        tag("span", safe.visible(result.probe, 40), class_="probe"),
        tag("bdi", safe.visible(str(result.subject), 120), class_="subject"),
        tag("span", words.ui[f"status.{result.status}"], class_=f"state s-{result.status}"),
        tag("span", duration(result.elapsed), class_="number"),
    )
    found = [
        tag("li", words.finding(safe.finding(f)), " ", tag("code", safe.visible(f.code, 80))) for f in result.findings
    ]
    body: list[Content] = [tag("p", reason) if (reason := path.reason(result, words.ui)) else None]
    body += [tag("ul", found) if found else None, _facts(result)]
    return tag("details", tag("summary", *head), tag("div", *body, class_="fold"), class_="result")


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
        return tag("ul", [tag("li", _value(one, depth + 1)) for one in value[:MAX_NAMES]], class_="facts")
    return tag("code", _scalar(value))


def _scalar(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case bytes():
            return safe.said(value, 240)
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    return safe.visible(str(value), 240)


def _more(count: int, words: Words) -> Html | None:
    return tag("p", words.ui["sentence.more"].format(count=count), class_="faint") if count > 0 else None


# Certificates


def chains(report: Report, words: Words) -> Html | None:
    """Every chain that was shown, the same one once."""
    found: dict[tuple[bytes, ...], tuple[Result[Any], ChainFacts]] = {}
    for result in report.results:
        if isinstance(result.facts, ChainFacts) and result.facts.certificates:
            found.setdefault(result.facts.chain, (result, result.facts))
    several = len(found) > 1
    shown = [_chain(result, facts, words, named=several) for result, facts in list(found.values())[:8]]
    return together(shown) if shown else None


def _chain(result: Result[Any], facts: ChainFacts, words: Words, *, named: bool) -> Html:
    name = tag("p", tag("bdi", safe.visible(str(result.subject), 120)), class_="where") if named else None
    cards = [_certificate(i, one, facts, words) for i, one in enumerate(facts.certificates[:10])]
    checked = tag("p", title(labels(words.lang)["checked-at"]), " ", moment(facts.at), class_="faint")
    return together(name, tag("ol", cards, _absent(facts, words), class_="chain"), checked)


def _certificate(position: int, one: CertificateFacts, facts: ChainFacts, words: Words) -> Html:
    names = labels(words.lang)
    role = "leaf" if position == 0 else "root" if one.self_signed else "intermediate"
    shown = ", ".join(one.san[:MAX_NAMES]) + (" ..." if len(one.san) > MAX_NAMES else "")
    rows: list[tuple[str, Content]] = [(names["issuer"], safe.visible(one.issuer, 240))]
    if position == 0:
        rows.append((names["names"], safe.visible(shown, 1000) or names["no-names"]))
    rows.append((names["key"], safe.visible(f"{one.key} {one.bits}, {one.signature_hash}".rstrip(", "), 80)))
    rows.append((names["fingerprint"], tag("code", one.sha256)))
    return tag(
        "li",
        tag(
            "p", tag("span", names[role], class_="chip"), " ", tag("strong", tag("bdi", safe.visible(one.subject, 240)))
        ),
        _validity(one, facts, words),
        tag("dl", [(tag("dt", title(name)), tag("dd", content)) for name, content in rows], class_="pairs"),
    )


def _validity(one: CertificateFacts, facts: ChainFacts, words: Words) -> Html:
    names = labels(words.lang)
    span = names["until"].format(start=f"{one.not_before:%Y-%m-%d}", end=f"{one.not_after:%Y-%m-%d}")
    if facts.at > one.not_after:
        state = names["days-over"].format(days=(facts.at - one.not_after).days)
    elif facts.at < one.not_before:
        state = names["days-to-go"].format(days=(one.not_before - facts.at).days)
    else:
        state = names["days-left"].format(days=(one.not_after - facts.at).days)
    good = one.not_before <= facts.at <= one.not_after
    label = f"{span}{words.ui['list.separator']}{state}"
    bar = picture.validity(one.not_before, one.not_after, facts.at, good=good, label=label)
    sign = picture.icon(Status.OK if good else Status.FAIL)
    return tag("div", bar, tag("p", sign, tag("strong", state), tag("span", span, class_="faint")), class_="validity")


def _absent(facts: ChainFacts, words: Words) -> Html | None:
    """The issuer that the last certificate of the chain names and the server left out."""
    last = facts.certificates[-1]
    unknown = any(flaw.code in ("issuer-unknown", "leaf-unverified") for flaw in facts.verdict.flaws)
    if last.self_signed or (not unknown and not facts.verdict.verified):
        return None
    text = labels(words.lang)["not-sent" if unknown else "in-store"]
    status = Status.FAIL if unknown else Status.OK
    content = (picture.icon(status), tag("strong", tag("bdi", safe.visible(last.issuer, 240))), tag("span", text))
    return tag("li", tag("p", *content), class_=f"absent s-{status}")


# The clock


def clock(report: Report, words: Words) -> Html | None:
    """How far this machine's clock is off; None where nobody told."""
    shown = [_clock(r.facts, words) for r in report.results if isinstance(r.facts, ClockFacts)]
    return together(shown[:8]) if shown else None


def _clock(facts: ClockFacts, words: Words) -> Html:
    names, limit = labels(words.lang), Clock().limit_seconds
    off = abs(facts.offset)
    exact = off <= max(facts.uncertainty, 1.0)
    key = "clock-exact" if exact else "clock-ahead" if facts.offset < 0 else "clock-behind"
    text = names[key].format(amount=amount(off, words.lang))
    within = names["clock-within"].format(
        uncertainty=duration(facts.uncertainty), server=safe.visible(facts.server, 120), limit=amount(limit, words.lang)
    )
    bar = picture.offset(-facts.offset, facts.uncertainty, limit, label=text)
    return tag("figure", bar, tag("figcaption", tag("p", tag("strong", title(text))), tag("p", within, class_="faint")))


# The conversation


def transcript(talk: Conversation, words: Words) -> Html | None:
    """Every line with its time and direction, in a box of its own."""
    lines: list[Html] = []
    last: Stage | None = None
    for event in talk.events[:MAX_EVENTS]:
        lines.append(_line(event, words, first=event.stage is not last))
        last = event.stage
    label = f"{words.ui['head.transcript']} {safe.visible(str(talk.subject), 120)}"
    box = tag("ol", lines, class_="talk", tabindex=0, role="list", aria_label=label)
    return together(box, _more(len(talk.events) - MAX_EVENTS, words)) if lines else None


def _line(event: Event, words: Words, *, first: bool) -> Html:
    arrow = tag("span", _ARROWS[event.dir], role="img", aria_label=words.ui[f"direction.{event.dir}"], class_="arrow")
    stage = tag("span", path.short(event.stage, words.ui) if first else "", class_="stage")
    said = tag("code", safe.said(event.raw, 1000))
    begins = " first" if first else ""
    return tag(
        "li", stage, tag("span", f"{event.t:.3f}", class_="number"), arrow, said, class_=f"d-{event.dir}{begins}"
    )
