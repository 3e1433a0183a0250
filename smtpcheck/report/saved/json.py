"""How is a report written as JSON, and read again to an equal one? The closed, versioned contract.

Its schema is schema.json beside this file. How single values are written, and what facts may hold: values.py.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from datetime import datetime
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, get_args, get_origin, get_type_hints

from smtpcheck import core
from smtpcheck.contract import Probe
from smtpcheck.report.saved import earlier
from smtpcheck.report.saved.values import dump, exact_keys, load
from smtpcheck.wire import ProtocolError

SCHEMA = 2
SECRETS = ("secret", "imap_secret")
SIZE_LIMIT = 64 * 2**20
"""Characters of a document; a defence, some hundred times the largest report of a fleet's target."""
DEPTH_LIMIT = 32
"""Levels in the facts of a probe that is unknown here."""

REPORT_KEYS = (
    *("schema", "target", "started", "elapsed", "complete", "verdict", "not_tested", "diagnosis", "diagnoses"),
    *("findings", "results", "conversations", "experiments", "contacts", "environment"),
)
RESULT_KEYS = ("probe", "subject", "status", "started", "elapsed", "kind", "outcome")
FINDING_KEYS = ("code", "severity", "stage", "probe", "subject", "seen", "ref")
DIAGNOSIS_KEYS = (
    *("stage", "code", "subject", "summary", "confidence", "evidence", "steps", "alternatives", "blocked", "seen"),
)

T = TypeVar("T")
_OUTCOMES: Mapping[str, type] = {"failure": core.Failure, "blocked": core.Blocked, "skipped": core.Skipped}
_REFERENCE = re.compile(r"(?:(?:env|file):.+)?", re.DOTALL)


class Words(Protocol):
    """What a report says in one language; written for people, ignored when read again."""

    def about(self, report: core.Report, /) -> Words:
        """The same words, with what that report knows in their advice."""

    def summary(self, diagnosis: core.Diagnosis, /) -> str:
        """One sentence: what is wrong."""

    def steps(self, diagnosis: core.Diagnosis, /) -> Sequence[tuple[str, str]]:
        """What to do, in order, as (id, text)."""

    def decided_by(self, diagnosis: core.Diagnosis, alternative: core.Alternative, /) -> str:
        """What would tell this alternative from the diagnosis."""

    def evidence(self, evidence: core.Evidence, diagnosis: core.Diagnosis, /) -> str:
        """What this observation shows."""


class Catalog(Protocol):
    """What the probes of this installation are."""

    def facts_of(self, probe: str, /) -> type | None:
        """The facts type of the probe of that name; None: no such probe here."""

    def ref(self, code: str, /) -> str:
        """The law behind the rule of that code; empty: none, or no such rule."""


@dataclass(frozen=True, slots=True)
class ProbeCatalog:
    """A `Catalog` of given probes."""

    facts: Mapping[str, type]
    refs: Mapping[str, str]

    def facts_of(self, probe: str, /) -> type | None:
        """The facts type of the probe of that name."""
        return self.facts.get(probe)

    def ref(self, code: str, /) -> str:
        """The law behind the rule of that code."""
        return self.refs.get(code, "")


def catalog(probes: Iterable[type[Probe[Any]]]) -> ProbeCatalog:
    """The catalog of these probe classes."""
    probes = tuple(probes)
    refs = {rule.code: rule.ref for probe in probes for rule in probe.rules}
    return ProbeCatalog({probe.name: facts_type(probe) for probe in probes}, refs)


def facts_type(probe: type[Probe[Any]]) -> type:
    """The `F` of a class that derives from `Probe[F]`; TypeError when it names none."""
    bases = (base for cls in probe.__mro__ for base in vars(cls).get("__orig_bases__", ()))
    for base in bases:
        if get_origin(base) is Probe and isinstance(facts := get_args(base)[0], type):
            return facts
    raise TypeError(f"{probe.__qualname__} does not derive from Probe[its facts]")


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of what `render` and `render_many` write."""
    loaded: dict[str, Any] = json.loads(files("smtpcheck.report.saved").joinpath("schema.json").read_text("utf-8"))
    return loaded


def render(report: core.Report, *, words: Words, catalog: Catalog) -> str:
    """The report as pretty JSON; TypeError or ValueError, with a path, for a value outside the contract."""
    return _pretty(_report(report, words, catalog, "$"))


def render_many(reports: Iterable[core.Report], *, words: Words, catalog: Catalog) -> str:
    """Several reports as one document, `{"schema": 2, "reports": [...]}`."""
    written = [_report(report, words, catalog, f"$.reports[{i}]") for i, report in enumerate(reports)]
    return _pretty({"schema": SCHEMA, "reports": written})


def decode(text: str | bytes, catalog: Catalog) -> core.Report:
    """The report that was rendered; the facts of a probe unknown here become a read-only mapping.

    ProtocolError, with a path, for whatever `render` would not have written.
    """
    return _read(text, lambda document: _read_report(document, catalog, "$"))


def decode_many(text: str | bytes, catalog: Catalog) -> tuple[core.Report, ...]:
    """The reports that `render_many` wrote; errors as `decode`."""

    def read(document: Any) -> tuple[core.Report, ...]:
        parts = _versioned(document, ("schema", "reports"), "$", dict)
        return tuple(_read_report(item, catalog, at) for item, at in _items(parts["reports"], "$.reports"))

    return _read(text, read)


def _pretty(document: Any) -> str:
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2)
    return re.sub(r"[^\n -~]", _visible, text) + "\n"


def _visible(match: re.Match[str]) -> str:
    # RFC 8259 section 7 lets DEL, C1, U+2028 and bidi controls stand as they are; a terminal obeys them
    return match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1]


def _report(report: core.Report, words: Words, catalog: Catalog, at: str) -> dict[str, Any]:
    for name in SECRETS:
        if not _REFERENCE.fullmatch(getattr(report.target, name)):
            raise ValueError(f"{at}.target.{name}: not a reference (env:NAME or file:PATH)")
    keys = [(result.probe, result.subject) for result in report.results]
    if len(set(keys)) < len(keys):
        raise ValueError(f"{at}.results: two results of one probe about one subject")
    hints, words = get_type_hints(core.Report), words.about(report)
    written = {key: dump(getattr(report, key), hints[key], f"{at}.{key}") for key in _PLAIN}
    written["diagnoses"] = [_diagnosis(d, words, f"{at}.diagnoses[{i}]") for i, d in enumerate(report.diagnoses)]
    written["diagnosis"] = written["diagnoses"][0] if report.diagnoses else None
    written["results"] = [_result(result, f"{at}.results[{i}]") for i, result in enumerate(report.results)]
    written["findings"] = [
        _finding(finding, result, catalog, f"{at}.findings") for result in report.results for finding in result.findings
    ]
    return {key: SCHEMA if key == "schema" else written[key] for key in REPORT_KEYS}


_PLAIN = frozenset(REPORT_KEYS) - {"schema", "diagnosis", "diagnoses", "findings", "results"}


def _result(result: core.Result[Any], at: str) -> dict[str, Any]:
    kind = next((kind for kind, cls in _OUTCOMES.items() if isinstance(result.outcome, cls)), "facts")
    if isinstance(result.outcome, Mapping):  # what the facts of an unknown probe were decoded to
        outcome = _thawed(result.outcome)
    elif is_dataclass(result.outcome):
        outcome = dump(result.outcome, type(result.outcome), f"{at}.outcome")
    else:
        raise TypeError(f"{at}.outcome: facts are a dataclass, not a {type(result.outcome).__qualname__}")
    return {
        "probe": dump(result.probe, str, f"{at}.probe"),
        "subject": dump(result.subject, core.Subject, f"{at}.subject"),
        "status": result.status.value,
        "started": dump(result.started, datetime, f"{at}.started"),
        "elapsed": dump(result.elapsed, float, f"{at}.elapsed"),
        "kind": kind,
        "outcome": outcome,
    }


def _finding(finding: core.Finding, result: core.Result[Any], catalog: Catalog, at: str) -> dict[str, Any]:
    if finding.subject != str(result.subject):
        raise ValueError(f"{at}: {finding.code} is about {finding.subject!a}, its result about {str(result.subject)!a}")
    written = dump(finding, core.Finding, at) | {
        "probe": dump(result.probe, str, at),
        "subject": dump(result.subject, core.Subject, at),
        "ref": dump(catalog.ref(finding.code), str, at),
    }
    return {key: written[key] for key in FINDING_KEYS}


@dataclass(frozen=True, slots=True)
class _Advice:
    id: str
    text: str


def _text(text: str) -> str:
    written: str = dump(text, str, "$")
    return written


def _diagnosis(diagnosis: core.Diagnosis, words: Words, at: str) -> dict[str, Any]:
    written = dump(diagnosis, core.Diagnosis, at)
    written["summary"] = _text(words.summary(diagnosis))
    written["steps"] = [dump(_Advice(*step), _Advice, at) for step in words.steps(diagnosis)]
    for item, evidence in zip(written["evidence"], diagnosis.evidence, strict=True):
        item["text"] = _text(words.evidence(evidence, diagnosis))
    for item, alternative in zip(written["alternatives"], diagnosis.alternatives, strict=True):
        item["decided_by"] = _text(words.decided_by(diagnosis, alternative))
    return {key: written[key] for key in DIAGNOSIS_KEYS}


def _read(text: str | bytes, read: Callable[[Any], T]) -> T:
    if len(text) > SIZE_LIMIT:
        raise ProtocolError(f"$: longer than {SIZE_LIMIT}")
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except ValueError as error:
        raise ProtocolError(f"$: not JSON: {error}") from None
    except RecursionError:
        raise ProtocolError("$: nested too deep") from None
    try:
        return read(document)
    except RecursionError:
        raise ProtocolError("$: nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 8259 section 4: what a repeated name means is anyone's guess
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _versioned(
    document: Any, keys: Iterable[str], at: str, today: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    version = document.get("schema") if isinstance(document, dict) else SCHEMA
    if type(version) is not int or version not in (earlier.SCHEMA, SCHEMA):
        raise ProtocolError(f"{at}.schema: not {SCHEMA} or {earlier.SCHEMA}, the versions this release reads")
    parts = exact_keys(document, keys, at)
    return today(parts) if version == earlier.SCHEMA else parts


def _items(value: Any, at: str) -> list[tuple[Any, str]]:
    if not isinstance(value, list):
        raise ProtocolError(f"{at}: not an array")
    return [(item, f"{at}[{i}]") for i, item in enumerate(value)]


def _read_report(document: Any, catalog: Catalog, at: str) -> core.Report:
    parts = _versioned(document, REPORT_KEYS, at, earlier.report)
    hints = get_type_hints(core.Report)
    plain = {key: load(parts[key], hints[key], f"{at}.{key}") for key in _PLAIN}
    for name in SECRETS:
        if not _REFERENCE.fullmatch(getattr(plain["target"], name)):
            raise ProtocolError(f"{at}.target.{name}: not a reference (env:NAME or file:PATH)")
    diagnoses = tuple(_read_diagnosis(*item) for item in _items(parts["diagnoses"], f"{at}.diagnoses"))
    if parts["diagnosis"] != next(iter(parts["diagnoses"]), None):
        raise ProtocolError(f"{at}.diagnosis: not the first of the diagnoses")
    found = _read_findings(parts["findings"], f"{at}.findings")
    results = tuple(
        _read_result(item, found, catalog, where) for item, where in _items(parts["results"], f"{at}.results")
    )
    keys = {(result.probe, result.subject) for result in results}
    if len(keys) < len(results):
        raise ProtocolError(f"{at}.results: two results of one probe about one subject")
    if found.keys() - keys:
        raise ProtocolError(f"{at}.findings: a finding without its result")
    return core.Report(**plain, diagnoses=diagnoses, results=results)


def _read_findings(value: Any, at: str) -> dict[tuple[str, core.Subject], list[core.Finding]]:
    found: dict[tuple[str, core.Subject], list[core.Finding]] = {}
    for item, where in _items(value, at):
        parts = dict(exact_keys(item, FINDING_KEYS, where))
        load(parts.pop("ref"), str, f"{where}.ref")
        probe = load(parts.pop("probe"), str, f"{where}.probe")
        subject = load(parts["subject"], core.Subject, f"{where}.subject")
        finding = replace(load(parts, core.Finding, where), subject=str(subject))
        found.setdefault((probe, subject), []).append(finding)
    return found


def _read_result(
    value: Any, found: Mapping[tuple[str, core.Subject], list[core.Finding]], catalog: Catalog, at: str
) -> core.Result[Any]:
    parts = exact_keys(value, RESULT_KEYS, at)
    probe = load(parts["probe"], str, f"{at}.probe")
    subject = load(parts["subject"], core.Subject, f"{at}.subject")
    kind = load(parts["kind"], str, f"{at}.kind")
    if kind != "facts" and kind not in _OUTCOMES:
        raise ProtocolError(f"{at}.kind: not facts, failure, blocked or skipped")
    facts = _OUTCOMES.get(kind) or catalog.facts_of(probe)
    outcome = parts["outcome"]
    result: core.Result[Any] = core.Result(
        probe=probe,
        subject=subject,
        outcome=load(outcome, facts, f"{at}.outcome") if facts else _frozen_object(outcome, f"{at}.outcome"),
        findings=tuple(found.get((probe, subject), ())),
        started=load(parts["started"], datetime, f"{at}.started"),
        elapsed=load(parts["elapsed"], float, f"{at}.elapsed"),
    )
    if parts["status"] != result.status.value:
        raise ProtocolError(f"{at}.status: its outcome and findings say {result.status}")
    return result


def _frozen_object(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{at}: not an object")
    frozen: Mapping[str, Any] = _frozen(value, at, DEPTH_LIMIT)
    return frozen


def _frozen(value: Any, at: str, depth: int) -> Any:
    if not depth:
        raise ProtocolError(f"{at}: nested too deep")
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item, at, depth - 1) for key, item in value.items()})
    if isinstance(value, list):
        return tuple(_frozen(item, at, depth - 1) for item in value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ProtocolError(f"{at}: a number out of range")
    return value


def _thawed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _thawed(item) for key, item in value.items()}
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value


def _read_diagnosis(value: Any, at: str) -> core.Diagnosis:
    parts = dict(exact_keys(value, DIAGNOSIS_KEYS, at))
    load(parts.pop("summary"), str, f"{at}.summary")
    load(parts.pop("steps"), tuple[_Advice, ...], f"{at}.steps")
    for key, words in (("evidence", "text"), ("alternatives", "decided_by")):
        parts[key] = [_without_words(item, words, where) for item, where in _items(parts[key], f"{at}.{key}")]
    diagnosis: core.Diagnosis = load(parts, core.Diagnosis, at)
    return diagnosis


def _without_words(value: Any, key: str, at: str) -> Any:
    if not isinstance(value, dict) or key not in value:
        raise ProtocolError(f"{at}: no {key}")
    load(value[key], str, f"{at}.{key}")
    return {name: item for name, item in value.items() if name != key}
