"""Healthy, broken, or could not tell? And which stages were not tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from smtpcheck import route
from smtpcheck.core import PATHS, Diagnosis, Failure, Mode, Result, Stage, Status, Subject, Target, Verdict


def verdict(target: Target, results: Sequence[Result[Any]], diagnoses: Sequence[Diagnosis]) -> Verdict:
    """Broken before our bug before inconclusive; warnings and side ports never count."""
    if diagnoses:
        return Verdict.BROKEN
    if any(result.status is Status.BUG for result in results):
        return Verdict.BUG
    missing = set(not_tested(target, results)) & set(_on_path(target, results))
    return Verdict.INCONCLUSIVE if missing else Verdict.HEALTHY


def _on_path(target: Target, results: Sequence[Result[Any]]) -> tuple[Stage, ...]:
    subject = route.chosen(target, results)
    path = PATHS[subject.mode if subject else Mode.STARTTLS]
    return tuple(stage for stage in path if stage in route.asked(target))


def not_tested(target: Target, results: Sequence[Result[Any]]) -> tuple[Stage, ...]:
    """The stages of the whole way, and the clock, about which nothing was learnt."""
    subject = route.chosen(target, results)
    path = PATHS[subject.mode if subject else Mode.STARTTLS]
    broke, result = route.first_break(subject, results) if subject else (None, None)
    learnt = {stage for stage in path if subject and _learnt(stage, subject, results)}
    if broke in path and result is not None and not isinstance(result.outcome, Failure):
        learnt.add(broke)
    clock = any(r.probe == "clock" and r.facts is not None for r in results)
    return tuple(stage for stage in path if stage not in learnt) + (() if clock else (Stage.CLOCK,))


def _learnt(stage: Stage, subject: Subject, results: Sequence[Result[Any]]) -> bool:
    if stage is Stage.DNS:
        mine = route.results_of(Subject(subject.name), results)
        return "address" in mine and mine["address"].facts is not None
    if stage is Stage.DELIVERY:
        return any(r.probe == "delivery" and r.facts is not None for r in results)
    mine = route.results_of(subject, results)
    names = [name for name, stages in route.CONCERNS.items() if stage in stages and name in mine]
    return any(_reached(stage, mine[name], subject) for name in names)


def _reached(stage: Stage, result: Result[Any], subject: Subject) -> bool:
    """The result has facts, and nothing broke on the way before that stage."""
    if result.status is Status.SKIPPED:
        return True
    if result.facts is None:
        return False
    path = PATHS[subject.mode]
    breaks = [f.stage for f in result.findings if f.severity == "fail" and f.stage in path]
    return all(path.index(stage) <= path.index(broken) for broken in breaks)
