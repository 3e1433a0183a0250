"""What does the page call its parts, and how does it write times? The labels that only the page has."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from smtpcheck.report.page.markup import Html, tag


@cache
def labels(lang: str) -> Mapping[str, str]:
    """The labels of a language, in English for one not spoken here."""
    known = tomllib.loads(files("smtpcheck.report.page").joinpath("page.toml").read_text("utf-8"))
    return MappingProxyType(known.get(lang, known["en"]))


def opening(text: str) -> str:
    """A sentence with a capital letter, unless it begins with a name: a host or a program is spelt as it is."""
    first = text.partition(" ")[0]
    return text[:1].upper() + text[1:] if first.rstrip(",;:").isalpha() and first != "smtpcheck" else text


def duration(seconds: float) -> str:
    """A time span with its unit: 0.42 ms, 18 ms, 2.50 s."""
    if seconds >= 0.9995:
        return f"{seconds:.2f} s"
    if seconds < 0.000005:
        return "0 ms"
    places = 0 if seconds >= 0.01 else 1 if seconds >= 0.001 else 2
    return f"{seconds * 1000:.{places}f} ms"


def amount(seconds: float, lang: str) -> str:
    """A clock's error, in the unit that people would use."""
    words = labels(lang)
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size:
            return words[unit].format(count=f"{seconds / size:.3g}")
    return duration(seconds)


def moment(at: datetime) -> Html:
    """A point in time, for people and for machines."""
    return tag("time", f"{at:%Y-%m-%d %H:%M:%S} UTC", datetime=f"{at:%Y-%m-%dT%H:%M:%SZ}")
