"""Did every test on a real server or in a real browser pass, none skipped and none lost?

usage: .ci/servers.py JUNIT.xml [--write]
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

MARKS = ("servers", "browser")
LIST = Path(__file__).with_name("servers.txt")


def outcomes(junit: Path) -> dict[str, str]:
    """The id of every test with one of the marks, and how it ended: passed, skipped, failure or error."""
    seen = {}
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - our own pytest wrote it a moment ago
        ended = next((kind for kind in ("error", "failure", "skipped") if case.find(kind) is not None), "passed")
        marks = (mark for mark in case.iterfind("properties/property") if mark.get("name") in MARKS)
        seen |= {mark.get("value", ""): ended for mark in marks}
    return seen


def complaints(wanted: set[str], seen: dict[str, str]) -> list[str]:
    """One line for each test that did not pass, and for each that is not on the list."""
    failed = [f"{seen.get(test, 'did not run')}: {test}" for test in sorted(wanted) if seen.get(test) != "passed"]
    return failed + [f"not in {LIST.name}: {test}" for test in sorted(seen.keys() - wanted)]


def main() -> None:
    """Compare the JUnit file with the list, or write the list from it."""
    junit, *options = sys.argv[1:] or sys.exit(__doc__)
    seen = outcomes(Path(junit))
    if options == ["--write"]:
        LIST.write_text("".join(f"{test}\n" for test in sorted(seen)))
    elif wrong := complaints(set(LIST.read_text().splitlines()), seen):
        run = "pytest -m 'servers or browser' --junitxml=junit.xml"
        update = f"Added or renamed? {run} && python {sys.argv[0]} junit.xml --write"
        sys.exit("\n".join(["Tests on real servers and in a real browser:", *wrong, update]))


main()
