"""What does a server do that does not behave? An SMTP server that follows a `Script` to the octet."""

from __future__ import annotations

import asyncio
import binascii
import ssl
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from smtpcheck.core import Mode
from smtpcheck.lab import sasld
from smtpcheck.lab.channel import Channel
from smtpcheck.lab.ledger import Ledger, Message
from smtpcheck.lab.listeners import Listener
from smtpcheck.lab.oldtls import OldContext
from smtpcheck.lab.script import Reply, Script, Shake, Then
from smtpcheck.wire import ProtocolError

_MOST_COMMANDS = 1000
_MOST_MESSAGE = 10_485_760
_HANDSHAKE_FAILURE = bytes.fromhex("15030300020228")

_USUAL: Mapping[str, Reply] = {
    "HELO": Reply(text=b"250 {host}\r\n"),
    "MAIL": Reply(text=b"250 2.1.0 Ok\r\n"),
    "RCPT": Reply(text=b"250 2.1.5 Ok\r\n"),
    "RSET": Reply(text=b"250 2.0.0 Ok\r\n"),
    "NOOP": Reply(text=b"250 2.0.0 Ok\r\n"),
    "VRFY": Reply(text=b"252 2.0.0 Cannot verify\r\n"),
    "QUIT": Reply(text=b"221 2.0.0 Bye\r\n", then=Then.CLOSE),
}
_GO_AHEAD = Reply(text=b"354 End data with <CR><LF>.<CR><LF>\r\n")
_QUEUED = Reply(text=b"250 2.0.0 Ok: queued\r\n")
_READY = b"220 2.0.0 Ready to start TLS\r\n"
_UNKNOWN = Reply(text=b"502 5.5.2 Error: command not recognized\r\n")
_UNAVAILABLE = Reply(text=b"503 5.5.1 Error: not available\r\n")
_NO_MECHANISM = Reply(text=b"504 5.5.4 Unrecognized authentication type\r\n")
_ABORTED = Reply(text=b"501 5.7.0 Authentication aborted\r\n")
_ACCEPTED = Reply(text=b"235 2.7.0 Authentication successful\r\n")
_REFUSED = Reply(text=b"535 5.7.8 Error: authentication failed\r\n")


# the Second Oakley Group (RFC 2409 section 6.2), which is in use to this day
_GROUPS = {
    1024: """-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
}


class _Over(Exception):
    """The script says that the conversation ends here."""


@dataclass(slots=True)
class _Talk:
    """The state of one conversation."""

    channel: Channel
    lines: list[bytes]
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    login: dict[bytes, bytes] = field(default_factory=dict)


class ScriptedServer:
    """An SMTP server on a free port that follows `script`; `accounts` maps user to password."""

    def __init__(
        self,
        script: Script,
        *,
        host: str = "smtp.lab.test",
        context: ssl.SSLContext | None = None,
        accounts: Mapping[str, str] | None = None,
        old: OldContext | None = None,
    ) -> None:
        self.script = script
        self._old = old
        self.ledger = Ledger()
        self._host = host.encode("ascii")
        self._context = context
        self._accounts = dict(accounts or {})
        self._listener = Listener(self._serve)
        if context is not None:
            bound_versions(context, script.oldest, script.newest)
            bound_suites(context, script.ciphers, script.group)
            context.num_tickets = script.tickets or context.num_tickets

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._listener.port

    async def start(self) -> None:
        """Listen on a free port."""
        await self._listener.start()

    async def stop(self) -> None:
        """Stop listening and end every conversation."""
        await self._listener.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = _Talk(Channel(reader, writer), self.ledger.opened())
        try:
            if self.script.mode is Mode.IMPLICIT:
                await self._shake(talk)
            await self._say(talk, self.script.greeting)
            for _ in range(_MOST_COMMANDS):
                line = await self._line(talk)
                if not line:
                    break
                await self._obey(talk, line)
        except _Over:
            pass
        await talk.channel.shut()

    async def _line(self, talk: _Talk) -> bytes:
        line = await talk.channel.line()
        if line:
            self.ledger.heard(talk.lines, line)
        return line

    async def _say(self, talk: _Talk, reply: Reply) -> None:
        """Say a reply and do what follows it; raises _Over."""
        await asyncio.sleep(reply.delay)
        text = reply.text.replace(b"{host}", self._host)
        for name, value in talk.login.items():
            text = text.replace(name, value)
        for time in range(reply.times):
            if time:
                await asyncio.sleep(reply.pause)
            await _sent(talk.channel, text, reply.drip)
        if reply.raw:
            await talk.channel.say_raw(reply.raw)
        match reply.then:
            case Then.HANG:
                await talk.channel.drain_forever()
            case Then.RESET:
                talk.channel.reset()
        if reply.then is not Then.GO_ON:
            raise _Over

    async def _obey(self, talk: _Talk, line: bytes) -> None:
        word, _, rest = line.rstrip(b"\r\n").partition(b" ")
        verb = word.upper().decode("latin-1")
        script = self.script
        stated = (script.replies_tls.get(verb) if talk.channel.encrypted else None) or script.replies.get(verb)
        if stated is not None:
            await self._say(talk, stated)
            return
        match verb:
            case "EHLO":
                await self._say(talk, self._capabilities(talk))
            case "STARTTLS":
                await self._starttls(talk)
            case "AUTH":
                await self._auth(talk, rest)
            case "DATA":
                await self._data(talk)
            case _:
                refusal = script.recipients.get(_path(rest)) if verb == "RCPT" else None
                if refusal is None:
                    _remember(talk, verb, rest)
                await self._say(talk, refusal or _USUAL.get(verb, _UNKNOWN))

    def _offers(self, talk: _Talk) -> tuple[str, ...]:
        return self.script.offers_tls if talk.channel.encrypted else self.script.offers

    def _capabilities(self, talk: _Talk) -> Reply:
        lines = [self._host, *(offer.encode("latin-1") for offer in self._offers(talk))]
        return Reply(text=b"".join(b"250-" + each + b"\r\n" for each in lines[:-1]) + b"250 " + lines[-1] + b"\r\n")

    async def _starttls(self, talk: _Talk) -> None:
        if talk.channel.encrypted or "STARTTLS" not in self._offers(talk):
            await self._say(talk, _UNAVAILABLE)
            return
        await talk.channel.say(_READY + self.script.injected)
        await self._shake(talk)

    async def _shake(self, talk: _Talk) -> None:
        """Answer a ClientHello as the script has it; raises _Over."""
        channel, context = talk.channel, self._context
        if context is None:
            raise ProtocolError("TLS without a certificate")
        match self.script.shake:
            case Shake.COMPLETE if self.script.largest and channel.segment > self.script.largest:
                await channel.raw_hello()
                await channel.drain_forever()
                raise _Over
            case Shake.COMPLETE | Shake.OLD:
                await channel.handshake(self._old or context)
                self.ledger.handshakes.append(channel.version)
                return
            case Shake.HALF:
                await channel.half_flight(context)
                raise _Over
        await channel.raw_hello()
        match self.script.shake:
            case Shake.HANG:
                await channel.drain_forever()
            case Shake.RESET:
                channel.reset()
            case Shake.ALERT:
                await channel.say_raw(_HANDSHAKE_FAILURE)
            case Shake.GARBAGE:
                await channel.say_raw(b"500 5.5.1 Command unrecognized\r\n")
        raise _Over

    async def _auth(self, talk: _Talk, rest: bytes) -> None:
        words = rest.split()
        mechanism = words[0].upper().decode("latin-1") if words else ""
        offered = _mechanisms(self._offers(talk))
        if not offered:
            await self._say(talk, _UNAVAILABLE)
            return
        if mechanism not in offered or mechanism not in sasld.MECHANISMS:
            await self._say(talk, _NO_MECHANISM)
            return
        initial = words[1] if len(words) > 1 else b""
        talk.login[b"{response}"] = initial
        desk = sasld.Desk(partial(self._challenge, talk), self._accounts, self.script)
        try:
            outcome = await sasld.MECHANISMS[mechanism](desk, initial)
        except (binascii.Error, ProtocolError):
            await self._say(talk, _ABORTED)
            return
        talk.login |= {b"{user}": outcome.user, b"{password}": outcome.secret}
        await self._say(talk, self.script.auth or (_ACCEPTED if outcome.right else _REFUSED))

    async def _challenge(self, talk: _Talk, text: bytes) -> bytes:
        """Say a challenge; the line of the client without its end."""
        await talk.channel.say(b"334 " + text + b"\r\n")
        line = await self._line(talk)
        answer = line.strip()
        if not line or answer == b"*":
            raise ProtocolError("aborted")
        talk.login[b"{response}"] = answer
        return answer

    async def _data(self, talk: _Talk) -> None:
        await self._say(talk, _GO_AHEAD)
        content = bytearray()
        while (line := await self._line(talk)).rstrip(b"\r\n") != b".":
            content += line[1:] if line.startswith(b".") else line
            if not line or len(content) > _MOST_MESSAGE:
                raise _Over
        self.ledger.took(Message(talk.sender, tuple(talk.recipients), bytes(content)))
        await self._say(talk, self.script.queued or _QUEUED)


def _mechanisms(offers: Iterable[str]) -> set[str]:
    """Those of the AUTH keyword, in the old form with = too."""
    lines = (offer.upper().replace("AUTH=", "AUTH ").split() for offer in offers)
    return {name for words in lines if words[:1] == ["AUTH"] for name in words[1:]}


def _path(rest: bytes) -> str:
    return rest.partition(b"<")[2].partition(b">")[0].decode("utf-8", "replace")


def _remember(talk: _Talk, verb: str, rest: bytes) -> None:
    path = _path(rest)
    if verb == "MAIL":
        talk.sender, talk.recipients = path, []
    elif verb == "RCPT":
        talk.recipients.append(path)


async def _sent(channel: Channel, text: bytes, drip: float) -> None:
    if not text:
        return
    if not drip:
        await channel.say(text)
        return
    for octet in text:
        await channel.say(bytes((octet,)))
        await asyncio.sleep(drip)


def bound_versions(context: ssl.SSLContext, oldest: str, newest: str) -> None:
    """Set the TLS versions of a server side by name, as "TLSv1"; empty: leave as it is. Raises KeyError."""
    if not oldest and not newest:
        return
    # below TLS 1.2 OpenSSL 3 needs security level 0, which signs with SHA-1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if oldest:
            context.minimum_version = ssl.TLSVersion[oldest]
        if newest:
            context.maximum_version = ssl.TLSVersion[newest]


def bound_suites(context: ssl.SSLContext, ciphers: str, group: int) -> None:
    """Set the suites of a server side, and the group of DHE. Raises ssl.SSLError, KeyError."""
    if ciphers:
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if group:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(_GROUPS[group])
            file.flush()
            context.load_dh_params(file.name)
