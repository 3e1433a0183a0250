"""Does a secret ever get out? A canary through every kind of ending, then a search of everything that was made."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from smtpcheck import api
from smtpcheck.core import Report
from smtpcheck.lab import Lab, background
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from smtpcheck.wire import sasl
from smtpcheck.wire.mask import Mask
from tests import forked
from tests.checking import SHORT, aim, checked

CANARY = 'c4n/ary+="é授权'
ENDINGS = (
    "healthy",
    "auth-refused",
    "auth-echoes-secret",
    "auth-temporary",
    "auth-closed-instead-of-reply",
    "auth-login-only",
    "certificate-wrong-host",
    "connect-refused",
)


def forms(secret: str, user: str) -> list[str]:
    """The canary in every form in which an artifact might carry it."""
    plain = [secret, f"\0{user}\0{secret}", f"{user}\0{user}\0{secret}"]
    encoded = [base64.b64encode(text.encode()).decode() for text in plain]
    escaped = [json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(secret.encode())[2:-1], secret.encode().hex()]
    return [secret, *encoded, *(text.rstrip("=") for text in encoded), *escaped, quote(secret), quote_plus(secret)]


def artifacts(report: Report) -> dict[str, str]:
    """Everything that can be made of a report."""
    return {
        "json": api.render(report, "json", lang="en"),
        "json unescaped": json.dumps(json.loads(api.render(report, "json", lang="en")), ensure_ascii=False),
        "html": api.render(report, "html", lang="zh-CN"),
        "terminal": api.render(report, "text", lang="en"),
        "repr": repr(report),
        "pickle": pickle.dumps(report).decode("latin-1"),
    }


def leaks(report: Report, user: str) -> set[str]:
    found = artifacts(report)
    return {name for name, text in found.items() for form in forms(CANARY, user) if form in text}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_no_artifact_holds_the_secret(ending: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="smtpcheck")
    async with Lab() as lab:
        practice = await lab.start(ending, password=CANARY)
        report = await checked(practice)

    assert leaks(report, practice.target) == set()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("smtpcheck")]
    assert CANARY not in "".join(ours)


async def test_the_search_would_find_it_without_the_mask() -> None:
    """Masking switched off must fail: here by a mask that knows no secret."""
    async with Lab() as lab:
        practice = await lab.start("auth-echoes-secret", password=CANARY)
        target = aim(practice)
        kept = sasl.mask_for
        sasl.mask_for = lambda *logins: Mask(readings=())  # type: ignore[assignment]
        try:
            report = await run(target, secret=Secret(CANARY), limits=SHORT)
        finally:
            sasl.mask_for = kept

    assert leaks(report, practice.target) >= {"json", "repr"}


async def test_a_bug_in_a_probe_shows_place_and_type_but_no_secret() -> None:
    from smtpcheck.probes.auth import Auth

    class Buggy(Auth):
        async def observe(self, subject, ctx):  # type: ignore[no-untyped-def]
            raise ValueError(f"boom with {CANARY}")

    from smtpcheck.probes import probes

    async with Lab() as lab:
        practice = await lab.start("healthy", password=CANARY)
        replaced = [Buggy() if probe.name == "auth" else probe for probe in probes()]
        report = await run(aim(practice), secret=Secret(CANARY), limits=SHORT, probes=replaced)

    assert report.verdict == "bug"
    broken = next(result for result in report.results if result.probe == "auth")
    assert "ValueError" in str(broken.outcome)
    assert "test_leaks.py" in str(broken.outcome)
    assert leaks(report, practice.target) == set()


@pytest.mark.parametrize("ending", ["auth-echoes-secret", "auth-refused", "healthy"])
def test_the_command_prints_no_secret_and_takes_none_as_argument(ending: str, tmp_path: Path) -> None:
    with background() as lab:
        practice = lab.start(ending, password=CANARY)
        words = [w for name, value in practice.options.items() for w in (f"--{name.replace('_', '-')}", str(value))]
        done = subprocess.run(
            [
                sys.executable,
                "-X",
                "dev",
                "-m",
                "smtpcheck",
                "check",
                practice.target,
                "-v",
                "--json",
                "r.json",
                *words,
            ],
            env=os.environ | {"SMTPCHECK_PASSWORD": CANARY, "PYTHONUTF8": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    said = done.stdout + done.stderr + (tmp_path / "r.json").read_text("utf-8")
    assert [form for form in forms(CANARY, practice.target) if form in said] == []
    assert "Traceback" not in done.stderr


def test_a_password_in_a_target_is_refused_and_not_echoed() -> None:
    done = forked.run([sys.executable, "-m", "smtpcheck", "check", f"smtp://me:{CANARY}@smtp.example.com"])

    assert done.returncode == 2
    assert CANARY not in done.stdout + done.stderr


async def test_a_traceback_out_of_the_api_holds_no_secret() -> None:
    said = io.StringIO()
    try:
        await api.acheck("me@example.com", password=CANARY, deadline=-1)
    except Exception:  # whatever it is, its traceback with locals is looked at
        frames = traceback.TracebackException(*sys.exc_info(), capture_locals=True)
        said.writelines(frames.format())
    own = said.getvalue().split("smtpcheck/api.py", 1)[1]

    assert CANARY not in own.replace(repr({"password": CANARY}), "")


async def test_a_secret_survives_no_cancelled_task() -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy", password=CANARY)
        task = asyncio.create_task(checked(practice))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as error:
            await task

    assert CANARY not in "".join(traceback.format_exception(error.value))
