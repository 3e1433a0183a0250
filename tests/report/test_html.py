"""Does the page tell the whole report in order, and can nothing that a server says become markup?"""

import ast
import html as stdlib
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck import advice, core
from smtpcheck.core import Kind, Mode, Stage, Status, Verdict
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.report import details, html, labels, markup, path, picture
from tests.checking import check_fault
from tests.report import samples
from tests.report.samples import ALL, AT, HERE
from tests.report.strangers import everywhere

every = pytest.mark.parametrize("name", ALL)
spoken = pytest.mark.parametrize("lang", advice.LANGUAGES)
REPORT = Path(html.__file__).parent
# the modules that a page is made of
MADE_OF = ("html.py", "details.py", "picture.py", "labels.py", "markup.py")
EVIL = "<script>alert(1)</script>\"'`><img src=x onerror=alert(1)></style></title><!--\x00\x1b[2J\u202e\u2066\ufeff中文"
REAL = ("healthy", "cert-chain-incomplete", "cert-expired", "auth-refused", "clock-ahead", "host-typo", "mx-healthy")


class Page(HTMLParser):
    """The tags, the attributes and the text, and whether every tag is closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.headings: list[tuple[str, str]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("br", "meta"):
            self._open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((tag, ""))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.text.append(data)
        if self._open and self.headings and self._open[-1] == self.headings[-1][0]:
            self.headings[-1] = (self._open[-1], self.headings[-1][1] + data)

    def handle_comment(self, data):
        raise AssertionError("a comment")

    def handle_pi(self, data):
        raise AssertionError("a processing instruction")


def text_of(source: str) -> str:
    return " ".join("".join(Page(source).text).split())


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


# What it tells


@every
@spoken
def test_it_is_one_well_formed_page(name, lang):
    source = html.render(ALL[name], lang=lang)
    page = Page(source)
    assert source.startswith("<!doctype html>\n<html lang=")
    assert [page.tags.count(tag) for tag in ("html", "head", "body", "main", "h1")] == [1, 1, 1, 1, 1]
    assert ("lang", lang) in page.attributes
    assert set(page.tags) <= markup.TAGS


@every
@spoken
def test_headings_are_in_order(name, lang):
    levels = [int(tag[1]) for tag, _ in Page(html.render(ALL[name], lang=lang)).headings]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


@every
@spoken
def test_the_verdict_comes_first_in_words_with_a_sign(name, lang):
    report, ui = ALL[name], advice.ui(lang)
    head = html.render(report, lang=lang).partition("<main")[2].partition("</header>")[0]
    text = text_of(f"<p{head.partition('>')[0]}>{head.partition('>')[2]}</header></p>")
    said = path.headline(report, ui)
    assert said[:1].upper() + said[1:] in text
    assert f'aria-label="{ui[f"verdict.{report.verdict}"]}"' in head
    assert f"icon s-{path.OF_VERDICT[report.verdict]}" in head
    assert "2026-02-03 04:05:06 UTC" in text


def test_a_refused_login_reads_from_the_verdict_to_the_transcript():
    text = text_of(html.render(samples.refused()))
    parts = [
        "Broken: login",
        "me@example.test",
        "The way of the mail",
        "DNS",
        "Login",
        "broken",
        "Not tested: ",
        "Cause",
    ]
    parts += ["certain", str(HERE), "Evidence", "The server said", "535 5.7.8 Error: [bold]", "What to do"]
    parts += [
        "If that does not help",
        "All details",
        "All results",
        "Transcript",
        "AUTH PLAIN <secret>",
        "DNS resolver",
    ]
    places, at = [], 0
    for part in parts:
        at = text.index(part, at)
        places.append(at)
    assert places == sorted(places)


def test_the_same_in_chinese():
    text = text_of(html.render(samples.refused(), lang="zh-CN"))
    at = 0
    for part in (
        "有故障：登录",
        "邮件走过的路",
        "登录",
        "故障",
        "原因",
        "确定",
        "服务器说",
        "535 5.7.8",
        "怎么办",
        "全部细节",
    ):
        at = text.index(part, at)


@spoken
def test_all_steps_alternatives_and_second_faults_are_told(lang):
    report, words = samples.ambiguous(), advice.Words(lang)
    text = text_of(html.render(report, lang=lang))
    first, second = report.diagnoses
    told = [step for diagnosis in report.diagnoses for _, step in words.steps(diagnosis)]
    told += [words.summary(replace(first, code=one.code))[1:] for one in first.alternatives]
    told += [words.decided_by(first, one) for one in first.alternatives]
    told += [words.summary(second)[1:], words.why(first), words.why(second), words.otherwise(first)[1:]]
    for piece in told:
        assert plain(piece) in text


def test_an_unknown_verdict_says_why():
    assert "time was up before this was known" in text_of(html.render(ALL["unfinished"]))
    assert "this says nothing about the server" in text_of(html.render(ALL["bug"]))
    assert "no password was given" in text_of(html.render(ALL["no-password"])).lower()


def test_a_name_keeps_its_spelling_at_the_start_of_a_sentence():
    assert labels.opening("smtp.example.test does not exist") == "smtp.example.test does not exist"
    assert labels.opening("smtpcheck saw") == "smtpcheck saw"
    assert labels.opening("the server said") == "The server said"
    assert labels.opening("服务器说") == "服务器说"


# The way


def stops(report: core.Report) -> list[tuple[Stage, Status]]:
    return [(leg.stage, leg.status) for leg in picture.stations(report)]


@pytest.mark.parametrize("mode", [Mode.STARTTLS, Mode.IMPLICIT, Mode.PLAIN])
def test_the_way_is_the_one_walked_in_that_mode_to_the_mailbox(mode):
    here = replace(HERE, mode=mode)
    stages = [stage for stage, _ in stops(samples.report(samples.walk(here)))]
    assert stages == [*core.PATHS[mode], Stage.CLOCK]


def test_broken_blocked_and_not_asked_differ_in_shape_and_in_words():
    source = html.render(samples.expired()).partition('<ol class="way">')[2].partition("</ol>")[0]
    rows = dict(
        zip(
            ["dns", *["connect", "greeting", "ehlo", "starttls", "tls", "certificate", "auth", "mail"]],
            source.split("</li>"),
            strict=False,
        )
    )
    for stage, status, word in (
        ("tls", "ok", "ok"),
        ("certificate", "fail", "broken"),
        ("auth", "blocked", "not reached"),
        ("mail", "skipped", "not asked"),
    ):
        assert f'class="s-{status}"' in rows[stage]
        assert word in text_of(rows[stage] + "</li>")
    shapes = {
        re.sub(' class="[^"]*"', "", picture.icon(status).source) for status in Status if status is not Status.NOTE
    }
    assert len(shapes) == len(Status) - 1


@every
@spoken
def test_every_stop_has_its_words(name, lang):
    report, ui = ALL[name], advice.ui(lang)
    source = html.render(report, lang=lang).partition('<ol class="way">')[2].partition("</ol>")[0]
    shown = [text_of(row + "</li>") for row in source.split("</li>")[:-1]]
    expected = [(path.short(leg.stage, ui), ui[f"status.{leg.status}"]) for leg in picture.stations(report)]
    assert len(shown) == len(expected)
    for text, (stage, status) in zip(shown, expected, strict=True):
        assert text.lower().startswith(f"{stage}{status}".lower())


# The details


def timed() -> core.Report:
    steps = (
        core.Step(Stage.CONNECT, 0.0, 0.125),
        core.Step(Stage.GREETING, 0.125, 0.25),
        core.Step(Stage.AUTH, 0.5, 0.5, Kind.REJECTED),
    )
    talk = replace(samples.talk(), steps=steps, started=AT + timedelta(seconds=1))
    return replace(samples.refused(), conversations=(talk,), elapsed=2.0)


def test_the_timeline_has_a_bar_where_and_as_long_as_a_stage_took():
    report = timed()
    (_, aside), (name, rows) = picture.bars(report, advice.Words("en"))
    assert name == str(HERE)
    assert {bar.name for bar in aside} == {"address", "submission", "clock"}
    assert [(bar.name, bar.start, bar.length, bar.status) for bar in rows] == [
        ("Connect", 1.0, 0.125, Status.OK),
        ("Greeting", 1.125, 0.25, Status.OK),
        ("Login", 1.5, 0.5, Status.FAIL),
    ]
    source = picture.timeline(report, advice.Words("en")).source
    assert '<rect class="bar" x="75.00%" y="4" width="25.00%"' in source
    assert 'aria-label="1.50 s - 2.00 s"' in source
    assert "the server said no" in source
    text = text_of(source)
    assert "125 ms" in text
    assert "500 ms" in text


def test_a_bad_certificate_is_a_bad_bar_though_the_walk_went_on():
    talk = replace(samples.talk(), steps=(core.Step(Stage.TLS, 0.0, 0.1), core.Step(Stage.CERTIFICATE, 0.1, 0.1)))
    (_, (_, rows)) = picture.bars(samples.expired(conversations=(talk,)), advice.Words("en"))
    assert [bar.status for bar in rows] == [Status.OK, Status.FAIL]


def test_a_timeline_shows_lines_as_dots_within_their_stage():
    event = core.Event(0.13, core.Direction.IN, Stage.GREETING, b"220 hello")
    report = timed()
    talk = replace(report.conversations[0], events=(event, replace(event, t=0.9)))
    (_, (_, rows)) = picture.bars(replace(report, conversations=(talk,)), advice.Words("en"))
    assert [bar.ticks for bar in rows] == [(), (1.13,), ()]


@pytest.mark.parametrize(
    ("offset", "said", "status"),
    [(-420.0, "420", "fail"), (420.0, "7 min behind", "fail"), (-30.0, "30.00 s ahead", "ok"), (0.001, "agrees", "ok")],
)
def test_the_clock_is_shown_against_what_is_tolerated(offset, said, status):
    said = {"420": "7 min ahead"}.get(said, said)
    facts = ClockFacts(server="ntp.test", offset=offset, uncertainty=0.01, stratum=2)
    clock = samples.result("clock", core.Subject("ntp.test", "", 123), outcome=facts)
    source = details.clock(samples.report((clock,)), advice.Words("en")).source
    assert said in text_of(source)
    assert f"offset s-{status}" in source
    mark = float(re.search(r'class="mark" cx="([0-9.]+)%"', source)[1])
    start, width = map(float, re.search(r'class="band" x="([0-9.]+)%" y="6" width="([0-9.]+)%"', source).groups())
    assert start + width / 2 == pytest.approx(50, abs=0.02)
    assert (start <= mark <= start + width) is (status == "ok")
    assert (mark > 50.001) is (offset < -1)
    assert (mark < 49.999) is (offset > 1)


async def test_a_missing_intermediate_is_drawn_as_missing():
    source = html.render(await check_fault("cert-chain-incomplete"))
    chain = source.partition('<ol class="chain">')[2].partition("</ol>")[0]
    assert chain.count("</li>") == 2
    assert 'class="absent s-fail"' in chain
    assert "lab intermediate" in chain.partition("absent")[2]
    assert "<details open><summary><h3>Certificate chain" in source
    assert "days left" in text_of(source)


async def test_an_expired_certificate_says_since_when():
    report = await check_fault("cert-expired")
    source = html.render(report)
    assert re.search(r"expired \d+ days ago", text_of(source))
    assert 'class="span s-fail"' in source


@pytest.mark.parametrize("fault", REAL)
async def test_reports_of_real_conversations(fault):
    report = await check_fault(fault)
    for lang in advice.LANGUAGES:
        source = html.render(report, lang=lang)
        text = text_of(source)
        for talk in report.conversations:
            for event in talk.events:
                assert plain(event.raw.decode()) in text
        for result in report.results:
            assert str(result.subject) in text
        assert [table for table in re.findall(r"<table.*?</table>", source) if "timeline" in table]
        assert len(source) < 150_000


def test_facts_of_any_probe_are_shown_by_their_fields():
    text = text_of(html.render(replace(ALL["healthy"], results=(samples.result("anything", HERE),))))
    assert "text something" in re.sub(r"(?<=text)(?=something)", " ", text)


@pytest.mark.parametrize("lang", advice.LANGUAGES)
def test_the_labels_are_the_same_ones_in_every_language(lang):
    shown, english = labels.labels(lang), labels.labels("en")
    assert shown.keys() == english.keys()
    for key, text in english.items():
        assert set(re.findall(r"{\w+}", shown[key])) == set(re.findall(r"{\w+}", text))
    used = "".join((REPORT / name).read_text() for name in MADE_OF)
    assert not [key for key in english if f'"{key}"' not in used]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 ms"), (0.00042, "0.42 ms"), (0.0042, "4.2 ms"), (0.042, "42 ms"), (0.9999, "1.00 s"), (12.5, "12.50 s")],
)
def test_times_have_units(seconds, text):
    assert labels.duration(seconds) == text


# Strangers


@every
@pytest.mark.parametrize("kept", [frozenset({"probe", "code"}), frozenset()])
def test_a_stranger_s_words_change_no_tag_and_no_attribute(name, kept):
    """The same markup as with harmless words: whatever is added, it arrives as text."""
    meek, evil = (html.render(everywhere(ALL[name], words, kept)) for words in ("x", EVIL))
    pages = [Page(meek), Page(evil)]
    assert {name for name, _ in pages[1].attributes} <= {name.lower() for name in markup.ATTRIBUTES}
    assert set(pages[1].tags) <= {tag.lower() for tag in markup.TAGS}
    assert "<script" not in evil
    if name != "hostile":  # its texts are cut, at other places
        assert pages[0].tags == pages[1].tags
    assert [key for key, _ in pages[0].attributes] == [key for key, _ in pages[1].attributes]


@given(st.text(max_size=60))
def test_any_text_stays_text(words):
    source = markup.tag("p", words, class_=words).source
    page = Page(source)
    assert page.tags == ["p"]
    assert [key for key, _ in page.attributes] == ["class"]
    shown = markup.safe.visible(words, 1000)
    assert "".join(page.text) == shown
    assert page.attributes[0][1] == shown
    assert all(char.isprintable() or char == "\u3000" for char in stdlib.unescape(source))


@every
@spoken
def test_nothing_hides_turns_or_moves_the_text(name, lang):
    body = html.render(everywhere(ALL[name], EVIL), lang=lang).partition("</style>")[2]
    assert all(char.isprintable() or char == "\u3000" for char in stdlib.unescape(body).replace("\n", ""))


def test_a_line_without_end_is_cut():
    report = replace(ALL["hostile"], conversations=(samples.talk(*[b"A" * 10_000] * 2000),))
    source = html.render(report)
    assert "A" * 2000 not in source
    assert source.partition('<ol class="talk"')[2].partition("</ol>")[0].count("</li>") == details.MAX_EVENTS
    assert source.count("...(+") >= details.MAX_EVENTS - 2
    assert "and 1502 more" in source


def test_many_results_and_connections_are_bounded():
    report = samples.refused()
    many = replace(report, results=report.results * 500, conversations=report.conversations * 500)
    assert len(html.render(many)) < 1_500_000


# Nothing unescaped, nothing fetched


@pytest.mark.parametrize("name", MADE_OF)
def test_markup_is_made_in_one_place_only(name):
    """`Html` is constructed in markup.py alone, and no other module writes a tag into a string."""
    tree = ast.parse((REPORT / name).read_text())
    made = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func).endswith("Html")]
    docs = {
        ast.get_docstring(n, clean=False)
        for n in ast.walk(tree)
        if isinstance(n, ast.Module | ast.FunctionDef | ast.ClassDef)
    }
    written = [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and re.search(r"<[a-z/!]|&[a-z#]", n.value)
    ]
    opened = [text for text in written if text not in docs]
    assert bool(made) is (name == "markup.py")
    assert bool(opened) is (name == "markup.py"), opened


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [("script", {}), ("a", {}), ("img", {}), ("p", {"onclick": "x"}), ("p", {"href": "x"}), ("p", {"style": "x"})],
)
def test_what_could_run_or_fetch_can_not_be_written(tag, attributes):
    with pytest.raises(ValueError, match="here"):
        markup.tag(tag, **attributes)


@every
def test_nothing_is_fetched_or_run(name):
    source = html.render(ALL[name])
    assert f'content="{stdlib.escape(markup.CONTENT_POLICY)}"' in source
    assert "default-src 'none'" in markup.CONTENT_POLICY
    assert "script-src" not in markup.CONTENT_POLICY
    assert not re.search(r"url\(|@import|expression|javascript:", html.style(), re.IGNORECASE)
    assert not {"script", "link", "img", "iframe", "a", "object"} & set(Page(source).tags)


def test_a_style_sheet_can_not_end_its_element():
    with pytest.raises(ValueError, match="style sheet"):
        markup.document("</style><script>", title="", lang="en")


# Colours (WCAG 2.2, 1.4.3: 4.5 to 1)


def palette(dark: bool) -> dict[str, str]:
    light, _, rest = html.style().partition("@media (prefers-color-scheme: dark) {")
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    return found | (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", rest.partition("}")[0])) if dark else {})


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_its_ground(dark):
    colors = palette(dark)
    tones = ("ok", "warn", "fail", "unknown", "bug", "idle")
    pairs = [(tone, ground) for tone in tones for ground in ("card", f"{tone}-soft")]
    pairs += [(text, ground) for text in ("text", "faint") for ground in ("paper", "card", "sunk")]
    pairs += [("text", f"{tone}-soft") for tone in tones] + [("unknown", "sunk")]
    weak = {pair: round(contrast(*(colors[name] for name in pair)), 2) for pair in pairs}
    assert not {pair: value for pair, value in weak.items() if value < 4.5}


def test_every_verdict_and_status_has_its_sign_and_colour():
    assert set(picture._SIGNS) == set(Status)
    for status in Status:
        assert re.search(rf"\.s-{status}\b[^{{]*{{[^}}]*--tone", html.style())
    assert set(path.OF_VERDICT) == set(Verdict)
