"""Which refusals does a pasted text quote, and at which stage? Tracebacks, program logs, transcripts, bounces.

Only what the text itself says is believed; nothing is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smtpcheck.core import Stage
from smtpcheck.wire.smtp import readable

# As long as one reply may be (wire.smtp.MAX_REPLY is for hostile servers; honest ones end far below).
MAX_QUOTE = 4096
MAX_QUOTES = 50
# Of a longer text the first and the last half of this: what failed stands at an end.
MAX_LINES = 6000
_MAX_JOINED = 8

_STATUS = r"[245]\.[0-9]{1,3}\.[0-9]{1,3}"
_ENHANCED = re.compile(rf"\s*#?({_STATUS})(?=[\s:;,\])]|$)")
# RFC 5321 section 4.2.1: the second digit is 0 to 5, so that the ports 465 and 587 are no codes. The first branch: at
# the start, or behind what introduces a quotation; the second: anywhere, with an enhanced code behind it.
_REPLY = re.compile(
    rf"(?:^|[:;'\"(>*\]=#]|said|returned|error|reply)\s{{0,4}}['\"(<#]?([45][0-5][0-9])(?:[ -](?=\S)|$)"
    rf"|(?<![\w.:/@#-])([45][0-5][0-9])[ -]#?(?={_STATUS})"
)
_CONTINUED = re.compile(r"([2-5][0-5][0-9])-")
# repr() of what Python's libraries raise: (535, b'5.7.8 ...'), (535, '5.7.8 ...')
_PAIR = re.compile(r"\(\s{0,3}([45][0-5][0-9]),\s{0,3}b?(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")")
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[nrt\\'\"])")
_PLAIN_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_RECIPIENT = re.compile(r"['\"<]([^\s'\"<>]{1,250}@[^\s'\"<>]{1,250})['\">]:\s{0,3}$")

# Times and program names of logs, and who speaks: swaks, smtplib's debug level, PHPMailer, nodemailer, curl, sendmail.
_CLOCK = re.compile(r"\[?\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?:?\s+")
_SPEAKER = re.compile(
    r"(?:<-|<~|<\*\*|<~\*|<<<|<|S:|SERVER -> CLIENT:|\[?server\]?:|reply: b?['\"]"
    r"|->|~>|>>>|>|C:|CLIENT -> SERVER:|\[?client\]?:|send: b?['\"])\s{0,8}",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"(?i)(EHLO|HELO|LHLO|STARTTLS|AUTH|MAIL FROM|RCPT TO|DATA|QUIT|RSET|NOOP)(?=[ :\r\n'\"\\]|$)"
    r"(?!\s*(?:command|:\s*\w+ ))"
)
_OF_COMMAND = {
    "EHLO": Stage.EHLO,
    "HELO": Stage.EHLO,
    "LHLO": Stage.EHLO,
    "STARTTLS": Stage.STARTTLS,
    "AUTH": Stage.AUTH,
    "MAIL FROM": Stage.MAIL,
    "RCPT TO": Stage.RCPT,
    "DATA": Stage.DATA,
    "QUIT": Stage.QUIT,
}
# Words by which a program says at which command it was refused; the first that is found counts.
_SAYS = tuple(
    (re.compile(words, re.IGNORECASE), stage)
    for stage, words in (
        (
            Stage.AUTH,
            r"SMTPAuthenticationError|AuthenticationFailedException|Invalid login\b|'?\bEAUTH\b|in reply to AUTH"
            r"|(?:username|password|AUTH(?: \w+)?) command failed|SMTP AUTH failed|SASL authentication failed"
            r"|could not authenticate|command: '(?:AUTH|API)",
        ),
        (
            Stage.MAIL,
            r"SMTPSenderRefused|SMTPSenderFailedException|Mail command failed|MAIL FROM command failed"
            r"|in reply to MAIL FROM|after (?:pipelined )?MAIL FROM|command: 'MAIL",
        ),
        (
            Stage.RCPT,
            r"SMTPRecipients?Refused|SMTPAddressFailedException|RCPT TO command failed|recipients were rejected"
            r"|Recipient command failed|in reply to RCPT TO|after (?:pipelined )?RCPT TO|command: 'RCPT",
        ),
        (
            Stage.DATA,
            r"SMTPDataError|Message failed|DATA(?: END)? command failed|Data command failed"
            r"|in reply to (?:end of )?DATA|command: 'DATA"
            r"|after (?:end of data|(?:pipelined )?(?:sending )?(?:DATA|data block))",
        ),
        (Stage.EHLO, r"SMTPHeloError|(?:EHLO|HELO) command failed|in reply to (?:EHLO|HELO)|after (?:EHLO|HELO)"),
        (
            Stage.GREETING,
            r"SMTPConnectError|Invalid greeting|refused to talk to me|after initial connection"
            r"|initial server greeting|could not connect to SMTP host.{0,200}response:",
        ),
        (Stage.STARTTLS, r"upgrading connection with STARTTLS|STARTTLS command failed|in reply to STARTTLS"),
    )
)
_IN_REPLY = re.compile(r"\(in reply to [^()]{1,40}\)", re.IGNORECASE)
# Frames of a Python traceback that name the command: smtplib, aiosmtplib. The innermost one counts.
_FRAME = re.compile(
    r'File "[^"]{0,300}smtplib[^"]{0,60}", line \d+, in _?'
    r"(login|auth|auth_\w+|starttls|ehlo\w*|helo|_ehlo\w*|mail|rcpt|data|quit|__a?exit__)$"
)
_OF_FRAME = (
    ("login", Stage.AUTH), ("auth", Stage.AUTH), ("starttls", Stage.STARTTLS), ("ehlo", Stage.EHLO),
    ("helo", Stage.EHLO), ("mail", Stage.MAIL), ("rcpt", Stage.RCPT), ("data", Stage.DATA), ("quit", Stage.QUIT),
    ("__", Stage.QUIT),
)  # fmt: skip
# What stands in tracebacks and is no continuation of a reply.
_NO_CONTINUATION = re.compile(
    r"\s*(?:at |File |raise |return |self\.|[~^]+\s*$|[\w-]+: ?['\"\d{\[(]|[\w-]+: [\w.]+,?$)"
)
_SAYS_WHO = re.compile(
    r"\b(?:said|returned|response|reply|status|error|rejected|refused)\b|^\s*[<#]?[45][0-5][0-9][ -]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quote:
    """One negative reply as it was quoted; `stage` is None where the text does not say it."""

    code: int
    text: str
    """Without the code, as `wire.smtp.Reply.text`."""
    line: str
    """The line it stands in."""
    stage: Stage | None = None
    recipient: str = ""

    @property
    def enhanced(self) -> str:
        """The enhanced status code (RFC 3463), empty when there is none."""
        match = _ENHANCED.match(self.text)
        return match[1] if match else ""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What a pasted text holds."""

    lines: tuple[str, ...]
    """Its lines, wrapped ones joined, at most MAX_LINES."""
    quotes: tuple[Quote, ...]
    stage: Stage | None
    """How far it came by its own words; None: it does not say."""
    accepted: bool
    """The transcript shows that the message was taken."""


def read(text: str) -> Excerpt:
    """The refusals in a text, each once, in its order."""
    lines = tuple(_joined([line.rstrip("\r")[:MAX_QUOTE] for line in _ends(text.split("\n"))]))
    walk = _Walk()
    found: list[Quote] = []
    for line in lines:
        stage = walk.step(line)
        said = _stage_said(line)
        for quote in _quotes(line, said or stage):
            _add(found, quote)
        if len(found) >= MAX_QUOTES:
            break
    hint = _only_stage(lines)
    known = tuple(
        Quote(q.code, q.text, q.line, q.stage or (None if walk.commands else hint), q.recipient) for q in found
    )
    return Excerpt(lines, known, walk.stage if walk.commands else hint, walk.accepted)


def _ends(lines: list[str]) -> list[str]:
    return lines if len(lines) <= MAX_LINES else lines[: MAX_LINES // 2] + lines[-MAX_LINES // 2 :]


def quoted(line: str, stage: Stage | None = None) -> Quote | None:
    """The reply in one line, as in the Diagnostic-Code of RFC 3464."""
    return next(_quotes(line[:MAX_QUOTE], _stage_said(line) or stage), None)


class _Walk:
    """Follows a transcript: which command was the last one?"""

    def __init__(self) -> None:
        self.commands = False
        self.accepted = False
        self.stage: Stage | None = None

    def step(self, line: str) -> Stage | None:
        """The stage at which this line stands, None outside a transcript."""
        bare = _bare(line)
        command = _COMMAND.match(bare)
        if command:
            self.commands = True
            self.stage = _OF_COMMAND.get(command[1].upper(), self.stage)
        elif self.stage is None and re.match(r"220[ -]", bare):
            self.stage = Stage.GREETING
        elif self.commands and self.stage is Stage.DATA and re.match(r"2[0-5][0-9]([ -]|$)", bare):
            self.accepted = True
        return self.stage


def _add(found: list[Quote], new: Quote) -> None:
    """A reply that stands in a text twice (nodemailer, Java: "caused by") is one; a better known stage wins."""
    for place, old in enumerate(found):
        if (old.code, _plain(old.text), old.recipient) == (new.code, _plain(new.text), new.recipient):
            if old.stage is None:
                found[place] = new
            return
    last = found[-1] if found else None
    # the further lines of one reply: RFC 5321 section 4.2.1
    if last and last.code == new.code and _CONTINUED.match(_bare(last.line.rpartition("\n")[2])):
        found[-1] = Quote(
            last.code, f"{last.text} {new.text}"[:MAX_QUOTE], f"{last.line}\n{new.line}", last.stage, last.recipient
        )
        return
    found.append(new)


def _plain(text: str) -> str:
    return " ".join(text.split())[:300].rstrip("'\",")


def _quotes(line: str, stage: Stage | None) -> Iterator[Quote]:
    pairs = list(_PAIR.finditer(line))
    for pair in pairs:
        text = unescaped(pair[2] if pair[2] is not None else pair[3])
        named = _RECIPIENT.search(line[max(0, pair.start() - 600) : pair.start()])
        yield Quote(int(pair[1]), " ".join(text.split()), line, stage, named[1] if named else "")
    if pairs:
        return
    bare = _bare(line)
    match = _REPLY.search(bare)
    if match:
        code = int(match[1] or match[2])
        text = unescaped(bare[match.end() :]).strip()
        yield Quote(code, _trimmed(text), line, stage)


def _trimmed(text: str) -> str:
    """Without what the quoting program put behind the reply."""
    return re.sub(r"(?:['\"],?\)?|\s\(in reply to [^()]{1,40}\)|\s##+)\s*$", "", " ".join(text.split()))


def _bare(line: str) -> str:
    """The line without the time and the sign of who speaks."""
    line = line.strip()
    clock = _CLOCK.match(line)
    line = line[clock.end() :] if clock else line
    speaker = _SPEAKER.match(line)
    return line[speaker.end() :] if speaker else line


def _joined(lines: Sequence[str]) -> Iterator[str]:
    """Wrapped lines of a quotation as one: they stand further in than its first line."""
    held, taken, indent = "", 0, 0
    for line in lines:
        depth = len(line) - len(line.lstrip())
        goes_on = depth > indent and line.strip() and not _NO_CONTINUATION.match(line)
        if held and goes_on and taken < _MAX_JOINED and len(held) < MAX_QUOTE and _SAYS_WHO.search(held):
            held, taken = f"{held} {line.strip()}"[:MAX_QUOTE], taken + 1
            continue
        if held:
            yield held
        held, taken, indent = line if line.strip() else "", 0, depth
    if held:
        yield held


def _stage_said(line: str) -> Stage | None:
    """The stage that the words around a reply name; its own words are the server's and say nothing about it."""
    around = _around(line)
    return next((stage for words, stage in _SAYS if words.search(around)), None)


def _around(line: str) -> str:
    match = _PAIR.search(line) or _REPLY.search(line)
    if match is None:
        return line
    behind = _IN_REPLY.search(line, match.end())
    return line[: match.start() + 1] + (behind[0] if behind else "")


def _only_stage(lines: Sequence[str]) -> Stage | None:
    """The one stage that the text names anywhere; else the innermost frame of its traceback."""
    named = {stage for line in lines if (stage := _stage_said(line))}
    if len(named) == 1:
        return named.pop()
    frames = [match[1] for line in lines if (match := _FRAME.search(line))]
    if named or not frames:
        return None
    return next(stage for start, stage in _OF_FRAME if frames[-1].lstrip("_").startswith(start) or start == "__")


def unescaped(text: str) -> str:
    r"""A text of repr() as it was: `\xc7\xeb` of a Chinese server is read as wire.smtp.readable reads bytes."""

    def back(match: re.Match[bytes]) -> bytes:
        word = match[1]
        if word.startswith(b"x"):
            return bytes([int(word[1:], 16)])
        if word.startswith(b"u"):
            return chr(int(word[1:], 16)).encode("utf-8", "replace")
        return _PLAIN_ESCAPES.get(word, word)

    return remade(readable(_ESCAPE.sub(back, text.encode("utf-8", "replace"))))


def remade(text: str) -> str:
    """GB18030 or UTF-8 that a program showed as Latin-1, read again; any other text as it is."""
    if text.isascii():
        return text
    try:
        again = readable(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text
    return again
