"""Does the engine speak TLS with a server of another library, and does it name what is not TLS?"""

import contextlib
import ssl
import warnings

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL

from smtpcheck.core import Kind, because
from smtpcheck.lab.pki import KINDS, Authority, Served
from smtpcheck.wire.tls import ALERTS, HANDSHAKE_LIMIT, Engine, TlsError, escaped

NAME = "smtp.mail.example.com"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def good(authority: Authority) -> Served:
    return authority.issue("good", NAME)


class Peer:
    """A server of the interpreter's own `ssl` in memory; `feed` returns what it answers."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.into, self.out, server_side=True)
        self.error: ssl.SSLError | None = None
        self.done = False

    def feed(self, data: bytes) -> bytes:
        self.into.write(data)
        try:
            if not self.done and not self.error:
                self.tls.do_handshake()
                self.done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self.error = error
        return self.out.read()


def shake(engine: Engine, peer: Peer, *, step: int = 1 << 20) -> None:
    """Carry bytes to and fro, `step` at a time towards the engine, until both are done."""
    to_peer = engine.handshake()
    for _ in range(10):
        back = peer.feed(to_peer)
        to_peer = b""
        for start in range(0, len(back), step):
            part = back[start : start + step]
            to_peer += engine.decrypt(part) if engine.done else engine.handshake(part)
        if engine.done and peer.done:
            return
    raise AssertionError("no end of the handshake")


def only(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version
        context.maximum_version = version
    return context


def failure(engine: Engine, *answers: bytes) -> TlsError:
    engine.handshake()
    with pytest.raises(TlsError) as caught:
        for answer in answers:
            engine.handshake(answer)
    return caught.value


@pytest.mark.parametrize(
    ("version", "named"),
    [
        (ssl.TLSVersion.TLSv1, "TLSv1"),
        (ssl.TLSVersion.TLSv1_1, "TLSv1.1"),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ],
)
@pytest.mark.parametrize("step", [1 << 20, 1])
def test_every_version_is_spoken_in_pieces_of_any_size(
    good: Served, version: ssl.TLSVersion, named: str, step: int
) -> None:
    engine, peer = Engine(NAME), Peer(only(good.server_context(), version))
    shake(engine, peer, step=step)
    session = engine.session
    assert session.version == named == peer.tls.version()
    assert peer.tls.cipher()[0] == session.cipher
    assert session.bits >= 128
    assert session.group
    assert session.chain == good.chain
    assert session.library.startswith("OpenSSL ")


@pytest.mark.parametrize("kind", KINDS)
def test_the_chain_is_kept_as_sent(authority: Authority, kind: str) -> None:
    served = authority.issue(kind, NAME)
    engine = Engine(NAME)
    shake(engine, Peer(served.server_context()))
    assert engine.session.chain == served.chain


def test_data_goes_both_ways_and_the_end_is_seen(good: Served) -> None:
    engine, peer = Engine(NAME), Peer(good.server_context())
    shake(engine, peer)
    long = bytes(range(256)) * 1000
    peer.into.write(engine.encrypt(long))
    heard = b""
    while len(heard) < len(long):
        heard += peer.tls.read(len(long))
    assert heard == long
    peer.tls.write(long)
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    sealed = peer.out.read()
    assert b"".join(engine.decrypt(sealed[i : i + 1000]) for i in range(0, len(sealed), 1000)) == long
    assert engine.closed
    peer.into.write(engine.shutdown())
    peer.tls.unwrap()


def test_a_greeting_in_the_last_flight_is_not_lost(good: Served) -> None:
    engine, peer = Engine(NAME), Peer(only(good.server_context(), ssl.TLSVersion.TLSv1_2))
    last = peer.feed(engine.handshake(peer.feed(engine.handshake())))
    assert peer.done
    peer.tls.write(b"220 ready\r\n")
    assert engine.handshake(last + peer.out.read()) == b""
    assert engine.done
    assert engine.decrypt(b"") == b"220 ready\r\n"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, NAME),
        (NAME + ".", NAME),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", None),
        ("::1", None),
        ("a" * 64 + ".example", None),
        ("nul\0.example", None),
        ("", None),
    ],
)
def test_sni_is_a_dns_name_or_absent(good: Served, name: str, sent: str | None) -> None:
    asked: list[str | None] = []
    context = good.server_context()
    context.sni_callback = lambda tls, name, context: asked.append(name)
    shake(Engine(name), Peer(context))
    assert asked == [sent]


def test_nothing_is_resumed(good: Served) -> None:
    context = good.server_context()
    for _ in range(2):
        engine, peer = Engine(NAME), Peer(context)
        shake(engine, peer)
        assert not peer.tls.session_reused
        assert engine.session.chain == good.chain


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"* OK IMAP4rev1\r\n",
        b"\0" * 100,
        b"\xff\xfe\\x",
        b"\x16\x02\x00\x00",
        b"\x80\x2e\x04\x01",
    ],
)
def test_what_is_not_tls_is_named_with_its_first_bytes(said: bytes) -> None:
    error = failure(Engine(NAME), said)
    assert (error.kind, error.raw) == (Kind.NOT_TLS, said[:64])
    assert error.reason == because("tls-first-bytes", octets=escaped(said[:64]))


def test_a_greeting_byte_by_byte_is_enough_after_four() -> None:
    error = failure(Engine(NAME), b"2", b"2", b"0", b" ", b"mail")
    assert (error.kind, error.reason.seen["octets"]) == (Kind.NOT_TLS, "220 ")


def test_escaping_is_reversible() -> None:
    raw = bytes(range(256)) + rb"\x41"
    assert escaped(raw).isprintable()
    assert escaped(raw).encode().decode("unicode_escape").encode("latin-1") == raw


@pytest.mark.parametrize("number", [40, 70, 71, 80, 112, 0x99])
@pytest.mark.parametrize("cut", [7, 1])
def test_a_plain_alert_is_named_by_number(number: int, cut: int) -> None:
    record = b"\x15\x03\x01\x00\x02\x02" + bytes([number])
    error = failure(Engine(NAME), *(record[i : i + cut] for i in range(0, 7, cut)))
    assert error.kind is Kind.ALERT
    assert error.reason == because("tls-alert", alert=ALERTS.get(number, "unknown"), number=number)


def test_a_warning_breaks_nothing_and_explains_the_close_after_it() -> None:
    engine = Engine(NAME)
    engine.handshake()
    assert engine.handshake(b"\x15\x03\x01\x00\x02\x01\x70") == b""
    error = engine.handshake_eof()
    assert (error.kind, error.reason.seen) == (Kind.ALERT, {"alert": "unrecognized_name", "number": 112})


def test_close_notify_in_mid_handshake_is_an_alert() -> None:
    error = failure(Engine(NAME), b"\x15\x03\x01\x00\x02\x01\x00")
    assert (error.kind, error.reason.seen) == (Kind.ALERT, {"alert": "close_notify", "number": 0})


def test_no_cipher_in_common(good: Served) -> None:
    context = good.server_context()
    context.set_ciphers("aNULL:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    engine, peer = Engine(NAME), Peer(context)
    error = failure(engine, peer.feed(Engine(NAME).handshake()))
    assert peer.error is not None
    assert (error.kind, error.reason.seen) == (Kind.ALERT, {"alert": "handshake_failure", "number": 40})


def test_an_encrypted_alert_of_tls_13_is_named(authority: Authority, good: Served) -> None:
    context = only(good.server_context(), ssl.TLSVersion.TLSv1_3)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=authority.root_pem.decode())
    engine, peer = Engine(NAME), Peer(context)
    alert = peer.feed(engine.handshake(peer.feed(engine.handshake())))
    assert engine.done
    assert alert[0] == 23
    with pytest.raises(TlsError) as caught:
        engine.decrypt(alert)
    assert caught.value.kind is Kind.ALERT
    assert caught.value.reason.seen == {"alert": "certificate_required", "number": 116}


def test_ssl_3_is_named_as_what_the_server_chose() -> None:
    hello = b"\x03\x00" + bytes(32) + b"\0" + b"\x00\x0a" + b"\0"
    message = b"\x02" + len(hello).to_bytes(3, "big") + hello
    error = failure(Engine(NAME), b"\x16\x03\x00" + len(message).to_bytes(2, "big") + message)
    assert error.kind is Kind.HANDSHAKE
    assert error.reason == because("tls-version-refused", version="SSL 3.0", alert="protocol_version", number=70)


@pytest.mark.parametrize("flip", [5, 9, 50, 120, 400, 900])
def test_a_damaged_flight_is_a_broken_handshake(good: Served, flip: int) -> None:
    engine = Engine(NAME)
    flight = bytearray(Peer(good.server_context()).feed(engine.handshake()))
    flight[flip] ^= 0xFF
    try:
        engine.handshake(bytes(flight))
    except TlsError as error:
        assert error.kind in (Kind.HANDSHAKE, Kind.ALERT)
    assert not engine.done


def test_garbage_behind_the_header_of_a_record() -> None:
    error = failure(Engine(NAME), b"\x16\x03\x03\x00\x10" + b"\xee" * 16)
    assert error.kind is Kind.HANDSHAKE
    assert error.reason.code in ("tls-library", "tls-library-refused")
    assert error.reason.seen["openssl"]


def test_a_close_in_mid_handshake(good: Served) -> None:
    engine = Engine(NAME)
    flight = Peer(good.server_context()).feed(engine.handshake())
    engine.handshake(flight[:100])
    assert engine.handshake_eof().kind is Kind.CLOSED
    assert engine.handshake_eof().reason == because("tls-closed", received=100)
    assert Engine(NAME).handshake_eof().reason == because("tls-closed", received=0)


def test_a_close_after_less_than_four_bytes_of_text() -> None:
    engine = Engine(NAME)
    engine.handshake()
    assert engine.handshake(b"22") == b""
    assert engine.handshake_eof().kind is Kind.NOT_TLS
    assert engine.handshake_eof().reason == because("tls-first-bytes", octets="22")


def test_an_endless_handshake_is_refused() -> None:
    warning = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"  # HelloRequest, which a client may ignore
    engine = Engine(NAME)
    engine.handshake()
    with pytest.raises(TlsError) as caught:
        for _ in range(HANDSHAKE_LIMIT):
            engine.handshake(warning * 100)
    assert caught.value.kind is Kind.HANDSHAKE
    with pytest.raises(TlsError, match=r"tls-too-long.*262144"):
        Engine(NAME).handshake(b"\x16" * (HANDSHAKE_LIMIT + 1))


def test_too_many_certificates_are_refused_and_bounded(good: Served) -> None:
    many = Served(good.chain[:1] + (good.chain[1],) * 400, good.key_pem)
    engine, peer = Engine(NAME), Peer(many.server_context())
    error = failure(engine, peer.feed(Engine(NAME).handshake()))
    assert error.kind is Kind.HANDSHAKE


def test_a_broken_record_after_the_handshake_is_garbage(good: Served) -> None:
    engine, peer = Engine(NAME), Peer(good.server_context())
    shake(engine, peer)
    peer.tls.write(b"before")
    sealed = peer.out.read()
    assert engine.decrypt(sealed + b"\x17\x03\x03\x00\x20" + bytes(32)) == b"before"
    with pytest.raises(TlsError) as caught:
        engine.decrypt(b"")
    assert caught.value.kind is Kind.GARBAGE


def test_renegotiation_can_not_change_the_certificate(authority: Authority) -> None:
    served = authority.issue("good", NAME)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate(load_der_x509_certificate(served.chain[0]))
    context.use_privatekey(load_pem_private_key(served.key_pem, None))
    heard: list[int] = []
    context.set_info_callback(lambda _, where, value: where == SSL.SSL_CB_READ_ALERT and heard.append(value & 0xFF))
    server = SSL.Connection(context, None)
    server.set_accept_state()
    engine = Engine(NAME)

    def turn(data: bytes) -> bytes:
        if data:
            server.bio_write(data)
        with contextlib.suppress(SSL.WantReadError):
            server.do_handshake()
        try:
            return server.bio_read(1 << 16)
        except SSL.WantReadError:
            return b""

    engine.handshake(turn(engine.handshake(turn(engine.handshake()))))
    assert engine.done
    server.renegotiate()
    assert engine.decrypt(turn(b"")) == b""
    # RFC 5246 section 7.2.2: a client that will not says no_renegotiation (100), and nothing else
    server.bio_write(engine.encrypt(b""))
    with contextlib.suppress(SSL.Error):
        server.recv(1)
    assert heard == [100]
    assert engine.session.chain == served.chain[:1]


def test_no_session_before_the_end() -> None:
    with pytest.raises(RuntimeError):
        _ = Engine(NAME).session
    assert Engine(NAME).shutdown() == b""
