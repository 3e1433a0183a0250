"""How far does one connection get? An SMTP conversation, walked stage by stage and recorded as it goes.

The probes of an endpoint share one `Dialogue`: `await dialogue.reach(stage)` walks there once, whoever asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from smtpcheck import core
from smtpcheck.conversation.session import Answered, Heard
from smtpcheck.conversation.wish import Limits, Wish, chosen_mechanism, control_recipient
from smtpcheck.core import Direction, Event, Kind, Mode, Reason, Stage, Step, Subject, because
from smtpcheck.net.channel import Channel
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken, CouldNotAsk, broken
from smtpcheck.target import credentials, providers
from smtpcheck.target.credentials import gate
from smtpcheck.wire import ProtocolError, message, sasl, smtp, tls, x509
from smtpcheck.wire.mask import Mask
from smtpcheck.wire.smtp import Reply

# More than any healthy login needs; a server that asks on and on is cut off.
MAX_CHALLENGES = 8
QUIT_LIMIT = 1.0
# RFC 5321 section 3.2: a server that does not know EHLO is asked HELO
_NO_EHLO = (500, 502, 504)
# Up to the login another positive code than the one that belongs there is no refusal: it is out of step.
_STEPS = (Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH)
Leg = tuple[Stage, Callable[[], Awaitable[None]]]


class Dialogue:
    """One connection to one endpoint, walked on demand."""

    def __init__(
        self,
        subject: Subject,
        door: Door,
        wish: Wish,
        roots: x509.Roots,
        limits: Limits | None = None,
        mask: Mask | None = None,
    ) -> None:
        self.subject = subject
        self.heard = Heard()
        self.helo: Reply | None = None  # asked where EHLO is not known
        self.current = Stage.CONNECT
        self.started = datetime.now(UTC)
        self._door = door
        self._wish = wish
        self._roots = roots
        self._limits = limits or Limits()
        self._mask = mask or sasl.mask_for((wish.user, wish.secret))
        self._origin = time.perf_counter()
        self._legs = self._path()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._steps: list[Step] = []
        self._events: list[Event] = []
        self._reader = smtp.ReplyReader()
        self._said = b""  # the first line of the last reply as it came: what a login answers, and nobody else sees
        self._channel: Channel | None = None
        self._slot = False
        self._usable = False
        self._goodbye: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._abandoned = asyncio.Event()

    def _path(self) -> tuple[Leg, ...]:
        start: Leg = (Stage.CONNECT, self._connect)
        greeting: Leg = (Stage.GREETING, self._greeting)
        ehlo: Leg = (Stage.EHLO, self._ehlo)
        secure: tuple[Leg, ...] = ((Stage.TLS, self._tls), (Stage.CERTIFICATE, self._certificate))
        rest: tuple[Leg, ...] = (
            (Stage.AUTH, self._auth),
            (Stage.MAIL, self._mail),
            (Stage.RCPT, self._rcpt),
            (Stage.DATA, self._data),
        )
        match self.subject.mode:
            case Mode.IMPLICIT:
                return (start, *secure, greeting, (Stage.EHLO, self._secure_ehlo), *rest)
            case Mode.PLAIN:
                return (start, greeting, ehlo, *rest)
        upgrade: Leg = (Stage.STARTTLS, self._starttls)
        return (start, greeting, ehlo, upgrade, *secure, (Stage.EHLO, self._secure_ehlo), *rest)

    # What probes call

    async def reach(self, stage: Stage, *, first: bool = False) -> Heard:
        """Walk to `stage` (its last occurrence on the path, or its first) and say what was heard.

        Raises Broken where that or an earlier stage broke, CouldNotAsk where our side stopped it.
        """
        places = [index for index, (leg, _) in enumerate(self._legs) if leg is stage]
        if not places:
            return self.heard
        await asyncio.shield(self._task(places[0] if first else places[-1]))
        return self.heard

    async def silent(self) -> bool:
        """Wait until the greeting is there or overdue; True where nothing at all was said in the quiet time."""
        place = next(index for index, (leg, _) in enumerate(self._legs) if leg is Stage.GREETING)
        quiet = asyncio.create_task(self._quiet.wait())
        try:
            await asyncio.wait({self._task(place), quiet}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            quiet.cancel()
        return self._quiet.is_set() and self.heard.greeting is None

    def abandon(self) -> None:
        """Wait no longer for a greeting: the other TLS mode was answered."""
        self._abandoned.set()

    @property
    def closed(self) -> bool:
        """Said goodbye, or never connected."""
        return self._channel is None and not self._slot

    @property
    def leaving(self) -> bool:
        """Goodbye is being said, or was."""
        return self._goodbye is not None

    @property
    def walking(self) -> bool:
        """A stage is under way, or its turn is next."""
        return any(not task.done() for task in self._tasks.values())

    @property
    def told_all(self) -> bool:
        """It broke: nothing more can be learnt on this connection."""
        return any(step.broke for step in self._steps)

    def leave(self, limit: float = QUIT_LIMIT) -> None:
        """Begin to say goodbye; the place is given back once that is answered or overdue."""
        if self._goodbye is None:
            self._goodbye = asyncio.create_task(self._part(limit))

    async def close(self, limit: float = QUIT_LIMIT) -> None:
        """QUIT where the line is usable, then close; never raises for what the peer does."""
        self.leave(limit)
        assert self._goodbye is not None
        _, late = await asyncio.wait({self._goodbye}, timeout=limit)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _part(self, limit: float) -> None:
        tasks = [task for task in self._tasks.values() if not task.done()]
        self._usable = self._usable and not tasks
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            if self._channel and self._usable:
                await self._quit(limit)
        finally:
            self._give_back()

    def _give_back(self) -> None:
        if self._channel:
            self._channel.close()
            self._channel = None
        if self._slot:
            self._slot = False
            self._door.slot(self.subject.name).release()

    @property
    def record(self) -> core.Conversation:
        """Everything said so far."""
        return core.Conversation(
            subject=self.subject, started=self.started, steps=tuple(self._steps), events=tuple(self._events)
        )

    # Walking

    def _task(self, index: int) -> asyncio.Task[None]:
        task = self._tasks.get(index)
        if task is None:
            task = self._tasks[index] = asyncio.create_task(self._walk(index))
        return task

    async def _walk(self, index: int) -> None:
        stage, leg = self._legs[index]
        if index:
            await asyncio.shield(self._task(index - 1))
        if self.leaving:
            raise CouldNotAsk(stage, Kind.LOCAL, because("goodbye-said"))
        if not index:
            await self._enter()
        self.current = stage
        started, broke = self._now(), None
        try:
            await leg()
        except (Broken, CouldNotAsk) as error:
            broke = error.kind
            raise
        except OSError as error:
            said = broken(stage, error)
            broke = said.kind
            self._usable = False
            raise said from error
        except asyncio.CancelledError:
            broke = Kind.DEADLINE
            raise
        finally:
            self._steps.append(Step(stage, started, self._now() - started, broke))

    async def _enter(self) -> None:
        """Wait for a place in the host's budget, which is no time of the host's."""
        if not self.subject.address:
            raise Broken(Stage.DNS, Kind.NODATA, because("no-address"))
        await self._door.slot(self.subject.name).acquire()
        self._slot = True
        self.started, self._origin = datetime.now(UTC), time.perf_counter()

    async def _connect(self) -> None:
        subject = self.subject
        where, limit = (subject.name, subject.address, subject.port), self._limits.connect
        self._channel = Channel(await self._door.connect(*where, limit, segment=self._wish.segment))
        self._note(Direction.NOTE, f"connected to {self.subject}".encode())

    async def _greeting(self) -> None:
        connected = self._now()
        timer = asyncio.get_running_loop().call_later(self._limits.quiet, self._grow_quiet)
        reply = asyncio.create_task(self._reply(self._limits.greeting))
        given_up = asyncio.create_task(self._abandoned.wait())
        try:
            await asyncio.wait({reply, given_up}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                raise Broken(
                    Stage.GREETING, Kind.TIMEOUT, because("nothing-said", waited=round(self._now() - connected, 1))
                )
            self.heard.greeting = await reply
        finally:
            timer.cancel()
            given_up.cancel()
            reply.cancel()
        self.heard.greeted_after = self._now() - connected
        self._expect(self.heard.greeting, 220)
        self._usable = True
        self._nothing_more()

    def _grow_quiet(self) -> None:
        if not self._reader.begun:
            self._quiet.set()

    async def _ehlo(self) -> None:
        self.heard.ehlo = reply = await self._command(b"EHLO " + self._name())
        if reply.code in _NO_EHLO and await self._helo():
            return
        self._expect(reply, 250)
        self._nothing_more()
        self.heard.capabilities = smtp.parse_capabilities(reply)

    async def _helo(self) -> bool:
        """HELO once; False where it does not help, so that the refusal of EHLO stands."""
        try:
            self.helo = await self._command(b"HELO " + self._name())
        except (Broken, OSError):
            self._usable = False
        if self.helo is None or self.helo.code != 250:
            return False
        self._nothing_more()
        self.heard.capabilities = smtp.Capabilities(smtp.parse_capabilities(self.helo).name)
        return True

    async def _secure_ehlo(self) -> None:
        if self.heard.plain:
            return
        self.heard.secure_ehlo = reply = await self._command(b"EHLO " + self._name())
        self._expect(reply, 250)
        self._nothing_more()
        self.heard.secure_capabilities = smtp.parse_capabilities(reply)

    async def _starttls(self) -> None:
        assert self.heard.capabilities is not None
        if "STARTTLS" not in self.heard.capabilities.keywords:
            if not self._wish.tls_required or "plaintext-auth" in self._wish.allow:
                self.heard.plain = True
                return
            unlisted = because("extension-unlisted", extension="STARTTLS")
            reason = unlisted if self.helo is None else because("extensions-unknown")
            raise Broken(Stage.STARTTLS, Kind.NOT_OFFERED, reason, self.heard.ehlo.raw if self.heard.ehlo else b"")
        self.heard.starttls = reply = await self._command(b"STARTTLS")
        self._expect(reply, 220)
        if self._reader.rest:
            # CVE-2011-0411 and its kin: read on in plain text, it would count as said under TLS
            raise Broken(Stage.STARTTLS, Kind.INJECTED, because("reply-followed"), self._mask(self._reader.rest)[:512])

    async def _tls(self) -> None:
        if self.heard.plain:
            return
        assert self._channel is not None
        self._usable = False
        try:
            session = await self._channel.upgrade(self.subject.name, self._limits.tls, self._wish.hello)
        except tls.TlsError as error:
            raise self._tls_broken(error) from error
        self._usable = self.subject.mode is not Mode.IMPLICIT
        self.heard.session = session
        self._note(Direction.NOTE, f"TLS: {session.version}, {session.cipher}".encode())

    def _tls_broken(self, error: tls.TlsError) -> Broken:
        self._usable = False
        return Broken(self.current, error.kind, error.reason, self._mask(error.raw))

    async def _certificate(self) -> None:
        if self.heard.session is None:
            return
        self.heard.verified_at = datetime.now(UTC)
        self.heard.verdict = verdict = x509.verify(
            self.heard.session.chain, self.subject.name, self._roots, self.heard.verified_at
        )
        self._note(Direction.NOTE, b"certificate: " + (b"verified" if verdict.verified else b"not verified"))

    # AUTH, MAIL, RCPT

    async def _auth(self) -> None:
        wish, login = self._wish, self.heard.login
        if wish.secret is None:
            return
        session, verdict = self.heard.session, self.heard.verdict
        held = gate(
            entrusted=self.subject.name in wish.entrusted,
            encrypted=session is not None,
            verified=verdict is not None and verdict.verified,
            allow=wish.allow,
        )
        if held is Kind.NO_CONSENT:
            raise CouldNotAsk(
                Stage.AUTH, held, because("may-be-allowed", option=credentials.allow_option(self.subject.name))
            )
        if session and session.unsafe and "unverified-auth" not in wish.allow:
            raise Broken(Stage.TLS, Kind.WITHHELD, session.unsafe)
        if held is Kind.UNVERIFIED:
            raise Broken(Stage.CERTIFICATE, held)
        if held:
            raise CouldNotAsk(Stage.AUTH, held, because("secret-needs-tls"))
        row = providers.by_host(self.subject.name)
        login.mechanism = name = chosen_mechanism(wish, self.heard, row)
        if not name:
            raise Broken(Stage.AUTH, Kind.NOT_OFFERED, because("no-mechanism"))
        login.looks = sasl.look(wish.secret, row.credential.shape if row and name not in sasl.TOKENS else "")
        try:
            await self._log_in(sasl.begin(name, wish.user, wish.secret, self.subject.name, self.subject.port))
        except sasl.Unsayable as error:
            raise CouldNotAsk(Stage.AUTH, Kind.UNSUPPORTED, error.reason) from error

    async def _log_in(self, exchange: sasl.Exchange) -> None:
        login, first = self.heard.login, exchange.initial()
        login.attempts += 1
        line, waiting = sasl.command(login.mechanism, first)
        reply = await self._command(line, self._limits.auth)
        try:
            for _ in range(MAX_CHALLENGES):
                if reply.code != 334:
                    break
                login.reply = reply
                answer, waiting = waiting or exchange.answer(self._said), None
                login.refusal = exchange.refusal and exchange.refusal.masked(self._mask.text)
                reply = await self._command(answer, self._limits.auth)
            login.reply = reply
            self._expect(reply, 235)
            exchange.finish()
        except ProtocolError as error:
            if reply.code == 334:
                await self._cancel()
            kind = Kind.UNVERIFIED if isinstance(error, sasl.Unproven) else Kind.GARBAGE
            raise Broken(Stage.AUTH, kind, error.reason, reply.raw) from error

    async def _cancel(self) -> None:
        """RFC 4954 section 4: `*` ends a login; what is answered to it changes nothing."""
        try:
            await self._command(b"*")
        except (Broken, OSError):
            self._usable = False

    async def _mail(self) -> None:
        offered = self.heard.secure_capabilities or self.heard.capabilities
        known = offered.keywords if offered else {}
        missing = sorted(self._wish.needs - set(known))
        if missing:
            raise Broken(Stage.MAIL, Kind.NOT_OFFERED, because("extension-unlisted", extension=missing[0]))
        command = b"MAIL FROM:<%s>" % self._path_of(self._wish.sender)
        command += b" BODY=8BITMIME" if "8BITMIME" in self._wish.needs else b""
        command += b" SMTPUTF8" if "SMTPUTF8" in self._wish.needs else b""
        if self._wish.message is not None and "SIZE" in known:
            command += b" SIZE=%d" % self._wish.octets
        self.heard.mail = reply = await self._command(command)
        self._expect(reply, 250)

    def _path_of(self, address: str) -> bytes:
        try:
            return message.addressed(address, smtputf8="SMTPUTF8" in self._wish.needs)
        except ProtocolError as error:
            raise CouldNotAsk(self.current, Kind.LOCAL, because("address-unsayable")) from error

    async def _rcpt(self) -> None:
        for recipient in self._wish.recipients:
            reply = await self._command(b"RCPT TO:<%s>" % self._path_of(recipient))
            self.heard.rcpt += (Answered(recipient, reply),)
            if self.heard.told_to_go:
                break
        accepted = [answer for answer in self.heard.rcpt if answer.accepted]
        if postmaster := control_recipient(self._wish, self.heard):
            await self._compare(postmaster)
        if self._usable and not self.heard.told_to_go and (self._wish.message is None or not accepted):
            await self._command(b"RSET")
        if not accepted and self.heard.rcpt:
            self._expect(self.heard.rcpt[-1].reply, 250, 251)

    async def _compare(self, postmaster: str) -> None:
        """Ask for another recipient of the domain; a line lost here changes nothing of what was heard before."""
        try:
            self.heard.control = Answered(postmaster, await self._command(b"RCPT TO:<%s>" % self._path_of(postmaster)))
        except (Broken, OSError):
            self._usable = False

    async def _data(self) -> None:
        if self._wish.message is None:
            return
        self.heard.data = reply = await self._command(b"DATA")
        self._expect(reply, 354)
        self._note(Direction.OUT, b"(message of %d octets)" % len(self._wish.message))
        await self._send(self._wish.message, self._limits.data)
        self.heard.dotted_at = datetime.now(UTC)
        self.heard.handed = reply = await self._reply(self._limits.data)
        self._expect(reply, 250)

    # Lines

    def _name(self) -> bytes:
        assert self._channel is not None
        try:
            return (self._wish.ehlo or self._channel.literal).encode("idna" if self._wish.ehlo else "ascii")
        except UnicodeError as error:
            raise CouldNotAsk(Stage.EHLO, Kind.LOCAL, because("name-unsayable")) from error

    async def _command(self, line: bytes | sasl.Line, limit: float | None = None) -> Reply:
        secret = isinstance(line, sasl.Line)
        raw, shown = (line.raw, line.shown) if isinstance(line, sasl.Line) else (line, line)
        if isinstance(line, sasl.Line):
            self._mask.made(raw, line.proofs)
        if b"\r" in raw or b"\n" in raw:
            raise CouldNotAsk(self.current, Kind.LOCAL, because("line-end-in-command"))
        self._nothing_more()
        self._note(Direction.OUT, shown, masked=secret)
        await self._send(raw + b"\r\n", self._limits.reply)
        return await self._reply(limit or self._limits.reply)

    async def _send(self, data: bytes, limit: float) -> None:
        assert self._channel is not None
        try:
            async with asyncio.timeout(limit):
                await self._channel.write(data)
        except tls.TlsError as error:
            raise self._tls_broken(error) from error

    async def _reply(self, limit: float) -> Reply:
        try:
            async with asyncio.timeout(limit):
                reply = await self._read_reply()
        except TimeoutError as error:
            raise self._unfinished(Kind.TIMEOUT, because("no-answer", waited=limit)) from error
        except ProtocolError as error:
            raise self._unfinished(Kind.GARBAGE, error.reason) from error
        except tls.TlsError as error:
            raise self._tls_broken(error) from error
        self._said = reply.lines[0]
        reply = replace(reply, lines=self._mask.lines(reply.lines))
        for index, text in enumerate(reply.lines):
            last = index == len(reply.lines) - 1
            self._note(Direction.IN, b"%d%s%s" % (reply.code, b" " if last else b"-", text))
        self.heard.told_to_go = self.heard.told_to_go or reply.code == 421
        return reply

    async def _read_reply(self) -> Reply:
        reply = self._reader.feed(b"")
        while reply is None:
            data = await self._channel.read() if self._channel else b""
            if not data:
                raise self._unfinished(Kind.CLOSED, because("connection-closed"))
            reply = self._reader.feed(data)
        return reply

    def _unfinished(self, kind: Kind, reason: Reason) -> Broken:
        self._usable = False
        partial = self._reader.partial(self._mask.lines)
        if partial:
            self._note(Direction.IN, partial)
        if not self._reader.plausible:
            kind = Kind.GARBAGE
        return Broken(self.current, kind, reason, partial)

    def _expect(self, reply: Reply, *codes: int) -> None:
        if reply.code not in codes:
            self._usable = self._usable and not self.heard.told_to_go
            kind = Kind.GARBAGE if reply.positive and self.current in _STEPS else Kind.REJECTED
            raise Broken(self.current, kind, because("reply-unexpected", got=reply.code, expected=codes[0]), reply.raw)

    def _nothing_more(self) -> None:
        """RFC 5321 section 4.2: one reply a command. Only what has arrived is seen; 421 may always be said (3.8)."""
        assert self._channel is not None
        more = self._reader.rest or self._channel.early
        if not more or more.startswith(b"421"):
            return
        raw = self._mask(more)[:512]
        self._note(Direction.IN, raw)
        self._reader, self._channel.early = smtp.ReplyReader(), b""
        if self.current is not Stage.QUIT:
            raise Broken(self.current, Kind.INJECTED, because("reply-not-alone"), raw)

    async def _quit(self, limit: float) -> None:
        self.current = Stage.QUIT
        started, broke = self._now(), None
        try:
            async with asyncio.timeout(limit):
                await self._command(b"QUIT", limit)
        except (Broken, CouldNotAsk) as error:
            broke = error.kind
        except OSError as error:
            broke = broken(Stage.QUIT, error).kind
        except asyncio.CancelledError:
            broke = Kind.TIMEOUT
            raise
        finally:
            self._steps.append(Step(Stage.QUIT, started, self._now() - started, broke))

    def _now(self) -> float:
        return time.perf_counter() - self._origin

    def _note(self, direction: Direction, raw: bytes, *, masked: bool = False) -> None:
        self._events.append(Event(self._now(), direction, self.current, raw[: smtp.MAX_LINE], masked))
