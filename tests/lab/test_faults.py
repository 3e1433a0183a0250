"""Does every fault of the table show the symptom it is named for, to clients that are not ours?"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import dns.resolver
import pytest

from smtpcheck.lab import Background, Lab, background
from tests.lab import delivery_symptoms as delivery
from tests.lab import healthy_symptoms as healthy
from tests.lab import login_symptoms as login
from tests.lab import look_twice_symptoms as look_twice
from tests.lab import mail_symptoms as mail
from tests.lab import name_symptoms as names
from tests.lab import reach_symptoms as reach
from tests.lab import trust_symptoms as trust
from tests.lab import words_symptoms as words
from tests.lab import zoo_symptoms as zoo
from tests.lab.clients import secured
from tests.lab.mail_symptoms import Symptom


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


SYMPTOMS: dict[str, Symptom] = {
    "healthy": mail.in_order,
    "healthy-implicit": mail.in_order,
    "healthy-slow-greeting": mail.slow,
    "healthy-scripted": mail.in_order,
    # the numbers are OpenSSL's X509_V_ERR_*
    "certificate-wrong-host": mail.verifies(62),
    "certificate-chain-incomplete": mail.incomplete(mail.intermediate),
    "certificate-chain-incomplete-no-aia": mail.incomplete(None),
    "certificate-chain-incomplete-aia-missing": mail.incomplete(mail.missing),
    "certificate-chain-incomplete-aia-endless": mail.incomplete(mail.endless),
    "certificate-chain-incomplete-aia-elsewhere": mail.incomplete(mail.elsewhere),
    "certificate-chain-incomplete-aia-hangs": mail.incomplete(mail.hangs),
    "certificate-expired": mail.verifies(10),
    "certificate-not-yet-valid": mail.verifies(9),
    "certificate-issuer-expired": mail.verifies(10),
    "certificate-self-signed": mail.verifies(18),
    "certificate-private-ca": mail.verifies(19),
    "certificate-cn-only": mail.no_san,
    "certificate-weak-key": mail.verifies(66),
    "certificate-weak-signature": mail.sha1,
    "certificate-wrong-purpose": mail.verifies(26),
    "certificate-wrong-order": mail.sent(3, ordered=False),
    "certificate-superfluous-root": mail.sent(3),
    "certificate-expires-soon": mail.expires_soon,
    "certificate-wildcard": mail.in_order,
    "submission-host-elsewhere": names.led_elsewhere,
    "submission-host-elsewhere-allowed": names.led_elsewhere,
    "submission-host-elsewhere-signed": names.led_elsewhere,
    "submission-host-by-mx": names.led_by_mx,
    "certificate-wildcard-too-deep": mail.verifies(62),
    "auth-refused": mail.login(535, b"5.7.8 Error: authentication failed"),
    "qq-password-not-authcode": mail.login(
        535,
        b"Login Fail. Please enter your authorization code to login. More information in "
        b"http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256",
    ),
    "auth-temporary": mail.login(454, b"4.7.0"),
    "auth-not-offered": mail.no_login(None, None),
    "auth-mech-none-common": mail.no_login(None, "GSSAPI NTLM"),
    "auth-only-after-starttls": mail.late_login,
    "auth-gone-after-tls": mail.no_login("PLAIN LOGIN", None),
    "auth-closed-instead-of-reply": mail.login_closed,
    "auth-echoes-secret": mail.login_echoed,
    "auth-login-only": mail.login_only,
    "connect-refused": mail.raises(ConnectionRefusedError),
    "connect-timeout": mail.raises(TimeoutError, timeout=2.0),
    "connect-reset": mail.reset,
    "closed-after-connect": mail.closed,
    "ipv6-preferred-broken": names.two_addresses,
    "greeting-never": mail.raises(smtplib.SMTPServerDisconnected),
    "greeting-drip": mail.drip,
    "greeting-endless": mail.flood,
    "greeting-554-dnsbl": mail.greeted(
        b"554 5.7.1 Service unavailable; Client host [127.0.0.1] blocked using zen.spamhaus.org"
    ),
    "greeting-421": mail.greeted(b"421 4.3.2 smtp.greeting-421.lab.test "),
    "greeting-not-smtp": mail.greeted(b"HTTP/1.1 400 Bad Request\r\n"),
    "greeting-ssh": mail.greeted(b"SSH-2.0-OpenSSH"),
    "greeting-imap": mail.greeted(b"* OK [CAPABILITY IMAP4rev1"),
    "ehlo-refused": mail.no_ehlo,
    "starttls-not-offered": mail.no_starttls,
    "starttls-broken": mail.starttls(b"454 4.7.0 TLS not available due to local problem\r\n"),
    "starttls-hangs": mail.starttls_hangs,
    "starttls-garbage": mail.starttls(b"\x00\xff\xfe garbage \x80\r\n"),
    "starttls-injection-response": mail.injected,
    "tls-handshake-hang": mail.handshake(TimeoutError),
    "tls-reset-in-handshake": mail.handshake(ConnectionResetError),
    "tls-closed-in-handshake": mail.handshake(ssl.SSLEOFError),
    "tls-half-handshake": mail.handshake(ssl.SSLEOFError),
    "tls-alert": mail.handshake(ssl.SSLError, match="HANDSHAKE_FAILURE"),
    "tls-garbage": mail.handshake(ssl.SSLError, match="WRONG_VERSION_NUMBER"),
    "tls-server-too-old": mail.old_only,
    "tls-implicit-on-starttls-port": mail.wants_starttls,
    "plain-on-implicit-tls-port": mail.wants_tls,
    "quit-never-answered": mail.no_farewell,
    "host-unknown": names.no_name(dns.resolver.NXDOMAIN),
    "dns-no-address": names.no_name(dns.resolver.NoAnswer),
    "dns-servfail": names.no_name(dns.resolver.NoNameservers, "SERVFAIL"),
    "dns-refused": names.no_name(dns.resolver.NoNameservers, "REFUSED"),
    "dns-resolver-down": names.no_resolver,
    "dns-resolver-silent": names.no_name(dns.resolver.LifetimeTimeout),
    "dns-truncated-tcp-blocked": names.truncated(tcp=False),
    "dns-truncated-tcp-works": names.truncated(tcp=True),
    "dns-garbage": names.dns_bytes(lambda data: data[:2] == b"\x12\x34" and set(data[2:]) == {0xFF}),
    "dns-wrong-id": names.dns_bytes(lambda data: data[:2] != b"\x12\x34" and len(data) > 40),
    "dns-empty": names.dns_bytes(lambda data: data == b""),
    "dns-hijack-nxdomain-redirect": names.hijacked,
    "mx-healthy": names.exchanger,
    "mx-none-fallback-a": names.exchanger,
    "mx-null": names.null_mx,
    "mx-domain-nxdomain": names.no_domain,
    "clock-ahead": names.offset(-420.0),
    "clock-behind": names.offset(420.0),
    "clock-time-zone": names.offset(-28800.0),
    "clock-explains-cert": names.explained(9, 420.0),
    "clock-explains-cert-expired": names.explained(10, -420.0),
    "ntp-blocked": names.silent_clock,
    "ntp-kod": names.kiss,
    "ntp-unsynchronised": names.unsynchronised,
    "ntp-forged": names.forged,
    "ntp-zero-origin": names.no_origin,
    "ntp-garbage": names.not_ntp,
    "ntp-short": names.short,
    "ntp-dispersion": names.unsure,
    "ntp-wrong-mode": names.wrong_mode,
    "greeting-ftp": mail.greeted(b"220 (vsFTPd 3.0.3)\r\n"),
    "greeting-binary": mail.greeted(b"\x01\x90\xff\xc3\x28\x00"),
    "greeting-too-long": zoo.too_long,
    "greeting-extra-reply": mail.greeted(b"220 smtp.greeting-extra-reply.lab.test ESMTP practice\r\n220 "),
    "ehlo-extra-reply": zoo.heard(
        b"250-smtp.ehlo-extra-reply.lab.test\r\n250-STARTTLS\r\n250 8BITMIME\r\n250 2.0.0 Ok\r\n"
    ),
    "ehlo-endless": zoo.heard(b"250-X-KEYWORD-WITHOUT-END", least=1 << 20),
    "ehlo-unfinished": zoo.unfinished,
    "ehlo-helo-only": zoo.helo_only,
    "ehlo-name-rejected": zoo.heard(b"504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname\r\n"),
    "ehlo-refused-after-tls": zoo.refused_after_tls,
    "cisco-smtp-fixup": zoo.masked,
    "cisco-smtp-fixup-helo": zoo.helo_only,
    "greeting-masked": zoo.masked,
    "tls-tickets-endless": zoo.wordless,
    "tls-plain-after": zoo.plain_after,
    "reply-bare-lf": mail.greeted(b"220 smtp.reply-bare-lf.lab.test ESMTP practice\n"),
    "reply-split": zoo.slowly_in_order,
    "reply-long-line": mail.in_order,
    "reply-mixed-codes": zoo.heard(b"250-smtp.reply-mixed-codes.lab.test\r\n220-STARTTLS\r\n250 AUTH PLAIN\r\n"),
    "greeting-gb18030": mail.greeted(b"220 smtp.greeting-gb18030.lab.test " + "欢迎使用邮件系统".encode("gb18030")),
    "auth-refused-gb18030": mail.login(535, "用户名或密码错误".encode("gb18030")),
    "auth-refused-utf8": mail.login(535, "用户名或密码错误".encode()),
    "auth-scram-sha-256": login.scram("SCRAM-SHA-256"),
    "auth-scram-sha-1": login.scram("SCRAM-SHA-1"),
    "auth-cram-md5": login.by("CRAM-MD5"),
    "auth-old-form": login.by("PLAIN"),
    "auth-prompts-chinese": login.prompts(b"55So5oi35ZCN77ya", b"\xc3\xdc\xc2\xeb\xa3\xba"),
    "auth-prompts-empty": login.prompts(b"", b""),
    "auth-scram-refused": login.scram("SCRAM-SHA-256", 535),
    "auth-scram-impostor": login.impostor,
    "auth-scram-unsigned": login.unsigned,
    "auth-scram-nonce": login.scram_challenge("SCRAM-SHA-256", "nonce"),
    "auth-scram-costly": login.scram_challenge("SCRAM-SHA-256", "must not be >"),
    "auth-scram-cheap": login.scram_challenge("SCRAM-SHA-1", "must not be <"),
    "auth-scram-garbage": login.challenge("SCRAM-SHA-256", b"\xff\xfe garbage"),
    "auth-cram-garbage": login.challenge("CRAM-MD5", b"<1896.697170952@lab.test>"),
    "auth-oauth-only": login.token,
    **delivery.SYMPTOMS,
    **words.SYMPTOMS,
    **reach.SYMPTOMS,
    **healthy.SYMPTOMS,
    **look_twice.SYMPTOMS,
    **trust.SYMPTOMS,
}


@pytest.mark.parametrize("name", SYMPTOMS)
def test_symptom(lab: Background, name: str) -> None:
    practice = lab.start(name)
    assert practice.fault == name
    SYMPTOMS[name](practice)


def test_every_fault_has_a_symptom() -> None:
    assert set(SYMPTOMS) == set(Lab.faults)


@pytest.mark.parametrize("name", ["healthy", "healthy-implicit", "healthy-scripted"])
def test_wrong_password_is_refused(lab: Background, name: str) -> None:
    practice = lab.start(name, password="right/+=")
    with secured(practice) as client, pytest.raises(smtplib.SMTPAuthenticationError, match="535"):
        client.login(practice.target, "wrong")
