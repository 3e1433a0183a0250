"""Writes docs/faults.md: every known fault, the code it comes out with, the test that injects it, and what proves it.

python -m docs.faults            writes the page
python -m docs.faults --check    exit status 1 where the page is not what would be written
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Set
from pathlib import Path

from smtpcheck import advice
from smtpcheck.diagnosis.causes import CAUSES
from smtpcheck.diagnosis.words import replies
from smtpcheck.probes import rules
from tests.expectations import EXPECTED

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "faults.md"
HEAD = """\
# Faults

Every fault that people are known to hit, what smtpcheck calls it, and how that is held. Written by
`python -m docs.faults`.

- *Named*: injected into the practice servers, it comes out with this code. *Likely*, *possible*: what is seen fits
  several causes; the fault is among the alternatives, and the report says what would decide. *Healthy*: it breaks
  nothing, and the remark, where there is one, is shown. *Could not tell*: nobody can; the report says where to look.
- The test is `tests/test_faults.py::test_a_fault_comes_out_as_expected[FAULT]`; `smtpcheck lab FAULT` lets you try it.
- Evidence: the findings from which the cause follows, and the stages at which the words of servers are known for it.

"""


def known() -> Set[str]:
    """The faults of the list, in its order."""
    return dict.fromkeys((ROOT / "docs" / "faults.txt").read_text("utf-8").split()).keys()


def untestable() -> dict[str, str]:
    """Fault -> why it can't be seen from here."""
    path = ROOT / "smtpcheck" / "diagnosis" / "untestable.toml"
    return {name: row["why"] for name, row in tomllib.loads(path.read_text("utf-8")).items()}


def evidence(code: str) -> str:
    """The findings behind a cause."""
    if not code:
        return ""
    findings = [finding for finding, causes in CAUSES.items() if code in {cause.code for cause in causes}]
    findings += [code] if code in rules() else []
    words = dict.fromkeys(row.stage.value for row in replies.rows() if code in (row.cause, *row.among))
    parts = [f"`{finding}`" for finding in dict.fromkeys(findings)]
    return ", ".join(parts) + (f"; words at {', '.join(words)}" if words else "")


def outcome(fault: str) -> str:
    """What comes out when it is injected."""
    expected = EXPECTED[fault]
    if expected.verdict == "healthy":
        return "healthy"
    if expected.refused:
        return "refused before any packet"
    if expected.verdict == "inconclusive":
        return "could not tell"
    if expected.confidence != "certain":
        return f"{expected.confidence}: `{expected.code}`"
    return "named" if expected.code == fault else f"named `{expected.code}`"


def table() -> Iterator[str]:
    """The rows that can be injected."""
    yield "| fault | what it is | comes out | evidence |\n|---|---|---|---|\n"
    for fault in known():
        if fault in EXPECTED:
            proof = evidence(fault) or evidence(EXPECTED[fault].code)
            yield f"| `{fault}` | {_said(fault)} | {outcome(fault)} | {proof} |\n"


def _said(fault: str) -> str:
    """Its one line, with the names of the values that a report would show."""
    entry = advice.entry(fault, "en")
    text = (entry.short or entry.summary) if entry else ""
    return re.sub(r"\{(\w+)\}", lambda match: f"*{match[1].replace('_', ' ')}*", text).replace("|", r"\|")


def rest() -> Iterator[str]:
    """The rows that nobody can see from a sender's side."""
    yield "\n## Not to be seen from here\n\n`smtpcheck explain FAULT` tells what to do.\n\n| fault | why |\n|---|---|\n"
    reasons = untestable()
    yield from (f"| `{fault}` | {reasons[fault]} |\n" for fault in known() if fault in reasons)


def page() -> str:
    """The whole page."""
    return HEAD + "".join(table()) + "".join(rest())


def main() -> int:
    """Write or compare."""
    if "--check" in sys.argv:
        return 0 if PAGE.read_text("utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
