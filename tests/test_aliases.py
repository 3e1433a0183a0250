"""Does every earlier code lead to one of today's, and does nothing but the table of aliases hold one?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcheck import advice, aliases
from smtpcheck.lab.faults import fault
from smtpcheck.probes import rules
from tests.expectations import EXPECTED

ROOT = Path(__file__).parent.parent
FOLDERS = ("benchmarks", "docs", "notebooks", "smtpcheck", "tests")
# One word for one object: what stands here was another word for it once.
RETIRED = (
    *("address", "banner", "ca", "cert", "chain", "config", "conn", "envelope", "exchanger", "family", "farewell"),
    *("hello", "home", "issuer", "mtasts", "names", "rcpt", "sni", "stores", "times", "accepted"),
)
# Known faults whose first word is another object's, or whose name nobody would look up otherwise.
KEPT = {"envelope-header-from-mismatch"}


def files() -> Iterator[Path]:
    """What is written by hand; recorded reports keep the codes of their day."""
    folders = [path for name in FOLDERS for path in (ROOT / name).rglob("*")]
    for path in [*ROOT.glob("*.md"), *folders]:
        if path.suffix in (".py", ".toml", ".md", ".ipynb", ".txt", ".css"):
            yield path


def test_every_earlier_code_leads_to_one_of_today() -> None:
    today = {*advice.codes(), *rules(), *EXPECTED}
    assert {old: new for old, new in aliases.aliases().items() if new not in today or old in today} == {}


def test_an_earlier_code_is_explained_as_today() -> None:
    assert aliases.current("cert-chain-incomplete") == "certificate-chain-incomplete"
    assert aliases.current("no-such-code") == "no-such-code"
    found = advice.entry("cert-chain-incomplete", "en")
    assert found
    assert found.code == "certificate-chain-incomplete"


def test_a_fault_is_practised_by_its_earlier_name() -> None:
    assert fault("cert-expired").name == "certificate-expired"
    with pytest.raises(KeyError, match="no fault 'no-such-fault'"):
        fault("no-such-fault")


def test_no_other_file_holds_an_earlier_code() -> None:
    known = sorted(aliases.aliases(), key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, known))})(?![\w-])")
    own = {ROOT / "smtpcheck" / "aliases.toml", Path(__file__)}
    found = {path.relative_to(ROOT).as_posix(): set(pattern.findall(path.read_text("utf-8"))) for path in files()}
    assert {name: old for name, old in found.items() if old and ROOT / name not in own} == {}


def test_one_object_has_one_word() -> None:
    assert {code for code in advice.codes() if code.partition("-")[0] in RETIRED} <= KEPT


def test_every_code_can_be_found_in_the_source() -> None:
    """Made of parts it could be read nowhere."""
    sources = [path for path in files() if path.is_relative_to(ROOT / "smtpcheck")]
    others = [path for path in sources if not path.is_relative_to(ROOT / "smtpcheck" / "advice")]
    text = "\n".join(path.read_text("utf-8") for path in others)
    held = set(re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+|greylisted", text))
    assert {code for code in advice.codes() if code not in held} == set()
