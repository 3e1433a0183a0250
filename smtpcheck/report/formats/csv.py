"""What opens in a spreadsheet? One row a verdict, a result or a finding."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from smtpcheck.advice import Words
from smtpcheck.core import Report
from smtpcheck.report import escape, plain

SUFFIX = ".csv"

COLUMNS = ("row", "target", "started", "probe", "subject", "status", "severity", "stage", "code", "seconds", "text")
# What a spreadsheet takes for a formula (OWASP, CSV Injection), with the full-width forms that some take as well.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def render(reports: Sequence[Report], *, lang: str) -> str:
    """RFC 4180, the verdicts of all targets first; a text that would be a formula begins with an apostrophe."""
    words = Words(lang)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_verdict(report, words) for report in reports)
    for report in reports:
        writer.writerows(_rows(report, words))
    return out.getvalue()


def _verdict(report: Report, words: Words) -> tuple[str, ...]:
    told = report.diagnosis
    return _row(
        ("verdict", report.target.spec, f"{report.started:%Y-%m-%dT%H:%M:%SZ}", "", told.subject if told else ""),
        (report.verdict, "", told.stage if told else "", told.code if told else "", f"{report.elapsed:.3f}"),
        plain.sentence(report, words),
    )


def _rows(report: Report, words: Words) -> Iterator[tuple[str, ...]]:
    for case in plain.cases(report, words):
        result = case.result
        about = (report.target.spec, f"{result.started:%Y-%m-%dT%H:%M:%SZ}", result.probe, str(result.subject))
        took = f"{result.elapsed:.3f}"
        if not result.findings:
            yield _row(("result", *about), (result.status, "", "", "", took), case.reason)
        for one in result.findings:
            text = plain.one_line(words.finding(escape.finding(one)))
            yield _row(("finding", *about), (result.status, one.severity, one.stage, one.code, took), text)


def _row(about: Sequence[str], how: Sequence[str], text: str) -> tuple[str, ...]:
    return tuple(_cell(value) for value in (*about, *how, text))


def _cell(text: str) -> str:
    shown = escape.visible(text, 2000)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
