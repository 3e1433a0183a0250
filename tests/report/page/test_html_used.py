"""Does the page do what a reader expects of it: another language, what is folded, any width, any light, paper?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import pytest

from smtpcheck import advice
from smtpcheck.report.page import html
from tests.checking import check_fault
from tests.devtools import Browser, browsing
from tests.report.samples import ALL

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
SEVERAL = [ALL[name] for name in ("healthy", "expired", "possible", "unfinished", "hostile")]
HAN = re.compile(r"[\u3000-\u9fff]")
UNFOLD = "document.querySelectorAll('details').forEach(one => { one.open = true })"
# what is wider than the window, but for the transcript, which has a box to scroll in
OVER = """[...document.querySelectorAll('body *')]
  .filter(one => !one.closest('svg') && (one.closest('.talk') === null || one.matches('.talk')) && !one.closest('.vh'))
  .filter(one => { const box = one.getBoundingClientRect(); return box.right > innerWidth + .5 || box.left < -.5 })
  .map(one => `${one.tagName}.${one.className}`)"""
# WCAG 2.2, 1.4.3, of every text that is shown against what is painted behind it
WEAK = """(() => {
  const numbers = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const over = ([r, g, b, a = 1], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const linear = v => v <= 10.31475 ? v / 3294.6 : ((v / 255 + .055) / 1.055) ** 2.4;
  const light = rgb => { const [r, g, b] = rgb.map(linear); return .2126 * r + .7152 * g + .0722 * b };
  const ground = one => {
    if (!one) return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
    const own = numbers(getComputedStyle(one).backgroundColor);
    return own.length === 3 ? own : over(own[3] ? own : [0, 0, 0, 0], ground(one.parentElement)) };
  const found = {}, walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement, text = walker.currentNode.data.trim(), style = getComputedStyle(one);
    if (!text || !one.checkVisibility({visibilityProperty: true}) || one.closest('title, desc, .vh')) continue;
    let faded = 1; for (let up = one; up; up = up.parentElement) faded *= Number(getComputedStyle(up).opacity);
    const behind = ground(one.closest('svg') || one);
    const ink = over([...numbers(one.closest('svg') ? style.fill : style.color).slice(0, 3), faded], behind);
    const [low, high] = [light(ink), light(behind)].sort((a, b) => a - b), ratio = (high + .05) / (low + .05);
    if (ratio < 4.5) found[`${one.tagName}.${one.className.baseVal ?? one.className} ${text.slice(0, 40)}`] = ratio;
  }
  return found })()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("browser")) as one:
        yield one


@pytest.fixture(autouse=True)
def quiet(browser: Browser) -> Iterator[None]:
    """Whatever a test does: nothing on the console, nothing fetched but the page."""
    yield
    assert browser.said == []
    assert [url for url in browser.fetched if not url.startswith("file:")] == []


def shown(browser: Browser, selector: str = "main") -> str:
    """What is to be read there, as the browser sees it."""
    return str(browser.ask(f"document.querySelector({selector!r}).innerText"))


# The language


@pytest.mark.parametrize(("first", "begins"), [("en", "Broken: certificate"), ("zh-CN", "有故障：证书")])
def test_the_language_asked_for_is_shown_at_first_and_alone(browser: Browser, first: str, begins: str) -> None:
    browser.show(html.render(ALL["expired"], lang=first))
    browser.ask(UNFOLD)
    assert shown(browser, "h1") == begins
    assert bool(HAN.search(shown(browser))) is (first == "zh-CN")
    assert ("What to do" in shown(browser)) is (first == "en")


def test_the_other_language_is_a_click_away_and_what_was_open_stays_open(browser: Browser) -> None:
    browser.show(html.render(ALL["expired"]))
    browser.click(".folded summary")
    browser.click("label[for=tongue-zh-CN]")
    assert shown(browser, "h1") == "有故障：证书"
    assert browser.ask("document.querySelector('.folded details').open")
    browser.click("label[for=tongue-en]")
    assert shown(browser, "h1") == "Broken: certificate"
    assert not HAN.search(shown(browser))


def test_the_language_is_chosen_by_keyboard(browser: Browser) -> None:
    browser.show(html.render(ALL["expired"]))
    browser.press("Tab")
    assert browser.ask("document.activeElement.id") == "tongue-en"
    ring = "getComputedStyle(document.querySelector('label[for=tongue-en]')).outlineStyle"
    assert browser.ask(ring) == "solid"
    browser.press("ArrowRight")
    assert shown(browser, "h1") == "有故障：证书"
    browser.press("ArrowLeft")
    assert shown(browser, "h1") == "Broken: certificate"


# What is folded


def test_details_open_by_click_and_by_keyboard(browser: Browser) -> None:
    browser.show(html.render(ALL["possible"]))
    opened = "[...document.querySelectorAll('details')].filter(one => one.open).length"
    assert browser.ask(opened) == 0
    browser.click(".folded summary")
    assert browser.ask(opened) == 1
    browser.press("Tab")
    assert browser.ask("document.activeElement.tagName") == "SUMMARY"
    browser.press("Enter")
    assert browser.ask(opened) == 2
    browser.press("Enter")
    assert browser.ask(opened) == 1


def test_a_line_of_the_overview_leads_to_its_report_and_opens_it(browser: Browser) -> None:
    browser.show(html.render_many(SEVERAL))
    assert not browser.ask("document.querySelectorAll('.report')[1].open")
    browser.click("a[href='#report-2']")
    browser.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert browser.ask("document.querySelectorAll('.report')[1].open")
    top = browser.ask("document.querySelector('#report-2').getBoundingClientRect().top")
    assert -1 <= top < 900
    assert "Broken: certificate" in shown(browser, "#report-2")


@pytest.mark.parametrize("width", [360, 1440])
async def test_a_real_report_shows_its_verdict_first_and_folds_the_rest(browser: Browser, width: int) -> None:
    page = html.render(await check_fault("certificate-chain-incomplete"))
    browser.show(page, width=width)
    top, bottom = browser.ask("(box => [box.top, box.bottom])(document.querySelector('h1').getBoundingClientRect())")
    assert 0 < top < bottom < 300
    assert browser.ask("[...document.querySelectorAll('details')].filter(one => one.open).length") == 1
    folded = browser.ask("document.documentElement.scrollHeight")
    browser.ask(UNFOLD)
    assert browser.ask("document.querySelectorAll('details').length") == page.count("<details")
    assert browser.ask("document.documentElement.scrollHeight") > folded + 1000


# Any width, any light


@pytest.mark.parametrize(
    ("width", "lang", "dark"), [*product((360, 1440), advice.LANGUAGES, (False, True)), (768, "en", False)]
)
def test_nothing_is_wider_than_the_window_and_every_text_stands_out(
    browser: Browser, width: int, lang: str, dark: bool
) -> None:
    browser.show(html.render_many(SEVERAL, lang=lang), width=width, dark=dark)
    browser.ask(UNFOLD)
    assert browser.ask("innerWidth") == width
    assert browser.ask(OVER) == []
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(WEAK) == {}


@pytest.mark.parametrize("dark", [False, True])
def test_dark_is_dark_and_light_is_light(browser: Browser, dark: bool) -> None:
    browser.show(html.render(ALL["refused"]), dark=dark)
    paper = browser.ask("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper))) < 200) is dark


def test_what_is_too_wide_or_too_faint_is_noticed(browser: Browser) -> None:
    browser.show(html.render(ALL["expired"]), width=360)
    browser.ask("document.querySelector('h1').style.cssText = 'width: 400px; color: #eee'")
    assert "H1.said" in browser.ask(OVER)
    assert any(name.startswith("SPAN.l Broken") for name in browser.ask(WEAK))


def test_each_picture_that_is_spoken_has_a_name(browser: Browser) -> None:
    browser.show(html.render_many(SEVERAL))
    browser.ask(UNFOLD)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    images = [one for one in nodes if not one["ignored"] and one["role"]["value"] in ("image", "img")]
    assert len(images) > 10
    assert all(one["name"]["value"] for one in images)
    headings = [one["name"]["value"] for one in nodes if one.get("role", {}).get("value") == "heading"]
    assert headings
    assert not [name for name in headings if HAN.search(name)]


# Paper


@pytest.mark.parametrize(("lang", "verdict"), [("en", "Broken: certificate"), ("zh-CN", "有故障：证书")])
def test_on_paper_is_the_chosen_language_on_white_with_everything_unfolded(
    browser: Browser, lang: str, verdict: str
) -> None:
    browser.show(html.render(ALL["expired"], lang=lang), dark=True, paper=True, width=700)
    text = shown(browser)
    assert verdict in text
    assert bool(HAN.search(text)) is (lang == "zh-CN")
    assert "AUTH PLAIN" in text, "the transcript, which is folded on a screen"
    assert shown(browser, "body").strip().startswith(verdict), "no choice of languages"
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.ask(OVER) == []
    assert browser.ask(WEAK) == {}


def pages(paper: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", paper))


def test_the_paper_is_a4_and_holds_what_was_folded(browser: Browser) -> None:
    page = html.render(ALL["expired"])
    browser.show(page.replace("details::details-content {", "details::nothing {"))
    folded = pages(browser.printed())
    browser.show(page)
    paper = browser.printed()
    assert 1 <= folded < pages(paper) <= 6
    sizes = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", paper)}
    assert {(round(w), round(h)) for _, _, w, h in sizes} == {(595, 842)}
