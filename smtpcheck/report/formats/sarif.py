"""What do code scanners show? A SARIF 2.1.0 log: a run for each target, a result for each cause and finding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from smtpcheck import advice
from smtpcheck.advice import Words
from smtpcheck.core import Diagnosis, Finding, Report, Result, Severity, Status, Verdict
from smtpcheck.probes import rules
from smtpcheck.report import escape, outline, plain
from smtpcheck.report.terminal.lines import title

SUFFIX = ".sarif"

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVEL = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.NOTE: "note"}
_UNKNOWN = frozenset({Status.INCONCLUSIVE, Status.BUG})


def render(reports: Sequence[Report], *, lang: str) -> str:
    """One log with a run a target; what could not be told is a notification of the run, and no result."""
    words = Words(lang)
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(report, words) for report in reports]}
    return json.dumps(log, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _run(report: Report, words: Words) -> dict[str, Any]:
    results = [*_causes(report, words), *_findings(report, words)]
    codes = list(dict.fromkeys(one["ruleId"] for one in results))
    for one in results:
        one["ruleIndex"] = codes.index(one["ruleId"])
    driver = {
        "name": "smtpcheck",
        "version": escape.visible(report.environment.get("smtpcheck", "0"), 40),
        "rules": [_rule(code, words) for code in codes],
    }
    return {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"smtpcheck/{plain.spec(report)}/"},
        "language": words.lang,
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report, words)],
        "results": results,
        "properties": {
            "target": plain.spec(report),
            "verdict": str(report.verdict),
            "summary": plain.sentence(report, words),
            "notTested": [str(stage) for stage in outline.untested(report)],
        },
    }


def _invocation(report: Report, words: Words) -> dict[str, Any]:
    said = [_notification(r, words) for r in report.results if r.status in _UNKNOWN or r.status is Status.BLOCKED]
    return {
        # 3.20.14: whether the tool ran to its end; what it found is another matter
        "executionSuccessful": report.complete and report.verdict is not Verdict.BUG,
        "startTimeUtc": _time(report.started),
        "endTimeUtc": _time(report.started + timedelta(seconds=report.elapsed)),
        "toolExecutionNotifications": said,
    }


def _notification(result: Result[Any], words: Words) -> dict[str, Any]:
    level = "error" if result.status is Status.BUG else "warning" if result.status in _UNKNOWN else "note"
    about = f"{escape.visible(result.probe, 40)} {escape.visible(str(result.subject), 160)}"
    text = f"{about}: {words.ui[f'status.{result.status}']}: {outline.reason(result, words.ui)}"
    return {"level": level, "message": {"text": _message(text)}, "descriptor": {"id": escape.visible(result.probe, 40)}}


def _message(text: str) -> str:
    """Neither a placeholder (3.11.5, `{0}`) nor an embedded link (3.11.6, `[text](place)`)."""
    return text.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _causes(report: Report, words: Words) -> Iterator[dict[str, Any]]:
    for told in report.diagnoses:
        text = "\n".join(plain.advice(told, report, words))
        yield _result(told, "error", text) | {"properties": {"confidence": str(told.confidence)}}


def _findings(report: Report, words: Words) -> Iterator[dict[str, Any]]:
    for remark in outline.remarks(report):
        text = plain.one_line(words.finding(escape.finding(remark.finding)))
        yield _result(remark.finding, _LEVEL[remark.finding.severity], text) | {"occurrenceCount": remark.times}


def _result(one: Diagnosis | Finding, level: str, text: str) -> dict[str, Any]:
    subject = escape.visible(one.subject, 160)
    identity = hashlib.sha256(f"{one.code}\n{one.subject}".encode("utf-8", "backslashreplace")).hexdigest()
    return {
        "ruleId": escape.visible(one.code, 80),
        "level": level,
        "message": {"text": _message(text)},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": subject, "kind": "endpoint"}]}],
        "partialFingerprints": {"codeAndSubject/v1": identity},
    }


def _rule(code: str, words: Words) -> dict[str, Any]:
    """The code explained without the values of this report."""
    entry, rule = advice.example(code, words.lang), rules().get(code)
    if advice.entry(code, words.lang) is None:
        return {"id": code, "shortDescription": {"text": code}, "help": {"text": code}}
    steps = [f"{number}. {plain.one_line(step)}" for number, step in enumerate(entry.steps, 1)]
    help_text = "\n".join(filter(None, (plain.one_line(entry.why), *steps, title(plain.one_line(entry.otherwise)))))
    level = _LEVEL[rule.severity] if rule else "error"
    told = {
        "id": code,
        "shortDescription": {"text": plain.one_line(entry.summary)},
        "fullDescription": {"text": plain.one_line(entry.why) or plain.one_line(entry.summary)},
        "help": {"text": help_text or plain.one_line(entry.summary)},
        "defaultConfiguration": {"level": level},
    }
    return told | ({"properties": {"source": rule.ref}} if rule and rule.ref else {})
