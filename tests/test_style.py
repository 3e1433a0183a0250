"""Are the words for people those of docs/style.md, as far as a machine can tell?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from smtpcheck import advice

ROOT = Path(__file__).parent.parent
RULES = {
    "instead of, not in place of": r"\bin place of\b",
    "usually, not mostly": r"\bmostly\b",
    "in the clear, not in clear": r"\bin clear\b",
    "hosting provider, not hoster": r"\bhosters?\b",
    "ISP, not access network": r"\baccess networks?\b",
    "a bug in smtpcheck": r"\bfault of smtpcheck\b",
    "the server rejects it": r"\bserver's eyes\b|\bin the eyes of\b",
    "no sentence ends in so": r"\bso[.;]|\bso$",
    "no exclamation, no please": r"\bplease\b|!(?:$|\s)",
}


def english(text: str) -> str:
    """Without what is quoted or typed."""
    return re.sub(r"`[^`]*`|\"[^\"]*\"", "", text)


@pytest.mark.parametrize("rule", RULES)
def test_the_english_of_the_advice_follows_the_rules(rule: str) -> None:
    texts = [(code, text) for code in advice.codes() for text in getattr(advice.entry(code, "en"), "texts", ())]
    texts += advice.ui("en").items()
    assert len(texts) > 2000
    assert [(code, text) for code, text in texts if re.search(RULES[rule], english(text), re.IGNORECASE)] == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("instead of, not in place of", "Use 465 in place of 587."),
        ("usually, not mostly", "Mostly it is the port."),
        ("no sentence ends in so", "The page set it so. Try again."),
        ("in the clear, not in clear", "speaks in clear"),
    ],
)
def test_a_rule_finds_what_breaks_it(rule: str, text: str) -> None:
    assert re.search(RULES[rule], english(text), re.IGNORECASE)


def test_the_guide_names_every_value_that_it_shows() -> None:
    guide = (ROOT / "docs" / "style.md").read_text("utf-8")
    shown = set(re.findall(r"\{(\w+)\}", guide))
    assert shown
    assert shown <= advice.STANDARD.keys()
