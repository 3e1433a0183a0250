"""Does the test over a table fail for each row that is wrong, and only then?"""

from __future__ import annotations

import pytest

from tests.every import every


def test_each_wrong_row_is_named() -> None:
    @every(number=(1, 2, 3, 4), word=("a", "b"))
    def odd(number: int, word: str) -> None:
        assert number % 2 or word == "b", "even"

    with pytest.raises(AssertionError, match=r"(?s)2 of 8\n2, a: even.*\n4, a: even"):
        odd()


@every(number=(1, 3))
def test_rows_that_are_right_pass(number: int) -> None:
    assert number % 2


def test_an_empty_table_is_no_pass() -> None:
    @every(number=())
    def nothing(number: int) -> None: ...

    with pytest.raises(AssertionError, match="without rows"):
        nothing()


@every(number=(1, 2))
def test_fixtures_are_handed_on(number: int, tmp_path: object) -> None:
    assert tmp_path
