"""Does a password go only to hosts that the account has to do with, unless the user says yes to another by name?"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import smtpcheck
from smtpcheck import consent
from smtpcheck.consent import Claim
from smtpcheck.core import Failure, Kind, Report, Result, Stage, Subject, Target, Verdict
from smtpcheck.lab import Background, Lab, Practice, background
from smtpcheck.report.saved.redact import redacted
from smtpcheck.route import Candidate, SubmissionFacts
from smtpcheck.target.grammar import UsageError, parse_target, usual_mode
from smtpcheck.wire import dns
from tests.checking import checked
from tests.cli.test_commands import Shell, aimed
from tests.terminal import environment, seated

STRANGE = "smtp.attacker.test"


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as opened:
        yield opened


@pytest.fixture(scope="module")
def running() -> Iterator[Background]:
    with background() as opened:
        yield opened


def located(source: str, *hosts: str, provider: str = "", signed: bool = False) -> Result[Any]:
    """What the submission probe found."""
    srv = tuple(dns.Srv(0, 1, 465, host) for host in hosts) if source == "srv" else ()
    answer = dns.Answer(name="_submissions._tcp.firm.test", type="SRV", srv=srv, authenticated=signed)
    facts = SubmissionFacts(
        domain="firm.test",
        source=source,
        provider=provider,
        candidates=tuple(Candidate(host, 465, usual_mode(465)) for host in hosts),
        srv=(answer,),
    )
    return Result(
        probe="submission", subject=Subject("firm.test"), outcome=facts, started=datetime.now(UTC), elapsed=0.0
    )


def auths(practice: Practice) -> int:
    assert practice.smtp is not None
    return practice.smtp.ledger.auths


def login(report: Report) -> Result[Any]:
    return next(result for result in report.results if result.probe == "auth")


# What speaks for a host


@pytest.mark.parametrize(
    ("account", "host", "claim"),
    [
        ("me@firm.test", "smtp.firm.test", Claim.DOMAIN),
        ("me@firm.test", "firm.test", Claim.DOMAIN),
        ("me@mail.firm.co.uk", "smtp.firm.co.uk", Claim.DOMAIN),
        ("me@firm.test", "smtp.attacker.test", Claim.NONE),
        ("me@firm.test", "firm.test.attacker.test", Claim.NONE),
        ("me@firm.test", "smtp.xfirm.test", Claim.NONE),
        ("me@firm.co.uk", "smtp.other.co.uk", Claim.NONE),
        ("me@firm.com.cn", "smtp.other.com.cn", Claim.NONE),
        # the list's private section: a platform's customers are strangers to each other, and to the platform
        ("me@firm.github.io", "smtp.other.github.io", Claim.NONE),
        ("me@firm.github.io", "smtp.firm.github.io", Claim.DOMAIN),
        ("me@github.io", "smtp.github.io", Claim.NONE),
        ("me@qq.com", "smtp.qq.com", Claim.PROVIDER),
        ("me@hotmail.com", "smtp-mail.outlook.com", Claim.PROVIDER),
        ("me@qq.com", "smtp.gmail.com", Claim.NONE),
        # SRV may name a known provider, and not be the domain's word
        ("me@firm.test", "smtp.qq.com", Claim.NONE),
        ("me@firm.test", "192.0.2.5", Claim.NONE),
    ],
)
def test_what_speaks_for_a_host_that_srv_names(account: str, host: str, claim: Claim) -> None:
    assert consent.submission(parse_target(account), [located("srv", host)], host) is claim


def test_a_host_that_the_user_typed_is_a_yes() -> None:
    assert consent.submission(parse_target(f"{STRANGE}:465", user="me@firm.test"), [], STRANGE) is Claim.TYPED


@pytest.mark.parametrize("said", [f"host:{STRANGE}", "HOST:SMTP.Attacker.test."])
def test_a_host_that_the_user_allowed_is_a_yes_to_it_alone(said: str) -> None:
    target = parse_target("me@firm.test", allow=(said,))

    assert target.allow == (f"host:{STRANGE}",)
    assert consent.submission(target, [located("srv", STRANGE)], STRANGE) is Claim.ALLOWED
    assert consent.submission(target, [located("srv", f"a.{STRANGE}")], f"a.{STRANGE}") is Claim.NONE


@pytest.mark.parametrize("allow", ["plaintext-auth", "unverified-auth"])
def test_another_consent_and_only_target_are_none_to_a_host(allow: str) -> None:
    target = parse_target("me@firm.test", allow=(allow,), only_target=True)

    assert consent.submission(target, [located("srv", STRANGE)], STRANGE) is Claim.NONE


@pytest.mark.parametrize("word", ["host:", "host:a b", "host:smtp.a.test:465", "host", "smtp.a.test"])
def test_what_names_no_host_can_not_be_allowed(word: str) -> None:
    with pytest.raises(UsageError):
        parse_target("me@firm.test", allow=(word,))


def test_a_known_provider_reached_through_the_mx_table_needs_no_yes_and_a_stranger_there_does() -> None:
    target = parse_target("me@firm.test")
    found = [located("mx", "smtp.exmail.qq.com", provider="exmail")]

    assert consent.submission(target, found, "smtp.exmail.qq.com") is Claim.EXCHANGER
    assert consent.submission(target, found, "smtp.gmail.com") is Claim.NONE
    assert consent.submission(target, [located("guess", "mx.attacker.test")], "mx.attacker.test") is Claim.NONE


def test_a_signed_record_is_the_domains_own_word() -> None:
    target = parse_target("me@firm.test")

    assert consent.submission(target, [located("srv", STRANGE, signed=True)], STRANGE) is Claim.DNSSEC
    assert consent.submission(target, [located("srv", "b.test", signed=True)], STRANGE) is Claim.NONE


def mail(account: str, imap: str = "", **options: Any) -> Target:
    return parse_target(account, imap=imap, send=True, **options)


@pytest.mark.parametrize(
    ("target", "host", "claim"),
    [
        (mail("me@firm.test"), "imap.firm.test", Claim.BESIDE),
        (mail("me@firm.test", "imap.attacker.test"), "imap.attacker.test", Claim.NONE),
        (mail("me@firm.github.io", "imap.other.github.io"), "imap.other.github.io", Claim.NONE),
        (mail("me@hotmail.com"), "outlook.office365.com", Claim.BESIDE),
        (mail("me@qq.com"), "imap.qq.com", Claim.BESIDE),
        (mail("me@qq.com", "imap.gmail.com"), "imap.gmail.com", Claim.NONE),
        (mail("me@firm.test", "imap.b.test", allow=("host:imap.b.test",)), "imap.b.test", Claim.ALLOWED),
    ],
)
def test_where_the_logins_password_may_be_used_for_the_mailbox(target: Target, host: str, claim: Claim) -> None:
    assert consent.mailbox(target, [], host, reused=True) is claim


def test_the_password_goes_to_the_mailbox_beside_the_host_that_may_have_it() -> None:
    who: dict[str, Any] = {"user": "me@firm.test", "sender": "me@firm.test", "recipients": ("me@firm.test",)}
    typed = mail("smtp.hoster.test:465", **who)
    by_mx = [located("mx", "smtp.office365.com", provider="m365")]

    assert consent.mailbox(typed, [], "imap.hoster.test", reused=True) is Claim.BESIDE
    assert consent.mailbox(typed, [], "imap.firm.test", reused=True) is Claim.NONE
    assert consent.mailbox(mail("me@firm.test"), by_mx, "outlook.office365.com", reused=True) is Claim.BESIDE
    assert consent.mailbox(mail("me@firm.test"), [], "outlook.office365.com", reused=True) is Claim.NONE
    strange = [located("srv", STRANGE)]
    assert consent.mailbox(mail("me@firm.test"), strange, "imap.attacker.test", reused=True) is Claim.NONE


def test_a_mailbox_with_a_password_of_its_own_may_have_it_where_the_user_or_the_provider_named_it() -> None:
    assert consent.mailbox(mail("me@firm.test", "imap.b.test"), [], "imap.b.test", reused=False) is Claim.TYPED
    assert consent.mailbox(mail("me@qq.com"), [], "imap.qq.com", reused=False) is Claim.PROVIDER
    assert consent.mailbox(mail("me@firm.test"), [], "imap.firm.test", reused=False) is Claim.DOMAIN
    assert consent.mailbox(mail("me@firm.test"), [], "imap.b.test", reused=False) is Claim.NONE


# On the wire


@pytest.mark.parametrize("options", [{}, {"only_target": True}, {"allow": ("host:other.test", "unverified-auth")}])
async def test_no_auth_arrives_at_a_host_of_another_domain_whose_certificate_is_right(
    lab: Lab, options: dict[str, Any]
) -> None:
    practice = await lab.start("submission-host-elsewhere")
    report = await checked(practice, **options)

    assert practice.smtp is not None
    assert (auths(practice), practice.smtp.ledger.connections) == (0, 1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert Stage.AUTH in report.not_tested
    assert login(report).outcome == Failure(
        Kind.NO_CONSENT, Stage.AUTH, "may-be-allowed", {"option": f"--allow host:{STRANGE}"}
    )
    (finding,) = [f for f in report.findings if f.code == "consent-submission-host"]
    assert finding.seen == {"host": STRANGE, "domain": "victim.test", "option": f"--allow host:{STRANGE}"}
    said = b"".join(event.raw for talk in report.conversations for event in talk.events)
    assert b"AUTH PLAIN" not in said.replace(b"250-AUTH", b"")


async def test_no_message_goes_there_either(lab: Lab) -> None:
    practice = await lab.start("submission-host-elsewhere")
    await checked(practice, recipients=("you@victim.test",))

    assert practice.smtp is not None
    assert not {"AUTH", "MAIL", "RCPT"} & practice.smtp.ledger.commands.keys()


async def test_one_auth_arrives_where_the_user_said_yes(lab: Lab) -> None:
    practice = await lab.start("submission-host-elsewhere")
    report = await checked(practice, allow=(f"host:{STRANGE}",))

    assert auths(practice) == 1
    assert report.verdict is Verdict.HEALTHY
    assert not [finding for finding in report.findings if finding.code.startswith("consent-")]


@pytest.mark.parametrize("fault", ["submission-host-elsewhere-signed", "submission-host-by-mx"])
async def test_one_auth_arrives_where_dnssec_or_the_provider_table_speaks_for_the_host(lab: Lab, fault: str) -> None:
    practice = await lab.start(fault)
    report = await checked(practice)

    assert (auths(practice), report.verdict) == (1, Verdict.HEALTHY)
    (named,) = [f for f in report.findings if f.code in ("consent-signed-host", "consent-provider-host")]
    assert (named.severity, named.seen["host"]) == ("note", practice.host)


async def test_no_login_arrives_at_a_mailbox_of_another_domain_until_it_is_allowed(lab: Lab) -> None:
    practice = await lab.start("mailbox-elsewhere")
    assert practice.mailbox is not None
    report = await checked(practice)
    host = "imap.elsewhere.test"

    assert (practice.mailbox.ledger.connections, practice.mailbox.logins) == (0, 0)
    (delivery,) = [result for result in report.results if result.probe == "delivery"]
    assert delivery.outcome == Failure(
        Kind.NO_CONSENT, Stage.DELIVERY, "may-be-allowed", {"option": f"--allow host:{host}"}
    )
    assert "consent-imap-host" in {finding.code for finding in report.findings}
    again = await checked(practice, allow=(f"host:{host}",))
    assert (practice.mailbox.logins, again.verdict) == (1, Verdict.HEALTHY)


def test_python_takes_the_yes_by_name(running: Background) -> None:
    practice = running.start("submission-host-elsewhere")

    assert smtpcheck.check(**practice.arguments).verdict is Verdict.INCONCLUSIVE
    assert auths(practice) == 0
    assert smtpcheck.check(**practice.arguments, allow=(f"host:{STRANGE}",)).verdict is Verdict.HEALTHY
    assert auths(practice) == 1


async def test_a_redacted_report_does_not_tell_whom_the_user_allowed(lab: Lab) -> None:
    report = await checked(await lab.start("submission-host-elsewhere"), allow=(f"host:{STRANGE}", "unverified-auth"))
    (clean,) = redacted([report])

    assert "attacker" not in repr(clean)
    (host, word) = clean.target.allow
    assert (host.startswith("host:"), word) == (True, "unverified-auth")
    assert host.removeprefix("host:") == next(r.subject.name for r in clean.results if r.probe == "auth")


# As a person sees it


def test_without_a_terminal_nothing_is_asked_and_the_line_to_type_is_said(running: Background, tmp_path: Path) -> None:
    practice, shell = running.start("submission-host-elsewhere"), Shell(tmp_path)
    done = shell.check(practice)

    assert (done.returncode, auths(practice)) == (3, 0)
    assert f"--allow host:{practice.host}" in " ".join(done.stdout.split())
    assert "y/N" not in done.stdout + done.stderr
    done = shell.check(practice, "--allow", f"host:{practice.host}")
    assert (done.returncode, auths(practice)) == (0, 1)


@pytest.mark.parametrize(("typed", "status", "logins"), [("y\n", 0, 1), ("n\n", 3, 0), ("\n", 3, 0)])
def test_at_a_terminal_the_host_is_asked_about_before_any_connection_to_it(
    running: Background, tmp_path: Path, typed: str, status: int, logins: int
) -> None:
    practice = running.start("submission-host-elsewhere")
    assert practice.smtp is not None
    command = [sys.executable, "-m", "smtpcheck", "check", practice.target, *aimed(practice)]
    with seated(command, tmp_path, environment(tmp_path, SMTPCHECK_PASSWORD=practice.password)) as seat:
        seat.until("all the same? [y/N]")
        assert f"{practice.host} is not known to belong to {practice.target}: send it the password" in seat.text
        assert practice.smtp.ledger.connections == 0
        seat.type(typed)
        text = seat.rest()
    assert (seat.process.returncode, auths(practice)) == (status, logins)
    assert practice.password not in text


def test_at_a_terminal_nothing_is_asked_about_the_accounts_own_host(running: Background, tmp_path: Path) -> None:
    practice = running.start("healthy-implicit")
    command = [sys.executable, "-m", "smtpcheck", "check", practice.target, *aimed(practice)]
    with seated(command, tmp_path, environment(tmp_path, SMTPCHECK_PASSWORD=practice.password)) as seat:
        text = seat.rest()

    assert (seat.process.returncode, auths(practice)) == (0, 1)
    assert "all the same?" not in text


def test_the_report_as_json_holds_the_option(running: Background, tmp_path: Path) -> None:
    practice = running.start("submission-host-elsewhere")
    done = Shell(tmp_path).check(practice, "--json", "-")

    report = smtpcheck.loads(done.stdout)
    (finding,) = [f for f in report.findings if f.code == "consent-submission-host"]
    assert finding.seen["option"] == f"--allow host:{practice.host}"
    assert report.verdict is Verdict.INCONCLUSIVE
