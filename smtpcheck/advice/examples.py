"""What stands in a text for a value that only a report knows? One readable example for each, in examples.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from smtpcheck.core import Scalar

_REPLY = re.compile(
    r"(?P<code>[2-5][0-9]{2})[ -](?P<text>(?:(?P<enhanced>[245]\.[0-9]{1,3}\.[0-9]{1,3})[ :])?.*)", re.DOTALL
)

_TABLE: Mapping[str, Any] = MappingProxyType(
    tomllib.loads(files("smtpcheck.advice").joinpath("examples.toml").read_text("utf-8"))
)
STANDARD: Mapping[str, Scalar] = MappingProxyType(_TABLE["standard"])
"""The values that every text may use, with an example of each; `values` derives the same ones from a report."""


def subject_shown() -> str:
    """What stands for {subject}."""
    return f"{STANDARD['host']}:{STANDARD['port']}"


SEEN: Mapping[str, Scalar] = MappingProxyType(_TABLE["seen"])
"""An example for each value that findings and causes bring along, but for a reply."""
REPLY = frozenset({"code", "text", "enhanced"})
"""The values that quote a server's reply."""


@cache
def reply(code: str) -> Mapping[str, Scalar]:
    """What a server says to that: the words by which it is known, else usual ones of the stage."""
    # late: only some texts quote a reply
    from smtpcheck.diagnosis.causes import CAUSES
    from smtpcheck.diagnosis.words.replies import written
    from smtpcheck.probes import rules

    rows = sorted((row for row in written() if code in row.names), key=lambda row: row.cause != code)
    said = next((said for row in rows for _, said in row.text if _REPLY.fullmatch(said)), "")
    if not said:
        finding = next((name for name, causes in CAUSES.items() if code in {c.code for c in causes}), code)
        stage = rules()[finding].stage if finding in rules() else ""
        lasting = _TABLE["reply"].get(stage, _TABLE["reply"]["rcpt"])
        said = _TABLE["temporary"] if code.endswith(("deferred", "temporary", "busy")) else lasting
    found = _REPLY.fullmatch(said)
    if found is None:
        raise ValueError(f"an example of no reply: {said!a}")
    return {"code": int(found["code"]), "text": found["text"], "enhanced": found["enhanced"] or ""}
