"""How does a notebook explain one diagnosis and ask again? Words, the report itself, and cells that run the probes.

Nothing of a stranger stands in code but inside one string literal of ASCII characters, the saved report. In the cells
of words every character that Markdown, HTML or the formulas of notebooks could take for their own is an entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import nbformat

from smtpcheck.advice import Words
from smtpcheck.core import Contact, Diagnosis, Report, Stage
from smtpcheck.probes import classes, probes
from smtpcheck.report import escape, outline
from smtpcheck.report.saved import json

# It is only half annotated, which a strict check takes for untyped.
_nbformat: Any = nbformat

MAX_DIAGNOSES = 8
MAX_CONTACTS = 20
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# No line of a page is narrower than this in letters of the smallest kind.
_WIDE = re.compile(r"(\S{60})(?=\S)")
# What begins emphasis, code, links, HTML, headings, tables, entities, formulas; then what makes a link of plain text.
_MEANT = re.compile(r"[\\`*_{}\[\]<>#+!|~&$@^=]|:(?=/)|(?<=[wW])\.")


def render(reports: Sequence[Report], *, lang: str = "en") -> str:
    """The notebook as the text of its file, without outputs; the same report gives the same text."""
    words = Words(lang)
    book = _Book()
    _opened(book, reports, words)
    for number, report in enumerate(reports, 1):
        book.suffix = f"-{number}" if len(reports) > 1 else ""
        _explained(book, report, words.about(report))
        _asked_again(book, report, words)
    made = _nbformat.v4.new_notebook(metadata=_METADATA, cells=book.cells)
    return f"{_nbformat.writes(made)}\n"


@dataclass(slots=True)
class _Book:
    cells: list[Any] = field(default_factory=list)
    suffix: str = ""

    def say(self, name: str, *paragraphs: str) -> None:
        """A cell of words; an empty paragraph is left away."""
        text = "\n\n".join(filter(None, paragraphs))
        self.cells.append(_nbformat.v4.new_markdown_cell(text, id=name + self.suffix))

    def run(self, name: str, code: str, **metadata: Any) -> None:
        """A cell of code."""
        self.cells.append(_nbformat.v4.new_code_cell(code, id=name + self.suffix, metadata=metadata))


# Words that stay words


def _text(text: str, limit: int = 2000) -> str:
    """One line of text that nothing in a notebook takes for markup; long words may be broken."""
    pieces = _WIDE.sub(r"\1\n", escape.visible(text, limit).strip()).split("\n")
    return "<wbr>".join(_MEANT.sub(_entity, piece) for piece in pieces)


def _entity(match: re.Match[str]) -> str:
    """As an entity; a dollar sign and a backslash stand alone too, for formulas are looked for in the page as shown."""
    shown = f"&#{ord(match[0])};"
    return f"<span>{shown}</span>" if match[0] in "$\\" else shown


def _prose(text: str) -> str:
    """A text of the catalogue; what stands between backquotes is a command."""
    parts = "\n".join(escape.paragraphs(text)).split("`")
    shown = ("<br>".join(map(_text_within, part.split("\n"))) for part in parts)
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(shown))


def _text_within(text: str) -> str:
    """As `_text`, with the blanks at its ends, which part it from a command."""
    return f"{' ' * text.startswith(' ')}{_text(text)}{' ' * text.endswith(' ')}" if text.strip() else text[:1]


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]


def _label(name: str, words: Words) -> str:
    return _text(outline.colon(_title(words.ui[name]), words.ui)) + " "


def _list(items: Iterable[str], *, numbered: bool = False) -> str:
    """Items begin with a word of ours or a tag, so that none of them begins a list or a heading of its own."""
    return "\n".join(f"{f'{i}.' if numbered else '-'} <span>{item}</span>" for i, item in enumerate(items, 1))


# The explaining part


def _opened(book: _Book, reports: Sequence[Report], words: Words) -> None:
    if len(reports) > 1:
        rows = [_about(report, words) for report in reports]
        book.say("overview", f"# {words.ui['book.overview'].format(count=len(reports))}", _list(rows))
    else:
        book.say("title", *_heading(reports[0], words))
    book.say("about", _prose(words.ui["book.about"]))
    code = "import smtpcheck\nfrom smtpcheck import notebook"
    if words.lang != "en":
        code += f'\n\nnotebook.show(lang="{words.lang}")'
    book.run("imports", code)


def _about(report: Report, words: Words) -> str:
    """The verdict and the target on one line."""
    verdict = _text(outline.colon(outline.headline(report, words.ui), words.ui))
    return f"{outline.SYMBOLS[outline.OF_VERDICT[report.verdict]]} {verdict} {_text(report.target.spec, 120)}"


def _heading(report: Report, words: Words, level: str = "#") -> Iterator[str]:
    yield f"{level} {_about(report, words)}"
    yield " &nbsp; ".join(
        f"{_text(outline.short(leg.stage, words.ui))} {outline.SYMBOLS[leg.status]}" for leg in outline.legs(report)
    )
    for text in (*outline.shortfalls(report, words.ui), *outline.unknown(report, words.ui)):
        yield f"<span>{_text(text)}</span>"
    yield from (_cause(told, words, first=i == 0) for i, told in enumerate(report.diagnoses[:MAX_DIAGNOSES]))
    yield f"{_label('book.when', words)}{report.started:%Y-%m-%d %H:%M:%S} UTC"


def _cause(recorded: Diagnosis, words: Words, *, first: bool) -> str:
    told = escape.diagnosis(recorded)
    name = words.ui["head.cause" if first else "head.also-broken"]
    sure = outline.brackets(words.ui[f"confidence.{told.confidence}"], words.ui)
    text = f"<strong>{_text(outline.colon(_title(name + sure), words.ui))}</strong> {_text(words.summary(told))}"
    if told.subject:
        text += f"<br>{_label('head.where', words)}{_text(told.subject, 200)}"
    why = words.why(told)
    return f"{text}\n\n<span>{_prose(why)}</span>" if why else text


def _explained(book: _Book, report: Report, words: Words) -> None:
    if book.suffix:
        book.say("title", *_heading(report, words, "##"))
    if (told := report.diagnosis) is not None:
        book.say("evidence", f"### {_text(_title(words.ui['head.evidence']))}", _evidence(told, report, words))
        book.say("steps", f"### {_text(_title(words.ui['head.what-to-do']))}", *_steps(told, words))
        if told.alternatives:
            rows = _alternatives(escape.diagnosis(told), words)
            book.say("alternatives", f"### {_text(_title(words.ui['head.could-also-be']))}", _list(rows))
    book.say("saved", f"### {words.ui['book.saved']}", _prose(words.ui["book.saved-about"]))
    book.run("load", _literal(report, words), jupyter={"source_hidden": True}, tags=["report"])
    book.run("report", "report")
    if report.conversations:
        book.say("said", words.ui["book.said"])
        book.run("transcript", "report.conversations")
    book.say("learnt", words.ui["book.learnt"])
    book.run("results", "notebook.table(report.results)")


def _evidence(told: Diagnosis, report: Report, words: Words) -> str:
    rows = outline.testimony(told, report, words, 400)
    return _list(f"{_text(outline.colon(who, words.ui))} <code>{_text(said)}</code>" for who, said in rows)


def _steps(recorded: Diagnosis, words: Words) -> Iterator[str]:
    told = escape.diagnosis(recorded)
    yield _list((_prose(text) for _, text in words.steps(told)), numbered=True)
    if otherwise := words.otherwise(told):
        yield f"<span>{_prose(_title(otherwise))}</span>"


def _alternatives(told: Diagnosis, words: Words) -> Iterator[str]:
    for one in told.alternatives:
        sure = outline.brackets(words.ui[f"confidence.{one.confidence}"], words.ui)
        text = _text(words.summary(replace(told, code=one.code)) + sure)
        if decides := words.decided_by(told, one):
            text += f"<br>{_label('head.decided-by', words)}{_prose(decides)}"
        yield text


def _literal(report: Report, words: Words) -> str:
    """The report as JSON in one literal, line by line; `ascii` leaves no character that could end it early."""
    text = json.render(report, words=words, catalog=json.catalog(classes()))
    lines = text.splitlines(keepends=True)
    return "\n".join(["report = smtpcheck.loads(", *(f"    {line!a}" for line in lines), ")"])


# The asking part


def _asked_again(book: _Book, report: Report, words: Words) -> None:
    contacts = [_contact(one, words) for one in report.contacts[:MAX_CONTACTS]]
    about = [_prose(words.ui["book.again-about"]), _list(contacts)]
    if report.target.secret:
        about.append(_prose(words.ui["book.again-login"]))
    if report.target.allow:
        allowed = escape.visible(", ".join(report.target.allow))
        about.append(_prose(words.ui["book.again-allow"].format(allow=allowed)))
    if report.target.send:
        about.append(_prose(words.ui["book.again-send"]))
    book.say("again-about", f"### {words.ui['book.again']}", *about)
    book.run("aim", "target, password = notebook.aim(report)")
    book.run("again", "again = smtpcheck.check(target, password=password)\nagain")
    book.say("compare-about", words.ui["book.compare"])
    book.run("compare", "[(str(each.verdict), each.diagnosis and each.diagnosis.code) for each in (report, again)]")
    book.say("stages-about", f"### {words.ui['book.stages']}", _prose(words.ui["book.stages-about"]))
    for stage, names in _stages(report).items():
        book.say(f"about-{stage}", f"#### {_text(_title(words.ui[f'stage.{stage}']))}")
        for name in names:
            _probe_cell(book, name)


def _contact(contact: Contact, words: Words) -> str:
    known = words.ui.get(f"contact.{contact.who}", contact.who)
    return f"{_text(outline.colon(known, words.ui))} {_text(outline.contact(contact, words.ui, 200))}"


def _stages(report: Report) -> dict[Stage, list[str]]:
    """Stage -> the probes that asked about it then; what waited for the broken stage is left away."""
    asked = {result.probe for result in report.results if result.facts is not None}
    found: dict[Stage, list[str]] = {}
    for probe in probes():
        if probe.name in asked:
            first = probe.rules[0].stage
            # to a person STARTTLS is a step of TLS, as on the path of every report
            found.setdefault(Stage.TLS if first is Stage.STARTTLS else first, []).append(probe.name)
    return found


def _probe_cell(book: _Book, name: str) -> None:
    """Asks anew, but for what costs a login or a message: that is shown as the check above learnt it."""
    intrusive = {probe.name for probe in probes() if probe.intrusive}
    if name in intrusive:
        code = f'tuple(result for result in again.results if result.probe == "{name}")'
    else:
        code = f'smtpcheck.probe("{name}", target, password=password)'
    book.run(f"probe-{name}", code)
