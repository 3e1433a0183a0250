"""Does a benchmark fail where a program that it runs does no work? A peer that waits for nothing flatters nobody."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import compared, confusion, recipe
from benchmarks.peers import IdleError, Peer
from smtpcheck.lab import Background, Lab, background
from tests.checking import PATIENT, checked

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def lab() -> Iterator[Background]:
    with background() as running:
        yield running


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def run(*words: str, path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.recipe", *words]
    environ = os.environ | {"PATH": path}
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=55, check=False)


# The recipe


@pytest.mark.parametrize(
    "text",
    ["exit 0", "sleep 0.1; exit 0", "echo 'connection refused' >&2; exit 1", "echo '250 fine'; cat"],
    ids=["nothing", "waits", "refused", "something-else"],
)
@pytest.mark.parametrize("place", range(6))
def test_a_peer_that_does_no_work_is_named(lab: Background, tmp_path: Path, place: int, text: str) -> None:
    peer = recipe.recipe(lab.start("healthy"))[place]
    program(tmp_path / peer.words[0], text)
    with pytest.raises(IdleError, match=f"^{peer.name}: "):
        peer.run({"PATH": f"{tmp_path}:/usr/bin:/bin"})


def test_the_proof_of_work_counts_for_nothing_with_an_exit_status_that_denies_it(tmp_path: Path) -> None:
    program(tmp_path / "swaks", "echo '<~  235 2.7.0 ok'; exit 28")
    with pytest.raises(IdleError, match="exit status 28"):
        Peer("swaks", ("swaks",), r"^<~\s+235 ").run({"PATH": f"{tmp_path}:/bin"})


def test_a_peer_without_an_end_is_idle() -> None:
    with pytest.raises(IdleError, match=r"not done in 0\.2 s"):
        Peer("sleep", ("sleep", "20"), "").run(os.environ, seconds=0.2)


def test_the_check_itself_must_have_come_to_the_login(lab: Background) -> None:
    healthy, refused = lab.start("healthy"), lab.start("auth-refused")
    environ = os.environ | {"SMTPCHECK_PASSWORD": healthy.password, "PYTHONUTF8": "1"}
    (mine,) = recipe.ours(healthy)
    mine.run(environ)
    with pytest.raises(IdleError):  # healthy up to the certificate, no login: cheaper, and not what is compared
        dataclasses.replace(mine, words=(*mine.words, "--until", "certificate")).run(environ)
    (other,) = recipe.ours(refused)
    with pytest.raises(IdleError):
        other.run(environ | {"SMTPCHECK_PASSWORD": refused.password})


def test_what_is_not_installed_is_named_and_no_figure_printed(tmp_path: Path) -> None:
    for tool in ("dig", "nc", "openssl"):
        program(tmp_path / tool, "exit 0")
    done = run(path=str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "no figure: not installed: swaks, ntpdig\n")


@pytest.fixture
def tools() -> str:
    """Every tool is here, and so is the port that ntpdig asks."""
    missing = [tool for tool in recipe.TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}; bind9-dnsutils netcat-openbsd openssl swaks ntpsec-ntpdig")
    if os.geteuid():
        pytest.skip("ntpdig asks port 123 and no other, which is root's")
    return os.environ["PATH"]


def test_with_every_peer_at_work_there_is_a_figure(tools: str) -> None:
    done = run("1", path=tools)
    assert "1 pairs, each peer did its work\nratio " in done.stdout, done.stdout + done.stderr
    assert done.returncode in (0, 1)  # which one depends on what else this machine does


def test_with_an_idle_time_client_there_is_none(tools: str, tmp_path: Path) -> None:
    program(tmp_path / "ntpdig", "sleep 1; exit 1")
    done = run("1", path=f"{tmp_path}:{tools}")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("no figure: a peer did not do its work: ntpdig: exit status 1")
    assert "ratio" not in done.stdout


# The others


def test_a_compared_tool_that_ends_well_without_work_is_named(lab: Background) -> None:
    with pytest.raises(IdleError, match=r"lazy: healthy ended well, and the server saw no handshakes, auths$"):
        compared.proven(lab, {"lazy": lambda _: (True, "")})
    with pytest.raises(IdleError, match=r"openssl s_client: healthy ended well, and the server saw no handshakes$"):
        compared.proven(lab, {"openssl s_client": lambda _: (True, "")})


def test_a_compared_tool_that_fails_on_a_healthy_account_is_named(lab: Background) -> None:
    with pytest.raises(IdleError, match="broken: healthy ended with: 'no route'"):
        compared.proven(lab, {"broken": lambda _: (False, "no route")})


def test_a_compared_tool_that_logs_in_and_sends_is_taken(lab: Background) -> None:
    compared.proven(lab, {"smtplib": compared.library})


@pytest.mark.parametrize("fault", ["healthy", "delivered"])
async def test_a_healthy_verdict_counts_where_the_server_was_asked(fault: str) -> None:
    async with Lab() as lab:
        asked, other = await lab.start(fault), await lab.start(fault)
        report = await checked(asked, limits=PATIENT)
        assert not confusion.idle(asked, report)
        assert confusion.idle(other, report)


async def test_a_login_that_the_server_did_not_see_is_none() -> None:
    async with Lab() as lab:
        asked, other = await lab.start("healthy"), await lab.start("healthy")
        report = await checked(asked, limits=PATIENT)
        await checked(other, limits=PATIENT, until="certificate")
        assert other.smtp is not None
        assert (other.smtp.ledger.connections, other.smtp.ledger.auths) == (1, 0)
        assert confusion.idle(other, report)
