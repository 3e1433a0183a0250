"""Is a target checked once a session, also by several workers, and is it in a fresh folder as simple as that?"""

from __future__ import annotations

import threading
import xml.etree.ElementTree as ET
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from smtpcheck.core import Failure
from smtpcheck.lab import Background, background
from smtpcheck.pytest_plugin.runs import Run, _asked, _once
from smtpcheck.settings import aimed, given
from tests.pytest_plugin.projects import run_pytest, table


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


def test_workers_of_xdist_share_one_run_of_each_target(lab: Background, tmp_path: Path) -> None:
    good, bad = lab.start("healthy", password="of both"), lab.start("certificate-expired", password="of both")
    login = {"secret": "env:BOTH", "login": True}
    settings = table(good, "good", **login) + table(bad, "bad", **login)
    (tmp_path / "smtpcheck.toml").write_text(settings, encoding="utf-8")
    (tmp_path / "test_own.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(8))\n"
        "def test_a(smtp_report, n):\n    assert smtp_report('good').verdict == 'healthy'\n"
    )

    done = run_pytest(tmp_path, "-n", "2", "--junitxml=out.xml", BOTH="of both")

    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 26 passed, 1 skipped" in done.stdout
    assert "Cause (certain): the certificate" in done.stdout
    assert "✓ healthy up to login; delivery not tested   me@healthy" in done.stdout
    assert "1 not tested: " in done.stdout
    for practice, attempts in ((good, 1), (bad, 0)):
        assert practice.smtp is not None
        assert practice.smtp.ledger.connections == 1
        assert practice.smtp.ledger.auths == attempts
    root = ET.parse(tmp_path / "out.xml").getroot()  # noqa: S314 - written above
    failed = next(case for case in root.iter("testcase") if case.find("failure") is not None)
    said = {one.attrib["name"]: one.attrib["value"] for one in failed.iter("property")}
    assert said["smtpcheck_code"] == "certificate-expired"


@pytest.mark.parametrize(("box", "kind"), [("of the mailbox", "rejected"), ("", "withheld")])
def test_the_mailbox_gets_the_secret_that_the_settings_name_for_it(lab: Background, box: str, kind: str) -> None:
    practice = lab.start("delivered", password="of the login")
    user = f"box@{practice.target.partition('@')[2]}"
    options = practice.options | {"wait": 1, "imap_user": user, "secret": "env:LOGIN", "imap_secret": "env:BOX"}
    aim = aimed(given(practice.target, options, Path("/nowhere")), {})
    report = _asked(aim, (), {"LOGIN": "of the login"} | ({"BOX": box} if box else {}), None)

    (delivery,) = [result for result in report.results if result.probe == "delivery"]
    assert isinstance(delivery.outcome, Failure)
    assert delivery.outcome.kind == kind
    assert practice.mailbox is not None
    said = b"".join(line for session in practice.mailbox.ledger.seen for line in session)
    assert (b64encode(f"\0{user}\0{box}".encode()) in said) is bool(box)
    assert b64encode(f"\0{user}\0of the login".encode()) not in said


def test_workers_leave_nothing_behind(lab: Background, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "smtpcheck.toml").write_text(table(lab.start("healthy"), "one"), encoding="utf-8")

    done = run_pytest(tmp_path, "-n", "1", "-k", "config", TMPDIR=str(temporary))

    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(temporary.glob("smtpcheck-*"))


def test_whoever_comes_second_waits_for_the_first_and_reads_its_answer(tmp_path: Path) -> None:
    asked, began, go = [], threading.Event(), threading.Event()

    def check() -> Run:
        asked.append(1)
        began.set()
        go.wait(10)
        return Run(failed="no certificates in x")

    first: list[Run] = []
    thread = threading.Thread(target=lambda: first.append(_once(tmp_path, "key", check, 10)))
    thread.start()
    assert began.wait(10)
    threading.Timer(0.1, go.set).start()
    second = _once(tmp_path, "key", check, 10)
    thread.join(10)

    assert asked == [1]
    assert first == [second] == [Run(failed="no certificates in x")]


def test_a_worker_that_died_is_not_stepped_in_for(tmp_path: Path) -> None:
    """It may have logged in."""

    def dies() -> Run:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _once(tmp_path, "key", dies, 10)

    assert "not come back" in _once(tmp_path, "key", dies, 0.1).failed


def test_a_folder_that_workers_do_not_share_is_no_reason_to_ask_twice(tmp_path: Path) -> None:
    assert "can't share" in _once(tmp_path / "elsewhere", "key", lambda: Run(), 1).failed
