"""How do I start a fault and aim at it? The practice range: servers, names, time and certificates of a fault."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextlib
import json
import secrets
import shutil
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from smtpcheck.core import Mode
from smtpcheck.lab.dnsd import NameServer
from smtpcheck.lab.faults import Fault, Resolver, Server, Store, Where, fault, rows
from smtpcheck.lab.imapd import ImapServer
from smtpcheck.lab.issuerd import Issuer
from smtpcheck.lab.listeners import LOOPBACK, Closed, Dropping
from smtpcheck.lab.network import Network, Way
from smtpcheck.lab.ntpd import TimeServer
from smtpcheck.lab.oldtls import OldContext
from smtpcheck.lab.pki import Authority
from smtpcheck.lab.policyd import PolicyServer
from smtpcheck.lab.script import Reply, Script, Shake, Then
from smtpcheck.lab.scripted import ScriptedServer
from smtpcheck.lab.smtpd import GoodServer

_DOMAIN = "lab.test"
_START_SECONDS = 10.0
_USUAL = (465, 587, 25, 2525, 994)


class _Service(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


S = TypeVar("S", bound=_Service)


@dataclass(frozen=True, slots=True)
class Practice:
    """A fault that runs, and how to aim at it."""

    fault: str
    target: str
    """What a user would type: me@DOMAIN, mx:DOMAIN, a host; DOMAIN is found through the lab's resolver."""
    host: str
    port: int
    mode: Mode
    """How the user expects TLS to start."""
    options: dict[str, Any]
    """Keyword options of core.Target."""
    password: str = field(repr=False)
    """The practice account's; the user is the target. Holds octets that base64 and URLs trip over."""
    smtp: GoodServer | ScriptedServer | None
    resolver: NameServer | None
    clock: TimeServer
    issuer: Issuer | None
    mailbox: ImapServer | None = None
    dialer: Network | None = None
    """For a fault of the network between: what a check in this process dials with; None: sockets as they are."""
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The hosts file that this machine has for the fault."""
    proxies: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """What `smtpcheck.check` and `probe` take as keywords: the target, its password and the options."""
        return {"target": self.target, "password": self.password, **self.options}


class Lab:
    """The practice range, an asynchronous context manager. Faults live side by side, each under its own domain."""

    faults: Mapping[str, str] = {name: row["about"] for name, row in rows().items()}

    def __init__(self, *, also: tuple[str, ...] = ()) -> None:
        """Certificates that are right for their host are right for `also`, names or addresses of this machine, too."""
        self._also = also
        self._services: list[_Service] = []
        self._labels: set[str] = set()
        self._authorities: dict[str, tuple[Authority, Issuer | None, Path]] = {}
        self._shared: NameServer | None = None
        self._honest: TimeServer | None = None
        self._folder: Path | None = None

    async def __aenter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="smtpcheck-lab-"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop all servers, newest first, and remove the folder."""
        try:
            while self._services:
                await self._services.pop().stop()
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    async def start(self, fault_name: str = "healthy", /, **overrides: Any) -> Practice:
        """Start what a fault needs; `overrides` replace fields of its row.

        The same fault again lives under a domain of its own. Raises KeyError for an unknown fault, TypeError and
        ValueError for an override that does not fit, OSError when this machine does not let us.
        """
        row = fault(fault_name, **overrides)
        password = _token(row) or row.password or f'practice/+="{secrets.token_hex(6)}'
        domain = row.domain or f"{self._label(row.name)}.{_DOMAIN}"
        host = row.host or (domain if row.target == "mx" and not row.mx else f"smtp.{domain}")
        authority, issuer, ca_file = await self._authority(row.issuer)
        served = authority.issue(row.cert, *_names(row, host), *self._also, signer=row.signer)
        context = served.server_context()
        if row.cert_sni:
            _by_name(context, host, authority.issue(row.cert_sni, host).server_context())
        accounts = {f"me@{domain}": password} if row.target != "mx" else {}
        old = OldContext(served.chain, served.key_pem) if row.script.shake is Shake.OLD else None
        server = await self._started(_server(row, host, context, accounts, old))
        resolver = await self._resolver(row)
        if isinstance(resolver, NameServer):
            port, names = row.ports[0] if row.ports else server.port, {"host": host, "domain": domain}
            _publish(resolver, row, domain, host, port, names | {"spki": served.spki})
        clock = await self._clock(row)
        second = await self._beside(row, domain, host)
        options: dict[str, Any] = {
            "dns": ",".join(f"{LOOPBACK}:{each.port}" for each in (resolver, second) if each),
            "ntp": f"{LOOPBACK}:{clock.port}",
            "ca_file": str(self._store(row.roots, ca_file)),
        }
        if row.compare:
            options["ca_compare"] = str(self._store(row.compare, ca_file))
        if row.speaks is not None:
            options["mode"] = row.mode
        detours = await self._detours(row, host, server.port)
        if row.policy:
            detours += await self._policy(row, authority, domain, host, resolver)
        if detours:
            options["connect_to"] = detours
        options |= {name: _named(value, domain, host) for name, value in row.options.items()}
        mailbox = await self._mailbox(row, authority, domain, password, server, resolver)
        if mailbox:
            options |= {"send": True, "imap": f"{row.mailbox.format(domain=domain)}:{mailbox.port}"}
        if row.letter:
            options["message"] = self._letter(row, f"me@{domain}")
        return Practice(
            fault=row.name,
            target=_typed(row, domain, host, server.port),
            host=host,
            port=server.port,
            mode=row.mode,
            options=options,
            password=password,
            smtp=server if isinstance(server, GoodServer | ScriptedServer) else None,
            resolver=resolver if isinstance(resolver, NameServer) else None,
            clock=clock,
            issuer=issuer,
            mailbox=mailbox,
            dialer=await self._network(row, host, context, server.port),
            hosts=_hosts(row, domain, host),
            proxies=row.proxies,
        )

    def _letter(self, row: Fault, account: str) -> str:
        """The path of the message."""
        if self._folder is None:
            raise RuntimeError("the lab is not open: use `async with Lab() as lab`")
        path = self._folder / f"{row.name}.eml"
        path.write_bytes(row.letter.replace("{account}", account).replace("\n", "\r\n").encode())
        return str(path)

    async def _beside(self, row: Fault, domain: str, host: str) -> NameServer | None:
        """The second resolver, which knows its own records alone."""
        if not row.beside:
            return None
        second = await self._started(NameServer())
        _add(second, row.beside, {"host": host, "domain": domain})
        return second

    async def _network(self, row: Fault, host: str, context: ssl.SSLContext, port: int) -> Network | None:
        """The network between, with the other servers that its ways lead to."""
        if not row.network:
            return None
        servers = {Way.SERVER: port}
        ways = {route.way for route in row.network}
        if Way.ELSEWHERE in ways:
            good = GoodServer(mode=row.mode, host=host, context=context, accounts={})
            servers[Way.ELSEWHERE] = (await self._started(good)).port
        if Way.SILENT in ways:
            silent = Script(greeting=Reply(then=Then.HANG))
            servers[Way.SILENT] = (await self._started(ScriptedServer(silent))).port
        return Network(row.network, servers)

    async def _detours(self, row: Fault, host: str, port: int) -> tuple[str, ...]:
        """Where the ports under 1024 are, which need root; a host's other usual ports are shut."""
        ports = row.ports or ((25,) if row.target == "mx" and row.server is not Server.NONE else ())
        if row.network:
            return ()
        others = [each for each in _USUAL if each not in ports] if row.ports else []
        shut = (await self._started(Closed())).port if others else 0
        return (
            *(f"{host}:{each}:{LOOPBACK}:{port}" for each in ports),
            *(f"{host}:{each}:{LOOPBACK}:{shut}" for each in others),
        )

    async def _policy(
        self, row: Fault, authority: Authority, domain: str, host: str, resolver: object
    ) -> tuple[str, ...]:
        """The domain's MTA-STS policy, by HTTPS and announced in DNS; where it is."""
        name = f"mta-sts.{domain}"
        text = row.policy.format(host=host, domain=domain).strip().replace("\n", "\r\n")
        server = PolicyServer(
            text if text != "missing" else "", authority.issue(row.policy_cert, name).server_context()
        )
        await self._started(server)
        if isinstance(resolver, NameServer):
            resolver.add(name, "A", LOOPBACK)
            resolver.add(f"_mta-sts.{domain}", "TXT", '"v=STSv1; id=20260101T000000;"')
        return (f"{name}:443:{LOOPBACK}:{server.port}",)

    def _store(self, word: str, house: Path) -> Path:
        """A file with the roots of that word."""
        if word == "house":
            return house
        if self._folder is None:
            raise RuntimeError("the lab is not open: use `async with Lab() as lab`")
        path = self._folder / f"{Store(word)}.pem"
        if not path.exists():
            path.write_bytes(Authority().root_pem if word == Store.OTHER else b"")
        return path

    async def _mailbox(
        self, row: Fault, authority: Authority, domain: str, password: str, server: object, resolver: object
    ) -> ImapServer | None:
        """The account's mailbox, into which the server's accepted mail is put."""
        if not row.send:
            return None
        host, user = row.mailbox.format(domain=domain), f"me@{domain}"
        context = authority.issue("good", host).server_context()
        mailbox = ImapServer(host=host, context=context, accounts={user: password}, fault=row.imap)
        await self._started(mailbox)
        if isinstance(resolver, NameServer):
            resolver.add(host, "A", LOOPBACK)
        if isinstance(server, GoodServer | ScriptedServer) and row.folder:
            server.ledger.delivered.append(lambda message: mailbox.deliver(user, row.folder, message.content))
        return mailbox

    def _label(self, name: str) -> str:
        label, count = name, 1
        while label in self._labels:
            count += 1
            label = f"{name}-{count}"
        self._labels.add(label)
        return label

    async def _started(self, service: S) -> S:
        if self._folder is None:
            raise RuntimeError("the lab is not open: use `async with Lab() as lab`")
        await service.start()
        self._services.append(service)
        return service

    async def _authority(self, issuer_word: str) -> tuple[Authority, Issuer | None, Path]:
        """One authority for each kind of issuer, because the URL is inside the certificates."""
        if issuer_word not in self._authorities:
            issuer = None
            if issuer_word:
                issuer = await self._started(Issuer(fault="" if issuer_word == "served" else issuer_word))
            authority = Authority(issuer_url=issuer.url if issuer else "")
            if issuer:
                issuer.der = authority.intermediate_der
            if self._folder is None:
                raise RuntimeError("the lab is not open: use `async with Lab() as lab`")
            ca_file = self._folder / f"root-{len(self._authorities)}.pem"
            ca_file.write_bytes(authority.root_pem)
            self._authorities[issuer_word] = (authority, issuer, ca_file)
        return self._authorities[issuer_word]

    async def _resolver(self, row: Fault) -> NameServer | Closed:
        match row.resolver:
            case Resolver.DOWN:
                return await self._started(Closed())
            case Resolver.OWN | Resolver.UDP_ONLY:
                return await self._started(NameServer(tcp=row.resolver is Resolver.OWN))
            # names of others, and addresses, mean something else in the next fault
            case Resolver.SHARED if row.domain or row.host or row.signed or row.target == "address":
                return await self._started(NameServer(tcp=True, signed=row.signed))
        if self._shared is None:
            self._shared = await self._started(NameServer())
        return self._shared

    async def _clock(self, row: Fault) -> TimeServer:
        if row.ntp or row.offset:
            return await self._started(TimeServer(offset=row.offset, fault=row.ntp))
        if self._honest is None:
            self._honest = await self._started(TimeServer())
        return self._honest


def _named(value: Any, domain: str, host: str) -> Any:
    """An option's value with the names filled in."""
    if isinstance(value, str):
        return value.replace("{account}", f"me@{domain}").replace("{domain}", domain).replace("{host}", host)
    return tuple(_named(each, domain, host) for each in value) if isinstance(value, list | tuple) else value


def _server(
    row: Fault, host: str, context: ssl.SSLContext, accounts: Mapping[str, str], old: OldContext | None
) -> GoodServer | ScriptedServer | Closed | Dropping:
    match row.server:
        case Server.GOOD:
            return GoodServer(mode=row.speaks or row.mode, host=host, context=context, accounts=accounts)
        case Server.SCRIPT:
            return ScriptedServer(row.script, host=host, context=context, accounts=accounts, old=old)
        case Server.DROPPED:
            return Dropping()
    return Closed()


def _names(row: Fault, host: str) -> tuple[str, ...]:
    """Whom the certificate speaks for: a program on this machine names itself by its address."""
    return (LOOPBACK,) if row.cert == "self-signed-as" else (host,)


def _by_name(context: ssl.SSLContext, host: str, other: ssl.SSLContext) -> None:
    """Show the other's certificate to those who ask for the host (RFC 6066 section 3)."""

    def chosen(connection: ssl.SSLObject, name: str, _: ssl.SSLContext) -> None:
        if name == host:
            connection.context = other

    context.sni_callback = chosen


def _token(row: Fault) -> str:
    """A JSON web token (RFC 7519) whose time counts by the row's time server; empty where the row has none."""
    if not row.token:
        return ""
    now = time.time() + row.offset
    claims = {"nbf": int(now + row.token[0]), "exp": int(now + row.token[1])}
    parts = [json.dumps(each).encode() for each in ({"alg": "none"}, claims)]
    coded = [base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts]
    return ".".join([*coded, secrets.token_urlsafe(12)])


def _publish(resolver: NameServer, row: Fault, domain: str, host: str, port: int, names: Mapping[str, str]) -> None:
    """Put a fault's names into the table: RFC 6186 and RFC 8314 section 5.1 for SRV."""
    if row.target == "account" and row.srv:
        service = "_submissions" if row.mode is Mode.IMPLICIT else "_submission"
        resolver.add(f"{service}._tcp.{domain}", "SRV", f"0 1 {port} {host}.")
    for name in (host, domain):
        if row.address:
            resolver.add(name, "A", row.address)
    if row.address6:
        resolver.add(host, "AAAA", row.address6)
    if row.mx:
        resolver.add(domain, "MX", row.mx.format(host=host))
    _add(resolver, row.records, names)
    if row.dns:
        resolver.spoil({Where.HOST: host, Where.DOMAIN: domain, Where.EVERYTHING: "."}[row.where], row.dns)


def _add(resolver: NameServer, records: tuple[str, ...], names: Mapping[str, str]) -> None:
    named = [record.format(**names).split(None, 2) for record in records]
    for key in {(name, kind) for name, kind, _ in named}:
        resolver.add(*key, *(data for name, kind, data in named if (name, kind) == key))


def _typed(row: Fault, domain: str, host: str, port: int) -> str:
    usual = {"mx": f"mx:{domain}", "address": f"{LOOPBACK}:{port}"}.get(row.target, f"me@{domain}")
    return row.spec.format(host=host, domain=domain) if row.spec else usual


def _hosts(row: Fault, domain: str, host: str) -> Mapping[str, tuple[str, ...]]:
    lines = (line.format(host=host, domain=domain).split() for line in row.hosts)
    return {name: (address,) for address, name in lines}


class Background:
    """A lab that runs in a thread of its own, for callers that do not await; opened by `background`."""

    faults = Lab.faults

    def __init__(self, *, also: tuple[str, ...] = ()) -> None:
        self._also = also
        self._opened: concurrent.futures.Future[tuple[Lab, asyncio.AbstractEventLoop, asyncio.Event]]
        self._opened = concurrent.futures.Future()
        self._thread = threading.Thread(target=asyncio.run, args=(self._life(),), name="smtpcheck-lab", daemon=True)
        self._thread.start()
        self._lab, self._loop, self._over = self._opened.result(_START_SECONDS)

    async def _life(self) -> None:
        async with Lab(also=self._also) as lab:
            over = asyncio.Event()
            self._opened.set_result((lab, asyncio.get_running_loop(), over))
            await over.wait()

    def __repr__(self) -> str:
        running = "running" if self._thread.is_alive() else "stopped"
        return f"practice servers, {running}: start(NAME) starts one of {len(self.faults)} faults"

    def start(self, fault_name: str = "healthy", /, **overrides: Any) -> Practice:
        """As `Lab.start`; TimeoutError after 10 s, RuntimeError once it is stopped."""
        if not self._thread.is_alive():
            raise RuntimeError("the lab is stopped")
        coming = asyncio.run_coroutine_threadsafe(self._lab.start(fault_name, **overrides), self._loop)
        return coming.result(_START_SECONDS)

    def stop(self) -> None:
        """Stop all servers, and wait until the thread has ended; nothing happens a second time."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(_START_SECONDS)


@contextlib.contextmanager
def background(*, also: tuple[str, ...] = ()) -> Iterator[Background]:
    """A lab in a thread; stopped, and the thread joined, at the end. `also`: as of `Lab`."""
    running = Background(also=also)
    try:
        yield running
    finally:
        running.stop()
