"""Is the message found by its own token wherever it lies, and no secret given to a mailbox that has no claim to it?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from smtpcheck.core import Failure, Reason, Report, Verdict
from smtpcheck.lab import Lab, Practice
from smtpcheck.lab.imapd import FOLDERS, ImapFault, ImapServer
from smtpcheck.lab.pki import Authority
from smtpcheck.probes.delivery import Delivery, DeliveryFacts
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from tests.checking import SHORT, aim, assert_lossless, checked
from tests.probes.exchanges import named, of


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as opened:
        yield opened


def facts(report: Report) -> DeliveryFacts:
    (result,) = of(report, "delivery")
    assert isinstance(result.facts, DeliveryFacts), result.outcome
    return result.facts


def failure(report: Report) -> Failure:
    (result,) = of(report, "delivery")
    assert isinstance(result.outcome, Failure)
    assert (report.verdict, report.diagnoses) == (Verdict.INCONCLUSIVE, ())
    assert_lossless(report)
    return result.outcome


@cache
def _another_authority() -> Authority:
    return Authority()


class Elsewhere:
    """A second mailbox for the practice account, in another place or with other habits."""

    def __init__(self, lab: Lab, practice: Practice, folder: Path) -> None:
        self.lab, self.practice, self.folder = lab, practice, folder
        self.server: ImapServer | None = None

    def _roots(self, more: bytes) -> Path:
        path = self.folder / "roots.pem"
        path.write_bytes(Path(self.practice.options["ca_file"]).read_bytes() + more)
        return path

    async def check(
        self,
        host: str,
        *,
        known: bool = True,
        server: type[ImapServer] = ImapServer,
        after: float = 0.0,
        **options: Any,
    ) -> Report:
        """The report with the mailbox there; its issuer is known to the client, or not."""
        authority = _another_authority()
        pem = self._roots(authority.root_pem if known else b"")
        user = self.practice.target
        context = authority.issue("good", host).server_context()
        self.server = server(host=host, context=context, accounts={user: self.practice.password})
        await self.server.start()
        try:
            assert self.practice.resolver is not None
            assert self.practice.smtp is not None
            self.practice.resolver.add(host, "A", "127.0.0.1")
            box = self.server
            self.practice.smtp.ledger.delivered.append(
                lambda message: box.deliver(user, "INBOX", message.content, after=after)
            )
            return await checked(
                self.practice, imap=f"{host}:{self.server.port}", ca_file=str(pem), **{"wait": 1.0, **options}
            )
        finally:
            await self.server.stop()


@pytest.fixture
async def elsewhere(lab: Lab, tmp_path: Path) -> Elsewhere:
    return Elsewhere(lab, await lab.start("delivered"), tmp_path)


# Found


async def test_found_among_five_hundred_others_with_old_tokens_beside_it(lab: Lab) -> None:
    practice = await lab.start("delivered")
    assert practice.mailbox is not None
    for n in range(500):
        old = b"X-Smtpcheck-Token: sc%020x\r\nMessage-ID: <sc%020x@old.test>\r\n\r\nold %d\r\n" % (n, n, n)
        practice.mailbox.deliver(practice.target, ("INBOX", "Junk")[n % 2], old)
    report = await checked(practice)

    assert report.verdict is Verdict.HEALTHY
    found, (sent,) = facts(report), of(report, "message")
    assert (found.token, found.place, found.folder) == (sent.facts.token, "inbox", "INBOX")
    assert found.token.encode() in found.headers
    assert 0 <= found.seconds < 5
    assert_lossless(report)


@pytest.mark.parametrize(
    ("folder", "place", "code"),
    [
        ("INBOX", "inbox", "delivery-arrived"),
        ("Junk", "junk", "delivery-in-junk"),
        ("垃圾邮件", "junk", "delivery-in-junk"),
        ("Spam", "junk", "delivery-in-junk"),
        ("订阅", "other", "delivery-elsewhere"),
    ],
)
async def test_where_it_lies_is_named(lab: Lab, folder: str, place: str, code: str) -> None:
    report = await checked(await lab.start("delivered", folder=folder))

    assert (facts(report).folder, facts(report).place) == (folder, place)
    assert {c for c in named(report) if c.startswith("delivery-")} == {code}
    assert report.verdict is (Verdict.BROKEN if place == "junk" else Verdict.HEALTHY)


async def test_old_mail_in_the_inbox_is_no_proof_that_this_one_arrived(lab: Lab) -> None:
    practice = await lab.start("delivered")
    assert practice.mailbox is not None
    await checked(practice)
    practice.mailbox.fault = ImapFault.NEVER
    again = await checked(practice, wait=1.0)

    assert failure(again).kind == "not-seen"


async def test_a_late_message_is_waited_for_and_its_time_told(elsewhere: Elsewhere) -> None:
    report = await elsewhere.check(f"imap.{_domain(elsewhere)}", after=1.0, wait=6.0)

    assert facts(report).rounds > 1
    assert facts(report).seconds >= 1.0


class Partly(ImapServer):
    """Lists folders that are closed to this user."""

    async def _open(self, talk: Any, words: Any, *, access: bytes) -> bytes:
        if words[0] == b"INBOX":
            return await super()._open(talk, words, access=access)
        return b"NO [NOPERM] Access denied"


async def test_a_folder_that_is_listed_and_closed_does_not_end_the_wait(elsewhere: Elsewhere) -> None:
    report = await elsewhere.check(f"imap.{_domain(elsewhere)}", server=Partly, after=1.0, wait=6.0)

    assert (facts(report).folder, facts(report).folders) == ("INBOX", 1)


@pytest.mark.parametrize(("place", "codes"), [("inbox", ["delivery-arrived", "delivery-slow"])])
def test_slow_is_remarked_upon_beside_the_place(place: str, codes: list[str]) -> None:
    late = DeliveryFacts(
        token="t", user="u", folder="INBOX", place=place, seconds=61, received=None, folders=1, rounds=9, headers=b""
    )
    assert [f.code for f in Delivery().judge(late)] == codes


# Not found


@pytest.mark.parametrize("wait", [0.5, 2.0])
async def test_not_seen_is_could_not_tell_after_the_wait(lab: Lab, wait: float) -> None:
    practice = await lab.start("delivery-silently-dropped")
    began = time.monotonic()
    report = await checked(practice, wait=wait)

    assert failure(report).kind == "not-seen"
    seen = {"folders": len(FOLDERS), "user": practice.target, "waited": wait}
    assert failure(report).reason == Reason("message-in-no-folder", seen)
    assert time.monotonic() - began >= wait


FOREVER = 600.0
"""Seconds; the test would be ended first."""
HOSTILE = ("endless-literal", "endless-responses", "garbage", "closes", "resets")
MOMENTS = ("GREETING", "AUTHENTICATE", "LIST", "EXAMINE", "SEARCH", "FETCH")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("habit", HOSTILE)
async def test_a_hostile_mailbox_ends_as_could_not_tell(elsewhere: Elsewhere, habit: str, moment: str) -> None:
    class Hostile(ImapServer):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given, fault=habit, at=moment)

    report = await elsewhere.check(f"imap.{_domain(elsewhere)}", server=Hostile, wait=FOREVER)

    assert failure(report).kind == ("closed" if habit in ("closes", "resets") else "garbage")
    assert all(len(event.raw) <= 512 for c in report.conversations[-1:] for event in c.events)


@pytest.mark.parametrize("moment", ["LIST", "EXAMINE", "SEARCH", "FETCH"])
async def test_a_mailbox_that_hangs_is_waited_for_no_longer_and_not_called_empty(
    elsewhere: Elsewhere, moment: str
) -> None:
    class Hanging(ImapServer):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given, fault="hangs", at=moment)

    report = await elsewhere.check(f"imap.{_domain(elsewhere)}", server=Hanging, wait=0.4)

    assert failure(report).code == "mailbox-not-looked-through"


@pytest.mark.parametrize("habit", [*HOSTILE, "hangs"])
async def test_what_happens_at_the_logout_changes_nothing(elsewhere: Elsewhere, habit: str) -> None:
    class Rude(ImapServer):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given, fault=habit, at="LOGOUT")

    report = await elsewhere.check(f"imap.{_domain(elsewhere)}", server=Rude)

    assert report.verdict is Verdict.HEALTHY


# Secrets


def _domain(at: Elsewhere) -> str:
    return at.practice.target.partition("@")[2]


async def test_the_logins_password_is_used_beside_the_login(elsewhere: Elsewhere) -> None:
    report = await elsewhere.check(f"imap.{_domain(elsewhere)}")

    assert report.verdict is Verdict.HEALTHY
    assert elsewhere.server is not None
    assert elsewhere.server.logins == 1
    assert elsewhere.practice.password not in repr(report)


@pytest.mark.parametrize("host", ["imap.elsewhere.test", "lab.test.elsewhere.test", "evil.test"])
async def test_the_logins_password_never_goes_to_another_domain(elsewhere: Elsewhere, host: str) -> None:
    report = await elsewhere.check(host)

    assert failure(report).kind == "no-consent"
    assert elsewhere.server is not None
    assert (elsewhere.server.ledger.connections, elsewhere.server.logins) == (0, 0)


async def test_nor_to_another_users_mailbox(elsewhere: Elsewhere) -> None:
    report = await elsewhere.check(f"imap.{_domain(elsewhere)}", imap_user=f"you@{_domain(elsewhere)}")

    assert failure(report).kind == "withheld"
    assert elsewhere.server is not None
    assert elsewhere.server.ledger.connections == 0


async def test_a_password_of_its_own_goes_where_the_user_says(lab: Lab) -> None:
    practice = await lab.start("delivered")
    assert practice.mailbox is not None
    target = aim(practice, imap_secret="env:SMTPCHECK_IMAP_PASSWORD")
    wrong = Secret("not/the+one=")
    report = await run(target, secret=Secret(practice.password), mail_secret=wrong, limits=SHORT)

    assert failure(report).kind == "rejected"
    assert practice.mailbox.logins == 1
    assert practice.password.encode() not in b"".join(practice.mailbox.ledger.seen[0])


async def test_no_secret_to_a_mailbox_whose_certificate_does_not_verify(elsewhere: Elsewhere) -> None:
    report = await elsewhere.check(f"imap.{_domain(elsewhere)}", known=False)

    assert failure(report).kind == "unverified"
    assert elsewhere.server is not None
    assert elsewhere.server.ledger.connections == 1
    assert elsewhere.server.ledger.seen == [[b"s1 LOGOUT"]]


async def test_nor_to_one_that_refuses_or_is_not_there(lab: Lab) -> None:
    practice = await lab.start("delivered")
    assert practice.mailbox is not None
    domain = practice.target.partition("@")[2]
    nowhere = await checked(practice, imap=f"imap.nowhere.{domain}", wait=1.0)
    assert failure(nowhere).kind in ("withheld", "nxdomain")
    await practice.mailbox.stop()
    closed = await checked(practice, wait=1.0)
    assert failure(closed).kind == "refused"


async def test_a_stop_in_the_middle_of_the_wait_is_not_complete(lab: Lab) -> None:
    practice = await lab.start("delivery-silently-dropped")
    stop = asyncio.Event()
    report = await run(
        aim(practice, wait=FOREVER),
        secret=Secret(practice.password),
        limits=SHORT,
        stop=stop,
        watch=lambda result: stop.set() if result.probe == "message" else None,
    )

    assert not report.complete
    assert report.verdict is Verdict.INCONCLUSIVE
