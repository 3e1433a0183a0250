"""What do these words of a server mean? The rows in reply/, matched on stage, code and text, never on a bare code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files as resources
from typing import NamedTuple

import msgspec

from smtpcheck.core import Finding, Scalar, Stage, Target
from smtpcheck.target import providers


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row, for one stage and at most one provider."""

    stage: Stage
    codes: tuple[int, ...]
    text: str
    source: str
    cause: str = ""
    among: tuple[str, ...] = ()
    """The causes that say the same, most frequent first; in place of `cause`."""
    decide: str = ""
    """Who tells which of them it is, by its name in context.py."""
    enhanced: tuple[str, ...] = ()
    provider: str = ""
    unless: str = ""


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row as it stands in its file; the head of table/auth.toml says what the fields mean."""

    stage: Stage | tuple[Stage, ...]
    codes: tuple[int, ...]
    text: tuple[tuple[str, str], ...]
    source: str
    cause: str = ""
    among: tuple[str, ...] = ()
    decide: str = ""
    enhanced: tuple[str, ...] = ()
    provider: str | tuple[str, ...] = ""
    unless: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Where it counts."""
        return (self.stage,) if isinstance(self.stage, Stage) else self.stage

    @property
    def providers(self) -> tuple[str, ...]:
        """For whom it counts; one empty word for everybody."""
        return (self.provider,) if isinstance(self.provider, str) else self.provider

    @property
    def names(self) -> frozenset[str]:
        """The causes that it names."""
        return frozenset(filter(None, (self.cause, *self.among)))


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rows, and the patterns that they name in `unless`."""

    reply: tuple[Written, ...]
    beside: Mapping[str, tuple[str, ...]] = {}


@cache
def tables() -> tuple[File, ...]:
    """The files of reply/, in the order of matching."""
    folder = resources("smtpcheck.diagnosis.words").joinpath("table")
    texts = [path.read_text("utf-8") for path in sorted(folder.iterdir(), key=str) if path.name.endswith(".toml")]
    return tuple(msgspec.convert(tomllib.loads(text), File) for text in texts)


@cache
def written() -> tuple[Written, ...]:
    """All rows as they stand in their files, in the order of matching."""
    return tuple(row for file in tables() for row in file.reply)


@cache
def rows() -> tuple[Row, ...]:
    """All rows, in the order of matching."""
    return spread(tables())


def spread(files: Iterable[File]) -> tuple[Row, ...]:
    """One row for each stage and provider for which a written one counts."""
    return tuple(
        Row(
            stage=stage,
            codes=row.codes,
            text=_any(pattern for pattern, _ in row.text),
            source=row.source,
            cause=row.cause,
            among=row.among,
            decide=row.decide,
            enhanced=row.enhanced,
            provider=provider,
            unless=_any(pattern for name in row.unless for pattern in file.beside[name]),
        )
        for file in files
        for row in file.reply
        for stage in row.stages
        for provider in row.providers
    )


def _any(patterns: Iterable[str]) -> str:
    joined = "|".join(patterns)
    return f"(?i){joined}" if joined else ""


def causes(stage: Stage) -> tuple[str, ...]:
    """The causes that the table knows for a stage."""
    return tuple(
        dict.fromkeys(code for row in rows() if row.stage is stage for code in (row.cause, *row.among) if code)
    )


def row_of(finding: Finding, target: Target) -> Row | None:
    """The first row that matches, None where no row knows these words."""
    return _known(_reading(finding, target))


def first_of(table: Iterable[Row], finding: Finding, target: Target) -> Row | None:
    """The first row of that table that matches, None where none does."""
    return _first(table, _reading(finding, target))


class _Reading(NamedTuple):
    """What of a finding the rows look at."""

    stage: Stage
    code: Scalar
    enhanced: Scalar
    words: str
    apart: str
    provider: str


def _reading(finding: Finding, target: Target) -> _Reading:
    seen = finding.seen
    words = _words(seen)
    return _Reading(
        stage=finding.stage,
        code=seen.get("code"),
        enhanced=seen.get("enhanced"),
        words=words,
        apart=_apart(words, seen, target),
        provider=_provider(finding, target),
    )


@lru_cache(maxsize=64)  # each cause of a stage asks about the same words
def _known(reading: _Reading) -> Row | None:
    return _first(rows(), reading)


def _first(table: Iterable[Row], reading: _Reading) -> Row | None:
    for row in table:
        if row.stage is not reading.stage or reading.code not in row.codes:
            continue
        if (row.enhanced and reading.enhanced not in row.enhanced) or row.provider not in ("", reading.provider):
            continue
        if matched(row, reading.words, reading.apart):
            return row
    return None


def matched(row: Row, words: str, apart: str | None = None) -> re.Match[str] | None:
    """Where the row's words stand in the text, None where they do not, or another reason stands beside them."""
    if row.unless and _compiled(row.unless).search(_bare(words) if apart is None else apart):
        return None
    return _compiled(row.text).search(words)


_compiled = cache(re.compile)  # more patterns than the cache of `re` keeps


def _words(seen: Mapping[str, Scalar]) -> str:
    """The text without the enhanced code before each further line (RFC 2034 section 4), which would part words."""
    text, enhanced = str(seen.get("text", ""))[:4096], seen.get("enhanced")
    return re.sub(rf"\s+{re.escape(str(enhanced))}(?:\s+|$)", " ", text) if enhanced else text


def _apart(words: str, seen: Mapping[str, Scalar], target: Target) -> str:
    """The words where another reason is looked for: pages and hosts say none, and whose address it is counts."""
    bare = _bare(words)
    recipients = {*target.recipients, str(seen.get("address", ""))} - {""}
    if any(each.lower() in bare.lower() for each in recipients):
        return bare
    own = "|".join(re.escape(each) for each in {target.user, target.sender} if "@" in each)
    return re.sub(f"(?i)<?(?:{own})>?", "your address", bare) if own else bare


def _bare(words: str) -> str:
    return re.sub(r"https?://\S+|\[[\w.:-]{1,255}\]", "", words)


def _provider(finding: Finding, target: Target) -> str:
    host = finding.subject.partition("[")[0]
    known = providers.by_host(host) or providers.by_domain(target.name)
    return known.id if known else ""
