"""Does a notebook cell show the whole report, and nothing that a server could put into the page?"""

import html as stdlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from smtpcheck import advice
from smtpcheck.core import Status, Verdict
from smtpcheck.report import outline
from smtpcheck.report.notebook import fragment
from tests.report import samples
from tests.report.samples import ALL, HERE

every = pytest.mark.parametrize("name", ALL)
spoken = pytest.mark.parametrize("lang", advice.LANGUAGES)
# what is allowed to be in the fragment at all
TEXT = {"section", "p", "span", "strong", "bdi", "code", "br", "pre"}
DRAWN = {"svg", "title", "path", "circle", "rect", "line", "text"}
TAGS = TEXT | DRAWN | {"ol", "ul", "li", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"}
ATTRIBUTES = {"class", "lang", "style", "title", "role", "aria-label", "aria-hidden", "scope", "colspan"}
# of the pictures, as the browser's parser spells them
ATTRIBUTES |= {
    "width",
    "height",
    "viewbox",
    "x",
    "x1",
    "x2",
    "y",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "d",
    "fill",
    "opacity",
}
ATTRIBUTES |= {"stroke", "stroke-width", "stroke-linecap", "stroke-dasharray", "text-anchor", "font-size"}


class Page(HTMLParser):
    """The tags, the attributes and the text, and whether every tag is closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        raise AssertionError("a comment")

    handle_decl = handle_pi = handle_comment


def text_of(source: str) -> str:
    return "".join(Page(source).text)


@every
@spoken
def test_it_is_well_formed_and_of_few_tags(name, lang):
    page = Page(fragment.render(ALL[name], lang=lang))
    assert set(page.tags) <= TAGS
    assert {attribute for attribute, _ in page.attributes} <= ATTRIBUTES
    assert page.tags[0] == "section"
    assert page.tags.count("section") == 1


@every
def test_nothing_is_fetched_or_run(name):
    source = fragment.render(ALL[name])
    page = Page(source)
    styles = " ".join(value for attribute, value in page.attributes if attribute == "style")
    assert not re.search(r"url\(|@import|expression|javascript:", styles, re.IGNORECASE)
    assert "<script" not in source
    assert "<style" not in source


@every
def test_it_keeps_the_colours_of_the_reader(name):
    styles = [value for attribute, value in Page(fragment.render(ALL[name])).attributes if attribute == "style"]
    backgrounds = {match for style in styles for match in re.findall(r"background[^:]*:([^;]+)", style)}
    assert backgrounds == {"transparent"}
    assert "color:inherit" in styles[0]


@every
@spoken
def test_the_verdict_comes_first(name, lang):
    report = ALL[name]
    first = text_of(fragment.render(report, lang=lang)).strip().split("\n")[0]
    assert first.startswith(outline.SYMBOLS[outline.OF_VERDICT[report.verdict]])
    assert outline.headline(report, advice.ui(lang)) in first


def test_a_refused_login_reads_from_the_verdict_to_the_transcript():
    text = text_of(fragment.render(samples.refused()))
    said = "The server said: 535 5.7.8 Error: [bold]authentication[/bold] failed [x]"
    parts = ["broken", "login ✗", "Cause (certain): ", str(HERE), said, "What to do", "Not tested: ", "All results"]
    places = [text.index(part) for part in (*parts, "Transcript", "AUTH PLAIN <secret>")]
    assert places == sorted(places)
    assert "If that does not help: " in text


def test_the_same_in_chinese():
    source = fragment.render(samples.refused(), lang="zh-CN")
    text = text_of(source)
    places = [text.index(part) for part in ("有故障", "登录 ✗", "确定", "服务器说：535 5.7.8 Error", "怎么办")]
    assert places == sorted(places)
    assert '<section class="smtpcheck mathjax_ignore tex2jax_ignore" lang="zh-CN"' in source


@spoken
def test_all_steps_alternatives_and_second_faults_are_told(lang):
    report = samples.possible()
    words = advice.Words(lang, report)
    text = re.sub(r"\s+", " ", text_of(fragment.render(report, lang=lang)))
    first, second = report.diagnoses
    told = [text for diagnosis in report.diagnoses for _, text in words.steps(diagnosis)]
    told += [words.summary(replace(first, code=one.code)) for one in first.alternatives]
    told += [words.decided_by(first, one) for one in first.alternatives]
    told += [words.summary(second), words.why(first), words.why(second)]
    for piece in told:
        assert piece.replace("`", "") in text


def test_a_command_stands_in_code():
    source = fragment.render(samples.expired())
    assert re.search(r"<code [^>]*>certbot renew --cert-name smtp\.example\.test</code>", source)


def test_remarks_and_results_are_tables():
    source = fragment.render(samples.expired())
    text = text_of(source)
    # remarks, results, and as pictures the endpoints and the timeline
    assert Page(source).tags.count("table") == 4
    assert "greeting-delayed-tarpit" in text
    assert "(x3)" in text
    assert "not reached" in text


@every
def test_every_sign_has_its_words(name):
    report, ui = ALL[name], advice.ui("en")
    items = re.findall(r'<li title="([^"]*)"[^>]*>(.*?)</li>', fragment.render(report))
    expected = [(ui[f"status.{leg.status}"], outline.SYMBOLS[leg.status]) for leg in outline.legs(report)]
    assert [(title, re.sub("<.*?>", "", item)[-1]) for title, item in items] == expected


def test_an_unknown_verdict_says_why():
    assert "time was up before this was known" in text_of(fragment.render(ALL["unfinished"]))
    assert "this says nothing about the server" in text_of(fragment.render(ALL["bug"]))


# Strangers


@spoken
def test_a_hostile_server_puts_no_markup_into_the_page(lang):
    source = fragment.render(ALL["hostile"], lang=lang)
    assert "<script" not in source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert "[bold red]x[/]" in source
    assert set(Page(source).tags) <= TAGS


@spoken
def test_a_hostile_server_hides_and_turns_nothing(lang):
    source = fragment.render(ALL["hostile"], lang=lang)
    assert all(char.isprintable() or char in "\n\xa0" for char in stdlib.unescape(source))
    assert r"\x1b[2J" in source
    assert r"\u202eevil\u2066" in source


def test_advice_with_values_of_a_stranger_is_escaped():
    assert fragment._advice("see <b>x</b> & `a <i>`\n\x1b").startswith("see &lt;b&gt;x&lt;/b&gt; &amp; <code ")
    assert "a &lt;i&gt;</code><br>\\x1b" in fragment._advice("see `a <i>`\n\x1b")


def test_quotes_do_not_leave_an_attribute():
    evil = "\"' onmouseover=alert(1) x='"
    report = replace(samples.refused(evil.encode()), target=samples.target(spec=evil))
    page = Page(fragment.render(report))
    assert {attribute for attribute, _ in page.attributes} <= ATTRIBUTES
    assert evil in "".join(page.text)


def test_lines_and_transcripts_without_end_are_cut():
    report = replace(ALL["hostile"], conversations=(samples.talk(*[b"A" * 10_000] * 2000),))
    source = fragment.render(report)
    assert "A" * 3000 not in source
    assert source.count("...(+") >= fragment.MAX_EVENTS - 2
    assert "and 1502 more" in source


def test_signs_and_colours_are_there_for_every_status():
    assert set(outline.SYMBOLS) == set(fragment._COLORS) == set(Status)
    assert set(outline.OF_VERDICT) == set(Verdict)
