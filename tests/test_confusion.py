"""Does the confusion table tell a wrong name, a false alarm and a fault that was missed from a name that is right?"""

from __future__ import annotations

import pytest

from benchmarks.confusion import Grade, grade, table
from tests.checking import check_fault
from tests.expectations import EXPECTED, Expectation


async def test_what_comes_out_as_expected_is_no_objection() -> None:
    rows = await table(["healthy", "auth-refused", "certificate-chain-incomplete-no-aia"])

    assert [row.grade for row in rows] == [Grade.HEALTHY, Grade.CERTAIN, Grade.POSSIBLE]


@pytest.mark.parametrize(
    ("fault", "expected", "worth"),
    [
        ("auth-refused", Expectation(code="certificate-expired", verdict="broken"), Grade.WRONG),
        ("auth-refused", EXPECTED["healthy"], Grade.FALSE_ALARM),
        ("healthy", EXPECTED["auth-refused"], Grade.MISSED),
        ("delivery-silently-dropped", EXPECTED["healthy"], Grade.MISSED),
    ],
)
async def test_another_outcome_is_graded_for_what_it_is(fault: str, expected: Expectation, worth: Grade) -> None:
    assert grade(expected, await check_fault(fault)) is worth
