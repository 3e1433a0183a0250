"""Is the clock drawn where it is, against what is tolerated and with what is not known of it?"""

from __future__ import annotations

import re

import pytest

from smtpcheck import core
from smtpcheck.core import Failure, Kind, Stage, Subject
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.pictures.clock import clock, clocks
from tests.report import samples
from tests.report.pages import text_of

ENGLISH = tongues("en", alone=True)
WHERE = Subject("ntp.test", "", 123)


def measured(offset: float, uncertainty: float = 0.01) -> core.Result[ClockFacts]:
    facts = ClockFacts(server="ntp.test", offset=offset, uncertainty=uncertainty, stratum=2)
    return samples.result("clock", WHERE, outcome=facts)


def drawn(offset: float, uncertainty: float = 0.01, lang: str = "en") -> str:
    picture = clock(measured(offset, uncertainty), tongues(lang, alone=True))
    assert picture
    return picture.source


@pytest.mark.parametrize(
    ("offset", "said", "status"),
    [
        (-420.0, "7 min ahead", "fail"),
        (420.0, "7 min behind", "fail"),
        (-28800.0, "8 h ahead", "fail"),
        (-30.0, "30.00 s ahead", "ok"),
        (0.001, "agrees", "ok"),
    ],
)
def test_it_is_shown_against_what_is_tolerated(offset: float, said: str, status: str) -> None:
    source = drawn(offset)
    assert said in text_of(source)
    assert f"offset s-{status}" in source
    mark = re.search(r'class="mark" c?x="([0-9.]+)%"', source)
    band = re.search(r'class="band"[^>]* x="([0-9.]+)%"[^>]* width="([0-9.]+)%"', source)
    assert mark
    assert band
    at, start, width = float(mark[1]), float(band[1]), float(band[2])
    assert start + width / 2 == pytest.approx(50, abs=0.1)
    assert (start <= at <= start + width) is (status == "ok")
    assert (at > 50.001) is (offset < -1)
    assert (at < 49.999) is (offset > 1)


def test_too_far_off_has_another_shape_than_well() -> None:
    assert "<circle" in drawn(1.0)
    assert "<circle" not in drawn(600.0)


def test_the_uncertainty_is_as_wide_as_it_is() -> None:
    source = drawn(-120.0, 60.0)
    whisker = re.search(r'<line x1="([0-9.]+)%" x2="([0-9.]+)%"[^>]*stroke-width="6"', source)
    assert whisker
    low, high = float(whisker[1]) - 50, float(whisker[2]) - 50
    assert high / low == pytest.approx(180 / 60, rel=0.01)
    assert "± 1 min" in text_of(source)


@pytest.mark.parametrize(("lang", "name"), [("en", "is 7 min ahead"), ("zh-CN", "快了 7 分钟")])
def test_the_picture_has_its_words(lang: str, name: str) -> None:
    source = drawn(-420.0, lang=lang)
    svg = source.partition("<svg")[2]
    assert 'role="img"' in svg
    assert name in svg.partition("</title>")[0]
    assert "ntp.test" in svg.partition("<desc>")[2].partition("</desc>")[0]


def test_marks_that_would_stand_in_each_other_s_way_are_left_away() -> None:
    assert "+5 min" in drawn(-420.0)
    assert "+5 min" not in drawn(-28800.0)


def test_who_was_not_told_draws_nothing() -> None:
    silent = samples.result("clock", WHERE, outcome=Failure(Kind.SILENT, Stage.CLOCK))
    assert clock(silent, ENGLISH) is None
    assert clocks(samples.report((silent,)), ENGLISH) is None
