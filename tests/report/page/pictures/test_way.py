"""Does the way show every stage in the order walked, and what became of it?"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from smtpcheck import advice, core
from smtpcheck.core import Mode, Stage, Status
from smtpcheck.report import outline
from smtpcheck.report.page import html
from smtpcheck.report.page.pictures.signs import icon
from smtpcheck.report.page.pictures.way import stations
from tests.report import samples
from tests.report.pages import text_of
from tests.report.samples import ALL, HERE


@pytest.mark.parametrize("mode", [Mode.STARTTLS, Mode.IMPLICIT, Mode.PLAIN])
def test_it_is_the_one_walked_in_that_mode_to_the_mailbox(mode: Mode) -> None:
    here = replace(HERE, mode=mode)
    stages = [leg.stage for leg in stations(samples.report(samples.walk(here)))]
    assert stages == [*core.PATHS[mode], Stage.CLOCK]


def rows(report: core.Report, lang: str) -> list[str]:
    source = html.render(report, lang=lang).partition('<ol class="way" role="list">')[2].partition("</ol>")[0]
    return [row + "</li>" for row in source.split("</li>")[:-1]]


def test_broken_blocked_and_not_asked_differ_in_shape_and_in_words() -> None:
    stages = [leg.stage for leg in stations(samples.expired())]
    shown = dict(zip(stages, rows(samples.expired(), "en"), strict=True))
    for stage, status, word in (
        (Stage.TLS, "ok", "ok"),
        (Stage.CERTIFICATE, "fail", "broken"),
        (Stage.AUTH, "blocked", "not reached"),
        (Stage.MAIL, "skipped", "not asked"),
    ):
        assert f'class="s-{status}"' in shown[stage]
        assert word in text_of(shown[stage])


def test_every_status_has_a_shape_of_its_own() -> None:
    """Without the colours and the names."""
    drawn = (icon(status).source for status in Status if status is not Status.NOTE)
    shapes = {re.sub(' (class|fill|stroke)="[^"]*"', "", source) for source in drawn}
    assert len(shapes) == len(Status) - 1


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("lang", advice.LANGUAGES)
def test_every_stop_has_its_words(name: str, lang: str) -> None:
    report, ui = ALL[name], advice.ui(lang)
    shown = [text_of(row, lang) for row in rows(report, lang)]
    expected = [(outline.short(leg.stage, ui), ui[f"status.{leg.status}"]) for leg in stations(report)]
    assert len(shown) == len(expected)
    for text, (stage, status) in zip(shown, expected, strict=True):
        assert text.lower().startswith(f"{stage}{status}".lower())
