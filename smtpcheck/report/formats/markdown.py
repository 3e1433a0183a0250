"""What is pasted into an issue or a chat? The verdict first, the details folded away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from smtpcheck import advice
from smtpcheck.advice import Words
from smtpcheck.core import Contact, Conversation, Diagnosis, Direction, Report
from smtpcheck.report import escape, outline, plain
from smtpcheck.report.page.labels import opening
from smtpcheck.report.terminal.lines import title

SUFFIX = ".md"

MAX_EVENTS = 200
"""Lines of one transcript; GitHub takes 65536 characters for an issue."""
MAX_TALKS = 8
_ARROWS = {Direction.OUT: "->", Direction.IN: "<-", Direction.NOTE: "=="}
# What GitHub or a chat would make of it: links, addresses, mentions, issue numbers, HTML, tables, formulas.
_RISKY = re.compile(r"[!-~]*(?:://|www\.|[@<>\[\]|#$&])[!-~]*", re.IGNORECASE)
_MARKS = re.compile(r"([\\*_~`])")
# What begins a list, a heading, a quotation or a rule (CommonMark 0.31, sections 4 and 5).
_BEGINS = re.compile(r"^(?=[-+=])|^(\d+)(?=[.)])")


def render(reports: Sequence[Report], *, lang: str) -> str:
    """One report, or an overview with a section for each. No stranger's word is markup: it stands in code."""
    words = Words(lang)
    if len(reports) == 1:
        return _joined(_report(reports[0], words, "##"))
    lines = ["# smtpcheck", "", *(_overview(report, words) for report in reports), ""]
    for report in reports:
        lines += [*_report(report, words, "##"), ""]
    return _joined(lines)


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


def _overview(report: Report, words: Words) -> str:
    mark = outline.SYMBOLS[outline.OF_VERDICT[report.verdict]]
    return f"- {mark} {code(plain.spec(report))} {prose(plain.sentence(report, words))}"


def _report(report: Report, words: Words, level: str) -> Iterator[str]:
    mark, ui, words = outline.SYMBOLS[outline.OF_VERDICT[report.verdict]], words.ui, words.about(report)
    yield f"{level} {mark} {prose(title(outline.headline(report, ui)))}"
    yield ""
    yield f"{code(plain.spec(report))}, {report.started:%Y-%m-%d %H:%M} UTC, {prose(outline.effort(report, ui))}"
    yield ""
    legs = outline.legs(report)
    way = " → ".join(f"{outline.short(leg.stage, ui)} {outline.SYMBOLS[leg.status]}" for leg in legs)
    if way:
        yield from (way, "")
    for place, told in enumerate(report.diagnoses):
        yield from _diagnosis(told, report, words, level, first=place == 0)
    for text in plain.notes(report, words):
        yield from (line(text), "")
    yield from _details(report, words)


# A diagnosis


def _diagnosis(recorded: Diagnosis, report: Report, words: Words, level: str, *, first: bool) -> Iterator[str]:
    told, ui = escape.diagnosis(recorded), words.ui
    yield f"{level}# {title(ui['head.cause' if first else 'head.also-broken'])}"
    yield ""
    sure = outline.brackets(ui[f"confidence.{told.confidence}"], ui)
    yield f"**{prose(opening(plain.one_line(words.summary(told))))}**{sure} {code(escape.visible(told.code, 80))}"
    yield ""
    if told.subject:
        yield from (f"{plain.label('where', words)}{code(told.subject)}", "")
    if why := plain.one_line(words.why(told)):
        yield from (line(why), "")
    yield from _part("evidence", _evidence(recorded, report, words), words)
    yield from _part("what-to-do", _steps(told, words), words)
    yield from _part("could-also-be", _alternatives(told, words), words)


def _part(name: str, lines: Iterable[str], words: Words) -> Iterator[str]:
    if found := list(lines):
        yield from (f"**{title(words.ui[f'head.{name}'])}**", "", *found, "")


def _evidence(recorded: Diagnosis, report: Report, words: Words) -> Iterator[str]:
    said = outline.testimony(recorded, report, words, plain.MAX_RAW)
    for one, (who, text) in zip(recorded.evidence, said, strict=True):
        stage = outline.brackets(words.ui[f"stage.{one.stage}"], words.ui)
        yield f"- {outline.colon(opening(who) + stage, words.ui)}{code(text) if one.raw else prose(text)}"


def _steps(told: Diagnosis, words: Words) -> Iterator[str]:
    for number, (_, text) in enumerate(words.steps(told), 1):
        yield f"{number}. {line(plain.one_line(text))}"
    if otherwise := plain.one_line(words.otherwise(told)):
        yield from ("", line(opening(otherwise)))


def _alternatives(told: Diagnosis, words: Words) -> Iterator[str]:
    for summary, decides in plain.alternatives(told, words):
        yield f"- {line(summary)}" + (f" {plain.label('decided-by', words)}{prose(decides)}" if decides else "")


# The details


def _contact(contact: Contact, words: Words) -> str:
    ui = words.ui
    name = outline.colon(ui.get(f"contact.{contact.who}", contact.who), ui)
    about = line(advice.reason(contact.reason, ui))
    where = code(contact.where) if contact.where else ""
    return f"- {line(name)}{where}{outline.brackets(about, ui) if where and about else about}"


def _details(report: Report, words: Words) -> Iterator[str]:
    ui = words.ui
    remarks = [f"- {line(outline.remark_text(one, words))} {code(one.finding.code)}" for one in outline.remarks(report)]
    yield from _fold(title(ui["head.findings"]), remarks)
    yield from _fold(title(ui["head.results"]), _results(report, words))
    for talk in report.conversations[:MAX_TALKS]:
        yield from _fold(title(ui["head.transcript"]), _talk(talk, words))
    yield from _fold(title(ui["head.contacts"]), [_contact(one, words) for one in report.contacts])
    facts = [f"- {code(f'{name}: {value}')}" for name, value in report.environment.items()]
    yield from _fold(title(ui["head.environment"]), facts)


def _fold(name: str, lines: Iterable[str]) -> Iterator[str]:
    # `name` is a word of ours; the empty lines end the HTML block (CommonMark 0.31 section 4.6)
    if found := list(lines):
        yield from (f"<details><summary>{name}</summary>", "", *found, "", "</details>", "")


def _results(report: Report, words: Words) -> Iterator[str]:
    ui = words.ui
    for case in plain.cases(report, words):
        about = f"{code(f'{case.name} {case.subject}')} {ui[f'status.{case.status}']}"
        yield f"- {outline.SYMBOLS[case.status]} {about}" + (
            outline.colon("", ui) + prose(case.reason) if case.reason else ""
        )
        yield from (f"  - {line(text)}" for text in case.texts)


def _talk(talk: Conversation, words: Words) -> Iterator[str]:
    events = talk.events[:MAX_EVENTS]
    lines = [f"{one.t:8.3f} {_ARROWS[one.dir]} {escape.said(one.raw, 1000)}" for one in events]
    fence = _fence("\n".join(lines), 3)
    yield from (code(str(talk.subject)), "", f"{fence}text", *lines, fence)
    if (left := len(talk.events) - MAX_EVENTS) > 0:
        yield from ("", words.ui["sentence.more"].format(count=left))


# Text that stays text


def code(text: str) -> str:
    """A code span that no text can leave (CommonMark 0.31 section 6.1)."""
    shown = escape.visible(text, 2000)
    fence = _fence(shown, 1)
    room = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) else ""
    return f"{fence}{room}{shown}{room}{fence}" if shown else ""


def _fence(text: str, least: int) -> str:
    return "`" * max([least, *(len(run) + 1 for run in re.findall("`+", text))])


def prose(text: str) -> str:
    """A sentence of ours with a stranger's values in it: what could be a link, or anything but text, becomes code."""
    parts = escape.visible(text, 4000).split("`")
    if len(parts) % 2 == 0:  # a backquote too many opens nothing
        parts[-2:] = [f"{parts[-2]}'{parts[-1]}"]
    shown = [code(part) if i % 2 else _plain(part) for i, part in enumerate(parts)]
    return "".join(shown)


def line(text: str) -> str:
    """The same where a line, or an item of a list, begins with it."""
    return _BEGINS.sub(lambda match: f"{match[1] or ''}\\", prose(text))


def _plain(text: str) -> str:
    shown, end = [], 0
    for match in _RISKY.finditer(text):
        tail = len(match[0]) - len(match[0].rstrip(".,;:)"))
        stop = match.end() - tail
        shown += [_MARKS.sub(r"\\\1", text[end : match.start()]), code(text[match.start() : stop])]
        end = stop
    return "".join([*shown, _MARKS.sub(r"\\\1", text[end:])])
