"""How does one object look in a notebook cell: a result, a transcript, a chain, a table, a picture of a report?

Fragments of HTML: no script, no style sheet, nothing fetched; text and background stay the reader's own, for light and
dark alike. Everything goes through `_text`, which escapes. Facts carry the names they have in Python, and certificates
the names of RFC 5280, so that a reader can go on from there; both are the same in every language.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import Any

from smtpcheck import advice
from smtpcheck.core import Conversation, Direction, Event, Finding, Report, Result, Stage, Status
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.report import escape, outline
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.markup import Html
from smtpcheck.report.page.pictures.clock import clock as offset
from smtpcheck.report.page.pictures.heat import heat
from smtpcheck.report.page.pictures.waterfall import waterfall
from smtpcheck.report.page.pictures.way import way
from smtpcheck.wire.certificate import CertificateFacts
from smtpcheck.wire.smtp import Reply

MAX_EVENTS = 500
"""Lines of one transcript; a defence, several times the longest honest conversation."""
MAX_ROWS = 500
"""Rows of one table; a defence, several times what the largest check has."""
MAX_ITEMS = 12
"""Values of one list, names of one certificate; those of large providers have some hundred."""
MAX_PAIRS = 64
"""Capabilities of one server; the longest healthy EHLO answers have about 30 lines."""
CLASSES = "smtpcheck mathjax_ignore tex2jax_ignore"
"""The last two, for Jupyter: what a server says between two dollar signs is no formula."""
_DEPTH = 4
# Mid tones that stand out on white and on black; never the only sign.
_COLORS = {
    Status.OK: "#2a9d54",
    Status.NOTE: "#2a9d54",
    Status.WARN: "#c98a00",
    Status.FAIL: "#e5484d",
    Status.INCONCLUSIVE: "#c98a00",
    Status.BLOCKED: "#888",
    Status.SKIPPED: "#888",
    Status.BUG: "#b05cd6",
}
_GLYPHS = {Direction.OUT: "->", Direction.IN: "<-", Direction.NOTE: "=="}
_INHERIT = "color:inherit;background:transparent"
_BOX = f"{_INHERIT};line-height:1.45"
_MONO = f"font-family:monospace;{_INHERIT};padding:0"
_PRE = f"font-family:monospace;{_INHERIT};white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0;line-height:1.35"
_HANGING = "display:block;padding-left:12ch;text-indent:-12ch"
"""A line of a transcript, behind its time and direction."""
_CELL = f"text-align:left;vertical-align:top;padding:.15em 1em .15em 0;white-space:normal;{_INHERIT}"
_FAINT = "opacity:.7"
_PIECE = "display:inline-block;vertical-align:middle"
_WIDTH = 12.0
"""Of the bar for a certificate's time, in em."""


def result(one: Result[Any], *, lang: str = "en") -> str:
    """One result: how it ended, what was found, and the facts by their Python names; a chain as its table."""
    words = advice.Words(lang)
    head = f"{_sign(one.status)} <strong>{_text(one.probe)}</strong> &nbsp;{_bdi(str(one.subject))}"
    head += " &nbsp;" + _faint(f"{_text(words.ui[f'status.{one.status}'])}, {one.elapsed:.3f}&nbsp;s")
    parts = [f'<div style="margin:0 0 .2em">{head}</div>']
    if why := outline.reason(one, words.ui, 1000):
        parts.append(f"<div>{_text(why)}</div>")
    parts += [f"<div>{_found(finding, words)}</div>" for finding in one.findings[:MAX_ROWS]]
    if drawn := offset(one, tongues(lang, alone=True)):
        parts.append(drawn.source)
    if isinstance(one.facts, ChainFacts):
        parts.append(_chain(one.facts))
    elif one.facts is not None:
        parts.append(_table(_facts(one.facts)))
    return _box(one.status, lang, parts)


def reports(many: Iterable[Report], *, lang: str = "en") -> str:
    """Reports as a table: how each ended, and what is to be repaired first."""
    words = advice.Words(lang)
    return _listed((_report_row(one, words) for one in many), words)


def results(many: Iterable[Result[Any]], *, lang: str = "en") -> str:
    """Results as a table, one row each."""
    words = advice.Words(lang)
    return _listed((_result_row(one, words) for one in many), words)


def findings(many: Iterable[Finding], *, lang: str = "en") -> str:
    """Findings as a table, one row each, with the words of the catalogue."""
    words = advice.Words(lang)
    return _listed((_finding_row(one, words) for one in many), words)


def conversation(talk: Conversation, *, lang: str = "en") -> str:
    """A transcript as recorded: seconds since its start, `->` to the server, `<-` from it, `==` our own remark."""
    ui = advice.ui(lang)
    head = f"<strong>{_title(ui['head.transcript'])}</strong> {_bdi(str(talk.subject))}"
    head += " &nbsp;" + _faint(_moment(talk.started))
    lines = list(_lines(talk.events[:MAX_EVENTS], ui))
    if (left := len(talk.events) - MAX_EVENTS) > 0:
        lines.append(_hanging(_text(ui["sentence.more"].format(count=left))))
    broke = [
        outline.colon(ui[f"stage.{step.stage}"], ui) + ui[f"kind.{step.broke}"] for step in talk.steps if step.broke
    ]
    ended = [f"<div>{_sign(Status.FAIL)} {_text(text)}</div>" for text in broke]
    parts = [f"<div>{head}</div>", f'<pre style="{_PRE}">{"".join(lines)}</pre>', *ended]
    return _box(Status.FAIL if ended else Status.OK, lang, parts)


def chain(facts: ChainFacts, *, lang: str = "en") -> str:
    """The certificates as sent, their time as a bar against the moment of the check (the upright line)."""
    return _box(Status.OK if facts.verdict.verified else Status.FAIL, lang, [_chain(facts)])


# Pictures, drawn as on the page


def timeline(report: Report, *, lang: str = "en") -> str:
    """When each stage and each question aside began, and how long it took; says so where nothing was timed."""
    return _drawn(waterfall(report, tongues(lang, alone=True)), report, lang)


def endpoints(report: Report, *, lang: str = "en") -> str:
    """How far each address and port went, stage by stage; the way of the one where there is only one."""
    spoken = tongues(lang, alone=True)
    return _drawn(heat(report, spoken) or way(report, spoken), report, lang)


def clock(one: Result[Any], *, lang: str = "en") -> str:
    """How far this machine's clock is off, on an axis; as any other result where it has no such facts."""
    drawn = offset(one, tongues(lang, alone=True))
    return _box(one.status, lang, [drawn.source]) if drawn else result(one, lang=lang)


def _drawn(picture: Html | None, report: Report, lang: str) -> str:
    text = picture.source if picture else _text(advice.ui(lang)["status.skipped"])
    return _box(outline.OF_VERDICT[report.verdict], lang, [text])


def console(output: str, *, good: bool) -> str:
    """What a program said, its lines as they were; of a long output the end, where the summary stands."""
    lines = output.rstrip("\n").split("\n")
    left = len(lines) - MAX_ROWS
    shown = [f"...(+{left})"] * (left > 0) + [_text(line, 1000) for line in lines[-MAX_ROWS:]]
    return _box(Status.OK if good else Status.FAIL, "en", [f'<pre style="{_PRE}">{chr(10).join(shown)}</pre>'])


# Harmless text


def _text(text: str, limit: int = escape.LIMIT) -> str:
    """Harmless in HTML, in attributes too."""
    return html.escape(escape.visible(text, limit), quote=True)


def _bdi(text: str) -> str:
    return f"<bdi>{_text(text, 120)}</bdi>"


def _code(text: str, limit: int = escape.LIMIT) -> str:
    return f'<code style="{_MONO};overflow-wrap:anywhere"><bdi>{_text(text, limit)}</bdi></code>'


def _name(text: str) -> str:
    """A name of ours, a field's or a code, unbroken."""
    return f'<code style="{_MONO};white-space:nowrap">{_text(text, 80)}</code>'


def _unbroken(source: str) -> str:
    return f'<span style="white-space:nowrap">{source}</span>'


def _faint(source: str) -> str:
    return f'<span style="{_FAINT}">{source}</span>'


def _title(text: str) -> str:
    return _text(text[:1].upper() + text[1:])


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _sign(status: Status) -> str:
    return f'<span aria-hidden="true" style="color:{_COLORS[status]}">{outline.SYMBOLS[status]}</span>'


# Shapes


def _box(status: Status, lang: str, parts: Iterable[str]) -> str:
    style = f"{_BOX};border-left:3px solid {_COLORS[status]};padding:.1em .9em;margin:.3em 0;overflow-x:auto"
    inner = "\n".join(part for part in parts if part)
    return f'<div class="{CLASSES}" lang="{_text(lang)}" style="{style}">\n{inner}\n</div>\n'


def _table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of ready HTML; the head's too."""
    top = "".join(f'<th scope="col" style="{_CELL};{_FAINT};font-weight:normal">{cell}</th>' for cell in head)
    lines = [f'<tr style="background:transparent">{top}</tr>'] if head else []
    for row in rows:
        cells = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row)
        lines.append(f'<tr style="background:transparent">{cells}</tr>')
    style = f"border-collapse:collapse;border:none;margin:.3em 0;font-size:inherit;{_INHERIT}"
    return f'<table style="{style}">{"".join(lines)}</table>' if lines else ""


def _listed(rows: Iterator[tuple[str, ...]], words: advice.Words) -> str:
    shown = list(islice(rows, MAX_ROWS))
    left = sum(1 for _ in rows)
    more = f"<div>{_text(words.ui['sentence.more'].format(count=left))}</div>" if left else ""
    style = f"{_BOX};overflow-x:auto"
    return f'<div class="{CLASSES}" lang="{_text(words.lang)}" style="{style}">{_table(shown)}{more}</div>\n'


# Reports, results and findings


def _report_row(one: Report, words: advice.Words) -> tuple[str, ...]:
    verdict = f"{_sign(outline.OF_VERDICT[one.verdict])} {_text(words.ui[f'verdict.{one.verdict}'])}"
    told = one.diagnosis
    about = _text(words.summary(escape.diagnosis(told)), 1000) if told else _text(outline.headline(one, words.ui))
    about += f" &nbsp;{_name(told.code)}" if told else ""
    return _unbroken(verdict), _unbroken(_bdi(one.target.spec)), f"{one.elapsed:.2f}&nbsp;s", about


def _result_row(one: Result[Any], words: advice.Words) -> tuple[str, ...]:
    status = _unbroken(f"{_sign(one.status)} {_text(words.ui[f'status.{one.status}'])}")
    about = _text(outline.reason(one, words.ui)) or "<br>".join(_found(f, words) for f in one.findings[:MAX_ITEMS])
    return status, _text(one.probe), _bdi(str(one.subject)), f"{one.elapsed:.3f}&nbsp;s", about


def _finding_row(one: Finding, words: advice.Words) -> tuple[str, ...]:
    status = Status(one.severity)
    severity = _unbroken(f"{_sign(status)} {_text(words.ui[f'severity.{one.severity}'])}")
    told = _text(words.finding(escape.finding(one)), 1000)
    stage = _unbroken(_text(words.ui[f"stage.{one.stage}"]))
    return severity, stage, _bdi(one.subject), _name(one.code), told


def _found(one: Finding, words: advice.Words) -> str:
    return f"{_sign(Status(one.severity))} {_text(words.finding(escape.finding(one)), 1000)} &nbsp;{_name(one.code)}"


# Facts of any probe


def _facts(facts: Any) -> Iterator[tuple[str, str]]:
    """(name, value) of every fact that says something; a dataclass by its fields."""
    if not is_dataclass(facts):
        yield "", _value(facts)
        return
    for field in fields(facts):
        value = getattr(facts, field.name)
        if shown := _value(value):
            yield _faint(_name(field.name)), shown


def _value(value: Any, depth: int = 0) -> str:
    """One value as HTML; empty for one that says nothing (None, "", ())."""
    match value:
        case None | "" | b"" | () | []:
            return ""
        case Enum():
            return _text(str(value.value))
        case bool() | int() | str():
            return _text(str(value))
        case float():
            return f"{value:.3f}" if abs(value) >= 1 else f"{value:.3g}"
        case datetime():
            return _moment(value)
        case bytes():
            return _bytes(value)
        case Reply():
            return _code(escape.said(value.raw, 1000), 1000)
    if depth >= _DEPTH:
        return "..."
    return _nested(value, depth + 1)


def _bytes(raw: bytes) -> str:
    binary = sum(byte < 9 for byte in raw) > len(raw) // 20  # as DER and TLS records are, and no text is
    return f"{len(raw)} bytes" if binary else _code(escape.said(raw))


def _nested(value: Any, depth: int) -> str:
    if is_dataclass(value):
        inner = ((field.name, _value(getattr(value, field.name), depth)) for field in fields(value))
        return ", ".join(f"{_faint(_name(name))} {shown}" for name, shown in inner if shown)
    if isinstance(value, Mapping):
        pairs = ((_text(str(key), 80), _value(of, depth)) for key, of in islice(value.items(), MAX_PAIRS))
        return ", ".join(f"{key} {shown}".strip() for key, shown in pairs)
    if isinstance(value, Iterable):
        items = list(value)
        flat = all(isinstance(item, str | int | float) for item in items[:MAX_ITEMS])
        shown = [_value(item, depth) for item in items[:MAX_ITEMS]]
        return (", " if flat else "<br>").join(shown + _left(items))
    return _text(str(value))


def _left(items: Sequence[Any]) -> list[str]:
    return [f"...(+{len(items) - MAX_ITEMS})"] if len(items) > MAX_ITEMS else []


# Transcripts


def _lines(events: Sequence[Event], ui: Mapping[str, str]) -> Iterator[str]:
    """One line an event; the stage is named where it begins."""
    before: Stage | None = None
    for event in events:
        if event.stage is not before:
            yield _hanging(" " * 9 + _faint(_text(ui[f"stage.{event.stage}"])))
            before = event.stage
        said = f"<bdi>{_text(escape.said(event.raw, 1000), 1000)}</bdi>"
        if event.dir is Direction.OUT:
            said = f"<strong>{said}</strong>"
        yield _hanging(f"{event.t:8.3f} {html.escape(_GLYPHS[event.dir])} {said}")


def _hanging(source: str) -> str:
    """The line end is for those who copy it."""
    return f'<span style="{_HANGING}">{source}\n</span>'


# Chains


def _chain(facts: ChainFacts) -> str:
    shown = min(len(facts.certificates), MAX_ITEMS)
    rows = (_certificate_row(depth, facts) for depth in range(shown))
    table = _table(rows, ("", "depth", "subject", "issuer", "notBefore / notAfter", "subjectAltName"))
    told = (("name", _code(facts.name)), ("at", _moment(facts.at)), ("roots_source", _code(facts.roots_source)))
    about = " &nbsp; ".join(f"{_faint(_name(name))} {value}" for name, value in told)
    unread = f"<div>...(+{left})</div>" if (left := len(facts.chain) - shown) > 0 else ""
    return f"<div>{about}</div>{table}{unread}"


def _certificate_row(depth: int, facts: ChainFacts) -> tuple[str, ...]:
    one = facts.certificates[depth]
    flawed = any(flaw.subject == one.subject for flaw in facts.verdict.flaws)
    flawed = flawed or (depth == 0 and not facts.verdict.host.matched)
    names = [_bdi(name) for name in one.san[:MAX_ITEMS]] + _left(one.san)
    left = (one.not_after - facts.at).total_seconds() / 86400
    dates = f"{one.not_before:%Y-%m-%d} / {one.not_after:%Y-%m-%d} ({left:+.1f} d)"
    return (
        _sign(Status.FAIL if flawed else Status.OK),
        str(depth),
        _bdi(one.subject),
        _bdi(one.issuer),
        f"{_bar(one, facts.at)}<br>{_unbroken(dates)}",
        "<br>".join(names),
    )


def _bar(one: CertificateFacts, at: datetime) -> str:
    """Spent time thin, time left thick, an upright line where the check was; the scale is the certificate's own."""
    begin, end = min(one.not_before, at), max(one.not_after, at)
    em = _WIDTH / max((end - begin).total_seconds(), 1.0)
    valid = _COLORS[Status.OK if one.not_before <= at <= one.not_after else Status.FAIL]

    def piece(start: datetime, stop: datetime, line: str) -> str:
        width = max((stop - start).total_seconds(), 0.0) * em
        return f'<span style="{_PIECE};width:{width:.2f}em;{line}"></span>'

    now = f'<span style="{_PIECE};height:1.1em;border-left:2px solid currentColor"></span>'
    spent, left, gap = f"border-top:2px solid {valid}", f"border-top:.5em solid {valid}", "border-top:2px dotted #888"
    if at < one.not_before:
        drawn = now + piece(at, one.not_before, gap) + piece(one.not_before, one.not_after, left)
    elif at > one.not_after:
        drawn = piece(one.not_before, one.not_after, spent) + piece(one.not_after, at, gap) + now
    else:
        drawn = piece(one.not_before, at, spent) + now + piece(at, one.not_after, left)
    label = f"{one.not_before:%Y-%m-%d} / {at:%Y-%m-%d} / {one.not_after:%Y-%m-%d}"
    return f'<span role="img" aria-label="{label}" title="{label}" style="white-space:nowrap">{drawn}</span>'
