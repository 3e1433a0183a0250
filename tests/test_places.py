"""How many of us does a host see at once, and does nobody wait for a place that is not given back?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.conversation.plan import Limits, Plan
from smtpcheck.core import Conversation, Direction, Failure, Kind, Mode, Report, Stage, Subject
from smtpcheck.lab import Lab, Practice
from smtpcheck.lab.faults import fault as row_of
from smtpcheck.net.door import DirectDialer, Door
from smtpcheck.net.failures import CouldNotAsk
from smtpcheck.net.system import Machine
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from smtpcheck.wire.x509 import Roots
from tests.checking import SHORT
from tests.expectations import EXPECTED

STARTTLS_PORTS = (587, 2525, 25)
ALL_PORTS = (465, *STARTTLS_PORTS)

# The faults of the lab in so many parts, each side by side: what most of them do is wait.
PARTS = 4
AT_ONCE = 8
# Limits that a busy machine does not use up, and a deadline that only one who waits for nothing comes near.
EASY = Limits(dns=2.0, connect=4.0, quiet=1.5, greeting=9.0, reply=4.0, tls=4.0, auth=4.0, data=4.0)
DEADLINE = 90.0
# The verdict without a port is about the port that got furthest, and these get as far everywhere: the session that
# stays unused counts as learnt there, and the login as never tried.
UNDECIDED = {"tls-dh-too-small", "tls-legacy-renegotiation", "tls-server-too-old"}


class Counting(DirectDialer):
    """The system's own sockets; counts those to some ports that are open or being opened at the same time."""

    def __init__(self, *ports: int) -> None:
        super().__init__()
        self.most = self.opened = 0
        self._ports = ports
        self._trying = 0
        self._sockets: list[socket.socket] = []

    async def connect(self, address: str, port: int) -> socket.socket:
        if port not in self._ports:
            return await super().connect(address, port)
        self._trying += 1
        self.opened += 1
        self.most = max(self.most, self._trying + sum(each.fileno() >= 0 for each in self._sockets))
        try:
            self._sockets.append(sock := await super().connect(address, port))
        finally:
            self._trying -= 1
        return sock


async def at_ports(
    where: dict[int, Practice], *, login: bool = True, port: str = "", limits: Limits = SHORT, **options: Any
) -> tuple[Report, Counting]:
    """The report about the first one's host, whose ports lead to these servers."""
    first = next(iter(where.values()))
    detours = tuple(f"{first.host}:{number}:127.0.0.1:{practice.port}" for number, practice in where.items())
    known = {"user": f"me@{first.target.rpartition('@')[2]}", "secret": "env:X"} if login else {}
    target = parse_target(f"{first.host}{port}", **known | first.options | {"connect_to": detours} | options)
    dialer = Counting(*{practice.port for practice in where.values()})
    machine = Machine(first.hosts, first.proxies)
    secret = Secret(first.password) if login else None
    report = await run(target, secret=secret, limits=limits, dialer=dialer, machine=machine)
    return report, dialer


def talks(report: Report) -> list[Conversation]:
    """The conversations that got a connection, in the order of its opening."""
    return sorted((talk for talk in report.conversations if talk.events), key=lambda talk: talk.started)


def said_goodbye(talk: Conversation) -> datetime:
    """When QUIT was written."""
    at = next(event.t for event in talk.events if event.stage is Stage.QUIT and event.dir is Direction.OUT)
    return talk.started + timedelta(seconds=at)


def left_over(report: Report) -> list[str]:
    """What our own clock cut off."""
    return [
        f"{result.probe} at {result.subject}"
        for result in report.results
        if isinstance(result.outcome, Failure) and result.outcome.kind is Kind.DEADLINE
    ]


def greets(after: float) -> dict[str, Any]:
    """A server in order whose greeting takes so many seconds."""
    return {"greeting": {"text": "220 {host} ESMTP practice\r\n", "delay": after}}


async def test_an_unverified_dialogue_gives_its_place_to_the_next_port() -> None:
    async with Lab() as lab:
        practice = await lab.start("certificate-self-signed")
        report, dialer = await at_ports(dict.fromkeys(STARTTLS_PORTS, practice))

        assert practice.smtp is not None
        assert practice.smtp.ledger.commands["QUIT"] == 3

    first, second, third = talks(report)
    assert (report.complete, left_over(report)) == (True, [])
    assert (dialer.most, dialer.opened) == (2, 3)
    assert third.subject.port == 25
    assert third.started > min(map(said_goodbye, (first, second)))


@pytest.mark.parametrize(
    ("fault", "ports", "experiment"),
    [
        ("certificate-wrong-host", STARTTLS_PORTS, "sni"),
        ("tls-no-common-cipher", STARTTLS_PORTS, "hello"),
        ("plain-on-implicit-tls-port", STARTTLS_PORTS, "mode"),
        ("greeting-never", STARTTLS_PORTS, "mode"),
        ("tls-handshake-hang", STARTTLS_PORTS, "segment"),
        ("healthy", ALL_PORTS, "mode"),
    ],
)
async def test_an_experiment_does_not_wait_for_the_place_of_the_dialogue_that_it_is_about(
    fault: str, ports: Sequence[int], experiment: str
) -> None:
    async with Lab() as lab:
        report, dialer = await at_ports(dict.fromkeys(ports, await lab.start(fault)))

    results = [result for result in report.results if result.probe == experiment]
    assert (report.complete, left_over(report), dialer.most) == (True, [], 2)
    assert any(result.facts is not None for result in results)
    assert experiment in {each.probe for each in report.experiments}


async def test_whoever_may_still_be_elected_keeps_its_place_and_logs_in_there() -> None:
    async with Lab() as lab:
        good, bad = await lab.start("healthy"), await lab.start("greeting-never")
        report, dialer = await at_ports({2525: good, 587: bad, 25: good}, only_target=True)

        assert good.smtp is not None
        ledger = good.smtp.ledger
        assert (ledger.connections, ledger.auths, ledger.commands["QUIT"]) == (2, 1, 2)

    (login,) = [result for result in report.results if result.probe == "auth"]
    assert (report.complete, left_over(report), dialer.most) == (True, [], 2)
    assert login.subject.port == 2525


@pytest.mark.parametrize("fault", ["healthy", "auth-temporary"])
async def test_a_mode_that_is_found_late_takes_the_login_from_nobody(fault: str) -> None:
    """Port 465 speaks in clear: tried again with STARTTLS it would come first, after the login at 587."""
    async with Lab() as lab:
        practice = await lab.start(fault)
        report, _ = await at_ports(dict.fromkeys(ALL_PORTS, practice))

        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 1

    assert [str(r.subject.port) for r in report.results if r.probe == "auth"] == ["587"]
    assert any(r.subject.port == 465 and r.subject.mode is Mode.STARTTLS for r in report.results if r.probe == "chain")


async def test_two_ports_that_both_turn_out_to_speak_the_other_mode_see_one_login() -> None:
    """Port 587 is found out first, as 465 takes its time; 465 comes before it in order."""
    async with Lab(also=("smtp.healthy.lab.test",)) as lab:
        clear, implicit = (
            await lab.start("healthy", server="script", script=greets(2.5)),
            await lab.start("healthy-implicit"),
        )
        report, _ = await at_ports({465: clear, 587: implicit}, limits=EASY)

        assert clear.smtp is not None
        assert implicit.smtp is not None
        assert clear.smtp.ledger.auths + implicit.smtp.ledger.auths == 1

    verified = [r.subject.port for r in report.results if r.probe == "chain" and r.facts and r.facts.verdict.verified]
    assert (report.complete, sorted(verified)) == (True, [465, 587])
    assert len([result for result in report.results if result.probe == "auth"]) == 1


async def test_a_port_that_broke_after_its_certificate_verified_gives_the_others_no_time_limit() -> None:
    async with Lab(also=("smtp.ehlo-refused-after-tls.lab.test",)) as lab:
        broken, late = (
            await lab.start("ehlo-refused-after-tls"),
            await lab.start("healthy-scripted", script=greets(7.0)),
        )
        report, _ = await at_ports({587: broken, 2525: late}, limits=EASY)

    assert (report.complete, left_over(report)) == (True, [])
    assert [r.subject.port for r in report.results if r.probe == "auth"] == [2525]


async def test_the_primary_says_goodbye_when_its_last_question_is_answered_and_not_when_the_others_are() -> None:
    async with Lab() as lab:
        good, silent = await lab.start("healthy"), await lab.start("greeting-never")
        report, _ = await at_ports({587: good, 2525: silent})

    mine = next(talk for talk in report.conversations if talk.subject.port == 587)
    other = next(talk for talk in report.conversations if talk.subject.port == 2525 and talk.steps)
    broke = next(step for step in other.steps if step.stage is Stage.GREETING)
    assert said_goodbye(mine) < other.started + timedelta(seconds=broke.started + broke.elapsed)


async def test_goodbyes_are_said_side_by_side() -> None:
    """Two ports that never answer QUIT cost its limit once."""
    async with Lab() as lab:
        mute = await lab.start("quit-never-answered", cert="self-signed")
        report, dialer = await at_ports(dict.fromkeys(STARTTLS_PORTS, mute), login=False)

    first, second, third = talks(report)
    ended = min(
        talk.started + timedelta(seconds=talk.steps[-1].started + talk.steps[-1].elapsed) for talk in (first, second)
    )
    assert [talk.steps[-1].stage for talk in (first, second, third)] == [Stage.QUIT] * 3
    assert max(map(said_goodbye, (first, second))) < ended < third.started
    assert (report.complete, dialer.most) == (True, 2)


async def test_who_has_said_goodbye_is_asked_nothing_more_and_still_tells_what_it_knows() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy")
        subject = Subject(practice.host, "127.0.0.1", practice.port, Mode.STARTTLS)
        dialogue = Dialogue(subject, Door(), Plan(parse_target(practice.host)), Roots((), "none"), SHORT)
        await dialogue.reach(Stage.TLS)
        await dialogue.close()

        assert (await dialogue.reach(Stage.TLS)).tls is not None
        with pytest.raises(CouldNotAsk):
            await dialogue.reach(Stage.EHLO)
        await dialogue.close()

        assert practice.smtp is not None
        assert practice.smtp.ledger.commands["QUIT"] == 1
    assert [step.stage for step in dialogue.record.steps].count(Stage.QUIT) == 1


async def test_a_goodbye_that_is_cut_short_is_in_the_record_and_gives_the_place_back() -> None:
    async with Lab() as lab:
        practice = await lab.start("quit-never-answered")
        subject, door = Subject(practice.host, "127.0.0.1", practice.port, Mode.STARTTLS), Door()
        dialogue = Dialogue(subject, door, Plan(parse_target(practice.host)), Roots((), "none"), SHORT)
        await dialogue.reach(Stage.CERTIFICATE)
        dialogue.leave(60.0)
        await dialogue.close(0.05)

    assert [(step.stage, step.broke) for step in dialogue.record.steps][-1] == (Stage.QUIT, Kind.TIMEOUT)
    assert dialogue.closed
    places = door.slot(practice.host)
    await asyncio.wait_for(places.acquire(), 1.0)
    await asyncio.wait_for(places.acquire(), 1.0)


def of_a_server() -> list[str]:
    """Faults of a server and of what it says; not of ports, the network between, exchangers and what was sent.

    Nor a flood: by its size or by the time it is ended as this machine is busy.
    """
    rows = {name: row_of(name) for name, expected in EXPECTED.items() if not expected.refused}
    others = {name for name, row in rows.items() if row.ports or row.network or row.address6 or row.send}
    return [name for name, row in rows.items() if row.target != "mx" and name not in others and "endless" not in name]


async def with_and_without(lab: Lab, fault: str, gate: asyncio.Semaphore) -> dict[str, list[str]]:
    """Objections to the check of a fault without a port, as against the one with its port."""
    async with gate:
        alone, several = await lab.start(fault), await lab.start(fault)
        if alone.smtp is None or several.smtp is None:
            return {}
        ports = (465,) if alone.mode is Mode.IMPLICIT else STARTTLS_PORTS
        options = {"limits": EASY, "deadline": DEADLINE}
        one, _ = await at_ports({ports[0]: alone}, port=f":{ports[0]}", **options)
        all_, dialer = await at_ports(dict.fromkeys(ports, several), **options)
    logins = several.smtp.ledger.auths, alone.smtp.ledger.auths
    said = [(report.verdict, report.diagnosis and report.diagnosis.code) for report in (one, all_)]
    objections = {
        "ends at the deadline": not all_.complete,
        "more than two at once": dialer.most > 2,
        "logs in elsewhere or again": logins[0] > logins[1],
        "another verdict": said[0] != said[1],
        "a bug": any(result.status == "bug" for result in all_.results),
    }
    return {what: [fault] for what, so in objections.items() if so}


@pytest.mark.parametrize("part", range(PARTS))
async def test_a_check_without_a_port_ends_by_itself_with_the_verdict_of_the_port(part: int) -> None:
    faults, gate = of_a_server()[part::PARTS], asyncio.Semaphore(AT_ONCE)
    async with Lab() as lab:
        objections = await asyncio.gather(*(with_and_without(lab, fault, gate) for fault in faults))

    found = {(what, fault) for each in objections for what, (fault,) in each.items()}
    assert found == {("another verdict", fault) for fault in UNDECIDED.intersection(faults)}
