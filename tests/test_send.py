"""Does `smtpcheck send` hand over what was given, to the octet, once, and nothing that was smuggled in?"""

from __future__ import annotations

import email
import email.policy
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest

from smtpcheck.core import Kind, Report, Stage, Verdict, because
from smtpcheck.lab import Lab, Practice, background
from smtpcheck.lab.ledger import Message
from smtpcheck.target.grammar import UsageError
from tests import forked
from tests.checking import SHORT, assert_lossless, checked
from tests.probes.exchanges import named, of


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as opened:
        yield opened


def taken(practice: Practice) -> list[Message]:
    """What the server accepted."""
    assert practice.smtp is not None
    return practice.smtp.ledger.messages


async def sent(practice: Practice, **options: Any) -> EmailMessage:
    """The one message that arrived, found in the mailbox as well."""
    report = await checked(practice, **options)
    assert (report.verdict, report.diagnoses) == (Verdict.HEALTHY, ())
    assert_lossless(report)
    (message,) = taken(practice)
    parsed = email.message_from_bytes(message.content, policy=email.policy.default)
    assert not [defect for part in parsed.walk() for defect in part.defects]
    return cast("EmailMessage", parsed)


def written(folder: Path, content: bytes, name: str = "own.eml") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def own(body: bytes, *fields: bytes) -> bytes:
    """A message of somebody's own."""
    head = (b"From: me@x.test", b"To: you@y.test", b"Message-ID: <own.1@x.test>", *fields)
    return b"\r\n".join(head) + b"\r\n\r\n" + body


# What arrives


async def test_text_html_and_attachments_arrive_as_they_were(lab: Lab, tmp_path: Path) -> None:
    names = {
        "plain.bin": bytes(range(256)) * 40,
        "发票 é 🎉.pdf": b"%PDF-1.7\r\n.\r\n..\n\r\x00",
        "empty": b"",
        'quo"te; semi=colon.txt': b"From me\n.\n..\n",
        "long" * 40 + ".txt": b"\n" * 3,
    }
    attach = tuple(written(tmp_path, content, name) for name, content in names.items())
    page = written(tmp_path, "<p>您好 <b>wörld</b></p>\n.\n".encode(), "page.html")
    message = await sent(
        await lab.start("delivered"),
        subject="Überprüfung 测试 🎉",
        text="plain\n.\n..dots\nFrom me\nnaïve 中文\n",
        html=page,
        attach=attach,
    )

    assert message["Subject"] == "Überprüfung 测试 🎉"
    plain, rich = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert plain.get_content().split("\r\n") == ["plain", ".", "..dots", "From me", "naïve 中文", ""]
    assert rich is not None
    assert rich.get_content().split("\r\n") == ["<p>您好 <b>wörld</b></p>", ".", ""]
    arrived = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}
    assert arrived == names


async def test_a_message_without_words_says_that_it_is_a_test_and_holds_its_token(lab: Lab) -> None:
    practice = await lab.start("delivered")
    message = await sent(practice)

    assert message["From"] == message["To"] == practice.target
    assert message["X-Smtpcheck-Token"] in message["Subject"]
    assert message["X-Smtpcheck-Token"] in message["Message-ID"]
    assert message["Date"]


async def test_each_message_has_a_token_of_its_own(lab: Lab) -> None:
    practice = await lab.start("delivered")
    one, two = [of(await checked(practice), "message")[0].facts.token for _ in range(2)]

    assert one != two


OWN = {
    "dots": own(b".\r\n..\r\n...\r\n.hidden\r\n\r\n.\r\nend.\r\n"),
    "a dot at the end": own(b"text\r\n."),
    "no line end at the end": own(b"text"),
    "empty lines at the end": own(b"text\r\n\r\n\r\n"),
    "no body": own(b""),
    "odd header": own(b"x\r\n", b"X-Odd:\tfolded\r\n\t on  and on ", b"Bcc: secret@y.test", b"Subject: =?x?"),
    "eight bits": own("您好\r\n.\r\n".encode()),
    "latin": own(b"\xe9\xff\x80\r\n"),
    "the longest line": own(b"x" * 998 + b"\r\n"),
}


@pytest.mark.parametrize("kind", OWN)
async def test_a_file_is_sent_byte_for_byte_and_found_by_its_message_id(lab: Lab, tmp_path: Path, kind: str) -> None:
    practice = await lab.start("delivered")
    report = await checked(practice, message=written(tmp_path, OWN[kind]))

    assert report.verdict is Verdict.HEALTHY
    (message,) = taken(practice)
    ended = OWN[kind] if OWN[kind].endswith(b"\r\n") else OWN[kind] + b"\r\n"
    assert message.content == ended
    (found,) = of(report, "delivery")
    assert found.facts.token == "<own.1@x.test>"
    assert_lossless(report)


# What is refused before a packet


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (own(b"one\ntwo\r\n"), "bare LF in line 5 (octet 67)"),
        (own(b"one\r.\r\n"), "bare CR in line 5 (octet 67)"),
        (own(b"a\n.\nMAIL FROM:<x@y.test>\r\n"), "bare LF in line 5 (octet 65)"),
        (own(b"x\0y\r\n"), "NUL in line 5"),
        (own(b"x" * 999 + b"\r\n"), "999 octets in line 5"),
        (own(b"x", b"Message-ID: <two@x.test>"), "2 Message-ID fields"),
        (b"From: me@x.test\r\n\r\nx", "0 Message-ID fields"),
        (b"no header at all\r\n\r\nx", "line 1 is no header field"),
        (own(b"x", b"Subject: \xff"), "8-bit header that is not UTF-8"),
        (b"", "0 Message-ID fields"),
    ],
)
async def test_a_file_that_no_server_need_take_is_refused_with_its_position(
    lab: Lab, tmp_path: Path, content: bytes, words: str
) -> None:
    practice = await lab.start("delivered")
    with pytest.raises(UsageError) as error:
        await checked(practice, message=written(tmp_path, content))

    assert words in error.value.args[0]
    assert practice.smtp is not None
    assert practice.smtp.ledger.connections == 0


INJECTIONS = ("a\r\nBcc: x@y.test", "a\nBcc: x@y.test", "a\rBcc: x@y.test", "a\u2028Bcc: x@y.test", "a\x85b", "a\0b")


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("where", ["subject", "sender", "recipients", "attach"])
async def test_a_header_that_is_injected_is_a_usage_error(lab: Lab, tmp_path: Path, where: str, text: str) -> None:
    practice = await lab.start("delivered")
    value: Any = text
    if where in ("sender", "recipients"):
        value = f"me@y.test{text[1:]}" if where == "sender" else (f"me@y.test{text[1:]}",)
    if where == "attach":
        if "\0" in text:  # no file has such a name
            return
        value = (written(tmp_path, b"x", text),)
    with pytest.raises(UsageError):
        await checked(practice, **{where: value})

    assert practice.smtp is not None
    assert practice.smtp.ledger.connections == 0


@pytest.mark.parametrize("where", ["message", "html", "attach"])
async def test_a_file_that_is_not_there_is_a_usage_error(lab: Lab, tmp_path: Path, where: str) -> None:
    practice = await lab.start("delivered")
    path = str(tmp_path / "missing")
    with pytest.raises(UsageError, match="No such file"):
        await checked(practice, **{where: (path,) if where == "attach" else path})


def test_the_command_says_so_in_one_line_and_ends_with_two(tmp_path: Path) -> None:
    with background() as lab:
        practice = lab.start("delivered")
        words = [w for n, v in practice.options.items() if n != "send" for w in (f"--{n.replace('_', '-')}", str(v))]
        message = written(tmp_path, own(b"one\ntwo\r\n"))
        done = forked.run(
            [sys.executable, "-m", "smtpcheck", "send", practice.target, *words, "--message", message],
            env=os.environ | {"SMTPCHECK_PASSWORD": practice.password},
            cwd=tmp_path,
        )

    assert done.returncode == 2
    assert "bare LF in line 5 (octet 67)" in done.stderr
    assert done.stderr.count("\n") == 1
    assert practice.smtp is not None
    assert practice.smtp.ledger.connections == 0


# Several recipients, and once


class Choosy:
    """The words of a server about each recipient in turn, by a table of its address."""

    def __init__(self, practice: Practice, refused: str, words: str) -> None:
        assert practice.smtp is not None
        self.server: Any = practice.smtp
        self.server.handle_RCPT = self.handle
        self._refused, self._words = refused, words

    async def handle(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if address == self._refused:
            return self._words
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("words", ["550 5.1.1 User unknown", "451 4.7.1 Greylisted"])
async def test_one_refused_recipient_is_named_and_the_rest_gets_the_message(lab: Lab, place: int, words: str) -> None:
    practice = await lab.start("delivered")
    Choosy(practice, "gone@y.test", words)
    everybody = [practice.target, "other@y.test"]
    everybody.insert(place, "gone@y.test")
    report = await checked(practice, recipients=tuple(everybody), imap_user=practice.target)

    assert report.verdict is Verdict.BROKEN
    assert report.diagnosis is not None
    assert (report.diagnosis.stage, report.diagnosis.seen["address"]) == (Stage.RCPT, "gone@y.test")
    assert report.diagnosis.seen["accepted"] == 2
    assert [message.recipients for message in taken(practice)] == [(practice.target, "other@y.test")]
    (handed,), (found,) = of(report, "message"), of(report, "delivery")
    assert handed.facts.accepted == (practice.target, "other@y.test")
    assert found.facts.place == "inbox"
    assert_lossless(report)


async def test_with_every_recipient_refused_nothing_is_sent(lab: Lab) -> None:
    practice = await lab.start("recipient-refused")
    report = await checked(practice, recipients=("a@y.test", "b@y.test"), imap_user=practice.target)

    assert practice.smtp is not None
    assert (practice.smtp.ledger.commands["RCPT"], practice.smtp.ledger.commands["DATA"]) == (2, 0)
    assert report.verdict is Verdict.BROKEN
    refused = [f.seen["address"] for f in report.findings if f.code == "recipient-refused"]
    assert refused == ["a@y.test", "b@y.test"]


@pytest.mark.parametrize(
    ("then", "code"),
    [("close", "message-fate-unknown"), ("reset", "message-fate-unknown"), ("hang", "message-end-timeout")],
)
async def test_a_line_lost_after_the_dot_is_fate_unknown_and_not_sent_again(lab: Lab, then: str, code: str) -> None:
    practice = await lab.start("message-fate-unknown", script={"queued": {"then": then}})
    report = await checked(practice, limits=replace(SHORT, data=0.5))

    assert (report.verdict, report.diagnosis and report.diagnosis.code) == (Verdict.BROKEN, code)
    assert practice.smtp is not None
    assert (practice.smtp.ledger.commands["DATA"], practice.smtp.ledger.connections) == (1, 1)
    assert named(report, "fail") == {"message-fate-unknown"}


async def test_to_without_send_walks_to_rcpt_and_resets(lab: Lab) -> None:
    practice = await lab.start("delivered")
    report = await checked(practice, send=False, recipients=("you@y.test",))

    assert practice.smtp is not None
    heard = practice.smtp.ledger.commands
    assert (heard["RCPT"], heard["RSET"], heard["DATA"]) == (1, 1, 0)
    assert report.verdict is Verdict.HEALTHY
    assert {Stage.DATA, Stage.DELIVERY} <= set(report.not_tested)


# What this server can't carry


def outcome(report: Report, probe: str) -> Any:
    (result,) = of(report, probe)
    return result.outcome


@pytest.mark.parametrize(
    ("content", "offers", "missing"),
    [
        (own(b"x", "Subject: 您好".encode()), ("8BITMIME",), "SMTPUTF8"),
        (own("您好\r\n".encode()), (), "8BITMIME"),
    ],
)
async def test_a_message_that_needs_what_the_server_lacks_is_not_sent_and_called_neither_refused_nor_cut_off(
    lab: Lab, tmp_path: Path, content: bytes, offers: tuple[str, ...], missing: str
) -> None:
    script = {"offers_tls": ["AUTH PLAIN", *offers]}
    practice = await lab.start("healthy-scripted", send=True, script=script)
    report = await checked(practice, message=written(tmp_path, content))

    assert practice.smtp is not None
    assert practice.smtp.ledger.commands["MAIL"] == 0
    assert report.verdict is Verdict.INCONCLUSIVE
    assert not named(report) & {"sender-cut-off", "sender-refused", "message-cut-off"}
    assert outcome(report, "envelope").kind is Kind.UNSUPPORTED
    assert outcome(report, "envelope").reason == because("extension-unlisted", extension=missing)
    assert_lossless(report)
