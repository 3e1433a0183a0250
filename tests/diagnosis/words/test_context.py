"""Is a row decided by the decider that it names, in whatever order it lists its causes?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from smtpcheck.core import Finding, Result, Severity, Skipped, Stage, Subject, TargetKind
from smtpcheck.diagnosis.case import Case
from smtpcheck.diagnosis.words import context, replies
from smtpcheck.target.grammar import parse_target

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def refused(target: str, **options: Any) -> Case:
    """A recipient who was refused, with nothing else known."""
    aim = parse_target(target, **options)
    subject = Subject(aim.name, "192.0.2.1", aim.port or 25)
    finding = Finding("recipient-refused", Severity.FAIL, Stage.RCPT, str(subject), {"address": "you@other.test"})
    result: Result[Any] = Result(
        probe="envelope", subject=subject, outcome=Skipped("not-asked"), findings=(finding,), started=NOW, elapsed=0.0
    )
    return Case(aim, (result,), result, finding, subject)


def row(decide: str) -> replies.Row:
    return next(row for row in replies.rows() if row.decide == decide)


def both_ways(case: Case, decide: str) -> set[tuple[str, ...]]:
    """What is left of the row as it stands, and with its causes turned round."""
    mine = row(decide)
    turned = msgspec.structs.replace(mine, among=mine.among[::-1])
    return {tuple(sorted(context.narrowed(case, each))) for each in (mine, turned)}


def test_each_decider_is_named_by_a_row_and_each_name_is_a_decider() -> None:
    assert {row.decide for row in replies.rows() if row.decide} == {*context.DECIDERS, context.WITHOUT_LOGIN}


@pytest.mark.parametrize(
    ("target", "options", "decide", "left"),
    [
        ("smtp.firm.test:587", {}, "relay-or-form", ("relay-denied-no-auth",)),
        ("smtp.firm.test:587", {}, "relay", ("relay-denied-no-auth",)),
        # on port 25 without a login it may be either
        ("smtp.firm.test:25", {}, "relay", ("mx-wrong-system", "relay-denied-no-auth")),
        ("mx:other.test", {}, "relay", ("mx-wrong-system",)),
        ("mx:other.test", {}, "frequent", ("qq-inbound-frequency",)),
        ("mx:other.test", {}, "unrouteable", ("user-unknown",)),
        ("smtp.firm.test:587", {}, "unrouteable", ("local-domain-trap", "user-unknown")),
    ],
)
def test_a_row_is_decided_in_whatever_order_it_lists_its_causes(
    target: str, options: dict[str, Any], decide: str, left: tuple[str, ...]
) -> None:
    assert both_ways(refused(target, **options), decide) == {left}


def test_words_that_mean_their_cause_only_without_a_login_mean_it_without_one() -> None:
    case, mine = refused("smtp.firm.test:587"), row(context.WITHOUT_LOGIN)

    assert case.target.kind is TargetKind.HOST
    assert context.narrowed(case, mine) == (mine.among or (mine.cause,))
