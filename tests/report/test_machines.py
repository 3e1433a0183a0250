"""Do the programs that read them take the formats: JUnit, SARIF, TAP, Prometheus, CSV, and a monitoring plugin's line?

Each is read by a strict reader of its grammar here, since a report with a stranger's words must be as good as any.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree

import pytest

from smtpcheck.core import Report, Severity, Stage, Status, Verdict
from smtpcheck.report import formats, plain
from smtpcheck.report.formats import nagios, prometheus
from smtpcheck.report.formats.csv import COLUMNS
from tests.report.samples import ALL, HERE, expired, finding, healthy, report, result, walk
from tests.report.strangers import ATTACKS, attacked
from tests.report.test_formats import recorded

SKIPPED = (Status.INCONCLUSIVE, Status.BLOCKED, Status.SKIPPED)


def everything() -> Iterator[tuple[str, Report]]:
    """Every sample, and every attack on two of them."""
    yield "recorded", recorded()
    yield from ALL.items()
    for attack in ATTACKS:
        for source in (recorded(), ALL["possible"], ALL["unfinished"]):
            for one in attacked(source, attack):
                yield attack, one


REPORTS = list(everything())


# JUnit: the schema of Jenkins' xUnit plugin (junit-10.xsd), as far as it is used

CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"skipped", "failure", "error", "system-out"},
}
REQUIRED = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "property": {"name", "value"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message", "type"},
}


def suites(text: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(text)  # noqa: S314  # it is ours that is put to the test
    assert root.tag == "testsuites"
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert set(element.attrib) == REQUIRED.get(element.tag, set())
    totals: Counter[str] = Counter()
    for suite in root:
        datetime.fromisoformat(suite.attrib["timestamp"])
        cases = suite.findall("testcase")
        counted = {
            "tests": len(cases),
            **{f"{kind}s": len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error")},
            "skipped": len(suite.findall("testcase/skipped")),
        }
        assert counted == {name: int(suite.attrib[name]) for name in counted}
        totals.update(counted)
    assert all(int(root.attrib[name]) == totals[name] for name in ("tests", "failures", "errors", "skipped"))
    return list(root)


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_junit_is_of_the_schema_and_counts_right(lang: str) -> None:
    for _, one in REPORTS:
        (suite,) = suites(formats.render([one], "junit", lang=lang))
        statuses = Counter(r.status for r in one.results)
        assert int(suite.attrib["tests"]) - len(one.results) in (0, 1)
        assert int(suite.attrib["skipped"]) >= sum(statuses[status] for status in SKIPPED)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("healthy", ""), ("refused", "failure"), ("bug", "error"), ("unfinished", "skipped"), ("empty", "skipped")],
)
def test_junit_shows_every_verdict_but_healthy(name: str, shown: str) -> None:
    (suite,) = suites(formats.render([ALL[name]], "junit"))
    kinds = {child.tag for case in suite.iter("testcase") for child in case} - {"system-out"}
    assert kinds == ({shown} if shown else set())


def test_what_could_not_be_tested_is_skipped_with_its_reason_and_said_as_a_property() -> None:
    (suite,) = suites(formats.render([ALL["unfinished"]], "junit"))
    said = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
    assert said["smtpcheck.verdict"] == "inconclusive"
    assert said["smtpcheck.could_not_test.inconclusive"] == "tls chain auth"
    assert said["smtpcheck.complete"] == "false"
    assert {one.attrib["message"] for one in suite.iter("skipped")} == {
        "could not tell: TLS handshake: time was up before this was known (not waited for any longer)"
    }


def test_the_failed_case_holds_cause_evidence_and_steps() -> None:
    (suite,) = suites(formats.render([ALL["refused"]], "junit"))
    (failure,) = suite.iter("failure")
    assert failure.attrib["type"] == "auth-credentials-refused"
    assert "The server said: 535 5.7.8" in (failure.text or "")
    assert "\n1. " in (failure.text or "")


# SARIF 2.1.0, the properties that the schema requires


def log(text: str) -> dict:
    read = json.loads(text)
    assert set(read) == {"$schema", "version", "runs"}
    assert read["version"] == "2.1.0"
    for run in read["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert len({rule["id"] for rule in rules}) == len(rules)
        for rule in rules:
            assert rule["shortDescription"]["text"]
            assert rule["help"]["text"]
        for one in run["results"]:
            assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
            assert one["level"] in ("error", "warning", "note")
            assert one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
            assert re.fullmatch("[0-9a-f]{64}", one["partialFingerprints"]["codeAndSubject/v1"])
        notes = run["invocations"][0]["toolExecutionNotifications"]
        for message in [one["message"]["text"] for one in [*run["results"], *notes]]:
            assert message
            assert "](" not in message, "an embedded link"
            assert not re.search(r"(?<!\{)(?:\{\{)*\{[0-9]", message), "a placeholder"
        datetime.fromisoformat(run["invocations"][0]["startTimeUtc"])
    return read


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_sarif_has_what_the_schema_requires(lang: str) -> None:
    for _, one in REPORTS:
        (run,) = log(formats.render([one], "sarif", lang=lang))["runs"]
        errors = [r for r in run["results"] if r["level"] == "error"]
        assert len(errors) >= len(one.diagnoses)


def test_sarif_tells_what_was_not_learnt_as_no_result() -> None:
    (run,) = log(formats.render([ALL["unfinished"]], "sarif"))["runs"]
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is False
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 3


def test_the_same_finding_has_the_same_fingerprint_tomorrow_and_in_chinese() -> None:
    prints = [
        [
            r["partialFingerprints"]
            for r in log(formats.render([expired(elapsed=e)], "sarif", lang=lang))["runs"][0]["results"]
        ]
        for e, lang in ((0.1, "en"), (7.0, "zh-CN"))
    ]
    assert prints[0] == prints[1]


# TAP 14

POINT = re.compile(r"(?P<not>not )?ok (?P<id>\d+) - (?P<said>(?:[^#\\]|\\[#\\])*)(?: # (?P<directive>SKIP .+))?")
PLAN = re.compile(r"1\.\.(\d+)")


def points(lines: list[str]) -> list[re.Match[str]]:
    """The test points of a document without its version line; its subtests are read too."""
    found, planned, place = [], None, 0
    while place < len(lines):
        line = lines[place]
        if line.startswith("    "):
            end = next((i for i in range(place, len(lines)) if not lines[i].startswith("    ")), len(lines))
            points([inner[4:] for inner in lines[place:end]])
            place = end
            continue
        if line == "  ---":
            end = lines.index("  ...", place)
            assert lines[place - 1] == found[-1][0], "a block belongs to a point"
            for inner in lines[place + 1 : end]:
                match = re.fullmatch(r'  (?:  - (".*")|[a-z]+:(?: [a-z0-9.]+)?)', inner)
                assert match, inner
                assert match[1] is None or isinstance(json.loads(match[1]), str)
            place = end + 1
            continue
        if plan := PLAN.fullmatch(line):
            assert planned is None
            planned = int(plan[1])
        elif not line.startswith("# "):
            point = POINT.fullmatch(line)
            assert point, line
            found.append(point)
            assert int(point["id"]) == len(found)
        place += 1
    assert planned == len(found)
    return found


def tap(text: str) -> list[re.Match[str]]:
    first, *lines = text.removesuffix("\n").split("\n")
    assert first == "TAP version 14"
    return points(lines)


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_tap_is_read_by_a_strict_reader(lang: str) -> None:
    for _, one in REPORTS:
        found = tap(formats.render([one], "tap", lang=lang))
        failed = sum(r.status in (Status.FAIL, Status.BUG) for r in one.results)
        skipped = sum(r.status in SKIPPED for r in one.results)
        own = len(found) - len(one.results)
        assert own in (0, 1)
        assert failed <= sum(bool(p["not"]) for p in found) <= failed + own
        assert skipped <= sum(bool(p["directive"]) for p in found) <= skipped + own


def test_several_targets_are_subtests() -> None:
    found = tap(formats.render([ALL["healthy"], ALL["refused"], ALL["unfinished"]], "tap"))
    assert [bool(point["not"]) for point in found] == [False, True, False]
    assert [bool(point["directive"]) for point in found] == [False, False, True]


# Prometheus, the text exposition format 0.0.4

SAMPLE = re.compile(r'([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\} (-?[0-9.e+-]+)')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
WORDS = {
    "verdict": set(Verdict),
    "severity": set(Severity),
    "stage": set(Stage),
    "confidence": {"certain", "likely", "possible"},
}


def exposed(text: str) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    family = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert not [key for key in found if key[0] == family], "a family stands together"
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {family} gauge"
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] == family
            labels = LABEL.findall(sample[2])
            for name, value in labels:
                assert name in ("target", "code") or value in WORDS[name]
                assert name != "code" or re.fullmatch("[a-z0-9-]{1,80}", value)
            key = (family, *(f"{name}={value}" for name, value in labels))
            assert key not in found
            found[key] = float(sample[3])
    return found


def test_prometheus_is_read_by_a_strict_reader() -> None:
    for _, one in REPORTS:
        found = exposed(formats.render([one], "prometheus"))
        verdicts = {key[-1]: value for key, value in found.items() if key[0] == "smtpcheck_verdict"}
        assert verdicts == {f"verdict={v}": float(v is one.verdict) for v in Verdict}
    exposed(formats.render([one for _, one in REPORTS], "prometheus"))


def test_prometheus_holds_the_numbers_of_the_run() -> None:
    one = recorded()
    found = {key[0]: value for key, value in exposed(formats.render([one], "prometheus")).items()}
    ends = plain.expiry(one)
    assert ends
    assert found["smtpcheck_certificate_not_after_timestamp_seconds"] == ends[0].timestamp()
    assert found["smtpcheck_last_run_timestamp_seconds"] == pytest.approx(
        one.started.timestamp() + one.elapsed, abs=1e-3
    )
    assert abs(found["smtpcheck_clock_offset_seconds"]) < 1
    stages = plain.seconds_of_stages(one)
    assert list(stages)[:4] == ["dns", "connect", "greeting", "ehlo"]
    assert all(0 <= seconds < 10 for seconds in stages.values())


def test_a_code_of_a_strangers_report_is_no_label() -> None:
    one = ALL["refused"]
    odd = replace(one, diagnoses=(replace(one.diagnoses[0], code=f"auth-{'x' * 90}"),))
    assert 'code="unknown"' in formats.render([odd], "prometheus")


def test_a_target_named_twice_is_one_series() -> None:
    found = exposed(formats.render([ALL["healthy"], ALL["refused"]], "prometheus"))
    assert found["smtpcheck_verdict", "target=me@example.test", "verdict=broken"] == 1


def test_names_of_metrics_stay() -> None:
    """They are in people's alerts: a name taken away breaks them."""
    assert [metric.name for metric in prometheus.METRICS] == [
        "verdict",
        "diagnosis_info",
        "findings",
        "stage_duration_seconds",
        "certificate_not_after_timestamp_seconds",
        "clock_offset_seconds",
        "clock_uncertainty_seconds",
        "run_duration_seconds",
        "run_complete",
        "last_run_timestamp_seconds",
    ]


# CSV (RFC 4180)


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_csv_has_a_row_a_verdict_result_or_finding_and_no_formula(lang: str) -> None:
    for _, one in REPORTS:
        rows = list(csv.reader(io.StringIO(formats.render([one], "csv", lang=lang)), strict=True))
        assert tuple(rows[0]) == COLUMNS
        assert {len(row) for row in rows} == {len(COLUMNS)}
        assert Counter(row[0] for row in rows[1:]) == Counter(
            verdict=1, result=sum(not r.findings for r in one.results), finding=len(one.findings)
        )
        for cell in (cell for row in rows for cell in row):
            assert not re.match(r"\s*[=+\-@＝＋－＠]", cell), cell


def test_csv_begins_with_the_verdicts_of_all_targets() -> None:
    rows = list(csv.DictReader(io.StringIO(formats.render([ALL["healthy"], ALL["expired"]], "csv"))))
    assert [row["row"] for row in rows[:3]] == ["verdict", "verdict", "result"]
    assert (rows[1]["status"], rows[1]["code"], rows[1]["stage"]) == ("broken", "certificate-expired", "certificate")


# A monitoring plugin (Monitoring Plugins Development Guidelines)

FIRST = re.compile(r"SMTPCHECK (OK|WARNING|CRITICAL|UNKNOWN) - ([^|\n]+) \| ([^|\n]*)")
DATUM = re.compile(r"'[^'=|]+'=-?[0-9]+(?:\.[0-9]+)?s?(?:;[0-9.:]*){0,4}")


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_a_plugins_first_line_is_state_text_and_data(lang: str) -> None:
    for _, one in REPORTS:
        first, *rest = formats.render([one], "nagios", lang=lang).removesuffix("\n").split("\n")
        match = FIRST.fullmatch(first)
        assert match, first
        assert DATUM.sub("", match[3]).strip() == ""
        assert not [line for line in rest if "|" in line]


WARNED = report(
    walk(chain=result("chain", HERE, finding("certificate-expires-soon", Stage.CERTIFICATE, Severity.WARN, HERE)))
)
ASIDE = report(
    walk(
        x=result(
            "port",
            ALL["expired"].results[-1].subject,
            finding("connect-slow", Stage.CONNECT, Severity.WARN, ALL["expired"].results[-1].subject),
        )
    )
)


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([healthy()], nagios.OK),
        ([ASIDE], nagios.OK),
        ([WARNED], nagios.WARNING),
        ([ALL["refused"]], nagios.CRITICAL),
        ([ALL["unfinished"]], nagios.UNKNOWN),
        ([ALL["bug"]], nagios.UNKNOWN),
        ([ALL["empty"]], nagios.UNKNOWN),
        ([WARNED, ALL["unfinished"]], nagios.UNKNOWN),
        ([ALL["unfinished"], ALL["refused"], healthy()], nagios.CRITICAL),
        ([], nagios.UNKNOWN),
    ],
)
def test_the_states_of_a_plugin(reports: list[Report], code: int) -> None:
    assert nagios.state(reports) == code
