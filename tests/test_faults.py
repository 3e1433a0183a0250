"""Is every fault of the lab named, and only the right one? Injected fault -> what expected/ says."""

from __future__ import annotations

import pytest

from smtpcheck.core import Confidence, Stage, Verdict
from smtpcheck.lab import Lab
from smtpcheck.target.grammar import UsageError
from tests.checking import (
    PATIENT,
    SHORT,
    aim,
    assert_answered,
    assert_lossless,
    assert_redacted_alike,
    assert_told,
    check_fault,
    checked,
)
from tests.expectations import EXPECTED, Expectation


def test_every_fault_of_the_lab_is_expected_to_end_somehow() -> None:
    assert EXPECTED.keys() == Lab.faults.keys()


@pytest.mark.parametrize("fault", EXPECTED)
async def test_a_fault_comes_out_as_expected(fault: str) -> None:
    expected = EXPECTED[fault]
    if expected.refused:
        assert await refusal(fault) == expected.code
        return
    report = await check_fault(fault, limits=PATIENT if expected.slow else SHORT)

    assert Expectation.of(report, like=expected) == expected
    assert not [result for result in report.results if result.status == "bug"]
    assert report.complete
    assert_answered(report)
    assert_told(report)
    assert_lossless(report)
    assert_redacted_alike(report)


async def refusal(fault: str) -> str:
    """The code of the refusal of what the user typed."""
    async with Lab() as lab:
        practice = await lab.start(fault)
        with pytest.raises(UsageError) as caught:
            aim(practice)
        assert practice.password not in str(caught.value)
        return caught.value.code


async def test_a_hanging_issuer_is_not_waited_for_longer_than_its_limit_and_leaves_the_doubt() -> None:
    report = await check_fault("certificate-chain-incomplete-aia-hangs")

    assert report.diagnosis is not None
    assert {a.code for a in report.diagnosis.alternatives} == {"certificate-chain-incomplete", "certificate-private-ca"}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("delivery-silently-dropped", "not-seen"),
        ("mailbox-refuses-login", "rejected"),
        ("mailbox-hangs", "not-seen"),
        ("mailbox-without-search", "rejected"),
    ],
)
async def test_a_message_that_is_not_seen_is_could_not_tell(fault: str, kind: str) -> None:
    report = await check_fault(fault)

    assert (report.verdict, report.diagnosis) == (Verdict.INCONCLUSIVE, None)
    outcome = next(result.outcome for result in report.results if result.probe == "delivery")
    assert outcome.kind == kind
    assert Stage.DELIVERY in report.not_tested
    assert_lossless(report)


async def test_a_message_is_sent_once_whatever_becomes_of_it() -> None:
    async with Lab() as lab:
        practice = await lab.start("message-fate-unknown")
        await checked(practice)

        assert practice.smtp is not None
        assert practice.smtp.ledger.commands["DATA"] == 1


async def test_ambiguity_names_the_alternatives() -> None:
    report = await check_fault("certificate-chain-incomplete-no-aia")

    assert report.diagnosis is not None
    assert report.diagnosis.confidence is Confidence.POSSIBLE
    assert [a.code for a in report.diagnosis.alternatives] == ["certificate-chain-incomplete", "certificate-private-ca"]


async def test_an_expired_certificate_is_not_certain_while_the_clock_is_unknown() -> None:
    report = await check_fault("certificate-expired", ntp="silent")

    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == ("certificate-expired", Confidence.LIKELY)
    assert [a.code for a in report.diagnosis.alternatives] == ["clock-ahead"]


async def test_two_independent_faults_are_both_reported_the_break_first() -> None:
    report = await check_fault("auth-refused", offset=420.0)

    assert [d.code for d in report.diagnoses] == ["auth-credentials-refused", "clock-behind"]


async def test_a_fault_behind_a_certificate_that_was_consented_to_is_reported_too() -> None:
    report = await check_fault("auth-refused", cert="expired", options={"allow": ("unverified-auth",)})

    assert [d.code for d in report.diagnoses] == ["certificate-expired", "auth-credentials-refused"]


async def test_one_attempt_and_no_second_mechanism_after_a_refusal() -> None:
    async with Lab() as lab:
        practice = await lab.start("auth-refused")
        await checked(practice)

        assert practice.smtp is not None
        assert (practice.smtp.ledger.auths, practice.smtp.ledger.connections) == (1, 1)
        assert practice.smtp.ledger.commands["QUIT"] == 1


@pytest.mark.parametrize(
    "fault", ["certificate-wrong-host", "certificate-expired", "certificate-self-signed", "starttls-not-offered"]
)
async def test_no_secret_on_a_connection_that_did_not_verify(fault: str) -> None:
    async with Lab() as lab:
        practice = await lab.start(fault)
        await checked(practice)

        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 0


async def test_unverified_auth_needs_consent_by_name() -> None:
    async with Lab() as lab:
        practice = await lab.start("certificate-wrong-host")
        report = await checked(practice, allow=("unverified-auth",))

        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 1
        assert report.diagnosis is not None
        assert report.diagnosis.code == "certificate-wrong-host"


async def test_a_mode_found_is_stated_and_the_login_goes_on_in_it() -> None:
    report = await check_fault("plain-on-implicit-tls-port", options={"mode": "auto"})

    assert report.verdict is Verdict.HEALTHY
    assert "mode-found" in {finding.code for finding in report.findings}
    assert [e.probe for e in report.experiments] == ["mode"]


async def test_only_target_asks_neither_clock_nor_issuer() -> None:
    async with Lab() as lab:
        practice = await lab.start("certificate-chain-incomplete")
        options = {name: value for name, value in practice.options.items() if name != "ntp"}
        target_only = await checked(
            type(practice)(**{f: getattr(practice, f) for f in practice.__slots__} | {"options": options}),
            only_target=True,
        )

        assert practice.clock.requests == 0
        assert practice.issuer is not None
        assert practice.issuer.paths == []
        assert {c.who for c in target_only.contacts} == {"target", "resolver"}


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("auth-unknown-535", "words-unknown-policy"),
        ("auth-unknown-454", "words-unknown-policy"),
        ("mail-unknown-550", "words-unknown-policy"),
        ("recipient-unknown-550", "words-unknown-other"),
        ("recipient-unknown-450", "words-unknown-system"),
        ("data-unknown-554", "words-unknown-content"),
        ("data-unknown-451", "words-unknown-other"),
    ],
)
async def test_words_that_no_table_holds_are_shown_and_said_to_be_unknown(fault: str, says: str) -> None:
    report = await check_fault(fault)

    assert report.diagnosis is not None
    said, told = report.diagnosis.evidence
    assert said.raw.endswith(b"The moon is in the wrong house")
    assert (told.who, told.text) == ("smtpcheck", says)


async def test_what_is_known_is_not_said_to_be_unknown() -> None:
    for fault in ("user-unknown", "qq-service-not-open"):
        report = await check_fault(fault)
        assert report.diagnosis is not None
        assert not [e for e in report.diagnosis.evidence if e.text.startswith("words-unknown")]


async def test_one_refused_recipient_of_several_is_remarked_and_its_own_reason_named() -> None:
    said = {"gone@example.com": "550 5.1.1 <gone@example.com>: User unknown\r\n"}
    report = await check_fault("recipient-partly-refused", script={"recipients": said})

    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.seen["address"]) == ("user-unknown", "gone@example.com")
    partly = next(finding for finding in report.findings if finding.code == "recipient-partly-refused")
    assert (partly.severity, partly.seen) == ("warn", {"accepted": 1, "asked": 2})


async def test_recipients_who_are_all_refused_are_not_said_to_be_some() -> None:
    report = await check_fault("user-unknown")

    assert "recipient-partly-refused" not in {finding.code for finding in report.findings}


async def test_a_refusal_in_place_of_a_login_costs_no_second_attempt() -> None:
    async with Lab() as lab:
        practice = await lab.start("qq-535-masked-by-disconnect")
        report = await checked(practice)

        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 1
    assert report.diagnosis is not None
    assert report.diagnosis.evidence[0].raw.startswith(b"535 Login Fail.")
