"""What must come out of which fault? The rows of expected/, one for each fault of the lab.

code          the cause; none where the account is healthy or it could not be told
verdict       broken (where there is a code), healthy, inconclusive
confidence    certain, likely, possible
alternatives  their codes in this order; left out: not compared
blocked       the stages that could not be reached, in the order of the way; left out: not compared
also          the codes of further diagnoses
found         codes of findings that must be among those of the report
refused       the target is refused before any packet, and the code is the one of that refusal
slow          its server needs limits longer than the tests' own
why           why another code than the fault's own name is right
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from smtpcheck.core import Report


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row, or what a report says in the same terms."""

    code: str = ""
    verdict: str = ""
    confidence: str = ""
    alternatives: tuple[str, ...] | None = None
    blocked: str | None = None
    also: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    refused: bool = False
    slow: bool = False
    why: str = ""

    @classmethod
    def of(cls, report: Report, *, like: Expectation) -> Expectation:
        """What came out, in the terms of a row; what that row leaves open stays open."""
        first = report.diagnosis
        return cls(
            code=first.code if first else "",
            verdict=report.verdict,
            confidence=first.confidence if first else "",
            alternatives=None if like.alternatives is None or not first else tuple(a.code for a in first.alternatives),
            blocked=None if like.blocked is None or not first else " ".join(first.blocked),
            also=tuple(each.code for each in report.diagnoses[1:]),
            found=tuple(code for code in like.found if code in {finding.code for finding in report.findings}),
            refused=like.refused,
            slow=like.slow,
            why=like.why,
        )


def _row(row: Mapping[str, object]) -> Expectation:
    usual = {"verdict": "broken", "confidence": "certain"} if "code" in row else {}
    return msgspec.convert({**usual, **row}, Expectation)


def _rows() -> dict[str, Expectation]:
    table: dict[str, Expectation] = {}
    for path in sorted((Path(__file__).parent / "expected").glob("*.toml")):
        read = tomllib.loads(path.read_text("utf-8"))
        assert not table.keys() & read.keys(), f"{path.name} repeats {sorted(table.keys() & read.keys())}"
        table |= {name: _row(row) for name, row in read.items()}
    return table


EXPECTED = _rows()
