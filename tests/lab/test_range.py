"""Is the range up quickly, side by side, on loopback only, and gone without a trace?"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from smtpcheck.core import Mode, Target, TargetKind
from smtpcheck.lab import Lab, Practice, background
from smtpcheck.lab.faults import rows
from smtpcheck.lab.smtpd import GoodServer
from tests.lab.clients import found, secured, tells


@pytest.fixture
async def mishaps() -> list[dict[str, Any]]:
    """What the loop's exception handler hears of."""
    heard: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    return heard


async def test_every_fault_is_up_at_once() -> None:
    async with Lab() as lab:
        practices = [await lab.start(name) for name in Lab.faults]
        assert len({practice.port for practice in practices}) == len(practices)
        own = [practice for practice in practices if not {"domain", "spec"} & rows()[practice.fault].keys()]
        assert len({practice.target for practice in own}) == len(own) > 100


def test_a_fresh_process_has_a_practice() -> None:
    program = "from smtpcheck.lab import background\nwith background() as lab:\n    print(lab.start().target)\n"
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "me@healthy.lab.test\n", "")


async def hello(practice: Practice) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """A raw connection, so far as one comes about, left in the middle of something."""
    try:
        async with asyncio.timeout(0.2):
            reader, writer = await asyncio.open_connection("127.0.0.1", practice.port)
    except OSError:
        return None
    writer.write(b"EHLO client.test\r\nSTARTTLS\r\n")
    return reader, writer


async def test_stops_clean_in_the_middle_of_everything(mishaps: list[dict[str, Any]]) -> None:
    before = asyncio.all_tasks()
    async with Lab() as lab:
        practices = [await lab.start(name) for name in Lab.faults]
        lines = [await hello(practice) for practice in practices]
        tcp, _ = await asyncio.open_connection("127.0.0.1", practices[0].resolver.port)  # type: ignore[union-attr]
    assert asyncio.all_tasks() == before
    for line in filter(None, lines):
        line[1].transport.abort()
    tcp._transport.abort()  # type: ignore[attr-defined]
    for practice in practices:
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", practice.port), 0.5):
            pass
    await asyncio.sleep(0)
    gc.collect()
    assert mishaps == []


@pytest.mark.parametrize("name", ["healthy", "healthy-implicit", "healthy-scripted", "plain-on-implicit-tls-port"])
async def test_failed_handshakes_leave_nothing(name: str, mishaps: list[dict[str, Any]]) -> None:
    async with Lab() as lab:
        practice = await lab.start(name)
        for garbage in (b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", practice.port)
            if practice.mode is Mode.STARTTLS and name != "plain-on-implicit-tls-port":
                writer.write(b"EHLO client.test\r\nSTARTTLS\r\n")
                async with asyncio.timeout(5):
                    await reader.readuntil(b"eady to start TLS\r\n")
            writer.write(garbage)
            writer.write_eof()
            async with asyncio.timeout(5):
                await reader.read()
            writer.close()
            await writer.wait_closed()
    gc.collect()
    assert mishaps == []


@pytest.mark.parametrize("name", ["healthy", "healthy-implicit"])
async def test_stop_during_tls(name: str, mishaps: list[dict[str, Any]]) -> None:
    async with Lab() as lab:
        practice = await lab.start(name)
        client = secured(practice)
        smtp = await asyncio.to_thread(client.__enter__)
        assert isinstance(smtp.sock, ssl.SSLSocket)
    smtp.close()
    gc.collect()
    assert mishaps == []


async def test_the_same_fault_twice_lives_side_by_side() -> None:
    async with Lab() as lab:
        first, second = await lab.start("healthy"), await lab.start("healthy", cert="expired")
        assert (first.target, second.target) == ("me@healthy.lab.test", "me@healthy-2.lab.test")
        assert await asyncio.to_thread(found, second) == ("127.0.0.1", second.port)
        assert first.clock is second.clock
        assert first.resolver is second.resolver


async def test_faults_combine() -> None:
    async with Lab() as lab:
        practice = await lab.start("auth-refused", offset=-420.0, cert="wrong-host")
        assert (await asyncio.to_thread(tells, practice)).offset == pytest.approx(-420, abs=0.5)
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(secured(practice).__enter__)


async def test_options_are_those_of_a_target() -> None:
    async with Lab() as lab:
        for name in Lab.faults:
            practice = await lab.start(name, password="canary/+=")
            assert Target(spec=practice.target, kind=TargetKind.ACCOUNT, name="x", **practice.options).dns
            assert practice.password not in repr(practice)


async def test_what_does_not_fit_is_refused() -> None:
    async with Lab() as lab:
        with pytest.raises(KeyError, match="healthy"):
            await lab.start("helthy")
        with pytest.raises(TypeError):
            await lab.start("healthy", sript={})
        with pytest.raises(TypeError):
            await lab.start("healthy", script={"greting": "220 \r\n"})
        with pytest.raises(ValueError, match="sleepy"):
            await lab.start("healthy", dns="sleepy")


async def test_a_closed_lab_starts_nothing() -> None:
    lab = Lab()
    with pytest.raises(RuntimeError, match="not open"):
        await lab.start()


def test_the_folder_is_private_and_removed() -> None:
    with background() as lab:
        ca_file = Path(lab.start("healthy").options["ca_file"])
        assert ca_file.parent.stat().st_mode & 0o777 == 0o700
        assert b"BEGIN CERTIFICATE" in ca_file.read_bytes()
    assert not ca_file.parent.exists()


async def test_only_what_a_fault_needs_is_started() -> None:
    async with Lab() as lab:
        practice = await lab.start("dns-resolver-down")
        assert (practice.smtp, practice.resolver, practice.issuer) == (None, None, None)
        assert isinstance((await lab.start("healthy")).smtp, GoodServer)


def test_background_runs_in_a_thread_of_its_own_and_ends() -> None:
    with background() as lab:
        practice = lab.start("healthy")
        with secured(practice) as client:
            client.login(practice.target, practice.password)
        with pytest.raises(KeyError):
            lab.start("helthy")
    assert not [thread for thread in threading.enumerate() if thread.name == "smtpcheck-lab"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", practice.port), 1.0)


async def test_the_password_trips_over_encodings_and_is_new_each_time() -> None:
    async with Lab() as lab:
        first, second = await lab.start("healthy"), await lab.start("healthy")
    assert first.password != second.password
    assert set('/+="') <= set(first.password)
