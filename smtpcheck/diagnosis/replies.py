"""What do these words of a server mean? The table of replies, matched on stage, code and text, never on a bare code."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from smtpcheck import providers
from smtpcheck.core import Finding, Stage, Target


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of replies.toml."""

    cause: str
    stage: Stage
    codes: tuple[int, ...]
    text: str
    source: str
    enhanced: tuple[str, ...] = ()
    provider: str = ""


@cache
def rows() -> tuple[Row, ...]:
    """The table, in the order of matching."""
    content = tomllib.loads(files("smtpcheck.diagnosis").joinpath("replies.toml").read_text("utf-8"))
    return msgspec.convert(content["reply"], tuple[Row, ...])


def causes(stage: Stage) -> tuple[str, ...]:
    """The causes that the table knows for a stage."""
    return tuple(dict.fromkeys(row.cause for row in rows() if row.stage is stage))


def cause_of(finding: Finding, target: Target) -> str:
    """The cause that the first matching row names, empty where no row knows these words."""
    return next((row.cause for row in rows() if _matches(row, finding, target)), "")


def _matches(row: Row, finding: Finding, target: Target) -> bool:
    seen = finding.seen
    return (
        row.stage is finding.stage
        and seen.get("code") in row.codes
        and (not row.enhanced or seen.get("enhanced") in row.enhanced)
        and (not row.provider or row.provider == _provider(finding, target))
        and re.search(row.text, str(seen.get("text", ""))[:4096]) is not None
    )


def _provider(finding: Finding, target: Target) -> str:
    host = finding.subject.partition("[")[0]
    known = providers.by_host(host) or providers.by_domain(target.name)
    return known.id if known else ""
