"""What does DNS say? A stub resolver over the door: questions asked once in a run, the hosts file, several servers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address

from smtpcheck.core import Kind, Reason, because
from smtpcheck.net.door import MAX_UDP, Door, udp_socket
from smtpcheck.net.failures import os_reason
from smtpcheck.wire import ProtocolError, dns
from smtpcheck.wire.address import is_address

# glibc's resolver waits 5 s twice; two tries of 2 s see a lost datagram and leave time for the rest.
TRIES = 2
TIMEOUT = 2.0


class Resolver:
    """Asks the name servers that this machine or the user names (RFC 1034 section 5.3.1)."""

    def __init__(
        self,
        door: Door,
        servers: Sequence[tuple[str, int]] = (),
        *,
        search: Sequence[str] = (),
        hosts: Mapping[str, Sequence[str]] | None = None,
        hosts_source: str = "/etc/hosts",
        timeout: float = TIMEOUT,
    ) -> None:
        """`timeout`: seconds of each try of a question."""
        self.servers = tuple(servers)
        self.search = tuple(search)
        self.hosts_source = hosts_source
        self._hosts = hosts or {}
        self._door = door
        self._timeout = timeout
        self._answers: dict[tuple[str, str], asyncio.Task[dns.Answer]] = {}

    async def first_address(self, host: str) -> str:
        """One address of a helper's host (time server, mailbox), empty where none is known."""
        if is_address(host):
            return host
        for type_ in ("A", "AAAA"):
            answer = self.hosts_file(host, type_) or await self.ask(host, type_)
            if answer.addresses:
                return answer.addresses[0]
        return ""

    async def ask(self, name: str, type_: str) -> dns.Answer:
        """What the first resolver that knows says, else the first that says anything; asked once in a run.

        Never raises for the network.
        """
        key = (name.lower().rstrip("."), type_)
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = asyncio.create_task(self._ask(name, type_))
        return await asyncio.shield(task)

    async def ask_unchecked(self, name: str, type_: str) -> dns.Answer:
        """What the first resolver says when it is told not to check signatures (CD, RFC 4035 section 3.2.2)."""
        return await self._ask_server(self.servers[0], name, type_, unchecked=True)

    async def collect(self, server: tuple[str, int], name: str, type_: str, window: float) -> tuple[dns.Answer, ...]:
        """Every answer to one question that arrives within `window` seconds: a forger's comes before the true one."""
        ident = secrets.randbelow(65536)
        answers: list[dns.Answer] = []
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError, OSError), udp_socket(*server) as sock:
            async with asyncio.timeout(window):
                await loop.sock_sendall(sock, dns.pack_query(name, type_, ident))
                for _ in range(16):
                    data = await loop.sock_recv(sock, MAX_UDP)
                    with contextlib.suppress(ProtocolError):
                        if answer := dns.parse_answer(data, name, type_, ident):
                            answers.append(_sourced(answer, server))
        return tuple(answers)

    def hosts_file(self, name: str, type_: str) -> dns.Answer | None:
        """What the hosts file says, which programs believe before any resolver."""
        version = {"A": 4, "AAAA": 6}.get(type_)
        found = tuple(a for a in self._hosts.get(name.lower().rstrip("."), ()) if ip_address(a).version == version)
        return dns.Answer(name=name, type=type_, addresses=found, source=self.hosts_source) if found else None

    async def _ask(self, name: str, type_: str) -> dns.Answer:
        if not self.servers:
            return dns.Answer(name=name, type=type_, broke=Kind.RESOLVER_DOWN, reason=because("dns-no-resolver"))
        answers: list[dns.Answer] = []
        for server in self.servers[:3]:
            try:
                answer = await self._ask_server(server, name, type_)
            except ProtocolError as error:
                return dns.Answer(name=name, type=type_, broke=Kind.GARBAGE, reason=error.reason)
            if answer.broke is None or answer.absent:
                return answer
            answers.append(answer)
        return next((a for a in answers if a.broke not in (Kind.RESOLVER_DOWN, Kind.RESOLVER_SILENT)), answers[0])

    async def _ask_server(
        self, server: tuple[str, int], name: str, type_: str, *, unchecked: bool = False
    ) -> dns.Answer:
        ident = secrets.randbelow(65536)
        query = dns.pack_query(name, type_, ident, unchecked=unchecked)
        broke, reason = Kind.RESOLVER_SILENT, because("no-answer", waited=TRIES * self._timeout)
        where = f"{server[0]}:{server[1]}"
        for _ in range(TRIES):
            try:
                answer = await self._one_query(server, query, name, type_, ident)
            except TimeoutError:
                continue
            except ProtocolError as error:
                broke, reason = Kind.GARBAGE, error.reason
                continue
            except OSError as error:
                broke, reason = Kind.RESOLVER_DOWN, os_reason(error)
                break
            return _sourced(answer, server)
        return dns.Answer(name=name, type=type_, broke=broke, reason=reason, source=where)

    async def _one_query(self, server: tuple[str, int], query: bytes, name: str, type_: str, ident: int) -> dns.Answer:
        parsed: list[dns.Answer | None] = []

        def fits(data: bytes) -> bool:
            parsed.append(dns.parse_answer(data, name, type_, ident))
            return True

        await self._door.datagram(*server, query, self._timeout, fits)
        if parsed[-1] is not None:
            return parsed[-1]
        return await self._over_tcp(server, query, name, type_, ident)

    async def _over_tcp(self, server: tuple[str, int], query: bytes, name: str, type_: str, ident: int) -> dns.Answer:
        try:
            async with asyncio.timeout(self._timeout):
                data = await self._exchange_tcp(server, len(query).to_bytes(2, "big") + query)
        except OSError as error:
            reason = _without_tcp(error)
            return dns.Answer(name=name, type=type_, broke=Kind.TRUNCATED, reason=reason)
        answer = dns.parse_answer(data, name, type_, ident)
        return answer or dns.Answer(name=name, type=type_, broke=Kind.TRUNCATED, reason=because("dns-truncated-twice"))

    async def _exchange_tcp(self, server: tuple[str, int], framed: bytes) -> bytes:
        stream = await self._door.dial(*server)
        try:
            await stream.write(framed)
            data = b""
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                chunk = await stream.read()
                if not chunk:
                    raise ConnectionResetError(0, "closed before the answer was whole")
                data += chunk
            return data[2 : 2 + int.from_bytes(data[:2], "big")]
        finally:
            stream.close()


def _sourced(answer: dns.Answer, server: tuple[str, int]) -> dns.Answer:
    """RFC 6698 section A.3: on the way from another machine anybody may have set the AD bit."""
    local = ip_address(server[0]).is_loopback
    return replace(answer, source=f"{server[0]}:{server[1]}", authenticated=answer.authenticated and local)


def _without_tcp(error: OSError) -> Reason:
    system = os_reason(error).seen.get("os")
    return because("dns-truncated-tcp-failed", os=system) if system else because("dns-truncated-no-tcp")
