"""Is a conversation planned by its target, and an experiment without what it has no business with?"""

from __future__ import annotations

import pytest

from smtpcheck.conversation.plan import Plan
from smtpcheck.messages.compose import Composed
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from smtpcheck.wire.tls import Hello

ASCII = Composed(b"Subject: hello\r\n\r\n.hello\r\n", "", "")
EIGHT_BIT = Composed("Subject: hello\r\n\r\nGrüße\r\n".encode(), "", "")


def test_an_experiment_neither_logs_in_nor_sends_nor_insists_on_tls() -> None:
    target = parse_target("me@x.test", recipients=("you@y.test",))
    plan = Plan(target, Secret("x"), EIGHT_BIT, frozenset({"h.test"}))

    beside = plan.for_experiment(Hello(any_cipher=True), segment=536)

    assert (plan.secret is not None, plan.message, plan.requires_tls) == (True, EIGHT_BIT, True)
    assert (beside.secret, beside.message, beside.requires_tls) == (None, None, False)
    assert (beside.target, beside.hello.any_cipher, beside.segment) == (target, True, 536)
    assert (beside.needs, beside.octets) == (frozenset(), 0)


@pytest.mark.parametrize(("spec", "required"), [("me@x.test", True), ("h.test:587", True), ("mx:x.test", False)])
def test_tls_is_required_but_by_an_exchanger(spec: str, required: bool) -> None:
    assert Plan(parse_target(spec)).requires_tls is required


@pytest.mark.parametrize(
    ("message", "recipient", "needs"),
    [
        (None, "you@y.test", set()),
        (ASCII, "you@y.test", set()),
        (EIGHT_BIT, "you@y.test", {"8BITMIME"}),
        (ASCII, "dü@y.test", {"SMTPUTF8"}),
    ],
)
def test_what_the_message_and_the_addresses_need(message: Composed | None, recipient: str, needs: set[str]) -> None:
    assert Plan(parse_target("me@x.test", recipients=(recipient,)), message=message).needs == needs


def test_the_size_is_the_messages_without_stuffed_dots() -> None:
    assert Plan(parse_target("me@x.test"), message=ASCII).octets == len(ASCII.message)
