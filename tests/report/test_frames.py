"""Are the tables of a report tidy, typed, harmless, and the same for one report and for many?"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas
import pytest

import smtpcheck
from smtpcheck.core import Report, Severity, Stage
from smtpcheck.lab import Background, background
from smtpcheck.report import escape, frames
from tests.report import samples

KINDS = tuple(frames.COLUMNS)


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


def checked(lab: Background, fault: str) -> Report:
    practice = lab.start(fault)
    return smtpcheck.check(practice.target, password=practice.password, **practice.options)


@pytest.fixture(scope="module")
def delivered(lab: Background) -> Report:
    return checked(lab, "delivered")


@pytest.fixture(scope="module")
def refused(lab: Background) -> Report:
    return checked(lab, "auth-refused")


@pytest.fixture(scope="module")
def wrong_host(lab: Background) -> Report:
    return checked(lab, "certificate-wrong-host")


@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_types_are_the_same_with_and_without_rows(kind: str, delivered: Report) -> None:
    empty, full = smtpcheck.frame((), kind), smtpcheck.frame([delivered, samples.hostile()], kind)
    assert list(empty) == list(full) == list(frames.COLUMNS[kind])
    assert (empty.dtypes == full.dtypes).all()
    assert list(full)[:2] == ["target", "checked"]
    assert full["checked"].dt.tz is not None


@pytest.mark.parametrize("kind", KINDS)
def test_many_reports_are_the_rows_of_each_in_order(kind: str, delivered: Report, refused: Report) -> None:
    both = smtpcheck.frame([delivered, refused], kind)
    each = pandas.concat([smtpcheck.frame(delivered, kind), smtpcheck.frame(refused, kind)], ignore_index=True)
    pandas.testing.assert_frame_equal(both, each)


def test_a_verdict_has_its_cause_and_a_healthy_one_none(delivered: Report, refused: Report) -> None:
    fine, broken = smtpcheck.frame([delivered, refused], "verdicts").to_dict("records")
    assert (fine["verdict"], broken["verdict"]) == ("healthy", "broken")
    assert pandas.isna(fine["cause"])
    assert (broken["cause"], broken["stage"]) == ("auth-credentials-refused", "auth")
    assert fine["seconds"] == delivered.elapsed
    assert fine["text"] == "healthy up to delivery"


def test_findings_are_those_of_the_report(refused: Report, wrong_host: Report) -> None:
    table = smtpcheck.frame([refused, wrong_host])
    assert list(table["code"]) == [f.code for r in (refused, wrong_host) for f in r.findings]
    assert list(table["target"].unique()) == [refused.target.spec, wrong_host.target.spec]
    assert "535 5.7.8" in table["text"][0]
    assert "拒绝" in smtpcheck.frame(refused, lang="zh-CN")["text"][0]


def test_severities_stages_and_statuses_have_an_order(refused: Report) -> None:
    table, way = smtpcheck.frame(refused), smtpcheck.frame(refused, "stages")
    assert (table["severity"] > Severity.NOTE).any()
    assert way["status"].max() == "fail"
    assert list(way["stage"])[:4] == ["dns", "connect", "greeting", "ehlo"]
    assert way.sort_values("stage")["stage"].is_monotonic_increasing
    assert set(way["stage"].cat.categories) == set(Stage)


def test_seconds_of_stages_are_those_walked(delivered: Report, wrong_host: Report) -> None:
    way = smtpcheck.frame(delivered, "stages").set_index("stage")
    steps = next(talk for talk in delivered.conversations if talk.subject.port).steps
    assert way.loc["ehlo", "seconds"] == pytest.approx(sum(step.elapsed for step in steps if step.stage == "ehlo"))
    assert (way["seconds"] > 0).all()
    assert way["seconds"].sum() < 4 * delivered.elapsed + 1
    withheld = smtpcheck.frame(wrong_host, "stages").set_index("stage").loc["auth"]
    assert (withheld["status"], withheld["broke"]) == ("blocked", "unverified")
    assert pandas.isna(withheld["seconds"])


def test_an_exchange_is_a_line_and_its_whole_answer(delivered: Report) -> None:
    table = smtpcheck.frame(delivered, "exchanges")
    smtp = table[table["stage"] != "delivery"]
    greeting, ehlo = smtp.iloc[0], smtp.iloc[1]
    assert pandas.isna(greeting["sent"])
    assert greeting["code"] == 220
    assert ehlo["sent"].startswith("EHLO ")
    assert ehlo["reply"].count(" / ") == 4
    assert list(smtp["code"].dropna()) == [220, 250, 220, 250, 235, 250, 250, 354, 250, 221]
    assert (smtp["seconds"] > 0).all()
    assert (smtp["at"] >= delivered.started).all()
    assert (smtp["at"] < delivered.started + timedelta(seconds=delivered.elapsed)).all()


def test_a_line_without_an_answer_has_no_seconds_and_no_code() -> None:
    talk = samples.talk()
    silent = samples.report((), conversations=(dataclasses.replace(talk, events=talk.events[:2]),))
    (row,) = smtpcheck.frame(silent, "exchanges").to_dict("records")
    assert row["sent"] == "AUTH PLAIN <secret>"
    assert pandas.isna(row["seconds"])
    assert pandas.isna(row["code"])
    assert pandas.isna(row["reply"])


def test_certificates_carry_their_place_dates_and_flaws(wrong_host: Report) -> None:
    leaf, issuer = smtpcheck.frame(wrong_host, "certificates").to_dict("records")
    assert (leaf["depth"], issuer["depth"]) == (0, 1)
    assert leaf["flaws"] == "wrong-host"
    assert pandas.isna(issuer["flaws"])
    assert not leaf["verified"]
    assert leaf["names"] == "elsewhere.example.net"
    assert leaf["not_before"] < wrong_host.started < leaf["not_after"]
    assert leaf["days_left"] == pytest.approx(90, abs=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_text_is_harmless_and_bounded(kind: str) -> None:
    table = smtpcheck.frame(samples.hostile(), kind)
    texts = [value for column in table for value in table[column] if isinstance(value, str)]
    assert texts or kind == "certificates"
    for text in texts:
        assert text == escape.visible(text, 5000)
        assert len(text) < 1100


def test_the_columns_are_those_described() -> None:
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ((?:`\w+`(?:, )?)+) \|$", page, re.MULTILINE)
    described = {kind: re.findall(r"`(\w+)`", columns) for kind, columns in rows}
    assert described == {kind: list(columns)[2:] for kind, columns in frames.COLUMNS.items()}


def test_without_pandas_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(frames.MissingExtra, match=r"pip install 'smtpcheck\[notebook\]'"):
        smtpcheck.frame(samples.refused())


def test_another_table_is_refused_with_those_known() -> None:
    with pytest.raises(ValueError, match="no table 'wrong'; known: verdicts, findings, stages, exchanges, cert"):
        smtpcheck.frame(samples.refused(), "wrong")
