"""Where in the mailbox is the message? An IMAP client (RFC 3501) on the door's stream, as small as the question."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from smtpcheck import __version__, core
from smtpcheck.core import Direction, Event, Kind, Mode, Reason, Stage, Step, Subject, because
from smtpcheck.net.channel import Channel
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken, CouldNotAsk, os_reason
from smtpcheck.target import credentials
from smtpcheck.target.credentials import Secret, gate
from smtpcheck.wire import ProtocolError, imap, sasl, tls, x509
from smtpcheck.wire.imap import Folder, Response, Shape
from smtpcheck.wire.mask import Mask

ANSWER_LIMIT = 15.0
# A mailbox with more folders is looked at in part, INBOX and junk first.
MAX_FOLDERS = 64
# Newest messages whose headers are read where the server can't search in headers.
MAX_HEADERS = 50
TOKEN_HEADER = "X-Smtpcheck-Token"  # noqa: S105  # a header's name

_JUNK_NAMES = frozenset({"junk", "spam", "junk e-mail", "junk email", "junk mail", "bulk", "bulk mail", "垃圾邮件"})
_SENT_NAMES = frozenset({"sent", "sent messages", "sent items", "sent mail", "已发送", "drafts", "草稿箱", "outbox"})


@dataclass(frozen=True, slots=True)
class Found:
    """The message in a folder."""

    folder: str
    place: str
    """inbox, junk or other."""
    received: datetime | None
    """INTERNALDATE: when the server took it, by its own clock."""
    headers: bytes
    """The header fields asked for."""


def place(folder: Folder, junk: tuple[str, ...] = ()) -> str:
    """inbox, junk, sent (no proof of arrival) or other: SPECIAL-USE first, then the provider's and usual names."""
    last = folder.name.rpartition(folder.delimiter)[2] if folder.delimiter else folder.name
    if folder.inbox:
        return "inbox"
    if folder.has("\\Junk"):
        return "junk"
    if folder.has("\\Sent") or folder.has("\\Drafts"):
        return "sent"
    if folder.name in junk or last.lower() in _JUNK_NAMES:
        return "junk"
    return "sent" if last.lower() in _SENT_NAMES else "other"


_ORDER = ("inbox", "junk", "other")


class Mailbox:
    """One IMAP session over implicit TLS (RFC 8314 section 3.2), recorded as it goes."""

    def __init__(
        self,
        subject: Subject,
        door: Door,
        roots: x509.Roots,
        *,
        user: str,
        secret: Secret,
        entrusted: bool,
        mask: Mask | None = None,
    ) -> None:
        """`entrusted`: the host may have the secret."""
        self.subject = Subject(subject.name, subject.address, subject.port, Mode.IMPLICIT)
        self._door = door
        self._roots = roots
        self._user = user
        self._secret = secret
        self._entrusted = entrusted
        self._mask = mask or sasl.mask_for((user, secret))
        self._reader = imap.ResponseReader()
        self._channel: Channel | None = None
        self._tag = 0
        self._capabilities: frozenset[str] = frozenset()
        self._started = datetime.now(UTC)
        self._origin = time.perf_counter()
        self._events: list[Event] = []

    async def open(self, *, identify: bool) -> None:
        """Connect, verify, log in once. Raises CouldNotAsk: a mailbox that can't be looked into proves nothing."""
        self._gate()  # before a connection on which nothing could be asked
        try:
            await self._connect()
            await self._log_in()
            if identify or "ID" in self._capabilities:
                await self._command(imap.id_command(__version__))
        except Broken as error:
            raise CouldNotAsk(Stage.DELIVERY, error.kind, _in_imap(error.reason)) from error
        except ProtocolError as error:
            raise CouldNotAsk(Stage.DELIVERY, Kind.GARBAGE, _in_imap(because("imap-unreadable"))) from error
        except (OSError, tls.TlsError) as error:
            raise CouldNotAsk(Stage.DELIVERY, Kind.CLOSED, _in_imap(_lost(error))) from error

    async def folders(self, junk: tuple[str, ...] = ()) -> tuple[Folder, ...]:
        """The selectable folders, INBOX and junk first. Raises CouldNotAsk."""
        special = "SPECIAL-USE" in self._capabilities and "LIST-EXTENDED" in self._capabilities
        answers = await self._command(imap.list_command(special_use=special))
        usable = [f for f in _listed(answers) if f.selectable and place(f, junk) != "sent"]
        return tuple(sorted(usable, key=lambda f: _ORDER.index(place(f, junk))))[:MAX_FOLDERS]

    async def find(self, folder: Folder, token: str, message_id: str, junk: tuple[str, ...]) -> Found | None:
        """The message with that token or Message-ID in a folder, None where it is not there. Raises CouldNotAsk."""
        try:
            return await self._find(folder, token, message_id, junk)
        except ProtocolError as error:
            raise CouldNotAsk(Stage.DELIVERY, Kind.GARBAGE, _in_imap(because("imap-unreadable"))) from error

    async def _find(self, folder: Folder, token: str, message_id: str, junk: tuple[str, ...]) -> Found | None:
        await self._command(imap.examine(folder.raw))
        uids = await self._search(token, message_id)
        if not uids:
            return None
        fields = (TOKEN_HEADER, "Message-ID", "Authentication-Results")
        for answer in await self._command(imap.fetch_header(uids, *fields)):
            if answer.status != "FETCH":
                continue
            fetched = imap.parse_fetch(answer)
            body = fetched.body or b""
            # a server that can't search in headers may answer with every message
            if token.encode() in body or message_id.encode() in body:
                return Found(self._mask.text(folder.name), place(folder, junk), fetched.at, self._mask(body))
        return None

    async def close(self) -> None:
        """LOGOUT where the line is still good, then close; never raises for what the peer does."""
        if self._channel is None:
            return
        try:
            async with asyncio.timeout(1.0):
                await self._command(b"LOGOUT")
        except (CouldNotAsk, TimeoutError) as error:
            self._note(Direction.NOTE, f"closed without LOGOUT: {type(error).__name__}".encode())
        self._channel.close()
        self._channel = None

    @property
    def record(self) -> core.Conversation:
        """Everything said so far."""
        step = Step(Stage.DELIVERY, 0.0, time.perf_counter() - self._origin)
        return core.Conversation(subject=self.subject, started=self._started, steps=(step,), events=tuple(self._events))

    async def _connect(self) -> None:
        subject = self.subject
        stream = await self._door.connect(subject.name, subject.address, subject.port, ANSWER_LIMIT)
        self._channel = Channel(stream)
        session = await self._channel.upgrade(subject.name, ANSWER_LIMIT)
        verdict = x509.verify(session.chain, subject.name, self._roots, datetime.now(UTC))
        self._note(Direction.NOTE, b"certificate: " + (b"verified" if verdict.verified else b"not verified"))
        self._gate(verified=verdict.verified and session.version in tls.CURRENT)
        greeting = await self._response()
        if not greeting.ok:
            raise Broken(Stage.GREETING, Kind.REJECTED, because("imap-said", words=self._words(greeting)))
        self._capabilities = imap.parse_capabilities(greeting)

    def _gate(self, *, verified: bool = True) -> None:
        held = gate(entrusted=self._entrusted, encrypted=True, verified=verified, allow=())
        if held is Kind.NO_CONSENT:
            raise CouldNotAsk(
                Stage.DELIVERY, held, because("may-be-allowed", option=credentials.allow_option(self.subject.name))
            )
        if held:
            raise Broken(Stage.CERTIFICATE, held)

    async def _log_in(self) -> None:
        if not self._capabilities:
            self._learn(await self._command(b"CAPABILITY"))
        if "AUTH=PLAIN" in self._capabilities:
            initial = sasl.Plain(self._user, self._secret).initial()
            at_once = "SASL-IR" in self._capabilities
            command = imap.authenticate_plain(initial if at_once else None)
            answers = await self._command(command, None if at_once else initial)
        else:
            answers = await self._command(imap.login(sasl.quoted(self._user, self._secret)))
        self._learn(answers)

    def _learn(self, answers: list[Response]) -> None:
        known = [imap.parse_capabilities(answer) for answer in answers]
        self._capabilities = next((names for names in reversed(known) if names), self._capabilities)

    async def _search(self, token: str, message_id: str) -> tuple[int, ...]:
        uids: tuple[int, ...] = ()
        field, value = (TOKEN_HEADER, token) if token != message_id else ("Message-ID", message_id)
        try:
            uids = _uids(await self._command(imap.search_header(field, value)))
        except CouldNotAsk as error:
            if error.kind is not Kind.REJECTED:
                raise
        if not uids:
            day = date.fromordinal(datetime.now(UTC).toordinal() - 1)
            uids = _uids(await self._command(imap.search_since(day)))
        return uids[-MAX_HEADERS:]

    # Lines

    async def _command(self, command: bytes | sasl.Line, continued: sasl.Line | None = None) -> list[Response]:
        """The untagged responses and the tagged OK. Raises CouldNotAsk, with the server's words where it said NO."""
        self._tag += 1
        tag = b"s%d" % self._tag
        line = imap.tagged_secret(tag, command) if isinstance(command, sasl.Line) else imap.tagged(tag, command)
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                return await self._answers(tag, line, continued)
        except TimeoutError as error:
            raise CouldNotAsk(
                Stage.DELIVERY, Kind.TIMEOUT, _in_imap(because("no-answer", waited=ANSWER_LIMIT))
            ) from error

    async def _answers(self, tag: bytes, line: bytes | sasl.Line, continued: sasl.Line | None) -> list[Response]:
        leaving = isinstance(line, bytes) and line.endswith(b" LOGOUT")
        await self._send(line)
        answers: list[Response] = []
        while True:
            answer = await self._response()
            answers.append(answer)
            if answer.kind is Shape.CONTINUATION and continued is not None:
                await self._send(continued)
                continued = None
            elif answer.kind is Shape.CONTINUATION:
                raise CouldNotAsk(Stage.DELIVERY, Kind.GARBAGE, _in_imap(because("imap-question")))
            elif answer.status == "BYE" and not leaving:
                raise CouldNotAsk(
                    Stage.DELIVERY, Kind.CLOSED, _in_imap(because("imap-said", words=self._words(answer)))
                )
            elif answer.kind is Shape.TAGGED:
                if answer.tag != tag:
                    raise CouldNotAsk(Stage.DELIVERY, Kind.GARBAGE, _in_imap(because("imap-other-command")))
                if answer.refused:
                    raise CouldNotAsk(
                        Stage.DELIVERY, Kind.REJECTED, _in_imap(because("imap-said", words=self._words(answer)))
                    )
                return answers

    async def _send(self, line: bytes | sasl.Line) -> None:
        raw, shown = (line.raw, line.shown) if isinstance(line, sasl.Line) else (line, line)
        self._note(Direction.OUT, shown, masked=raw != shown)
        if self._channel is None:
            raise CouldNotAsk(Stage.DELIVERY, Kind.CLOSED, _in_imap(because("not-connected")))
        try:
            await self._channel.write(raw + b"\r\n")
        except OSError as error:
            raise CouldNotAsk(Stage.DELIVERY, Kind.CLOSED, _in_imap(_lost(error))) from error

    async def _response(self) -> Response:
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                answer = await self._read()
        except TimeoutError as error:
            raise CouldNotAsk(
                Stage.DELIVERY, Kind.TIMEOUT, _in_imap(because("no-answer", waited=ANSWER_LIMIT))
            ) from error
        except (ProtocolError, tls.TlsError) as error:
            raise CouldNotAsk(Stage.DELIVERY, Kind.GARBAGE, _in_imap(because("imap-unreadable"))) from error
        except OSError as error:
            raise CouldNotAsk(Stage.DELIVERY, Kind.CLOSED, _in_imap(_lost(error))) from error
        self._note(Direction.IN, _shown(answer))
        return answer

    async def _read(self) -> Response:
        answer = self._reader.feed()
        while answer is None:
            data = await self._channel.read() if self._channel else b""
            if not data:
                raise CouldNotAsk(Stage.DELIVERY, Kind.CLOSED, _in_imap(because("connection-closed")))
            answer = self._reader.feed(data)
        return answer

    def _words(self, answer: Response) -> str:
        """A refusal in the server's words, masked and then cut."""
        return self._mask(answer.text).decode("utf-8", "replace")[:300]

    def _note(self, direction: Direction, raw: bytes, *, masked: bool = False) -> None:
        """Masked both ways: a folder is opened by the name that the server gave it."""
        said = self._mask(raw)[:512]
        self._events.append(Event(time.perf_counter() - self._origin, direction, Stage.DELIVERY, said, masked))


def _listed(answers: list[Response]) -> Iterator[Folder]:
    for answer in answers:
        if answer.status == "LIST":
            with contextlib.suppress(ProtocolError):  # one folder with a name that can't be said does not hide the rest
                yield imap.parse_list(answer)


def _uids(answers: list[Response]) -> tuple[int, ...]:
    return tuple(sorted(uid for answer in answers if answer.status == "SEARCH" for uid in imap.parse_search(answer)))


def _shown(answer: Response) -> bytes:
    lead = answer.tag or (b"*" if answer.kind is Shape.UNTAGGED else b"+")
    number = b"%d " % answer.number if answer.number is not None else b""
    return b"%s %s%s %s" % (lead, number, answer.status.encode(), answer.text)


def _in_imap(reason: Reason) -> Reason:
    return Reason(reason.code, {**reason.seen, "at": "IMAP"})


def _lost(error: OSError | tls.TlsError) -> Reason:
    return error.reason if isinstance(error, tls.TlsError) else os_reason(error)
