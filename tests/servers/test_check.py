"""Does the command name what is wrong with a real Postfix, Dovecot, unbound and chronyd, and leave well alone?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers.chrony import Chrony
from tests.servers.daemon import free_ports
from tests.servers.postfix import Postfix
from tests.servers.unbound import Unbound

# what a healthy Postfix may be told: true, and no warning
REMARKS = {"auth-offered-in-clear", "address-hosts-file"}


class Check:
    """The command against the real servers, as a user would type it."""

    def __init__(self, postfix: Postfix, unbound: Unbound, chrony: Chrony, folder: Path) -> None:
        self.postfix = postfix
        self.unbound = unbound
        self.chrony = chrony
        self.folder = folder

    def __call__(self, target: str, *words: str, password: str = "", **environ: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "smtpcheck", "check", target, "--json", "-"]
        command += ["--dns", f"{self.unbound.address}:{self.unbound.port}"]
        command += ["--ntp", f"{self.chrony.address}:{self.chrony.port}", "--ca-file", str(self.postfix.ca_file)]
        login = {"SMTPCHECK_PASSWORD": password} if password else {}
        done = subprocess.run(
            [*command, *words],
            env=os.environ | environ | login | {"HOME": str(self.folder)},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        report["exit"] = done.returncode
        return report

    def account(self, certificate: str = "good", service: str = "starttls", password: str = "", **environ: str) -> Any:
        """The account at one of the Postfix services, by its real host name."""
        where = self.postfix.endpoint(certificate, service)
        scheme = "smtps" if service == "implicit" else "smtp"
        words = ("--user", self.postfix.user, "--connect-to", f":{where.port}:{where.address}:{where.port}")
        secret = password or self.postfix.password
        return self(f"{scheme}://{self.postfix.host}:{where.port}", *words, password=secret, **environ)


@pytest.fixture
def check(postfix: Postfix, unbound: Unbound, chrony: Chrony, tmp_path: Path) -> Check:
    return Check(postfix, unbound, chrony, tmp_path)


def named(report: dict[str, Any]) -> tuple[int, str, str, list[str]]:
    diagnosis = report["diagnosis"]
    return report["exit"], diagnosis["code"], diagnosis["confidence"], diagnosis["blocked"]


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
