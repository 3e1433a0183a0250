"""What did the resolver say? DNS questions and answers as bytes (RFC 1035), told apart by RCODE (RFC 2308)."""

from __future__ import annotations

from dataclasses import dataclass

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TLSA
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.SRV
import dns.reversename

from smtpcheck.core import NO_REASON, Kind, Reason, because
from smtpcheck.wire import ProtocolError

# More aliases or records than any healthy mail domain has; the rest is dropped.
MAX_RECORDS = 64
# RFC 5892: valid in today's names, while Python's codec (RFC 3490) turns them into the letters of another name.
_DEVIATIONS = frozenset("ßẞς\u200c\u200d")


# An error may come back as a bare header; these are what a server says that could not read the question.
_QUESTIONLESS = frozenset({dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})


@dataclass(frozen=True, slots=True)
class Mx:
    """One mail exchanger (RFC 5321 section 5.1); the exchange is `.` for a null MX (RFC 7505)."""

    preference: int
    exchange: str


@dataclass(frozen=True, slots=True)
class Srv:
    """One service location (RFC 2782); the host is `.` where the service is declared absent."""

    priority: int
    weight: int
    port: int
    host: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """One association of a name with a certificate (RFC 6698 section 2.1); the data in hexadecimal."""

    usage: int
    selector: int
    matching: int
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is known about one name and type; `broke` says why there are no records."""

    name: str
    type: str
    broke: Kind | None = None
    addresses: tuple[str, ...] = ()
    mx: tuple[Mx, ...] = ()
    srv: tuple[Srv, ...] = ()
    texts: tuple[str, ...] = ()
    """Of TXT, each with its strings joined (RFC 7208 section 3.3); of PTR, the names."""
    tlsa: tuple[Tlsa, ...] = ()
    authenticated: bool = False
    """The resolver says that DNSSEC vouches for it (AD, RFC 4035 section 3.2.3)."""
    aliases: tuple[str, ...] = ()
    source: str = ""
    """Who said so: the resolver's address, or the hosts file's path."""
    reason: Reason = NO_REASON

    @property
    def absent(self) -> bool:
        """A resolver that works said that there is no such record; anything else is not knowing."""
        return self.broke in (Kind.NXDOMAIN, Kind.NODATA)


def pack_query(name: str, type_: str, ident: int, *, unchecked: bool = False) -> bytes:
    """A recursive query for an absolute name; `unchecked`: no matter what DNSSEC says (CD, RFC 4035 section 3.2.2).

    Raises ProtocolError for what can't be a domain name.
    """
    owner = absolute(name)
    try:
        query = dns.message.make_query(owner, type_, use_edns=True, payload=1232, id=ident)
        query.flags |= dns.flags.AD  # RFC 6840 section 5.7: so that the answer's AD means something
        query.flags |= dns.flags.CD if unchecked else 0
        return query.to_wire()
    except (dns.exception.DNSException, ValueError) as error:
        raise ProtocolError(f"not a domain name: {type(error).__name__}", because("dns-name-invalid")) from error


def absolute(name: str) -> dns.name.Name:
    """The name as a fully qualified one. Raises ProtocolError for what can't be a domain name."""
    try:
        return dns.name.from_text(a_label(name).rstrip(".") + ".")
    except (dns.exception.DNSException, ValueError) as error:
        raise ProtocolError(f"not a domain name: {type(error).__name__}", because("dns-name-invalid")) from error


def reverse(address: str) -> str:
    """The name under which an address has its PTR record (RFC 1035 section 3.5). Raises ProtocolError."""
    try:
        return dns.reversename.from_address(address).to_text(omit_final_dot=True)
    except (dns.exception.DNSException, ValueError) as error:
        raise ProtocolError("not an address", because("dns-name-invalid")) from error


def a_label(name: str) -> str:
    """The name with internationalized labels as A-labels (RFC 5891). Raises ProtocolError."""
    if name.isascii():
        return name
    if odd := next((char for char in name if char in _DEVIATIONS), ""):
        words = f"a name with {odd!r} has two readings: write its label as xn--"
        raise ProtocolError(words, because("dns-name-two-readings", char=odd))
    try:
        return name.encode("idna").decode()
    except UnicodeError as error:
        raise ProtocolError("not a domain name", because("dns-name-invalid")) from error


def parse_answer(wire: bytes, name: str, type_: str, ident: int) -> Answer | None:
    """The answer in a datagram; None when it must be asked again over TCP.

    Raises ProtocolError for what is no answer to this question: garbage, another id, another name.
    """
    try:
        message = _message(wire)
    except ProtocolError:
        # RFC 2181 section 9: truncated answers are asked again; some middleboxes cut them within a record
        message = _message(wire, question_only=True)
        if not message.flags & dns.flags.TC:
            raise
    _check_ours(message, name, type_, ident)
    if message.flags & dns.flags.TC:
        return None
    rcode = message.rcode()
    if rcode == dns.rcode.NXDOMAIN:
        return Answer(name=name, type=type_, broke=Kind.NXDOMAIN)
    if rcode == dns.rcode.SERVFAIL:
        return Answer(name=name, type=type_, broke=Kind.SERVFAIL, reason=_reason(message))
    if rcode == dns.rcode.REFUSED:
        return Answer(name=name, type=type_, broke=Kind.DNS_REFUSED)
    if rcode != dns.rcode.NOERROR:
        return Answer(
            name=name, type=type_, broke=Kind.SERVFAIL, reason=because("dns-rcode", rcode=dns.rcode.to_text(rcode))
        )
    return _records(message, name, type_)


def _reason(message: dns.message.Message) -> Reason:
    """The resolver's own reason (RFC 8914), empty where it gives none."""
    for option in message.options:
        if isinstance(option, dns.edns.EDEOption):
            said = f": {option.text}" if option.text else ""
            about = dns.edns.EDECode.to_text(option.code).lower().replace("_", " ")
            return because("dns-extended-error", said=f"{about}{said}"[:200])
    return NO_REASON


def _message(wire: bytes, *, question_only: bool = False) -> dns.message.Message:
    try:
        return dns.message.from_wire(wire, ignore_trailing=True, question_only=question_only)
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        raise ProtocolError(f"no DNS message: {type(error).__name__}", because("dns-unreadable")) from error


def _check_ours(message: dns.message.Message, name: str, type_: str, ident: int) -> None:
    if message.id != ident or not message.flags & dns.flags.QR:
        raise ProtocolError("an answer with another id", because("dns-other-id"))
    if not message.question and message.rcode() in _QUESTIONLESS:
        return
    asked = [(entry.name, entry.rdtype, entry.rdclass) for entry in message.question]
    if asked != [(absolute(name), dns.rdatatype.from_text(type_), dns.rdataclass.IN)]:
        raise ProtocolError("an answer to another question", because("dns-other-question"))


def _records(message: dns.message.Message, name: str, type_: str) -> Answer:
    owner, aliases = _follow(message, absolute(name))
    wanted = dns.rdatatype.from_text(type_)
    mine = (r for r in message.answer if (r.name, r.rdtype, r.rdclass) == (owner, wanted, dns.rdataclass.IN))
    found = [rdata for rrset in mine for rdata in rrset]
    if not found and (why := _no_answer(message, aliases)):
        return Answer(name=name, type=type_, broke=Kind.SERVFAIL, aliases=aliases, reason=why)
    return Answer(
        name=name,
        type=type_,
        broke=None if found else Kind.NODATA,
        addresses=tuple(r.address for r in found if isinstance(r, dns.rdtypes.IN.A.A | dns.rdtypes.IN.AAAA.AAAA))[
            :MAX_RECORDS
        ],
        mx=tuple(
            sorted(
                (Mx(r.preference, _text(r.exchange)) for r in found if isinstance(r, dns.rdtypes.ANY.MX.MX)),
                key=lambda mx: (mx.preference, mx.exchange),
            )[:MAX_RECORDS]
        ),
        srv=tuple(
            sorted(
                (
                    Srv(r.priority, r.weight, r.port, _text(r.target))
                    for r in found
                    if isinstance(r, dns.rdtypes.IN.SRV.SRV)
                ),
                key=lambda srv: (srv.priority, -srv.weight, srv.host),
            )[:MAX_RECORDS]
        ),
        texts=tuple(text for r in found if (text := _words(r)))[:MAX_RECORDS],
        tlsa=tuple(
            Tlsa(r.usage, r.selector, r.mtype, r.cert.hex()) for r in found if isinstance(r, dns.rdtypes.ANY.TLSA.TLSA)
        )[:MAX_RECORDS],
        authenticated=bool(message.flags & dns.flags.AD),
        aliases=aliases,
    )


def _words(record: dns.rdata.Rdata) -> str:
    if isinstance(record, dns.rdtypes.ANY.PTR.PTR):
        return _text(record.target)
    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(record.strings).decode("utf-8", "replace")
    return ""


def _follow(message: dns.message.Message, owner: dns.name.Name) -> tuple[dns.name.Name, tuple[str, ...]]:
    """Walk the CNAMEs of the answer section; a loop ends after as many steps as there are records."""
    aliases: list[str] = []
    for _ in range(min(len(message.answer), MAX_RECORDS)):
        step = next((r for r in message.answer if r.name == owner and r.rdtype == dns.rdatatype.CNAME), None)
        if step is None:
            break
        owner = step[0].target
        aliases.append(_text(owner))
    return owner, tuple(aliases)


def _no_answer(message: dns.message.Message, aliases: tuple[str, ...]) -> Reason:
    """Why an answer without records does not even say that there are none; without code when it does."""
    if len(set(aliases)) < len(aliases) or _text(message.question[0].name) in aliases or len(aliases) == MAX_RECORDS:
        return because("dns-aliases-astray")
    kinds = {rrset.rdtype for rrset in message.authority}
    # RFC 2308 section 2.2: name servers without an SOA are a referral, by a server that does not resolve for us
    if dns.rdatatype.NS in kinds and dns.rdatatype.SOA not in kinds and not message.flags & dns.flags.AA:
        return because("dns-referral")
    return NO_REASON


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=len(name) > 1).lower()
