"""What does a check cost? Connections and round trips are counted by a relay in between; benchmarks/ measure time."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import fields

import pytest

from smtpcheck.conversation.plan import Limits
from smtpcheck.core import Conversation, Direction, Mode, Verdict
from smtpcheck.lab import Lab, background
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from tests import forked
from tests.checking import checked
from tests.relay import Relay, UdpRelay

DEADLINE = 1.0
ENDLESS = Limits(**{one.name: 900.0 for one in fields(Limits)})
# where a peer freezes
FROZEN = (
    "connect-timeout",
    "greeting-never",
    "greeting-drip",
    "ehlo-unfinished",
    "starttls-hangs",
    "tls-handshake-hang",
    "tls-tickets-endless",
    "quit-never-answered",
    "dns-resolver-silent",
    "certificate-chain-incomplete-aia-hangs",
    "ntp-blocked",
)


def waits(conversation: Conversation) -> int:
    """Round trips in the record up to the login: connect, handshake, and each turn from us to the server."""
    events = [event for event in conversation.events if event.stage != "quit"]
    count, waiting = 1, True
    for event in events:
        if event.dir is Direction.OUT:
            waiting = True
        elif event.raw.startswith(b"TLS: "):
            count, waiting = count + 1, conversation.subject.mode is Mode.IMPLICIT
        elif event.dir is Direction.IN and waiting:
            count, waiting = count + 1, False
    return count


@pytest.mark.parametrize(("fault", "round_trips"), [("healthy", 8), ("healthy-scripted", 8), ("healthy-implicit", 6)])
async def test_round_trips_from_the_name_to_the_accepted_login(fault: str, round_trips: int) -> None:
    async with Lab() as lab:
        practice = await lab.start(fault)
        resolver = int(practice.options["dns"].partition(":")[2])
        async with Relay(practice.port, delay=0.03) as line, UdpRelay(resolver, delay=0.03) as names:
            scheme = "smtps" if practice.mode is Mode.IMPLICIT else "smtp"
            options = practice.options | {"dns": f"127.0.0.1:{names.port}", "user": practice.target}
            target = parse_target(f"{scheme}://{practice.host}:{line.port}", secret="env:X", **options)
            report = await run(target, secret=Secret(practice.password))

    assert report.verdict is Verdict.HEALTHY
    assert line.count.connections == 1
    to_quit = line.count.round_trips - 1
    assert names.count.round_trips + to_quit == round_trips
    assert waits(report.conversations[0]) == to_quit


async def test_a_healthy_account_costs_one_connection_one_login_and_a_clean_quit() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy")
        await checked(practice)

        assert practice.smtp is not None
        ledger = practice.smtp.ledger
        assert (ledger.connections, ledger.auths, ledger.commands["QUIT"]) == (1, 1, 1)


async def test_without_a_port_at_most_two_connections_to_a_host_at_once() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy-implicit")
        detours = tuple(f"{practice.host}:{port}:127.0.0.1:{practice.port}" for port in (465, 587, 2525, 25))
        target = parse_target(practice.host, **practice.options | {"connect_to": detours, "mode": "implicit"})
        report = await run(target)

    assert report.verdict is Verdict.HEALTHY
    assert len(report.conversations) == 1


async def test_the_deadline_ends_a_check_whatever_freezes() -> None:
    """Where no other limit would for a quarter of an hour."""
    async with Lab() as lab:
        practices = [await lab.start(fault) for fault in FROZEN]
        reports = await asyncio.gather(*(checked(one, limits=ENDLESS, deadline=DEADLINE) for one in practices))

    assert len(reports) == len(FROZEN)
    assert {report.verdict for report in reports} <= {Verdict.HEALTHY, Verdict.BROKEN, Verdict.INCONCLUSIVE}


def test_the_deadline_counts_from_before_the_imports() -> None:
    program = (
        "import sys, time\n"
        "imported = []\n"
        "def note(event, args):\n"
        "    if event == 'import' and args[0] == 'click': imported.append(time.monotonic())\n"
        "sys.addaudithook(note)\n"
        "import smtpcheck.cli\n"
        "print(smtpcheck.cli.BEGAN < imported[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout == "True\n"


def test_a_command_ends_by_its_deadline() -> None:
    with background() as lab:
        practice = lab.start("greeting-never")
        words = [
            word for name, value in practice.options.items() for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        done = forked.run(
            [sys.executable, "-m", "smtpcheck", "check", practice.target, "--deadline", str(DEADLINE), *words],
            env=os.environ | {"SMTPCHECK_PASSWORD": practice.password},
        )

    assert done.returncode in (1, 3), done.stderr
    assert practice.password not in done.stdout + done.stderr
