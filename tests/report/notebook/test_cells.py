"""Does one object look right in a notebook cell, and can a server put nothing into the page?"""

from __future__ import annotations

import html as stdlib
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from smtpcheck import advice, core
from smtpcheck.core import Blocked, Failure, Kind, Severity, Skipped, Stage, Status, Step, Subject
from smtpcheck.lab.pki import Authority
from smtpcheck.probes.chain import Chain, ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.report import outline
from smtpcheck.report.notebook import cells
from smtpcheck.report.page import markup
from smtpcheck.wire import x509
from smtpcheck.wire.certificate import chain_order, describe
from smtpcheck.wire.smtp import Reply
from tests.report import samples
from tests.report.samples import ALL, AT, HERE, NAME, finding, result, talk

TAGS = {"div", "span", "strong", "bdi", "code", "br", "pre", "table", "tr", "th", "td"}
ATTRIBUTES = {"class", "lang", "style", "title", "role", "aria-label", "aria-hidden", "scope"}
COLORS = {*cells._COLORS.values(), "inherit", "currentColor"}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHORITY = Authority(now=NOW)


class Page(HTMLParser):
    """The tags, the attributes and the text of a fragment whose tags are closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "br":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")


def chain_facts(kind: str = "good", at: datetime = NOW, name: str = NAME) -> ChainFacts:
    """What the chain probe would have observed, without a connection."""
    served = AUTHORITY.issue(kind, NAME)
    roots = x509.Roots.from_pem(AUTHORITY.root_pem, "lab")
    certificates = tuple(describe(der) for der in served.chain)
    return ChainFacts(
        name=name,
        at=at,
        roots=roots.fingerprint,
        roots_source=roots.source,
        chain=served.chain,
        certificates=certificates,
        order=chain_order(certificates),
        verdict=x509.verify(served.chain, name, roots, at),
    )


def fragments(name: str, lang: str) -> list[str]:
    """Everything that the cells can show of a sample."""
    report = ALL[name]
    return [
        cells.results(report.results, lang=lang),
        cells.findings(report.findings, lang=lang),
        *(cells.result(one, lang=lang) for one in report.results),
        *(cells.conversation(one, lang=lang) for one in report.conversations),
        *(cells.chain(chain_facts(kind), lang=lang) for kind in ("good", "expired", "not-yet-valid")),
        cells.result(result("chain", HERE, outcome=chain_facts("wrong-host")), lang=lang),
    ]


every = pytest.mark.parametrize("name", ALL)
spoken = pytest.mark.parametrize("lang", advice.LANGUAGES)


@every
@spoken
def test_a_fragment_is_well_formed_and_of_few_tags(name: str, lang: str) -> None:
    for source in fragments(name, lang):
        page = Page(source)
        assert set(page.tags) <= TAGS
        assert {attribute for attribute, _ in page.attributes} <= ATTRIBUTES
        assert source.startswith(f'<div class="smtpcheck mathjax_ignore tex2jax_ignore" lang="{lang}" ')
        assert source.endswith("</div>\n")


@every
def test_nothing_is_fetched_or_run_and_the_colours_are_the_readers_own(name: str) -> None:
    for source in fragments(name, "en"):
        styles = [value or "" for attribute, value in Page(source).attributes if attribute == "style"]
        assert not re.search(r"url\(|@import|expression|javascript:", " ".join(styles), re.IGNORECASE)
        declared = [part.partition(":") for style in styles for part in style.split(";")]
        assert {value for name, _, value in declared if name.startswith("background")} <= {"transparent"}
        assert {value for name, _, value in declared if name == "color"} <= COLORS
        assert {value.split()[-1] for name, _, value in declared if name.startswith("border-")} <= {*COLORS, "collapse"}
        assert "color:inherit;background:transparent" in styles[0]


def test_every_status_has_its_colour() -> None:
    assert set(cells._COLORS) == set(Status)


@spoken
def test_a_hostile_server_puts_no_markup_into_the_page_and_hides_nothing(lang: str) -> None:
    shown = fragments("hostile", lang)
    everything = "".join(shown)
    assert "<script" not in everything
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in everything
    assert r"\x1b[2J" in everything
    assert r"\u202eevil\u2066" in everything
    assert all(char.isprintable() or char in "\n\xa0" for char in stdlib.unescape(everything))
    assert max(map(len, shown)) < 60_000, "ten thousand letters in a row are cut wherever they stand"


def test_hostile_facts_keys_and_certificates_are_escaped() -> None:
    facts = replace(chain_facts(), name=samples.HOSTILE, roots_source=samples.HOSTILE)
    named = replace(facts.certificates[0], subject=samples.HOSTILE, issuer=samples.HOSTILE, san_dns=(samples.HOSTILE,))
    sources = [
        cells.chain(replace(facts, certificates=(named,))),
        cells.result(result("made-up", HERE, outcome=Odd(words={samples.HOSTILE: samples.HOSTILE}))),
        cells.result(result("made-up", HERE, outcome=Odd(raw=samples.HOSTILE.encode(), text="\"' onclick='x"))),
    ]
    for source in sources:
        page = Page(source)
        assert set(page.tags) <= TAGS
        assert {attribute for attribute, _ in page.attributes} <= ATTRIBUTES
        assert all(char.isprintable() or char in "\n\xa0" for char in stdlib.unescape(source))


# A result


@dataclass(frozen=True, slots=True)
class Odd:
    """Facts of every kind of value."""

    text: str = ""
    number: float | None = None
    none: None = None
    no: bool = False
    zero: int = 0
    kind: Kind = Kind.REFUSED
    at: datetime = AT
    raw: bytes = b""
    reply: Reply | None = None
    words: dict[str, str] = field(default_factory=dict)
    many: tuple[Any, ...] = ()


def row(source: str, name: str) -> str:
    """What stands beside the name of a fact; "" where the fact is not shown."""
    for line in re.findall(r"<tr.*?</tr>", source):
        said = [Page(cell).text for cell in re.findall(r"<td.*?</td>", line)]
        if said[0] == name:
            return said[1]
    return ""


def odd(name: str, /, **given: Any) -> str:
    return row(cells.result(result("made-up", HERE, outcome=Odd(**given))), name)


def test_facts_that_say_something_are_shown_by_their_python_names() -> None:
    assert odd("no") == "False"
    assert odd("zero") == "0"
    assert odd("kind") == "refused"
    assert odd("at") == "2026-02-03 04:05:06 UTC"
    assert [odd(name) for name in ("text", "none", "number", "raw", "reply", "words", "many")] == [""] * 7


@pytest.mark.parametrize(
    ("number", "shown"), [(420.00123, "420.001"), (0.000170372, "0.00017"), (-0.5, "-0.5"), (1e9, "1000000000.000")]
)
def test_seconds_are_shown_as_exactly_as_they_matter(number: float, shown: str) -> None:
    assert odd("number", number=number) == shown


def test_text_of_a_peer_is_shown_and_binary_is_counted() -> None:
    assert odd("raw", raw=b"220 a < b\r\n") == "220 a < b"
    assert odd("raw", raw="535 密码错误".encode()) == "535 密码错误"
    assert odd("raw", raw=AUTHORITY.root_der) == f"{len(AUTHORITY.root_der)} bytes"
    assert odd("reply", reply=Reply(250, (b"one", b"two"))) == "250 one / two"


def test_a_keyword_without_parameter_is_a_capability_too() -> None:
    assert odd("words", words={"SIZE": "100", "STARTTLS": ""}) == "SIZE 100, STARTTLS"


def test_lists_are_cut_and_depth_is_bounded() -> None:
    assert odd("many", many=tuple(range(100))).endswith(", 11, ...(+88)")
    deep: Any = "x"
    for _ in range(50):
        deep = (deep,)
    assert odd("many", many=deep) == "..."
    assert odd("many", many=(Odd(text="inside"),)).startswith("text inside, no False, zero 0")


def test_a_result_says_how_it_ended_and_what_was_found() -> None:
    wrong = finding("connect-refused", Stage.CONNECT, Severity.FAIL, HERE)
    source = cells.result(result("port", HERE, wrong))
    text = Page(source).text
    told = advice.Words("en").finding(wrong)
    places = [text.index(part) for part in ("✗ port", str(HERE), "broken, 0.012", told, "connect-refused", "something")]
    assert places == sorted(places)
    assert "border-left:3px solid #e5484d" in source


def test_the_same_in_chinese() -> None:
    wrong = finding("connect-refused", Stage.CONNECT, Severity.FAIL, HERE)
    text = Page(cells.result(result("port", HERE, wrong), lang="zh-CN")).text
    assert "故障" in text
    assert advice.Words("zh-CN").finding(wrong) in text


@pytest.mark.parametrize(
    ("outcome", "status", "why"),
    [
        (Failure(Kind.DEADLINE, Stage.TLS, "not-waited-for"), "could not tell", "TLS handshake: time was up"),
        (
            Blocked(Stage.CONNECT, Kind.REFUSED, "imap-said", {"words": "no"}),
            "not reached",
            "connection: the connection was refused (no)",
        ),
        (Skipped("imap-said", {"words": "no <password>"}), "not asked", "no <password>"),
    ],
)
def test_a_result_without_facts_says_why(outcome: Any, status: str, why: str) -> None:
    text = Page(cells.result(result("auth", HERE, outcome=outcome))).text
    assert status in text
    assert why in text


# Tables


def test_results_and_findings_have_one_row_each() -> None:
    report = samples.expired()
    source = cells.results(report.results)
    assert Page(source).tags.count("tr") == len(report.results)
    assert "not reached" in Page(source).text
    assert Page(cells.findings(report.findings)).tags.count("tr") == len(report.findings)


def test_a_table_of_nothing_and_one_without_end() -> None:
    assert Page(cells.results(())).text.strip() == ""
    one = finding("connect-refused", Stage.CONNECT, Severity.FAIL, HERE)
    source = cells.findings([one] * (cells.MAX_ROWS + 3))
    assert Page(source).tags.count("tr") == cells.MAX_ROWS
    assert "and 3 more" in source


# A transcript


def transcript(source: str) -> list[str]:
    inside = re.search("<pre.*?>(.*)</pre>", source, re.DOTALL)
    assert inside
    return Page(f"<pre>{inside[1]}</pre>").text.removesuffix("\n").split("\n")


def test_a_transcript_has_times_glyphs_and_stages() -> None:
    assert transcript(cells.conversation(talk(b"535 no\r\n"))) == [
        "         connection",
        "   0.000 == connected",
        "         login",
        "   0.125 -> AUTH PLAIN <secret>",
        "   0.250 <- 535 no",
    ]


def test_a_transcript_says_where_it_broke() -> None:
    steps = (Step(Stage.CONNECT, 0.0, 0.1), Step(Stage.AUTH, 0.1, 0.1, Kind.REJECTED))
    assert "✗ login: the server said no" in Page(cells.conversation(replace(talk(), steps=steps))).text
    assert "✗" not in Page(cells.conversation(talk())).text


def test_a_transcript_without_end_is_cut() -> None:
    source = cells.conversation(talk(*[b"A" * 10_000] * 2000))
    assert "A" * 2000 not in source
    assert "and 1502 more" in source


# A chain


def widths(source: str) -> list[list[float]]:
    """The lengths of the pieces of every bar, in em."""
    bars = re.findall(r'<span role="img".*?</span></span>', source)
    return [[float(width) for width in re.findall(r"width:([0-9.]+)em", bar)] for bar in bars]


def test_a_chain_is_a_table_of_its_certificates() -> None:
    facts = chain_facts()
    page = Page(cells.chain(facts))
    leaf, issuer = facts.certificates
    assert page.tags.count("tr") == 3
    for part in (leaf.subject, leaf.issuer, NAME, f"{leaf.not_before:%Y-%m-%d} / {leaf.not_after:%Y-%m-%d}"):
        assert part in page.text
    left = (issuer.not_after - NOW) / timedelta(days=1)
    assert f"({left:+.1f} d)" in page.text
    assert page.text.count("✓") == 2


def test_the_bar_shows_the_time_before_and_after_the_check() -> None:
    facts = chain_facts()
    leaf = facts.certificates[0]
    third = leaf.not_before + (leaf.not_after - leaf.not_before) / 3
    assert widths(cells.chain(replace(facts, at=third)))[0] == [4.0, 8.0]
    assert widths(cells.chain(replace(facts, at=leaf.not_after)))[0] == [12.0, 0.0]


@pytest.mark.parametrize("kind", ["expired", "not-yet-valid"])
def test_a_time_outside_is_a_red_bar_and_a_gap(kind: str) -> None:
    source = cells.chain(chain_facts(kind))
    first = re.findall(r'<span role="img".*?</span></span>', source)[0]
    line, gap = first.index("border-left:2px solid currentColor"), first.index("dotted")
    assert (line > gap) is (kind == "expired")
    assert "#e5484d" in first
    assert "#2a9d54" not in first
    assert sum(widths(source)[0]) == pytest.approx(12, abs=0.02)


def test_the_wrong_host_is_marked_at_the_leaf_alone() -> None:
    text = Page(cells.chain(chain_facts("wrong-host"))).text
    assert text.count("✗") == 1
    assert text.index("✗") < text.index("✓")


def test_a_chain_probes_result_shows_the_table_and_no_der() -> None:
    facts = chain_facts("expired")
    found = Chain().judged(HERE, facts)
    text = Page(cells.result(result("chain", HERE, *found, outcome=facts))).text
    assert "certificate-expired" in text
    assert "subjectAltName" in text
    assert "fingerprint" not in text
    assert r"\x" not in text


def test_many_names_and_many_certificates_are_cut() -> None:
    facts = chain_facts()
    leaf = replace(facts.certificates[0], san_dns=tuple(f"n{i}.example.test" for i in range(300)))
    text = Page(cells.chain(replace(facts, certificates=(leaf,) * 40, chain=(b"",) * 41))).text
    assert "n11.example.test" in text
    assert "n12.example.test" not in text
    assert "...(+288)" in text
    assert text.count("CN=" + NAME) == cells.MAX_ITEMS
    assert "...(+29)" in text


def test_signs_are_those_of_every_layout() -> None:
    page = Page(cells.results(samples.possible().results))
    assert set(page.text) & set(outline.SYMBOLS.values()) >= {"✓", "✗"}


# Pictures


def measured(offset: float) -> core.Result[ClockFacts]:
    facts = ClockFacts(server="ntp.test", offset=offset, uncertainty=0.01, stratum=2)
    return result("clock", Subject("ntp.test", "", 123), outcome=facts)


@pytest.mark.parametrize(("lang", "said"), [("en", "7 min ahead"), ("zh-CN", "快了 7 分钟")])
def test_a_clock_is_drawn_and_told(lang: str, said: str) -> None:
    for source in (cells.clock(measured(-420.0), lang=lang), cells.result(measured(-420.0), lang=lang)):
        assert said in Page(source).text
        assert "<svg" in source
    assert "<svg" not in cells.clock(result("port", HERE), lang=lang)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("lang", advice.LANGUAGES)
def test_the_pictures_of_any_report_are_harmless_and_in_one_language(name: str, lang: str) -> None:
    for draw in (cells.timeline, cells.endpoints):
        source = draw(ALL[name], lang=lang)
        page = Page(source)
        assert page.text.strip()
        assert set(page.tags) <= TAGS | {tag.lower() for tag in markup.TAGS} - {"a", "input", "style", "meta"}
        assert ("class", "l") not in page.attributes
        assert "<script" not in source


def test_a_picture_needs_no_style_sheet() -> None:
    """Every colour has a tone to fall back to, or is the reader's own."""
    source = cells.timeline(ALL["expired"]) + cells.endpoints(ALL["expired"]) + cells.clock(measured(-420.0))
    colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', source))
    assert colours
    assert all(re.fullmatch(r"none|currentColor|var\(--[a-z]+, #[0-9a-f]{3,6}\)", colour) for colour in colours)
