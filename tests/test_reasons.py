"""Does a report say why in the reader's language? Reasons are codes; their words stand in advice/ui/ alone."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcheck import advice
from smtpcheck.core import Direction, Report, Who, because
from smtpcheck.lab import Lab
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.report import formats
from smtpcheck.target.grammar import UsageError
from tests.checking import check_fault, checked
from tests.expectations import EXPECTED

AT_ONCE = 24
SOURCE = Path(advice.__file__).parent.parent
OTHERS = tuple(advice.ui("zh-CN")[f"who.{who}"] for who in Who if who is not Who.SMTPCHECK)
# what others say, and what a reader copies
QUOTED = re.compile(r"```.*?```|(`+).*?\1|“[^”]*”", re.DOTALL)
ENGLISH = re.compile(r"(?<![\w.@/<-])[A-Za-z][a-z']*(?:[,;:]? [A-Za-z][a-z']*){2,}")
# products, which are called so in every language
PRODUCTS = {"High Volume Email", "Azure Communication Services", "Proton Mail Bridge"}


def heard(report: Report) -> str:
    """All that servers said and showed, as one line: a finding may show a part of it."""
    chains = (result.facts for result in report.results if isinstance(result.facts, ChainFacts))
    names = [name for facts in chains for one in facts.certificates for name in (one.subject, one.issuer)]
    events = (event for talk in report.conversations for event in talk.events if event.dir is Direction.IN)
    replies = (re.sub(r"^[0-9]{3}[ -]", "", event.raw.decode("utf-8", "replace")) for event in events)
    return " ".join((*replies, *names))


def english(report: Report) -> set[str]:
    """Three English words in a row, outside code and outside what somebody else said."""
    said = heard(report)
    lines = QUOTED.sub(" ", formats.render([report], "markdown", lang="zh-CN")).splitlines()
    own = (line for line in lines if not line.removeprefix("- ").startswith(OTHERS))
    return {match[0] for line in own for match in ENGLISH.finditer(line) if match[0] not in said} - PRODUCTS


async def found(lab: Lab, fault: str, gate: asyncio.Semaphore) -> set[str]:
    async with gate:
        try:
            return english(await checked(await lab.start(fault)))
        except UsageError:
            return set()


async def test_no_fault_puts_english_into_the_chinese_report() -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    async with Lab() as lab:
        seen = await asyncio.gather(*(found(lab, fault, gate) for fault in EXPECTED))

    assert {fault: words for fault, words in zip(EXPECTED, seen, strict=True) if words} == {}


def test_the_search_finds_what_it_is_made_for() -> None:
    assert ENGLISH.findall("smtpcheck 看到：nothing was said in 4.0 s") == ["nothing was said in"]
    assert not ENGLISH.findall(QUOTED.sub(" ", "系统报“No route to host”，`nc -C a b c d`，TLS 握手"))


async def test_what_a_library_said_is_quoted_where_smtpcheck_tells_it() -> None:
    report = await check_fault("certificate-chain-incomplete")
    assert "smtpcheck 看到：“unable to get local issuer certificate”" in formats.render([report], "text", lang="zh-CN")
    assert "smtpcheck saw: unable to get local issuer certificate" in formats.render([report], "text", lang="en")


# The table


def reasons(lang: str) -> dict[str, str]:
    return {key.removeprefix("reason."): text for key, text in advice.ui(lang).items() if key.startswith("reason.")}


def given() -> Iterator[tuple[str, frozenset[str]]]:
    """Every reason in the source with the names of its values, as far as both are written out."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "because":
                continue
            if node.args and isinstance(node.args[0], ast.Constant) and all(each.arg for each in node.keywords):
                yield str(node.args[0].value), frozenset(str(each.arg) for each in node.keywords)


def test_every_reason_has_words_in_every_language_for_the_values_that_it_has() -> None:
    pairs = list(given())
    assert len(pairs) > 60
    for lang in advice.LANGUAGES:
        words = reasons(lang)
        for code, names in pairs:
            assert advice.placeholders(words[code]) == names - {"at"}, (lang, code)


def test_every_word_for_a_reason_is_given_by_some_line() -> None:
    written = "\n".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    made = ("ntp-", "contact-", "tls-library", "tls-version")  # the rest of the code is put together

    assert reasons("en").keys() == reasons("zh-CN").keys()
    assert [code for code in reasons("en") if f'"{code}"' not in written and not code.startswith(made)] == []


@pytest.mark.parametrize(
    ("lang", "text"), [("en", "IMAP: no answer in 4 s"), ("zh-CN", "IMAP：4 秒没有应答")], ids=advice.LANGUAGES
)
def test_whose_trouble_it_is_comes_first(lang: str, text: str) -> None:
    assert advice.reason(because("no-answer", waited=4.0, at="IMAP"), advice.ui(lang)) == text


def test_a_code_without_words_is_shown_as_it_is() -> None:
    assert advice.reason(because("of-a-later-release", limit=1), advice.ui("en")) == "of-a-later-release"
