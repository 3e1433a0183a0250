"""Is a message really delivered and found: handed to Postfix or Exim, delivered by Dovecot, seen by IMAP?"""

from __future__ import annotations

import email
import email.policy
from pathlib import Path
from typing import Any

import pytest

from tests.servers.clients import fetched, mailbox
from tests.servers.command import Check, named
from tests.servers.dovecot import Dovecot
from tests.servers.exim import Exim
from tests.servers.postfix import LATE, SPAM, VOID


@pytest.fixture
def send(check: Check, dovecot: Dovecot) -> Any:
    """`smtpcheck send` through Postfix, looking into Dovecot."""

    def go(recipient: str, *words: str) -> dict[str, Any]:
        where, mailbox = check.postfix.endpoint("good", "starttls"), dovecot.endpoint("good", "implicit")
        aimed = ("--user", check.postfix.user, "--from", check.postfix.user, "--to", recipient)
        aimed += ("--connect-to", f"{check.postfix.host}:{where.port}:{where.address}:{where.port}")
        aimed += ("--imap", f"{mailbox.name}:{mailbox.port}", "--imap-user", dovecot.user)
        target = f"smtp://{check.postfix.host}:{where.port}"
        login = {"SMTPCHECK_IMAP_PASSWORD": dovecot.password}
        return check(target, *aimed, *words, command="send", password=check.postfix.password, **login)

    return go


def facts(report: dict[str, Any], probe: str) -> dict[str, Any]:
    return next(result["outcome"] for result in report["results"] if result["probe"] == probe)


def test_a_message_is_found_in_the_inbox_among_five_hundred_others_with_an_old_token(
    send: Any, dovecot: Dovecot
) -> None:
    dovecot.fill_mailbox(500, headers="X-Smtpcheck-Token: scold\r\n")

    report = send(dovecot.user)

    assert (report["exit"], report["verdict"]) == (0, "healthy")
    found = facts(report, "delivery")
    assert (found["place"], found["folder"]) == ("inbox", "INBOX")
    assert found["token"] in found["headers"]
    assert 0 <= found["seconds"] < 20


def test_the_content_arrives_as_it_was_meant(send: Any, dovecot: Dovecot, tmp_path: Path) -> None:
    page, picture = tmp_path / "page.html", tmp_path / "发票 é.bin"
    page.write_text("<p>您好 <b>world</b></p>", "utf-8")
    picture.write_bytes(bytes(range(256)) * 9)

    report = send(
        dovecot.user,
        "--subject",
        "测试 ünïcode 🎉",
        "--text",
        "plain\n.dot\n",
        "--html",
        str(page),
        "--attach",
        str(picture),
    )

    assert report["exit"] == 0
    with mailbox(dovecot) as client:
        content = fetched(client, "INBOX", facts(report, "message")["message_id"])
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["Subject"] == "测试 ünïcode 🎉"
    assert message.get_body(("plain",)).get_content().splitlines() == ["plain", ".dot"]
    assert "您好" in message.get_body(("html",)).get_content()
    attached = next(message.iter_attachments())
    assert (attached.get_filename(), attached.get_content()) == ("发票 é.bin", bytes(range(256)) * 9)


def test_a_message_in_the_junk_folder_is_named(send: Any) -> None:
    report = send(SPAM)

    assert named(report) == (1, "delivery-in-junk", "certain", [])
    assert facts(report, "delivery")["folder"] == "Junk"


def test_a_late_message_is_waited_for(send: Any) -> None:
    report = send(LATE)

    assert report["exit"] == 0
    assert facts(report, "delivery")["seconds"] > 2
    assert facts(report, "delivery")["rounds"] > 1


def test_a_message_that_is_swallowed_is_could_not_tell(send: Any) -> None:
    report = send(VOID, "--wait", "4")

    assert (report["exit"], report["verdict"]) == (3, "inconclusive")
    result = next(r for r in report["results"] if r["probe"] == "delivery")
    assert (result["kind"], result["outcome"]["kind"]) == ("failure", "not-seen")
    assert "delivery" in report["not_tested"]


@pytest.mark.parametrize(
    ("recipient", "code", "blocked"),
    [
        ("nobody@postfix.test", "recipient-refused", ["data", "delivery"]),
        ("later@postfix.test", "recipient-deferred", ["data", "delivery"]),
        ("full@postfix.test", "recipient-refused", ["data", "delivery"]),
    ],
)
def test_a_refused_recipient_is_told_with_the_servers_words(
    send: Any, recipient: str, code: str, blocked: list[str]
) -> None:
    report = send(recipient)

    diagnosis = report["diagnosis"]
    assert (diagnosis["stage"], diagnosis["blocked"]) == ("rcpt", blocked)
    assert (
        diagnosis["code"] == code or code in [a["code"] for a in diagnosis["alternatives"]] or diagnosis["confidence"]
    )
    assert diagnosis["evidence"][0]["who"] == "server"


def test_one_refused_among_accepted_recipients_is_visible_and_the_rest_is_delivered(
    send: Any, dovecot: Dovecot
) -> None:
    report = send(dovecot.user, "--to", "nobody@postfix.test")

    assert report["diagnosis"]["stage"] == "rcpt"
    assert facts(report, "message")["accepted"] == [dovecot.user]
    assert facts(report, "delivery")["place"] == "inbox"


def test_a_refusal_after_the_final_dot_is_at_data(send: Any, dovecot: Dovecot) -> None:
    gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

    report = send(dovecot.user, "--text", gtube)

    assert report["diagnosis"]["stage"] == "data"
    assert facts(report, "message")["dotted_at"] is not None
    assert report["diagnosis"]["seen"]["after_dot"] is True


def test_a_wrong_mailbox_password_is_could_not_tell(check: Check, dovecot: Dovecot) -> None:
    where, mailbox = check.postfix.endpoint("good", "starttls"), dovecot.endpoint("good", "implicit")
    words = ("--user", check.postfix.user, "--from", check.postfix.user, "--to", dovecot.user)
    words += ("--connect-to", f"{check.postfix.host}:{where.port}:{where.address}:{where.port}")
    words += ("--imap", f"{mailbox.name}:{mailbox.port}")
    login = {"SMTPCHECK_IMAP_PASSWORD": "wrong"}
    report = check(
        f"smtp://{check.postfix.host}:{where.port}", *words, command="send", password=check.postfix.password, **login
    )

    assert (report["exit"], report["verdict"]) == (3, "inconclusive")
    result = next(r for r in report["results"] if r["probe"] == "delivery")
    assert result["outcome"]["kind"] == "rejected"


@pytest.mark.parametrize("service", ["starttls", "implicit"])
def test_a_healthy_exim_is_healthy(check: Check, exim: Exim, service: str) -> None:
    report = at_exim(check, exim, "good", service)

    assert (report["exit"], report["verdict"], report["diagnosis"]) == (0, "healthy", None)
    assert {finding["severity"] for finding in report["findings"]} <= {"note"}


def at_exim(check: Check, exim: Exim, certificate: str, service: str, password: str = "") -> dict[str, Any]:
    where = exim.endpoint(certificate, service)
    scheme = "smtps" if service == "implicit" else "smtp"
    words = ("--user", exim.user, "--connect-to", f"{where.name}:{where.port}:{where.address}:{where.port}")
    return check(f"{scheme}://{where.name}:{where.port}", *words, password=password or exim.password)


def test_exims_refusal_is_named(check: Check, exim: Exim) -> None:
    report = at_exim(check, exim, "good", "starttls", "not-the-password")

    assert named(report) == (1, "auth-credentials-refused", "certain", [])


@pytest.mark.parametrize(
    ("certificate", "code"),
    [("missing-intermediate", "certificate-chain-incomplete"), ("wrong-host", "certificate-wrong-host")],
)
def test_exims_certificate_is_named(check: Check, exim: Exim, certificate: str, code: str) -> None:
    assert named(at_exim(check, exim, certificate, "implicit"))[:3] == (1, code, "certain")


def test_exims_unknown_recipient_is_told(check: Check, exim: Exim) -> None:
    where = exim.endpoint("good", "starttls")
    words = ("--user", exim.user, "--from", exim.user, "--to", "nobody@postfix.test")
    words += ("--connect-to", f"{where.name}:{where.port}:{where.address}:{where.port}")
    report = check(f"smtp://{where.name}:{where.port}", *words, password=exim.password)

    assert report["diagnosis"]["stage"] == "rcpt"
    assert "Unrouteable address" in report["diagnosis"]["evidence"][0]["raw"]
