"""Does a history show when it broke, for people at a terminal and as a page?"""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from smtpcheck import advice
from smtpcheck.core import Verdict
from smtpcheck.report.compared import history, trend
from smtpcheck.report.compared.history import Check
from tests import browser
from tests.report import samples
from tests.report.terminal.test_screen import harmless, width_of

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
spoken = pytest.mark.parametrize("lang", advice.LANGUAGES)
HOSTILE = "</td><img src=x onerror=alert(1)>" + samples.HOSTILE


def checks(verdicts: str, target: str = "me@example.test", **given) -> list[Check]:
    """A check a day; h healthy, b broken, i inconclusive."""
    kinds = {"h": Verdict.HEALTHY, "b": Verdict.BROKEN, "i": Verdict.INCONCLUSIVE}
    return [
        Check(
            target=target,
            at=BEGAN + timedelta(days=day),
            verdict=kinds[letter],
            cause="auth-refused" if letter == "b" else "",
            seconds=0.5 + day,
            days=None if letter == "i" else 90.0 - day,
            file=f"{day}.json",
        )
        for day, letter in enumerate(verdicts)
    ]


def shown(rows: list[Check], **knobs) -> list[str]:
    return history.render(rows, **knobs).split("\n")


def test_a_target_is_told_with_its_counts_and_since_when():
    lines = shown(checks("hhbb"))
    assert lines[0] == "✗ me@example.test"
    assert lines[1] == "  4 checks from 2026-01-01 to 2026-01-04: 2 x healthy, 2 x broken"
    assert lines[2] == "  Broken since 2026-01-03 00:00 UTC"


def test_what_never_was_otherwise_has_no_since():
    assert "since" not in "\n".join(shown(checks("hhh"))).lower()


def test_the_trend_shows_each_verdict_by_a_sign_and_not_by_colour_alone():
    line = next(line for line in shown(checks("hbih")) if line.startswith("  Verdict:"))
    assert line.endswith("✓✗?✓")


def test_levels_start_at_zero_so_that_little_looks_little():
    assert history.levels([1.0, 1.01, 1.0]) == "███"
    assert history.levels([0.0, 1.0]) == "▁█"
    assert history.levels([1.0, None, 1.0]) == "█ █"
    assert history.levels([-1.0, 1.0]) == "▁█"
    assert history.levels([None]) == " "
    assert history.levels([1.0, 0.0], unicode=False).isascii()


def test_the_table_holds_when_verdict_cause_seconds_and_days():
    lines = shown(checks("hb"))
    assert re.fullmatch(r"  2026-01-02 00:00  broken +auth-refused +1\.50 +89", lines[-1])


def test_the_newest_checks_are_shown_and_the_others_counted():
    lines = shown(checks("h" * (history.ROWS + 3)))
    assert lines[-1] == "  3 older ones not shown"
    assert lines[-2].startswith("  2026-01-15")


def test_targets_stand_apart_and_one_report_in_two_files_counts_once():
    rows = checks("hh") + checks("b", "mx:example.test") + [replace(one, file="copy.json") for one in checks("hh")]
    random.Random(1).shuffle(rows)
    text = "\n".join(shown(rows))
    assert text.count("2 checks from") == 1
    assert text.count("1 check on") == 1


@spoken
@pytest.mark.parametrize("width", [50, 80, 120])
def test_every_line_fits_and_no_stranger_moves_the_cursor(lang, width):
    rows = checks("hbi" * 40, HOSTILE) + [replace(one, cause=HOSTILE) for one in checks("bb")]
    lines = shown(rows, lang=lang, width=width)
    assert all(map(harmless, lines))
    assert max(map(width_of, lines)) <= width


def test_a_report_becomes_a_row():
    row = history.check_of(samples.refused(), "a.json")
    assert (row.target, row.verdict, row.cause, row.file) == (
        "me@example.test",
        Verdict.BROKEN,
        "auth-credentials-refused",
        "a.json",
    )
    assert row.days is None, "its certificate was not seen"


# The page


def test_the_page_runs_and_fetches_nothing_and_has_words_for_its_pictures():
    page = trend.render(checks("hhbbih"))
    assert "<script" not in page
    assert page.count('role="img"') == 2
    assert 'aria-label="Seconds that each check took: 0.50 to 5.50"' in page
    assert "prefers-color-scheme: dark" in page
    assert page.count("<tr>") == 7


def test_each_verdict_has_a_shape_of_its_own_in_the_chart():
    page = trend.render(checks("hbi"))
    chart = page[page.index("<svg") : page.index("</figure>")]
    assert [f"icon s-{status}" in chart for status in ("ok", "fail", "inconclusive")] == [True] * 3


def test_what_broke_is_never_hidden_behind_what_is_well():
    page = trend.render(checks("hbh"))
    chart = page[page.index("<svg") : page.index("</figure>")]
    assert chart.rindex("s-ok") < chart.index("s-fail")


def test_a_gap_is_left_where_a_value_is_not_known():
    page = trend.render(checks("hhihh"))
    second = page[page.rindex("<figure") : page.rindex("</figure>")]
    assert second.count('class="line"') == 2
    assert second.count("<circle") == 4


@spoken
def test_a_page_shows_markup_as_words(lang):
    page = trend.render([replace(one, cause=HOSTILE, file=HOSTILE) for one in checks("bb", HOSTILE)], lang=lang)
    assert "<img" not in page
    assert "\x1b" not in page
    assert "&lt;img" in page


def test_one_check_has_no_chart_and_many_are_bounded():
    assert "<figure" not in trend.render(checks("h"))
    page = trend.render(checks("h" * (trend.POINTS + 5)))
    assert page.count("<tr>") == trend.POINTS + 1
    assert "5 older ones not shown" in page


@pytest.mark.browser
@pytest.mark.timeout(120)
def test_the_page_opens_quietly_and_needs_no_sideways_scrolling(tmp_path):
    browser.chromium()
    page = trend.render(checks("hhbbihh" * 8) + checks("hb", "mx:example.test"))
    assert browser.opened(page, tmp_path).console == ()
    for width in (360, 1440):
        look = browser.measured(page, tmp_path, width=width)
        assert look.seen["scroll"] <= width
