"""What does a report of schema 1 say in today's words? Its codes had other names, and its reasons were English text."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from smtpcheck import advice, aliases
from smtpcheck.core import Confidence, Reason, Scalar, TargetKind, because

SCHEMA = 1
_CONFIDENCES = {"ambiguous": Confidence.POSSIBLE.value}
_ALERT = r"(?P<alert>\w+) \((?P<number>[0-9]+)\)"
_WAITED = r"(?P<waited>[0-9.]+) s"
# The first that fits all of the text; what decides something (an alert's number, a version) is among them.
_FORMS = tuple(
    (re.compile(form, re.ASCII), code)
    for form, code in (
        (_ALERT, "tls-alert"),
        (rf"server chose (?:version )?(?P<version>[^;]+); refused with {_ALERT}", "tls-version-refused"),
        (r"server chose (?:version )?(?P<version>[^;]+)", "tls-version"),
        (rf"(?P<openssl>.+); refused with {_ALERT}", "tls-library-refused"),
        (r"closed after (?P<received>[0-9]+) bytes of the handshake", "tls-closed"),
        (rf"no answer in {_WAITED}", "no-answer"),
        (rf"nothing was said in {_WAITED}", "nothing-said"),
        (r"(?P<got>[0-9]{3}), not (?P<expected>[0-9]{3})", "reply-unexpected"),
        (r"EHLO does not list (?P<extension>\S+)", "extension-unlisted"),
        (rf"not in any of (?P<folders>[0-9]+) folders of (?P<user>.+) after {_WAITED}", "message-in-no-folder"),
    )
)
# Said by the kind already.
_IDLE = frozenset({"", "the certificate did not verify, so no secret was sent"})
_URL = "the URL in the server's certificate"


def report(document: Mapping[str, Any]) -> dict[str, Any]:
    """The report as schema 2 has it; what is malformed is left for the reader to refuse."""
    changed = dict(document)
    for key, change in (
        ("diagnosis", _diagnosis),
        ("diagnoses", _each(_diagnosis)),
        ("findings", _each(_finding)),
        ("results", _each(_result)),
        ("contacts", _each(_contact)),
    ):
        changed[key] = change(changed[key])
    return changed


def reason(words: str) -> Reason:
    """The code and values behind an earlier text; the text itself as a value where it is none of ours."""
    if words in _IDLE:
        return Reason()
    for form, code in _FORMS:
        if match := form.fullmatch(words):
            return Reason(code, {name: _number(value) for name, value in match.groupdict().items()})
    if code := _fixed().get(words, ""):
        return because(code)
    if number := _numbers().get(words):
        return because("system-error", errno=errno.errorcode[number], os=words)
    return because("told-before", words=words)


def _number(text: str) -> Scalar:
    if re.fullmatch(r"[0-9]{1,9}", text):
        return int(text)
    return float(text) if re.fullmatch(r"[0-9]{1,9}\.[0-9]{1,9}", text) else text


@cache
def _fixed() -> Mapping[str, str]:
    """The texts without values, which are today's as they were."""
    found = {text: key.partition(".")[2] for key, text in advice.ui("en").items() if key.startswith("reason.")}
    kinds = {kind.value: f"contact-{kind}" for kind in TargetKind}
    rest = {"only where its issuer is missing": "contact-issuer", "more was said than the one reply": "reply-not-alone"}
    return {text: code for text, code in found.items() if not advice.placeholders(text)} | kinds | rest


@cache
def _numbers() -> Mapping[str, int]:
    return {os.strerror(number): number for number in errno.errorcode}


def _each(change: Any) -> Any:
    return lambda value: [change(one) for one in value] if isinstance(value, list) else value


def _reasoned(value: dict[str, Any], key: str) -> dict[str, Any]:
    """Code and values instead of the text under `key`."""
    found = reason(value[key])
    return {name: one for name, one in value.items() if name != key} | {"code": found.code, "seen": dict(found.seen)}


def _coded(value: dict[str, Any], *keys: str) -> dict[str, Any]:
    codes = {key: aliases.current(value[key]) for key in keys if isinstance(value.get(key), str)}
    sure = value.get("confidence")
    return value | codes | ({"confidence": _CONFIDENCES.get(sure, sure)} if isinstance(sure, str) else {})


def _seen(value: dict[str, Any]) -> dict[str, Any]:
    """`detail` among the values of a finding as a code, with the values that go with it."""
    seen = value.get("seen")
    if not isinstance(seen, dict) or not isinstance(seen.get("detail"), str):
        return value
    found = reason(seen["detail"])
    return value | {"seen": {**found.seen, **seen, "detail": found.code}}


def _diagnosis(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    changed = _seen(_coded(value, "code"))
    for key, codes in (("evidence", "shows"), ("alternatives", "code")):
        if isinstance(changed.get(key), list):
            changed[key] = [_coded(one, codes) if isinstance(one, dict) else one for one in changed[key]]
    return changed


def _finding(value: Any) -> Any:
    return _seen(_coded(value, "code")) if isinstance(value, dict) else value


def _result(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("outcome"), dict):
        return value
    kind, outcome = value.get("kind"), value["outcome"]
    key = "why" if kind == "skipped" else "detail"
    if kind == "facts":
        return value | {"outcome": _facts(outcome)}
    return value | {"outcome": _reasoned(outcome, key)} if isinstance(outcome.get(key), str) else value


def _facts(value: Any) -> Any:
    """A text beside what broke, at any depth, as a reason; the depth is the document's, which JSON's reader bounds."""
    if isinstance(value, list):
        return [_facts(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _facts(one) for key, one in value.items() if key != "detail"}
    detail = value.get("detail")
    if not isinstance(detail, str) or not value.keys() & {"broke", "accepted"}:
        return value if "detail" in value else changed
    found = reason(detail)
    return changed | {"reason": {"code": found.code, "seen": dict(found.seen)}}


def _contact(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("why"), str):
        return value
    changed = _reasoned(value, "why")
    return changed | {"where": ""} if value.get("where") == _URL else changed
