"""Is the Markdown what a reader of CommonMark shows as it was meant: our structure, and strangers' words as text?"""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from smtpcheck.report import formats
from smtpcheck.report.formats import markdown
from tests.report.samples import ALL
from tests.report.strangers import ATTACKS, attacked, saying
from tests.report.test_formats import recorded

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HTML = re.compile(r"<details><summary>[^<>&]+</summary>\n|</details>\n")
# what GitHub makes of plain text: links, mentions, issues, commits of other projects, formulas
LIVE = re.compile(r"://|www\.|[\w.+-]+@[\w.-]+|(?<!\w)@\w|#\d|\w/\w+#|\$", re.IGNORECASE)


def inline(text: str) -> list[Token]:
    return [one for token in READER.parse(text) for one in token.children or ()]


def blocks(text: str) -> list[tuple[str, str]]:
    """The structure: every block with its tag, without what is in it."""
    return [(token.type, token.tag) for token in READER.parse(text)]


def assert_only_text(text: str) -> None:
    folds = [token.content for token in READER.parse(text) if token.type == "html_block"]
    assert all(map(HTML.fullmatch, folds)), folds
    assert [fold == "</details>\n" for fold in folds] == [False, True] * (len(folds) // 2)
    for token in READER.parse(text):
        assert token.type not in ("table_open", "blockquote_open", "hr", "code_block")
    for token in inline(text):
        assert token.type in ("text", "code_inline", "strong_open", "strong_close", "softbreak"), token
        if token.type == "text":
            assert not LIVE.search(token.content), token.content


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
@pytest.mark.parametrize("name", ALL)
def test_every_sample_is_headings_lists_and_code(name: str, lang: str) -> None:
    assert_only_text(formats.render([ALL[name]], "markdown", lang=lang))


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_strangers_words_change_nothing_of_the_structure(attack: str, lang: str) -> None:
    for source in (recorded(), ALL["expired"], ALL["possible"], ALL["unfinished"]):
        harmless = blocks(formats.render([saying(source, "x")], "markdown", lang=lang))
        for report in attacked(source, attack):
            told = formats.render([report], "markdown", lang=lang)
            assert_only_text(told)
            assert blocks(told) == harmless


def test_the_order_is_verdict_way_cause_evidence_steps_and_the_rest_is_folded() -> None:
    told = formats.render([ALL["expired"]], "markdown")
    places = [told.index(part) for part in ("## ✗ Broken", "DNS ✓", "### Cause", "**Evidence**", "**What to do**")]
    assert places == sorted(places)
    assert told.index("<details>") > places[-1]
    assert "certificate has expired" in told[: told.index("<details>")]


def test_several_targets_begin_with_an_overview() -> None:
    told = formats.render([ALL["healthy"], ALL["refused"]], "markdown")
    overview = told[: told.index("## ")]
    assert overview.count("\n- ") == 2
    assert "✓ `me@example.test` healthy" in overview
    assert "✗ `me@example.test` broken at login" in overview


def test_what_was_not_tested_is_no_further_cause() -> None:
    """Two lists with nothing between them are one to CommonMark."""
    told = formats.render([ALL["possible"]], "markdown")
    tokens = READER.parse(told)
    place = next(i for i, t in enumerate(tokens) if t.type == "inline" and t.content.startswith("Not tested"))
    assert tokens[place - 1].level == 0


@pytest.mark.parametrize("text", ["`", "``", "a`b``c", " x ", "`x`", "a\\", "|", "x" * 50])
def test_a_code_span_is_not_left(text: str) -> None:
    (token,) = inline(f"{markdown.code(text)}")
    assert (token.type, token.content) == ("code_inline", text)


@pytest.mark.parametrize(
    "text",
    ["1. x", "10) x", "- x", "+ x", "= x", "# x", "> x", "~~~ x", "* x", "_x_", "a\\*b", "![a](b)", "a`b"],
)
def test_a_line_of_prose_is_one_paragraph_of_the_same_text(text: str) -> None:
    tokens = READER.parse(markdown.line(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(one.content for one in tokens[1].children or ()).replace("'", "`") == text
