"""Does a server that knows the secret get it into a report? Hostile servers, and a search of every format."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from smtpcheck import api
from smtpcheck.contract import Snapshot
from smtpcheck.core import Blocked, Failure, Report, Result
from smtpcheck.lab import Lab, Practice
from smtpcheck.lab.imapd import ImapServer
from smtpcheck.probes import probes
from smtpcheck.probes.farewell import Farewell, FarewellFacts
from smtpcheck.report import formats
from smtpcheck.run import assemble, run
from smtpcheck.run.masking import masked_report
from smtpcheck.target.credentials import Secret
from smtpcheck.wire.imap import quoted
from smtpcheck.wire.mask import Mask
from tests.canaries import CANARY, FORMS, folded, found
from tests.checking import SHORT, aim, assert_lossless
from tests.probes.test_delivery import Elsewhere

PLANTED = {name: write(CANARY) for name, write in FORMS.items()}
# A name of a mailbox is a string without NUL; a quoted line end belongs to no line.
SAYABLE = {name: form for name, form in PLANTED.items() if b"\0" not in form and b"\n" not in form}


def reply(code: bytes, lines: Sequence[bytes]) -> str:
    """A reply of these lines, as a row of the lab's table has it."""
    ends = b"\r\n".join([*(code + b"-" + line for line in lines[:-1]), code + b" " + lines[-1]])
    return (ends + b"\r\n").decode("latin-1")


def every_form(columns: int) -> list[bytes]:
    """All forms one after the other, each folded."""
    return [line for form in PLANTED.values() for line in (*folded(form.replace(b"\n", b""), columns), b"--")]


PLACES: dict[str, dict[str, Any]] = {
    "535 over many lines": {"auth": reply(b"535", every_form(20))},
    "535 folded at 76": {"auth": reply(b"535", every_form(76))},
    "235, and then the answer to MAIL": {"replies": {"MAIL": reply(b"550", every_form(60))}},
    "334 with something else": {"prompts": ["VXNlcm5hbWU6", PLANTED["base64"].decode()], "offers_tls": ["AUTH LOGIN"]},
    "greeting": {"greeting": reply(b"220", [b"{host} ready", *every_form(60)])},
    "capabilities": {"offers_tls": ["AUTH PLAIN", *(f"X {line.decode('latin-1')}" for line in every_form(60))]},
    "goodbye": {"replies": {"QUIT": reply(b"221", every_form(60))}},
    "never finished": {"auth": reply(b"535", every_form(60)).rstrip("\r\n") + " no end" * 9 + "-"},
    "no reply": {"auth": {"text": reply(b"535", every_form(76)).replace("535 ", "what? "), "then": "close"}},
    "more than one reply": {"auth": reply(b"235", [b"ok"]) + reply(b"550", every_form(76))},
}


def artifacts(report: Report) -> Iterator[tuple[str, str]]:
    """Everything that can be made of a report."""
    for name in formats.names():
        yield name, api.render(report, name, lang="en")
    yield "html in Chinese", api.render(report, "html", lang="zh-CN")
    yield "repr", repr(report)
    yield "pickle", pickle.dumps(report).decode("latin-1")


def leaks(report: Report) -> dict[str, set[str]]:
    return {name: forms for name, text in artifacts(report) if (forms := found(text, CANARY))}


class Watched:
    """What is to be seen of a run while it lasts."""

    def __init__(self) -> None:
        self.results: list[Result[Any]] = []
        self.snapshots: list[Snapshot] = []

    async def check(self, practice: Practice, **options: Any) -> Report:
        looks: list[Any] = []

        def seen(result: Result[Any]) -> None:
            self.results.append(result)
            self.snapshots += [look() for look in looks]

        given = Secret(practice.password)
        target = aim(practice, **({"sender": "me@lab.test", "recipients": ("you@lab.test",)} | options))
        return await run(target, secret=given, limits=SHORT, watch=seen, onlooker=looks.append)


@pytest.mark.parametrize("place", PLACES)
async def test_no_form_of_the_secret_gets_from_an_smtp_server_into_any_format(place: str) -> None:
    watched = Watched()
    async with Lab() as lab:
        report = await watched.check(await lab.start("healthy", password=CANARY, script=PLACES[place]))

    assert "<secret>" in repr(report), "it was said"
    assert leaks(report) == {}
    assert found(repr(watched.results), CANARY) | found(repr(watched.snapshots[-3:]), CANARY) == set()
    assert_lossless(report)


async def test_the_search_finds_every_form_where_it_is_not_masked() -> None:
    """The control: another password than the one that the server knows."""
    async with Lab() as lab:
        practice = await lab.start("healthy", password="something else", script=PLACES["535 over many lines"])
        report = await Watched().check(practice)

    seen = dict(artifacts(report))
    assert found(seen["repr"], CANARY) >= FORMS.keys() - {"reversed"}
    assert found(seen["json"], CANARY) >= {"plain", "base64", "hex with colons", "base32", "percent-encoded"}
    for name in ("text", "html", "markdown"):
        assert {"plain", "base64"} <= found(seen[name], CANARY), name


@pytest.mark.parametrize("mechanism", ["CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"])
async def test_no_proof_of_the_secret_gets_back(mechanism: str) -> None:
    """The line is echoed as it came; what is in it is in the tests of the mask."""
    script = {"offers_tls": [f"AUTH {mechanism}"], "auth": "535-5.7.8 no:\r\n535 {response}\r\n"}
    async with Lab() as lab:
        practice = await lab.start("healthy", password=CANARY, script=script)
        report = await Watched().check(practice)
        assert practice.smtp is not None
        lines = [line.decode() for talk in practice.smtp.ledger.seen for line in talk]

    at = next(n for n, line in enumerate(lines) if line.startswith("AUTH"))
    said = {line.split()[-1] for line in lines[at:] if line and len(line.split()[-1]) >= 24}
    assert said
    assert "<secret>" in repr(report)
    assert [(name, line) for name, text in artifacts(report) for line in said if line in text] == []
    assert leaks(report) == {}


# IMAP


class Echoing(ImapServer):
    """Says every form of the secret at one place."""

    place = ""
    said: Sequence[bytes] = tuple(SAYABLE.values())

    async def _answer(self, talk: Any, verb: str, words: Any) -> bytes:
        if self.place == "NO" and verb == "AUTHENTICATE":
            return b"NO [AUTHENTICATIONFAILED] " + b" | ".join(self.said)
        if self.place == "BYE" and verb == "LIST":
            await talk.channel.say(b"* BYE " + b" | ".join(self.said) + b"\r\n")
            talk.over = True
            return b""
        if self.place == "notices" and verb == "LIST":
            for line in (line for form in self.said for line in folded(form, 20)):
                await talk.channel.say(b"* OK " + line + b"\r\n")
        if self.place == "capabilities" and verb == "LIST":
            for form in SAYABLE.values():
                await talk.channel.say(b"* CAPABILITY IMAP4rev1 " + form + b"\r\n")
        if self.place == "folders" and verb == "LIST":
            for form in SAYABLE.values():
                await talk.channel.say(b'* LIST () "/" ' + quoted(form) + b"\r\n")
        return await super()._answer(talk, verb, words)


class Refusing(Echoing):
    place = "NO"


class Leaving(Echoing):
    place = "BYE"


class Noticing(Echoing):
    place = "notices"


class Capable(Echoing):
    place = "capabilities"


class Naming(Echoing):
    place = "folders"


@pytest.fixture
async def elsewhere(tmp_path: Path) -> Any:
    async with Lab() as lab:
        yield Elsewhere(lab, await lab.start("delivered", password=CANARY), tmp_path)


@pytest.mark.parametrize("server", [Refusing, Leaving, Noticing, Capable, Naming])
async def test_no_form_of_the_secret_gets_from_an_imap_server_into_any_format(
    elsewhere: Elsewhere, server: type[ImapServer]
) -> None:
    domain = elsewhere.practice.target.partition("@")[2]
    report = await elsewhere.check(f"imap.{domain}", server=server)

    assert "<secret>" in repr(report), "it was said"
    assert leaks(report) == {}
    assert_lossless(report)


async def test_the_folder_where_it_lies_and_its_headers_tell_no_secret(elsewhere: Elsewhere) -> None:
    practice = elsewhere.practice
    assert practice.mailbox is not None
    assert practice.smtp is not None
    box = practice.mailbox
    name = f"x {CANARY}"
    box._boxes[practice.target][name] = type(box._boxes[practice.target]["INBOX"])(name, "")
    lines = b"".join(b"\r\n " + line for form in SAYABLE.values() for line in folded(form, 50))
    practice.smtp.ledger.delivered.clear()
    told = b"Authentication-Results:" + lines + b"\r\n"
    practice.smtp.ledger.delivered.append(lambda m: box.deliver(practice.target, name, told + m.content))
    report = await Watched().check(practice, recipients=(practice.target,), sender=practice.target)

    (delivery,) = (result for result in report.results if result.probe == "delivery")
    assert not isinstance(delivery.outcome, Failure | Blocked), delivery.outcome
    assert delivery.facts.folder == "x <secret>"
    assert leaks(report) == {}
    assert_lossless(report)


@pytest.mark.parametrize("server", [Refusing, Leaving, Noticing])
async def test_a_short_secret_is_masked_as_a_word_where_a_mailbox_says_it(
    tmp_path: Path, server: type[Echoing]
) -> None:
    class Short(server):  # type: ignore[valid-type,misc]
        said = (b"no hunter2", b"hun", b"ter2")

    async with Lab() as lab:
        elsewhere = Elsewhere(lab, await lab.start("delivered", password="hunter2"), tmp_path)
        domain = elsewhere.practice.target.partition("@")[2]
        report = await elsewhere.check(f"imap.{domain}", server=Short)

    assert "no <secret>" in repr(report)
    assert [name for name, text in artifacts(report) if "hunter2" in text] == []
    events = [event.raw for talk in report.conversations for event in talk.events]
    assert not {b"* OK hun", b"* OK ter2"} & set(events), "one reply ends with it and the next begins with it"


async def test_a_short_secret_over_two_lines_of_a_reply_is_masked_in_the_facts() -> None:
    script = {"auth": reply(b"535", [b"5.7.8 not hun", b"ter2"])}
    async with Lab() as lab:
        report = await Watched().check(await lab.start("healthy", password="hunter2", script=script))

    (login,) = (result for result in report.results if result.probe == "auth")
    assert login.facts.reply.lines == (b"5.7.8 not <secret>", b"<secret>")


@pytest.mark.parametrize("before", [285, 290, 500, 505])
async def test_what_is_cut_is_masked_before(elsewhere: Elsewhere, before: int) -> None:
    """An event of 512 octets and a detail of 300 characters end within the secret."""

    class Long(Refusing):
        said = (b"x" * before + b" " + CANARY.encode(),)

    domain = elsewhere.practice.target.partition("@")[2]
    report = await elsewhere.check(f"imap.{domain}", server=Long)

    assert "xxx" in repr(report)
    assert [name for name, text in artifacts(report) if CANARY[:5] in text] == []


async def test_a_folder_is_opened_by_its_name_and_shown_without_the_secret_in_it(tmp_path: Path) -> None:
    async with Lab() as lab:
        practice = await lab.start("delivered", password="hunter2")
        assert practice.mailbox is not None
        assert practice.smtp is not None
        box, names = practice.mailbox, practice.mailbox._boxes[practice.target]
        names["x hunter2"] = type(names["INBOX"])("x hunter2", "")
        practice.smtp.ledger.delivered.clear()
        practice.smtp.ledger.delivered.append(lambda m: box.deliver(practice.target, "x hunter2", m.content))
        report = await Watched().check(practice, recipients=(practice.target,), sender=practice.target)

    (delivery,) = (result for result in report.results if result.probe == "delivery")
    assert delivery.facts.folder == "x <secret>"
    assert [name for name, text in artifacts(report) if "hunter2" in text] == []


# The second net


async def test_facts_that_hold_a_secret_are_masked_before_anybody_sees_them() -> None:
    class Telling(Farewell):
        async def observe(self, subject: Any, ctx: Any) -> FarewellFacts:
            return FarewellFacts(broke=None, raw=CANARY.encode() + b" and more", accepted=False)

    seen: list[Result[Any]] = []
    async with Lab() as lab:
        practice = await lab.start("healthy", password=CANARY)
        replaced = [Telling() if probe.name == "farewell" else probe for probe in probes()]
        report = await run(aim(practice), secret=Secret(CANARY), limits=SHORT, probes=replaced, watch=seen.append)

    for results in (report.results, seen):
        (told,) = (result for result in results if result.probe == "farewell")
        assert told.facts.raw == b"<secret> and more"
    assert leaks(report) == {}


async def test_what_was_not_masked_as_it_came_is_masked_as_it_leaves() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy", password="something else", script=PLACES["535 over many lines"])
        report = await Watched().check(practice)
    mask = Mask()
    mask.add(CANARY)

    assert leaks(report)
    clean = assemble(masked_report(report, mask))
    assert leaks(clean) == {}
    assert_lossless(api.loads(api.render(clean, "json")))
    assert masked_report(clean, mask) is clean


@pytest.mark.parametrize(
    "word",
    [
        *("junk", "inbox", "submission", "starttls", "implicit", "certificate", "does-not-fit"),
        *("plain", "login", "plain login", "8bitmime", "ESMTP", "250", "error", "reply", "lab.test", "smtp"),
    ],
)
async def test_a_secret_that_is_a_word_of_ours_changes_no_verdict(word: str) -> None:
    async with Lab() as lab:
        practice = await lab.start("delivered", password=word, folder="Junk")
        report = await asyncio.wait_for(Watched().check(practice, recipients=(practice.target,)), 20)

    assert {d.code for d in report.diagnoses} == {"delivery-in-junk"}
    assert_lossless(report)
