"""Is trust that fails laid to what broke it, a healthy look-alike left alone, and the proof shown with who said it?"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smtpcheck import diagnosis
from smtpcheck.advice import Words
from smtpcheck.core import Confidence, Failure, Kind, Report, Stage, Status, Verdict, Who, because
from smtpcheck.diagnosis import diagnose, judge
from smtpcheck.lab import Lab
from smtpcheck.probes import classes
from smtpcheck.probes.chain import Chain, ChainFacts
from smtpcheck.probes.dane import Association, DaneFacts, DaneTlsa
from smtpcheck.probes.mtasts import Exchange, MtaSts, MtastsFacts
from smtpcheck.probes.tls import Tls, TlsFacts
from smtpcheck.report.page import html
from smtpcheck.report.questions import answer
from smtpcheck.report.saved import json
from smtpcheck.report.terminal import screen
from smtpcheck.wire.certificate import revoked
from smtpcheck.wire.tlsa import Dane
from tests.checking import check_fault, checked

HARMLESS = tomllib.loads((Path(diagnosis.__file__).parent / "harmless.toml").read_text(encoding="utf-8"))


def facts_of(report: Report, probe: str) -> Any:
    return next(result.facts for result in report.results if result.probe == probe and result.facts is not None)


def codes(probe: Chain | Tls, facts: Any) -> set[str]:
    return {finding.code for finding in probe.judge(facts)}


def altered(report: Report, probe: str, **fields: Any) -> Report:
    """The report with other facts of one probe, diagnosed again."""
    results = tuple(
        replace(r, outcome=replace(r.outcome, **fields)) if r.probe == probe and r.facts is not None else r
        for r in report.results
    )
    judged = judge(report.target, results)
    return replace(report, results=judged, diagnoses=diagnose(report.target, judged))


async def test_an_inspector_that_is_trusted_here_is_told_and_breaks_nothing() -> None:
    async with Lab() as lab:
        practice = await lab.start("av-mail-shield")
        report = await checked(practice)
        shown: ChainFacts = facts_of(report, "chain")
        root = shown.chain[1]
    trusted = replace(shown, verdict=replace(shown.verdict, flaws=(), answered=True))
    assert "certificate-inspected" in codes(Chain(), trusted)
    assert root == shown.chain[-1]
    assert altered(report, "chain", verdict=trusted.verdict).diagnosis is None


async def test_a_known_name_that_other_roots_trust_is_no_inspector() -> None:
    """A maker's own server, behind a root store that lacks its authority."""
    report = await check_fault("av-mail-shield", compare="house")
    assert report.diagnosis is not None
    assert report.diagnosis.code == "av-mail-shield"
    stores = facts_of(report, "stores")
    trusting = altered(report, "stores", trusted=True, verdict=replace(stores.verdict, flaws=(), answered=True))
    assert trusting.diagnosis is not None
    assert trusting.diagnosis.code == "trust-store-outdated"


@pytest.mark.parametrize(("bits", "found"), [(0, False), (1024, True), (2047, True), (2048, False), (4096, False)])
async def test_a_group_is_too_small_below_2048_bits(bits: int, found: bool) -> None:
    shown: TlsFacts = facts_of(await check_fault("healthy"), "tls")
    assert ("tls-dh-too-small" in codes(Tls(), replace(shown, dh_bits=bits))) is found


async def test_ssl_3_is_too_old_and_another_handshake_error_is_not() -> None:
    report = await check_fault("tls-closed-in-handshake")
    reason = because("tls-version-refused", version="SSL 3.0", alert="protocol_version", number=70)
    old = altered(report, "tls", broke="handshake", reason=reason)
    assert old.diagnosis is not None
    assert (old.diagnosis.code, old.diagnosis.seen["version"]) == ("tls-server-too-old", "SSL 3.0")
    other = altered(report, "tls", broke="handshake", reason=because("tls-library", openssl="bad signature"))
    assert other.diagnosis is not None
    assert other.diagnosis.code == "tls-handshake"


async def test_a_server_that_a_newer_greeting_confuses_is_too_old() -> None:
    report = altered(await check_fault("tls-no-common-cipher"), "hello", version="TLSv1", cipher="AES128-SHA", bits=128)
    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.seen["version"]) == ("tls-server-too-old", "TLSv1")


async def test_an_expired_root_is_the_store_s_fault_where_another_store_has_a_new_one() -> None:
    report = await check_fault("certificate-issuer-expired", compare="house")
    assert report.diagnosis is not None
    assert report.diagnosis.code == "certificate-issuer-expired"
    other = altered(report, "stores", trusted=True).diagnosis
    assert other is not None
    assert other.code == "trust-store-outdated"


@pytest.mark.parametrize("fault", sorted(HARMLESS))
async def test_what_breaks_nothing_stays_healthy_and_is_remarked_on(fault: str) -> None:
    report = await check_fault(fault)
    assert report.verdict is Verdict.HEALTHY
    assert report.diagnoses == ()
    remark = HARMLESS[fault]["finding"]
    if remark:
        assert remark in {finding.code for finding in report.findings}
    else:
        assert any(result.status is Status.INCONCLUSIVE for result in report.results)


async def test_an_alert_about_something_else_is_no_matter_of_ciphers() -> None:
    report = altered(
        await check_fault("tls-alert"), "tls", reason=because("tls-alert", alert="internal_error", number=80)
    )
    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == ("tls-alert", Confidence.CERTAIN)
    assert report.diagnosis.alternatives == ()


async def test_a_policy_s_certificate_is_not_blamed_while_the_clock_is_off() -> None:
    report = await check_fault("mta-sts-certificate", offset=8640000.0)
    policy = next(d for d in report.diagnoses if d.stage == "policy")
    assert policy.confidence is Confidence.POSSIBLE


async def test_a_policy_s_certificate_is_not_blamed_for_a_root_store_that_is_out_of_date() -> None:
    report = await check_fault("mta-sts-certificate", cert="untrusted-root-sent", compare="other")
    (policy,) = report.diagnoses
    assert (policy.code, policy.confidence) == ("mta-sts-certificate", Confidence.CERTAIN)
    (policy,) = altered(report, "stores", trusted=True).diagnoses
    assert (policy.code, policy.confidence) == ("mta-sts-certificate", Confidence.POSSIBLE)


async def test_nobody_asks_for_tlsa_records_that_dnssec_does_not_vouch_for() -> None:
    async with Lab() as lab:
        practice = await lab.start("dane-without-dnssec")
        await checked(practice)
        assert practice.resolver is not None
        assert not [name for name, kind in practice.resolver.queries if kind == "TLSA"]
        assert [name for name, kind in practice.resolver.queries if name.startswith("_mta-sts.")]


async def test_one_exchange_that_dane_lets_through_is_enough_and_unvouched_records_bind_nobody() -> None:
    shown: DaneFacts = facts_of(await check_fault("dane-tlsa-mismatch"), "dane")
    (refused,) = shown.exchanges
    good = replace(refused, host="mx2.test", dane=Dane.MATCH)

    def found(*exchanges: Association) -> set[str]:
        return {finding.code for finding in DaneTlsa().judge(replace(shown, exchanges=exchanges))}

    assert found(refused) == {"dane-tlsa-mismatch"}
    assert found(refused, good) == {"dane-partly"}
    assert found(good) == set()
    assert found(replace(refused, secure=False)) == {"dane-insecure"}
    assert found(replace(refused, plain=True, dane=None)) == {"dane-without-tls"}
    assert found(replace(refused, dane=Dane.UNUSABLE)) == {"dane-unusable"}


async def test_one_exchange_that_the_policy_allows_is_enough() -> None:
    shown: MtastsFacts = facts_of(await check_fault("mta-sts-mx-mismatch"), "mtasts")
    (refused,) = shown.exchanges

    def found(*exchanges: Exchange) -> set[str]:
        return {finding.code for finding in MtaSts().judge(replace(shown, exchanges=exchanges))}

    allowed = replace(refused, listed=True, verified=True)
    assert found(refused) == {"mta-sts-mx-mismatch"}
    assert found(refused, allowed) == {"mta-sts-partly"}
    assert found(replace(allowed, verified=None)) == set(), "what was not seen is no fault"
    assert found(replace(allowed, verified=False), refused) == {"mta-sts-certificate"}


async def test_a_policy_that_could_not_be_asked_for_is_not_told_as_none() -> None:
    async with Lab() as lab:
        practice = await lab.start("mta-sts-mx-mismatch")
        assert practice.resolver is not None
        practice.resolver.spoil(f"_mta-sts.{practice.target.removeprefix('mx:')}", "servfail")
        report = await checked(practice)

    (result,) = [result for result in report.results if result.probe == "mtasts"]
    assert result.status is Status.INCONCLUSIVE
    assert result.outcome == Failure(Kind.SERVFAIL, Stage.POLICY)
    assert answer(report, "mtasts", Words("en")).status is Status.INCONCLUSIVE


async def test_a_domain_without_a_policy_was_asked_for_one() -> None:
    report = await check_fault("mx-healthy")

    facts: MtastsFacts = facts_of(report, "mtasts")
    assert (facts.announced, facts.policy, facts.exchanges, facts.broke) == ("", None, (), None)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({}, "starttls-stripped"),
        # no table says that anybody serves STARTTLS there
        ({"ports": [2525], "options": {"port": 2525}}, "starttls-not-offered"),
    ],
)
async def test_starttls_is_stripped_only_on_the_port_where_the_provider_is_known_to_serve_it(
    row: dict[str, Any], code: str
) -> None:
    async with Lab() as lab:
        report = await checked(await lab.start("starttls-stripped", **row))

    assert report.diagnosis is not None
    assert (report.diagnosis.code, report.diagnosis.confidence) == (code, Confidence.CERTAIN)


async def test_only_target_leaves_the_policy_alone() -> None:
    async with Lab() as lab:
        practice = await lab.start("mta-sts-mx-mismatch")
        report = await checked(practice, only_target=True)
        assert practice.resolver is not None
        assert not [name for name, _ in practice.resolver.queries if name.startswith("_mta-sts.")]
    assert report.verdict is Verdict.HEALTHY
    assert "policy" not in {contact.who for contact in report.contacts}


async def test_experiments_are_few_and_a_healthy_account_has_none() -> None:
    for fault, ran in (
        ("healthy", []),
        ("certificate-default-needs-sni", ["sni"]),
        ("tls-no-common-cipher", ["hello"]),
    ):
        async with Lab() as lab:
            practice = await lab.start(fault)
            report = await checked(practice)
            assert [experiment.probe for experiment in report.experiments] == ran
            assert practice.smtp is not None
            assert practice.smtp.ledger.connections == 1 + len(ran)
            assert practice.smtp.ledger.auths <= 1


async def test_no_experiment_after_a_421() -> None:
    report = await check_fault("greeting-421")
    assert report.experiments == ()


@pytest.mark.parametrize(
    ("fault", "who", "words"),
    [
        ("av-mail-shield", Who.SMTPCHECK, "Avast"),
        ("certificate-default-needs-sni", Who.SMTPCHECK, "smtp.certificate-default-needs-sni.lab.test"),
        ("trust-store-outdated", Who.SMTPCHECK, "root"),
        ("dane-tlsa-mismatch", Who.RESOLVER, "TLSA 3 1 1"),
        ("mta-sts-mx-mismatch", Who.SERVER, "mx.old-hoster.example"),
        ("clock-drift-token", Who.SERVER, "535"),
        ("ntp-server-lying", Who.SMTPCHECK, "not made yet"),
        ("starttls-stripped", Who.SERVER, "250"),
    ],
)
async def test_the_observation_is_shown_with_who_made_it(fault: str, who: Who, words: str) -> None:
    report = await check_fault(fault)
    assert report.diagnosis is not None
    said = {
        (proof.who, proof.raw.decode("utf-8", "replace") + Words("en").evidence(proof, report.diagnosis))
        for proof in report.diagnosis.evidence
    }
    assert any(each is who and words in text for each, text in said), said


async def test_every_format_shows_a_policy_and_its_contacts() -> None:
    report = await check_fault("mta-sts-certificate")
    catalog = json.catalog(classes())
    for lang in ("en", "zh-CN"):
        shown = screen.render(report, lang=lang, width=100, verbose=True)
        assert "mta-sts.mta-sts-certificate.lab.test:443" in shown
        assert "mta-sts.mta-sts-certificate.lab.test:443" in html.render(report, lang=lang)
        assert '"policy"' in json.render(report, words=Words(lang), catalog=catalog)


def test_garbage_for_an_ocsp_response_revokes_nothing() -> None:
    assert not revoked(b"", "1")
    assert not revoked(b"\x30\x03\x0a\x01\x06", "1")
    assert not revoked(b"garbage", "1")
