"""What do words mean, as a person says it? expected_replies.toml and expected_errors.toml, and who disagrees."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from smtpcheck.core import Finding, Severity, Stage, Target, TargetKind
from smtpcheck.diagnosis.words import replies
from smtpcheck.pasted import answer
from smtpcheck.target import providers
from smtpcheck.wire.smtp import Reply

Names = tuple[str, ...]
NOBODY = Target(spec="", kind=TargetKind.HOST, name="")


class Decided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What other facts than the words make of several causes."""

    code: str
    why: str


class Meaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that mean the same, at the same places."""

    said: tuple[str, ...]
    code: str = ""
    among: Names = ()
    decided: Decided | None = None
    stage: Stage | tuple[Stage, ...] = ()
    provider: str | tuple[str, ...] = ""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Where it was said."""
        return (self.stage,) if isinstance(self.stage, Stage) else self.stage

    @property
    def providers(self) -> tuple[str, ...]:
        """Whose server said it; one empty word for nobody's of whom we know anything."""
        return (self.provider,) if isinstance(self.provider, str) else self.provider

    @property
    def names(self) -> Names:
        """The causes, most frequent first; none where the words tell none."""
        return (self.code,) if self.code else self.among


class Case(msgspec.Struct, frozen=True):
    """One text at one place, and what it means there."""

    said: str
    names: Names
    stage: Stage | None
    provider: str = ""
    decided: Decided | None = None


def _read(name: str) -> tuple[Meaning, ...]:
    tables = tomllib.loads((Path(__file__).parent / name).read_text("utf-8"))
    meanings = msgspec.convert([*tables.pop("meaning"), *tables.pop("silent")], tuple[Meaning, ...])
    assert not tables, f"{name}: {sorted(tables)}"
    return meanings


@cache
def reply_cases() -> tuple[Case, ...]:
    """What servers say."""
    return tuple(
        Case(said, meaning.names, stage, provider, meaning.decided)
        for meaning in _read("expected_replies.toml")
        for said in meaning.said
        for stage in meaning.stages
        for provider in meaning.providers
    )


@cache
def error_cases() -> tuple[Case, ...]:
    """What programs say."""
    return tuple(
        Case(said, meaning.names, stage)
        for meaning in _read("expected_errors.toml")
        for said in meaning.said
        for stage in meaning.stages or (None,)
    )


def spoken(line: str) -> Reply:
    """A reply of one line, as the wire has it."""
    return Reply(int(line[:3]), (line[4:].encode(),))


@cache
def host_of(provider: str) -> str:
    """Where that provider takes mail; some host, for none."""
    return next((row.smtp[0].host for row in providers.providers() if row.id == provider), "mail.example.net")


@cache
def asked(said: str, stage: Stage, provider: str) -> Finding:
    """What a probe finds where a server says that."""
    reply = spoken(said)
    seen = {"code": reply.code, "enhanced": reply.enhanced, "text": reply.text}
    return Finding("", Severity.FAIL, stage, host_of(provider), seen)


def answered(table: Iterable[replies.Row], case: Case) -> Names:
    """What those rows make of the words of a server."""
    assert case.stage
    row = replies.first_of(table, asked(case.said, case.stage, case.provider), NOBODY)
    return tuple(filter(None, (row.cause, *row.among))) if row else ()


def misread(table: answer.Errors, cases: Iterable[Case]) -> Iterator[str]:
    """Each text of a program of which those rows make another thing than a person does."""
    for case in cases:
        row = answer.first_error(table, case.said, case.stage)
        found = row.among if row else ()
        if found != case.names:
            yield f"{case.said!r} {case.stage or ''}: means {case.names}, taken for {found}"


def misheard(table: tuple[replies.Row, ...], cases: Iterable[Case]) -> Iterator[str]:
    """Each reply of which those rows make another thing than a person does."""
    for case in cases:
        found = answered(table, case)
        if found != case.names:
            yield f"{case.said!r} {case.stage} {case.provider}: means {case.names}, taken for {found}"
