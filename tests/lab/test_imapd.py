"""Does the practice mailbox serve a client that is not ours, and misbehave as named? The standard library's imaplib."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import imaplib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

import pytest

from smtpcheck.core import Mode
from smtpcheck.lab.imapd import FOLDERS, OFFERS, ImapFault, ImapServer
from smtpcheck.lab.pki import Authority, Served
from smtpcheck.wire.utf7 import encode_utf7

R = TypeVar("R")

USER, PASSWORD = "me@lab.test", 'p/+="é\\码 {3}'
ACCOUNTS = {USER: PASSWORD, "you@lab.test": "ascii secret"}
AT = datetime(2026, 3, 4, 22, 30, 5, tzinfo=UTC)
PATIENT = 5.0
SOON = 0.3

# xatom would learn ID for the state of its first use only
imaplib.Commands["ID"] = ("NONAUTH", "AUTH", "SELECTED")

MAIL = b"Subject: token-1\nMessage-ID: <1@lab.test>\nX-Check: abc\n\tdef\nTo: a@lab.test\n\nSubject: no header\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def chain(authority: Authority) -> Served:
    return authority.issue("good", "imap.lab.test", "127.0.0.1")


@contextlib.asynccontextmanager
async def served(**knobs: Any) -> AsyncIterator[ImapServer]:
    """A server in clear, unless told otherwise."""
    server = ImapServer(**{"mode": Mode.PLAIN, "accounts": ACCOUNTS, **knobs})
    await server.start()
    try:
        async with asyncio.timeout(20):
            yield server
    finally:
        await server.stop()


async def asked(server: ImapServer, talk: Callable[[imaplib.IMAP4], R], *, login: bool = True) -> R:
    """What `talk` gives on a connection of its own, in a thread: imaplib blocks."""

    def ask() -> R:
        client = imaplib.IMAP4("127.0.0.1", server.port, timeout=PATIENT)
        try:
            if login:
                client.authenticate("PLAIN", plain)
            return talk(client)
        finally:
            with contextlib.suppress(OSError):  # LOGOUT has done it
                client.shutdown()

    return await asyncio.to_thread(ask)


def plain(challenge: bytes) -> bytes:
    assert challenge == b""
    return f"\0{USER}\0{PASSWORD}".encode()


@contextlib.asynccontextmanager
async def line(server: ImapServer) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A greeted connection in clear, octet by octet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        assert (await reader.readline()).startswith(b"* OK ")
        yield reader, writer
    finally:
        writer.transport.abort()


# A server that behaves


async def test_a_whole_visit() -> None:
    def visit(client: imaplib.IMAP4) -> None:
        assert client.capabilities == ("IMAP4REV1", *OFFERS)
        assert client.xatom("ID", '("name" "imaplib")')[0] == "OK"
        assert client.response("ID")[1] == [b'("name" "practice")']
        assert client.noop()[0] == "OK"
        assert client.select("INBOX", readonly=True) == ("OK", [b"2"])
        assert client.response("UIDNEXT")[1] == [b"1003"]
        assert client.uid("SEARCH", "HEADER", "X-Check", '"C DEF"') == ("OK", [b"1002"])
        assert client.search(None, "HEADER", "X-Check", "abc") == ("OK", [b"2"])
        assert client.unselect()[0] == "OK"
        with pytest.raises(imaplib.IMAP4.error):
            client.search(None, "ALL")
        assert client.logout() == ("BYE", [b"Logging out"])

    async with served() as server:
        server.deliver(USER, "INBOX", b"Subject: other\n\n")
        server.deliver(USER, "INBOX", MAIL)
        await asked(server, visit)
        assert (server.logins, server.ledger.connections, server.deliveries) == (1, 1, 2)
        assert server.commands["SEARCH"] == 2


SEARCHES: dict[tuple[str, ...], bytes] = {
    ("ALL",): b"1 2 3",
    ("HEADER", "Message-ID", '"<1@lab.test>"'): b"1",
    ("HEADER", "x-check", '""'): b"1",
    ("HEADER", "X-None", '""'): b"",
    ("SUBJECT", "TOKEN"): b"1 2",
    ("SUBJECT", '"no header"'): b"",
    ("SUBJECT", "token", "HEADER", "To", "a@"): b"1",
    ('(SUBJECT "token" HEADER "To" "a@")',): b"1",
    ("SINCE", "5-Mar-2026"): b"1 3",
    ("SINCE", "06-mar-2026"): b"3",
    ("SINCE", "1-Jan-2027"): b"",
    ("CHARSET", "UTF-8", "ALL"): b"1 2 3",
}


@pytest.mark.parametrize(("keys", "found"), SEARCHES.items(), ids=repr)
async def test_search(keys: tuple[str, ...], found: bytes) -> None:
    async with served() as server:
        server.deliver(USER, "INBOX", MAIL, AT)  # the next day by the server's clock, which is in UTC+8
        server.deliver(USER, "INBOX", b"Subject: =?utf-8?b?dG9rZW4g5Lit?=\n\n", AT - timedelta(hours=7))
        server.deliver(USER, "INBOX", b"Subject: else\n\n", AT + timedelta(days=1))
        found_numbers = await asked(server, lambda client: (client.select(), client.search(None, *keys))[1])
        assert found_numbers == ("OK", [found])


async def test_search_by_non_ascii_text_in_a_literal() -> None:
    def find(client: imaplib.IMAP4) -> Any:
        client.select()
        client.literal = "中".encode()  # type: ignore[assignment]  # imaplib's own way to send one
        return client.search("UTF-8", "SUBJECT")

    async with served() as server:
        server.deliver(USER, "INBOX", b"Subject: =?utf-8?b?dG9rZW4g5Lit?=\n\n")
        server.deliver(USER, "INBOX", b"Subject: else\n\n")
        assert await asked(server, find) == ("OK", [b"1"])


async def test_fetch() -> None:
    crlf = MAIL.replace(b"\n", b"\r\n")
    head, _, text = crlf.partition(b"\r\n\r\n")
    parts = {
        "BODY.PEEK[]": (b"BODY[]", crlf),
        "BODY[TEXT]": (b"BODY[TEXT]", text),
        "BODY.PEEK[HEADER]": (b"BODY[HEADER]", head + b"\r\n\r\n"),
        "BODY.PEEK[HEADER.FIELDS (x-check to)]": (
            b"BODY[HEADER.FIELDS (X-CHECK TO)]",
            b"X-Check: abc\r\n\tdef\r\nTo: a@lab.test\r\n\r\n",
        ),
        "BODY.PEEK[HEADER.FIELDS (X-None)]": (b"BODY[HEADER.FIELDS (X-NONE)]", b"\r\n"),
    }

    def fetch(client: imaplib.IMAP4) -> None:
        client.select()
        for item, (name, content) in parts.items():
            lead = b"1 (UID 1001 %s {%d}" % (name, len(content))
            assert client.uid("FETCH", "1001", f"({item})") == ("OK", [(lead, content), b")"])
        _, (dated,) = client.fetch("1", "(INTERNALDATE RFC822.SIZE FLAGS)")
        assert isinstance(dated, bytes)
        assert dated == b'1 (INTERNALDATE " 5-Mar-2026 06:30:05 +0800" RFC822.SIZE %d FLAGS ())' % len(crlf)
        told = imaplib.Internaldate2tuple(dated)
        assert told is not None
        assert time.mktime(told) == AT.timestamp()
        assert client.fetch("7", "UID") == ("OK", [None]), "numbers that are not there are not told of"

    async with served() as server:
        server.deliver(USER, "INBOX", MAIL, AT.astimezone(timezone(timedelta(hours=-5))))
        await asked(server, fetch)


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [("1:*", [1, 2, 3, 4]), ("*", [4]), ("*:3", [3, 4]), ("1,3:2", [1, 2, 3]), ("9:*", [4])],
)
async def test_sequence_sets(chosen: str, numbers: list[int]) -> None:
    async with served() as server:
        for _ in range(4):
            server.deliver(USER, "INBOX", MAIL)
        _, told = await asked(server, lambda client: (client.select(), client.fetch(chosen, "UID"))[1])
        assert told == [b"%d (UID %d)" % (number, 1000 + number) for number in numbers]


async def test_folders() -> None:
    def look(client: imaplib.IMAP4) -> Any:
        assert client.list(pattern="INB%")[1] == [b'() "/" "INBOX"']
        return client.list()[1]

    names = {"a/b": "", 'q"u\\ote&': "\\All", "台北": "\\Junk", "INBOX": ""}
    async with served(folders=names) as server:
        assert await asked(server, look) == [
            b'() "/" "a/b"',
            b'(\\All) "/" "q\\"u\\\\ote&-"',
            b'(\\Junk) "/" "&U,BTFw-"',
            b'() "/" "INBOX"',
        ]


async def test_every_folder_can_be_opened_by_the_name_listed() -> None:
    names = {**FOLDERS, 'q"u\\ote&': "\\All"}

    def opened(client: imaplib.IMAP4) -> dict[bytes, list[bytes | None]]:
        listed = [bytes(each).partition(b' "/" ')[2] for each in client.list()[1] if isinstance(each, bytes)]
        return {name: client.select(name.decode())[1] for name in listed}

    async with served(folders=names) as server:
        server.deliver(USER, "垃圾邮件", MAIL)
        found = await asked(server, opened)
        assert len(found) == len(names)
        assert {name for name, count in found.items() if count == [b"1"]} == {b'"' + encode_utf7("垃圾邮件") + b'"'}


async def test_special_use_is_told_where_it_is_offered() -> None:
    async with served(offers=("AUTH=PLAIN",)) as server:
        listed = await asked(server, lambda client: client.list()[1])
        assert b'() "/" "Junk"' in listed
    async with served() as server, line(server) as (reader, writer):
        writer.write(f'a LOGIN {USER} "x"\r\n'.encode())
        assert (await reader.readline()).startswith(b"a NO [AUTHENTICATIONFAILED]")
        writer.write(b'b LIST "" "*"\r\n')
        assert (await reader.readline()).startswith(b"b BAD"), "nothing is told before the login"
        writer.write(b'c LOGIN you@lab.test "ascii secret"\r\nd LIST (SPECIAL-USE) "" * RETURN (SPECIAL-USE)\r\n')
        assert (await reader.readuntil(b"d OK LIST completed\r\n")).splitlines()[1:-1] == [
            b'* LIST (\\Junk) "/" "Junk"',
            b'* LIST (\\Trash) "/" "Trash"',
        ]


async def test_every_way_to_log_in() -> None:
    initial = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
    user, password = USER.encode(), PASSWORD.encode()
    ways = {
        b"a AUTHENTICATE PLAIN " + initial: b"a OK",
        b"a AUTHENTICATE PLAIN\r\n" + initial: b"a OK",
        b"a login " + user + b' "' + password.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"': b"a OK",
        b"a LOGIN {%d}\r\n%s {%d}\r\n%s" % (len(user), user, len(password), password): b"a OK",
        b"a LOGIN {%d+}\r\n%s {%d+}\r\n%s" % (len(user), user, len(password), password): b"a OK",
        b"a AUTHENTICATE PLAIN " + initial[:-4]: b"a NO",
        b"a AUTHENTICATE PLAIN AAA": b"a BAD",
        b"a AUTHENTICATE CRAM-MD5": b"a NO",
        b"a LOGIN " + user: b"a BAD",
        b"a LOGIN " + user + b' ""': b"a NO",
    }
    async with served() as server:
        for said, answer in ways.items():
            async with line(server) as (reader, writer):
                writer.write(said + b"\r\n")
                while (told := await reader.readline()).startswith(b"+"):
                    pass
                assert told.startswith(answer), said
        assert server.logins == len(ways)


async def test_implicit_tls(authority: Authority, chain: Served) -> None:
    trusting = ssl.create_default_context(cadata=authority.root_pem.decode())

    def visit() -> None:
        with imaplib.IMAP4_SSL("127.0.0.1", server.port, ssl_context=trusting, timeout=PATIENT) as client:
            client.authenticate("PLAIN", plain)
            assert client.select() == ("OK", [b"0"])

    async with served(mode=Mode.IMPLICIT, context=chain.server_context()) as server:
        await asyncio.to_thread(visit)
        assert server.ledger.handshakes == ["TLSv1.3"]


async def test_starttls(authority: Authority, chain: Served) -> None:
    trusting = ssl.create_default_context(cadata=authority.root_pem.decode())

    def visit(client: imaplib.IMAP4) -> None:
        assert "LOGINDISABLED" in client.capabilities
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            client.login("you@lab.test", "ascii secret")
        client.starttls(trusting)
        assert "LOGINDISABLED" not in client.capabilities
        client.login("you@lab.test", "ascii secret")

    async with served(mode=Mode.STARTTLS, context=chain.server_context()) as server:
        await asked(server, visit, login=False)
        assert server.ledger.handshakes == ["TLSv1.3"]


async def test_accounts_do_not_see_each_other() -> None:
    async with served() as server:
        server.deliver("you@lab.test", "INBOX", MAIL)
        assert await asked(server, lambda client: client.select()) == ("OK", [b"0"])


async def test_what_does_not_fit_is_refused() -> None:
    async with served() as server:
        with pytest.raises(KeyError):
            server.deliver("nobody", "INBOX", MAIL)
        with pytest.raises(KeyError):
            server.deliver(USER, "No such", MAIL)
        with pytest.raises(ValueError, match="more mail"):
            server.deliver(USER, "INBOX", bytes(20_000_000))
    with pytest.raises(ValueError, match="nonsense"):
        ImapServer(fault="nonsense")


@pytest.mark.parametrize(
    "said",
    [b"", b"a", b"a UID", b"a (", b"a ) x", b"a NONSENSE", b"a SELECT", b"a LIST", b"a SELECT (x)", b"a AUTHENTICATE",
     b"a ID", b"a LIST (SPECIAL-USE)", b"\xff\0 \xff", b"a SEARCH ALL", b"a UID FETCH 1 UID"],
)  # fmt: skip
async def test_nonsense_is_refused_and_the_line_lives(said: bytes) -> None:
    async with served() as server, line(server) as (reader, writer):
        writer.write(said + b"\r\nz NOOP\r\n")
        assert b" BAD " in await reader.readline()
        assert (await reader.readline()).startswith(b"z OK")


@pytest.mark.parametrize(
    "said",
    [b"FETCH 1", b"FETCH x UID", b"FETCH 1:2:3 UID", b"FETCH 1 BODYSTRUCTURE", b"SEARCH NEVER", b"SEARCH HEADER x",
     b"SEARCH SINCE 40-Mar-2026", b"SEARCH SINCE yesterday", b"FETCH 1 (UID (UID))"],
)  # fmt: skip
async def test_nonsense_in_a_folder(said: bytes) -> None:
    async with served() as server, line(server) as (reader, writer):
        server.deliver("you@lab.test", "INBOX", MAIL)
        writer.write(b'a LOGIN you@lab.test "ascii secret"\r\nb SELECT INBOX\r\n')
        await reader.readuntil(b"b OK [READ-WRITE] Opened\r\n")
        writer.write(b"c " + said + b"\r\n")
        assert (await reader.readline()).startswith(b"c BAD ")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"a LOGIN {999999}\r\n", b""),
        (b"a LOGIN {65537+}\r\n" + b"x" * 65_537 + b"\r\n", b""),
        (b"x" * 40_000, b""),
        (b"a LOGIN {5}\r\nab", b"+ Ready for the literal\r\n"),
    ],
    ids=["literal", "literal-at-once", "line", "half"],
)
async def test_hostile_clients_are_cut_off(said: bytes, answer: bytes) -> None:
    async with served() as server, line(server) as (reader, writer):
        writer.write(said)
        writer.write_eof()
        told = b""
        with contextlib.suppress(ConnectionResetError):  # closed on us with octets unread
            told = await reader.read()
        assert told == answer


# Time


async def test_new_mail_is_told_at_the_next_command() -> None:
    async with served() as server, line(server) as (reader, writer):
        writer.write(b'a LOGIN you@lab.test "ascii secret"\r\nb EXAMINE inbox\r\n')
        assert b"* 0 EXISTS" in await reader.readuntil(b"b OK [READ-ONLY] Opened\r\n")
        server.deliver("you@lab.test", "INBOX", MAIL)
        server.deliver("you@lab.test", "INBOX", MAIL, after=60)
        writer.write(b"c NOOP\r\n")
        assert await reader.readuntil(b"c OK NOOP completed\r\n") == b"* 1 EXISTS\r\nc OK NOOP completed\r\n"


async def arrival(server: ImapServer, patience: float) -> float | None:
    """Seconds until a message is there, asking every 20 ms."""
    started = time.monotonic()

    def wait(client: imaplib.IMAP4) -> float | None:
        client.select()
        while (passed := time.monotonic() - started) < patience:
            if client.search(None, "SUBJECT", "token-1")[1] != [b""]:
                return passed
            time.sleep(0.02)
        return None

    return await asked(server, wait)


async def test_delayed() -> None:
    async with served(fault="delayed", seconds=0.5) as server:
        server.deliver(USER, "INBOX", MAIL)
        seconds = await arrival(server, PATIENT)
        assert seconds is not None
        assert 0.45 <= seconds < 2.0


async def test_uids_ascend_in_the_order_of_being_seen() -> None:
    async with served() as server:
        server.deliver(USER, "INBOX", MAIL, after=0.2)
        server.deliver(USER, "INBOX", b"Subject: else\n\n")
        assert await asked(server, lambda client: client.select()) == ("OK", [b"1"])
        assert await arrival(server, PATIENT)
        found = await asked(server, lambda client: (client.select(), client.uid("SEARCH", "SUBJECT", "token-1"))[1])
        assert found == ("OK", [b"1002"])


async def test_never() -> None:
    async with served(fault="never") as server:
        server.deliver(USER, "INBOX", MAIL)
        assert server.deliveries == 1
        assert await arrival(server, SOON) is None


async def test_slow() -> None:
    async with served(fault="slow", at="NOOP", seconds=0.3) as server, line(server) as (reader, writer):
        started = time.monotonic()
        writer.write(b"a NOOP\r\n")
        await reader.readuntil(b"a OK")
        assert time.monotonic() - started >= 0.3
    async with served(fault="slow", at="NOOP", seconds=600) as server, line(server) as (reader, writer):
        writer.write(b"a CAPABILITY\r\n")
        await reader.readuntil(b"a OK")


# Faults by name


async def test_refuse_login() -> None:
    async with served(fault="refuse-login") as server:
        with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
            await asked(server, lambda client: client.noop())


@pytest.mark.parametrize(
    ("fault", "id_before", "id_after", "opens"),
    [
        ("unsafe-login", False, False, False),
        ("unsafe-login", True, False, True),
        ("unsafe-login", False, True, True),
        ("id-required", False, False, False),
        ("id-required", True, False, False),
        ("id-required", False, True, True),
        ("locked", True, True, False),
        ("", False, False, True),
    ],
)
async def test_who_does_not_say_who_it_is(fault: str, id_before: bool, id_after: bool, opens: bool) -> None:
    def select(client: imaplib.IMAP4) -> Any:
        for wanted in (id_before, id_after):
            if wanted:
                client.xatom("ID", '("name" "imaplib")')
            if client.state != "AUTH":
                client.authenticate("PLAIN", plain)
        return client.select()

    async with served(fault=fault) as server:
        code, (text,) = await asked(server, select, login=False)
        assert code == ("OK" if opens else "NO")
        assert opens or text == b"SELECT Unsafe Login. Please contact kefu@188.com for help"


async def test_an_empty_id_says_nothing() -> None:
    def select(client: imaplib.IMAP4) -> Any:
        client.xatom("ID", "NIL")
        return client.select()[0]

    async with served(fault="unsafe-login") as server:
        assert await asked(server, select) == "NO"


async def test_search_unsupported_and_blind() -> None:
    def search(client: imaplib.IMAP4) -> Any:
        client.select()
        return client.search(None, "HEADER", "Subject", "token-1"), client.search(None, "SINCE", "1-Jan-2020")

    async with served(fault="search-unsupported") as server:
        with pytest.raises(imaplib.IMAP4.error, match="BAD"):
            await asked(server, search)
    async with served(fault="search-blind") as server:
        server.deliver(USER, "INBOX", MAIL)
        assert await asked(server, search) == (("OK", [b""]), ("OK", [b"1"]))


async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'a LOGIN you@lab.test "ascii secret"\r\nb EXAMINE INBOX\r\n')
    await reader.readuntil(b"b OK [READ-ONLY] Opened\r\n")


async def test_closes_and_resets() -> None:
    async with served(fault="closes") as server, line(server) as (reader, writer):
        await opened(reader, writer)
        writer.write(b"c UID SEARCH ALL\r\n")
        assert await reader.read() == b""
    async with served(fault="resets", at="EXAMINE") as server, line(server) as (reader, writer):
        with pytest.raises(ConnectionResetError):
            await opened(reader, writer)
    async with served(fault="closes", at="GREETING") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.read() == b""
        writer.transport.abort()


async def test_hangs_and_garbage() -> None:
    async with served(fault="hangs") as server, line(server) as (reader, writer):
        await opened(reader, writer)
        writer.write(b"c SEARCH ALL\r\n")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), SOON)
    async with served(fault="garbage", at="LOGIN") as server, line(server) as (reader, writer):
        writer.write(b"c LOGIN a b\r\n")
        assert (await reader.readline()).startswith(b"\0\xff")


@pytest.mark.parametrize(
    ("fault", "start"),
    [("endless-literal", b"* 1 FETCH (UID 1001 BODY[] {1073741824}\r\nxxx"), ("endless-responses", b"* OK Still")],
)
async def test_endless(fault: str, start: bytes) -> None:
    async with served(fault=fault) as server, line(server) as (reader, writer):
        await opened(reader, writer)
        writer.write(b"c SEARCH ALL\r\nd FETCH 1 UID\r\n" if fault == "endless-responses" else b"d FETCH 1 UID\r\n")
        assert (await reader.readexactly(len(start))) == start
        for _ in range(20):
            await reader.readexactly(65_536)


@pytest.mark.parametrize("fault", ["", *ImapFault])
async def test_stops_clean_in_the_middle(fault: str, chain: Served) -> None:
    server = ImapServer(mode=Mode.PLAIN, accounts=ACCOUNTS, fault=fault, at="NOOP", seconds=600)
    secure = ImapServer(mode=Mode.IMPLICIT, context=chain.server_context(), accounts=ACCOUNTS)
    await server.start()
    await secure.start()
    _, half = await asyncio.open_connection("127.0.0.1", secure.port)
    half.write(bytes.fromhex("16030100"))
    async with line(server) as (_, writer):
        writer.write(b"a NOOP\r\n")
        await server.stop()
        await secure.stop()
    half.transport.abort()
