"""Is every fault named, none wrongly, and no healthy server accused? Injected fault x named cause, over the whole lab.

    python -m benchmarks.confusion [--all] [NAME ...]

Each fault of the practice range is checked as a user would check it, and what comes out is held against the row of its
name in tests/expected/, a healthy verdict also against what the server saw: without a question it is none. Only what is
not as expected is printed, with --all every row. Exit status 1 for a wrong name, a false alarm, a fault that was not
noticed or a server that was not asked; over the whole lab also where fewer are certain than before.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from smtpcheck.core import Confidence, Report, Stage, Verdict
from smtpcheck.lab import Lab, Practice
from smtpcheck.target.grammar import UsageError
from tests.checking import PATIENT, checked
from tests.expectations import EXPECTED, Expectation

# more at once would time our own machine
AT_ONCE = 6
# Faults named for certain before codes were one a fault (424 rows). A row may become surer, never less sure.
CERTAIN = 278


class Grade(StrEnum):
    """What a verdict is worth."""

    CERTAIN = "named, certain"
    LIKELY = "named, likely"
    POSSIBLE = "possible, the fault named or among the alternatives"
    HEALTHY = "healthy, and so it is"
    UNDECIDED = "could not tell, and nobody could"
    MISSED = "NOT NOTICED"
    FALSE_ALARM = "FALSE ALARM"
    WRONG = "WRONG NAME"
    IDLE = "HEALTHY, AND THE SERVER WAS NOT ASKED"


BAD = {Grade.MISSED, Grade.FALSE_ALARM, Grade.WRONG, Grade.IDLE}


@dataclass(frozen=True, slots=True)
class Row:
    """One injected fault and what was made of it."""

    fault: str
    expected: str
    named: str
    confidence: str
    grade: Grade

    def __str__(self) -> str:
        named = f"{self.named or '-'} ({self.confidence})" if self.confidence else self.named or "-"
        return f"{self.fault:40} {named:52} {self.grade}"


def grade(expected: Expectation, report: Report) -> Grade:
    """The verdict against what was injected."""
    first = report.diagnosis
    if expected.verdict == "healthy":
        return Grade.FALSE_ALARM if first else Grade.HEALTHY if report.verdict is Verdict.HEALTHY else Grade.MISSED
    if first is None:
        return Grade.UNDECIDED if expected.verdict == report.verdict == "inconclusive" else Grade.MISSED
    if first.code != expected.code:
        possible = {alternative.code for alternative in first.alternatives}
        return Grade.POSSIBLE if expected.code in possible else Grade.WRONG
    sure = {Confidence.CERTAIN: Grade.CERTAIN, Confidence.LIKELY: Grade.LIKELY}
    return sure.get(first.confidence, Grade.POSSIBLE)


def idle(practice: Practice, report: Report) -> bool:
    """The verdict is healthy, and the server saw less than that takes: a connection, and the login that is asked."""
    if report.verdict is not Verdict.HEALTHY or practice.smtp is None:
        return False
    ledger = practice.smtp.ledger
    logged_in = bool(report.target.secret) and Stage.AUTH not in report.not_tested
    return not ledger.connections or (logged_in and not ledger.auths)


async def row(lab: Lab, name: str, gate: asyncio.Semaphore) -> Row:
    """One fault, injected and checked."""
    expected = EXPECTED[name]
    async with gate:
        practice = await lab.start(name)
        try:
            report = await checked(practice, limits=PATIENT)
        except UsageError as error:
            worth = Grade.CERTAIN if expected.refused and error.code == expected.code else Grade.WRONG
            return Row(name, expected.code, error.code, "", worth)
    first = report.diagnosis
    named, confidence = (first.code, str(first.confidence)) if first else (str(report.verdict), "")
    worth = Grade.IDLE if idle(practice, report) else grade(expected, report)
    return Row(name, expected.code or expected.verdict, named, confidence, worth)


async def table(names: Sequence[str]) -> list[Row]:
    """All rows, in the order of the names."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with Lab() as lab:
        return list(await asyncio.gather(*(row(lab, name, gate) for name in names)))


def main() -> int:
    """Print the table and the sums."""
    words = [word for word in sys.argv[1:] if word != "--all"]
    rows = asyncio.run(table(words or list(EXPECTED)))
    for each in rows:
        if each.grade in BAD or "--all" in sys.argv or words:
            print(each)
    counted = Counter(each.grade for each in rows)
    for each in Grade:
        print(f"{counted[each]:4}  {each}")
    if not words and counted[Grade.CERTAIN] < CERTAIN:
        print(f"fewer than the {CERTAIN} of before are certain")
        return 1
    return 1 if any(each.grade in BAD for each in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
