"""Is a login made by the right mechanism, once, and told truthfully, with nothing of the secret in any artifact?"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from smtpcheck import api
from smtpcheck.core import Direction, Kind, Report, Verdict
from smtpcheck.lab import Lab, Practice
from smtpcheck.probes.auth import Auth, AuthFacts
from smtpcheck.wire.challenges import OAuthRefusal
from smtpcheck.wire.sasl import Looks
from smtpcheck.wire.smtp import Reply
from tests.checking import assert_lossless, checked

CANARY = 'c4n/ary+="é授权'
ALL = ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")


async def offering(lab: Lab, mechanisms: str, **script: Any) -> Practice:
    """A scripted server that offers these, and knows the canary."""
    offers = [f"AUTH {mechanisms}", "8BITMIME"]
    return await lab.start("healthy-scripted", script={"offers_tls": offers, **script}, password=CANARY)


def facts(report: Report) -> AuthFacts:
    (found,) = (result.facts for result in report.results if result.probe == "auth")
    assert isinstance(found, AuthFacts)
    return found


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings if finding.code.startswith("auth-")}


def heard(practice: Practice) -> list[bytes]:
    """The lines of the login as the server got them."""
    assert practice.smtp is not None
    lines = practice.smtp.ledger.seen[-1]
    return lines[next(i for i, line in enumerate(lines) if line.startswith(b"AUTH")) :]


# What an artifact may not hold


def forms(lines: list[bytes]) -> set[str]:
    """The canary, and what the client made of it, in every form in which an artifact might carry it."""
    made = {word.decode() for line in lines for word in line.split() if len(word) > 16}
    made |= {base64.b64decode(word + "==").decode("utf-8", "replace") for word in made}
    # SCRAM's nonces are public: the server's 334 repeats ours
    made = {word for word in made if not word.startswith("n,,n=")} | {w[-44:] for w in made if w.startswith("c=")}
    plain = {CANARY, CANARY.encode().hex(), json.dumps(CANARY)[1:-1], json.dumps(CANARY, ensure_ascii=False)[1:-1]}
    return plain | {base64.b64encode(text.encode()).decode() for text in plain} | made


def leaks(report: Report, practice: Practice) -> set[str]:
    events = b"".join(event.raw for conversation in report.conversations for event in conversation.events)
    artifacts = {
        "json": api.render(report, "json", lang="en"),
        "unescaped": json.dumps(json.loads(api.render(report, "json", lang="en")), ensure_ascii=False),
        "html": api.render(report, "html", lang="zh-CN"),
        "terminal": api.render(report, "text", lang="en"),
        "repr": repr(report),
        "pickle": pickle.dumps(report).decode("latin-1"),
        "events": events.decode("utf-8", "replace"),
        "decoded": " ".join(_decoded(word) for word in events.split()),
    }
    searched = forms(heard(practice)) - {practice.target}
    return {f"{name}: {form}" for name, text in artifacts.items() for form in searched if form in text}


def _decoded(word: bytes) -> str:
    try:
        return base64.b64decode(word, validate=True).decode("utf-8", "replace")
    except ValueError:
        return ""


# Every mechanism


@pytest.mark.parametrize("mechanism", ALL)
async def test_a_good_login(mechanism: str) -> None:
    async with Lab() as lab:
        practice = await offering(lab, f"NTLM {mechanism}")
        report = await checked(practice, auth=mechanism.lower())

    assert (report.verdict, report.diagnosis) == (Verdict.HEALTHY, None)
    found = facts(report)
    assert (found.mechanism, found.attempts, found.broke) == (mechanism, 1, None)
    assert found.reply is not None
    assert found.reply.code == 235
    assert codes(report) == {"auth-after-tls"}, "a remark: AUTH came with TLS alone"
    assert leaks(report, practice) == set()
    assert_lossless(report)


@pytest.mark.parametrize("mechanism", ALL)
async def test_a_refused_login(mechanism: str) -> None:
    async with Lab() as lab:
        practice = await offering(lab, f"PLAIN LOGIN {mechanism}")
        report = await checked(replace(practice, password="wrong/+=" + CANARY), auth=mechanism)
        assert practice.smtp is not None
        ledger = practice.smtp.ledger
        # one attempt, no second mechanism, and a civil end
        assert (ledger.auths, ledger.connections, ledger.commands["QUIT"]) == (1, 1, 1)

    assert report.verdict is Verdict.BROKEN
    token = mechanism.endswith(("XOAUTH2", "BEARER"))
    assert codes(report) == {"auth-token-refused" if token else "auth-refused"}
    assert (facts(report).broke, facts(report).attempts) == (Kind.REJECTED, 1)
    assert leaks(report, practice) == set()
    assert_lossless(report)


@pytest.mark.parametrize("mechanism", ALL)
async def test_what_a_server_sends_back_is_masked(mechanism: str) -> None:
    echo = "535 5.7.8 no: {user} {password} ({response})\r\n"
    async with Lab() as lab:
        practice = await offering(lab, mechanism, auth=echo)
        report = await checked(practice, auth=mechanism)

    assert report.verdict is Verdict.BROKEN
    assert b"<secret>" in b"".join(e.raw for c in report.conversations for e in c.events if e.dir is Direction.IN)
    assert leaks(report, practice) == set()


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("reason", ['{"status":"{password}"}', "{password}", '{"status":"401","scope":"x {password}"}'])
async def test_a_reason_that_repeats_the_token_is_masked(mechanism: str, reason: str) -> None:
    async with Lab() as lab:
        practice = await offering(lab, mechanism, oauth_error=reason)
        report = await checked(replace(practice, password="old" + CANARY), auth=mechanism)

    assert codes(report) == {"auth-token-refused"}
    assert leaks(report, practice) == set()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "CRAM-MD5", "XOAUTH2"])
async def test_the_search_for_leaks_finds_what_was_said(mechanism: str) -> None:
    """The lines as the server got them are leaks by this search; without it the tests above could not fail."""
    async with Lab() as lab:
        practice = await offering(lab, mechanism)
        report = await checked(practice, auth=mechanism)

    conversation = report.conversations[0]
    said = b" ".join(heard(practice)[:-1])
    event = replace(conversation.events[-1], raw=said)
    leaky = replace(report, conversations=(replace(conversation, events=(*conversation.events, event)),))
    assert {leak.partition(":")[0] for leak in leaks(leaky, practice)} >= {"json", "repr", "events"}


async def test_cram_is_computed_over_the_servers_challenge() -> None:
    """An own computation, from the bytes on both sides."""
    async with Lab() as lab:
        practice = await offering(lab, "CRAM-MD5")
        report = await checked(practice)

    said = next(e.raw for c in report.conversations for e in c.events if e.raw.startswith(b"334 "))
    digest = hmac.new(CANARY.encode(), base64.b64decode(said[4:]), hashlib.md5).hexdigest()
    assert base64.b64decode(heard(practice)[1]).decode() == f"{practice.target} {digest}"


# Which mechanism


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 LOGIN PLAIN", "PLAIN"),
        ("CRAM-MD5 SCRAM-SHA-256 LOGIN", "LOGIN"),
        ("XOAUTH2 CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", "SCRAM-SHA-256"),
        ("CRAM-MD5 SCRAM-SHA-1 OAUTHBEARER", "SCRAM-SHA-1"),
        ("GSSAPI cram-md5", "CRAM-MD5"),
        ("SCRAM-SHA-256-PLUS SCRAM-SHA-256", "SCRAM-SHA-256"),
    ],
)
async def test_over_tls(offered: str, chosen: str) -> None:
    async with Lab() as lab:
        report = await checked(await offering(lab, offered))

    assert (facts(report).mechanism, report.verdict) == (chosen, Verdict.HEALTHY)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", "SCRAM-SHA-256"),
        ("PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1", "SCRAM-SHA-1"),
        ("PLAIN LOGIN CRAM-MD5", "CRAM-MD5"),
        ("LOGIN PLAIN", "PLAIN"),
    ],
)
async def test_in_clear_where_that_is_allowed_the_password_is_told_last(offered: str, chosen: str) -> None:
    async with Lab() as lab:
        practice = await lab.start(
            "healthy-scripted", mode="plain", script={"offers": [f"AUTH {offered}"]}, password=CANARY
        )
        report = await checked(practice, mode="plain", allow=("plaintext-auth",))

    assert facts(report).mechanism == chosen
    assert codes(report) == {"auth-in-clear"}


@pytest.mark.parametrize("mechanism", ["GSSAPI", "SCRAM-SHA-256-PLUS", "XOAUTH2", "CRAM-MD5"])
async def test_a_mechanism_named_and_not_at_hand_is_not_replaced(mechanism: str) -> None:
    async with Lab() as lab:
        practice = await offering(lab, "PLAIN LOGIN GSSAPI SCRAM-SHA-256-PLUS")
        report = await checked(practice, auth=mechanism)
        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 0

    assert codes(report) == {"auth-mech-none-common"}


async def checked_as(host: str, practice: Practice, **options: Any) -> Report:
    """The same server under a provider's name; its certificate is for another one, which is allowed by name."""
    aimed = replace(practice, target=f"{host}:{practice.port}")
    assert practice.resolver is not None
    practice.resolver.add(host, "A", "127.0.0.1")
    options = {"user": practice.target, "mode": "starttls", "allow": ("unverified-auth",), **options}
    return await checked(aimed, **options)


@pytest.mark.parametrize(
    ("host", "offered", "chosen"),
    [
        ("smtp.qq.com", "PLAIN LOGIN XOAUTH2", "LOGIN"),
        ("smtp.qq.com", "XOAUTH2 CRAM-MD5", "CRAM-MD5"),
        ("smtp-mail.outlook.com", "LOGIN XOAUTH2", "XOAUTH2"),
        ("smtp.office365.com", "PLAIN LOGIN", "LOGIN"),
        ("smtp.unknown.lab.test", "LOGIN PLAIN XOAUTH2", "PLAIN"),
    ],
)
async def test_a_providers_own_order_comes_first(host: str, offered: str, chosen: str) -> None:
    async with Lab() as lab:
        report = await checked_as(host, await offering(lab, offered))

    assert facts(report).mechanism == chosen


async def test_a_name_given_comes_before_the_provider() -> None:
    async with Lab() as lab:
        report = await checked_as("smtp.qq.com", await offering(lab, "PLAIN LOGIN"), auth="PLAIN")

    assert facts(report).mechanism == "PLAIN"


# A server that breaks SCRAM


@pytest.mark.parametrize("proof", ["nonce", "costly", "cheap"])
async def test_a_broken_challenge_is_not_answered(proof: str) -> None:
    async with Lab() as lab:
        practice = await offering(lab, "SCRAM-SHA-256 PLAIN", proof=proof)
        report = await checked(practice, auth="SCRAM-SHA-256")

    assert facts(report).broke is Kind.GARBAGE
    assert [line.split()[0] for line in heard(practice)] == [b"AUTH", b"*", b"QUIT"]


@pytest.mark.parametrize(("proof", "code"), [("signature", "signature-wrong"), ("missing", "signature-missing")])
async def test_a_server_that_does_not_know_the_password_is_no_healthy_one(proof: str, code: str) -> None:
    async with Lab() as lab:
        practice = await offering(lab, "SCRAM-SHA-256", proof=proof)
        report = await checked(practice)

    assert report.diagnosis is not None
    assert (report.diagnosis.code, facts(report).broke) == ("auth-server-signature", Kind.UNVERIFIED)
    assert facts(report).reason.code == code
    assert b"" not in [line.strip() for line in heard(practice)], "the wrong signature is not acknowledged"


async def test_a_server_that_goes_away_instead_of_ending_the_login() -> None:
    async with Lab() as lab:
        practice = await offering(lab, "SCRAM-SHA-256", challenge="!", replies={"*": {"then": "reset"}})
        report = await checked(practice)

    assert facts(report).broke is Kind.GARBAGE


async def test_what_a_mechanism_can_not_say_is_our_side() -> None:
    async with Lab() as lab:
        practice = await offering(lab, "SCRAM-SHA-256")
        report = await checked(replace(practice, password="bell\a" + CANARY))
        assert practice.smtp is not None
        assert practice.smtp.ledger.auths == 0

    assert report.verdict is Verdict.INCONCLUSIVE
    (result,) = (r for r in report.results if r.probe == "auth")
    assert getattr(result.outcome, "kind", None) is Kind.UNSUPPORTED
    assert CANARY not in repr(report)


# Tokens


@pytest.mark.parametrize(("mechanism", "farewell"), [("XOAUTH2", b""), ("OAUTHBEARER", b"AQ==")])
async def test_the_reason_of_a_refused_token_is_told(mechanism: str, farewell: bytes) -> None:
    reason = '{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}'
    async with Lab() as lab:
        practice = await offering(lab, mechanism, oauth_error=reason)
        report = await checked(replace(practice, password="expired"), auth=mechanism)

    (finding,) = (f for f in report.findings if f.code == "auth-token-refused")
    assert (finding.seen["status"], finding.seen["schemes"]) == ("400", "Bearer")
    assert (finding.seen["scope"], finding.seen["code"]) == ("https://mail.google.com/", 535)
    assert [line.strip() for line in heard(practice)[1:]] == [farewell, b"QUIT"]
    assert "400" in api.render(report, "text", lang="zh-CN")


async def test_a_long_token_waits_for_the_servers_word() -> None:
    """RFC 4954 section 4: no line longer than SMTP's; and a token of 3000 octets is usual at Microsoft."""
    token = CANARY * 150
    async with Lab() as lab:
        practice = await lab.start("auth-oauth-only", password=token)
        report = await checked(practice, auth="XOAUTH2")

    assert report.verdict is Verdict.HEALTHY
    lines = heard(practice)
    assert [len(line.split()) for line in lines[:2]] == [2, 1]
    assert leaks(report, practice) == set()


# What the secret looks like


def refused(looks: Looks | None, text: bytes = b"5.7.8 no", code: int = 535, **more: Any) -> AuthFacts:
    return AuthFacts(
        offered=("PLAIN",),
        offered_in_clear=(),
        mechanism="PLAIN",
        attempts=1,
        reply=Reply(code, (text,)),
        encrypted=True,
        looks=looks,
        **({"broke": Kind.REJECTED} | more),
    )


@pytest.mark.parametrize(
    ("looks", "signs"),
    [
        (None, None),
        (Looks(), None),
        (Looks(shape="fits"), None),
        (Looks(shape="does-not-fit"), "does-not-fit"),
        (Looks(shape="does-not-fit", flags=("padded", "full-width")), "does-not-fit padded full-width"),
        (Looks(flags=("placeholder",)), "placeholder"),
    ],
)
def test_signs_of_a_refused_secret(looks: Looks | None, signs: str | None) -> None:
    found = {f.code: f.seen for f in Auth().judge(refused(looks))}
    assert found.get("auth-secret-shape", {}).get("signs") == signs
    assert "auth-refused" in found


@pytest.mark.parametrize(
    "facts",
    [
        refused(Looks(shape="does-not-fit"), broke=None, code=235),
        refused(Looks(shape="does-not-fit"), code=454),
        refused(Looks(shape="does-not-fit"), broke=Kind.TIMEOUT),
        refused(Looks(shape="does-not-fit"), broke=Kind.NOT_OFFERED),
    ],
)
def test_the_look_is_no_matter_unless_the_secret_was_refused(facts: AuthFacts) -> None:
    assert "auth-secret-shape" not in {f.code for f in Auth().judge(facts)}


@pytest.mark.parametrize("code", [250, 354, 334])
def test_a_reply_that_is_no_refusal_is_not_called_one(code: int) -> None:
    assert [f.code for f in Auth().judge(refused(None, code=code))] == ["auth-garbage"]


def test_a_refused_token_without_a_reason() -> None:
    for refusal in (None, OAuthRefusal()):
        (found,) = Auth().judge(replace(refused(None, refusal=refusal), mechanism="XOAUTH2"))
        assert (found.code, found.seen["status"]) == ("auth-token-refused", "")


@pytest.mark.parametrize(
    ("secret", "looks"),
    [
        ("abcdefghijklmnop", Looks(shape="fits")),
        ("Passw0rd!", Looks(shape="does-not-fit")),
        ("abcdefghijklmnop ", Looks(shape="does-not-fit", flags=("padded",))),
    ],
)
async def test_the_form_of_an_authorization_code_is_told_without_it(secret: str, looks: Looks) -> None:
    async with Lab() as lab:
        practice = await offering(lab, "LOGIN", auth="535 Login Fail.\r\n")
        report = await checked_as("smtp.qq.com", replace(practice, password=secret))

    assert facts(report).looks == looks
    assert ("auth-secret-shape" in codes(report)) is (looks.shape != "fits")
    assert secret not in repr(report)
    assert secret not in api.render(report, "json", lang="en")
    assert_lossless(report)


async def test_a_token_has_not_the_form_of_a_code() -> None:
    async with Lab() as lab:
        practice = await offering(lab, "XOAUTH2")
        report = await checked_as("smtp.qq.com", replace(practice, password="ya29.token"), auth="XOAUTH2")

    assert facts(report).looks == Looks()
    assert codes(report) == {"auth-token-refused"}


def test_the_mechanisms_library_is_loaded_by_scram_alone() -> None:
    program = (
        "import sys\nfrom smtpcheck import run\nfrom smtpcheck.wire import sasl\n"
        "from smtpcheck.target.credentials import Secret\n"
        "sasl.begin('CRAM-MD5', 'u', Secret('s'), 'h', 1); assert 'scramp' not in sys.modules\n"
        "sasl.begin('SCRAM-SHA-1', 'u', Secret('s'), 'h', 1); assert 'scramp' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
