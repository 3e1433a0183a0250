"""Me, my network, or them? Is each named only where the matrix says so, and left open where it does not?"""

from __future__ import annotations

from typing import Any

import pytest

from smtpcheck.core import Confidence, Report, Verdict
from smtpcheck.lab import Lab
from tests.checking import check_fault, checked

HOST, OTHER = "93.184.216.34", "93.184.216.119"


async def seen(fault: str, *network: str, options: dict[str, Any] | None = None, **row: Any) -> tuple[str, str]:
    """The code and the confidence of a fault in another network."""
    report = await check_fault(fault, network=network, options=options, **row)
    assert report.diagnosis is not None, report.verdict
    return report.diagnosis.code, str(report.diagnosis.confidence)


def experiments(report: Report) -> list[str]:
    return [str(each.probe) for each in report.experiments]


@pytest.mark.parametrize(
    ("network", "code", "confidence"),
    [
        # the control host is silent on 25 as well, and open elsewhere is nothing: this may be no network at all
        (("* * dropped",), "connect-timeout", "likely"),
        # refused by the exchanger and open at the control host: theirs
        ((f"{HOST} 25 refused", f"{OTHER} 25 elsewhere"), "connect-refused", "certain"),
        # both refuse: a filter that refuses, or two hosts that do not serve the port
        (("* 25 refused", f"{HOST} 587 server"), "connect-refused", "likely"),
        # silent here, refused there: not the same filter
        ((f"{HOST} * dropped", f"{OTHER} 25 refused"), "connect-timeout", "certain"),
    ],
)
async def test_a_control_host_tells_their_port_from_this_network(
    network: tuple[str, ...], code: str, confidence: str
) -> None:
    assert await seen("port25-egress-blocked-control", *network) == (code, confidence)


async def test_one_open_address_leaves_nothing_to_blame_on_the_network() -> None:
    records = (f"{{host}} A {HOST}", f"{{host}} A {OTHER}")
    report = await check_fault(
        "port25-egress-blocked", address="", records=records, network=[f"{HOST} 25 dropped", f"{OTHER} 25 server"]
    )

    assert report.verdict is Verdict.HEALTHY
    assert experiments(report) == []


async def test_a_port_that_is_no_mail_port_is_not_called_blocked() -> None:
    code, _ = await seen(
        "submission-port-unknown", f"{HOST} 4465 dropped", f"{HOST} 587 server", spec="{host}:4465", ports=[4465]
    )

    assert code == "connect-timeout"


async def test_an_exchanger_that_refuses_at_a_private_address_refuses() -> None:
    assert await seen("mx-target-private", "192.168.1.25 * refused") == ("connect-refused", "certain")


async def test_ipv6_that_is_silent_too_masks_nothing() -> None:
    code, _ = await seen("ipv6-error-masks-ipv4-block", "* * dropped")

    assert code == "connect-timeout"


async def test_a_slow_network_card_is_no_rule_of_this_machine() -> None:
    report = await check_fault("local-firewall-app", network=["* * no-route"])

    assert (report.verdict, report.diagnosis) == (Verdict.INCONCLUSIVE, None)


async def test_experiments_can_be_switched_off_and_leave_the_doubt() -> None:
    report = await check_fault("port25-egress-blocked-control", options={"experiments": False})

    assert experiments(report) == []
    assert report.diagnosis is not None
    assert report.diagnosis.code == "connect-timeout"
    assert "control" not in {contact.who for contact in report.contacts}


async def test_the_control_host_is_listed_before_it_is_asked_and_asked_once_at_most() -> None:
    async with Lab() as lab:
        practice = await lab.start("server-down")
        report = await checked(practice)

        assert ("control", OTHER) in {(contact.who, contact.where) for contact in report.contacts}
        assert practice.dialer is not None
        assert practice.dialer.dialled.count((OTHER, 587)) == 1
        assert len(report.experiments) <= 3


async def test_a_healthy_account_never_meets_the_control_host() -> None:
    async with Lab() as lab:
        practice = await lab.start("proxy-set-and-direct-works", options={"control": OTHER})
        report = await checked(practice)

        assert report.verdict is Verdict.HEALTHY
        assert practice.dialer is not None
        assert OTHER not in {address for address, _ in practice.dialer.dialled}


@pytest.mark.parametrize(
    ("greeting", "cert", "code"),
    [
        # the provider's own name in the greeting: a mistake of its own with certificates
        ("220 mx.zoho.com Zoho Mail SMTP Server ready\r\n", "wrong-host", "certificate-wrong-host"),
        # greeting and certificate are of two strangers, which fits no single one
        ("220 mail.somewhere.test ESMTP\r\n", "wrong-host", "certificate-wrong-host"),
        ("220 ready\r\n", "wrong-host", "certificate-wrong-host"),
        ("220-server.example.net ESMTP\r\n220 hello\r\n", "wrong-host", "transparent-smtp-redirect"),
    ],
)
async def test_a_stranger_is_named_only_where_all_of_it_is_that_strangers(greeting: str, cert: str, code: str) -> None:
    report = await check_fault("transparent-smtp-redirect", script={"greeting": greeting}, cert=cert)

    assert report.diagnosis is not None
    assert report.diagnosis.code == code


async def test_a_strangers_greeting_without_certificate_is_likely_only() -> None:
    script = {"greeting": "220 mx.strange.test ESMTP\r\n", "offers": ["PIPELINING"]}
    report = await check_fault("transparent-smtp-redirect", script=script)

    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == ("transparent-smtp-redirect", Confidence.LIKELY)
    assert "starttls-not-offered" in {alternative.code for alternative in report.diagnosis.alternatives}


async def test_another_greeting_at_the_control_host_is_no_redirection() -> None:
    network = (f"{HOST} 587 server", f"{OTHER} 587 elsewhere")

    assert await seen("transparent-smtp-redirect-control", *network) == ("certificate-wrong-host", "certain")


async def test_what_decided_is_among_the_evidence_with_who_said_it() -> None:
    report = await check_fault("port25-egress-blocked-control")

    assert report.diagnosis is not None
    assert report.diagnosis.confidence is Confidence.CERTAIN
    assert {"connect-timeout", "control-dead", "sibling-answers"} <= {proof.text for proof in report.diagnosis.evidence}


async def test_a_hijacking_resolver_is_not_blamed_for_a_name_that_exists() -> None:
    report = await check_fault("dns-hijack-elsewhere")

    assert report.diagnosis is not None
    assert report.diagnosis.code == "connect-refused"
    assert "dns-invented" in {finding.code for finding in report.findings}
