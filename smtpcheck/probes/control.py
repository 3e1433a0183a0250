"""Does the server that the user knows to work answer on the same port, and as somebody else?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import (
    NO_REASON,
    Finding,
    Kind,
    Mode,
    Reason,
    Result,
    Rule,
    Severity,
    Stage,
    Subject,
    Target,
    because,
)
from smtpcheck.net.door import Stream
from smtpcheck.net.failures import Broken, CouldNotAsk
from smtpcheck.wire import ProtocolError, smtp
from smtpcheck.wire.address import parse_server

# What stands in a control host's place where no port was named (tcpmux, RFC 1078; nobody serves it).
_UNSAID = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFacts:
    """How the control host fared."""

    host: str
    address: str
    port: int
    broke: Kind | None = None
    reason: Reason = NO_REASON
    said: bytes = b""
    """Its greeting, where that comes in clear."""


def control_server(target: Target) -> tuple[str, int]:
    """Host and port of the control host; port 0 where none was named: the one asked for is meant."""
    host, port = parse_server(target.control, _UNSAID)
    return host, 0 if port == _UNSAID else port


@dataclass(frozen=True, slots=True)
class Control(Probe[ControlFacts]):
    """Connects to the control host, which only the user names, and reads its greeting."""

    name = "control"
    experiment = True
    rules = (
        Rule("control-open", Severity.NOTE, Stage.CONNECT, "RFC 9293 section 3.5"),
        Rule("control-dead", Severity.NOTE, Stage.CONNECT, "RFC 9293 section 3.5"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The first endpoint, where none opened or where a stranger may have answered."""
        if not target.control or target.only_target:
            return ()
        return (*route.shut(target, earlier), *route.strange(target, earlier))[:1]

    async def observe(self, subject: Subject, ctx: Context) -> ControlFacts:
        """One connection; the greeting is read where it comes in clear."""
        host, stated = control_server(ctx.target)
        port = stated or subject.port
        address = await ctx.door.first_address(host)
        if not address:
            raise CouldNotAsk(Stage.DNS, Kind.NODATA, because("host-without-address", at=host[:80]))
        async with ctx.experiment(self.name, subject):
            try:
                stream = await ctx.door.connect(host, address, port, ctx.limits.connect / 2)
            except Broken as error:
                return ControlFacts(host=host, address=address, port=port, broke=error.kind, reason=error.reason)
            try:
                said = b"" if subject.mode is Mode.IMPLICIT else await _greeting(stream, ctx.limits.quiet)
            finally:
                stream.close()
        return ControlFacts(host=host, address=address, port=port, said=said)

    def judge(self, facts: ControlFacts) -> Iterator[Finding]:
        """How the control fared; what that means is said with the break."""
        code = "control-dead" if facts.broke else "control-open"
        yield self.found(code, host=facts.host, port=facts.port, how=str(facts.broke or "open"))


async def _greeting(stream: Stream, limit: float) -> bytes:
    """The first line, empty where none comes in time."""
    reader = smtp.ReplyReader()
    try:
        async with asyncio.timeout(limit):
            while data := await stream.read():
                if reply := reader.feed(data):
                    return reply.raw[:512]
    except (TimeoutError, OSError, ProtocolError):
        return b""
    return b""
