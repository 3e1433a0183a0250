"""Does the table of endpoints say how far each went, whatever the verdict is about?"""

from __future__ import annotations

import re
from dataclasses import replace

from smtpcheck import core
from smtpcheck.core import Kind, Mode, Severity, Stage, Status, Subject
from smtpcheck.report.page.languages import tongues
from smtpcheck.report.page.pictures.heat import MAX_ENDPOINTS, endpoints, heat, status
from tests.report import samples
from tests.report.pages import text_of
from tests.report.samples import ASIDE, HERE, finding, result

ENGLISH = tongues("en", alone=True)


def refused_aside() -> core.Report:
    """The first address refuses, which is a note only: the other one is well."""
    port = result("port", ASIDE, finding("connect-refused", Stage.CONNECT, Severity.NOTE, ASIDE))
    tls = result("tls", ASIDE, outcome=core.Blocked(Stage.CONNECT, Kind.REFUSED, ""))
    walks = (
        replace(samples.talk(), subject=ASIDE, steps=(core.Step(Stage.CONNECT, 0.0, 0.001, Kind.REFUSED),)),
        replace(samples.talk(), steps=(core.Step(Stage.CONNECT, 0.0, 0.002), core.Step(Stage.TLS, 0.1, 0.004))),
    )
    return samples.report(samples.walk(aside=port, blocked=tls), conversations=walks)


def test_one_endpoint_needs_no_table() -> None:
    assert heat(samples.healthy(), ENGLISH) is None


def test_an_address_that_refused_is_not_drawn_as_well_because_another_one_works() -> None:
    report = refused_aside()
    assert endpoints(report) == (HERE, ASIDE)
    assert status(report, ASIDE, Stage.CONNECT) is Status.FAIL
    assert status(report, ASIDE, Stage.TLS) is Status.BLOCKED
    assert status(report, HERE, Stage.CONNECT) is Status.OK
    drawn = heat(report, ENGLISH)
    assert drawn
    _, good, bad = drawn.source.partition("</thead>")[2].partition("</tr>")[0], *rows(drawn.source)
    assert "The verdict is about this one" in text_of(good)
    assert "2.0" in text_of(good)
    assert text_of(bad).startswith("smtp.example.test [::1]:587 starttls broken 1.0 not reached")


def rows(source: str) -> list[str]:
    return [f"<tr>{row}</tr>" for row in re.findall(r"<tr>(.*?)</tr>", source.partition("<tbody>")[2])]


def test_what_a_walk_did_not_come_to_is_not_drawn_as_well() -> None:
    """A probe about two stages had facts, because the first of them was answered."""
    report = refused_aside()
    report = replace(report, results=(*report.results, result("greeting", ASIDE)))
    assert status(report, ASIDE, Stage.EHLO) is Status.BLOCKED


def test_a_longer_bar_is_slower() -> None:
    drawn = heat(refused_aside(), ENGLISH)
    assert drawn
    widths = re.findall(r'<rect x="0%" y="0" width="([0-9.]+)%"', drawn.source)
    assert widths == ["50", "100", "25"]


def test_a_stage_of_another_mode_is_left_empty() -> None:
    implicit = Subject("smtp.example.test", "127.0.0.1", 465, Mode.IMPLICIT)
    both = (*samples.walk(), *(result(name, implicit) for name in ("port", "tls", "chain", "greeting")))
    report = samples.report(both, conversations=())
    assert status(report, implicit, Stage.STARTTLS) is None
    drawn = heat(report, ENGLISH)
    assert drawn
    assert drawn.source.count('class="none"') == 2  # STARTTLS, and the login that only one is for


def test_hundreds_of_endpoints_are_bounded() -> None:
    many = [replace(HERE, address=f"127.0.{i}.1") for i in range(200)]
    report = samples.report(tuple(result("port", subject) for subject in many), conversations=())
    drawn = heat(report, ENGLISH)
    assert drawn
    assert len(rows(drawn.source)) == MAX_ENDPOINTS
    assert f"and {200 - MAX_ENDPOINTS} more" in text_of(drawn.source)
