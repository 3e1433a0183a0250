"""Is an MTA-STS policy read as RFC 8461 has it?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.mtasts import Policy, allows, parse_policy, policy_id

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


def test_a_policy_is_read() -> None:
    assert parse_policy(GOOD) == Policy("enforce", ("mail.example.com", "*.example.net"), 604800)
    assert parse_policy(GOOD.replace(b"\r\n", b"\n")) == parse_policy(GOOD)


def test_a_field_of_the_future_is_passed_over() -> None:
    assert parse_policy(GOOD + b"colour: blue\n") == parse_policy(GOOD)


def test_mode_none_needs_no_exchange() -> None:
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 0\n").mx == ()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "version"),
        (b"<html>not here</html>", "no field"),
        (GOOD.replace(b"STSv1", b"STSv2"), "version"),
        (GOOD.replace(b"enforce", b"strict"), "mode"),
        (GOOD.replace(b"604800", b"a week"), "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\n", "no mx"),
        (b"x" * 70_000, "octets"),
    ],
)
def test_what_senders_do_not_take_for_a_policy(body: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        parse_policy(body)


@pytest.mark.parametrize(
    ("exchange", "allowed"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("mx.example.net", True),
        ("example.net", False),
        ("a.b.example.net", False),
        ("mail.example.com.evil.test", False),
        ("mxexample.net", False),
    ],
)
def test_a_wildcard_stands_for_one_label(exchange: str, allowed: bool) -> None:
    assert allows(parse_policy(GOOD), exchange) is allowed


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((), None),
        (("v=spf1 -all",), None),
        (("v=STSv1; id=20160831085700Z;",), "20160831085700Z"),
        (("v=STSv1;id=1", "google-site-verification=x"), "1"),
    ],
)
def test_a_policy_is_announced_or_not(texts: tuple[str, ...], found: str | None) -> None:
    assert policy_id(texts) == found


@pytest.mark.parametrize("texts", [("v=STSv1;",), ("v=STSv1; id=a b",), ("v=STSv1; id=1", "v=STSv1; id=2")])
def test_an_announcement_that_counts_as_none(texts: tuple[str, ...]) -> None:
    with pytest.raises(ProtocolError):
        policy_id(texts)


@given(st.binary(max_size=300))
def test_any_body_is_a_policy_or_a_protocol_error(body: bytes) -> None:
    try:
        assert parse_policy(body).mode in ("enforce", "testing", "none")
    except ProtocolError as error:
        assert str(error)
