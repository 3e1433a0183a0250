"""Can a peer put anything into a picture? Every text of a real report is a stranger's here."""

from __future__ import annotations

import re

from smtpcheck import core
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.markup import Html
from smtpcheck.report.page.pictures.chain import chains
from smtpcheck.report.page.pictures.clock import clocks
from smtpcheck.report.page.pictures.heat import heat
from smtpcheck.report.page.pictures.waterfall import waterfall
from smtpcheck.report.page.pictures.way import way
from tests.checking import check_fault
from tests.report.pages import Page
from tests.report.strangers import everywhere

EVIL = "\"'><script>alert(1)</script></svg></title><svg onload=alert(1)>\x00\x1b[2J\u202e url(javascript:alert(1)) "
PICTURES = (way, waterfall, heat, chains, clocks)


def drawn(report: core.Report) -> list[str]:
    pictures = [draw(report, tongues("en")) for draw in PICTURES]
    return [one.source for one in pictures if isinstance(one, Html)]


async def test_a_stranger_s_words_change_no_tag_and_no_attribute_of_a_picture() -> None:
    """Two endpoints, a chain without its issuer, a clock and a walk: something for every picture."""
    report = await check_fault("certificate-chain-incomplete", address6="::1")
    assert any(isinstance(result.facts, ChainFacts) for result in report.results)
    meek, evil = (drawn(everywhere(report, words)) for words in ("x", EVIL * 20))
    assert len(meek) == len(evil) == len(PICTURES)
    for harmless, hostile in zip(meek, evil, strict=True):
        pages = [Page(harmless), Page(hostile)]
        assert pages[0].tags == pages[1].tags
        assert [key for key, _ in pages[0].attributes] == [key for key, _ in pages[1].attributes]
        assert all(char.isprintable() or char == "\u3000" for char in hostile)
        colours = re.findall(r'(?:fill|stroke)="([^"]*)"', hostile)
        assert all(re.fullmatch(r"none|currentColor|var\(--[a-z]+, #[0-9a-f]{3,6}\)", one) for one in colours)
        assert len(hostile) < 50 * len(harmless)
