"""What does the textfile collector read? Gauges of the last run, one series a target and a bounded word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from smtpcheck.core import Report, Severity, Verdict
from smtpcheck.report import plain

SUFFIX = ".prom"

# Codes come from our own tables, but a saved report may hold anything.
_CODE = re.compile(r"[a-z0-9-]{1,80}")
Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A gauge, and how its samples are read off a report."""

    name: str
    help: str
    samples: Callable[[Report], Iterator[Sample]]


def render(reports: Sequence[Report], *, lang: str) -> str:
    """The text exposition format 0.0.4, in no language; of a target named twice the last run counts."""
    last = {plain.spec(report): report for report in reports}
    return "".join(_family(metric, last) for metric in METRICS)


def _family(metric: Metric, reports: Mapping[str, Report]) -> str:
    name = f"smtpcheck_{metric.name}"
    lines = [
        f"{name}{_labels({'target': spec, **labels})} {value:.15g}"
        for spec, report in reports.items()
        for labels, value in metric.samples(report)
    ]
    return "\n".join([f"# HELP {name} {metric.help}", f"# TYPE {name} gauge", *lines]) + "\n" if lines else ""


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _verdicts(report: Report) -> Iterator[Sample]:
    for verdict in Verdict:
        yield {"verdict": str(verdict)}, float(report.verdict is verdict)


def _diagnosis(report: Report) -> Iterator[Sample]:
    if told := report.diagnosis:
        code = told.code if _CODE.fullmatch(told.code) else "unknown"
        yield {"code": code, "stage": str(told.stage), "confidence": str(told.confidence)}, 1.0


def _findings(report: Report) -> Iterator[Sample]:
    for severity in Severity:
        yield {"severity": str(severity)}, float(sum(one.severity is severity for one in report.findings))


def _stages(report: Report) -> Iterator[Sample]:
    for stage, seconds in plain.seconds_of_stages(report).items():
        yield {"stage": str(stage)}, seconds


def _expiry(report: Report) -> Iterator[Sample]:
    if ends := plain.expiry(report):
        yield {}, ends[0].timestamp()


def _offset(report: Report) -> Iterator[Sample]:
    if measured := plain.clock(report):
        yield {}, measured.offset


def _uncertainty(report: Report) -> Iterator[Sample]:
    if measured := plain.clock(report):
        yield {}, measured.uncertainty


def _duration(report: Report) -> Iterator[Sample]:
    yield {}, report.elapsed


def _complete(report: Report) -> Iterator[Sample]:
    yield {}, float(report.complete)


def _last_run(report: Report) -> Iterator[Sample]:
    yield {}, report.started.timestamp() + report.elapsed


METRICS = (
    Metric("verdict", "1 for the verdict of the last run, 0 for the others.", _verdicts),
    Metric("diagnosis_info", "The cause to repair first; no series where nothing is broken.", _diagnosis),
    Metric("findings", "Findings of the last run by severity.", _findings),
    Metric("stage_duration_seconds", "Time that each stage took at the endpoint of the verdict.", _stages),
    Metric("certificate_not_after_timestamp_seconds", "When the server's own certificate ends, Unix time.", _expiry),
    Metric("clock_offset_seconds", "Seconds to add to the local clock; negative where it is ahead.", _offset),
    Metric("clock_uncertainty_seconds", "How uncertain the clock offset is.", _uncertainty),
    Metric("run_duration_seconds", "Time that the last run took.", _duration),
    Metric("run_complete", "0 where the last run was interrupted or cut short.", _complete),
    Metric("last_run_timestamp_seconds", "When the last run ended, Unix time.", _last_run),
)
