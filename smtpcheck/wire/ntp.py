"""What time is it elsewhere? One SNTP exchange (RFC 4330) as bytes, with the checks that ntplib leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import ntplib

from smtpcheck.core import because
from smtpcheck.wire import ProtocolError

# RFC 5905 section 7.3: a root distance above this makes a server unfit.
MAX_ROOT_DISPERSION = 1.5
_UNSYNCHRONISED_STRATUM = 16
# RFC 5905 section 6: timestamps count modulo 2^32 s, an era, which next ends in February 2036
_ERA = 2**32


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: local clock + `offset` = server's clock, within `uncertainty`; all in seconds."""

    offset: float
    uncertainty: float
    stratum: int


class Untrustworthy(ProtocolError):
    """The server answered and its answer must not be believed; args: a word for why."""

    def __init__(self, word: str) -> None:
        super().__init__(word, because(f"ntp-{word}"))


def pack_request(sent: float) -> bytes:
    """A client request; `sent` is the Unix time whose NTP form must come back as the origin timestamp."""
    packet = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=_stamp(sent))
    data: bytes = packet.to_data()
    return data


def parse_reply(data: bytes, sent: float, received: float, took: float) -> Sample:
    """The offset in a reply (RFC 5905 section 8).

    `sent` and `received` are local Unix times, `took` the monotonic seconds between them. Raises Untrustworthy
    for a kiss-o'-death, an unsynchronised or a forged answer, ProtocolError for what is no NTP packet.
    """
    packet = ntplib.NTPPacket()
    try:
        packet.from_data(data)
    except ntplib.NTPException as error:
        raise ProtocolError("no NTP packet", because("ntp-unreadable")) from error
    _believable(packet, sent)
    offset = (_apart(packet.recv_timestamp, _stamp(sent)) + _apart(packet.tx_timestamp, _stamp(received))) / 2
    there = _apart(packet.tx_timestamp, packet.recv_timestamp)
    delay = took - there
    if delay < -0.001 or there < 0:
        raise Untrustworthy("negative-delay")
    return Sample(offset, max(delay, 0) / 2 + packet.root_delay / 2 + packet.root_dispersion, packet.stratum)


def _believable(packet: ntplib.NTPPacket, sent: float) -> None:
    if packet.mode != 4:  # RFC 5905 section 7.3: 4 is server
        raise Untrustworthy("not-a-server")
    # RFC 5905 section 7.4: stratum 0 carries a kiss code. It comes before the origin check because
    # servers that rate-limit may leave the other fields empty.
    if packet.stratum == 0:
        raise Untrustworthy("kiss-of-death")
    if packet.leap == 3 or packet.stratum >= _UNSYNCHRONISED_STRATUM:
        raise Untrustworthy("unsynchronised")
    # RFC 4330 section 5: the origin timestamp must be the one sent, or it answers somebody else's question
    if abs(_apart(packet.orig_timestamp, _stamp(sent))) > 0.000001:
        raise Untrustworthy("forged-origin")
    if packet.tx_timestamp == 0 or packet.recv_timestamp == 0:
        raise Untrustworthy("no-time")
    if packet.root_dispersion > MAX_ROOT_DISPERSION or packet.root_delay > MAX_ROOT_DISPERSION:
        raise Untrustworthy("too-far-from-a-clock")


def _stamp(seconds: float) -> float:
    """The NTP timestamp of a Unix time, within its era: also of a clock that is decades off."""
    stamp: float = ntplib.system_to_ntp_time(seconds)
    return stamp % _ERA


def _apart(later: float, earlier: float) -> float:
    """Seconds between two timestamps, at most 68 years (RFC 5905 section 6)."""
    return (later - earlier + _ERA / 2) % _ERA - _ERA / 2
