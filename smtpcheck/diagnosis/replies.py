"""What do these words of a server mean? The rows in reply/, matched on stage, code and text, never on a bare code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from smtpcheck import providers
from smtpcheck.core import Finding, Scalar, Stage, Target


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row, for one stage and at most one provider."""

    stage: Stage
    codes: tuple[int, ...]
    text: str
    source: str
    cause: str = ""
    among: tuple[str, ...] = ()
    """The causes that say the same, most frequent first; in place of `cause`."""
    enhanced: tuple[str, ...] = ()
    provider: str = ""


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row as it stands in its file; the head of reply/auth.toml says what the fields mean."""

    stage: Stage | tuple[Stage, ...]
    codes: tuple[int, ...]
    text: tuple[tuple[str, str], ...]
    source: str
    cause: str = ""
    among: tuple[str, ...] = ()
    enhanced: tuple[str, ...] = ()
    provider: str | tuple[str, ...] = ""
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


@cache
def written() -> tuple[Written, ...]:
    """All rows as they stand in their files, in the order of matching."""
    folder = files("smtpcheck.diagnosis").joinpath("reply")
    texts = [path.read_text("utf-8") for path in sorted(folder.iterdir(), key=str) if path.name.endswith(".toml")]
    return tuple(row for text in texts for row in msgspec.convert(tomllib.loads(text)["reply"], tuple[Written, ...]))


@cache
def rows() -> tuple[Row, ...]:
    """All rows, in the order of matching."""
    return tuple(
        Row(
            stage=stage,
            codes=row.codes,
            text="(?i)" + "|".join(pattern for pattern, _ in row.text),
            source=row.source,
            cause=row.cause,
            among=row.among,
            enhanced=row.enhanced,
            provider=provider,
        )
        for row in written()
        for stage in row.stages
        for provider in row.providers
    )


def causes(stage: Stage) -> tuple[str, ...]:
    """The causes that the table knows for a stage."""
    return tuple(
        dict.fromkeys(code for row in rows() if row.stage is stage for code in (row.cause, *row.among) if code)
    )


def row_of(finding: Finding, target: Target) -> Row | None:
    """The first row that matches, None where no row knows these words."""
    seen = finding.seen
    code, enhanced = seen.get("code"), seen.get("enhanced")
    return _first(finding.stage, code, enhanced, _words(seen), _provider(finding, target))


@lru_cache(maxsize=64)  # each cause of a stage asks about the same words
def _first(stage: Stage, code: Scalar, enhanced: Scalar, words: str, provider: str) -> Row | None:
    for row in rows():
        if row.stage is not stage or code not in row.codes:
            continue
        if (row.enhanced and enhanced not in row.enhanced) or row.provider not in ("", provider):
            continue
        if re.search(row.text, words):
            return row
    return None


def _words(seen: Mapping[str, Scalar]) -> str:
    """The text without the enhanced code before each further line (RFC 2034 section 4), which would part words."""
    text, enhanced = str(seen.get("text", ""))[:4096], seen.get("enhanced")
    return re.sub(rf"\s+{re.escape(str(enhanced))}(?:\s+|$)", " ", text) if enhanced else text


def _provider(finding: Finding, target: Target) -> str:
    host = finding.subject.partition("[")[0]
    known = providers.by_host(host) or providers.by_domain(target.name)
    return known.id if known else ""
