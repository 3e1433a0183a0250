"""Do the fixtures lend what they promise, to sync and async tests, and never log in unasked?"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from smtpcheck.lab import Background, background
from tests.pytest_plugin.projects import INI, table
from tests.test_leaks import forms

pytest_plugins = ["pytester"]

SEND = """
    import asyncio, smtplib, ssl
    import pytest

    def send(lab, to="you@example.com"):
        kind = smtplib.SMTP_SSL if lab.implicit_tls else smtplib.SMTP
        context = ssl.create_default_context(cafile=lab.ca_file)
        more = {"context": context} if lab.implicit_tls else {}
        with kind(lab.host, lab.port, timeout=5, **more) as server:
            if not lab.implicit_tls:
                server.starttls(context=context)
            server.login(lab.user, lab.password)
            server.sendmail(lab.user, [to], "Subject: hi\\r\\n\\r\\nhello")
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("SMTPCHECK_PASSWORD", raising=False)
    monkeypatch.setenv("SMTPCHECK_LANG", "en")
    pytester.makeini(INI + "asyncio_mode = auto\n")
    return pytester


# smtp_lab


def test_mail_code_meets_the_fault_that_the_marker_names(project: pytest.Pytester) -> None:
    project.makepyfile(
        SEND
        + """
    def test_healthy(smtp_lab):
        send(smtp_lab)
        (message,) = smtp_lab.messages
        assert (message.sender, message.recipients) == (smtp_lab.user, ("you@example.com",))
        assert message.email["Subject"] == "hi"
        assert (smtp_lab.logins, smtp_lab.connections) == (1, 1)

    @pytest.mark.smtp_fault("healthy-implicit")
    def test_implicit(smtp_lab):
        send(smtp_lab)
        assert len(smtp_lab.messages) == 1

    @pytest.mark.smtp_fault("qq-password-not-authcode")
    def test_refused(smtp_lab):
        with pytest.raises(smtplib.SMTPAuthenticationError, match="authorization code"):
            send(smtp_lab)
        assert smtp_lab.messages == ()

    async def test_async(smtp_lab):
        await asyncio.to_thread(send, smtp_lab)
        assert len(smtp_lab.messages) == 1

    def test_two_servers(smtp_lab):
        other = smtp_lab.start("connect-refused")
        send(smtp_lab)
        with pytest.raises(ConnectionRefusedError):
            send(other)

    @pytest.mark.smtp_fault("healthy", password="my own")
    def test_row(smtp_lab):
        assert smtp_lab.password == "my own"
        send(smtp_lab)
    """
    )

    project.runpytest().assert_outcomes(passed=6)


def test_certificates_are_right_for_the_address_dialled_and_wrong_where_the_fault_says_so(
    project: pytest.Pytester,
) -> None:
    wrong = [
        "certificate-wrong-host",
        "certificate-expired",
        "certificate-self-signed",
        "certificate-cn-only",
        "certificate-wildcard-too-deep",
    ]
    project.makepyfile(
        SEND
        + f"""
    @pytest.mark.smtp_fault("certificate-wildcard")
    def test_wildcard(smtp_lab):
        send(smtp_lab)

    @pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.smtp_fault(n)) for n in {wrong}])
    def test_wrong(smtp_lab, name):
        with pytest.raises(ssl.SSLCertVerificationError):
            send(smtp_lab)
        assert smtp_lab.logins == 0
    """
    )

    project.runpytest().assert_outcomes(passed=1 + len(wrong))


def test_a_fault_that_is_none_or_can_not_be_met_by_address_is_said_in_a_line(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
    import pytest

    @pytest.mark.smtp_fault("qq-passwort-not-authcode")
    def test_near(smtp_lab): ...

    @pytest.mark.smtp_fault("dns-servfail")
    def test_name(smtp_lab): ...

    @pytest.mark.smtp_fault("healthy", nonsense=1)
    def test_row(smtp_lab): ...

    @pytest.mark.smtp_fault()
    def test_none(smtp_lab): ...
    """
    )

    result = project.runpytest()

    result.assert_outcomes(errors=4)
    result.stdout.fnmatch_lines_random(
        [
            "no fault 'qq-passwort-not-authcode'; near: qq-password-not-authcode*",
            "a program that dials 127.0.0.1 does not meet 'dns-servfail', *",
            "smtp_fault('healthy'): *nonsense*",
            "smtp_fault takes the name of one fault*",
        ]
    )
    assert "Traceback" not in result.stdout.str()


# smtp_check and smtp_report


def test_smtp_check_logs_in_only_when_asked_to(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTPCHECK_PASSWORD", "around")
    project.makepyfile(
        """
    import os

    def test_unasked(smtp_lab, smtp_check):
        report = smtp_check(smtp_lab.target, **smtp_lab.options)
        assert report.verdict == "healthy" and "auth" in report.not_tested
        assert smtp_lab.logins == 0

    def test_password(smtp_lab, smtp_check):
        report = smtp_check(smtp_lab.target, password=smtp_lab.password, **smtp_lab.options)
        assert report.verdict == "healthy" and "auth" not in report.not_tested
        assert smtp_lab.logins == 1

    def test_login(smtp_lab, smtp_check, monkeypatch):
        monkeypatch.setenv("SMTPCHECK_PASSWORD", smtp_lab.password)
        smtp_check(smtp_lab.target, login=True, **smtp_lab.options)
        assert smtp_lab.logins == 1

    async def test_in_a_running_loop(smtp_lab, smtp_check):
        assert smtp_check(smtp_lab.target, **smtp_lab.options).verdict == "healthy"

    def test_knobs(smtp_lab, smtp_check):
        soon = smtp_lab.start("certificate-expires-soon")
        codes = lambda **knobs: [f.code for f in smtp_check(soon.target, **soon.options, **knobs).findings]
        assert "certificate-expires-soon" in codes()
        assert "certificate-expires-soon" not in codes(chain={"warn_days": 1})
    """
    )

    project.runpytest().assert_outcomes(passed=5)


def test_a_mistake_in_a_call_is_shown_where_it_was_made(project: pytest.Pytester) -> None:
    project.makepyfile("def test_a(smtp_check):\n    smtp_check('host:587', dedline=3)")

    text = project.runpytest().stdout.str()

    assert "did you mean deadline?" in text
    assert "runs.py" not in text
    assert "targets.py" not in text


def test_smtp_report_shares_the_run_of_the_items(project: pytest.Pytester, lab: Background) -> None:
    practice = lab.start("healthy")
    (project.path / "smtpcheck.toml").write_text(table(practice, "work"), encoding="utf-8")
    project.makepyfile(
        """
    def test_named(smtp_report):
        assert smtp_report("work").verdict == "healthy"

    def test_only_one(smtp_report):
        assert smtp_report() is smtp_report("work")

    def test_unknown(smtp_report):
        smtp_report("wrok")
    """
    )

    result = project.runpytest("--junitxml=out.xml")

    result.assert_outcomes(passed=8 + 2, failed=1)
    result.stdout.fnmatch_lines(["*smtp_report takes the name of a target; there are: work"])
    assert practice.smtp is not None
    assert practice.smtp.ledger.connections == 1
    root = ET.parse(project.path / "out.xml").getroot()  # noqa: S314 - written above
    named = next(case for case in root.iter("testcase") if case.attrib["name"] == "test_named")
    assert ("smtpcheck_target", practice.target) in [
        (p.attrib["name"], p.attrib["value"]) for p in named.iter("property")
    ]


def test_smtp_report_gets_the_whole_report_although_one_question_is_selected(
    project: pytest.Pytester, lab: Background
) -> None:
    (project.path / "smtpcheck.toml").write_text(table(lab.start("healthy"), "work"), encoding="utf-8")
    project.makepyfile("def test_port(smtp_report):\n    assert any(r.probe == 'chain' for r in smtp_report().results)")

    project.runpytest("-k", "port").assert_outcomes(passed=2, deselected=7)


# Secrets

CANARY = 'c4n/ary+="é授权'


@pytest.mark.parametrize("fault", ["auth-refused", "auth-echoes-secret", "healthy"])
def test_no_secret_in_locals_logs_or_junit(
    project: pytest.Pytester, lab: Background, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    practice = lab.start(fault, password=CANARY)
    options = {"secret": "env:CANARY", "login": True}
    (project.path / "smtpcheck.toml").write_text(table(practice, "work", **options), encoding="utf-8")
    project.makepyfile(
        f"""
    import os

    def test_report(smtp_report):
        report = smtp_report()
        assert report is None

    def test_check(smtp_check):
        options = {dict(practice.options)!r}
        report = smtp_check({practice.target!r}, password=os.environ["CANARY"], **options)
        assert report is None

    def test_mistake(smtp_check):
        smtp_check({practice.target!r}, password=os.environ["CANARY"], nonsense=1)

    def test_bug(smtp_check):
        smtp_check(587, password=os.environ["CANARY"])
    """
    )

    result = project.runpytest(
        *("-l", "-vv", "--full-trace", "--log-level=DEBUG", "--junitxml=out.xml", "-o", "junit_logging=all", "-rA")
    )

    assert result.parseoutcomes()["failed"] >= 4
    result.stdout.fnmatch_lines(["*AttributeError*"])
    assert logins(practice) == 2
    everything = result.stdout.str() + result.stderr.str() + (project.path / "out.xml").read_text("utf-8")
    assert not [form for form in [*forms(CANARY, practice.target), "c4n/ary"] if form in everything]


def logins(practice: object) -> int:
    return practice.smtp.ledger.auths  # type: ignore[attr-defined]
