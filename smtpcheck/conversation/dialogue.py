"""How far does one connection get? An SMTP conversation, walked stage by stage, once for all who ask.

Theory of operation. The walk is a row of legs, one coroutine a stage, in the order of `core.WALKS`. A leg is
one task, made when it is first asked for, and waits for the leg before it. So each stage happens once, whoever asks,
and a leg that broke raises the same error to everybody who asks for it or for one behind it. `reach(stage)` promises
that: it returns the session once the last leg of the stage is done (EHLO comes twice under STARTTLS; `first` means the
first), or raises Broken for the peer's doing and CouldNotAsk for ours.

Who asks may be cancelled, a leg may not: legs are awaited through `asyncio.shield`, since another probe may need what
this one gave up. They end with `leave`, which cancels what is under way, says QUIT where the line is usable, and
closes.

Two clocks. Each leg keeps its stage's limit (`Limits`); that it ran out is the server's doing, and a fact. The deadline
is the scheduler's; when it runs out, the stage under way is recorded as broken by DEADLINE, which says nothing about
the server. Waiting for a place is no stage: the record's clock starts behind it.

Places. A host sees two of our connections at most (`Door.slot`). A dialogue takes a place before it connects and gives
it back when it is closed, so a dialogue kept open that nobody needs keeps others waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from smtpcheck import core
from smtpcheck.conversation.line import Line
from smtpcheck.conversation.plan import Limits, Plan, choose_mechanism, control_recipient
from smtpcheck.conversation.session import RecipientReply, Session
from smtpcheck.core import Direction, Kind, Mode, Stage, Subject, because
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken, CouldNotAsk
from smtpcheck.target import credentials, providers
from smtpcheck.target.credentials import gate
from smtpcheck.wire import ProtocolError, message, sasl, smtp, x509
from smtpcheck.wire.mask import Mask
from smtpcheck.wire.smtp import Reply

# More than any healthy login needs; a server that asks on and on is cut off.
MAX_CHALLENGES = 8
QUIT_LIMIT = 1.0
# RFC 5321 section 3.2: a server that does not know EHLO is asked HELO
_NO_EHLO = (500, 502, 504)
Leg = tuple[Stage, Callable[[], Awaitable[None]]]


class Dialogue:
    """One connection to one endpoint, walked on demand."""

    def __init__(
        self,
        subject: Subject,
        door: Door,
        plan: Plan,
        roots: x509.Roots,
        limits: Limits | None = None,
        mask: Mask | None = None,
    ) -> None:
        self.subject = subject
        self.session = Session()
        self.helo: Reply | None = None  # asked where EHLO is not known
        self._door = door
        self._plan = plan
        self._roots = roots
        self._limits = limits or Limits()
        self._mask = mask or sasl.mask_for((plan.target.user, plan.secret))
        self._line = Line(self.session, self._limits, self._mask)
        self._legs = self._make_legs()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._slot = False
        self._goodbye: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()
        self._abandoned = asyncio.Event()

    def _make_legs(self) -> tuple[Leg, ...]:
        """One coroutine for each stage of the walk that this connection can take."""
        made: dict[Stage, Callable[[], Awaitable[None]]] = {
            Stage.CONNECT: self._connect,
            Stage.GREETING: self._greeting,
            Stage.EHLO: self._ehlo,
            Stage.STARTTLS: self._starttls,
            Stage.TLS: self._tls,
            Stage.CERTIFICATE: self._certificate,
            Stage.AUTH: self._auth,
            Stage.MAIL: self._mail,
            Stage.RCPT: self._rcpt,
            Stage.DATA: self._data,
        }
        legs: list[Leg] = []
        for stage in core.WALKS[self.subject.mode]:
            if stage is Stage.TLS:
                made[Stage.EHLO] = self._secure_ehlo  # what comes behind TLS
            if stage in made:
                legs.append((stage, made[stage]))
        return tuple(legs)

    # What probes call

    async def reach(self, stage: Stage, *, first: bool = False) -> Session:
        """Walk to `stage` (its last occurrence on the path, or its first); the session as it is then.

        Raises Broken where that or an earlier stage broke, CouldNotAsk where our side stopped it.
        """
        places = [index for index, (leg, _) in enumerate(self._legs) if leg is stage]
        if not places:
            return self.session
        await asyncio.shield(self._task(places[0] if first else places[-1]))
        return self.session

    async def stays_silent(self) -> bool:
        """Wait until the greeting is there or overdue; True where nothing at all was said in the quiet time."""
        place = next(index for index, (leg, _) in enumerate(self._legs) if leg is Stage.GREETING)
        quiet = asyncio.create_task(self._quiet.wait())
        try:
            await asyncio.wait({self._task(place), quiet}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            quiet.cancel()
        return self._quiet.is_set() and self.session.greeting is None

    def abandon(self) -> None:
        """Wait no longer for a greeting: the other TLS mode was answered."""
        self._abandoned.set()

    @property
    def closed(self) -> bool:
        """Said goodbye, or never connected."""
        return not self._line.open and not self._slot

    @property
    def leaving(self) -> bool:
        """Goodbye is being said, or was."""
        return self._goodbye is not None

    @property
    def walking(self) -> bool:
        """A stage is under way, or its turn is next."""
        return any(not task.done() for task in self._tasks.values())

    @property
    def current(self) -> Stage:
        """The stage under way, or the last one."""
        return self._line.stage

    @property
    def broke(self) -> bool:
        """A stage broke: nothing more can be learnt on this connection."""
        return any(step.broke for step in self._line.steps)

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
        self._line.usable = self._line.usable and not tasks
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            if self._line.open and self._line.usable:
                await self._line.quit(limit)
        finally:
            self._give_back()

    def _give_back(self) -> None:
        self._line.close()
        if self._slot:
            self._slot = False
            self._door.slot(self.subject.name).release()

    @property
    def record(self) -> core.Conversation:
        """Everything said so far."""
        line = self._line
        return core.Conversation(
            subject=self.subject, started=line.started, steps=tuple(line.steps), events=tuple(line.events)
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
        with self._line.step(stage):
            await leg()

    async def _enter(self) -> None:
        """Wait for a place in the host's budget, which is no time of the host's."""
        if not self.subject.address:
            raise Broken(Stage.DNS, Kind.NODATA, because("no-address"))
        await self._door.slot(self.subject.name).acquire()
        self._slot = True
        self._line.restart_clock()

    async def _connect(self) -> None:
        subject = self.subject
        where, limit = (subject.name, subject.address, subject.port), self._limits.connect
        self._line.connect(await self._door.connect(*where, limit, segment=self._plan.segment))
        self._line.note(Direction.NOTE, f"connected to {self.subject}".encode())

    async def _greeting(self) -> None:
        connected = self._line.now()
        timer = asyncio.get_running_loop().call_later(self._limits.quiet, self._grow_quiet)
        reply = asyncio.create_task(self._line.reply(self._limits.greeting))
        given_up = asyncio.create_task(self._abandoned.wait())
        try:
            await asyncio.wait({reply, given_up}, return_when=asyncio.FIRST_COMPLETED)
            if not reply.done():
                raise Broken(
                    Stage.GREETING, Kind.TIMEOUT, because("nothing-said", waited=round(self._line.now() - connected, 1))
                )
            self.session.greeting = await reply
        finally:
            timer.cancel()
            given_up.cancel()
            reply.cancel()
        self.session.greeting_seconds = self._line.now() - connected
        self._line.expect(self.session.greeting, 220)
        self._line.usable = True
        self._line.expect_silence()

    def _grow_quiet(self) -> None:
        if not self._line.begun:
            self._quiet.set()

    async def _ehlo(self) -> None:
        self.session.ehlo = reply = await self._line.command(b"EHLO " + self._name())
        if reply.code in _NO_EHLO and await self._helo():
            return
        self._line.expect(reply, 250)
        self._line.expect_silence()
        self.session.capabilities = smtp.parse_capabilities(reply)

    async def _helo(self) -> bool:
        """HELO once; False where it does not help, so that the refusal of EHLO stands."""
        try:
            self.helo = await self._line.command(b"HELO " + self._name())
        except (Broken, OSError):
            self._line.usable = False
        if self.helo is None or self.helo.code != 250:
            return False
        self._line.expect_silence()
        self.session.capabilities = smtp.Capabilities(smtp.parse_capabilities(self.helo).name)
        return True

    async def _secure_ehlo(self) -> None:
        if self.session.plain:
            return
        self.session.secure_ehlo = reply = await self._line.command(b"EHLO " + self._name())
        self._line.expect(reply, 250)
        self._line.expect_silence()
        self.session.secure_capabilities = smtp.parse_capabilities(reply)

    async def _starttls(self) -> None:
        assert self.session.capabilities is not None
        if "STARTTLS" not in self.session.capabilities.keywords:
            if not self._plan.requires_tls or "plaintext-auth" in self._plan.target.allow:
                self.session.plain = True
                return
            unlisted = because("extension-unlisted", extension="STARTTLS")
            reason = unlisted if self.helo is None else because("extensions-unknown")
            raise Broken(Stage.STARTTLS, Kind.NOT_OFFERED, reason, self.session.ehlo.raw if self.session.ehlo else b"")
        self.session.starttls = reply = await self._line.command(b"STARTTLS")
        self._line.expect(reply, 220)
        if self._line.extra:
            # CVE-2011-0411 and its kin: read on in plain text, it would count as said under TLS
            raise Broken(Stage.STARTTLS, Kind.INJECTED, because("reply-followed"), self._line.extra)

    async def _tls(self) -> None:
        if self.session.plain:
            return
        self.session.tls = tls = await self._line.upgrade(self.subject.name, self._plan.hello)
        self._line.usable = self.subject.mode is not Mode.IMPLICIT
        self._line.note(Direction.NOTE, f"TLS: {tls.version}, {tls.cipher}".encode())

    async def _certificate(self) -> None:
        if self.session.tls is None:
            return
        self.session.verified_at = datetime.now(UTC)
        self.session.verdict = verdict = x509.verify(
            self.session.tls.chain, self.subject.name, self._roots, self.session.verified_at
        )
        self._line.note(Direction.NOTE, b"certificate: " + (b"verified" if verdict.verified else b"not verified"))

    # AUTH, MAIL, RCPT

    async def _auth(self) -> None:
        plan, login, allow = self._plan, self.session.login, self._plan.target.allow
        if plan.secret is None:
            return
        tls, verdict = self.session.tls, self.session.verdict
        held = gate(
            entrusted=self.subject.name in plan.entrusted,
            encrypted=tls is not None,
            verified=verdict is not None and verdict.verified,
            allow=allow,
        )
        if held is Kind.NO_CONSENT:
            raise CouldNotAsk(
                Stage.AUTH, held, because("may-be-allowed", option=credentials.allow_option(self.subject.name))
            )
        if tls and tls.unsafe and "unverified-auth" not in allow:
            raise Broken(Stage.TLS, Kind.WITHHELD, tls.unsafe)
        if held is Kind.UNVERIFIED:
            raise Broken(Stage.CERTIFICATE, held)
        if held:
            raise CouldNotAsk(Stage.AUTH, held, because("secret-needs-tls"))
        row = providers.by_host(self.subject.name)
        login.mechanism = name = choose_mechanism(plan, self.session, row)
        if not name:
            raise Broken(Stage.AUTH, Kind.NOT_OFFERED, because("no-mechanism"))
        login.looks = sasl.look(plan.secret, row.credential.shape if row and name not in sasl.TOKENS else "")
        try:
            await self._log_in(sasl.begin(name, plan.target.user, plan.secret, self.subject.name, self.subject.port))
        except sasl.Unsayable as error:
            raise CouldNotAsk(Stage.AUTH, Kind.UNSUPPORTED, error.reason) from error

    async def _log_in(self, exchange: sasl.Exchange) -> None:
        login, first = self.session.login, exchange.initial()
        login.attempts += 1
        line, waiting = sasl.command(login.mechanism, first)
        reply = await self._line.command(line, self._limits.auth)
        try:
            for _ in range(MAX_CHALLENGES):
                if reply.code != 334:
                    break
                login.reply = reply
                answer, waiting = waiting or exchange.answer(self._line.last), None
                login.refusal = exchange.refusal and exchange.refusal.masked(self._mask.text)
                reply = await self._line.command(answer, self._limits.auth)
            login.reply = reply
            self._line.expect(reply, 235)
            exchange.finish()
        except ProtocolError as error:
            if reply.code == 334:
                await self._cancel()
            kind = Kind.UNVERIFIED if isinstance(error, sasl.Unproven) else Kind.GARBAGE
            raise Broken(Stage.AUTH, kind, error.reason, reply.raw) from error

    async def _cancel(self) -> None:
        """RFC 4954 section 4: `*` ends a login; what is answered to it changes nothing."""
        try:
            await self._line.command(b"*")
        except (Broken, OSError):
            self._line.usable = False

    async def _mail(self) -> None:
        offered = self.session.secure_capabilities or self.session.capabilities
        known = offered.keywords if offered else {}
        plan, needs = self._plan, self._plan.needs
        missing = sorted(needs - set(known))
        if missing:
            raise Broken(Stage.MAIL, Kind.NOT_OFFERED, because("extension-unlisted", extension=missing[0]))
        command = b"MAIL FROM:<%s>" % self._mailbox_of(plan.target.sender)
        command += b" BODY=8BITMIME" if "8BITMIME" in needs else b""
        command += b" SMTPUTF8" if "SMTPUTF8" in needs else b""
        if plan.message is not None and "SIZE" in known:
            command += b" SIZE=%d" % plan.octets
        self.session.mail = reply = await self._line.command(command)
        self._line.expect(reply, 250)

    def _mailbox_of(self, address: str) -> bytes:
        try:
            return message.addressed(address, smtputf8="SMTPUTF8" in self._plan.needs)
        except ProtocolError as error:
            raise CouldNotAsk(self.current, Kind.LOCAL, because("address-unsayable")) from error

    async def _rcpt(self) -> None:
        for recipient in self._plan.target.recipients:
            reply = await self._line.command(b"RCPT TO:<%s>" % self._mailbox_of(recipient))
            self.session.rcpt += (RecipientReply(recipient, reply),)
            if self.session.closing:
                break
        accepted = [answer for answer in self.session.rcpt if answer.accepted]
        if postmaster := control_recipient(self._plan, self.session):
            await self._compare(postmaster)
        if self._line.usable and not self.session.closing and (self._plan.message is None or not accepted):
            await self._line.command(b"RSET")
        if not accepted and self.session.rcpt:
            self._line.expect(self.session.rcpt[-1].reply, 250, 251)

    async def _compare(self, postmaster: str) -> None:
        """Ask for another recipient of the domain; a line lost here changes nothing of what was said before."""
        try:
            self.session.control = RecipientReply(
                postmaster, await self._line.command(b"RCPT TO:<%s>" % self._mailbox_of(postmaster))
            )
        except (Broken, OSError):
            self._line.usable = False

    async def _data(self) -> None:
        if self._plan.message is None:
            return
        content = message.dot_stuffed(self._plan.message.message)
        self.session.data = reply = await self._line.command(b"DATA")
        self._line.expect(reply, 354)
        self._line.note(Direction.OUT, b"(message of %d octets)" % len(content))
        await self._line.send(content, self._limits.data)
        self.session.dotted_at = datetime.now(UTC)
        self.session.end_of_data = reply = await self._line.reply(self._limits.data)
        self._line.expect(reply, 250)

    def _name(self) -> bytes:
        name = self._plan.target.ehlo
        try:
            return (name or self._line.literal).encode("idna" if name else "ascii")
        except UnicodeError as error:
            raise CouldNotAsk(Stage.EHLO, Kind.LOCAL, because("name-unsayable")) from error
