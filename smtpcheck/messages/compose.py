"""Which message proves a delivery? One of its own, with a token to find it by, or a file sent as it is. No I/O.

Headers are encoded in `wire.message`, not by `email.message`: Python 3.11.7, for one, leaves the commas of a long
display name bare where it folds (CVE-2025-1795), so that the rest reads as another address; its boundaries are random.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from types import MappingProxyType
from typing import NamedTuple

from smtpcheck.wire import ProtocolError, message

TOKEN_HEADER = "X-Smtpcheck-Token"  # noqa: S105  # the name of a header

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,47}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,62}")
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,900}>")
# Nothing here that a relay rewrites: 8-bit, control characters, spaces before a line end, mbox's "From ", a boundary.
_AS_IT_IS = re.compile(rb"(?:(?!From |--=_)(?:[\t -~]{0,75}[!-~])?\r\n)*")
_MANGLED = re.compile(rb"^From ", re.MULTILINE)


class ComposeError(Exception):
    """No message can be made of this; args: what is wrong, in words."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to send: its name as the receiver shall see it, its octets, its media type."""

    name: str
    content: bytes
    type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Composed:
    """A message ready for DATA but for its stuffed dots, and what to search the mailbox for."""

    message: bytes
    token: str
    """In its header X-Smtpcheck-Token; of a message sent as it is, its Message-ID."""
    message_id: str
    """With its angle brackets."""


class Words(NamedTuple):
    """What a message says that nobody has written: both hold {token}."""

    subject: str
    text: str


DEFAULT_WORDS: Mapping[str, Words] = MappingProxyType(
    {
        "en": Words(
            "smtpcheck delivery test {token}",
            "Hello,\n"
            "\n"
            "this is a delivery test by smtpcheck. Somebody who looks after a mail\n"
            "account sent it to see whether mail arrives here.\n"
            "\n"
            "You need not do anything. You may delete this message.\n"
            "\n"
            "Token: {token}\n",
        ),
        "zh-CN": Words(
            "smtpcheck 投递测试 {token}",
            "您好：\n"
            "\n"
            "这是 smtpcheck 发出的一封投递测试邮件，用来确认邮件能否送达这个邮箱。\n"
            "\n"
            "您无需回复或做任何操作，可以直接删除本邮件。打扰之处，敬请谅解。\n"
            "\n"
            "标识：{token}\n",
        ),
    }
)


def new_token() -> str:
    """A token that no other message has: 80 random bits, which also keep a stranger from guessing it."""
    return f"sc{secrets.token_hex(10)}"


def compose(
    sender: str,
    recipients: Sequence[str],
    *,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    attachments: Sequence[Attachment] = (),
    sender_name: str = "",
    lang: str = "en",
    token: str = "",
    at: datetime | None = None,
    message_id_domain: str = "",
) -> Composed:
    """A message in ASCII lines of at most 76 octets where that can be; UTF-8 only in an address that has it.

    Subject and text left out say, in `lang` (en, zh-CN), that this is a test; the plain text always goes along with
    `html`. `token` and `at` (aware; its offset is shown in Date) left out are a new one and now. `message_id_domain`
    left out is the sender's. Raises ComposeError: a line end or control character in a header, no address, no token.
    """
    token, at = token or new_token(), at or datetime.now().astimezone()
    if not _TOKEN.fullmatch(token):
        raise ComposeError("a token is made of up to 48 letters, digits, dots and hyphens")
    words = DEFAULT_WORDS["zh-CN" if lang.lower().startswith("zh") else "en"]
    subject = words.subject.format(token=token) if subject is None else subject
    text = words.text.format(token=token) if text is None else text
    domain = _domain(message_id_domain) if message_id_domain else _mailbox("sender", sender).rpartition("@")[2]
    message_id = f"<{token}@{domain}>"
    fields = [
        message.folded("Date", [_date(at)]),
        message.folded("From", _from(sender, sender_name)),
        message.folded("To", _to(recipients)),
        message.folded("Subject", message.unstructured(_clean("the subject", subject))),
        message.folded("Message-ID", [message_id]),
        message.folded(TOKEN_HEADER, [token]),
        # RFC 3834 section 5, and what Exchange heeds instead. No "Precedence: bulk": filters sort by it, and the test
        # would tell the fate of bulk mail. Not "All" either: that suppresses the reports of non-delivery too.
        message.folded("Auto-Submitted", ["auto-generated"]),
        message.folded("X-Auto-Response-Suppress", ["OOF,", "AutoReply"]),
        message.folded("MIME-Version", ["1.0"]),
    ]
    return Composed(b"".join(fields) + _content(text, html, attachments, token), token, message_id)


def read_message(content: bytes) -> Composed:
    """A message of somebody's own, to be sent byte for byte; found again by its Message-ID.

    Raises ComposeError where a server need not take it (line ends, lengths: with their positions) or where it could
    not be found again. What it needs of the server says `wire.message.needs`.
    """
    found = message.flaws(content, extensions=("SMTPUTF8",))
    if found:
        raise _unsendable("; ".join(found))
    try:
        fields = message.header_fields(content)
    except ProtocolError as error:
        raise _unsendable(str(error)) from None
    ids = [value for name, value in fields if name.lower() == b"message-id"]
    if len(ids) != 1:
        raise ComposeError(
            f"the message has {len(ids)} Message-ID fields, and by one it is found again: "
            + ("leave one" if ids else "add a line such as Message-ID: <something-unique@your.domain>")
        )
    if not _MESSAGE_ID.fullmatch(ids[0]) or not ids[0].isascii():
        raise ComposeError("the Message-ID is none: it is written <something-unique@your.domain>")
    message_id = ids[0].decode("ascii")
    return Composed(content, message_id, message_id)


# what wire.message says of a flaw -> the fault under which it is explained
_FAULTS = {
    "bare ": "bare-lf",
    " are allowed": "line-too-long",
    "8-bit header": "smtputf8-forced-by-subject",
    "no header field": "body-lost-no-blank-line",
}


def _unsendable(flaws: str) -> ComposeError:
    known = [fault for words, fault in _FAULTS.items() if words in flaws]
    more = f" (smtpcheck explain {known[0]})" if known else ""
    return ComposeError(f"the message can't be sent as it is: {flaws}{more}")


# Headers


def _date(at: datetime) -> str:
    if at.tzinfo is None:
        raise ComposeError("the time of the message has no offset from UTC")
    return format_datetime(at)


def _from(address: str, name: str) -> list[str]:
    shown = message.phrase(_clean("the sender's name", name))
    mailbox = _mailbox("sender", address)
    return [*shown, f"<{mailbox}>"] if shown else [mailbox]


def _to(recipients: Sequence[str]) -> list[str]:
    if not recipients or isinstance(recipients, str):
        raise ComposeError("no recipients")
    mailboxes = [_mailbox("recipient", recipient) for recipient in recipients]
    return [f"{mailbox}," for mailbox in mailboxes[:-1]] + mailboxes[-1:]


def _mailbox(who: str, address: str) -> str:
    try:
        mailbox = message.addressed(address, smtputf8=True).decode()
    except ProtocolError as error:
        raise ComposeError(f"{who}: {error}") from None
    if not mailbox:
        raise ComposeError(f"{who}: no address")
    return mailbox


def _domain(name: str) -> str:
    try:
        return message.a_domain(name)
    except ProtocolError as error:
        raise ComposeError(f"the domain of the Message-ID: {error}") from None


def _clean(what: str, value: str) -> str:
    if odd := message.unprintable(value):
        raise ComposeError(f"{what} holds {odd}")
    return value


# Content


def _content(text: str, html: str | None, attachments: Sequence[Attachment], token: str) -> bytes:
    entity = _text("plain", text)
    if html is not None:
        entity = _multipart("alternative", [entity, _text("html", html)], token)
    if attachments:
        entity = _multipart("mixed", [entity, *map(_attached, attachments)], token)
    return entity


def _text(subtype: str, text: str) -> bytes:
    encoding, body = _encoded(_octets(text))
    return b"".join(_text_header(subtype, encoding)) + b"\r\n" + body


def _text_header(subtype: str, encoding: str) -> Iterator[bytes]:
    yield message.folded("Content-Type", [f"text/{subtype};", "charset=utf-8"])
    yield message.folded("Content-Transfer-Encoding", [encoding])


def _octets(text: str) -> bytes:
    """UTF-8 with CRLF after every line, the last one too."""
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        raise ComposeError("the text holds half a surrogate and is not Unicode") from None
    octets = re.sub(rb"\r\n|\r|\n", b"\r\n", octets)
    return octets if octets.endswith(b"\r\n") or not octets else octets + b"\r\n"


def _encoded(octets: bytes) -> tuple[str, bytes]:
    if _AS_IT_IS.fullmatch(octets):
        return "7bit", octets
    readable = binascii.b2a_qp(octets, istext=True)
    if len(readable) <= len(octets) * 4 / 3 and not _MANGLED.search(readable):
        return "quoted-printable", readable
    return "base64", _base64(octets)


def _base64(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def _attached(attachment: Attachment) -> bytes:
    name = _clean("the name of an attachment", attachment.name)
    if not name:
        raise ComposeError("an attachment without a name")
    if not _MEDIA_TYPE.fullmatch(attachment.type):
        raise ComposeError("an attachment whose type is no media type")
    # RFC 2046 section 5: these may not be in base64, and in no other form is every file carried unchanged
    composite = attachment.type.lower().startswith(("message/", "multipart/"))
    *parts, last = message.parameter("filename", name)
    fields = (
        message.folded("Content-Type", ["application/octet-stream" if composite else attachment.type]),
        message.folded("Content-Disposition", ["attachment;", *(f"{part};" for part in parts), last]),
        message.folded("Content-Transfer-Encoding", ["base64"]),
    )
    return b"".join(fields) + b"\r\n" + _base64(attachment.content)


def _multipart(subtype: str, entities: Sequence[bytes], token: str) -> bytes:
    # "=_" stands in no encoded body (RFC 2045 section 6.7), and a body as it is holds no line that starts so
    boundary = f"=_{subtype}_{token}"
    mark = f"--{boundary}".encode()
    fields = message.folded("Content-Type", [f"multipart/{subtype};", f'boundary="{boundary}"'])
    return fields + b"".join(b"\r\n" + mark + b"\r\n" + entity for entity in entities) + b"\r\n" + mark + b"--\r\n"
