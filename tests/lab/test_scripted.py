"""Does the scripted server do exactly what its script says, and hear what it is told?"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from smtpcheck.core import Mode
from smtpcheck.lab.ledger import Ledger
from smtpcheck.lab.script import Reply, Script, Then, script
from smtpcheck.lab.scripted import ScriptedServer

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
OFFERS = ["STARTTLS", "AUTH PLAIN LOGIN"]


@contextlib.asynccontextmanager
async def served(**row: Any) -> AsyncIterator[tuple[ScriptedServer, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A plain-text server of that script and a greeted line to it."""
    server = ScriptedServer(script({"mode": "plain", "offers": OFFERS, **row}), accounts={"me": "secret"})
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        async with asyncio.timeout(10):
            yield server, reader, writer
    finally:
        writer.transport.abort()
        await server.stop()


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str) -> bytes:
    writer.write(line.encode() + b"\r\n")
    return await reader.readline()


def test_a_row_becomes_a_script() -> None:
    made = script(
        {"mode": "implicit", "greeting": {"text": "220 \u00ff\r\n", "delay": 1, "then": "hang"}, "offers": ["A"]}
    )
    assert made == Script(
        mode=Mode.IMPLICIT, greeting=Reply(text=b"220 \xff\r\n", delay=1, then=Then.HANG), offers=("A",)
    )


async def test_a_whole_mail_is_kept() -> None:
    async with served() as (server, reader, writer):
        assert await reader.readline() == b"220 smtp.lab.test ESMTP practice\r\n"
        assert await say(reader, writer, "HELO me") == b"250 smtp.lab.test\r\n"
        assert await say(reader, writer, "mail FROM:<a@lab.test>") == b"250 2.1.0 Ok\r\n"
        assert await say(reader, writer, "RCPT TO:<b@lab.test>") == b"250 2.1.5 Ok\r\n"
        assert (await say(reader, writer, "DATA")).startswith(b"354 ")
        assert (await say(reader, writer, "QUIT\r\n..dot\r\n.")).startswith(b"250 ")
        assert (await say(reader, writer, "QUIT")).startswith(b"221 ")
        assert await reader.read() == b""
    (message,) = server.ledger.messages
    assert (message.sender, message.recipients, message.content) == (
        "a@lab.test",
        ("b@lab.test",),
        b"QUIT\r\n.dot\r\n",
    )
    assert server.ledger.commands == {"HELO": 1, "MAIL": 1, "RCPT": 1, "DATA": 1, "QUIT": 1}


async def test_login_flow() -> None:
    async with served() as (server, reader, writer):
        await reader.readline()
        assert await say(reader, writer, "AUTH LOGIN") == b"334 VXNlcm5hbWU6\r\n"
        assert await say(reader, writer, "bWU=") == b"334 UGFzc3dvcmQ6\r\n"
        assert (await say(reader, writer, base64.b64encode(b"secret").decode())).startswith(b"235 ")
        assert await say(reader, writer, "AUTH LOGIN bWU=") == b"334 UGFzc3dvcmQ6\r\n"
        assert (await say(reader, writer, "*")).startswith(b"501 ")
    assert server.ledger.auths == 2


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("AUTH PLAIN " + base64.b64encode(b"\0me\0secret").decode(), b"235"),
        ("AUTH PLAIN " + base64.b64encode(b"\0me\0wrong").decode(), b"535"),
        ("AUTH PLAIN " + base64.b64encode(b"\0you\0secret").decode(), b"535"),
        ("AUTH PLAIN !!", b"501"),
        ("AUTH PLAIN " + base64.b64encode(b"me").decode(), b"501"),
        ("AUTH CRAM-MD5", b"504"),
        ("AUTH", b"504"),
        ("VRFY me", b"252"),
        ("XYZZY", b"502"),
    ],
)
async def test_codes(line: str, code: bytes) -> None:
    async with served() as (_, reader, writer):
        await reader.readline()
        assert (await say(reader, writer, line))[:3] == code


async def test_placeholders_and_delay() -> None:
    async with served(auth={"text": "535 {user}|{password}|{response}\r\n", "delay": 0.2}) as (_, reader, writer):
        await reader.readline()
        initial = base64.b64encode(b"\0me\0p+/=").decode()
        begun = time.monotonic()
        assert await say(reader, writer, f"AUTH PLAIN {initial}") == f"535 me|p+/=|{initial}\r\n".encode()
        assert time.monotonic() - begun >= 0.2


async def test_reset_by_verb() -> None:
    async with served(replies={"MAIL": {"text": "", "then": "reset"}}) as (_, reader, writer):
        await reader.readline()
        with pytest.raises(ConnectionResetError):
            await say(reader, writer, "MAIL FROM:<>")


async def test_a_line_without_end_is_cut() -> None:
    async with served() as (server, reader, writer):
        await reader.readline()
        writer.write(b"x" * 200_000)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    assert server.ledger.seen == [[]]


def test_lines_of_a_message_are_no_commands() -> None:
    ledger = Ledger()
    lines = ledger.opened()
    for line in (b"EHLO me\r\n", b"DATA\r\n", b"AUTH is a word\r\n", b".\r\n", b"quit\r\n"):
        ledger.heard(lines, line)
    assert ledger.commands == {"EHLO": 1, "DATA": 1, "QUIT": 1}
    assert ledger.auths == 0


def test_a_refused_data_hides_nothing() -> None:
    ledger = Ledger()
    lines = ledger.opened()
    for line in (b"DATA", b"AUTH PLAIN AG1lAHNlY3JldA=="):
        ledger.heard(lines, line)
    assert ledger.auths == 1
