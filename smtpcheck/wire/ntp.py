"""What time is it elsewhere? One SNTP exchange (RFC 4330) as bytes, with the checks that ntplib leaves out."""

from __future__ import annotations

from dataclasses import dataclass

import ntplib

from smtpcheck.wire import ProtocolError

# RFC 5905 section 7.3: a root distance above this makes a server unfit.
MAX_ROOT_DISPERSION = 1.5
_UNSYNCHRONISED_STRATUM = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: local clock + `offset` = server's clock, within `uncertainty`; all in seconds."""

    offset: float
    uncertainty: float
    stratum: int


class Untrustworthy(ProtocolError):
    """The server answered and its answer must not be believed; args: a word for why."""


def pack_request(sent: float) -> bytes:
    """A client request; `sent` is the Unix time whose NTP form must come back as the origin timestamp."""
    packet = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=ntplib.system_to_ntp_time(sent))
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
        raise ProtocolError("no NTP packet") from error
    _believable(packet, sent)
    there_in = ntplib.ntp_to_system_time(packet.recv_timestamp)
    there_out = ntplib.ntp_to_system_time(packet.tx_timestamp)
    offset = ((there_in - sent) + (there_out - received)) / 2
    delay = took - (there_out - there_in)
    if delay < -0.001 or there_out < there_in:
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
    if abs(packet.orig_timestamp - ntplib.system_to_ntp_time(sent)) > 0.000001:
        raise Untrustworthy("forged-origin")
    if packet.tx_timestamp == 0 or packet.recv_timestamp == 0:
        raise Untrustworthy("no-time")
    if packet.root_dispersion > MAX_ROOT_DISPERSION or packet.root_delay > MAX_ROOT_DISPERSION:
        raise Untrustworthy("too-far-from-a-clock")
