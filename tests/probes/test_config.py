"""Are slips of the settings named with character and place, without the secret, and only where there are any?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck import api
from smtpcheck.conversation.plan import Limits
from smtpcheck.core import Mode, Report, Severity, Stage, Subject, Target, TargetKind, Verdict
from smtpcheck.lab import Lab
from smtpcheck.lab.pki import Authority
from smtpcheck.lab.script import script
from smtpcheck.lab.scripted import ScriptedServer
from smtpcheck.probes.config import Config, ConfigFacts
from smtpcheck.run import assemble, run
from smtpcheck.target import providers
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from smtpcheck.wire.mistakes import SIGNS, Slip, slips
from tests.checking import SHORT, assert_lossless, checked

CANARY = 'c4n/ary+="é授权'
PLAIN = ConfigFacts(
    kind=TargetKind.HOST,
    name="smtp.firm.test",
    port=None,
    mode=Mode.AUTO,
    user="me@firm.test",
    sender="me@firm.test",
    recipients=("you@firm.test",),
    ehlo="",
    login=True,
)


def found(**changed: Any) -> dict[str, dict[str, Any]]:
    """What is found about settings that differ so from sensible ones."""
    return {finding.code: dict(finding.seen) for finding in Config().judge(replace(PLAIN, **changed))}


def test_sensible_settings_are_let_be() -> None:
    assert found() == {}


@pytest.mark.parametrize("row", providers.providers(), ids=lambda row: row.id)
@pytest.mark.parametrize("implicit_only", [False, True])
def test_what_a_provider_recommends_is_let_be(row: providers.Provider, implicit_only: bool) -> None:
    domain = next(iter(row.domains), "firm.test")
    user = row.user.fixed or f"me@{domain}"
    for endpoint in row.smtp:
        mode = endpoint.mode if implicit_only else Mode.AUTO
        sender = f"me@{domain}"
        assert found(name=endpoint.host, port=endpoint.port, mode=mode, user=user, sender=sender) == {}
        if row.domains:
            account = {"kind": TargetKind.ACCOUNT, "name": domain, "user": sender, "sender": sender}
            assert found(**account) == {}


@pytest.mark.parametrize("row", providers.providers(), ids=lambda row: row.id)
def test_every_host_of_a_provider_is_a_submission_host(row: providers.Provider) -> None:
    hosts = [row.smtp[0].host, *(host for variant in row.variant for host in variant.hosts if "*" not in host)]
    for host in hosts:
        assert not found(name=host, user="", sender="").keys() & {"host-for-reading-mail", "host-mx-used-as-submission"}


@pytest.mark.parametrize(
    "name", ["smtp.messagingengine.com", "outlook.office365.com", "imap.firm.test", "mail.firm.test", "mx.firm.test"]
)
def test_hosts_that_only_look_like_others_are_let_be(name: str) -> None:
    assert found(name=name) == {}


@pytest.mark.parametrize(
    ("changed", "code", "seen"),
    [
        ({"name": "imap.qq.com"}, "host-for-reading-mail", {"host": "imap.qq.com", "instead": "smtp.qq.com"}),
        ({"name": "pop.exmail.qq.com"}, "host-for-reading-mail", {"instead": "smtp.exmail.qq.com"}),
        ({"name": "imap.gmx.net"}, "host-for-reading-mail", {}),
        ({"name": "mx3.qq.com"}, "host-mx-used-as-submission", {"host": "mx3.qq.com"}),
        ({"name": "aspmx.l.google.com"}, "host-mx-used-as-submission", {}),
        ({"name": "firm-test.mail.protection.outlook.com", "port": 25}, "host-mx-used-as-submission", {}),
        (
            {"name": "smtp.163.com", "user": "me@qq.com", "sender": ""},
            "host-wrong-provider-endpoint",
            {"host": "smtp.qq.com", "user": "me@qq.com"},
        ),
        (
            {"name": "smtp.office365.com", "port": 465},
            "port-not-served-by-provider",
            {"port": 465, "ports": "587 (starttls)"},
        ),
        ({"name": "smtp.office365.com", "mode": Mode.IMPLICIT}, "port-not-served-by-provider", {"port": 465}),
        ({"name": "smtp.qq.com", "port": 465, "mode": Mode.STARTTLS}, "mode-unusual", {"usual": "implicit"}),
        ({"name": "smtp.qq.com", "port": 587, "mode": Mode.IMPLICIT}, "mode-unusual", {"usual": "starttls"}),
        (
            {"kind": TargetKind.ACCOUNT, "name": "qq.com", "user": "me@qq.com", "sender": "", "mode": Mode.STARTTLS},
            "mode-unusual",
            {"port": 465},
        ),
        ({"name": "smtp.sendgrid.net"}, "auth-user-fixed", {"fixed": "apikey"}),
        ({"name": "smtp.gmail.com", "user": "me"}, "auth-user-without-domain", {"user": "me"}),
        ({"user": "me＠firm.test"}, "auth-user-character", {"where": "3", "char": ""}),
        ({"user": "me@firm.test "}, "auth-user-character", {"where": "end", "char": "U+0020"}),
        ({"name": "smtp.163.com", "user": "me@163.com"}, "sender-foreign", {"sender": "me@firm.test"}),
        (
            {"name": "smtp.163.com", "user": "me@163.com", "sender": "you@163.com"},
            "sender-differs-from-login",
            {"user": "me@163.com"},
        ),
        ({"recipients": ("a@x.test,b@x.test",)}, "recipient-list-as-string", {"place": 9}),
        ({"recipients": ("a@x.test；b@x.test",)}, "recipient-list-as-string", {"place": 9}),
        ({"ehlo": "laptop"}, "ehlo-name-short", {"name": "laptop"}),
        ({"ehlo": "xn--n8j.example"}, "ehlo-name-non-ascii", {}),
        ({"local_name_ascii": False}, "ehlo-name-non-ascii", {"name": ""}),
        ({"name": ""}, "host-empty-or-placeholder", {}),
        ({"name": "smtp.qq.com "}, "host-whitespace-or-punct", {"char": "U+0020", "place": 12}),
        ({"name": "smtp。qq。com"}, "host-whitespace-or-punct", {"char": "U+3002", "place": 5}),
        ({"name": "ssl://smtp.qq.com"}, "host-has-scheme-or-port", {"char": ":", "place": 4}),
        ({"name": "smtp.qq.com:465"}, "host-has-scheme-or-port", {"place": 12}),
        ({"secret": (Slip("padded", "end", "U+000A"),)}, "secret-trailing-newline", {"where": "end", "char": "U+000A"}),
    ],
)
def test_a_slip_is_named(changed: dict[str, Any], code: str, seen: dict[str, Any]) -> None:
    findings = found(**changed)
    assert code in findings
    assert findings[code].items() >= seen.items()


@pytest.mark.parametrize(
    "changed",
    [
        # an exchanger or a mailbox host that nobody wants to log in to
        {"name": "mx3.qq.com", "login": False, "user": "", "sender": ""},
        {"kind": TargetKind.MX, "name": "qq.com", "login": False, "user": "", "sender": ""},
        # one house under several names
        {"name": "smtp.163.com", "user": "me@126.com", "sender": "me@126.com"},
        {"name": "smtp.qq.com", "user": "me@foxmail.com", "sender": "me@foxmail.com"},
        # hosts that take foreign addresses as names, and senders that were proven
        {"name": "smtp.sendgrid.net", "user": "apikey"},
        {"name": "smtp.gmail.com", "user": "me@gmail.com"},
        {"name": "email-smtp.eu-west-1.amazonaws.com", "user": "AKIA"},
        # a company's own domain
        {"name": "smtp.exmail.qq.com"},
        {"name": "127.0.0.1"},
        {"name": "::1"},
        {"recipients": ('"a,b"@x.test',)},
        {"ehlo": "[127.0.0.1]"},
        {"ehlo": "client.example"},
        {"name": "smtp.qq.com", "port": 2525, "mode": Mode.STARTTLS, "user": "me@qq.com", "sender": "me@qq.com"},
    ],
    ids=str,
)
def test_what_may_be_right_is_let_be(changed: dict[str, Any]) -> None:
    assert found(**changed) == {}


# The secret


@pytest.mark.parametrize(
    ("secret", "signs"),
    [
        ("abcdefghijklmnop", []),
        ("abcd efgh ijkl mnop", []),
        (CANARY, []),
        ("pa$$word", []),
        ("50%off%", []),
        ("$ecret1", []),
        ('it\'s "fine"', []),
        ("", [Slip("empty")]),
        ("  ", [Slip("empty")]),
        ("None", [Slip("placeholder")]),
        ("null", [Slip("placeholder")]),
        ("${SMTP_PASSWORD}", [Slip("unexpanded")]),
        ("x${SMTP_PASSWORD:-}", [Slip("unexpanded")]),
        ("%SMTP_PASSWORD%", [Slip("unexpanded")]),
        ("$SMTP_PASSWORD", [Slip("unexpanded")]),
        ("{{ smtp_password }}", [Slip("unexpanded")]),
        ('"abc"', [Slip("quoted", "start", "U+0022")]),
        ("“abc”", [Slip("quoted", "start", "U+201C")]),
        ("abc\n", [Slip("padded", "end", "U+000A")]),
        ("abc\r\n", [Slip("padded", "end", "U+000A")]),
        (" abc", [Slip("padded", "start", "U+0020")]),
        ("ab\nc", [Slip("line-break", "3", "U+000A")]),
        ("abcd\xa0efgh", [Slip("invisible", "5", "U+00A0")]),
        ("abc\xa0", [Slip("padded", "end", "U+00A0"), Slip("invisible", "end", "U+00A0")]),
        ("\ufeffabc", [Slip("invisible", "start", "U+FEFF")]),
        ("ab\u200bc", [Slip("invisible", "3", "U+200B")]),
        ("ab\tc", [Slip("invisible", "3", "U+0009")]),
        # a letter that was meant is not told
        ("abｃd", [Slip("full-width", "3")]),
        ("ab\u3000d", [Slip("full-width", "3", "U+3000")]),
    ],
)
def test_slips(secret: str, signs: list[Slip]) -> None:
    assert slips(secret) == tuple(signs)


@given(st.text())
def test_slips_tell_nothing_of_the_secret(secret: str) -> None:
    for slip in slips(secret):
        assert slip.sign in SIGNS
        assert slip.where in ("", "start", "end") or 1 < int(slip.where) < len(secret)
        assert slip.char in ("", *(f"U+{ord(char):04X}" for char in secret if not char.isalnum()))
        # the last place would tell the length
        assert slip.where != str(len(secret))


@pytest.mark.parametrize(
    "secret", [CANARY + "\n", f'"{CANARY}"', CANARY[:5] + "\xa0" + CANARY[5:], CANARY + "ｐ", "\ufeff" + CANARY]
)
async def test_a_secret_with_a_slip_that_works_is_noted_and_neither_warned_of_nor_told(secret: str) -> None:
    async with Lab() as lab:
        report = await checked(await lab.start("healthy", password=secret))

    assert (report.verdict, report.diagnoses) == (Verdict.HEALTHY, ())
    codes = {finding.code for finding in config(report)}
    assert codes
    assert {finding.severity for finding in config(report)} == {Severity.NOTE}
    assert all(code.startswith("secret-") for code in codes)
    assert_lossless(report)
    for lang in ("en", "zh-CN"):
        told = api.render(report, "text", lang=lang) + api.render(report, "json", lang=lang)
        assert CANARY not in told
        assert CANARY[:5] not in told


def config(report: Report) -> list[Any]:
    return [finding for finding in report.findings if finding.stage is Stage.CONFIG]


# On the whole way


@pytest.mark.parametrize("fault", ["healthy", "healthy-implicit", "healthy-scripted", "mx-healthy", "delivered"])
async def test_a_healthy_account_has_no_finding(fault: str) -> None:
    async with Lab() as lab:
        report = await checked(await lab.start(fault))

    assert config(report) == []
    subjects = [result.subject for result in report.results if result.probe == "config"]
    assert subjects == [Subject(report.target.name)]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("smtp.qq.com ", "host-whitespace-or-punct"),
        ("smtp。qq。com", "host-whitespace-or-punct"),
        ("smtp.mail.ru,", "host-whitespace-or-punct"),
        ("smtp.qq.com\u200b", "host-whitespace-or-punct"),
        ("ssl://smtp.qq.com", "host-has-scheme-or-port"),
        ("smtp.office365.com: 587", "host-has-scheme-or-port"),
        ("", "host-empty-or-placeholder"),
    ],
)
async def test_a_host_that_cannot_be_one_is_the_cause_of_what_it_breaks(name: str, code: str) -> None:
    async with Lab() as lab:
        practice = await lab.start("host-typo")
        target = Target(spec=name, kind=TargetKind.HOST, name=name, dns=practice.options["dns"], only_target=True)
        report = await run(target, limits=SHORT)

    assert report.diagnosis is not None
    assert (report.diagnosis.stage, report.diagnosis.code) == (Stage.CONFIG, code)
    assert_lossless(report)


def test_only_a_host_that_cannot_be_one_is_a_fault() -> None:
    """Everything else works somewhere, so that the walk decides."""
    failing = {rule.code for rule in Config.rules if rule.severity is Severity.FAIL}
    assert failing == {"host-empty-or-placeholder", "host-whitespace-or-punct", "host-has-scheme-or-port"}


async def test_what_works_all_the_same_is_no_break() -> None:
    async with Lab() as lab:
        report = await checked(await lab.start("healthy"))
    facts = replace(PLAIN, name="smtp.firm.test,")
    results = [replace(r, outcome=facts) if r.probe == "config" else r for r in report.results]
    again = assemble(replace(report, results=tuple(results)))

    assert [finding.severity for finding in config(again)] == [Severity.FAIL]
    assert (again.verdict, again.diagnoses) == (Verdict.HEALTHY, ())


async def walked(name: str, host: str, port: int, tmp_path: Path, *, alive: bool = True, **options: Any) -> Report:
    """The report about a target that leads to a scripted server in the place of `host`."""
    authority = Authority()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(authority.root_pem)
    server = ScriptedServer(
        script({"mode": "implicit" if port == 465 else "starttls", **options.pop("script", {})}),
        host=host,
        context=authority.issue("good", host).server_context(),
        accounts={"me@qq.com": "secret"},
    )
    await server.start()
    try:
        target = parse_target(
            name,
            connect_to=(f"{host}:{port}:127.0.0.1:{server.port}",),
            ca_file=str(roots),
            only_target=True,
            **{"user": "me@qq.com", "secret": "env:SMTPCHECK_PASSWORD"} | options,
        )
        if not alive:
            await server.stop()
        return await run(target, secret=Secret("secret"), limits=Limits(connect=1, greeting=2))
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("name", "port", "code"),
    [
        ("imap.qq.com:465", 465, "host-for-reading-mail"),
        ("mx3.qq.com:587", 587, "host-mx-used-as-submission"),
        ("smtp.office365.com:465", 465, "port-not-served-by-provider"),
        # the same break where the settings are right
        ("smtp.qq.com:465", 465, "connect-refused"),
        # port 25 of an exchanger is where mail goes in
        ("mx3.qq.com:25", 25, "connect-refused"),
    ],
)
async def test_a_port_that_is_refused_is_explained_by_the_settings(
    name: str, port: int, code: str, tmp_path: Path
) -> None:
    report = await walked(name, name.partition(":")[0], port, tmp_path, alive=False)

    assert report.diagnosis is not None
    assert (report.diagnosis.stage, report.diagnosis.code) == (Stage.CONNECT, code)


async def test_an_exchanger_without_login_is_named(tmp_path: Path) -> None:
    report = await walked("mx3.qq.com:25", "mx3.qq.com", 25, tmp_path, script={"offers_tls": ["8BITMIME"]})

    assert report.diagnosis is not None
    assert report.diagnosis.code == "host-mx-used-as-submission"


async def test_what_the_table_doubts_and_the_server_does_is_healthy(tmp_path: Path) -> None:
    report = await walked("smtps://smtp.office365.com", "smtp.office365.com", 465, tmp_path)

    assert (report.verdict, report.diagnoses) == (Verdict.HEALTHY, ())
    assert [finding.code for finding in config(report)] == ["port-not-served-by-provider"]


@pytest.mark.parametrize(
    ("name", "code"),
    [("smtp.example.com", "host-empty-or-placeholder"), ("your-smtp-server", "host-empty-or-placeholder")],
)
async def test_a_name_of_an_example_that_is_not_in_dns_is_named(name: str, code: str) -> None:
    async with Lab() as lab:
        practice = await lab.start("host-typo")
        report = await run(parse_target(name, dns=practice.options["dns"], only_target=True), limits=SHORT)

    assert report.diagnosis is not None
    assert report.diagnosis.code == code
