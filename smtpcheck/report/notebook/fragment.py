"""How does a report look in a notebook cell? One self-contained fragment: no script, no style sheet, nothing fetched.

Everything goes through `_text`, which escapes. Text and background stay the reader's own, for light and dark alike.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from smtpcheck import advice
from smtpcheck.core import Conversation, Diagnosis, Direction, Report, Result, Severity, Status
from smtpcheck.report import escape, outline
from smtpcheck.report.notebook.cells import CLASSES
from smtpcheck.report.page.labels import labels
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.pictures.heat import heat
from smtpcheck.report.page.pictures.waterfall import waterfall

MAX_EVENTS = 500
"""Lines of one transcript; a defence, several times the longest honest conversation."""
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
_ARROWS = {Direction.OUT: "→", Direction.IN: "←", Direction.NOTE: "="}
_BOX = "color:inherit;background:transparent;font-family:inherit;line-height:1.45;max-width:60em"
_MONO = "font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere;color:inherit;background:transparent"
_CELL = "text-align:left;vertical-align:top;padding:.1em .8em .1em 0;background:transparent;color:inherit"


def render(report: Report, *, lang: str = "en") -> str:
    """The report as a fragment of HTML; a page may hold several."""
    words = advice.Words(lang, report)
    status = outline.OF_VERDICT[report.verdict]
    style = f"{_BOX};border-left:4px solid {_COLORS[status]};padding:.2em 1em"
    parts = [
        f'<section class="{CLASSES}" lang="{_text(lang)}" style="{style}">',
        _verdict(report, words, status),
        _path(report, words),
        _open(report, words),
        *(_cause(report, told, words, first=i == 0) for i, told in enumerate(report.diagnoses)),
        _findings(report, words),
        _footer(report, words),
        *_pictures(report, words),
        _results(report, words),
        *(_transcript(conversation, words) for conversation in report.conversations),
        "</section>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _text(text: str, limit: int = 2000) -> str:
    """Harmless in HTML, in attributes too."""
    return html.escape(escape.visible(text, limit), quote=True)


def _verdict(report: Report, words: advice.Words, status: Status) -> str:
    sign = f'<span aria-hidden="true" style="color:{_COLORS[status]}">{outline.SYMBOLS[status]}</span>'
    headline = _text(outline.headline(report, words.ui))
    return f'<p style="font-size:1.15em">{sign} <strong>{headline}</strong> &nbsp; {_bdi(report.target.spec)}</p>'


def _bdi(text: str) -> str:
    return f"<bdi>{_text(text, 120)}</bdi>"


def _path(report: Report, words: advice.Words) -> str:
    steps = []
    for leg in outline.legs(report):
        status = _text(words.ui[f"status.{leg.status}"])
        weight = ";font-weight:bold" if leg.status is Status.FAIL else ""
        faint = ";opacity:.6" if leg.status in (Status.BLOCKED, Status.SKIPPED) else ""
        sign = f'<span role="img" aria-label="{status}" style="color:{_COLORS[leg.status]}">'
        sign += f"{outline.SYMBOLS[leg.status]}</span>"
        name = _text(outline.short(leg.stage, words.ui))
        style = f"display:inline-block;margin-right:1em{weight}{faint}"
        steps.append(f'<li title="{status}" style="{style}">{name} {sign}</li>')
    return f'<ol style="list-style:none;padding:0;margin:.3em 0">{"".join(steps)}</ol>' if steps else ""


def _open(report: Report, words: advice.Words) -> str:
    said = [] if report.complete else [words.ui["sentence.interrupted"]]
    said += [words.ui["sentence.bug"]] if report.verdict == "bug" else []
    return _list("ul", map(_text, [*said, *outline.shortfalls(report, words.ui), *outline.unknown(report, words.ui)]))


def _cause(report: Report, recorded: Diagnosis, words: advice.Words, *, first: bool) -> str:
    ui, told = words.ui, escape.diagnosis(recorded)
    name = ui["head.cause" if first else "head.also-broken"]
    sure = ui[f"confidence.{told.confidence}"]
    parts = [
        f"<p><strong>{_label(name + outline.brackets(sure, words.ui), words)}{_text(words.summary(told))}</strong>"
    ]
    parts.append(f'<br><span style="opacity:.75">{_bdi(told.subject)}</span></p>' if told.subject else "</p>")
    if why := words.why(told):
        parts.append(f"<p>{_text(why)}</p>")
    rows = [
        f'<li>{_label(who, words)}<code style="{_MONO}"><bdi>{_text(text)}</bdi></code></li>'
        for who, text in outline.testimony(recorded, report, words, 400)
    ]
    parts.append(f"<ul>{''.join(rows)}</ul>" if rows else "")
    parts.append(_alternatives(told, words))
    if steps := words.steps(told):
        parts += [f"<p><strong>{_title(ui['head.what-to-do'])}</strong></p>"]
        parts += [_list("ol", (_advice(text) for _, text in steps))]
    if otherwise := words.otherwise(told):
        parts.append(f"<p>{_advice(otherwise[:1].upper() + otherwise[1:])}</p>")
    return "\n".join(part for part in parts if part)


def _alternatives(told: Diagnosis, words: advice.Words) -> str:
    rows = []
    for one in told.alternatives:
        sure = outline.brackets(words.ui[f"confidence.{one.confidence}"], words.ui)
        text = _text(words.summary(replace(told, code=one.code)) + sure)
        if decides := words.decided_by(told, one):
            text += f"<br>{_label(words.ui['head.decided-by'], words)}{_advice(decides)}"
        rows.append(text)
    return f"<p><strong>{_title(words.ui['head.could-also-be'])}</strong></p>{_list('ul', rows)}" if rows else ""


def _advice(text: str) -> str:
    """A text of the catalogue: what stands between backquotes is a command."""
    parts = "\n".join(escape.paragraphs(text)).split("`")
    shown = (html.escape(part, quote=True) for part in parts)
    pieces = (f'<code style="{_MONO}">{part}</code>' if i % 2 else part for i, part in enumerate(shown))
    return "".join(pieces).replace("\n", "<br>")


def _findings(report: Report, words: advice.Words) -> str:
    rows = []
    for remark in outline.remarks(report):
        status = Status(remark.finding.severity)
        mark = "i" if remark.finding.severity is Severity.NOTE else outline.SYMBOLS[status]
        severity = _text(words.ui[f"severity.{remark.finding.severity}"])
        sign = f'<span style="color:{_COLORS[status]}">{mark}</span> {severity}'
        rows.append((sign, _text(outline.remark_text(remark, words)), f"<code>{_text(remark.finding.code)}</code>"))
    return f"<p><strong>{_title(words.ui['head.findings'])}</strong></p>{_table(rows)}" if rows else ""


def _footer(report: Report, words: advice.Words) -> str:
    said = []
    if untested := outline.untested(report):
        said.append(f"{_label(words.ui['head.not-tested'], words)}{_text(outline.stage_list(untested, words.ui))}")
    if outline.login_skipped(report):
        said.append(_text(words.ui["sentence.login-skipped"]))
    said.append(_text(outline.effort(report, words.ui)))
    return f'<p style="opacity:.75">{"<br>".join(said)}</p>'


def _pictures(report: Report, words: advice.Words) -> Iterator[str]:
    spoken, names = tongues(words.lang, alone=True), labels(words.lang)
    for name, drawn in (("endpoints", heat(report, spoken)), ("timeline", waterfall(report, spoken))):
        if drawn:
            yield _details(_title(names[name]), drawn.source)


def _results(report: Report, words: advice.Words) -> str:
    rows = [_result(result, words) for result in report.results]
    return _details(_title(words.ui["head.results"]), _table(rows)) if rows else ""


def _result(result: Result[Any], words: advice.Words) -> tuple[str, ...]:
    sign = f'<span style="color:{_COLORS[result.status]}">{outline.SYMBOLS[result.status]}</span>'
    status = _text(words.ui[f"status.{result.status}"])
    about = _text(outline.reason(result, words.ui))
    cells = (f"{sign}&nbsp;{status}", _text(result.probe), _bdi(str(result.subject)), f"{result.elapsed:.3f}&nbsp;s")
    return (*cells, about)


def _transcript(conversation: Conversation, words: advice.Words) -> str:
    lines = [
        f"{event.t:8.3f} {_ARROWS[event.dir]} <bdi>{_text(escape.said(event.raw, 1000))}</bdi>"
        for event in conversation.events[:MAX_EVENTS]
    ]
    if (left := len(conversation.events) - MAX_EVENTS) > 0:
        lines.append(_text(words.ui["sentence.more"].format(count=left)))
    summary = f"{_title(words.ui['head.transcript'])} {_bdi(str(conversation.subject))}"
    return _details(summary, f'<pre style="{_MONO}">{chr(10).join(lines)}</pre>') if lines else ""


def _title(text: str) -> str:
    return _text(text[:1].upper() + text[1:])


def _label(text: str, words: advice.Words) -> str:
    named = text.startswith("smtpcheck")  # which is spelt as it is
    return _text(outline.colon(text if named else text[:1].upper() + text[1:], words.ui))


def _list(tag: str, items: Iterable[str]) -> str:
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f"<{tag}>{rows}</{tag}>" if rows else ""


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    line = '<tr style="background:transparent">'  # Jupyter stripes tables, which two short lines don't need
    body = "".join(line + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in row) + "</tr>" for row in rows)
    return f'<table style="border-collapse:collapse;background:transparent">{body}</table>'


def _details(summary: str, content: str) -> str:
    return f'<details><summary style="cursor:pointer">{summary}</summary>{content}</details>'
