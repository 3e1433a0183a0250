"""Does it work from Python: in a script, inside a running loop, one probe alone, written and read again?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import smtpcheck
from smtpcheck.core import Verdict
from smtpcheck.lab import Lab, background
from smtpcheck.probes import probes
from smtpcheck.wire import ProtocolError


def test_check_in_a_script() -> None:
    with background() as lab:
        practice = lab.start("healthy")
        report = smtpcheck.check(practice.target, password=practice.password, **practice.options)

    assert report.verdict is Verdict.HEALTHY
    assert report.target.secret == "env:SMTPCHECK_PASSWORD"


async def test_check_and_acheck_inside_a_running_loop() -> None:
    with background() as lab:
        practice = lab.start("auth-refused")
        blocking = smtpcheck.check(practice.target, password=practice.password, **practice.options)
        awaited = await smtpcheck.acheck(practice.target, password=practice.password, **practice.options)

    assert blocking.diagnosis is not None
    assert awaited.diagnosis is not None
    assert blocking.diagnosis.code == awaited.diagnosis.code == "auth-credentials-refused"


_SUBJECT = {
    "mx": "mx-healthy",
    "exchanger": "mx-healthy",
    "message": "delivered",
    "delivery": "delivered",
    "issuer": "certificate-chain-incomplete",
    "mode": "plain-on-implicit-tls-port",
    "names": "connect-refused",
    "dnssec": "dns-dnssec-bogus",
    "hello": "tls-no-common-cipher",
    "sni": "certificate-default-needs-sni",
    "stores": "trust-store-outdated",
    "times": "ntp-server-lying",
    "mtasts": "mta-sts-healthy",
    "dane": "dane-healthy",
}
# these stand on results that an account of the lab does not give them, or wait for the usual limits
_NOT_ALONE = {"family", "control", "sibling", "segment", "home", "relay"}


@pytest.mark.parametrize("name", [probe.name for probe in probes() if probe.name not in _NOT_ALONE])
async def test_every_probe_runs_alone(name: str) -> None:
    async with Lab() as lab:
        practice = await lab.start(_SUBJECT.get(name, "healthy"))
        options = practice.options | ({"recipients": ("you@lab.test",)} if name == "envelope" else {})
        password = None if practice.target.startswith("mx:") else practice.password
        results = await smtpcheck.aprobe(name, practice.target, password=password, **options)

    assert {result.probe for result in results} == {name}
    assert all(result.facts is not None for result in results)


async def test_an_unknown_probe_and_a_wrong_option_are_usage_errors() -> None:
    with pytest.raises(smtpcheck.UsageError, match=r"known: .*chain"):
        await smtpcheck.aprobe("nonsense", "smtp.example.com")
    with pytest.raises(smtpcheck.UsageError):
        await smtpcheck.acheck("smtp.example.com", nonsense=1)


async def test_a_report_is_written_and_read_again(tmp_path: Path) -> None:
    async with Lab() as lab:
        practice = await lab.start("certificate-expired")
        report = await smtpcheck.acheck(practice.target, password=practice.password, **practice.options)
    path = smtpcheck.dump(report, tmp_path / "report.json")

    assert smtpcheck.load(path) == report
    path.write_text(path.read_text("utf-8").replace('"schema": 2', '"schema": 99'), "utf-8")
    with pytest.raises(ProtocolError):
        smtpcheck.load(path)


def test_import_is_lazy() -> None:
    code = (
        "import sys, smtpcheck; print([m for m in ('asyncio', 'ssl', 'dns', 'OpenSSL', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_help_imports_only_the_command_line_library() -> None:
    code = (
        "import sys\nfrom smtpcheck.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('asyncio', 'ssl', 'dns', 'OpenSSL', 'rich', 'msgspec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip().endswith("[]")
