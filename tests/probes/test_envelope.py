"""Is postmaster asked only where it may be, in the one transaction, and is nothing made of a lost line?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from smtpcheck.core import Report
from smtpcheck.lab import Lab
from smtpcheck.probes.envelope import EnvelopeFacts
from tests.checking import checked

NO = "550 no\r\n"
YOU, GONE, POSTMASTER = "you@example.com", "gone@example.net", "postmaster@example.com"


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as running:
        yield running


def said(report: Report) -> list[bytes]:
    """What was said to the server from MAIL on."""
    lines = [event.raw for talk in report.conversations for event in talk.events if event.dir == "out"]
    return [line for line in lines if line.startswith((b"MAIL", b"RCPT", b"RSET", b"DATA", b"QUIT"))][1:]


async def asked(lab: Lab, recipients: dict[str, str], **options: Any) -> Report:
    """A check of these recipients with these answers."""
    rows: dict[str, Any] = {address: text for address, text in recipients.items() if text}
    practice = await lab.start("healthy-scripted", script={"recipients": rows})
    named = tuple(address for address in recipients if address != POSTMASTER)
    return await checked(practice, **({"recipients": named, "control_recipient": True} | options))


def facts(report: Report) -> EnvelopeFacts:
    found = next(result.facts for result in report.results if result.probe == "envelope")
    assert isinstance(found, EnvelopeFacts)
    return found


async def test_after_a_refusal_postmaster_is_asked_before_the_transaction_is_reset_on_the_one_connection(
    lab: Lab,
) -> None:
    report = await asked(lab, {GONE: "", YOU: NO, "me@example.org": NO})

    assert said(report) == [
        b"RCPT TO:<gone@example.net>",
        b"RCPT TO:<you@example.com>",
        b"RCPT TO:<me@example.org>",
        b"RCPT TO:<postmaster@example.com>",
        b"RSET",
        b"QUIT",
    ]
    assert len(report.conversations) == 1
    assert not report.experiments


@pytest.mark.parametrize(
    ("recipients", "options"),
    [
        ({YOU: NO}, {"control_recipient": False}),
        ({YOU: ""}, {}),
        ({YOU: "450 4.2.1 later\r\n"}, {}),
        ({YOU: NO, GONE: "421 4.3.2 closing\r\n"}, {}),
        ({"Postmaster@example.com": NO}, {}),
        ({YOU: NO}, {"send": True}),
    ],
    ids=["not-wanted", "accepted", "deferred", "told-to-go", "itself", "sent"],
)
async def test_postmaster_is_left_alone(lab: Lab, recipients: dict[str, str], options: dict[str, Any]) -> None:
    report = await asked(lab, recipients, **options)

    assert b"RCPT TO:<postmaster@example.com>" not in said(report)
    assert not [finding for finding in report.findings if finding.code.startswith("recipient-control")]


@pytest.mark.parametrize(
    ("answer", "code"),
    [("250 ok\r\n", "recipient-control-accepted"), ("554 no\r\n", "recipient-control-refused"), ("450 later\r\n", "")],
)
async def test_what_postmaster_got_is_a_note_and_a_deferral_says_nothing(lab: Lab, answer: str, code: str) -> None:
    report = await asked(lab, {YOU: NO, POSTMASTER: answer})

    notes = [f for f in report.findings if f.code.startswith("recipient-control")]
    assert [(note.code, note.severity, note.seen["address"]) for note in notes] == (
        [(code, "note", POSTMASTER)] if code else []
    )
    assert facts(report).control is not None


@pytest.mark.parametrize("then", ["close", "reset"])
async def test_a_line_lost_at_postmaster_changes_nothing_of_the_refusal(lab: Lab, then: str) -> None:
    rows = {"recipients": {YOU: NO, POSTMASTER: {"then": then}}}
    practice = await lab.start("healthy-scripted", script=rows)
    report = await checked(practice, recipients=(YOU,), control_recipient=True)

    assert facts(report).control is None
    assert report.diagnosis is not None
    assert report.diagnosis.code == "recipient-refused"
    assert said(report)[-1] == b"RCPT TO:<postmaster@example.com>"


async def test_what_postmaster_got_stands_as_the_servers_words_in_the_evidence(lab: Lab) -> None:
    report = await asked(lab, {YOU: NO, POSTMASTER: "250 2.1.5 come in\r\n"})

    assert report.diagnosis is not None
    assert [(proof.who, proof.raw, proof.text) for proof in report.diagnosis.evidence] == [
        ("server", b"550 no", "recipient-refused"),
        ("smtpcheck", b"", "words-unknown-other"),
        ("server", b"250 2.1.5 come in", "recipient-control-accepted"),
    ]


async def test_another_recipient_who_was_accepted_leaves_no_room_for_a_guess(lab: Lab) -> None:
    report = await asked(lab, {YOU: NO, GONE: ""})

    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == ("recipient-partly-refused", "certain")


async def test_a_refusal_at_another_domain_than_postmasters_is_not_compared(lab: Lab) -> None:
    unknown = "550 5.1.1 User unknown\r\n"
    report = await asked(lab, {YOU: "450 later\r\n", GONE: unknown, "postmaster@example.net": unknown})

    assert facts(report).control is None
