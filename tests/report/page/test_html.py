"""Does the page tell the whole report in order, and can nothing that a server says become markup?"""

import ast
import html as stdlib
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck import advice
from smtpcheck.core import Status, Verdict
from smtpcheck.report import escape, outline
from smtpcheck.report.page import details, html, labels, markup
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.pictures.signs import SIGNS
from tests.checking import check_fault
from tests.report import samples
from tests.report.pages import Page, plain, text_of
from tests.report.samples import ALL, HERE
from tests.report.strangers import everywhere

every = pytest.mark.parametrize("name", ALL)
spoken = pytest.mark.parametrize("lang", advice.LANGUAGES)
REPORT = Path(html.__file__).parent
# the modules that a page is made of
MADE_OF = (
    *("html.py", "details.py", "overview.py", "labels.py", "languages.py", "markup.py"),
    *sorted(f"pictures/{path.name}" for path in (REPORT / "pictures").glob("*.py")),
)
EVIL = "<script>alert(1)</script>\"'`><img src=x onerror=alert(1)></style></title><!--\x00\x1b[2J\u202e\u2066\ufeff中文"
REAL = (
    "healthy",
    "certificate-chain-incomplete",
    "certificate-expired",
    "auth-refused",
    "clock-ahead",
    "host-typo",
    "mx-healthy",
)


# What it tells


@every
@spoken
def test_it_is_one_well_formed_page(name, lang):
    source = html.render(ALL[name], lang=lang)
    page = Page(source, lang)
    assert source.startswith("<!doctype html>\n<html lang=")
    assert [page.tags.count(tag) for tag in ("html", "head", "body", "main", "h1")] == [1, 1, 1, 1, 1]
    assert ("lang", lang) in page.attributes
    assert set(page.tags) <= markup.TAGS


@every
@spoken
def test_headings_are_in_order(name, lang):
    levels = [int(tag[1]) for tag, _ in Page(html.render(ALL[name], lang=lang), lang).headings]
    assert levels[0] == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


@every
@spoken
def test_the_verdict_comes_first_in_words_with_a_sign(name, lang):
    report, ui = ALL[name], advice.ui(lang)
    head = html.render(report, lang=lang).partition("<main")[2].partition("</header>")[0]
    text = text_of(f"<p{head.partition('>')[0]}>{head.partition('>')[2]}</header></p>", lang)
    said = outline.headline(report, ui)
    assert said[:1].upper() + said[1:] in text
    assert f"icon s-{outline.OF_VERDICT[report.verdict]}" in head
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
    text = text_of(html.render(samples.refused(), lang="zh-CN"), "zh-CN")
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
    report = samples.possible()
    words = advice.Words(lang, report)
    text = text_of(html.render(report, lang=lang), lang)
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


# Real ones


@pytest.mark.parametrize("fault", REAL)
async def test_reports_of_real_conversations(fault):
    report = await check_fault(fault)
    source = html.render(report)
    assert len(source) < 150_000
    for lang in advice.LANGUAGES:
        text = text_of(source, lang)
        for talk in report.conversations:
            for event in talk.events:
                assert plain(event.raw.decode()) in text
        for result in report.results:
            assert str(result.subject) in text
        assert [table for table in re.findall(r"<table.*?</table>", source) if "timeline" in table]


async def test_the_part_that_the_diagnosis_speaks_of_is_open():
    source = html.render(await check_fault("certificate-chain-incomplete"))
    opened = re.findall(r"<details open><summary><h3>(.*?)</h3>", source)
    assert [text_of(heading) for heading in opened] == ["Certificate chain"]


def test_facts_of_any_probe_are_shown_by_their_fields():
    text = text_of(html.render(replace(ALL["healthy"], results=(samples.result("anything", HERE),))))
    assert "text something" in re.sub(r"(?<=text)(?=something)", " ", text)


# Both languages


@every
@spoken
def test_one_file_speaks_both_languages_whichever_is_chosen_first(name, lang):
    """Read in one language, the page is the same whichever was preselected, and each is marked as what it is."""
    source, other = html.render(ALL[name], lang=lang), html.render(ALL[name], lang="en" if lang != "en" else "zh-CN")
    body, other_body = (text.partition("<body>")[2].partition("</body>")[0] for text in (source, other))
    assert text_of(body, lang) == text_of(other_body, lang)
    assert f'<html lang="{lang}">' in source
    chosen = re.findall(r'<input type="radio" name="tongue" id="tongue-([\w-]+)"( checked)?', source)
    assert sorted(chosen) == sorted((one, " checked" if one == lang else "") for one in advice.LANGUAGES)
    for one in advice.LANGUAGES:
        assert re.search(rf'<label for="tongue-{one}" lang="{one}">', source)


# the English advice for a login with several causes names what Chinese web mail calls it
@pytest.mark.parametrize("name", sorted(ALL.keys() - {"possible"}))
def test_no_chinese_stands_where_english_is_shown(name):
    body = html.render(ALL[name]).partition("</fieldset>")[2]
    assert not re.search(r"[\u3000-\u9fff]", text_of(f"<body>{body.partition('</body>')[0]}</body>"))


def test_what_is_the_same_in_both_languages_is_there_once():
    source = html.render(samples.refused())
    assert source.count("AUTH PLAIN &lt;secret&gt;") == 1
    assert source.count(f'<bdi class="subject">{HERE}') == source.count('class="probe"') - 3  # those without an address


@pytest.mark.parametrize("lang", [*advice.LANGUAGES, "both"])
def test_what_differs_is_marked_and_what_does_not_is_bare(lang):
    spoken = tongues("en") if lang == "both" else tongues(lang, alone=True)
    assert spoken.each(lambda words: "250 OK").source == "250 OK"
    marked = {
        "en": "ok",
        "zh-CN": "正常",
        "both": '<span class="l" lang="en">ok</span><span class="l" lang="zh-CN">正常</span>',
    }
    assert spoken.ui("status.ok").source == marked[lang]


# Several


def several() -> str:
    return html.render_many([ALL[name] for name in ("healthy", "refused", "unfinished", "hostile")])


def test_several_reports_begin_with_a_table_of_verdicts():
    source = several()
    page = Page(source)
    assert [page.tags.count(tag) for tag in ("main", "h1")] == [1, 1]
    assert page.headings[0] == ("h1", "4 targets: 2 broken, 1 could not tell, 1 healthy")
    assert "共 4 个：2 个有故障、1 个无法判断、1 个正常" in text_of(source, "zh-CN")
    table = re.search(r'<table class="overview">.*?</table>', source)
    assert table
    rows = re.findall(r"<tr class.*?</tr>", table[0])
    assert len(rows) == 4
    cells = [text_of(cell) for cell in re.findall(r"<t[dh].*?</t[dh]>", rows[1])]
    assert cells[:3] == ["Broken", "me@example.test", "Login"]
    assert cells[3].startswith("The server rejects user name or password")
    assert text_of(rows[0]).startswith("Healthyme@example.testHealthy up to login; delivery not tested")


def test_each_line_of_the_table_leads_to_its_report():
    source = several()
    page = Page(source)
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    for place in [value for key, value in page.attributes if key == "href"]:
        assert place[1:] in ids
    for i in range(1, 5):
        report = source.partition(f'id="report-{i}"')
        assert report[0].rpartition("<details")[2].startswith(' class="report">')


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
    name = f"x{words}"  # `l` alone marks a language, which the reader of this page may hide
    source = markup.tag("p", words, class_=name).source
    page = Page(source)
    assert page.tags == ["p"]
    assert [key for key, _ in page.attributes] == ["class"]
    assert "".join(page.text) == escape.visible(words, 1000)
    assert page.attributes[0][1] == escape.visible(name, 1000)
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
    [
        *(("script", {}), ("img", {}), ("iframe", {}), ("form", {}), ("p", {"onclick": "x"}), ("p", {"style": "x"})),
        *(("a", {"href": to}) for to in ("x", "https://example.test/", "javascript:alert(1)", "#A", "#a b", "")),
        *(("input", {"type": kind}) for kind in ("submit", "image", "text")),
        *(("rect", {"fill": colour}) for colour in ("url(#a)", "url(https://example.test/)", "var(--x)")),
    ],
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
    light, _, rest = html.style().partition("@media screen and (prefers-color-scheme: dark) {")
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
    assert set(SIGNS) == set(Status)
    for status in Status:
        assert re.search(rf"\.s-{status}\b[^{{]*{{[^}}]*--tone", html.style())
    assert set(outline.OF_VERDICT) == set(Verdict)
