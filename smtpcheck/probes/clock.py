"""Is this machine's clock right?"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Kind, Result, Rule, Scalar, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import CouldNotAsk, network_kind, os_reason
from smtpcheck.wire import ProtocolError, ntp
from smtpcheck.wire.address import parse_server

NTP_TIMEOUT = 3.0
_QUARTER = 900.0
# The tz database has whole and half hours up to 14, and beside them Nepal 5:45, Eucla 8:45, the Chatham Islands 12:45
# and 13:45.
_ODD_QUARTERS = frozenset({23, 35, 51, 55})


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFacts:
    """One measurement against one server."""

    server: str
    offset: float
    """Seconds to add to the local clock; negative where it is ahead."""
    uncertainty: float
    """Half the round trip and what the server says of itself, in seconds."""
    stratum: int


@dataclass(frozen=True, slots=True)
class Clock(Probe[ClockFacts]):
    """Asks one NTP server once."""

    limit_seconds: float = 300.0
    """Kerberos (RFC 4120 section 7.5.1) and most token checks tolerate five minutes."""
    note_seconds: float = 5.0

    name = "clock"
    patience = 0.5
    rules = (
        Rule("clock-ahead", Severity.FAIL, Stage.CLOCK, "RFC 4120 section 7.5.1"),
        Rule("clock-behind", Severity.FAIL, Stage.CLOCK, "RFC 4120 section 7.5.1"),
        Rule("clock-time-zone", Severity.FAIL, Stage.CLOCK, "RFC 5322 section 3.3"),
        Rule("clock-inexact", Severity.NOTE, Stage.CLOCK, "RFC 5905"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The NTP server, where one is known."""
        if not target.ntp:
            return ()
        host, port = parse_server(target.ntp, 123)
        return (Subject(host, "", port),)

    async def observe(self, subject: Subject, ctx: Context) -> ClockFacts:
        """One datagram each way; silence is not knowing."""
        address = await ctx.door.first_address(subject.name)
        if not address:
            raise CouldNotAsk(Stage.CLOCK, Kind.NXDOMAIN, because("host-without-address", at=subject.name))
        sent = time.time()
        samples: list[ntp.Sample] = []
        started = time.perf_counter()

        def fits(data: bytes) -> bool:
            took = time.perf_counter() - started
            samples.append(ntp.parse_reply(data, sent, time.time(), took))
            return True

        try:
            await ctx.door.datagram(address, subject.port, ntp.pack_request(sent), NTP_TIMEOUT, fits)
        except TimeoutError as error:
            raise CouldNotAsk(Stage.CLOCK, Kind.SILENT, because("no-answer", waited=NTP_TIMEOUT)) from error
        except OSError as error:
            raise CouldNotAsk(Stage.CLOCK, network_kind(error), os_reason(error)) from error
        except ntp.Untrustworthy as error:
            raise CouldNotAsk(Stage.CLOCK, Kind.UNTRUSTWORTHY, error.reason) from error
        except ProtocolError as error:
            raise CouldNotAsk(Stage.CLOCK, Kind.GARBAGE, error.reason) from error
        sample = samples[-1]
        return ClockFacts(
            server=str(subject), offset=sample.offset, uncertainty=sample.uncertainty, stratum=sample.stratum
        )

    def judge(self, facts: ClockFacts) -> Iterator[Finding]:
        """Only what is beyond the uncertainty counts."""
        off = abs(facts.offset)
        values: dict[str, Scalar] = {
            "seconds": round(off),
            "minutes": round(off / 60, 1),
            "hours": round(off / 3600, 2),
            "uncertainty": round(facts.uncertainty, 3),
            "server": facts.server,
            "ahead": facts.offset < 0,
        }
        if off - facts.uncertainty > self.limit_seconds:
            code = "clock-ahead" if facts.offset < 0 else "clock-behind"
            yield self.found("clock-time-zone" if _whole_zone(off, facts.uncertainty) else code, **values)
        elif off - facts.uncertainty > self.note_seconds:
            yield self.found("clock-inexact", **values)


def _whole_zone(off: float, uncertainty: float) -> bool:
    """A time zone's size, within half a minute; a coarse measurement fits none the better for it."""
    quarters = round(off / _QUARTER)
    known = (quarters % 2 == 0 and 2 <= quarters <= 14 * 4) or quarters in _ODD_QUARTERS
    return known and abs(off - quarters * _QUARTER) <= 30 + min(uncertainty, 30)
