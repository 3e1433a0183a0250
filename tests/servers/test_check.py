"""Does the command name what is wrong with a real Postfix, Dovecot, unbound and chronyd, and leave well alone?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.command import Check, named
from tests.servers.daemon import free_ports

# what a healthy Postfix may be told: true, and no warning
REMARKS = {"auth-offered-in-clear", "auth-after-tls", "address-hosts-file"}


@pytest.mark.parametrize("service", ["starttls", "implicit"])
def test_a_healthy_account_is_healthy_with_nothing_but_true_remarks(check: Check, service: str) -> None:
    report = check.account(service=service)

    assert (report["exit"], report["verdict"], report["diagnosis"]) == (0, "healthy", None)
    assert {finding["code"] for finding in report["findings"]} <= REMARKS | {"address-detour"}
    assert len(report["conversations"]) == 1
    assert set(report["not_tested"]) == {"mail", "rcpt", "data", "delivery"}


def test_an_account_found_by_srv_is_healthy(check: Check) -> None:
    report = check(check.postfix.user, password=check.postfix.password)

    assert (report["exit"], report["verdict"]) == (0, "healthy")


def test_a_wrong_password_is_named(check: Check) -> None:
    report = check.account(password="not-the-password")

    assert named(report) == (1, "auth-credentials-refused", "certain", [])
    assert report["diagnosis"]["evidence"][0]["who"] == "server"
    assert report["diagnosis"]["evidence"][0]["raw"].startswith("535 5.7.8")


@pytest.mark.parametrize(
    ("certificate", "code"),
    [
        ("missing-intermediate", "cert-chain-incomplete"),
        ("wrong-host", "cert-hostname-mismatch"),
        ("expired", "cert-expired"),
        ("not-yet-valid", "cert-not-yet-valid"),
        ("self-signed", "cert-self-signed"),
    ],
)
@pytest.mark.parametrize("service", ["starttls", "implicit"])
def test_a_certificate_fault_is_named_and_blocks_the_login_alone(
    check: Check, service: str, certificate: str, code: str
) -> None:
    report = check.account(certificate, service)

    assert named(report) == (1, code, "certain", ["auth"])


def test_a_closed_port_is_named_and_blocks_all_that_follows(check: Check) -> None:
    port = free_ports(1)[0]
    words = ("--user", check.postfix.user, "--connect-to", f":{port}:127.0.0.1:{port}")
    report = check(f"smtp://{check.postfix.host}:{port}", *words, password=check.postfix.password)

    blocked = ["greeting", "ehlo", "starttls", "tls", "certificate", "auth"]
    assert named(report) == (1, "conn-refused", "certain", blocked)


def test_a_clock_seven_minutes_off_is_named_and_blocks_nothing(check: Check, faketime: Any) -> None:
    report = check.account(**faketime("+7m"))

    assert named(report) == (1, "clock-ahead", "certain", [])
    assert report["diagnosis"]["stage"] == "clock"
    assert report["diagnosis"]["seen"]["minutes"] == pytest.approx(7.0, abs=0.1)


def test_the_mode_is_named_where_the_stated_one_is_not_spoken(check: Check) -> None:
    where = check.postfix.endpoint("good", "implicit")
    words = ("--connect-to", f":{where.port}:{where.address}:{where.port}")
    report = check(f"smtp://{check.postfix.host}:{where.port}", *words)

    assert report["diagnosis"]["code"] == "plain-on-implicit-tls-port"


@pytest.mark.parametrize(
    ("target", "code"),
    [("servfail", "dns-servfail"), ("refused", "dns-refused"), ("nxdomain", "dns-nxdomain")],
)
def test_what_unbound_says_is_told_apart(check: Check, target: str, code: str) -> None:
    name = {"servfail": check.unbound.servfail, "refused": check.unbound.refused, "nxdomain": "no.such.postfix.test"}
    report = check(f"{name[target]}:587")

    assert (report["exit"], report["diagnosis"]["code"]) == (1, code)


def test_null_mx_is_named(check: Check) -> None:
    report = check(f"mx:{check.unbound.null_mx}")

    assert (report["exit"], report["diagnosis"]["code"]) == (1, "mx-null")


def test_the_exchanger_of_a_domain_is_healthy(check: Check) -> None:
    where = check.postfix.endpoint("good", "mx")
    report = check("mx:postfix.test", "--connect-to", f":25:{where.address}:{where.port}")

    assert (report["exit"], report["verdict"]) == (0, "healthy")


def test_no_login_where_postfix_offers_none(check: Check) -> None:
    report = check.account(service="no-auth")

    assert named(report)[:2] == (1, "auth-not-offered")
