"""Is a bar where and as long as the stage was, and a round trip what was asked and answered?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from smtpcheck import core
from smtpcheck.core import Direction, Kind, Stage, Status
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.pictures.drawing import marks
from smtpcheck.report.page.pictures.waterfall import MAX_CONVERSATIONS, groups, round_trips, waterfall
from tests.report import samples
from tests.report.pages import text_of
from tests.report.samples import AT, HERE

ENGLISH = tongues("en", alone=True)


def event(t: float, way: Direction, stage: Stage = Stage.AUTH) -> core.Event:
    return core.Event(t, way, stage, b"something")


def timed(*events: core.Event) -> core.Report:
    steps = (
        core.Step(Stage.CONNECT, 0.0, 0.125),
        core.Step(Stage.GREETING, 0.125, 0.25),
        core.Step(Stage.AUTH, 0.5, 0.5, Kind.REJECTED),
    )
    talk = replace(samples.talk(), steps=steps, started=AT + timedelta(seconds=1), events=events)
    return replace(samples.refused(), conversations=(talk,), elapsed=2.0)


def test_a_bar_is_where_and_as_long_as_a_stage_took() -> None:
    aside, talk = groups(timed())
    assert (talk.name, talk.primary) == (str(HERE), True)
    assert {bar.what for bar in aside.bars} == {"address", "submission", "clock"}
    assert [(bar.what, bar.start, bar.length, bar.status) for bar in talk.bars] == [
        (Stage.CONNECT, 1.0, 0.125, Status.OK),
        (Stage.GREETING, 1.125, 0.25, Status.OK),
        (Stage.AUTH, 1.5, 0.5, Status.FAIL),
    ]
    drawn = waterfall(timed(), ENGLISH)
    assert drawn
    assert 'x="75%" y="4" width="25%"' in drawn.source
    assert 'aria-label="1.50 s - 2.00 s"' in drawn.source
    text = text_of(drawn.source)
    for told in ("the server said no", "125 ms", "500 ms", "The verdict is about this one"):
        assert told in text


def test_a_failed_bar_is_known_without_its_colour() -> None:
    drawn = waterfall(timed(), ENGLISH)
    assert drawn
    login = drawn.source.partition("Login")[2].partition("</tr>")[0]
    assert "icon s-fail" in login
    assert "icon s-" not in drawn.source.partition("Connect")[2].partition("</tr>")[0]


def test_a_bad_certificate_is_a_bad_bar_though_the_walk_went_on() -> None:
    talk = replace(samples.talk(), steps=(core.Step(Stage.TLS, 0.0, 0.1), core.Step(Stage.CERTIFICATE, 0.1, 0.1)))
    _, walked = groups(samples.expired(conversations=(talk,)))
    assert [bar.status for bar in walked.bars] == [Status.OK, Status.FAIL]


@pytest.mark.parametrize(
    ("lines", "trips"),
    [
        ("", []),
        ("i", []),
        ("o", []),
        ("oi", [(0.0, 1.0)]),
        ("ooi", [(1.0, 2.0)]),
        ("oiii", [(0.0, 3.0)]),
        ("noinoii", [(1.0, 2.0), (4.0, 6.0)]),
    ],
)
def test_a_round_trip_is_from_the_last_line_sent_to_the_last_line_of_its_answer(
    lines: str, trips: list[tuple[float, float]]
) -> None:
    ways = {"i": Direction.IN, "o": Direction.OUT, "n": Direction.NOTE}
    assert round_trips([event(float(t), ways[line]) for t, line in enumerate(lines)]) == trips


def test_round_trips_are_drawn_within_their_stage_and_counted() -> None:
    report = timed(event(0.6, Direction.OUT), event(0.8, Direction.IN), event(0.2, Direction.OUT, Stage.MAIL))
    _, talk = groups(report)
    assert [bar.trips for bar in talk.bars] == [(), (), ((1.6, 1.8),)]
    drawn = waterfall(report, ENGLISH)
    assert drawn
    assert "Round trips: 1, 200 ms of waiting" in text_of(drawn.source)
    assert 'x="80%" y="7" width="10%"' in drawn.source


def test_nothing_timed_draws_nothing() -> None:
    assert waterfall(samples.report((), conversations=()), ENGLISH) is None


def test_hundreds_of_connections_are_bounded() -> None:
    report = timed()
    many = replace(report, results=report.results * 300, conversations=report.conversations * 300)
    drawn = waterfall(many, ENGLISH)
    assert drawn
    assert drawn.source.count('class="group"') == MAX_CONVERSATIONS
    assert f"and {300 - MAX_CONVERSATIONS} more" in text_of(drawn.source)
    assert len(drawn.source) < 150_000


@pytest.mark.parametrize("total", [0.0004, 0.04, 0.99, 1.0, 2.5, 30.0, 123.0])
def test_an_axis_has_a_few_neat_marks_within_its_length(total: float) -> None:
    found = marks(total)
    assert 3 <= len(found) <= 6
    assert found[0] == 0
    assert found[-1] <= total * 1.000001
    assert found[-1] > total / 2
