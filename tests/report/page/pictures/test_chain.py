"""Does the picture of a chain show what is missing, what is over, and what is wrong?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from smtpcheck.lab.pki import Authority
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.pictures.chain import chain, chains
from smtpcheck.wire import x509
from smtpcheck.wire.certificate import chain_order, describe
from tests.report import samples
from tests.report.pages import text_of
from tests.report.samples import NAME

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHORITY = Authority(now=NOW)
ENGLISH = tongues("en", alone=True)


def facts(kind: str = "good", at: datetime = NOW, name: str = NAME) -> ChainFacts:
    """What the chain probe would have observed, without a connection."""
    served = AUTHORITY.issue(kind, NAME)
    roots = x509.Roots.from_pem(AUTHORITY.root_pem, "lab")
    certificates = tuple(describe(der) for der in served.chain)
    return ChainFacts(
        name=name,
        at=at,
        roots=roots.fingerprint,
        roots_source=roots.source,
        chain=served.chain,
        certificates=certificates,
        order=chain_order(certificates),
        verdict=x509.verify(served.chain, name, roots, at),
    )


def drawn(*given: object, **named: object) -> str:
    return chain(facts(*given, **named), ENGLISH).source  # type: ignore[arg-type]  # handed on as given


def test_a_good_chain_leads_to_the_root_in_the_store() -> None:
    source = drawn()
    assert source.count("</li>") == 3
    assert 'class="absent s-ok"' in source
    assert "Not sent, trusted by this machine" in text_of(source)
    assert "s-fail" not in source
    assert [role for role in ("The server's own", "Intermediate") if role in text_of(source)] == [
        "The server's own",
        "Intermediate",
    ]


def test_a_missing_intermediate_is_drawn_as_missing() -> None:
    source = drawn("missing-intermediate")
    assert source.count("</li>") == 2
    absent = source.partition('class="absent s-fail"')[2]
    assert "icon s-fail" in absent
    assert "lab intermediate" in absent


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW, r"\d+ days left"),
        (NOW + timedelta(days=200), r"expired \d+ days ago"),
        (NOW - timedelta(days=100), r"begins in \d+ days"),
    ],
)
def test_the_bar_is_against_the_time_of_the_check(at: datetime, said: str) -> None:
    source = drawn(at=at)
    leaf = source.partition("</li>")[0]
    good = at == NOW
    assert re.search(said, text_of(leaf + "</li></ol>"))
    assert f'class="span s-{"ok" if good else "fail"}"' in leaf
    bar = re.search(r'class="bar"[^>]* x="([0-9.]+)%"[^>]* width="([0-9.]+)%"', leaf)
    now = re.search(r'class="now" x1="([0-9.]+)%"', leaf)
    assert bar
    assert now
    start, width, place = float(bar[1]), float(bar[2]), float(now[1])
    assert (start <= place <= start + width) is good
    assert (place < start) is (at < NOW)
    assert 'role="img"' in leaf


def test_a_bar_that_is_over_is_hollow() -> None:
    """Known without its colour."""
    assert 'fill="none"' in drawn("expired").partition('class="bar"')[2].partition(">")[0]
    assert 'fill="none"' not in drawn().partition('class="bar"')[2].partition(">")[0]


def test_an_expired_certificate_still_leads_to_its_root() -> None:
    assert 'class="absent s-ok"' in drawn("expired")


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (timedelta(days=2), "expired 2 days ago"),
        (timedelta(days=1), "expired 24 h ago"),
        (timedelta(minutes=119), "expired 119 min ago"),
        (timedelta(seconds=30), "expired 0 min ago"),
        (-timedelta(seconds=7), "0 min left"),
        (-timedelta(hours=3), "3 h left"),
    ],
)
def test_a_short_time_is_told_in_a_small_unit(after: timedelta, said: str) -> None:
    leaf = facts().certificates[0]
    assert said in text_of(drawn(at=leaf.not_after + after))


def test_another_name_is_told_at_the_server_s_own() -> None:
    leaf = drawn(name="other.example.test").partition("</li>")[0]
    assert "Not made out for other.example.test" in text_of(leaf + "</li></ol>")


@pytest.mark.parametrize("kind", ["self-signed", "weak-key"])
def test_other_flaws_are_told_in_the_library_s_words(kind: str) -> None:
    given = facts(kind)
    assert given.verdict.flaws[0].text in text_of(chain(given, ENGLISH).source)


def test_the_same_chain_is_drawn_once() -> None:
    same = samples.result("chain", samples.HERE, outcome=facts())
    again = samples.result("chain", samples.ASIDE, outcome=same.outcome)
    picture = chains(samples.report((same, again)), ENGLISH)
    assert picture
    assert picture.source.count('<ol class="chain" role="list">') == 1
    assert chains(samples.healthy(), ENGLISH) is None
