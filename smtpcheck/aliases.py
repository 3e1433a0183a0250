"""What is a code called today? Every earlier code, and every known name of a fault, leads to one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def aliases() -> Mapping[str, str]:
    """Earlier code -> today's; no earlier code is one of today's."""
    read: Mapping[str, str] = tomllib.loads(files("smtpcheck").joinpath("aliases.toml").read_text("utf-8"))
    return read


def current(code: str) -> str:
    """Today's code for a code of any release; one that was never given stays as it is."""
    return aliases().get(code, code)
