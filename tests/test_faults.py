"""Is every fault of the lab named, and only the right one? Injected fault -> verdict, code, confidence, blocked."""

from __future__ import annotations

import pytest

from smtpcheck.core import Confidence, Stage, Verdict
from smtpcheck.lab import Lab
from tests.checking import assert_lossless, check_fault, checked

_TO_LOGIN = "starttls tls certificate auth"
# fault -> (code, confidence, blocked stages); a code that differs from the fault's name says why
NAMED = {
    "accepted-then-spam-folder": ("accepted-then-spam-folder", "certain", ""),
    "message-refused": ("spam-content-other", "certain", "delivery"),
    "message-deferred": ("greylisted", "certain", "delivery"),
    "message-data-refused": ("data-refused", "certain", "delivery"),
    # the final dot was written: it may have been delivered
    "message-fate-unknown": ("data-fate-unknown", "certain", "delivery"),
    "recipient-refused": ("user-unknown", "certain", "data delivery"),
    "sender-refused": ("from-ne-login-qq", "certain", "rcpt data delivery"),
    "cert-hostname-mismatch": ("cert-hostname-mismatch", "certain", "auth"),
    "cert-chain-incomplete": ("cert-chain-incomplete", "certain", "auth"),
    "cert-expired": ("cert-expired", "certain", "auth"),
    "cert-not-yet-valid": ("cert-not-yet-valid", "certain", "auth"),
    "cert-intermediate-or-root-expired": ("cert-intermediate-or-root-expired", "certain", "auth"),
    "cert-self-signed": ("cert-self-signed", "certain", "auth"),
    "cert-cn-only": ("cert-cn-only", "certain", "auth"),
    "cert-weak-key-or-sig": ("cert-weak-key-or-sig", "certain", "auth"),
    "cert-weak-signature": ("cert-weak-key-or-sig", "certain", "auth"),
    "cert-wrong-purpose": ("certificate-wrong-purpose", "certain", "auth"),
    "cert-wildcard-too-deep": ("cert-hostname-mismatch", "certain", "auth"),
    # the issuer can't be had: a forgotten intermediate and a private root look the same
    "cert-chain-incomplete-no-aia": ("certificate-issuer-unknown", "ambiguous", "auth"),
    "cert-chain-incomplete-aia-missing": ("certificate-issuer-unknown", "ambiguous", "auth"),
    "cert-chain-incomplete-aia-endless": ("certificate-issuer-unknown", "ambiguous", "auth"),
    "cert-chain-incomplete-aia-elsewhere": ("certificate-issuer-unknown", "ambiguous", "auth"),
    "cert-private-ca": ("certificate-issuer-unknown", "ambiguous", "auth"),
    "auth-refused": ("auth-credentials-refused", "certain", ""),
    "qq-password-not-authcode": ("qq-password-not-authcode", "certain", ""),
    "auth-temporary": ("auth-temporary", "certain", ""),
    "auth-not-offered": ("auth-not-offered", "certain", ""),
    "auth-mech-none-common": ("auth-mech-none-common", "certain", ""),
    "auth-gone-after-tls": ("auth-only-in-clear", "certain", ""),
    "auth-closed-instead-of-reply": ("auth-closed", "certain", ""),
    # words that no row of the table knows
    "auth-echoes-secret": ("auth-refused", "ambiguous", ""),
    "conn-refused": ("conn-refused", "certain", f"greeting ehlo {_TO_LOGIN}"),
    "conn-timeout-drop": ("conn-timeout-drop", "certain", f"greeting ehlo {_TO_LOGIN}"),
    "conn-reset": ("greeting-reset", "certain", f"ehlo {_TO_LOGIN}"),
    "closed-after-connect": ("greeting-closed", "certain", f"ehlo {_TO_LOGIN}"),
    "greeting-never": ("greeting-never", "certain", f"ehlo {_TO_LOGIN}"),
    "greeting-drip": ("greeting-unfinished", "certain", f"ehlo {_TO_LOGIN}"),
    "greeting-endless": ("greeting-unreadable", "certain", f"ehlo {_TO_LOGIN}"),
    "banner-554-dnsbl": ("banner-554-dnsbl", "certain", f"ehlo {_TO_LOGIN}"),
    "greeting-421": ("greeting-busy", "certain", f"ehlo {_TO_LOGIN}"),
    "banner-not-smtp": ("banner-not-smtp", "certain", f"ehlo {_TO_LOGIN}"),
    "banner-ssh": ("banner-not-smtp", "certain", f"ehlo {_TO_LOGIN}"),
    "banner-imap": ("banner-not-smtp", "certain", f"ehlo {_TO_LOGIN}"),
    # its words: bad EHLO name
    "ehlo-refused": ("ehlo-name-rejected", "certain", _TO_LOGIN),
    "starttls-not-offered": ("starttls-not-offered", "certain", "tls certificate auth"),
    "starttls-broken": ("starttls-broken", "certain", "tls certificate auth"),
    "starttls-hangs": ("starttls-silent", "certain", "tls certificate auth"),
    "starttls-garbage": ("starttls-garbage", "certain", "tls certificate auth"),
    "starttls-injection-response": ("starttls-injection-response", "certain", "tls certificate auth"),
    "tls-handshake-hang": ("tls-handshake-hang", "certain", "certificate auth"),
    "tls-reset-in-handshake": ("tls-reset", "certain", "certificate auth"),
    "tls-closed-in-handshake": ("tls-closed", "certain", "certificate auth"),
    "tls-half-handshake": ("tls-closed", "certain", "certificate auth"),
    "tls-alert": ("tls-alert", "certain", "certificate auth"),
    # it said 220 to STARTTLS and went on in clear
    "tls-garbage": ("starttls-broken", "certain", "certificate auth"),
    "tls-server-too-old": ("tls-server-too-old", "certain", "auth"),
    "tls-implicit-on-starttls-port": ("tls-implicit-on-starttls-port", "certain", "certificate greeting ehlo auth"),
    "plain-on-implicit-tls-port": ("plain-on-implicit-tls-port", "certain", f"ehlo {_TO_LOGIN}"),
    "host-typo": ("dns-nxdomain", "ambiguous", f"connect greeting ehlo {_TO_LOGIN}"),
    "dns-nodata-host": ("dns-nodata-host", "certain", f"connect greeting ehlo {_TO_LOGIN}"),
    "dns-servfail": ("dns-servfail", "certain", f"connect greeting ehlo {_TO_LOGIN}"),
    "dns-refused": ("dns-refused", "certain", "connect tls certificate greeting ehlo auth"),
    "dns-resolver-down": ("dns-resolver-down", "certain", "connect tls certificate greeting ehlo auth"),
    "dns-truncated-tcp-blocked": ("dns-truncated-tcp-blocked", "certain", "connect tls certificate greeting ehlo auth"),
    "dns-hijack-nxdomain-redirect": ("banner-not-smtp", "certain", f"ehlo {_TO_LOGIN}"),
    "mx-null": ("mx-null", "certain", "connect greeting ehlo starttls tls certificate"),
    "mx-domain-nxdomain": ("mx-domain-nxdomain", "certain", "connect greeting ehlo starttls tls certificate"),
    "clock-ahead": ("clock-ahead", "certain", ""),
    "clock-behind": ("clock-behind", "certain", ""),
    "clock-tz-as-utc": ("clock-tz-as-utc", "certain", ""),
    "clock-explains-cert": ("clock-behind", "certain", "auth"),
    "clock-explains-cert-expired": ("clock-ahead", "certain", "auth"),
    "banner-ftp": ("banner-not-smtp", "certain", _TO_LOGIN),
    "greeting-binary": ("greeting-not-smtp", "certain", f"ehlo {_TO_LOGIN}"),
    "greeting-too-long": ("greeting-unreadable", "certain", f"ehlo {_TO_LOGIN}"),
    "greeting-extra-reply": ("greeting-extra-reply", "certain", f"ehlo {_TO_LOGIN}"),
    "ehlo-extra-reply": ("ehlo-extra-reply", "certain", _TO_LOGIN),
    "ehlo-endless": ("ehlo-garbage", "certain", _TO_LOGIN),
    "ehlo-unfinished": ("ehlo-unfinished", "certain", _TO_LOGIN),
    "ehlo-helo-only": ("ehlo-helo-only", "certain", "tls certificate auth"),
    "ehlo-name-rejected": ("ehlo-name-rejected", "certain", _TO_LOGIN),
    "ehlo-refused-after-tls": ("ehlo-rejected", "certain", "auth"),
    "cisco-smtp-fixup": ("cisco-smtp-fixup", "certain", "tls certificate auth"),
    "cisco-smtp-fixup-helo": ("cisco-smtp-fixup", "certain", "tls certificate auth"),
    # stars alone prove no firewall
    "banner-masked": ("starttls-not-offered", "ambiguous", "tls certificate auth"),
    "tls-tickets-endless": ("ehlo-garbage", "certain", "auth"),
    "tls-plain-after": ("auth-garbage", "certain", ""),
    # words that no row of the table knows
    "auth-refused-gb18030": ("auth-refused", "ambiguous", ""),
    "auth-refused-utf8": ("auth-refused", "ambiguous", ""),
    "auth-scram-refused": ("auth-credentials-refused", "certain", ""),
    "auth-scram-impostor": ("auth-server-signature", "certain", ""),
    "auth-scram-unsigned": ("auth-server-signature", "certain", ""),
    "auth-scram-nonce": ("auth-garbage", "certain", ""),
    "auth-scram-costly": ("auth-garbage", "certain", ""),
    "auth-scram-cheap": ("auth-garbage", "certain", ""),
    "auth-scram-garbage": ("auth-garbage", "certain", ""),
    "auth-cram-garbage": ("auth-garbage", "certain", ""),
    # a token is used where it is asked for by name
    "auth-oauth-only": ("auth-mech-none-common", "certain", ""),
}
# the resolver is waited for twice, 2 s each: too slow for the short limits, and the same code path in each
SLOW_RESOLVER = {
    "dns-resolver-timeout-slow": "dns-resolver-timeout-slow",
    "dns-garbage": "dns-garbage",
    "dns-wrong-id": "dns-garbage",
    "dns-empty": "dns-garbage",
}
HEALTHY = {
    "delivered",
    "mailbox-blind-search",
    "mailbox-wants-id",
    "healthy",
    "healthy-implicit",
    "healthy-slow-greeting",
    "healthy-scripted",
    "cert-wrong-order",
    "cert-superfluous-root",
    "cert-expires-soon",
    "cert-wildcard",
    "auth-only-after-starttls",
    "auth-login-only",
    "auth-scram-sha-256",
    "auth-scram-sha-1",
    "auth-cram-md5",
    "auth-old-form",
    "auth-prompts-chinese",
    "auth-prompts-empty",
    "ipv6-preferred-broken",
    "quit-never-answered",
    "dns-truncated-tcp-works",
    "mx-healthy",
    "mx-none-fallback-a",
    "ntp-blocked",
    "ntp-kod",
    "ntp-unsynchronised",
    "ntp-forged",
    "ntp-zero-origin",
    "ntp-garbage",
    "ntp-short",
    "ntp-dispersion",
    "ntp-wrong-mode",
    "reply-bare-lf",
    "reply-split",
    "reply-long-line",
    "reply-mixed-codes",
    "greeting-gb18030",
}
# ends without a name, honestly
UNDECIDED = {
    "accepted-silently-dropped",
    "mailbox-refuses-login",
    "mailbox-hangs",
    "mailbox-without-search",
    "cert-chain-incomplete-aia-hangs",
}


def test_every_fault_of_the_lab_is_in_one_of_the_tables() -> None:
    assert set(NAMED) | set(SLOW_RESOLVER) | HEALTHY | UNDECIDED == set(Lab.faults)


@pytest.mark.parametrize("fault", NAMED)
async def test_fault_is_named(fault: str) -> None:
    code, confidence, blocked = NAMED[fault]
    report = await check_fault(fault)

    assert report.verdict is Verdict.BROKEN
    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == (code, confidence)
    assert " ".join(report.diagnosis.blocked) == blocked
    assert report.complete
    assert not [result for result in report.results if result.status == "bug"]
    assert_lossless(report)


@pytest.mark.parametrize("fault", SLOW_RESOLVER)
async def test_a_resolver_that_gives_no_answer_is_named_and_never_no_record(fault: str) -> None:
    report = await check_fault(fault)

    assert report.diagnosis is not None
    assert report.diagnosis.code == SLOW_RESOLVER[fault]


@pytest.mark.parametrize("fault", sorted(HEALTHY))
async def test_healthy_stays_healthy(fault: str) -> None:
    report = await check_fault(fault)

    assert (report.verdict, report.diagnoses) == (Verdict.HEALTHY, ())
    assert_lossless(report)
    assert not [result for result in report.results if result.status == "bug"]


async def test_a_hanging_issuer_is_not_waited_for_longer_than_its_limit_and_leaves_the_doubt() -> None:
    report = await check_fault("cert-chain-incomplete-aia-hangs")

    assert report.diagnosis is not None
    assert {a.code for a in report.diagnosis.alternatives} == {"cert-chain-incomplete", "cert-private-ca"}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("accepted-silently-dropped", "not-seen"),
        ("mailbox-refuses-login", "rejected"),
        ("mailbox-hangs", "not-seen"),
        ("mailbox-without-search", "rejected"),
    ],
)
async def test_a_message_that_is_not_seen_is_could_not_tell(fault: str, kind: str) -> None:
    report = await check_fault(fault)

    assert (report.verdict, report.diagnosis) == (Verdict.INCONCLUSIVE, None)
    outcome = next(result.outcome for result in report.results if result.probe == "delivery")
    assert outcome.kind == kind
    assert Stage.DELIVERY in report.not_tested
    assert_lossless(report)


async def test_a_message_is_sent_once_whatever_becomes_of_it() -> None:
    async with Lab() as lab:
        practice = await lab.start("message-fate-unknown")
        await checked(practice)

        assert practice.smtp is not None
        assert practice.smtp.ledger.commands["DATA"] == 1


async def test_ambiguity_names_the_alternatives() -> None:
    report = await check_fault("cert-chain-incomplete-no-aia")

    assert report.diagnosis is not None
    assert report.diagnosis.confidence is Confidence.AMBIGUOUS
    assert [a.code for a in report.diagnosis.alternatives] == ["cert-chain-incomplete", "cert-private-ca"]


async def test_an_expired_certificate_is_not_certain_while_the_clock_is_unknown() -> None:
    report = await check_fault("cert-expired", ntp="silent")

    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == ("certificate-expired", Confidence.AMBIGUOUS)
    assert [a.code for a in report.diagnosis.alternatives] == ["cert-expired", "clock-ahead"]


async def test_two_independent_faults_are_both_reported_the_break_first() -> None:
    report = await check_fault("auth-refused", offset=420.0)

    assert [d.code for d in report.diagnoses] == ["auth-credentials-refused", "clock-behind"]


async def test_one_attempt_and_no_second_mechanism_after_a_refusal() -> None:
    async with Lab() as lab:
        practice = await lab.start("auth-refused")
        await checked(practice)

        assert practice.smtp is not None
        assert (practice.smtp.ledger.auths, practice.smtp.ledger.connections) == (1, 1)
        assert practice.smtp.ledger.commands["QUIT"] == 1


@pytest.mark.parametrize(
    "fault", ["cert-hostname-mismatch", "cert-expired", "cert-self-signed", "starttls-not-offered"]
)
async def test_no_secret_on_a_connection_that_did_not_verify(fault: str) -> None:
    async with Lab() as lab:
        practice = await lab.start(fault)
        await checked(practice)

        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 0


async def test_unverified_auth_needs_consent_by_name() -> None:
    async with Lab() as lab:
        practice = await lab.start("cert-hostname-mismatch")
        report = await checked(practice, allow=("unverified-auth",))

        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 1
        assert report.diagnosis is not None
        assert report.diagnosis.code == "cert-hostname-mismatch"


async def test_a_mode_found_is_stated_and_the_login_goes_on_in_it() -> None:
    report = await check_fault("plain-on-implicit-tls-port", options={"mode": "auto"})

    assert report.verdict is Verdict.HEALTHY
    assert "mode-found" in {finding.code for finding in report.findings}
    assert [e.probe for e in report.experiments] == ["mode"]


async def test_only_target_asks_neither_clock_nor_issuer() -> None:
    async with Lab() as lab:
        practice = await lab.start("cert-chain-incomplete")
        options = {name: value for name, value in practice.options.items() if name != "ntp"}
        target_only = await checked(
            type(practice)(**{f: getattr(practice, f) for f in practice.__slots__} | {"options": options}),
            only_target=True,
        )

        assert practice.clock.requests == 0
        assert practice.issuer is not None
        assert practice.issuer.paths == []
        assert {c.who for c in target_only.contacts} == {"target", "resolver"}
