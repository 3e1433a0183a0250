"""Which formats can a report be written in? One file each, found by its name.

A format is a file here with `SUFFIX = "..."`, the end of a file name that asks for it, and
`render(reports, *, lang) -> str`: one report or several, in one document. It is pure: no I/O, no clock, no locale.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smtpcheck.core import Report

_SUFFIX = re.compile(r'^SUFFIX = "(\.[a-z.]+)"$', re.MULTILINE)


@cache
def suffixes() -> Mapping[str, str]:
    """The formats with their suffixes, sorted; read from the files, so that asking for help imports none of them."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        if suffix := _SUFFIX.search(path.read_text(encoding="utf-8")):
            found[path.stem] = suffix[1]
    return MappingProxyType(found)


def names() -> tuple[str, ...]:
    """The formats, sorted."""
    return tuple(suffixes())


def render(reports: Sequence[Report], name: str, *, lang: str = "en") -> str:
    """The reports in that format. Raises ValueError for a format that is not there."""
    text: str = _module(name).render(reports, lang=lang)
    return text


def of_path(path: str) -> str:
    """The format that the end of a file name asks for, the longest end first. Raises ValueError where none does."""
    ends = {suffix: name for name, suffix in suffixes().items()}
    asked = [end for end in ends if path.lower().endswith(end)]
    if not asked:
        raise ValueError(f"{path}: no format is named so; known: {', '.join(sorted(ends))}")
    return ends[max(asked, key=len)]


def _module(name: str) -> ModuleType:
    if name not in names():
        raise ValueError(f"no format {name!r}; known: {', '.join(names())}")
    return import_module(f"smtpcheck.report.formats.{name}")
