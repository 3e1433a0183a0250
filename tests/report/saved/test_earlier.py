"""Is a report of schema 1 still read, with the codes of today, and judged anew? schema-1.json was recorded then."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smtpcheck import advice, aliases
from smtpcheck.core import Confidence, Kind, Reason, Report, because
from smtpcheck.probes.tls import TlsFacts
from smtpcheck.report import formats
from smtpcheck.report.compared.changes import compare
from smtpcheck.report.saved import earlier, replay
from smtpcheck.wire import ProtocolError
from tests.checking import check_fault

RECORDED = Path(__file__).with_name("schema-1.json").read_bytes()


def altered(**changes: Any) -> bytes:
    """The recorded report with other members."""
    return json.dumps(json.loads(RECORDED) | changes).encode()


def outcome(report: Report, probe: str) -> Any:
    return next(result.outcome for result in report.results if result.probe == probe)


def with_outcome(probe: str, kind: str, written: dict[str, Any]) -> bytes:
    """The recorded report with another outcome of a probe, and the status that goes with it."""
    status = {"failure": "inconclusive", "facts": "ok"}.get(kind, kind)
    results = json.loads(RECORDED)["results"]
    for each in results:
        if each["probe"] == probe:
            each |= {"kind": kind, "outcome": each["outcome"] | written if kind == "facts" else written}
            each["status"] = status
    return altered(results=results)


def test_a_recorded_report_is_read_with_the_codes_of_today() -> None:
    (report,) = replay.saved(RECORDED)
    codes = {*(f.code for f in report.findings), *(d.code for d in report.diagnoses)}
    codes |= {one.text for told in report.diagnoses for one in told.evidence}

    assert json.loads(RECORDED)["diagnosis"]["code"] in aliases.aliases()
    assert codes <= set(advice.codes())
    assert not codes & aliases.aliases().keys()
    assert report.diagnosis is not None
    assert report.diagnosis.code == "certificate-chain-incomplete"


def test_it_is_judged_and_diagnosed_again_and_written_as_schema_2() -> None:
    (report,) = replay.replay(RECORDED)
    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == ("certificate-chain-incomplete", Confidence.CERTAIN)

    written = formats.render([report], "json")
    assert json.loads(written)["schema"] == 2
    assert replay.saved(written.encode()) == (report,)


def test_what_the_kind_says_already_is_not_said_twice() -> None:
    (report,) = replay.saved(RECORDED)
    assert (outcome(report, "auth").kind, outcome(report, "auth").code) == (Kind.UNVERIFIED, "")


def test_its_contacts_say_why_in_the_reader_s_language() -> None:
    (report,) = replay.saved(RECORDED)
    assert [(one.who, one.code) for one in report.contacts] == [
        ("target", "contact-account"),
        ("resolver", ""),
        ("ntp", ""),
        ("issuer", "contact-issuer"),
    ]
    assert "服务器证书里的网址" in formats.render([report], "markdown", lang="zh-CN")


async def test_it_is_compared_with_a_report_of_today() -> None:
    (old,) = replay.saved(RECORDED)
    new = replace(await check_fault("certificate-chain-incomplete"), target=old.target)
    codes = [one.diagnosis and one.diagnosis.code for one in (compare(old, new).old, compare(old, new).new)]
    assert codes == ["certificate-chain-incomplete", "certificate-chain-incomplete"]


def test_an_earlier_ambiguous_verdict_is_possible() -> None:
    told = json.loads(RECORDED)["diagnosis"] | {"confidence": "ambiguous"}
    earlier_code = json.loads(RECORDED)["findings"][0]["code"]
    other = {"code": earlier_code, "confidence": "ambiguous", "decided_by": ""}
    told |= {"alternatives": [other]}
    (report,) = replay.saved(altered(diagnosis=told, diagnoses=[told]))

    assert report.diagnosis is not None
    assert report.diagnosis.confidence is Confidence.POSSIBLE
    assert [(a.code, a.confidence) for a in report.diagnosis.alternatives] == [
        (aliases.current(earlier_code), Confidence.POSSIBLE)
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", Reason()),
        ("the certificate did not verify, so no secret was sent", Reason()),
        ("handshake_failure (40)", because("tls-alert", alert="handshake_failure", number=40)),
        ("server chose SSL 3.0", because("tls-version", version="SSL 3.0")),
        ("server chose version 2.0", because("tls-version", version=2.0)),
        (
            "server chose SSL 3.0; refused with protocol_version (70)",
            because("tls-version-refused", version="SSL 3.0", alert="protocol_version", number=70),
        ),
        (
            "dh key too small; refused with handshake_failure (40)",
            because("tls-library-refused", openssl="dh key too small", alert="handshake_failure", number=40),
        ),
        ("no answer in 2.5 s", because("no-answer", waited=2.5)),
        ("nothing was said in 4.0 s", because("nothing-said", waited=4.0)),
        ("EHLO does not list 8BITMIME", because("extension-unlisted", extension="8BITMIME")),
        ("500, not 220", because("reply-unexpected", got=500, expected=220)),
        ("no QUIT was said", because("no-quit")),
        ("not an SMTP reply", because("reply-not-smtp")),
        (os.strerror(111), because("system-error", errno="ECONNREFUSED", os=os.strerror(111))),
        ("whatever it said then", because("told-before", words="whatever it said then")),
    ],
)
def test_an_earlier_text_becomes_a_code_with_its_values(words: str, reason: Reason) -> None:
    assert earlier.reason(words) == reason


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("failure", {"kind": "timeout", "stage": "tls", "detail": "no answer in 2 s"}),
        ("blocked", {"kind": "timeout", "stage": "tls", "detail": "no answer in 2 s"}),
        ("skipped", {"why": "no answer in 2 s"}),
    ],
)
def test_every_outcome_without_facts_gets_its_reason(kind: str, written: dict[str, Any]) -> None:
    (report,) = replay.saved(with_outcome("farewell", kind, written))
    assert outcome(report, "farewell").reason == because("no-answer", waited=2)


def test_an_alert_of_then_is_diagnosed_by_its_number() -> None:
    written = {"broke": "alert", "detail": "protocol_version (70)", "version": "", "cipher": "", "bits": 0}
    (report,) = replay.replay(with_outcome("tls", "facts", written))
    facts: TlsFacts = outcome(report, "tls")
    (finding,) = [f for f in report.findings if f.code == "tls-alert"]

    assert facts.reason.seen["number"] == finding.seen["number"] == 70
    told = next(d for d in report.diagnoses if d.code == "tls-alert")
    assert {a.code for a in told.alternatives} == {"tls-server-too-old", "tls-no-common-cipher"}


@pytest.mark.parametrize("key", ["diagnoses", "findings", "results", "contacts"])
@pytest.mark.parametrize("value", [None, 1, "x", {}, [1], [{}], [{"code": 1}], [{"outcome": {"detail": 1}}]])
def test_what_is_malformed_is_refused_as_ever(key: str, value: Any) -> None:
    with pytest.raises(ProtocolError):
        replay.saved(altered(**{key: value}))


@pytest.mark.parametrize("version", [0, 3, True, None, "1"])
def test_no_other_schema_is_read(version: Any) -> None:
    with pytest.raises(ProtocolError, match=r"^\$\.schema: not 2 or 1"):
        replay.saved(altered(schema=version))
