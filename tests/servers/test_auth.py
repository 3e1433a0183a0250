"""Does the login work by every mechanism that a real Postfix with Dovecot offers, and is a wrong password named?"""

from __future__ import annotations

from typing import Any

import pytest

from tests.servers.command import Check
from tests.servers.dovecot import MECHANISMS


def login(report: dict[str, Any]) -> dict[str, Any]:
    (facts,) = (result["outcome"] for result in report["results"] if result["probe"] == "auth")
    assert isinstance(facts, dict)
    return facts


def log_in(check: Check, *words: str, service: str = "starttls", password: str = "") -> dict[str, Any]:
    """The account at that service of Postfix, by its real host name."""
    where = check.postfix.endpoint("good", service)
    options = ("--user", check.postfix.user, "--connect-to", f":{where.port}:{where.address}:{where.port}", *words)
    scheme = "smtps" if service == "implicit" else "smtp"
    secret = password or check.postfix.password
    report = check(f"{scheme}://{check.postfix.host}:{where.port}", *options, password=secret)
    assert secret not in str(report)
    return report


@pytest.mark.parametrize("service", ["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_right_password(check: Check, mechanism: str, service: str) -> None:
    report = log_in(check, "--auth", mechanism, service=service)

    assert (report["exit"], report["verdict"]) == (0, "healthy")
    facts = login(report)
    assert set(facts["offered"]) == set(MECHANISMS)
    assert (facts["mechanism"], facts["attempts"], facts["reply"]["code"]) == (mechanism, 1, 235)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_refused_once(check: Check, mechanism: str) -> None:
    report = log_in(check, "--auth", mechanism, password="not-the-password")

    possible = [alternative["code"] for alternative in report["diagnosis"]["alternatives"]]
    # a server whose passwords are hashed can't do CRAM-MD5 and says the same to a right one
    trap = ["auth-cram-md5-trap", "auth-credentials-refused"] if mechanism == "CRAM-MD5" else []
    assert (report["exit"], sorted(possible)) == (1, trap)
    assert report["diagnosis"]["code"] == ("auth-refused" if trap else "auth-credentials-refused")
    facts = login(report)
    assert (facts["mechanism"], facts["attempts"], facts["reply"]["code"]) == (mechanism, 1, 535)


def test_without_tls_the_password_itself_is_not_said(check: Check) -> None:
    report = log_in(check, "--mode", "plain", "--allow", "plaintext-auth", service="plain")

    assert (report["exit"], login(report)["mechanism"]) == (0, "SCRAM-SHA-256")


def test_a_mechanism_that_is_not_offered_is_not_replaced(check: Check) -> None:
    report = log_in(check, "--auth", "XOAUTH2")

    assert (report["exit"], report["diagnosis"]["code"]) == (1, "auth-mech-none-common")
    assert login(report)["attempts"] == 0
