"""Is what a handshake gives away read rightly, and is garbage left alone?"""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.core import NO_REASON, because
from smtpcheck.lab.pki import Authority
from smtpcheck.lab.scripted import bound_suites
from smtpcheck.wire.handshake import Overheard, overhear
from smtpcheck.wire.tls import Engine, Hello, TlsError, TlsSession
from smtpcheck.wire.x509 import flight

NAME = "mail.example.com"
AUTHORITY = Authority()


def agreed(context: ssl.SSLContext, hello: Hello | None = None) -> TlsSession:
    """What our client and such a server come to."""
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(into, out, server_side=True)
    engine = Engine(NAME, hello)
    into.write(engine.handshake())
    for _ in range(6):
        try:
            server.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            engine.handshake(out.read())
        if data := out.read():
            into.write(engine.handshake(data))
        if engine.done:
            return engine.session
    raise AssertionError("no agreement")


def server(ciphers: str = "", group: int = 0) -> ssl.SSLContext:
    context = AUTHORITY.issue("rsa", NAME).server_context()
    bound_suites(context, ciphers, group)
    return context


def test_the_size_of_a_finite_field_group_is_seen() -> None:
    session = agreed(server("DHE", 1024))
    assert (session.dh_bits, session.version) == (1024, "TLSv1.2")
    assert session.unsafe == because("tls-group-unsafe", bits=1024)


def test_a_curve_is_no_small_group() -> None:
    session = agreed(server("ECDHE"))
    assert (session.dh_bits, session.unsafe) == (0, NO_REASON)


def test_tls_1_3_has_neither_group_nor_renegotiation_to_mind() -> None:
    session = agreed(AUTHORITY.issue("good", NAME).server_context())
    assert (session.version, session.dh_bits, session.safe_renegotiation) == ("TLSv1.3", 0, True)
    assert not session.unsafe


def test_a_server_of_today_knows_rfc_5746() -> None:
    context = server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert agreed(context).safe_renegotiation


def test_a_server_without_rfc_5746_is_told_from_one_with() -> None:
    with_it = flight(AUTHORITY.issue("good", NAME).chain)
    assert overhear(with_it).safe_renegotiation is True
    # the same ServerHello with an unknown extension in its place
    assert overhear(with_it.replace(b"\xff\x01\x00\x01\x00", b"\xff\x02\x00\x01\x00", 1)).safe_renegotiation is False


def test_only_a_wide_greeting_takes_a_suite_that_encrypts_nothing() -> None:
    with pytest.raises(TlsError, match="handshake_failure"):
        agreed(server("NULL-SHA256"))
    assert agreed(server("NULL-SHA256"), Hello(any_cipher=True)).cipher == "NULL-SHA256"


def test_the_name_asked_for_is_the_one_of_the_greeting() -> None:
    asked: list[str | None] = []
    context = server()
    context.sni_callback = lambda _, name, __: asked.append(name)
    for hello in (None, Hello(server_name=""), Hello(server_name="other.example.com")):
        agreed(context, hello)
    assert asked == [NAME, None, "other.example.com"]


@given(st.binary(max_size=400))
def test_garbage_gives_nothing_away_and_breaks_nothing(octets: bytes) -> None:
    assert isinstance(overhear(octets), Overheard)
    assert isinstance(overhear(b"\x16\x03\x03" + len(octets).to_bytes(2, "big") + octets), Overheard)


def test_nothing_was_heard() -> None:
    assert overhear(b"") == Overheard(None, 0)
