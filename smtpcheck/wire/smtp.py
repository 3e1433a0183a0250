"""What did the server say? SMTP replies and capabilities, read strictly and within bounds (RFC 5321)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from smtpcheck.core import because
from smtpcheck.wire import ProtocolError

# RFC 5321 section 4.5.3.1.5 allows 512; servers with long help links exceed it. 8 KiB is what aiosmtplib reads.
MAX_LINE = 8192
# The longest healthy EHLO answers have about 30 lines.
MAX_LINES = 256
MAX_REPLY = 65536

_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_REPLY_START = re.compile(rb"[2-5][0-9]?|[2-5][0-9][0-9](?:\r|[ -].*)?", re.DOTALL)
_ENHANCED = re.compile(rb"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?=[\s:]|$)")
_HAN_RUN = re.compile("[一-鿿]{2,}")
# Two characters side by side out of level 1 of GB 2312, the 3755 that Chinese is written with. Of the rest of
# GB18030 the accented letters of Latin-1 make rare characters: "répétée" would be three of them.
_COMMON_RUN = re.compile(rb"(?:[\xb0-\xd7][\xa1-\xfe]){2}")

# vsFTPd, ProFTPD, Microsoft FTP Service, FileZilla Server, and "530 Please login with USER and PASS"
_FTP_NAME = re.compile(rb"(?i)(?:vs|pro|pure-|\b)ftpd?\b(?!\.)|filezilla")
_MAIL_NAME = re.compile(rb"(?i)smtp|\bmail")
_FTP_LOGIN = re.compile(rb"(?i)\bUSER\b.{0,20}\bPASS\b")

_FOREIGN = (
    (b"HTTP/", "http"),
    (b"<", "http"),
    (b"SSH-", "ssh"),
    (b"* OK", "imap"),
    (b"* BYE", "imap"),
    (b"* PREAUTH", "imap"),
    (b"+OK", "pop3"),
    (b"-ERR", "pop3"),
    (b"\x15\x03", "tls"),
    (b"\x16\x03", "tls"),
    (b"RFB ", "vnc"),
    # IAC WILL and IAC DO: RFC 854
    (b"\xff\xfb", "telnet"),
    (b"\xff\xfd", "telnet"),
    (b"\x00\x00\x00", "binary"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply (RFC 5321 section 4.2): the code, the text of each line without it, and its flaws."""

    code: int
    lines: tuple[bytes, ...]
    flaws: tuple[str, ...] = ()
    """Words for what deviates from the RFC but was understood: bare-lf, mixed-codes, long-line."""

    @property
    def positive(self) -> bool:
        """2yz or 3yz (RFC 5321 section 4.2.1)."""
        return self.code < 400

    @property
    def temporary(self) -> bool:
        """4yz: the same later may work."""
        return 400 <= self.code < 500

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), empty when there is none."""
        match = _ENHANCED.match(self.lines[0]) if self.lines else None
        return match.group(0).decode() if match else ""

    @property
    def text(self) -> str:
        """All lines for a person, on one line."""
        return readable(b" ".join(self.lines))

    @property
    def raw(self) -> bytes:
        """The reply as one line of evidence."""
        return b"%d %s" % (self.code, b" / ".join(self.lines))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What EHLO announced (RFC 5321 section 4.1.1.1): keyword -> parameters, both upper-case keywords."""

    name: str
    keywords: Mapping[str, str] = field(default_factory=dict)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms offered (RFC 4954 section 3), upper-case, in the server's order."""
        return tuple(dict.fromkeys(self.keywords.get("AUTH", "").upper().split()))


def readable(raw: bytes) -> str:
    """Bytes of a peer as text: UTF-8, else GB18030 where that gives a run of Han characters, else Latin-1."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        chinese = raw.decode("gb18030", errors="replace")
        if "�" not in chinese and _COMMON_RUN.search(raw) and _HAN_RUN.search(chinese):
            return chinese
        return raw.decode("latin-1")


def foreign(raw: bytes) -> str:
    """The protocol that these first bytes belong to (http, ssh, imap, pop3, tls ...), empty when unknown."""
    return next((name for start, name in _FOREIGN if raw.startswith(start)), "")


def begins_reply(raw: bytes) -> bool:
    """These bytes begin as a reply does: three digits of RFC 5321 section 4.2 and a separator, or the start of that."""
    return bool(raw) and bool(_REPLY_START.fullmatch(raw[:3] if len(raw) < 4 else raw[:4]))


def disguised(greeting: Reply, refusal: Reply) -> str:
    """The protocol that greets with 220 as SMTP does (ftp: RFC 959 section 5.4), told by its words; empty when unknown.

    `refusal` is the answer to EHLO: what a mail server greets with is no proof as long as it answers EHLO.
    """
    said = b" ".join(greeting.lines)
    named = bool(_FTP_NAME.search(said)) and not _MAIL_NAME.search(said)
    asks_for_ftp_login = refusal.code == 530 and _FTP_LOGIN.search(b" ".join(refusal.lines))
    return "ftp" if asks_for_ftp_login or (named and refusal.code in (500, 502, 530)) else ""


def parse_capabilities(reply: Reply) -> Capabilities:
    """The capabilities in a positive EHLO reply; the first line is the server's name and greeting."""
    keywords: dict[str, str] = {}
    for line in reply.lines[1:]:
        word, parameters = [*line.decode("ascii", "replace").split(None, 1), "", ""][:2]
        # `AUTH=LOGIN` is the form of an old draft that some servers still add for old clients
        if word.upper().startswith("AUTH="):
            word, parameters = "AUTH", f"{word[5:]} {parameters}"
        if word:
            known = keywords.get(word.upper(), "")
            keywords[word.upper()] = f"{known} {parameters.strip()}".strip()
    first = reply.lines[0].decode("ascii", "replace").split() if reply.lines else []
    return Capabilities(first[0] if first else "", keywords)


class ReplyReader:
    """Bytes in, replies out. Feed what arrives; what follows the reply stays in `rest`."""

    def __init__(self) -> None:
        self.rest = b""
        self._lines: list[bytes] = []
        self._codes: list[int] = []
        self._flaws: dict[str, None] = {}
        self._size = 0

    @property
    def begun(self) -> bool:
        """Part of a reply has arrived."""
        return bool(self.rest or self._lines)

    def partial(self, masked: Callable[[Sequence[bytes]], Sequence[bytes]] = tuple) -> bytes:
        """What has arrived of an unfinished reply, for evidence: `masked` as one text, and then cut."""
        *lines, rest = masked([*self._lines, self.rest])
        whole = [b"%d-%s" % each for each in zip(self._codes, lines, strict=True)]
        return b" / ".join([*whole, rest])[:MAX_LINE]

    @property
    def plausible(self) -> bool:
        """What has arrived so far can still become a reply."""
        return not self.rest or bool(_REPLY_START.fullmatch(self.rest))

    def feed(self, data: bytes) -> Reply | None:
        """Take more bytes; the reply when it is whole. Raises ProtocolError for what is no reply."""
        self.rest += data
        self._size += len(data)
        while b"\n" in self.rest:
            line, _, self.rest = self.rest.partition(b"\n")
            if self._size - len(self.rest) > MAX_REPLY:
                raise ProtocolError(
                    f"a reply of more than {MAX_REPLY} bytes", because("reply-too-long", limit=MAX_REPLY)
                )
            if self._take(line):
                return self._finish()
        if len(self.rest) > MAX_LINE:
            raise ProtocolError(
                f"a line of more than {MAX_LINE} bytes without an end", because("line-without-end", limit=MAX_LINE)
            )
        if self._size > MAX_REPLY:
            raise ProtocolError(f"a reply of more than {MAX_REPLY} bytes", because("reply-too-long", limit=MAX_REPLY))
        return None

    def _take(self, line: bytes) -> bool:
        if line.endswith(b"\r"):
            line = line[:-1]
        else:
            self._flaws["bare-lf"] = None
        match = _REPLY_LINE.fullmatch(line)
        if match is None:
            self.rest = line + b"\n" + self.rest
            raise ProtocolError("not an SMTP reply", because("reply-not-smtp"))
        if len(line) > MAX_LINE:
            self.rest = line + b"\n" + self.rest
            raise ProtocolError(f"a line of more than {MAX_LINE} bytes", because("line-too-long", limit=MAX_LINE))
        if len(line) > 510:  # 512 with its CRLF
            self._flaws["long-line"] = None
        self._lines.append(match.group(3) or b"")
        self._codes.append(int(match.group(1)))
        if len(self._lines) > MAX_LINES:
            raise ProtocolError(
                f"a reply of more than {MAX_LINES} lines", because("reply-of-many-lines", limit=MAX_LINES)
            )
        return match.group(2) != b"-"

    def _finish(self) -> Reply:
        if len(set(self._codes)) > 1:
            self._flaws["mixed-codes"] = None
        # RFC 5321 section 4.2.1: all lines carry the same code; where they don't, clients act on the last
        reply = Reply(self._codes[-1], tuple(self._lines), tuple(self._flaws))
        self._lines, self._codes, self._flaws, self._size = [], [], {}, len(self.rest)
        return reply
