"""How does a report look in each format? `python docs/examples.py` writes reports/example.* anew.

All of them are reports/example.json in other words: a practice account with one fault, recorded once.
`python docs/examples.py --record` records it again.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from smtpcheck.report import formats
from smtpcheck.report.saved import replay

FOLDER = Path(__file__).parent.parent / "reports"
SOURCE = FOLDER / "example.json"
FAULT = "certificate-chain-incomplete"


def examples() -> dict[str, str]:
    """Every file name with what belongs in it."""
    reports = replay.saved(SOURCE.read_bytes())
    found = {f"example{suffix}": formats.render(reports, name) for name, suffix in formats.suffixes().items()}
    return found | {"example.zh-CN.md": formats.render(reports, "markdown", lang="zh-CN")}


async def record() -> str:
    """The report about the practice account, as JSON."""
    from smtpcheck.lab import Lab
    from smtpcheck.run import run
    from smtpcheck.target.credentials import Secret
    from smtpcheck.target.grammar import parse_target

    async with Lab() as lab:
        practice = await lab.start(FAULT)
        given = {"secret": "env:SMTPCHECK_PASSWORD", **practice.options}
        target = parse_target(practice.target, **given)
        report = await run(target, secret=Secret(practice.password))
    return formats.render([report], "json")


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    if "--record" in sys.argv[1:]:
        SOURCE.write_text(asyncio.run(record()), encoding="utf-8")
    for name, text in examples().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"reports/{name}")


if __name__ == "__main__":
    main()
