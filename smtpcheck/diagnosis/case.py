"""What is a cause asked about, and how does it answer? One finding with all else that is known; True, False, None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from smtpcheck.core import Finding, Mode, Result, Scalar, Stage, Subject, Target

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class Case:
    """One finding with everything else that is known."""

    target: Target
    results: tuple[Result[Any], ...]
    result: Result[Any]
    finding: Finding
    primary: Subject | None = None
    """The endpoint that the verdict is about."""

    def of(self, kind: type[F], *, here: bool = True) -> F | None:
        """The facts of that kind about the same subject (or about any), None where there are none."""
        mine = (r.facts for r in self.results if not here or r.subject == self.result.subject)
        return next((facts for facts in mine if isinstance(facts, kind)), None)

    def finding_in(self, probe: str, code: str) -> Finding | None:
        """That finding of another probe, None where it did not make it."""
        return next((f for r in self.results if r.probe == probe for f in r.findings if f.code == code), None)

    def finding_of(self, probe: str) -> Finding | None:
        """The first finding of another probe."""
        return next((f for r in self.results if r.probe == probe for f in r.findings), None)


Holds = Callable[[Case], bool | None]


def _nothing(case: Case) -> Mapping[str, Scalar]:
    return {}


def never(case: Case) -> bool | None:
    """No evidence for it."""
    return False


@dataclass(frozen=True, slots=True)
class Cause:
    """A cause, the test for it, its own stage where that is another one, and the values its text needs besides."""

    code: str
    holds: Holds
    stage: Stage | None = None
    seen: Callable[[Case], Mapping[str, Scalar]] = field(default=_nothing)
    likely: Holds = field(default=never)
    """Offline evidence for it among others that can't be told apart."""
    leads: Holds = field(default=never)
    """Enough evidence to name it in place of the symptom, as likely, with the others as alternatives."""


def always(case: Case) -> bool | None:
    """The finding is the cause."""
    return True


def unknown(case: Case) -> bool | None:
    """Can't be told from here."""
    return None


def configured(code: str) -> Holds:
    """The settings themselves show it, before any packet."""
    return lambda case: any(f.code == code for r in case.results if r.probe == "config" for f in r.findings)


def speaks(*protocols: str) -> Holds:
    """The bytes that came belong to that protocol."""
    return lambda case: case.finding.seen.get("speaks") in protocols


def in_mode(case: Case, mode: Mode) -> bool:
    """The endpoint was asked in that mode."""
    return case.result.subject.mode is mode
