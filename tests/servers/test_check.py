"""Does the command name what is wrong with a real Postfix, Dovecot, unbound and chronyd, and leave well alone?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.command import Check, named
from tests.servers.daemon import free_ports


def found(report: dict[str, Any]) -> list[tuple[str, str]]:
    """All findings with their severities, by name."""
    return sorted((finding["code"], finding["severity"]) for finding in report["findings"])


# true of every one of these accounts: the address is given by hand
DETOUR = ("dns-replaced-by-connect-to", "note")
# Postfix with smtpd_tls_auth_only
AFTER_TLS = ("auth-after-tls", "note")


@pytest.mark.parametrize(("service", "remarks"), [("starttls", [DETOUR, AFTER_TLS]), ("implicit", [DETOUR])])
def test_a_healthy_account_is_healthy_with_nothing_but_true_remarks(
    check: Check, service: str, remarks: list[tuple[str, str]]
) -> None:
    report = check.account(service=service)

    assert (report["exit"], report["verdict"], report["diagnosis"]) == (0, "healthy", None)
    assert found(report) == sorted(remarks)
    assert len(report["conversations"]) == 1
    assert set(report["not_tested"]) == {"mail", "rcpt", "data", "delivery"}


def test_an_account_found_by_srv_is_healthy(check: Check) -> None:
    report = check(check.postfix.user, password=check.postfix.password)

    assert (report["exit"], report["verdict"]) == (0, "healthy")
    assert found(report) == []


def test_a_wrong_password_is_named(check: Check) -> None:
    report = check.account(password="not-the-password")

    assert named(report) == (1, "auth-credentials-refused", "certain", [])
    assert report["diagnosis"]["evidence"][0]["who"] == "server"
    assert report["diagnosis"]["evidence"][0]["raw"].startswith("535 5.7.8")
    assert found(report) == sorted([DETOUR, ("auth-refused", "fail")])


@pytest.mark.parametrize(
    ("certificate", "code", "findings"),
    [
        (
            "missing-intermediate",
            "certificate-chain-incomplete",
            [("certificate-issuer-unknown", "fail"), ("certificate-issuer-completes", "note")],
        ),
        (
            "wrong-host",
            "certificate-wrong-host",
            [("certificate-wrong-host", "fail"), ("certificate-sni-same", "note")],
        ),
        ("expired", "certificate-expired", [("certificate-expired", "fail")]),
        ("not-yet-valid", "certificate-not-yet-valid", [("certificate-not-yet-valid", "fail")]),
        ("self-signed", "certificate-self-signed", [("certificate-self-signed", "fail")]),
    ],
)
@pytest.mark.parametrize("service", ["starttls", "implicit"])
def test_a_certificate_fault_is_named_and_blocks_the_login_alone(
    check: Check, service: str, certificate: str, code: str, findings: list[tuple[str, str]]
) -> None:
    report = check.account(certificate, service)

    assert named(report) == (1, code, "certain", ["auth"])
    assert found(report) == sorted([DETOUR, *findings])


def test_a_closed_port_is_named_and_blocks_all_that_follows(check: Check) -> None:
    port = free_ports(1)[0]
    words = ("--user", check.postfix.user, "--connect-to", f":{port}:127.0.0.1:{port}")
    report = check(f"smtp://{check.postfix.host}:{port}", *words, password=check.postfix.password)

    blocked = ["greeting", "ehlo", "starttls", "tls", "certificate", "auth"]
    assert named(report) == (1, "connect-refused", "certain", blocked)
    assert found(report) == sorted([DETOUR, ("connect-refused", "fail")])


def test_a_clock_seven_minutes_off_is_named_and_blocks_nothing(check: Check, faketime: Any) -> None:
    report = check.account(**faketime("+7m"))

    assert named(report) == (1, "clock-ahead", "certain", [])
    assert report["diagnosis"]["stage"] == "clock"
    assert report["diagnosis"]["seen"]["minutes"] == pytest.approx(7.0, abs=0.1)
    assert found(report) == sorted([DETOUR, AFTER_TLS, ("clock-ahead", "fail"), ("clock-fits", "note")])


def test_the_mode_is_named_where_the_stated_one_is_not_spoken(check: Check) -> None:
    where = check.postfix.endpoint("good", "implicit")
    words = ("--connect-to", f":{where.port}:{where.address}:{where.port}")
    report = check(f"smtp://{check.postfix.host}:{where.port}", *words)

    assert report["diagnosis"]["code"] == "plain-on-implicit-tls-port"
    assert found(report) == sorted([DETOUR, ("greeting-silent", "fail"), ("mode-mismatch", "fail")])


@pytest.mark.parametrize(
    ("target", "code", "findings"),
    [
        ("servfail", "dns-servfail", [("dns-servfail", "fail"), ("dnssec-not-the-cause", "note")]),
        ("refused", "dns-refused", [("dns-refused", "fail")]),
        ("nxdomain", "dns-nxdomain", [("dns-nxdomain", "fail")]),
    ],
)
def test_what_unbound_says_is_told_apart(check: Check, target: str, code: str, findings: list[tuple[str, str]]) -> None:
    name = {"servfail": check.unbound.servfail, "refused": check.unbound.refused, "nxdomain": "no.such.postfix.test"}
    report = check(f"{name[target]}:587")

    assert (report["exit"], report["diagnosis"]["code"]) == (1, code)
    assert found(report) == sorted(findings)


def test_null_mx_is_named(check: Check) -> None:
    report = check(f"mx:{check.unbound.null_mx}")

    assert (report["exit"], report["diagnosis"]["code"]) == (1, "mx-null")
    assert found(report) == sorted([("mx-null", "fail")])


def test_the_exchanger_of_a_domain_is_healthy(check: Check) -> None:
    where = check.postfix.endpoint("good", "mx")
    report = check("mx:postfix.test", "--connect-to", f":25:{where.address}:{where.port}")

    assert (report["exit"], report["verdict"]) == (0, "healthy")
    assert found(report) == sorted([DETOUR, ("mx-target-private", "warn")])


def test_no_login_where_postfix_offers_none(check: Check) -> None:
    report = check.account(service="no-auth")

    assert named(report)[:2] == (1, "auth-not-offered")
    assert found(report) == sorted([DETOUR, ("auth-not-offered", "fail")])
