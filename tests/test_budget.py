"""What does a check cost? Connections and round trips are counted by a relay in between, time by the process."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from smtpcheck.core import Conversation, Direction, Mode, Verdict
from smtpcheck.lab import Lab, background
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from tests.checking import checked
from tests.relay import Relay, UdpRelay

# where a peer freezes, and what it costs a process with a deadline of this many seconds
DEADLINE = 3.0
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


@pytest.mark.parametrize("fault", FROZEN)
def test_the_deadline_is_the_wall_time_of_the_process(fault: str) -> None:
    with background() as lab:
        practice = lab.start(fault)
        words = [
            word for name, value in practice.options.items() for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "smtpcheck", "check", practice.target, "--deadline", str(DEADLINE), *words],
            env=os.environ | {"SMTPCHECK_PASSWORD": practice.password},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        took = time.monotonic() - began

    assert took < DEADLINE + 0.3
    assert done.returncode in (0, 1, 3), done.stderr
    assert practice.password not in done.stdout + done.stderr
