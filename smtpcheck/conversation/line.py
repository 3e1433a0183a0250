"""What goes over one SMTP connection? Commands out and replies in, masked, timed and recorded line by line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from smtpcheck.conversation.plan import Limits
from smtpcheck.conversation.session import Session
from smtpcheck.core import Direction, Event, Kind, Reason, Stage, Step, because
from smtpcheck.net.channel import Channel
from smtpcheck.net.door import Stream
from smtpcheck.net.failures import Broken, CouldNotAsk, broken
from smtpcheck.wire import ProtocolError, sasl, smtp, tls
from smtpcheck.wire.mask import Mask
from smtpcheck.wire.smtp import Reply

# Up to the login another positive code than the one that belongs there is no refusal: it is out of step.
_IN_STEP = (Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH)


class Line:
    """One connection's lines (RFC 5321 sections 2.3.8 and 4.2), and the record of them."""

    def __init__(self, session: Session, limits: Limits, mask: Mask) -> None:
        self.stage = Stage.CONNECT
        """The stage under which lines are recorded and errors are raised."""
        self.usable = False
        """Another command may follow, and be it QUIT."""
        self.last = b""
        """The first line of the last reply as it came: what a login answers, and nobody else sees."""
        self.steps: list[Step] = []
        self.events: list[Event] = []
        self.started = datetime.now(UTC)
        self._origin = time.perf_counter()
        self._session = session
        self._limits = limits
        self._mask = mask
        self._reader = smtp.ReplyReader()
        self._channel: Channel | None = None

    # Time and record

    def restart_clock(self) -> None:
        """Count from now: what came before was our own waiting."""
        self.started, self._origin = datetime.now(UTC), time.perf_counter()

    def now(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._origin

    @contextmanager
    def step(self, stage: Stage, *, cancelled: Kind = Kind.DEADLINE) -> Iterator[None]:
        """Times one stage and records how it broke; an OSError in it leaves as Broken or CouldNotAsk."""
        self.stage = stage
        started, broke = self.now(), None
        try:
            yield
        except (Broken, CouldNotAsk) as error:
            broke = error.kind
            raise
        except OSError as error:
            raised = broken(stage, error)
            broke = raised.kind
            self.usable = False
            raise raised from error
        except asyncio.CancelledError:
            broke = cancelled
            raise
        finally:
            self.steps.append(Step(stage, started, self.now() - started, broke))

    def note(self, direction: Direction, raw: bytes, *, masked: bool = False) -> None:
        """Record one line under the stage of now."""
        self.events.append(Event(self.now(), direction, self.stage, raw[: smtp.MAX_LINE], masked))

    # The connection

    @property
    def open(self) -> bool:
        """Connected, and not closed by us."""
        return self._channel is not None

    @property
    def literal(self) -> str:
        """Our own address as a domain literal (RFC 5321 section 4.1.3)."""
        assert self._channel is not None
        return self._channel.literal

    def connect(self, stream: Stream) -> None:
        """Use that stream from now on."""
        self._channel = Channel(stream)

    async def upgrade(self, name: str, hello: tls.Hello) -> tls.TlsSession:
        """Lay TLS over the connection, unverified. Raises Broken, OSError."""
        assert self._channel is not None
        self.usable = False
        try:
            return await self._channel.upgrade(name, self._limits.tls, hello)
        except tls.TlsError as error:
            raise self._tls_broken(error) from error

    async def quit(self, limit: float) -> None:
        """Say QUIT; how it ends is in the record alone."""
        with suppress(Broken, CouldNotAsk), self.step(Stage.QUIT, cancelled=Kind.TIMEOUT):
            async with asyncio.timeout(limit):
                await self.command(b"QUIT", limit)

    def close(self) -> None:
        """Close now."""
        if self._channel:
            self._channel.close()
            self._channel = None

    # Commands and replies

    async def command(self, line: bytes | sasl.Line, limit: float | None = None) -> Reply:
        """The reply to one command. Raises Broken, CouldNotAsk for a line end inside it, OSError."""
        secret = isinstance(line, sasl.Line)
        raw, shown = (line.raw, line.shown) if isinstance(line, sasl.Line) else (line, line)
        if isinstance(line, sasl.Line):
            self._mask.made(raw, line.proofs)
        if b"\r" in raw or b"\n" in raw:
            raise CouldNotAsk(self.stage, Kind.LOCAL, because("line-end-in-command"))
        self.expect_silence()
        self.note(Direction.OUT, shown, masked=secret)
        await self.send(raw + b"\r\n", self._limits.reply)
        return await self.reply(limit or self._limits.reply)

    async def send(self, data: bytes, limit: float) -> None:
        """All of `data`, unrecorded. Raises Broken, OSError."""
        assert self._channel is not None
        try:
            async with asyncio.timeout(limit):
                await self._channel.write(data)
        except tls.TlsError as error:
            raise self._tls_broken(error) from error

    async def reply(self, limit: float) -> Reply:
        """The next reply, masked. Raises Broken, OSError."""
        try:
            async with asyncio.timeout(limit):
                reply = await self._read_reply()
        except TimeoutError as error:
            raise self._unfinished(Kind.TIMEOUT, because("no-answer", waited=limit)) from error
        except ProtocolError as error:
            raise self._unfinished(Kind.GARBAGE, error.reason) from error
        except tls.TlsError as error:
            raise self._tls_broken(error) from error
        self.last = reply.lines[0]
        reply = replace(reply, lines=self._mask.lines(reply.lines))
        for index, text in enumerate(reply.lines):
            final = index == len(reply.lines) - 1
            self.note(Direction.IN, b"%d%s%s" % (reply.code, b" " if final else b"-", text))
        self._session.closing = self._session.closing or reply.code == 421
        return reply

    def expect(self, reply: Reply, *codes: int) -> None:
        """Raises Broken where the reply has none of these codes."""
        if reply.code not in codes:
            self.usable = self.usable and not self._session.closing
            kind = Kind.GARBAGE if reply.positive and self.stage in _IN_STEP else Kind.REJECTED
            raise Broken(self.stage, kind, because("reply-unexpected", got=reply.code, expected=codes[0]), reply.raw)

    def expect_silence(self) -> None:
        """RFC 5321 section 4.2: one reply a command. Only what has arrived is seen; 421 may always be said (3.8).

        Raises Broken where more has arrived.
        """
        assert self._channel is not None
        more = self._reader.rest or self._channel.early
        if not more or more.startswith(b"421"):
            return
        raw = self._mask(more)[:512]
        self.note(Direction.IN, raw)
        self._reader, self._channel.early = smtp.ReplyReader(), b""
        if self.stage is not Stage.QUIT:
            raise Broken(self.stage, Kind.INJECTED, because("reply-not-alone"), raw)

    @property
    def begun(self) -> bool:
        """Something of the reply that is waited for has arrived."""
        return self._reader.begun

    @property
    def extra(self) -> bytes:
        """What arrived behind the last reply, masked."""
        return self._mask(self._reader.rest)[:512] if self._reader.rest else b""

    async def _read_reply(self) -> Reply:
        reply = self._reader.feed(b"")
        while reply is None:
            data = await self._channel.read() if self._channel else b""
            if not data:
                raise self._unfinished(Kind.CLOSED, because("connection-closed"))
            reply = self._reader.feed(data)
        return reply

    def _unfinished(self, kind: Kind, reason: Reason) -> Broken:
        self.usable = False
        partial = self._reader.partial(self._mask.lines)
        if partial:
            self.note(Direction.IN, partial)
        if not self._reader.plausible:
            kind = Kind.GARBAGE
        return Broken(self.stage, kind, reason, partial)

    def _tls_broken(self, error: tls.TlsError) -> Broken:
        self.usable = False
        return Broken(self.stage, error.kind, error.reason, self._mask(error.raw))
