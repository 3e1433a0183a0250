"""Where does delivered mail lie? An IMAP server (RFC 3501) with folders filled from Python, and faults by name."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial

from smtpcheck.core import Mode
from smtpcheck.lab.channel import Channel
from smtpcheck.lab.ledger import Ledger
from smtpcheck.lab.listeners import Listener
from smtpcheck.lab.mailbox import FIRST_UID, Folder, Message, item, keyword, pattern, ranges, search_keys, word
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.imap import Token, quoted, tokenize
from smtpcheck.wire.utf7 import encode_utf7

FOLDERS: Mapping[str, str] = {
    "INBOX": "",
    "Junk": "\\Junk",
    "Trash": "\\Trash",
    "订阅": "",
    "垃圾邮件": "",
    "Spam": "",
}
"""Name to SPECIAL-USE flag (RFC 6154): one junk folder is marked, two are known by their names only."""

OFFERS = ("SASL-IR", "AUTH=PLAIN", "ID", "SPECIAL-USE", "LIST-EXTENDED", "UNSELECT")

_MOST_COMMANDS = 1000
_MOST_LITERAL = 65_536
_MOST_MESSAGE = 10_485_760
_MOST_MESSAGES = 10_000
_MOST_FLOOD = 1 << 30
_LITERAL = re.compile(rb"\{([0-9]{1,6})(\+?)\}\r?\n$")
# NetEase's own words
_UNSAFE = b"NO %s Unsafe Login. Please contact kefu@188.com for help"
_REFUSED = b"NO [AUTHENTICATIONFAILED] Authentication failed."


class ImapFault(StrEnum):
    """How a mailbox server misbehaves."""

    REFUSE_LOGIN = "refuse-login"
    UNSAFE_LOGIN = "unsafe-login"
    """No folder is opened before ID was said, before the login or after it."""
    ID_REQUIRED = "id-required"
    """The same, but only an ID after the login counts."""
    LOCKED = "locked"
    """No folder is opened, ID or not: the account is locked."""
    DELAYED = "delayed"
    """What is delivered is seen `seconds` later."""
    NEVER = "never"
    """What is delivered is not seen."""
    SEARCH_UNSUPPORTED = "search-unsupported"
    SEARCH_BLIND = "search-blind"
    """SEARCH HEADER and SUBJECT find nothing."""
    SLOW = "slow"
    """`seconds` before every answer."""
    CLOSES = "closes"
    HANGS = "hangs"
    RESETS = "resets"
    GARBAGE = "garbage"
    ENDLESS_LITERAL = "endless-literal"
    ENDLESS_RESPONSES = "endless-responses"


# Where a fault strikes that may strike anywhere.
_STRIKES = {
    ImapFault.CLOSES: "SEARCH",
    ImapFault.HANGS: "SEARCH",
    ImapFault.RESETS: "SEARCH",
    ImapFault.GARBAGE: "SEARCH",
    ImapFault.ENDLESS_LITERAL: "FETCH",
    ImapFault.ENDLESS_RESPONSES: "SEARCH",
}


@dataclass(slots=True)
class _Talk:
    """The state of one conversation."""

    channel: Channel
    lines: list[bytes]
    user: str = ""
    identified: bool = False
    folder: Folder | None = None
    told: int = 0
    """How many messages the client was told of."""
    tag: bytes = b""
    over: bool = False


class _Over(Exception):
    """The conversation ends here."""


_Words = tuple[Token, ...]
_Command = Callable[[_Talk, _Words], Awaitable[bytes]]


class ImapServer:
    """A mailbox server on a free port; `accounts` maps user to password, every user has all of `folders`.

    `at` is the command at which a fault strikes that may strike anywhere, or GREETING.
    """

    def __init__(
        self,
        *,
        mode: Mode = Mode.IMPLICIT,
        host: str = "imap.lab.test",
        context: ssl.SSLContext | None = None,
        accounts: Mapping[str, str] | None = None,
        folders: Mapping[str, str] = FOLDERS,
        offers: tuple[str, ...] = OFFERS,
        fault: str = "",
        at: str = "",
        seconds: float = 1.0,
    ) -> None:
        self.ledger = Ledger()
        self.commands: Counter[str] = Counter()
        """How often each command came; UID SEARCH counts as SEARCH."""
        self.deliveries = 0
        self.fault = ImapFault(fault) if fault else None
        self._at = at or (_STRIKES.get(self.fault, "") if self.fault else "")
        self._seconds = seconds
        self._mode = mode
        self._host = host.encode("ascii")
        self._context = context
        self._accounts = dict(accounts or {})
        self._offers = offers
        self._boxes = {user: {name: Folder(name, flag) for name, flag in folders.items()} for user in self._accounts}
        self._listener = Listener(self._serve)
        self._anytime: Mapping[str, _Command] = {
            "CAPABILITY": self._capability,
            "NOOP": self._noop,
            "LOGOUT": self._logout,
            "ID": self._id,
            "STARTTLS": self._starttls,
            "LOGIN": self._login,
            "AUTHENTICATE": self._authenticate,
        }
        self._inside: Mapping[str, _Command] = {
            "LIST": self._list,
            "SELECT": partial(self._open, access=b"READ-WRITE"),
            "EXAMINE": partial(self._open, access=b"READ-ONLY"),
        }
        self._selected: Mapping[str, _Command] = {
            "SEARCH": partial(self._find, uid=False),
            "UID SEARCH": partial(self._find, uid=True),
            "FETCH": partial(self._tell, uid=False),
            "UID FETCH": partial(self._tell, uid=True),
            "CLOSE": self._close,
            "UNSELECT": self._close,
        }

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._listener.port

    @property
    def logins(self) -> int:
        """How many logins were tried."""
        return self.commands["LOGIN"] + self.commands["AUTHENTICATE"]

    async def start(self) -> None:
        """Listen on a free port."""
        await self._listener.start()

    async def stop(self) -> None:
        """Stop listening and end every conversation."""
        await self._listener.stop()

    def deliver(
        self, user: str, folder: str, content: bytes, at: datetime | None = None, *, after: float = 0.0
    ) -> None:
        """Put a message into a folder, seen after `after` seconds; `at` is its INTERNALDATE, aware, else now.

        Raises KeyError for an unknown user or folder, ValueError past the bounds.
        """
        box = self._boxes[user][folder]
        if len(content) > _MOST_MESSAGE or len(box.messages) + len(box.coming) >= _MOST_MESSAGES:
            raise ValueError("more mail than a practice mailbox holds")
        self.deliveries += 1
        if self.fault is ImapFault.NEVER:
            return
        wait = after + (self._seconds if self.fault is ImapFault.DELAYED else 0.0)
        taken = (at or datetime.now(UTC)).astimezone(UTC)
        box.coming.append((time.monotonic() + wait, re.sub(rb"\r?\n", b"\r\n", content), taken))

    # The conversation

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = _Talk(Channel(reader, writer), self.ledger.opened())
        try:
            if self._mode is Mode.IMPLICIT:
                await self._shake(talk)
            await self._strike(talk, "GREETING")
            await talk.channel.say(b"* OK [CAPABILITY %s] %s ready\r\n" % (self._capabilities(talk), self._host))
            for _ in range(_MOST_COMMANDS):
                line = await self._line(talk)
                if not line:
                    break
                await self._obey(talk, line)
        except _Over:
            pass
        await talk.channel.shut()

    async def _shake(self, talk: _Talk) -> None:
        if self._context is None:
            raise ProtocolError("TLS without a certificate")
        await talk.channel.handshake(self._context)
        self.ledger.handshakes.append(talk.channel.version)

    async def _line(self, talk: _Talk) -> bytes:
        """A command with its literals (RFC 3501 section 4.3, RFC 7888); empty at the end."""
        line = await talk.channel.line()
        parts: list[bytes] = []
        while found := _LITERAL.search(line):
            size = int(found[1])
            if size + sum(map(len, parts)) > _MOST_LITERAL:
                raise ProtocolError("a literal too long")
            if not found[2]:
                await talk.channel.say(b"+ Ready for the literal\r\n")
            parts.append(line[: found.start()] + b"{%d}\r\n" % size)
            data = b""
            while not data[size:].endswith(b"\n"):
                data += await self._more(talk)
            parts.append(data[:size])
            line = data[size:]
        parts.append(line)
        whole = b"".join(parts)
        self.ledger.heard(talk.lines, whole)
        return whole

    async def _more(self, talk: _Talk) -> bytes:
        line = await talk.channel.line()
        if not line:
            raise EOFError("gone within a command")
        return line

    async def _obey(self, talk: _Talk, line: bytes) -> None:
        talk.tag, _, rest = line.rstrip(b"\r\n").partition(b" ")
        try:
            words = tokenize(rest)
            verb = word(words[0]).upper()
            if verb == b"UID":
                verb, words = b"UID " + word(words[1]).upper(), words[1:]
            name = verb.removeprefix(b"UID ").decode("latin-1")
            self.commands[name] += 1
            await self._strike(talk, name)
            answer = await self._answer(talk, verb.decode("latin-1"), words[1:])
        except (ProtocolError, IndexError) as error:
            answer = b"BAD Error in command: " + str(error).encode("ascii", "replace")
        if answer:
            await talk.channel.say(talk.tag + b" " + answer + b"\r\n")
        if talk.over:
            raise _Over

    async def _answer(self, talk: _Talk, verb: str, words: _Words) -> bytes:
        """Obey a command; the tagged answer without its tag, or nothing where it was given."""
        command = self._anytime.get(verb)
        if command is None and talk.user:
            command = self._inside.get(verb)
        if talk.folder is not None:
            await self._tell_new(talk, talk.folder)
            command = command or self._selected.get(verb)
        if command is None:
            return b"BAD Unknown command, or not now"
        return await command(talk, words)

    async def _tell_new(self, talk: _Talk, folder: Folder) -> None:
        """RFC 3501 section 5.2: the size of the mailbox may be told at any command."""
        count = len(folder.arrived())
        if count != talk.told:
            talk.told = count
            await talk.channel.say(b"* %d EXISTS\r\n" % count)

    async def _strike(self, talk: _Talk, name: str) -> None:
        """Misbehave, where it is time to; raises _Over."""
        channel = talk.channel
        if self.fault is ImapFault.SLOW and self._at in ("", name):
            await asyncio.sleep(self._seconds)
        if self.fault not in _STRIKES or name != self._at:
            return
        match self.fault:
            case ImapFault.RESETS:
                channel.reset()
            case ImapFault.HANGS:
                await channel.drain_forever()
            case ImapFault.GARBAGE:
                await channel.say(b"\0\xff\xfe{99}<html>\x1b[2J 250 what?\r\n")
                await channel.drain_forever()
            case ImapFault.ENDLESS_LITERAL:
                await channel.say(b"* 1 FETCH (UID %d BODY[] {%d}\r\n" % (FIRST_UID, _MOST_FLOOD))
                await _flood(channel, b"x" * 65_536)
            case ImapFault.ENDLESS_RESPONSES:
                await _flood(channel, b"* OK Still searching\r\n" * 1000)
        raise _Over

    # Commands of any time

    def _capabilities(self, talk: _Talk) -> bytes:
        words: tuple[str, ...] = self._offers
        if self._in_clear(talk):
            words = ("STARTTLS", "LOGINDISABLED", *(each for each in words if not each.startswith("AUTH=")))
        return " ".join(("IMAP4rev1", *words)).encode("ascii")

    def _in_clear(self, talk: _Talk) -> bool:
        return self._mode is Mode.STARTTLS and not talk.channel.encrypted

    async def _capability(self, talk: _Talk, words: _Words) -> bytes:
        await talk.channel.say(b"* CAPABILITY %s\r\n" % self._capabilities(talk))
        return b"OK CAPABILITY completed"

    async def _noop(self, talk: _Talk, words: _Words) -> bytes:
        return b"OK NOOP completed"

    async def _logout(self, talk: _Talk, words: _Words) -> bytes:
        await talk.channel.say(b"* BYE Logging out\r\n")
        talk.over = True
        return b"OK LOGOUT completed"

    async def _id(self, talk: _Talk, words: _Words) -> bytes:
        talk.identified = isinstance(words[0], tuple) and len(words[0]) > 0
        await talk.channel.say(b'* ID ("name" "practice")\r\n')
        return b"OK ID completed"

    async def _starttls(self, talk: _Talk, words: _Words) -> bytes:
        if not self._in_clear(talk):
            return b"BAD Not now"
        await talk.channel.say(talk.tag + b" OK Begin TLS negotiation now\r\n")
        await self._shake(talk)
        return b""

    async def _login(self, talk: _Talk, words: _Words) -> bytes:
        return self._judged(talk, word(words[0]), word(words[1]))

    async def _authenticate(self, talk: _Talk, words: _Words) -> bytes:
        if word(words[0]).upper() != b"PLAIN" or "AUTH=PLAIN" not in self._offers:
            return b"NO [CANNOT] Unsupported authentication mechanism"
        if len(words) > 1:
            response = word(words[1])
        else:
            await talk.channel.say(b"+ \r\n")
            response = (await self._more(talk)).strip()
            self.ledger.heard(talk.lines, response)
        try:
            parts = base64.b64decode(response, validate=True).split(b"\0")
        except binascii.Error:
            parts = []
        return self._judged(talk, parts[1], parts[2]) if len(parts) == 3 else b"BAD Not a PLAIN message"

    def _judged(self, talk: _Talk, user: bytes, password: bytes) -> bytes:
        if self._in_clear(talk):
            return b"NO [PRIVACYREQUIRED] Not without TLS"
        name = user.decode("utf-8", "replace")
        known = self._accounts.get(name)
        if talk.user or known is None or known.encode() != password or self.fault is ImapFault.REFUSE_LOGIN:
            return _REFUSED
        talk.user = name
        talk.identified = talk.identified and self.fault is not ImapFault.ID_REQUIRED
        return b"OK [CAPABILITY %s] Logged in" % self._capabilities(talk)

    # Commands after the login

    async def _list(self, talk: _Talk, words: _Words) -> bytes:
        only_special = isinstance(words[0], tuple) and b"SPECIAL-USE" in words[0]
        reference, wanted = (word(each) for each in words[isinstance(words[0], tuple) :][:2])
        named = pattern(reference + wanted)
        for folder in self._boxes[talk.user].values():
            flag = folder.flag if "SPECIAL-USE" in self._offers else ""
            name = encode_utf7(folder.name)
            if named.fullmatch(name) and (flag or not only_special):
                await talk.channel.say(b'* LIST (%s) "/" %s\r\n' % (flag.encode("ascii"), quoted(name)))
        return b"OK LIST completed"

    async def _open(self, talk: _Talk, words: _Words, *, access: bytes) -> bytes:
        # RFC 3501 section 6.3.1: a failed SELECT leaves no folder open
        talk.folder = None
        if self.fault is ImapFault.LOCKED or (self.fault in _WANT_ID and not talk.identified):
            return _UNSAFE % (b"SELECT" if access == b"READ-WRITE" else b"EXAMINE")
        name = b"INBOX" if keyword(words[0]) == b"INBOX" else word(words[0])
        folder = next((each for each in self._boxes[talk.user].values() if encode_utf7(each.name) == name), None)
        if folder is None:
            return b"NO [NONEXISTENT] No such folder"
        talk.folder, talk.told = folder, len(folder.arrived())
        await talk.channel.say(
            b"* FLAGS (\\Answered \\Seen)\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
            b"* OK [UIDVALIDITY 1] Valid\r\n* OK [UIDNEXT %d] Next\r\n" % (talk.told, FIRST_UID + talk.told)
        )
        return b"OK [%s] Opened" % access

    # Commands in a folder

    async def _close(self, talk: _Talk, words: _Words) -> bytes:
        talk.folder = None
        return b"OK Closed"

    async def _find(self, talk: _Talk, words: _Words, *, uid: bool) -> bytes:
        if self.fault is ImapFault.SEARCH_UNSUPPORTED:
            return b"BAD Command not supported"
        if words and keyword(words[0]) == b"CHARSET":
            if keyword(words[1]) not in (b"UTF-8", b"US-ASCII"):
                return b"NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset"
            words = words[2:]
        keys = search_keys(words, blind=self.fault is ImapFault.SEARCH_BLIND)
        messages = _messages(talk)
        hits = [(number, each) for number, each in enumerate(messages, 1) if all(key(each) for key in keys)]
        numbers = b"".join(b" %d" % (each.uid if uid else number) for number, each in hits)
        await talk.channel.say(b"* SEARCH%s\r\n" % numbers)
        return b"OK SEARCH completed"

    async def _tell(self, talk: _Talk, words: _Words, *, uid: bool) -> bytes:
        items = [word(each) for each in (words[1] if isinstance(words[1], tuple) else words[1:])]
        if uid and b"UID" not in map(bytes.upper, items):
            items.insert(0, b"UID")
        messages = _messages(talk)
        last = (messages[-1].uid if uid else len(messages)) if messages else 0
        chosen = list(ranges(word(words[0]), last))
        for number, message in enumerate(messages, 1):
            if any(low <= (message.uid if uid else number) <= high for low, high in chosen):
                told = b" ".join(item(message, each) for each in items)
                await talk.channel.say(b"* %d FETCH (%s)\r\n" % (number, told))
        return b"OK FETCH completed"


_WANT_ID = (ImapFault.UNSAFE_LOGIN, ImapFault.ID_REQUIRED)


def _messages(talk: _Talk) -> list[Message]:
    return talk.folder.messages[: talk.told] if talk.folder else []


async def _flood(channel: Channel, data: bytes) -> None:
    for _ in range(_MOST_FLOOD // len(data)):
        await channel.say(data)
