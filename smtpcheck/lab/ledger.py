"""What did a practice server hear? Lines by connection, and what can be counted from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

VERBS = frozenset({"EHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "VRFY", "QUIT"})

_MOST_LINES = 10_000


@dataclass(slots=True)
class Message:
    """One accepted mail: envelope and content as received, dots unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)

    @property
    def email(self) -> EmailMessage:
        """The content, parsed."""
        return BytesParser(_class=EmailMessage, policy=default).parsebytes(self.content)


@dataclass(slots=True)
class Ledger:
    """What was heard; shared by all connections of a server."""

    seen: list[list[bytes]] = field(default_factory=list, repr=False)
    """One list a connection: the lines received, without CRLF, secrets included (they are practice accounts')."""
    messages: list[Message] = field(default_factory=list)
    delivered: list[Callable[[Message], None]] = field(default_factory=list, repr=False)
    """Who is told of each accepted mail, as a practice mailbox."""
    handshakes: list[str] = field(default_factory=list)
    """The TLS versions of the handshakes that succeeded, as OpenSSL names them."""

    def took(self, message: Message) -> None:
        """Note an accepted mail, and hand it on."""
        self.messages.append(message)
        for tell in self.delivered:
            tell(message)

    def opened(self) -> list[bytes]:
        """Note a connection; the list its lines go to."""
        lines: list[bytes] = []
        self.seen.append(lines)
        return lines

    def heard(self, lines: list[bytes], line: bytes) -> None:
        """Note a line of a connection; what is past the bound is dropped."""
        if len(lines) < _MOST_LINES:
            lines.append(line.rstrip(b"\r\n"))

    @property
    def connections(self) -> int:
        """How many were accepted."""
        return len(self.seen)

    @property
    def commands(self) -> Counter[str]:
        """How often each verb came; lines of a message and answers to challenges do not count."""
        return Counter(verb for lines in self.seen for verb in _verbs(lines))

    @property
    def auths(self) -> int:
        """How many AUTH commands came: login attempts begun."""
        return self.commands["AUTH"]


def _verbs(lines: list[bytes]) -> Iterator[str]:
    rest = iter(enumerate(lines))
    for at, line in rest:
        verb = line.split(b" ", 1)[0].upper().decode("latin-1")
        if verb in VERBS:
            yield verb
        if verb == "DATA" and b"." in lines[at + 1 :]:
            next((each for _, each in rest if each == b"."), None)
