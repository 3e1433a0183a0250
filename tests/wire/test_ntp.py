"""Is the offset exact where a server is honest, and is every other answer refused by name?"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.ntp import MAX_ROOT_DISPERSION, Sample, Untrustworthy, pack_request, parse_reply

EPOCH = 2_208_988_800  # RFC 5905 section 6: seconds from 1900 to 1970
SENT = 1_795_392_000.123456  # a day in November 2026
HEAD = struct.Struct("!BBbbII4sQQQQ")


def stamp(unix: float) -> int:
    return round((unix + EPOCH) * 2**32) % 2**64


def reply(
    request: bytes,
    *,
    received: float,
    answered: float | None = None,
    leap: int = 0,
    version: int = 4,
    mode: int = 4,
    stratum: int = 2,
    delay: float = 0.0,
    dispersion: float = 0.0,
    reference: bytes = b"\x7f\0\0\1",
    origin: int | None = None,
    raw: tuple[int, int] | None = None,
) -> bytes:
    """A reply written by hand from RFC 5905 section 7.3, not by the library that reads it."""
    times = raw or (stamp(received), stamp(received if answered is None else answered))
    came = int.from_bytes(request[40:48], "big") if origin is None else origin
    fixed = (round(delay * 65536), round(dispersion * 65536), reference, stamp(received - 30))
    return HEAD.pack(leap << 6 | version << 3 | mode, stratum, 6, -20, *fixed, came, *times)


def measured(sent: float = SENT, took: float = 0.02, **fields: object) -> Sample:
    request = pack_request(sent)
    fields.setdefault("received", sent + took / 2)
    return parse_reply(reply(request, **fields), sent, sent + took, took)  # type: ignore[arg-type]


def test_the_request() -> None:
    request = pack_request(SENT)
    assert len(request) == 48
    assert request[0] == 0b00_100_011, "no warning, version 4, client"
    assert abs(int.from_bytes(request[40:], "big") - stamp(SENT)) < 2**32 * 0.000001
    assert request[1:40] == bytes(39), "nothing else of us is told"


def test_an_honest_server() -> None:
    sample = measured(stratum=3)
    assert abs(sample.offset) < 0.00001
    assert sample.uncertainty == pytest.approx(0.01)
    assert sample.stratum == 3


OFFSETS = [0.0, 0.0005, -0.25, 1.0, 299.5, -420.0, 3600.0, -28800.0, 86400 * 365.0, -(86400 * 365 * 20.0)]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("took", [0.0002, 0.02, 2.5])
def test_the_offset_is_exact(offset: float, took: float) -> None:
    sample = measured(took=took, received=SENT + offset + took / 2)
    assert abs(sample.offset - offset) < 0.00001


def test_the_servers_own_time_is_taken_off() -> None:
    sample = measured(took=1.0, received=SENT + 7 + 0.1, answered=SENT + 7 + 0.9)
    assert abs(sample.offset - 7) < 0.00001
    assert sample.uncertainty == pytest.approx(0.1, abs=0.00001)


def test_a_lopsided_way_stays_within_the_uncertainty() -> None:
    for way in (0.0, 0.1, 0.9, 1.0):
        sample = measured(took=1.0, received=SENT + way)
        assert abs(sample.offset) <= sample.uncertainty + 0.00001


def test_what_the_server_says_of_itself_counts() -> None:
    sample = measured(took=0.2, delay=0.5, dispersion=0.25)
    assert sample.uncertainty == pytest.approx(0.1 + 0.25 + 0.25, abs=0.0001)


@pytest.mark.parametrize("ours", [0.0, 1.0, 86400.0, EPOCH * 0.5])
def test_a_clock_that_woke_up_in_1970(ours: float) -> None:
    assert measured(sent=ours, received=SENT).offset == pytest.approx(SENT - ours, abs=0.1)


@pytest.mark.parametrize("year", [2036.2, 2040, 2090])
def test_a_clock_beyond_the_era(year: float) -> None:
    ours = (year - 1970) * 365.25 * 86400
    assert measured(sent=ours, received=SENT).offset == pytest.approx(SENT - ours, abs=0.1)
    assert abs(measured(sent=ours).offset) < 0.001


def test_an_exchange_across_the_eras_border() -> None:
    border = 2**32 - EPOCH
    sample = measured(sent=border - 0.4, took=1.0, received=border - 0.1, answered=border + 0.3)
    assert abs(sample.offset) < 0.001


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"stratum": 0, "leap": 3, "reference": b"RATE"}, "kiss-of-death"),
        ({"stratum": 0, "reference": b"DENY"}, "kiss-of-death"),
        ({"stratum": 0, "origin": 0, "raw": (0, 0)}, "kiss-of-death"),
        ({"leap": 3}, "unsynchronised"),
        ({"stratum": 16}, "unsynchronised"),
        ({"stratum": 255}, "unsynchronised"),
        ({"origin": 0}, "forged-origin"),
        ({"origin": stamp(SENT - 86400)}, "forged-origin"),
        ({"origin": stamp(SENT + 0.001)}, "forged-origin"),
        ({"origin": stamp(SENT - 2**31)}, "forged-origin"),
        ({"mode": 3}, "not-a-server"),
        ({"mode": 5}, "not-a-server"),
        ({"mode": 6, "stratum": 0}, "not-a-server"),
        ({"raw": (stamp(SENT), 0)}, "no-time"),
        ({"raw": (0, stamp(SENT))}, "no-time"),
        ({"received": SENT + 5, "answered": SENT + 4}, "negative-delay"),
        ({"received": SENT, "answered": SENT + 0.1}, "negative-delay"),
        ({"dispersion": MAX_ROOT_DISPERSION + 0.1}, "too-far-from-a-clock"),
        ({"delay": MAX_ROOT_DISPERSION + 0.1}, "too-far-from-a-clock"),
        ({"delay": 65535.0}, "too-far-from-a-clock"),
    ],
    ids=str,
)
def test_an_answer_that_is_not_believed(fields: dict[str, object], why: str) -> None:
    with pytest.raises(Untrustworthy) as caught:
        measured(**fields)  # type: ignore[arg-type]
    assert caught.value.args == (why,)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
@pytest.mark.parametrize("leap", [0, 1, 2])
def test_versions_and_leap_warnings_are_fine(version: int, leap: int) -> None:
    assert abs(measured(version=version, leap=leap, stratum=15).offset) < 0.001


@pytest.mark.parametrize("size", range(48))
def test_a_short_packet(size: int) -> None:
    whole = reply(pack_request(SENT), received=SENT)
    with pytest.raises(ProtocolError) as caught:
        parse_reply(whole[:size], SENT, SENT, 0.0)
    assert not isinstance(caught.value, Untrustworthy)


def test_extension_fields_are_ignored() -> None:
    whole = reply(pack_request(SENT), received=SENT)
    assert parse_reply(whole + bytes(20), SENT, SENT, 0.0) == parse_reply(whole, SENT, SENT, 0.0)


@given(st.binary(max_size=100), st.floats(0, 2**36), st.floats(0, 10))
def test_any_bytes(data: bytes, sent: float, took: float) -> None:
    for wire in (data, b"\x24\x02" + data, reply(pack_request(sent), received=SENT)[:32] + data):
        try:
            sample = parse_reply(wire, sent, sent + took, took)
        except ProtocolError:
            continue
        assert abs(sample.offset) <= 2**32
        assert 0 <= sample.uncertainty <= took + 2 * MAX_ROOT_DISPERSION
