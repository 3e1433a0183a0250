"""In which order is a connection walked? In the one of the table, which the documentation shows too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.conversation.plan import Plan
from smtpcheck.core import PATHS, WALKS, Kind, Mode, Stage, Subject
from smtpcheck.lab import Lab
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from smtpcheck.wire.x509 import Roots
from tests.checking import SHORT, checked

DESIGN = Path(__file__).parents[2] / "docs" / "design.md"
NOT_OF_ONE_CONNECTION = {Stage.DNS, Stage.DELIVERY}


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as opened:
        yield opened


def walked(mode: Mode) -> list[Stage]:
    return [stage for stage in WALKS[mode] if stage not in NOT_OF_ONE_CONNECTION]


@pytest.mark.parametrize(("fault", "mode"), [("healthy", Mode.STARTTLS), ("healthy-implicit", Mode.IMPLICIT)])
async def test_a_message_is_sent_in_the_order_of_the_table(lab: Lab, fault: str, mode: Mode) -> None:
    practice = await lab.start(fault, send=True)
    report = await checked(practice)

    last = [talk for talk in report.conversations if talk.steps[-1].stage is Stage.QUIT][-1]
    assert [step.stage for step in last.steps] == [*walked(mode), Stage.QUIT]
    assert last.subject.mode is mode


@pytest.mark.parametrize(
    ("fault", "mode", "before"), [("healthy", Mode.STARTTLS, True), ("healthy-implicit", Mode.IMPLICIT, False)]
)
async def test_what_is_announced_behind_tls_is_told_from_what_is_announced_before_it(
    lab: Lab, fault: str, mode: Mode, before: bool
) -> None:
    practice = await lab.start(fault)
    subject = Subject(practice.host, "127.0.0.1", practice.port, mode)
    dialogue = Dialogue(subject, Door(), Plan(parse_target(practice.host)), Roots((), "none"), SHORT)
    session = await dialogue.reach(Stage.EHLO)
    await dialogue.close()

    assert session.secure_capabilities is not None
    assert "AUTH" in session.secure_capabilities.keywords
    assert (session.ehlo is not None) is before


async def test_without_tls_the_order_is_that_of_plain(lab: Lab) -> None:
    practice = await lab.start("healthy", mode="plain")
    subject = Subject(practice.host, "127.0.0.1", practice.port, Mode.PLAIN)
    allowed = parse_target(practice.host, mode="plain", allow=("plaintext-auth",))
    plan = Plan(allowed, secret=Secret(practice.password))
    dialogue = Dialogue(subject, Door(), plan, Roots((), "none"), SHORT)
    session = await dialogue.reach(Stage.EHLO)
    await dialogue.close()

    assert (session.tls, session.secure_ehlo) == (None, None)
    assert [step.stage for step in dialogue.record.steps] == [*walked(Mode.PLAIN)[:3], Stage.QUIT]


async def test_what_breaks_ends_the_walk_there(lab: Lab) -> None:
    practice = await lab.start("starttls-broken")
    subject = Subject(practice.host, "127.0.0.1", practice.port, Mode.STARTTLS)
    dialogue = Dialogue(subject, Door(), Plan(parse_target(practice.host)), Roots((), "none"), SHORT)
    with pytest.raises(Broken) as error:
        await dialogue.reach(Stage.DATA)
    await dialogue.close()

    assert (error.value.stage, error.value.kind) == (Stage.STARTTLS, Kind.REJECTED)
    assert [step.stage for step in dialogue.record.steps] == [*walked(Mode.STARTTLS)[:4], Stage.QUIT]


def test_the_path_has_each_stage_of_the_walk_once() -> None:
    for mode, walk in WALKS.items():
        assert len(set(PATHS[mode])) == len(PATHS[mode])
        assert set(PATHS[mode]) == set(walk)
    assert WALKS[Mode.STARTTLS].count(Stage.EHLO) == 2


@pytest.mark.parametrize("mode", [Mode.STARTTLS, Mode.IMPLICIT])
def test_the_design_shows_the_walk_of_the_table(mode: Mode) -> None:
    line = next(line for line in DESIGN.read_text(encoding="utf-8").splitlines() if line.startswith(f"    {mode} "))
    assert line.split() == [mode, *walked(mode)]
