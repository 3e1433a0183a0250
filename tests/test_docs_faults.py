"""Is docs/faults.md of today, and is every known fault in it?"""

from __future__ import annotations

from docs.faults import PAGE, known, page, untestable
from tests.expectations import EXPECTED


def test_the_page_is_what_would_be_written() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m docs.faults"


def test_every_known_fault_is_either_injected_or_explained() -> None:
    injected, explained = known() & EXPECTED.keys(), untestable().keys()

    assert not injected & explained
    assert injected | explained == known()


def test_an_injected_fault_comes_out_under_its_name_or_among_the_alternatives_or_says_why() -> None:
    for fault in known() & EXPECTED.keys():
        expected = EXPECTED[fault]
        possible = {expected.code, *(expected.alternatives or ())}
        assert fault in possible or expected.verdict in ("healthy", "inconclusive") or expected.why, fault
