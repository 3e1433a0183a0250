"""What is in these reports, as a table? Tidy pandas frames, one row an observation, for one report or for many.

Every frame begins with `target` (what was asked for) and `checked` (when), so that frames of several reports, and of
one target over time, can be put below each other. Durations are seconds as float64, points in time are UTC timestamps.
Texts are plain: what a peer said is cut, and whatever moves, hides or turns the text around it is spelt out, as in
every other format. What is not known is missing (<NA>, NaN), never a zero or an empty text.

    verdicts      a report: verdict, the cause to repair first (none: <NA>), its confidence and stage, seconds
    findings      a remark of a probe: code, severity (note < warn < fail), stage, probe, subject, text (in words)
    stages        a stage of the way: stage, status (ok ... bug, so that `max` is the worst), seconds, broke, server
    exchanges     a line to a server and its answer: sent, code, reply, and the seconds until the answer was complete
    certificates  a certificate as shown: depth (0 is the server's own), its dates and names, days_left, flaws
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

from smtpcheck import advice, route
from smtpcheck.core import Confidence, Conversation, Direction, Event, Report, Severity, Stage, Status
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.report import escape, outline

if TYPE_CHECKING:
    from pandas import DataFrame

INSTALL = "pip install 'smtpcheck[notebook]'"
_LONG = 1000
"""Characters of a reply; as in transcripts."""
_TIME = "datetime64[us, UTC]"
_TEXT = "string"
_WORST_LAST = (
    *(Status.OK, Status.NOTE, Status.SKIPPED, Status.BLOCKED),
    *(Status.WARN, Status.INCONCLUSIVE, Status.FAIL, Status.BUG),
)
# Ordered, so that frames can be sorted and compared by them; as words, as everywhere outside Python.
_ORDERS: Mapping[str, tuple[str, ...]] = {
    "severity": tuple(map(str, Severity)),
    "confidence": tuple(map(str, reversed(Confidence))),
    "stage": tuple(map(str, Stage)),
    "status": tuple(map(str, _WORST_LAST)),
}
_COMMON = {"target": _TEXT, "checked": _TIME}
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "verdicts": {
        **_COMMON,
        "verdict": _TEXT,
        "stage": "stage",
        "cause": _TEXT,
        "confidence": "confidence",
        "seconds": "float64",
        "text": _TEXT,
    },
    "findings": {
        **_COMMON,
        "code": _TEXT,
        "severity": "severity",
        "stage": "stage",
        "probe": _TEXT,
        "subject": _TEXT,
        "text": _TEXT,
    },
    "stages": {
        **_COMMON,
        "stage": "stage",
        "status": "status",
        "seconds": "float64",
        "broke": _TEXT,
        "server": _TEXT,
    },
    "exchanges": {
        **_COMMON,
        "server": _TEXT,
        "stage": "stage",
        "at": _TIME,
        "seconds": "float64",
        "sent": _TEXT,
        "code": "Int64",
        "reply": _TEXT,
    },
    "certificates": {
        **_COMMON,
        "server": _TEXT,
        "depth": "int64",
        "subject": _TEXT,
        "issuer": _TEXT,
        "names": _TEXT,
        "not_before": _TIME,
        "not_after": _TIME,
        "days_left": "float64",
        "key": _TEXT,
        "bits": "int64",
        "signature": _TEXT,
        "verified": "bool",
        "flaws": _TEXT,
        "sha256": _TEXT,
    },
}
"""Kind -> column -> dtype of pandas, or the name of the ordered category."""

Row = dict[str, Any]


class MissingExtra(ImportError):
    """Tables need what is no dependency of a check; the message is the command that installs it."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


def frame(reports: Report | Iterable[Report], kind: str = "findings", *, lang: str = "") -> DataFrame:
    """One table over one report or several; the head of this file names the kinds and their columns.

    `lang` is the language of `text`. Raises ValueError for another kind, MissingExtra where there is no pandas.
    """
    if kind not in COLUMNS:
        raise ValueError(f"no table {kind!r}; known: {', '.join(COLUMNS)}")
    pandas = _pandas()
    several = (reports,) if isinstance(reports, Report) else tuple(reports)
    words = advice.Words(advice.language(lang))
    rows = [_common(report) | row for report in several for row in _ROWS[kind](report, words)]
    columns = {name: _column(pandas, [row[name] for row in rows], dtype) for name, dtype in COLUMNS[kind].items()}
    made: DataFrame = pandas.DataFrame(columns)
    return made


def _pandas() -> Any:
    try:
        return import_module("pandas")
    except ModuleNotFoundError as error:
        if error.name != "pandas":
            raise
        raise MissingExtra(f"tables need pandas: {INSTALL}") from None


def _column(pandas: Any, values: Sequence[Any], dtype: str) -> Any:
    if dtype in _ORDERS:
        return pandas.Series(values, dtype=pandas.CategoricalDtype(_ORDERS[dtype], ordered=True))
    if dtype == _TIME:  # no value at all has no time zone
        return pandas.to_datetime(pandas.Series(values, dtype="object"), utc=True).astype(_TIME)
    return pandas.Series(values, dtype=dtype)


def _common(report: Report) -> Row:
    return {"target": _text(report.target.spec), "checked": report.started}


def _text(text: str, limit: int = escape.LIMIT) -> str | None:
    """Harmless; None where nothing was said."""
    return escape.visible(text, limit) or None


def _verdicts(report: Report, words: advice.Words) -> Iterator[Row]:
    told = report.diagnosis
    yield {
        "verdict": str(report.verdict),
        "stage": str(told.stage) if told else None,
        "cause": _text(told.code) if told else None,
        "confidence": str(told.confidence) if told else None,
        "seconds": report.elapsed,
        "text": _text(words.summary(escape.diagnosis(told)) if told else outline.headline(report, words.ui), _LONG),
    }


def _findings(report: Report, words: advice.Words) -> Iterator[Row]:
    for result in report.results:
        for one in result.findings:
            yield {
                "code": _text(one.code),
                "severity": str(one.severity),
                "stage": str(one.stage),
                "probe": _text(result.probe),
                "subject": _text(one.subject),
                "text": _text(words.finding(escape.finding(one)), _LONG),
            }


# Stages


def _stages(report: Report, _: advice.Words) -> Iterator[Row]:
    """Those asked, in the order walked, at the endpoint that would take the mail."""
    subject = route.chosen(report.target, report.results)
    talk = next((talk for talk in report.conversations if talk.subject == subject), None)
    for leg in outline.legs(report, full=True):
        steps = [step for step in talk.steps if step.stage is leg.stage] if talk else []
        spans = [step.elapsed for step in steps] or _aside(leg.stage, report)
        walked = spans and leg.status not in (Status.BLOCKED, Status.SKIPPED)
        yield {
            "stage": str(leg.stage),
            "status": str(leg.status),
            "seconds": sum(spans) if walked else None,
            "broke": next((str(step.broke) for step in steps if step.broke), None),
            "server": _text(str(subject)) if subject and leg.stage not in _NAMES else None,
        }


_NAMES: Mapping[Stage, tuple[str, ...]] = {
    Stage.CONFIG: ("config",),
    Stage.DNS: ("submission", "mx", "address"),
    Stage.DELIVERY: ("delivery",),
    Stage.CLOCK: ("clock",),
}
"""Stages that are on no connection to the mail server, and the probes that ask about them."""


def _aside(stage: Stage, report: Report) -> list[float]:
    """From the first question to the last answer, as they are asked side by side."""
    asked = [r for r in report.results if r.probe in _NAMES.get(stage, ()) and r.facts is not None]
    if not asked:
        return []
    ends = [one.started + timedelta(seconds=one.elapsed) for one in asked]
    return [(max(ends) - min(one.started for one in asked)).total_seconds()]


# Exchanges


@dataclass(slots=True)
class _Exchange:
    stage: Stage
    began: float
    sent: bytes = b""
    ended: float | None = None
    lines: list[bytes] = field(default_factory=list)


def _exchanges(report: Report, _: advice.Words) -> Iterator[Row]:
    for talk in report.conversations:
        for one in _paired(talk):
            said = b" / ".join(one.lines)
            yield {
                "server": _text(str(talk.subject)),
                "stage": str(one.stage),
                "at": talk.started + timedelta(seconds=one.began),
                "seconds": None if one.ended is None else one.ended - one.began,
                "sent": escape.said(one.sent) or None,
                "code": int(said[:3]) if one.lines and said[:3].isdigit() else None,
                "reply": escape.said(said, _LONG) or None,
            }


def _paired(talk: Conversation) -> Iterator[_Exchange]:
    """Every line to the server with all lines that came before the next one; the greeting answers no line."""
    current: _Exchange | None = None
    before: Event | None = None
    for event in talk.events:
        if event.dir is Direction.OUT:
            if current:
                yield current
            current = _Exchange(event.stage, event.t, event.raw)
        elif event.dir is Direction.IN:
            current = current or _Exchange(event.stage, before.t if before else 0.0)
            current.ended = event.t
            current.lines.append(event.raw.rstrip(b"\r\n"))
        before = event
    if current:
        yield current


# Certificates


def _certificates(report: Report, _: advice.Words) -> Iterator[Row]:
    for result in report.results:
        if isinstance(result.facts, ChainFacts):
            for depth in range(len(result.facts.certificates)):
                yield {"server": _text(str(result.subject)), **_certificate(depth, result.facts)}


def _certificate(depth: int, facts: ChainFacts) -> Row:
    one = facts.certificates[depth]
    flaws = [flaw.code for flaw in facts.verdict.flaws if flaw.depth == depth]
    if depth == 0 and not facts.verdict.host.matched:
        flaws.append("wrong-host")
    return {
        "depth": depth,
        "subject": _text(one.subject),
        "issuer": _text(one.issuer),
        "names": _text(", ".join(one.san)),
        "not_before": one.not_before,
        "not_after": one.not_after,
        "days_left": _days(one.not_after, facts.at),
        "key": _text(one.key),
        "bits": one.bits,
        "signature": _text(one.signature_hash),
        "verified": facts.verdict.verified,
        "flaws": _text(", ".join(flaws)),
        "sha256": _text(one.sha256),
    }


def _days(end: datetime, at: datetime) -> float:
    return (end - at).total_seconds() / 86400


_ROWS: Mapping[str, Callable[[Report, advice.Words], Iterator[Row]]] = {
    "verdicts": _verdicts,
    "findings": _findings,
    "stages": _stages,
    "exchanges": _exchanges,
    "certificates": _certificates,
}
