"""What do other clients see of settings, names and networks at fault? Symptoms of the rows of their three tables."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import errno
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from email.header import decode_header, make_header
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from smtpcheck.core import Mode
from smtpcheck.lab import Practice
from smtpcheck.lab.dnsd import FORGED_ADDRESS
from tests.lab.clients import SOON, domain, resolver, trusting
from tests.lab.mail_symptoms import Symptom

HOST, OTHER, V6 = "93.184.216.34", "93.184.216.119", "2606:2800:220:1::25"
SILENT, OPEN = "silent", "open"


# What the user typed


def typed(target: str, **options: object) -> Symptom:
    def check(practice: Practice) -> None:
        assert practice.target == target
        assert {name: practice.options[name] for name in options} == options

    return check


def whole_encoded(practice: Practice) -> None:
    message = email.message_from_bytes(Path(practice.options["message"]).read_bytes())
    assert "@" not in message["From"]
    assert "<me@lab.test>" in str(make_header(decode_header(message["From"])))


# Who answers on the port


@contextlib.contextmanager
def client(practice: Practice, mode: Mode) -> Iterator[smtplib.SMTP]:
    """smtplib at the practice port, after TLS where there is one, whatever the names say."""
    context = trusting(practice)
    context.check_hostname = False
    implicit = mode is Mode.IMPLICIT
    made = smtplib.SMTP_SSL(timeout=5, context=context) if implicit else smtplib.SMTP(timeout=5)
    made._host = practice.host
    try:
        made.connect("127.0.0.1", practice.port)
        if mode is Mode.STARTTLS:
            made.starttls(context=context)
        made.ehlo("client.test")
        yield made
    finally:
        made.close()


def login(code: int, words: bytes, *, secret: str = "") -> Symptom:
    """The login is refused in these words; `secret` is in the password."""

    def check(practice: Practice) -> None:
        assert secret in practice.password
        with client(practice, practice.mode) as smtp:
            said = base64.b64encode(f"\0{practice.target}\0{practice.password}".encode()).decode()
            seen = smtp.docmd("AUTH", f"PLAIN {said}")
        assert seen[0] == code
        assert words in seen[1]

    return check


def accepted(practice: Practice) -> None:
    with client(practice, practice.mode) as smtp:
        assert smtp.login(practice.target, practice.password)[0] == 235


def refused(verb: str, code: int, words: bytes, mode: Mode | None = None) -> Symptom:
    """One of MAIL, RCPT or the end of DATA is refused in these words."""

    def check(practice: Practice) -> None:
        with client(practice, mode or practice.mode) as smtp:
            replies = {"MAIL": smtp.mail("a@lab.test")}
            if verb != "MAIL":
                replies["RCPT"] = smtp.rcpt("b@lab.test")
            if verb == "DATA":
                replies["DATA"] = smtp.data(b"Subject: hello\r\n\r\nhello\r\n")
        assert replies[verb][0] == code
        assert words in replies[verb][1]

    return check


def greets(words: bytes) -> Symptom:
    def check(practice: Practice) -> None:
        with socket.create_connection(("127.0.0.1", practice.port), 10) as sock:
            assert words in sock.recv(4096)

    return check


def wants_tls(practice: Practice) -> None:
    assert practice.options["mode"] is Mode.STARTTLS
    with socket.create_connection(("127.0.0.1", practice.port), SOON) as sock, pytest.raises(TimeoutError):
        sock.recv(1)
    with client(practice, Mode.IMPLICIT) as smtp:
        assert smtp.ehlo()[0] == 250


def closed_port(practice: Practice) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", practice.port), 5)


def without(keyword: str, mode: Mode) -> Symptom:
    """EHLO does not list it."""

    def check(practice: Practice) -> None:
        with client(practice, mode) as smtp:
            assert not smtp.has_extn(keyword)

    return check


def relays(practice: Practice) -> None:
    without("starttls", Mode.PLAIN)(practice)
    with client(practice, Mode.PLAIN) as smtp:
        assert (smtp.mail("a@lab.test")[0], smtp.rcpt("b@lab.test")[0]) == (250, 250)


def parts(answer: bytes) -> Symptom:
    """What is said to QUIT."""

    def check(practice: Practice) -> None:
        with client(practice, Mode.PLAIN) as smtp:
            assert isinstance(smtp.sock, socket.socket)
            smtp.send("QUIT\r\n")
            assert smtp.sock.recv(100) == answer

    return check


def stranger(greeting: bytes) -> Symptom:
    def check(practice: Practice) -> None:
        greets(greeting)(practice)
        with smtplib.SMTP(timeout=5) as smtp, pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            smtp._host = practice.host
            smtp.connect("127.0.0.1", practice.port)
            smtp.starttls(context=trusting(practice))

    return check


def late(practice: Practice) -> None:
    begun = time.monotonic()
    greets(b"220 ")(practice)
    assert time.monotonic() - begun > 5


def reset_in_handshake(practice: Practice) -> None:
    with smtplib.SMTP(timeout=5) as smtp, pytest.raises(ConnectionResetError):
        smtp._host = practice.host
        smtp.connect("127.0.0.1", practice.port)
        smtp.starttls(context=trusting(practice))


def stalls_unless_small(practice: Practice) -> None:
    context = trusting(practice)
    context.check_hostname = False
    for segment, comes in ((0, False), (536, True)):
        sock = socket.socket()
        if segment:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment)
        sock.settimeout(5 if comes else SOON)
        sock.connect(("127.0.0.1", practice.port))
        with sock:
            for line in (b"", b"EHLO client.test\r\n", b"STARTTLS\r\n"):
                sock.sendall(line)
                sock.recv(4096)
            if not comes:
                with pytest.raises(TimeoutError):
                    context.wrap_socket(sock, server_hostname=practice.host)
            else:
                context.wrap_socket(sock, server_hostname=practice.host).close()


# Where names lead


def addresses(practice: Practice, host: str, kind: str = "A", *, second: bool = False) -> list[str]:
    asked = resolver(practice)
    port = practice.options["dns"].split(",")[-1 if second else 0].rpartition(":")[2]
    asked.port = int(port)
    try:
        return sorted(each.to_text() for each in asked.resolve(host + ".", kind))
    except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
        return []


def known_as(*found: str, beside: tuple[str, ...] = (), hosts: str = "") -> Symptom:
    """What the first resolver says, the second one, and the hosts file."""

    def check(practice: Practice) -> None:
        kind = "AAAA" if found and ":" in found[0] else "A"
        assert addresses(practice, practice.host, kind) == sorted(found)
        if beside:
            assert addresses(practice, practice.host, second=True) == list(beside)
        assert [*practice.hosts.get(practice.host, ())] == ([hosts] if hosts else [])

    return check


def owner(practice: Practice) -> str:
    """The domain of the account."""
    user = str(practice.options.get("user", ""))
    return user.rpartition("@")[2] or domain(practice)


def exchangers(*found: str, leading: str | None = "") -> Symptom:
    """The hosts of MX, and what is known of the first: an address, none (None: no such name)."""

    def check(practice: Practice) -> None:
        asked = resolver(practice)
        try:
            names = [mx.exchange.to_text(omit_final_dot=True) for mx in asked.resolve(owner(practice) + ".", "MX")]
        except dns.resolver.NoAnswer:
            names = []
        assert sorted(names) == sorted(each.format(host=practice.host) for each in found)
        first = found[0].format(host=practice.host) if found else owner(practice)
        if leading is None:
            with pytest.raises(dns.resolver.NXDOMAIN):
                asked.resolve(first + ".", "A")
        elif leading:
            assert [each.to_text() for each in asked.resolve(first + ".", "A")] == [leading]
        else:
            with pytest.raises(dns.resolver.NoAnswer):
                asked.resolve(first + ".", "A")

    return check


def bogus(practice: Practice) -> None:
    query = dns.message.make_query(practice.host, "A")
    port = int(practice.options["dns"].rpartition(":")[2])
    assert dns.query.udp(query, "127.0.0.1", port=port, timeout=5).rcode() == dns.rcode.SERVFAIL
    query.flags |= dns.flags.CD
    assert dns.query.udp(query, "127.0.0.1", port=port, timeout=5).answer


def twice(practice: Practice) -> None:
    query = dns.message.make_query(practice.host, "A")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(("127.0.0.1", int(practice.options["dns"].rpartition(":")[2])))
        sock.send(query.to_wire())
        heard = [dns.message.from_wire(sock.recv(4096)).answer[0][0].to_text() for _ in range(2)]
    assert heard == [FORGED_ADDRESS, HOST]


def invents(practice: Practice) -> None:
    assert addresses(practice, "no-such-name.invalid") == ["127.0.0.1"]
    assert addresses(practice, practice.host) == [HOST]


def unknown_name(practice: Practice) -> None:
    with pytest.raises(dns.resolver.NXDOMAIN):
        resolver(practice).resolve(practice.host + ".", "A")


# How the network behaves


def ways(**expected: str | int) -> Symptom:
    """Keys `a25` (the host), `b25` (another one) and `v25` (its IPv6 address); values: open, silent or an errno."""

    def check(practice: Practice) -> None:
        for key, how in expected.items():
            address = {"a": HOST, "b": OTHER, "v": V6, "i": "10.20.30.40", "p": "192.168.1.25"}[key[0]]
            assert asyncio.run(_dialled(practice, address, int(key[1:]))) == how, key

    return check


async def _dialled(practice: Practice, address: str, port: int) -> str | int:
    assert practice.dialer is not None
    try:
        async with asyncio.timeout(0.1):
            (await practice.dialer.connect(address, port)).close()
    except TimeoutError:
        return SILENT
    except OSError as error:
        return error.errno or 0
    return OPEN


def both(*symptoms: Symptom) -> Symptom:
    def check(practice: Practice) -> None:
        for symptom in symptoms:
            symptom(practice)

    return check


_QQ = b"Please enter your authorization code"
_REFUSED = b"5.7.8 Error: authentication failed"

SYMPTOMS: dict[str, Symptom] = {
    "starttls-on-implicit-tls-port": greets(b"\x15\x03\x01\x00\x02\x02F"),
    "port587-implicit-at-provider": wants_tls,
    "port465-implicit-told-starttls": wants_tls,
    "port-not-served-by-provider": closed_port,
    "host-whitespace-or-punct": typed("smtp.qq.com,"),
    "host-has-scheme-or-port": typed("ssl://smtp.qq.com:465"),
    "host-empty-or-placeholder": unknown_name,
    "host-wrong-provider-endpoint": both(login(535, _QQ), exchangers("mxbiz1.qq.com", leading=None)),
    "host-right-provider-refused": login(535, b"authentication failed"),
    "auth-not-offered-at-own-exchanger": both(
        without("auth", Mode.STARTTLS), exchangers("{host}", leading="127.0.0.1")
    ),
    "host-mx-used-as-submission": both(without("auth", Mode.STARTTLS), exchangers("{host}", leading="127.0.0.1")),
    "secret-empty": login(535, _REFUSED, secret="None"),
    "secret-empty-at-qq": login(535, _QQ, secret="undefined"),
    "secret-interpolated": login(535, _REFUSED, secret="${SMTP_PASSWORD}"),
    "secret-interpolated-works": accepted,
    "secret-url-not-encoded": typed("smtp://me:p#ss@smtp.qq.com:465"),
    "secret-trailing-newline": login(535, _REFUSED, secret="\n"),
    "secret-invisible-char": login(535, _REFUSED, secret="\xa0"),
    "secret-invisible-char-at-qq": login(535, _QQ, secret="\xa0"),
    "from-ne-login-qq": refused("MAIL", 501, b"Mail from address must be same as authorization user"),
    "from-ne-login-163": refused("MAIL", 553, b"Mail from must equal authorized user"),
    "from-ne-login-sina": refused("MAIL", 553, b"Envolope sender mismatch"),
    "from-ne-login-aliyun": refused("MAIL", 440, b"doesn't conform with authentication"),
    "from-ne-login-postfix": refused("RCPT", 553, b"not owned by user"),
    "from-ne-login-o365": refused("DATA", 554, b"SendAsDenied"),
    "from-ne-login-zoho": refused("DATA", 553, b"Relaying disallowed as"),
    "from-not-verified-esp": refused("MAIL", 550, b"does not match a verified Sender Identity"),
    "from-header-whole-encoded": both(refused("DATA", 550, b'"From" header'), whole_encoded),
    "from-header-refused": refused("DATA", 550, b'The "From" header is missing or invalid'),
    "recipient-list-as-string": typed("me@recipient-list-as-string.lab.test", recipients=("a@lab.test,b@lab.test",)),
    "recipient-malformed": typed("me@recipient-malformed.lab.test", recipients=("you@lab.test。",)),
    "ehlo-name-non-ascii": both(typed("me@ehlo-name-non-ascii.lab.test", ehlo="小明的电脑.lan"), accepted),
    "quit-error-after-success": parts(b"\0\0\0\x1a\0\0\0\n"),
    "quit-closes": parts(b""),
    "mailer-not-smtp": typed("sandbox.smtp.mailtrap.io:587"),
    "relay-cred-not-needed": relays,
    "relay-cred-needed": refused("RCPT", 554, b"Relay access denied", Mode.PLAIN),
    "dns-dnssec-bogus": bogus,
    "dns-ipv6-only-name": both(known_as(V6), ways(v587=errno.ENETUNREACH)),
    "dns-ipv6-only-works": both(known_as(V6), ways(v587=OPEN)),
    "dns-poisoned": both(twice, ways(a587=OPEN)),
    "dns-split-horizon": both(known_as("10.20.30.40", beside=(HOST,)), ways(i587=SILENT, a587=OPEN)),
    "dns-split-horizon-works": both(known_as("10.20.30.40", beside=(HOST,)), ways(i587=OPEN)),
    "dns-split-horizon-both-dead": both(known_as("10.20.30.40", beside=(HOST,)), ways(i587=SILENT, a587=SILENT)),
    "dns-stale-after-move": both(known_as(OTHER, beside=(HOST,)), ways(b587=SILENT, a587=OPEN)),
    "dns-hosts-file-override": both(known_as(HOST, hosts=OTHER), ways(b587=errno.ECONNREFUSED, a587=OPEN)),
    "dns-hosts-file-server-down": both(known_as(HOST, hosts=OTHER), ways(a587=errno.ECONNREFUSED)),
    "dns-hosts-file-works": both(known_as(HOST, hosts=OTHER), ways(b587=OPEN)),
    "dns-hijack-elsewhere": both(invents, ways(a587=errno.ECONNREFUSED)),
    "host-typo": unknown_name,
    "mx-none-no-a": exchangers(),
    "mx-none-fallback-a-refused": both(exchangers(leading="127.0.0.1"), closed_port),
    "mx-target-cname": exchangers("mail.mx-target-cname.lab.test", leading=HOST),
    "mx-target-nxdomain": exchangers("old.elsewhere.test", leading=None),
    "mx-target-no-address": exchangers("old.elsewhere.test"),
    "mx-target-private": both(exchangers("{host}", leading="192.168.1.25"), ways(p25=SILENT)),
    "mx-target-private-works": both(exchangers("{host}", leading="192.168.1.25"), ways(p25=OPEN)),
    "mx-aaaa-without-route": ways(v25=errno.ENETUNREACH, a25=OPEN),
    "mx-first-dead-second-ok": ways(b25=errno.ECONNREFUSED, a25=OPEN),
    "mx-wrong-system": refused("RCPT", 554, b"Relay access denied", Mode.STARTTLS),
    "mx-wildcard-typo-accepts": both(exchangers("mx.parked.test", leading=HOST), ways(a25=OPEN)),
    "sender-domain-unresolvable": refused("MAIL", 450, b"Domain not found", Mode.STARTTLS),
    "sender-domain-null-mx": refused("MAIL", 550, b"null MX", Mode.STARTTLS),
    "port25-egress-blocked": ways(a25=SILENT, a587=OPEN, b25=SILENT),
    "port25-egress-blocked-control": ways(a25=SILENT, a587=OPEN, b25=SILENT),
    "port25-dropped-by-them": ways(a25=SILENT, a587=OPEN, b25=OPEN),
    "submission-ports-blocked": ways(a465=SILENT, a587=OPEN),
    "submission-port-refused-here": ways(a587=errno.ECONNRESET, b587=errno.ECONNRESET, a465=OPEN),
    "submission-port-unknown": ways(a587=SILENT, a465=OPEN),
    "server-down": ways(a587=SILENT, a465=SILENT, b587=OPEN),
    "ipv6-error-masks-ipv4-block": ways(v587=errno.ENETUNREACH, a587=SILENT),
    "ipv6-silent": ways(v587=SILENT, a587=OPEN),
    "host-unreachable": ways(a587=errno.EHOSTUNREACH),
    "transparent-smtp-redirect": stranger(b"server.example.net ESMTP Exim"),
    "transparent-smtp-redirect-control": both(stranger(b"mx.hotel-wifi.test"), ways(a587=OPEN, b587=OPEN)),
    "hosted-under-own-name": stranger(b"server.example.net ESMTP Exim"),
    "greeting-delayed-tarpit": late,
    "greeting-554-policy-noptr": greets(b"cannot find your reverse hostname"),
    "proxy-needed-not-used": ways(a587=SILENT, a443=SILENT),
    "proxy-set-and-direct-works": ways(a587=OPEN),
    "connect-reset-by-middlebox": reset_in_handshake,
    "flaky-lb-node": ways(v587=OPEN, a587=OPEN),
    "ip-banned-after-failures": greets(b"421 4.7.0 Too many authentication failures"),
    "local-firewall-app": ways(a587=errno.EPERM),
    "source-policy-allowlist": login(525, b"Unauthorized IP address"),
    "mtu-blackhole": stalls_unless_small,
}
