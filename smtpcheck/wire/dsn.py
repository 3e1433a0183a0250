"""Which recipients does a bounce speak of, and what happened to each? Delivery status notifications (RFC 3464).

A bounce of another form has no recipients here; its text is what is left to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.policy import compat32

from smtpcheck.wire import ProtocolError
from smtpcheck.wire.smtp import readable

# A list of a thousand members bounces in notices of some hundred recipients each.
MAX_RECIPIENTS = 1000
# Honest notices have three parts (RFC 3462); clients add a few.
MAX_PARTS = 100

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}):(?:[ \t]|$)")
_HEADERS = frozenset(
    ("from", "to", "subject", "date", "mime-version", "content-type", "return-path", "received", "message-id")
)
_FOLD = re.compile(r"\r?\n[ \t]+")
# RFC 3464 section 2.3: fields of a recipient; a pasted group begins with one of them
_OF_RECIPIENT = re.compile(r"(?im)^(?:Final-Recipient|Original-Recipient|Action|Status)[ \t]*:")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
# markup of the text/html part that some bounces have alone
_TAG = re.compile(r"<(?:br|/p|/div|/tr|/li)[^>]{0,200}>", re.IGNORECASE)
_MARKUP = re.compile(r"</?[a-zA-Z][^<>@]{0,500}>")
_UNSEEN = (("<style", "</style"), ("<script", "</script"), ("<!--", "-->"))


@dataclass(frozen=True, slots=True)
class Recipient:
    """One group of per-recipient fields (RFC 3464 section 2.3); a field that is not there is empty."""

    address: str
    action: str
    """failed, delayed, delivered, relayed or expanded (section 2.3.3), lower-case."""
    status: str
    """The status code of RFC 3463, without its comment."""
    diagnostic: str
    """What the transport said, unfolded, without its type."""
    remote: str
    """The name of the server that was spoken to."""

    @property
    def failed(self) -> bool:
        """Not delivered, and not tried any more."""
        return self.action == "failed" or (not self.action and self.status.startswith("5"))


@dataclass(frozen=True, slots=True)
class Bounce:
    """One notice: who reports, about whom, and what it says to people."""

    reporter: str
    recipients: tuple[Recipient, ...]
    text: str


def looks_like_message(text: str) -> bool:
    """The text begins with header fields of a message, at least two of the usual ones."""
    names = set()
    for line in text.lstrip("\ufeff\r\n\t ")[:65536].splitlines()[:200]:
        if not line.strip():
            break
        match = _FIELD.match(line)
        if match:
            names.add(match[1].lower())
        elif not line.startswith((" ", "\t", "From ", ">From ")):
            return False
    return len(names & _HEADERS) >= 2


def parse_bounce(raw: bytes) -> Bounce:
    """The notice in these bytes: a whole message, or only the groups of fields out of one.

    Raises ProtocolError for what can't be read as a message, is nested too deep or has too many parts.
    """
    if not looks_like_message(readable(raw[:65536])):
        text = readable(raw)
        return Bounce("", tuple(_groups(text)), text)
    try:
        message = BytesParser(policy=compat32).parsebytes(raw.lstrip())
        parts = list(_parts(message))
    except RecursionError:
        raise ProtocolError("a message nested too deep") from None
    except (MessageError, ValueError, LookupError) as error:
        raise ProtocolError(f"not a message: {type(error).__name__}") from None
    reporter, recipients = "", []
    for part in parts:
        if part.get_content_type() in ("message/delivery-status", "message/global-delivery-status"):
            reporter = reporter or _reporter(part)
            recipients += list(_of_part(part))
    text = "\n".join(filter(None, (_text(part) for part in parts)))
    return Bounce(reporter, tuple(recipients[:MAX_RECIPIENTS]) or tuple(_groups(text)), text)


def _parts(message: Message) -> Iterator[Message]:
    """The parts without what is inside the message that came back."""
    waiting, seen = [message], 0
    while waiting:
        part = waiting.pop(0)
        seen += 1
        if seen > MAX_PARTS:
            raise ProtocolError(f"a message of more than {MAX_PARTS} parts")
        yield part
        if part.get_content_maintype() == "multipart":
            waiting += _blocks(part)


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    if isinstance(payload, list):
        return [block for block in payload if isinstance(block, Message)]
    return []


def _reporter(part: Message) -> str:
    blocks = _blocks(part)
    return _value(blocks[0], "Reporting-MTA") if blocks else ""


def _of_part(part: Message) -> Iterator[Recipient]:
    for block in _blocks(part):
        if _speaks_of_one(block):
            yield _recipient(block)


def _groups(text: str) -> Iterator[Recipient]:
    """Groups of fields that stand in a text by themselves, as they are pasted."""
    found = 0
    for block in re.split(r"\n[ \t]*\r?\n", text):
        if _OF_RECIPIENT.search(block):
            start = min(match.start() for match in _FIELD_START.finditer(block))
            fields = HeaderParser(policy=compat32).parsestr(block[start:])
            if _speaks_of_one(fields):
                found += 1
                yield _recipient(fields)
        if found >= MAX_RECIPIENTS:
            return


_FIELD_START = re.compile(r"(?m)^[A-Za-z][A-Za-z0-9-]{0,60}[ \t]*:")


def _speaks_of_one(block: Message) -> bool:
    # section 2.3: Final-Recipient, Action and Status are required, which some leave one of out
    return sum(name in block for name in ("Final-Recipient", "Original-Recipient", "Action", "Status")) >= 2


def _recipient(block: Message) -> Recipient:
    status = _STATUS.search(_field(block, "Status"))
    return Recipient(
        address=(_value(block, "Final-Recipient") or _value(block, "Original-Recipient")).strip("<>"),
        action=_field(block, "Action").lower().partition(" ")[0],
        status=status[0] if status else "",
        diagnostic=_value(block, "Diagnostic-Code"),
        remote=_value(block, "Remote-MTA"),
    )


def _value(block: Message, name: str) -> str:
    """A field of the form `type; value` (section 2.1.2); whole where there is no type."""
    kind, semicolon, value = _field(block, name).partition(";")
    return (
        value.strip() if semicolon and re.fullmatch(r"\s*[A-Za-z0-9-]{1,30}\s*", kind) else (kind + semicolon + value)
    )


def _field(block: Message, name: str) -> str:
    value = block.get(name)
    if value is None:
        return ""
    return _FOLD.sub(" ", str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")).strip()


def _text(part: Message) -> str:
    if part.get_content_maintype() != "text" or part.get_content_type() == "text/rfc822-headers":
        return ""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    text = _decoded(payload, part.get_content_charset() or "")
    return _seen(text) if part.get_content_type() == "text/html" else text


def _seen(markup: str) -> str:
    """What a person sees of a page, roughly; in time linear in its length."""
    for start, end in _UNSEEN:
        kept, place, lower = [], 0, markup.lower()
        while (begins := lower.find(start, place)) >= 0 and (ends := lower.find(end, begins)) >= 0:
            kept.append(markup[place:begins])
            place = ends if end.startswith("<") else ends + len(end)
        markup = "".join([*kept, markup[place:]])
    return _MARKUP.sub("", _TAG.sub("\n", markup))


def _decoded(payload: bytes, charset: str) -> str:
    try:
        return payload.decode("gb18030" if charset in ("gb2312", "gbk") else charset or "utf-8")
    except (LookupError, UnicodeDecodeError, ValueError):
        return readable(payload)
