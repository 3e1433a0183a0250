"""What does `explain` make of a pasted text: named by the same tables, honest where not, harmless, and offline?"""

from __future__ import annotations

import base64
import os
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcheck import advice
from smtpcheck.core import Confidence, Stage
from smtpcheck.diagnosis.causes import CAUSES
from smtpcheck.diagnosis.words import replies
from smtpcheck.lab import Background, Lab, background
from smtpcheck.pasted import quotes
from smtpcheck.pasted import shown as shown
from smtpcheck.pasted.answer import MAX_INPUT, MAX_NAMED, Answer, answer, error_rows
from smtpcheck.pasted.shown import meaning, render, words
from tests import forked
from tests.wire.test_dsn import POSTFIX

ROOT = Path(__file__).parent.parent.parent
QQ_535 = "535 Login Fail. Please enter your authorization code to login."
QQ_GBK = "Error: 请使用授权码登录".encode("gb18030")


def asked(text: str | bytes) -> Answer:
    return answer(text if isinstance(text, bytes) else text.encode())


def codes(found: Answer) -> list[str]:
    return [candidate.code for one in found.named for candidate in one.candidates]


def first(text: str | bytes) -> str:
    found = codes(asked(text))
    return found[0] if found else ""


NODEMAILER = """Error: Invalid login: 535 Login Fail. Please enter your authorization code to login.
    at SMTPConnection._formatError (/app/node_modules/nodemailer/lib/smtp-connection/index.js:784:19)
    at SMTPConnection._actionAUTHComplete (/app/node_modules/nodemailer/lib/smtp-connection/index.js:1536:34) {
  code: 'EAUTH',
  response: '535 Login Fail. Please enter your authorization code to login.',
  responseCode: 535,
  command: 'AUTH PLAIN'
}"""
JAVA = """jakarta.mail.AuthenticationFailedException: 535 Login Fail. Please enter your authorization code to login.
\tat org.eclipse.angus.mail.smtp.SMTPTransport$Authenticator.authenticate(SMTPTransport.java:947)
\tat jakarta.mail.Service.connect(Service.java:345)"""
SMTPLIB = f"""Traceback (most recent call last):
  File "/srv/app.py", line 12, in <module>
    server.login("me@qq.com", "hunter2hunter2")
  File "/usr/lib/python3.11/smtplib.py", line 750, in login
    raise last_exception
smtplib.SMTPAuthenticationError: (535, {b"Login Fail. Please enter your authorization code to login."!r})"""
TRANSCRIPT = """220 newxmesmtplogicsvrsza.qq.com XMail Esmtp QQ Mail Server.
EHLO laptop
250-newxmesmtplogicsvrsza.qq.com
250-AUTH LOGIN PLAIN XOAUTH XOAUTH2
250 8BITMIME
AUTH LOGIN
334 VXNlcm5hbWU6
bWVAcXEuY29t
334 UGFzc3dvcmQ6
Y29ycmVjdCBob3JzZQ==
535 Login Fail. Please enter your authorization code to login."""


@pytest.mark.parametrize(
    ("text", "stage"),
    [
        (QQ_535, None),
        (SMTPLIB, Stage.AUTH),
        (NODEMAILER, Stage.AUTH),
        (JAVA, Stage.AUTH),
        (TRANSCRIPT, Stage.AUTH),
        (f"SMTP ERROR: Password command failed: {QQ_535}", Stage.AUTH),
        (f"2024/05/01 10:00:00 {QQ_535}", None),
        (f"smtplib.SMTPAuthenticationError: (535, {QQ_GBK!r})", Stage.AUTH),
        (b"535 " + QQ_GBK, None),
        ("535 " + QQ_GBK.decode("latin-1"), None),
        (f"send: 'AUTH PLAIN AGFiYwBkZWY=\\r\\n'\nreply: b'{QQ_535}\\r\\n'", Stage.AUTH),
        (f" ~> AUTH LOGIN\n<~* {QQ_535}", Stage.AUTH),
    ],
)
def test_the_same_reply_in_any_clothes_is_the_same_cause(text: str | bytes, stage: Stage | None) -> None:
    found = asked(text)

    assert codes(found)[0] == "qq-password-not-authcode"
    assert found.named[0].stage is stage
    assert len([one for one in found.named if one.code]) == 1, "quoted twice, told once"


@pytest.mark.parametrize(
    ("text", "among"),
    [
        (
            "ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)",
            "tls-implicit-on-starttls-port",
        ),
        (
            "Error: 140735:error:1408F10B:SSL routines:ssl3_get_record:wrong version number",
            "tls-implicit-on-starttls-port",
        ),
        ("javax.net.ssl.SSLException: Unsupported or unrecognized SSL message", "tls-implicit-on-starttls-port"),
        ("tls: first record does not look like a TLS handshake", "tls-implicit-on-starttls-port"),
        ("Error: Greeting never received\n  code: 'ETIMEDOUT',\n  command: 'CONN'", "plain-on-implicit-tls-port"),
        (
            "MessagingException: Could not connect to SMTP host: x, port: 465, response: -1",
            "plain-on-implicit-tls-port",
        ),
        ("smtplib.SMTPServerDisconnected: Connection unexpectedly closed: timed out", "plain-on-implicit-tls-port"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired", "certificate-expired"),
        ("Error: certificate has expired\n  code: 'CERT_HAS_EXPIRED'", "certificate-expired"),
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: "
            "current time 2024-07-28T10:00:00Z is after 2024-07-04T10:00:00Z",
            "certificate-expired",
        ),
        (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: "
            "current time 1970-01-01T00:00:09Z is before 2024-07-04T10:00:00Z",
            "clock-behind",
        ),
        ("certificate verify failed: certificate is not yet valid (_ssl.c:1006)", "clock-behind"),
        (
            "certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)",
            "certificate-chain-incomplete",
        ),
        (
            "Error: unable to verify the first certificate\n code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'",
            "certificate-chain-incomplete",
        ),
        ("x509: certificate signed by unknown authority", "certificate-chain-incomplete"),
        ("sun.security.validator.ValidatorException: PKIX path building failed", "certificate-chain-incomplete"),
        ("certificate verify failed: self-signed certificate (_ssl.c:1006)", "certificate-self-signed"),
        ("certificate verify failed: self signed certificate in certificate chain", "av-mail-shield"),
        ("certificate verify failed: Hostname mismatch, certificate is not valid for 'a.b'.", "certificate-wrong-host"),
        ("x509: certificate is valid for *.x.net, y.net, not smtp.z.net", "certificate-wrong-host"),
        ("ERR_TLS_CERT_ALTNAME_INVALID Host: a. is not in the cert's altnames: DNS:b", "certificate-wrong-host"),
        (
            "certificate verify failed: IP address mismatch, certificate is not valid for '10.0.0.1'",
            "certificate-host-is-ip",
        ),
        ("certificate verify failed: Basic Constraints of CA cert not marked critical", "certificate-strict"),
        ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version", "tls-server-too-old"),
        ("[SSL: DH_KEY_TOO_SMALL] dh key too small (_ssl.c:1006)", "tls-dh-too-small"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "connect-refused"),
        ("Error: connect ECONNREFUSED 127.0.0.1:587", "connect-refused"),
        ("[WinError 10061] 由于目标计算机积极拒绝，无法连接。", "connect-refused"),
        ("dial tcp 192.0.2.1:587: connect: connection refused", "connect-refused"),
        ("socket.gaierror: [Errno -2] Name or service not known", "host-typo"),
        ("Error: getaddrinfo ENOTFOUND stmp.qq.com", "host-typo"),
        ("socket.gaierror: [Errno 11001] getaddrinfo failed", "host-typo"),
        ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "dns-resolver-down"),
        ("TimeoutError: [WinError 10060] 由于连接方在一段时间后没有正确答复", "connect-timeout"),
        ("OSError: [Errno 101] Network is unreachable", "ipv6-error-masks-ipv4-block"),
        ("connect to mx.x.net[192.0.2.1]:25: Connection timed out", "port25-egress-blocked"),
        ("smtplib.SMTPNotSupportedError: STARTTLS extension not supported by server.", "starttls-not-offered"),
        ("smtplib.SMTPNotSupportedError: SMTP AUTH extension not supported by server.", "auth-only-after-starttls"),
        ("smtplib.SMTPException: No suitable authentication method found.", "auth-mech-none-common"),
        ("smtplib.SMTPConnectError: (-1, b'/1.1 400 Bad Request')", "greeting-not-smtp"),
        ("smtplib.SMTPResponseException: (-1, b'\\x00\\x00\\x00')", "quit-error-after-success"),
        ("UnicodeEncodeError: 'ascii' codec can't encode character '\\xa0' in position 4", "secret-invisible-char"),
        ("error sending message: 250 Accepted", "nonstandard-success-as-error"),
        ("{'bad@x.net': (550, b'5.1.1 no such one here')}", "recipient-partly-refused"),
    ],
)
def test_errors_of_libraries_are_named(text: str, among: str) -> None:
    assert first(text) == among


@pytest.mark.parametrize("row", error_rows(), ids=lambda row: row.among[0])
def test_every_cause_of_the_table_is_known_or_listed(row) -> None:
    listed = (ROOT / "docs" / "faults.txt").read_text("utf-8").split()
    for code in row.among:
        assert code in listed or code in CAUSES or advice.entry(code, "en")
    assert row.source
    assert len(set(row.among)) == len(row.among)
    assert not re.search(row.text, ""), "matches whatever comes"


@pytest.mark.parametrize(
    "text",
    [
        "550 5.7.99 The moon is in the wrong house",
        "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Computer says no')",
        "535",
        "5.7.8",
        "the cat sat on the mat",
        "smtp.qq.com:465 took 500 ms on line 550, in main",
        "Everything fine, 250 messages in 12 folders",
    ],
)
def test_unknown_words_are_not_forced_into_a_cause(text: str) -> None:
    assert codes(asked(text)) == []
    assert not asked(text).known


def plain_rows() -> Iterator[tuple[replies.Row, str]]:
    """Rows whose pattern is a plain text, and that text."""
    for row in replies.rows():
        bare = row.text.removeprefix("(?i)").split("|")[0]
        if not re.search(r"[\\\[\](){}^$*+?.|]", bare) and re.search(row.text, bare):
            yield row, bare


@pytest.mark.parametrize(("row", "text"), list(plain_rows()), ids=lambda value: getattr(value, "cause", None))
def test_a_row_of_the_live_table_is_found_at_its_stage_and_at_no_other(row: replies.Row, text: str) -> None:
    says = {
        Stage.AUTH: "in reply to AUTH command",
        Stage.MAIL: "in reply to MAIL FROM command",
        Stage.RCPT: "in reply to RCPT TO command",
        Stage.DATA: "in reply to end of DATA command",
        Stage.EHLO: "in reply to EHLO command",
        Stage.GREETING: "in reply to QUIT command",
    }
    reply = f"{row.codes[0]} {row.enhanced[0] + ' ' if row.enhanced else ''}{text}"
    expected = {row.cause, *row.among} - {""}

    def told(stage: Stage) -> set[str]:
        before = "while refused to talk to me" if stage is Stage.GREETING else "said"
        found = asked(f"host mx {before}: {reply} ({says[stage]})").named
        return {c.code for one in found if one.code for c in one.candidates if c.stage is row.stage}

    assert expected & told(row.stage)
    assert not told(Stage.EHLO if row.stage is not Stage.EHLO else Stage.DATA)


def test_a_refusal_that_a_disconnect_hides_comes_first_and_the_end_says_nothing() -> None:
    found = asked(TRANSCRIPT + "\nAUTH PLAIN AGFiYwBkZWY=\nSMTPServerDisconnected: Connection unexpectedly closed")

    assert codes(found)[0] == "qq-password-not-authcode"
    assert "plain-on-implicit-tls-port" not in codes(found)


def test_an_end_without_reply_after_auth_is_told_by_where_it_stands() -> None:
    cut = TRANSCRIPT.rpartition("\n")[0] + "\nConnection unexpectedly closed"

    assert "qq-silent-close-on-auth" in codes(asked(cut))
    assert "plain-on-implicit-tls-port" not in codes(asked(cut))


def test_an_error_after_an_accepted_message_is_no_reason_to_send_again() -> None:
    done = "MAIL FROM:<a@b.c>\n250 ok\nRCPT TO:<d@e.f>\n250 ok\nDATA\n354 go\n.\n250 queued\nQUIT\n"
    found = asked(done + "smtplib.SMTPServerDisconnected: Connection unexpectedly closed")

    assert found.accepted
    assert codes(found) == ["quit-error-after-success"]
    assert "not" in render(found).split("\n")[0]


def test_the_provider_is_taken_from_the_text_and_said_where_it_is_not_known() -> None:
    own = [row for row in replies.rows() if row.provider and row.stage is Stage.AUTH and row.cause]
    assert own, "no row of a provider left to test with"
    known = asked("535 Error: authentication failed\nsmtp.163.com")
    unknown = asked("535 Error: authentication failed")

    assert {c.provider for one in known.named for c in one.candidates} <= {"", "163", "netease"}
    assert len({c.provider for one in unknown.named for c in one.candidates}) > 2
    assert all(c.confidence is Confidence.POSSIBLE for one in unknown.named for c in one.candidates)


def test_every_recipient_of_a_bounce_is_told() -> None:
    found = asked(POSTFIX)

    assert found.bounce
    assert [(one.recipient, one.action, one.enhanced) for one in found.named if one.recipient] == [
        ("gone@example.net", "failed", "5.1.1"),
        ("late@example.com", "delayed", "4.4.1"),
    ]
    assert found.named[0].stage is Stage.RCPT, "from the words for people"
    late = next(one for one in found.named if one.recipient == "late@example.com")
    assert "port25-egress-blocked" in [c.code for c in late.candidates]
    text = render(found)
    assert "gone@example.net, not delivered" in text
    assert "late@example.com, not delivered yet" in text


def test_recipients_beyond_the_bound_are_counted() -> None:
    group = "Final-Recipient: rfc822; u{0}@b.c\nAction: failed\nStatus: 5.1.1\n\n"
    found = asked("".join(group.format(i) for i in range(MAX_NAMED + 7)))

    assert (len(found.named), found.left) == (MAX_NAMED, 7)
    assert "and 7 more recipients" in render(found)


def test_a_status_alone_is_told_by_its_class() -> None:
    found = asked("Final-Recipient: rfc822; a@b.c\nAction: failed\nStatus: 5.2.99\n")

    assert not found.known
    assert "permanent" in render(found)
    assert "recipient's mailbox" in render(found)


@pytest.mark.parametrize("lang", advice.LANGUAGES)
@pytest.mark.parametrize(
    ("code", "enhanced"), [(550, "5.7.1"), (421, "4.4.2"), (535, ""), (599, "5.9.1"), (0, "5.1.1")]
)
def test_codes_have_a_meaning_in_every_language(lang: str, code: int, enhanced: str) -> None:
    one = asked("550 5.7.99 no").named[0]
    told = meaning(type(one)(said="", candidates=(), code=code, enhanced=enhanced), lang)

    assert str(enhanced or code) in told
    assert len(told) > len(enhanced) + 4


def test_both_languages_have_the_same_words() -> None:
    assert words("en").keys() == words("zh-CN").keys()
    places = {lang: {key: re.findall(r"{\w+}", text) for key, text in words(lang).items()} for lang in advice.LANGUAGES}
    assert places["en"] == places["zh-CN"]


@pytest.mark.parametrize("lang", advice.LANGUAGES)
def test_every_candidate_has_a_text_without_open_places(lang: str) -> None:
    known = [row for row in error_rows() if any(advice.entry(code, lang) for code in row.among)]
    assert known
    for row in known:
        for code in row.among:
            entry = advice.entry(code, lang)
            if entry:
                told = shown._told(code, lang, {"subject": "smtp.example.test"})
                assert not re.search(r"\{[a-z_]+\}", f"{told.summary}{told.decides}{told.steps}")


# Secrets and hostile text

SECRET = "c0rrect/horse+battery="
AROUND = "550 5.7.1 no {0}\nConnection refused {0}\n"


@pytest.mark.parametrize(
    "text",
    [
        "AUTH PLAIN {plain}\n535 5.7.8 refused {plain}\n",
        "C: AUTH PLAIN\nS: 334\nC: {plain}\nS: 535 5.7.8 refused {plain} and {secret}\n",
        "AUTH LOGIN\n334 VXNlcm5hbWU6\nbWVAcXEuY29t\n334 UGFzc3dvcmQ6\n{b64}\n535 no {b64} {secret}\n",
        "send: 'AUTH PLAIN {plain}\\r\\n'\nreply: b'535 5.7.8 {plain} {secret}\\r\\n'\n",
        "DEBUG -> 'AUTH LOGIN {b64}\\r\\n'\n535 5.7.8 {secret}\n",
        'server.login("me@qq.com", "{secret}")\n535 5.7.8 {secret}\n',
        "smtp://me:{secret}@smtp.qq.com:465 Connection refused\n",
        "SMTP_PASSWORD={secret} Connection refused\n",
        "password: '{secret}' Connection refused\n",
        "535 5.7.8 authentication failed for {plain}\n",
        "command: 'AUTH PLAIN {plain}' Connection refused\n",
        "smtp_password: {secret}\n535 5.7.8 {secret}\n",
    ],
)
@pytest.mark.parametrize("lang", advice.LANGUAGES)
def test_no_form_of_a_secret_is_shown(text: str, lang: str) -> None:
    forms = {
        "secret": SECRET,
        "b64": base64.b64encode(SECRET.encode()).decode(),
        "plain": base64.b64encode(f"\0me@qq.com\0{SECRET}".encode()).decode(),
    }
    found = asked(text.format(**forms))

    assert found.named
    told = render(found, lang=lang, width=4000) + repr(found)
    assert not [form for form in forms.values() if form in told]


def test_what_is_no_secret_stays() -> None:
    assert "alt3.example.net" in render(asked("550 5.1.1 no such user at alt3.example.net - gsmtp d9443c01a7336-1f"))


@pytest.mark.parametrize("lang", advice.LANGUAGES)
def test_hostile_text_is_harmless(lang: str) -> None:
    evil = "550 5.7.1 \x1b[2J\x1b]0;pwned\x07\u202e\u2066 `rm -rf` {subject} {0} [bold]x[/bold]\r\x00"
    told = render(asked(f"{evil}\nConnection refused \x1b[31m\u200b\n"), lang=lang)

    assert not [char for char in told if char != "\n" and not char.isprintable()]
    assert "[bold]x[/bold]" in told


def test_more_than_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="octets"):
        answer(b"x" * (MAX_INPUT + 1))


@pytest.mark.parametrize(
    "text",
    [
        b"550 5.7.1 " + b"a" * (MAX_INPUT - 10),
        b"\n".join(b"550 5.7.1 words %d" % i for i in range(40000)),
        b"a\n" * (MAX_INPUT // 2),
        b"AUTH PLAIN " + b"A" * 10000 + b"\n" + b"QUJD\n" * 100000,
        b"(535, b'" + b"\\" * 500000,
        b"<" * 600000,
        b"password=" * 60000,
        b"a." * 500000,
        b"Status: 5.1.1\nAction: failed\n\n" * 30000,
        b"From: a\nTo: b\nContent-Type: text/html\n\n" + b"<style" * 100000,
    ],
    ids=lambda text: text[:20].decode("latin-1").strip(),
)
def test_large_and_odd_texts_take_no_long_time(text: bytes) -> None:
    began = time.process_time()
    found = answer(text[:MAX_INPUT])
    render(found)

    assert len(found.named) <= MAX_NAMED
    assert time.process_time() - began < 10


@given(st.text(max_size=300) | st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_any_text_has_an_answer(text: str | bytes) -> None:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    for pasted in (raw, b"550 5.7.1 " + raw, b"AUTH PLAIN " + raw, b"(535, b'" + raw + b"')"):
        assert render(answer(pasted)) != ""


def test_the_reply_ends_where_it_ends() -> None:
    excerpt = quotes.read("550-5.7.26 one\n550-5.7.26 two\n550 5.7.26 three\n250 fine\n450 4.7.1 other")

    assert [(q.code, q.text) for q in excerpt.quotes] == [
        (550, "5.7.26 one 5.7.26 two 5.7.26 three"),
        (450, "4.7.1 other"),
    ]


# What the libraries really raise


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


def raised(call: Callable[[], object]) -> str:
    try:
        call()
    except (OSError, smtplib.SMTPException):
        return traceback.format_exc()
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("qq-password-not-authcode", "qq-password-not-authcode"),
        ("auth-refused", "auth-credentials-refused"),
        ("certificate-expired", "certificate-expired"),
        ("certificate-wrong-host", "certificate-wrong-host"),
        ("certificate-self-signed", "certificate-self-signed"),
        ("certificate-chain-incomplete", "certificate-chain-incomplete"),
        ("starttls-not-offered", "starttls-not-offered"),
        ("connect-refused", "connect-refused"),
        ("greeting-554-dnsbl", "greeting-554-dnsbl"),
        ("starttls-broken", "starttls-broken"),
        ("auth-closed-instead-of-reply", "qq-silent-close-on-auth"),
    ],
)
def test_a_real_traceback_of_smtplib_is_named(lab: Background, fault: str, expected: str) -> None:
    assert fault in Lab.faults
    practice = lab.start(fault)
    context = ssl.create_default_context(cafile=practice.options["ca_file"])

    class Aimed(smtplib.SMTP):
        """The lab's own addresses in place of a look-up by name."""

        def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
            return super()._get_socket("127.0.0.1", port, timeout)

    def login() -> None:
        with Aimed(practice.host, practice.port, timeout=5) as server:
            server.starttls(context=context)
            server.login(practice.target, practice.password)

    found = asked(raised(login))
    assert expected in codes(found)
    assert practice.password not in render(found)


# The command


def explain(*arguments: str, stdin: bytes = b"", **environ: str) -> subprocess.CompletedProcess[bytes]:
    guarded = (
        "import sys\n"
        "def guard(event, args):\n"
        "    if event.startswith('socket.'): raise SystemExit('network: ' + event)\n"
        "sys.addaudithook(guard)\n"
        "from smtpcheck.cli import main\n"
        "main()\n"
    )
    return forked.run(
        [sys.executable, "-c", guarded, "explain", *arguments],
        input=stdin,
        env={k: v for k, v in os.environ.items() if k not in ("LANG", "LC_ALL")} | {"PYTHONUTF8": "1"} | environ,
        text=False,
    )


@pytest.mark.parametrize(
    ("arguments", "stdin", "status", "said"),
    [
        ((QQ_535,), b"", 0, "qq-password-not-authcode"),
        (("-",), TRANSCRIPT.encode(), 0, "qq-password-not-authcode"),
        ((), POSTFIX, 0, "gone@example.net"),
        ((), b"535 " + QQ_GBK, 0, "请使用授权码登录"),
        (("certificate-chain-incomplete",), b"", 0, "intermediate"),
        (("ECONNREFUSED",), b"", 0, "connect-refused"),
        (("550", "5.7.99", "new", "words"), b"", 3, "not known here"),
        (("no such thing",), b"", 3, "smtpcheck check"),
        (("--lang", "zh-CN", "550 5.7.99 new words"), b"", 3, "没见过"),
    ],
)
def test_command(arguments: tuple[str, ...], stdin: bytes, status: int, said: str) -> None:
    done = explain(*arguments, stdin=stdin)

    assert done.returncode == status, done.stderr.decode()
    assert said in done.stdout.decode()
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [((), b""), (("-",), b" \n"), (("",), b""), (("nonsense",), b""), ((), b"x" * (MAX_INPUT + 1))],
)
def test_usage(arguments: tuple[str, ...], stdin: bytes) -> None:
    done = explain(*arguments, stdin=stdin)

    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_the_guard_of_these_tests_can_fail() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, socket\nsys.addaudithook(lambda e, a: print(e))\nsocket.socket().close()"],
        capture_output=True,
        check=True,
    )
    assert b"socket.__new__" in done.stdout


def test_a_bounce_is_told_once_though_it_says_the_same_for_people_and_for_programs() -> None:
    said = (
        "550-5.7.26 Your email has been blocked because the sender is unauthenticated. 550-5.7.26 Authentication "
        "results: DKIM = did not pass SPF [acme.example] with ip: [192.0.2.1] = did not pass"
    )
    found = asked(
        "From: MAILER-DAEMON@mx.acme.example\nSubject: Undelivered Mail\nMIME-Version: 1.0\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\n\n--B\n\n'
        f"<bob@gmail.com>: host gmail-smtp-in.l.google.com[192.0.2.2] said: {said} (in reply to end of DATA command)\n"
        "\n--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.acme.example\n\n"
        "Final-Recipient: rfc822; bob@gmail.com\nAction: failed\nStatus: 5.7.26\n"
        f"Diagnostic-Code: smtp; {said}\n\n--B--\n"
    )

    assert codes(found) == ["spf-missing-or-fail"]


def test_words_that_mean_the_same_at_several_stages_tell_none() -> None:
    several = asked("550 5.1.8 Access denied, bad outbound sender").named[0].candidates
    one = asked("550 SMTP AUTH is required").named[0].candidates
    login = asked("454 4.7.0 Too many login attempts, please try again later smtp.gmail.com").named[0].candidates

    assert [(c.code, c.stage) for c in several] == [("account-disabled-outbound", None)]
    assert [(c.code, c.stage) for c in one] == [("auth-not-attempted", None)]
    assert [c.stage for c in login] == [Stage.AUTH]


def test_what_has_no_code_is_told_in_its_own_words() -> None:
    text = "退信原因：收件人邮件地址（you@qq.com）不存在，邮件无法送达。"

    assert codes(asked(text)) == ["user-unknown"]
    assert "…" not in render(asked(text))
