"""What does an onlooker see of a run: whom it waits for, and nobody whose turn has not come?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from smtpcheck.contract import Snapshot
from smtpcheck.core import Mode, Stage
from smtpcheck.lab import Lab, Practice
from smtpcheck.net import system
from smtpcheck.run import run
from smtpcheck.run.prepare import make_plan, settled
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from tests.checking import SHORT, aim


async def looked(practice: Practice, target, until: Callable[[Snapshot], bool]) -> tuple[list[Snapshot], Snapshot]:
    """Snapshots of a run until one is as wanted, when it is stopped; and the last one, after its end."""
    begun: asyncio.Future[Callable[[], Snapshot]] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    running = asyncio.create_task(run(target, limits=SHORT, onlooker=begun.set_result, stop=stop))
    look = await begun
    seen = [look()]
    while not until(seen[-1]) and not running.done():
        await asyncio.sleep(0.01)
        seen.append(look())
    stop.set()
    await running
    return seen, look()


async def test_the_stage_that_hangs_is_the_one_that_is_waited_for() -> None:
    async with Lab() as lab:
        practice = await lab.start("starttls-hangs")
        seen, last = await looked(
            practice,
            aim(practice, secret=""),
            lambda snapshot: any(stage is Stage.STARTTLS for _, stage in snapshot.waiting),
        )

    (talk,) = seen[-1].conversations
    assert (talk.subject, Stage.STARTTLS) in seen[-1].waiting
    assert [step.stage for step in talk.steps] == [Stage.CONNECT, Stage.GREETING, Stage.EHLO]
    assert last.waiting == ()


async def test_who_waits_for_our_own_turn_is_not_waited_for() -> None:
    """A host sees two of us at most; the third port is silent for our sake, and must not look slow."""
    async with Lab() as lab:
        practice = await lab.start("greeting-never")
        ports = {587: practice.port, 2525: practice.port, 25: practice.port}
        detours = tuple(f"{practice.host}:{port}:127.0.0.1:{to}" for port, to in ports.items())
        options = practice.options | {"connect_to": detours, "mode": Mode.STARTTLS, "only_target": True, "ntp": ""}
        target = parse_target(practice.host, **options)
        seen, _ = await looked(
            practice, target, lambda snapshot: [s for _, s in snapshot.waiting].count(Stage.GREETING) == 2
        )

    waited = [{subject.port for subject, _ in snapshot.waiting if subject.address} for snapshot in seen]
    assert len(seen[-1].conversations) == 3
    assert max(map(len, waited)) == 2
    assert waited[-1] == {587, 2525}


# What is asked for, from the target


@pytest.mark.parametrize(
    ("spec", "options", "login", "verified"),
    [
        ("me@x.test", {"secret": "env:X"}, True, True),
        ("h.test:587", {"secret": "env:X", "user": "me"}, True, True),
        ("me@x.test", {}, False, True),
        ("me@x.test", {"secret": "env:X", "until": Stage.CERTIFICATE}, False, True),
        # an exchanger is never logged in to, and takes mail without TLS
        ("mx:x.test", {"secret": "env:X"}, False, False),
    ],
)
def test_the_secret_is_at_hand_for_the_login_alone(
    spec: str, options: dict[str, Any], login: bool, verified: bool
) -> None:
    target = replace(parse_target(spec), **options)
    wanted = make_plan(target, Secret("x"), None)

    assert (wanted.secret is not None, wanted.requires_tls) == (login, verified)
    assert (wanted.message, wanted.octets, wanted.target) == (None, 0, target)


def test_the_time_server_of_this_machine_is_asked_where_none_is_named_and_others_may_be() -> None:
    own = system.system_ntp()

    assert settled(parse_target("h.test")).ntp == own
    assert settled(parse_target("h.test", ntp="n.test")).ntp == "n.test"
    assert settled(parse_target("h.test", only_target=True)).ntp == ""
