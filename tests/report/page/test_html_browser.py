"""Does the page open in a real browser as it was meant to: whole, quiet, at every width, and deaf to strangers?"""

import re

import pytest

from smtpcheck.report.page import html
from tests import browser
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


@pytest.mark.parametrize(("name", "lang"), [("healthy", "en"), ("possible", "zh-CN"), ("hostile", "en")])
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


@pytest.mark.parametrize("width", [360, 1440])
def test_a_narrow_window_and_a_wide_one_are_measured_without_tools(folder, width):
    """In a frame, by a script put into the page: the second opinion on what the debugging pipe says."""
    look = browser.measured(html.render(ALL["expired"]), folder, width=width, unfolded=True)
    assert look.console == ()
    assert (look.seen["width"], look.seen["over"], look.seen["fetched"]) == (width, [], 0)
    assert look.seen["scroll"] <= width


def test_a_picture_is_taken(folder):
    taken = browser.photographed(html.render(ALL["healthy"]), folder, width=360, height=500)
    assert taken.startswith(b"\x89PNG")
    assert [int.from_bytes(taken[i : i + 4], "big") for i in (16, 20)] == [360, 500]
