"""Which formats can a report be written in? One file each, found by its name.

A format is a file here with `SUFFIX`, the end of a file name that asks for it, and
`render(reports, *, lang) -> str`: one report or several, in one document. It is pure: no I/O, no clock, no locale.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from smtpcheck.core import Report


@cache
def names() -> tuple[str, ...]:
    """The formats, sorted."""
    return tuple(sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py")))


def render(reports: Sequence[Report], name: str, *, lang: str = "en") -> str:
    """The reports in that format. Raises ValueError for a format that is not there."""
    text: str = _module(name).render(reports, lang=lang)
    return text


def of_path(path: str) -> str:
    """The format that the end of a file name asks for, the longest end first. Raises ValueError where none does."""
    ends = {_module(name).SUFFIX: name for name in names()}
    asked = [end for end in ends if path.lower().endswith(end)]
    if not asked:
        raise ValueError(f"{path}: no format is named so; known: {', '.join(sorted(ends))}")
    return ends[max(asked, key=len)]


def _module(name: str) -> ModuleType:
    if name not in names():
        raise ValueError(f"no format {name!r}; known: {', '.join(names())}")
    return import_module(f"smtpcheck.report.formats.{name}")
