"""What does a resolver answer? A table of records over UDP and TCP (RFC 1035), with faults by name."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from enum import StrEnum

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from smtpcheck.lab.listeners import LOOPBACK, Datagrams, Listener

ZONE = dns.name.from_text("lab.test.")
_SOA = "ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 60"
_TTL = 60
_MOST_QUERIES = 100
_MOST_ALIASES = 8
_PORT_TRIES = 50


class DnsFault(StrEnum):
    """How a resolver answers for a name and all below it."""

    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    SERVFAIL = "servfail"
    REFUSED = "refused"
    SILENT = "silent"
    TRUNCATED = "truncated"
    """TC over UDP, the truth over TCP; without TCP when the server was made so."""
    GARBAGE = "garbage"
    WRONG_ID = "wrong-id"
    EMPTY = "empty"
    BOGUS = "bogus"
    """SERVFAIL, and the truth to who asks for it unchecked (CD, RFC 4035 section 3.2.2): what a validator does."""
    FORGED = "forged"
    """An answer that somebody forged on the way comes first, the truth after it."""
    INVENTS_ADDRESSES = "invents-addresses"
    """A wrong host resolves to the portal's address: what some access networks do with NXDOMAIN."""


_RCODES = {
    DnsFault.NXDOMAIN: dns.rcode.NXDOMAIN,
    DnsFault.NODATA: dns.rcode.NOERROR,
    DnsFault.SERVFAIL: dns.rcode.SERVFAIL,
    DnsFault.REFUSED: dns.rcode.REFUSED,
}

# one of the addresses that national filters put into forged answers
FORGED_ADDRESS = "8.7.198.46"

Key = tuple[dns.name.Name, dns.rdatatype.RdataType]


class NameServer:
    """A resolver that knows a table and nothing else; counts queries."""

    def __init__(self, *, tcp: bool = True, signed: bool = False) -> None:
        self.signed = signed
        """It says that DNSSEC vouches for what it answers."""
        self.records: dict[Key, tuple[str, ...]] = {}
        self.faults: dict[dns.name.Name, DnsFault] = {}
        self.asked: list[tuple[str, str, str]] = []
        """(name, type, "udp" or "tcp") of every query, in order."""
        self._has_tcp = tcp
        self._blocked: socket.socket | None = None
        self._udp = Datagrams(self.datagrams)
        self._tcp = Listener(self._serve, seconds=30.0)

    @property
    def port(self) -> int:
        """The port, the same for UDP and TCP."""
        return self._udp.port

    @property
    def queries(self) -> Counter[tuple[str, str]]:
        """How often each (name, type) was asked."""
        return Counter((name, kind) for name, kind, _ in self.asked)

    def add(self, name: str, kind: str, *data: str) -> None:
        """Put records into the table, in the presentation format of RFC 1035 section 5."""
        self.records[dns.name.from_text(name), dns.rdatatype.from_text(kind)] = data

    def spoil(self, name: str, fault: str) -> None:
        """Misbehave for a name and all below it; "." is everything."""
        self.faults[dns.name.from_text(name)] = DnsFault(fault)

    async def start(self) -> None:
        """Bind one free port for UDP and TCP; raises OSError when there is none."""
        if not self._has_tcp:
            self._blocked = socket.socket()
        for _ in range(_PORT_TRIES):
            await self._udp.start()
            with contextlib.suppress(OSError):
                if self._blocked is None:
                    await self._tcp.start(self._udp.port)
                else:  # bound and not listening: refused, and nobody else's meanwhile
                    self._blocked.bind((LOOPBACK, self._udp.port))
                return
            await self._udp.stop()
        raise OSError("no port is free for both UDP and TCP")

    async def stop(self) -> None:
        """Unbind."""
        await self._udp.stop()
        await self._tcp.stop()
        if self._blocked is not None:
            self._blocked.close()

    def datagrams(self, wire: bytes) -> tuple[bytes, ...]:
        """What comes back over UDP, in order."""
        reply = self.answer(wire, "udp")
        if reply is None:
            return ()
        query = dns.message.from_wire(wire) if self.faults else None
        if query and self._fault(query.question[0].name) is DnsFault.FORGED:
            return (_forged(query), reply)
        return (reply,)

    def answer(self, wire: bytes, over: str) -> bytes | None:
        """The reply to a query in wire format; None: silence."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return None
        if len(query.question) != 1 or query.flags & dns.flags.QR:
            return None
        question = query.question[0]
        self.asked.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype), over))
        fault = self._fault(question.name)
        reply = self._reply(query, fault, over)
        limit = 65535 if over == "tcp" else max(query.payload, 512)
        return _spoilt(reply.to_wire(max_size=limit, prefer_truncation=True), fault)

    def _fault(self, name: dns.name.Name) -> DnsFault | None:
        above = [each for each in self.faults if name.is_subdomain(each)]
        return self.faults[max(above, key=len)] if above else None

    def _reply(self, query: dns.message.Message, fault: DnsFault | None, over: str) -> dns.message.Message:
        reply = dns.message.make_response(query, recursion_available=True)
        if self.signed and query.flags & dns.flags.AD:  # RFC 6840 section 5.8: said to those who ask
            reply.flags |= dns.flags.AD
        name, kind = query.question[0].name, query.question[0].rdtype
        if fault in _RCODES:
            reply.set_rcode(_RCODES[fault])
            if fault in (DnsFault.NXDOMAIN, DnsFault.NODATA):
                reply.authority = [_rrset(ZONE, dns.rdatatype.SOA, _SOA)]
        elif fault is DnsFault.BOGUS and not query.flags & dns.flags.CD:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif fault is DnsFault.TRUNCATED and over == "udp":
            reply.flags |= dns.flags.TC
        elif fault is DnsFault.INVENTS_ADDRESSES and not self._knows(name):
            if kind is dns.rdatatype.A:
                reply.answer = [_rrset(name, kind, "127.0.0.1")]
        else:
            self._look_up(reply, name, kind)
        return reply

    def _look_up(self, reply: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> None:
        for _ in range(_MOST_ALIASES):
            if data := self.records.get((name, kind)):
                reply.answer.append(_rrset(name, kind, *data))
                return
            alias = self.records.get((name, dns.rdatatype.CNAME))
            if alias is None:
                break
            reply.answer.append(_rrset(name, dns.rdatatype.CNAME, *alias))
            name = dns.name.from_text(alias[0])
        # RFC 2308 section 2: NXDOMAIN only where nothing exists at or below the name
        reply.set_rcode(dns.rcode.NOERROR if self._knows(name) else dns.rcode.NXDOMAIN)
        reply.authority.append(_rrset(ZONE, dns.rdatatype.SOA, _SOA))

    def _knows(self, name: dns.name.Name) -> bool:
        return any(each.is_subdomain(name) for each, _ in self.records)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # RFC 1035 section 4.2.2: a two-octet length before each message
        for _ in range(_MOST_QUERIES):
            size = int.from_bytes(await reader.readexactly(2), "big")
            reply = self.answer(await reader.readexactly(size), "tcp")
            if reply is not None:
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()


def _rrset(name: dns.name.Name, kind: dns.rdatatype.RdataType, *data: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, _TTL, dns.rdataclass.IN, kind, *data)


def _forged(query: dns.message.Message) -> bytes:
    reply = dns.message.make_response(query, recursion_available=True)
    name, kind = query.question[0].name, query.question[0].rdtype
    if kind is dns.rdatatype.A:
        reply.answer = [_rrset(name, kind, FORGED_ADDRESS)]
    return reply.to_wire()


def _spoilt(wire: bytes, fault: DnsFault | None) -> bytes | None:
    match fault:
        case DnsFault.SILENT:
            return None
        case DnsFault.EMPTY:
            return b""
        case DnsFault.GARBAGE:
            # the right id, so that it can't be put aside as somebody else's
            return wire[:2] + b"\xff" * 30
        case DnsFault.WRONG_ID:
            return bytes((wire[0] ^ 0x55, wire[1] ^ 0xAA)) + wire[2:]
    return wire
