"""Does the notebook of a report explain it, hold it whole, and let nothing of a stranger become markup or code?"""

from __future__ import annotations

import ast
import dataclasses
import re
from html.parser import HTMLParser

import nbformat
import pytest
from markdown_it import MarkdownIt
from nbformat import NotebookNode

from smtpcheck import advice
from smtpcheck.core import Report, Stage
from smtpcheck.probes import classes, probes
from smtpcheck.report import escape
from smtpcheck.report.notebook import document
from smtpcheck.report.saved import json
from tests.report import samples
from tests.report.samples import ALL

every = pytest.mark.parametrize("name", ALL)
spoken = pytest.mark.parametrize("lang", advice.LANGUAGES)
TAGS = {"h1", "h2", "h3", "h4", "p", "ul", "ol", "li", "span", "strong", "code", "br", "wbr"}


def written(*reports: Report, lang: str = "en") -> NotebookNode:
    made = nbformat.reads(document.render(reports, lang=lang), as_version=4)
    nbformat.validate(made)
    return made


def words(made: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")


def code(made: NotebookNode) -> dict[str, str]:
    return {cell.id: cell.source for cell in made.cells if cell.cell_type == "code"}


class Page(HTMLParser):
    """What a reader of Markdown gets to see."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        # as Jupyter reads it: CommonMark with HTML, tables and strikethrough
        self.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(source))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@every
@spoken
def test_every_report_gives_a_valid_notebook_without_outputs(name: str, lang: str) -> None:
    made = written(ALL[name], lang=lang)
    assert document.render([ALL[name]], lang=lang) == document.render([ALL[name]], lang=lang)
    assert len({cell.id for cell in made.cells}) == len(made.cells)
    assert not [cell for cell in made.cells if cell.get("outputs")]
    for source in code(made).values():
        ast.parse(source)


@spoken
def test_the_words_are_there_before_anything_is_run(lang: str) -> None:
    told, said = samples.possible(), Page(words(written(samples.possible(), lang=lang))).text
    known, diagnosis = advice.Words(lang, told), escape.diagnosis(told.diagnoses[0])
    assert known.summary(diagnosis) in said
    assert "535 5.7.8 Error: [bold]authentication[/bold] failed [x]" in said
    for _, step in known.steps(diagnosis):
        assert step.replace("`", "") in said
    for one in diagnosis.alternatives:
        assert known.decided_by(diagnosis, one).replace("`", "") in said
    assert known.summary(escape.diagnosis(told.diagnoses[1])) in said
    assert known.ui["book.again"] in said


def test_the_whole_report_is_in_it_as_one_string() -> None:
    (call,) = ast.parse(code(written(samples.hostile()))["load"]).body
    assert isinstance(call, ast.Assign)
    assert isinstance(call.value, ast.Call)
    (argument,) = call.value.args
    text = json.render(samples.hostile(), words=advice.Words("en"), catalog=json.catalog(classes()))
    assert ast.literal_eval(argument) == text


def test_what_a_stranger_said_is_in_no_other_code() -> None:
    tame, wild = code(written(samples.refused())), code(written(samples.hostile()))
    del wild["load"]
    assert set(wild.items()) <= set(tame.items())


@every
@spoken
def test_markup_is_ours_alone(name: str, lang: str) -> None:
    page = Page(words(written(ALL[name], lang=lang)))
    assert page.tags <= TAGS
    assert not page.attributes


NASTY = (
    "<img src=x onerror=alert(1)>",
    "</code></span><h1>own</h1><!--",
    "[x](javascript:alert(1)) ![x](https://evil.example/x.png) [x]: https://evil.example",
    "https://evil.example/ www.evil.example WWW.evil.example me@evil.example <https://evil.example>",
    "&lt;script&gt; &#60;script&#62; &colon;",
    r"$$\href{javascript:alert(1)}{x}$$ $x$ \\(x\\) \\[x\\] \begin{x} \$x\$ @@0@@",
    "# title",
    "1. one",
    "- one",
    "    code ```x``` ~~~ `x` **x** __x__ *x* ~~x~~",
    "| a | b |",
    "=== ---",
    '"""\nimport os\n"""',
)


@pytest.mark.parametrize("nasty", NASTY)
def test_text_of_a_stranger_is_shown_as_it_is(nasty: str) -> None:
    report = samples.refused(f"535 {nasty}".encode())
    report = dataclasses.replace(report, target=dataclasses.replace(report.target, spec=nasty))
    source = words(written(report))
    page = Page(source)
    wanted = escape.visible(nasty).strip()
    assert page.text.count(wanted) >= 2  # the title and the evidence; in the cause a backquote is spelt out already
    assert page.tags <= TAGS
    assert not page.attributes
    # formulas are looked for in the page as well, in text that no tag but br and wbr divides
    assert not re.search(r"(?<!<span>)&#(36|92);|&#(36|92);(?!</span>)", source)
    # what turns into formulas or links before or after Markdown is read
    assert not re.search(r"[$\\]|@@|https?:/|www\.|@", source, re.IGNORECASE)


def test_long_words_may_be_broken() -> None:
    source = words(written(samples.hostile()))
    assert max(len(word) for word in re.split(r"\s|<wbr>", re.sub(r"&#\d+;", "x", source))) < 100


def test_nothing_that_logs_in_or_sends_is_asked_again_stage_by_stage() -> None:
    intrusive = [probe.name for probe in probes() if probe.intrusive]
    report = samples.report(tuple(samples.result(name, samples.HERE) for name in ("port", *intrusive)))
    cells = code(written(report))
    assert cells["probe-port"] == 'smtpcheck.probe("port", target, password=password)'
    for name in intrusive:
        assert cells[f"probe-{name}"] == f'tuple(result for result in again.results if result.probe == "{name}")'


def test_what_is_not_taken_over_is_said() -> None:
    risky = samples.target(allow=("plaintext-auth",), send=True, until=Stage.DELIVERY)
    said = Page(words(written(dataclasses.replace(samples.refused(), target=risky)))).text
    assert "plaintext-auth" in said
    assert "send=True" in said
    plain = Page(words(written(samples.refused()))).text
    assert "send=True" not in plain
    assert "SMTPCHECK_PASSWORD" in plain


def test_several_reports_have_an_overview_and_cells_of_their_own() -> None:
    made = written(samples.refused(), samples.healthy())
    ids = [cell.id for cell in made.cells]
    assert ids[0] == "overview"
    assert {"load-1", "load-2", "title-1", "title-2", "evidence-1"} <= set(ids)
    assert "evidence-2" not in ids
    assert "2 diagnoses" in made.cells[0].source
    assert ids.count("imports") == 1
