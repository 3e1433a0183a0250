"""Does the page open in a real browser as it was meant to: whole, quiet, at every width, and deaf to strangers?"""

import re

import pytest

from smtpcheck.report import html
from tests import browser
from tests.checking import check_fault
from tests.report.samples import ALL
from tests.report.strangers import everywhere

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]
# would show in the title, in the console and in the DOM if any of it ran or was fetched
CANARY = (
    "<script>document.title='canary'</script><img src=x onerror=\"document.title='canary'\">"
    "<svg onload=document.title='canary'></svg></style></title></code></main><script>console.error('canary')</script>"
    "\"' onmouseover=x <iframe srcdoc='<script>parent.document.title=1</script>'></iframe><!-- <style>*{display:none}"
)


@pytest.fixture
def folder(tmp_path):
    browser.chromium()
    return tmp_path


@pytest.mark.parametrize(("name", "lang"), [("healthy", "en"), ("ambiguous", "zh-CN"), ("hostile", "en")])
def test_it_opens_without_a_word_on_the_console(folder, name, lang):
    look = browser.opened(html.render(ALL[name], lang=lang), folder)
    assert look.console == ()
    assert f'<html lang="{lang}">' in look.dom


def test_a_page_that_complains_is_noticed(folder):
    page = html.render(ALL["healthy"])
    broken = page.replace("<main", '<img src="https://example.test/x.png"><main')
    assert any("Content Security Policy" in line for line in browser.opened(broken, folder).console)
    shouting = page.replace(browser.CSP, "").replace("<main", "<script>console.error('here')</script><main")
    assert any("here" in line for line in browser.opened(shouting, folder).console)


@pytest.mark.parametrize(("width", "lang"), [(360, "en"), (360, "zh-CN"), (768, "en"), (1440, "en")])
@pytest.mark.parametrize("name", ["expired", "hostile"])
def test_nothing_is_wider_than_the_window(folder, name, width, lang):
    look = browser.measured(html.render(ALL[name], lang=lang), folder, width=width, unfolded=True)
    assert look.console == ()
    assert look.seen["width"] == width
    assert look.seen["over"] == []
    assert look.seen["scroll"] <= width
    assert look.seen["fetched"] == 0


def test_a_page_that_is_too_wide_is_noticed(folder):
    page = html.render(ALL["expired"]).replace("overflow-wrap: anywhere", "white-space: nowrap")
    look = browser.measured(page, folder, width=360, unfolded=True)
    assert look.seen["scroll"] > 360
    assert look.seen["over"]


@pytest.mark.parametrize("width", [360, 1440])
async def test_a_real_report_shows_its_verdict_first_and_folds_the_rest(folder, width):

    report = await check_fault("cert-chain-incomplete")
    page = html.render(report)
    folded = browser.measured(page, folder, width=width)
    top, bottom, height, visibility = folded.seen["verdict"]
    assert 0 < top < bottom < 300
    assert height > 25
    assert visibility == "visible"
    opened = browser.measured(page, folder, width=width, unfolded=True)
    assert folded.seen["open"] == 1, "the chain, which the diagnosis speaks of"
    assert opened.seen["open"] == page.count("<details")
    assert opened.seen["height"] > folded.seen["height"] + 1000
    assert (opened.seen["over"], opened.seen["scroll"]) == ([], width)


def test_dark_is_dark_and_light_is_light(folder):
    page = html.render(ALL["refused"])
    light, dark = (browser.measured(page, folder, width=1000, dark=dark).seen for dark in (False, True))
    assert (light["dark"], dark["dark"]) == (False, True)
    assert [sum(map(int, re.findall(r"\d+", seen["paper"]))) > 600 for seen in (light, dark)] == [True, False]


def test_strangers_run_nothing(folder):
    """Without the policy too: it is the escaping that holds, the policy is the second wall."""
    report = everywhere(ALL["hostile"], CANARY)
    page = html.render(report)
    for source in (page, page.replace(browser.CSP, "")):
        look = browser.opened(source, folder)
        assert look.console == ()
        assert look.title.startswith("Broken")
        assert not re.search(r"<(script|img|iframe)\b", look.dom)
    bare = page.replace(browser.CSP, "").replace("<main", f"<div>{CANARY}</div><main")
    assert browser.opened(bare, folder).title == "canary", "the canary sings when it can"


def test_on_paper_everything_is_unfolded(folder):
    page = html.render(ALL["expired"])
    pages = [
        len(re.findall(rb"/Type\s*/Page\b", browser.printed(source, folder)))
        for source in (page, page.replace("details::details-content {", "details::nothing {"))
    ]
    assert pages[0] > pages[1] >= 1


def test_a_picture_is_taken(folder):
    taken = browser.photographed(html.render(ALL["healthy"]), folder, width=360, height=500)
    assert taken.startswith(b"\x89PNG")
    assert [int.from_bytes(taken[i : i + 4], "big") for i in (16, 20)] == [360, 500]
