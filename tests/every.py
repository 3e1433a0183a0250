"""Does a claim hold for every row of a table? One test for all of them, which names the rows for which it does not."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from itertools import product
from typing import Any


def every(**values: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the test for each combination of these values. Its other parameters stay pytest's fixtures."""
    table = {name: tuple(each) for name, each in values.items()}
    combinations = [dict(zip(table, row, strict=True)) for row in product(*table.values())]

    def over_all(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            assert combinations, "a table without rows proves nothing"
            complaints = []
            for row in combinations:
                try:
                    test(**fixtures, **row)
                except AssertionError as error:
                    complaints.append(f"{', '.join(str(value)[:120] for value in row.values())}: {error}")
            assert not complaints, f"{len(complaints)} of {len(combinations)}\n" + "\n".join(complaints[:20])

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in table]
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        del run.__wrapped__  # pytest would read the row's parameters as fixtures
        return run

    return over_all
