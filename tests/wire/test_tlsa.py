"""Do TLSA records vouch for what RFC 7672 says, and for nothing else?"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from smtpcheck.lab.pki import Authority
from smtpcheck.wire.dns import Tlsa
from smtpcheck.wire.tlsa import Dane, presented, usable, weigh

NAME = "mx.example.com"
AUTHORITY = Authority()
NOW = datetime.now(UTC)
SERVED = AUTHORITY.issue("superfluous-root", NAME)
OTHER = AUTHORITY.issue("good", NAME)


def record(usage: int, selector: int, matching: int, der: bytes) -> Tlsa:
    empty = Tlsa(usage, selector, matching, "")
    return replace(empty, data=presented(der, empty))


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
def test_an_end_entity_record_fits_its_leaf_and_no_other(selector: int, matching: int) -> None:
    mine = record(3, selector, matching, SERVED.chain[0])
    assert weigh([mine], SERVED.chain, [NAME], NOW) is Dane.MATCH
    assert weigh([mine], OTHER.chain, [NAME], NOW) is Dane.MISMATCH


def test_an_end_entity_record_minds_neither_name_nor_date() -> None:
    mine = record(3, 1, 1, SERVED.chain[0])
    assert weigh([mine], SERVED.chain, ["other.test"], NOW + timedelta(days=4000)) is Dane.MATCH


def test_a_trust_anchor_record_minds_the_name_and_the_date() -> None:
    anchor = record(2, 0, 1, SERVED.chain[2])
    assert weigh([anchor], SERVED.chain, [NAME], NOW) is Dane.MATCH
    assert weigh([anchor], SERVED.chain, ["example.org", NAME], NOW) is Dane.MATCH
    assert weigh([anchor], SERVED.chain, ["other.test"], NOW) is Dane.MISMATCH
    assert weigh([anchor], SERVED.chain, [NAME], NOW + timedelta(days=4000)) is Dane.MISMATCH
    assert weigh([anchor], SERVED.chain[:2], [NAME], NOW) is Dane.MISMATCH, "the anchor has to be sent"


def test_one_record_that_fits_is_enough() -> None:
    stale, mine = record(3, 1, 1, OTHER.chain[0]), record(3, 1, 1, SERVED.chain[0])
    assert weigh([stale, mine], SERVED.chain, [NAME], NOW) is Dane.MATCH


@pytest.mark.parametrize(
    "odd",
    [
        Tlsa(1, 1, 1, "00" * 32),
        Tlsa(0, 0, 1, "00" * 32),
        Tlsa(3, 1, 1, "00"),
        Tlsa(3, 2, 1, "00" * 32),
        Tlsa(3, 1, 9, ""),
    ],
)
def test_what_senders_do_not_use_refuses_nothing(odd: Tlsa) -> None:
    assert not usable(odd)
    assert weigh([odd], SERVED.chain, [NAME], NOW) is Dane.UNUSABLE
    assert weigh([odd, record(3, 1, 1, SERVED.chain[0])], SERVED.chain, [NAME], NOW) is Dane.MATCH


def test_an_unreadable_leaf_fits_nothing() -> None:
    assert weigh([record(3, 1, 1, SERVED.chain[0])], (b"\x30\x00",), [NAME], NOW) is Dane.MISMATCH
    assert weigh([record(3, 1, 1, SERVED.chain[0])], (), [NAME], NOW) is Dane.MISMATCH
