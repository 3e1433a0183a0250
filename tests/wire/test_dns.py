"""Is what a resolver says told apart, and does nothing but a true answer to this question count?"""

from __future__ import annotations

import contextlib
import itertools

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.core import Kind, because
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.dns import MAX_RECORDS, Answer, Mx, Srv, absolute, pack_query, parse_answer

IDENT = 0x1234
NAME = "smtp.example.com"
SOA = "example.com. 60 IN SOA ns.example.com. root.example.com. 1 2 3 4 5"
NS = "example.com. 60 IN NS ns.example.net."
OTHER_NS = ". 60 IN NS a.root-servers.net."


def rrset(line: str) -> dns.rrset.RRset:
    owner, ttl, class_, type_, data = line.split(None, 4)
    return dns.rrset.from_text(owner, int(ttl), class_, type_, data)


def message(
    *answer: str,
    name: str = NAME,
    kind: str = "A",
    rcode: int = 0,
    authority: tuple[str, ...] = (),
    flags: int = 0,
    ident: int = IDENT,
) -> dns.message.Message:
    made = dns.message.make_response(dns.message.make_query(dns.name.from_text(name), kind, id=ident, use_edns=True))
    made.set_rcode(dns.rcode.Rcode(rcode))
    made.flags |= flags | dns.flags.RA
    made.answer = [rrset(line) for line in answer]
    made.authority = [rrset(line) for line in authority]
    return made


def said(*answer: str, kind: str = "A", **rest: object) -> Answer | None:
    name = str(rest.get("name", NAME))
    return parse_answer(message(*answer, kind=kind, **rest).to_wire(max_size=65535), name, kind, IDENT)  # type: ignore[arg-type]


def test_a_query_asks_this_and_only_this() -> None:
    query = dns.message.from_wire(pack_query(NAME, "AAAA", IDENT))
    assert query.id == IDENT
    assert query.opcode() == 0
    assert query.flags == dns.flags.RD | dns.flags.AD
    assert [str(q) for q in query.question] == ["smtp.example.com. IN AAAA"]
    assert query.payload == 1232


@pytest.mark.parametrize(
    ("name", "wire_name"),
    [
        ("smtp.example.com.", "smtp.example.com."),
        ("SMTP.Example.COM", "smtp.example.com."),
        ("中文.例子.cn", "xn--fiq228c.xn--fsqu00a.cn."),
        ("bücher.example", "xn--bcher-kva.example."),
        ("_submissions._tcp.example.com", "_submissions._tcp.example.com."),
        ("localhost", "localhost."),
        ("a" * 63 + ".example", "a" * 63 + ".example."),
    ],
)
def test_names(name: str, wire_name: str) -> None:
    asked = dns.message.from_wire(pack_query(name, "A", IDENT)).question[0].name
    assert asked == dns.name.from_text(wire_name)
    assert asked == absolute(name)


@pytest.mark.parametrize(
    "name",
    [
        "a..b",
        ".example.com",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "é" * 70 + ".example",
        "é..b",
        "faß.de",  # RFC 3490 would ask for fass.de, which is somebody else's
        "σίγμας.example",
        "a\u200db\u0924.example",
        "\\999.example",
        "a\ud800.example",
    ],
)
def test_no_name(name: str) -> None:
    with pytest.raises(ProtocolError):
        pack_query(name, "A", IDENT)


@given(st.text(max_size=80))
def test_any_name(name: str) -> None:
    with contextlib.suppress(ProtocolError):
        assert len(pack_query(name, "A", IDENT)) < 512


@pytest.mark.parametrize("rcode", range(1, 24))
def test_every_rcode(rcode: int) -> None:
    answer = said(rcode=rcode, authority=(SOA,))
    known = {2: Kind.SERVFAIL, 3: Kind.NXDOMAIN, 5: Kind.DNS_REFUSED}
    assert answer is not None
    assert answer.broke is known.get(rcode, Kind.SERVFAIL)
    assert answer.absent is (rcode == 3)
    assert bool(answer.reason) is (rcode not in known)


@pytest.mark.parametrize("rcode", [1, 2, 4, 5])
def test_an_error_may_come_without_its_question(rcode: int) -> None:
    made = message(rcode=rcode)
    made.question = []
    answer = parse_answer(made.to_wire(), NAME, "A", IDENT)
    assert answer is not None
    assert not answer.absent


@pytest.mark.parametrize("rcode", [0, 3])
def test_an_answer_may_not(rcode: int) -> None:
    made = message("smtp.example.com. 60 IN A 192.0.2.1", rcode=rcode)
    made.question = []
    with pytest.raises(ProtocolError):
        parse_answer(made.to_wire(), NAME, "A", IDENT)


@pytest.mark.parametrize(
    ("authority", "flags", "broke"),
    [
        ((SOA,), 0, Kind.NODATA),
        ((SOA, NS), 0, Kind.NODATA),
        ((), 0, Kind.NODATA),
        ((NS,), dns.flags.AA, Kind.NODATA),
        ((NS,), 0, Kind.SERVFAIL),  # RFC 2308 section 2.2: a referral says nothing about the record
        ((OTHER_NS,), 0, Kind.SERVFAIL),
    ],
)
def test_nodata_and_referral(authority: tuple[str, ...], flags: int, broke: Kind) -> None:
    answer = said(authority=authority, flags=flags)
    assert answer is not None
    assert answer.broke is broke
    assert answer.addresses == ()
    assert bool(answer.reason) is not answer.absent


@pytest.mark.parametrize(
    ("broke", "absent"), [(kind, kind in (Kind.NXDOMAIN, Kind.NODATA)) for kind in (None, *Kind)], ids=str
)
def test_absent(broke: Kind | None, absent: bool) -> None:
    assert Answer(name=NAME, type="A", broke=broke).absent is absent


def test_addresses() -> None:
    answer = said("smtp.example.com. 60 IN A 192.0.2.2", "smtp.example.com. 60 IN A 192.0.2.1")
    assert answer == Answer(name=NAME, type="A", addresses=("192.0.2.2", "192.0.2.1"))
    assert said("smtp.example.com. 60 IN AAAA 2001:db8::1", kind="AAAA") == Answer(
        name=NAME, type="AAAA", addresses=("2001:db8::1",)
    )


@pytest.mark.parametrize(
    "line",
    [
        "other.example.com. 60 IN A 192.0.2.1",
        "smtp.example.com. 60 IN AAAA 2001:db8::1",
        "smtp.example.com. 60 CH TXT 192.0.2.1",
    ],
)
def test_records_of_another_name_type_or_class_do_not_count(line: str) -> None:
    answer = said(line, authority=(SOA,))
    assert answer == Answer(name=NAME, type="A", broke=Kind.NODATA)


def test_records_in_other_sections_do_not_count() -> None:
    made = message(authority=(SOA, "smtp.example.com. 60 IN A 192.0.2.1"))
    made.additional = [rrset("smtp.example.com. 60 IN A 192.0.2.1")]
    answer = parse_answer(made.to_wire(), NAME, "A", IDENT)
    assert answer is not None
    assert answer.broke is Kind.NODATA


def test_case_of_the_question_does_not_matter() -> None:
    answer = parse_answer(message("SMTP.example.COM. 60 IN A 192.0.2.1").to_wire(), "Smtp.Example.Com", "A", IDENT)
    assert answer is not None
    assert answer.addresses == ("192.0.2.1",)


def test_aliases() -> None:
    answer = said(
        "b.example.net. 60 IN A 192.0.2.1",
        "smtp.example.com. 60 IN CNAME A.example.net.",
        "a.example.net. 60 IN CNAME b.example.net.",
    )
    assert answer is not None
    assert answer.addresses == ("192.0.2.1",)
    assert answer.aliases == ("a.example.net", "b.example.net")


def test_an_alias_to_nothing() -> None:
    answer = said("smtp.example.com. 60 IN CNAME a.example.net.", authority=(SOA,))
    assert answer == Answer(name=NAME, type="A", broke=Kind.NODATA, aliases=("a.example.net",))


@pytest.mark.parametrize(
    "chain",
    [
        (NAME, NAME),
        (NAME, "a.example.com", NAME),
        (NAME, "a.example.com", "b.example.com", "a.example.com"),
        (NAME, *(f"n{n}.example.com" for n in range(MAX_RECORDS + 1))),
    ],
    ids=["itself", "back", "within", "endless"],
)
def test_aliases_in_a_circle_are_not_a_missing_record(chain: tuple[str, ...]) -> None:
    lines = [f"{a}. 60 IN CNAME {b}." for a, b in itertools.pairwise(chain)]
    answer = said(*lines)
    assert answer is not None
    assert answer.broke is Kind.SERVFAIL
    assert answer.reason == because("dns-aliases-astray")
    assert len(answer.aliases) <= MAX_RECORDS


def test_mx_in_their_order() -> None:
    lines = ("20 b.example.net.", "10 Z.example.net.", "10 a.example.net.", "0 last.example.net.")
    answer = said(*(f"example.com. 60 IN MX {line}" for line in lines), name="example.com", kind="MX")
    assert answer is not None
    assert answer.mx == (
        Mx(0, "last.example.net"),
        Mx(10, "a.example.net"),
        Mx(10, "z.example.net"),
        Mx(20, "b.example.net"),
    )
    assert answer.broke is None


def test_null_mx() -> None:
    answer = said("example.com. 60 IN MX 0 .", name="example.com", kind="MX")
    assert answer is not None
    assert answer.mx == (Mx(0, "."),)


def test_the_best_of_many_mx_stay() -> None:
    lines = [f"example.com. 60 IN MX {1000 - n} n{n}.example.net." for n in range(200)]
    answer = said(*lines, name="example.com", kind="MX")
    assert answer is not None
    assert [mx.preference for mx in answer.mx] == list(range(801, 801 + MAX_RECORDS))


def test_srv_in_their_order() -> None:
    name = "_submissions._tcp.example.com"
    lines = ("10 0 587 c.example.com.", "0 1 465 b.example.com.", "0 5 465 A.example.com.")
    answer = said(*(f"{name}. 60 IN SRV {line}" for line in lines), name=name, kind="SRV")
    assert answer is not None
    assert answer.srv == (
        Srv(0, 5, 465, "a.example.com"),
        Srv(0, 1, 465, "b.example.com"),
        Srv(10, 0, 587, "c.example.com"),
    )


def test_service_declared_absent() -> None:
    answer = said("example.com. 60 IN SRV 0 0 0 .", name="example.com", kind="SRV")
    assert answer is not None
    assert answer.srv == (Srv(0, 0, 0, "."),)


def test_an_odd_name_in_an_answer_is_escaped() -> None:
    answer = said(r"example.com. 60 IN MX 5 a\010\027b\.c\200.example.net.", name="example.com", kind="MX")
    assert answer is not None
    assert answer.mx == (Mx(5, r"a\010\027b\.c\200.example.net"),)


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [(7, "", "signature expired"), (6, "no DS", "dnssec bogus: no DS"), (60_000, "odd", "60000: odd")],
)
def test_the_resolvers_own_reason_for_a_failure(code: int, text: str, reason: str) -> None:
    failed = message(rcode=dns.rcode.SERVFAIL)
    failed.use_edns(options=[dns.edns.EDEOption(code, text)])
    answer = parse_answer(failed.to_wire(), NAME, "A", IDENT)

    assert answer is not None
    assert (answer.broke, answer.reason) == (Kind.SERVFAIL, because("dns-extended-error", said=reason))


def test_a_query_may_ask_for_what_does_not_verify() -> None:
    checked, unchecked = (dns.message.from_wire(pack_query(NAME, "A", IDENT, unchecked=cd)) for cd in (False, True))

    assert not checked.flags & dns.flags.CD
    assert unchecked.flags & dns.flags.CD


def test_truncated() -> None:
    assert said(flags=dns.flags.TC) is None
    assert said("smtp.example.com. 60 IN A 192.0.2.1", flags=dns.flags.TC) is None
    assert said(rcode=2, flags=dns.flags.TC) is None


@pytest.mark.parametrize("keep", [34, 35, 46, 50])
def test_truncated_in_the_middle_of_a_record(keep: int) -> None:
    cut = message("smtp.example.com. 60 IN A 192.0.2.1", flags=dns.flags.TC).to_wire()[:keep]
    assert parse_answer(cut, NAME, "A", IDENT) is None
    with pytest.raises(ProtocolError):
        parse_answer(cut, NAME, "A", IDENT + 1)


GOOD = message(
    "smtp.example.com. 60 IN CNAME a.example.net.", "a.example.net. 60 IN A 192.0.2.1", authority=(SOA,)
).to_wire()


def test_trailing_bytes_are_ignored() -> None:
    answer = parse_answer(GOOD + b"\0" * 20, NAME, "A", IDENT)
    assert answer is not None
    assert answer.addresses == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("wire", "name", "kind", "ident"),
    [
        (b"", NAME, "A", IDENT),
        (b"\x12\x34", NAME, "A", IDENT),
        (GOOD[:2] + b"\xff" * 30, NAME, "A", IDENT),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NAME, "A", IDENT),
        (GOOD, NAME, "A", IDENT + 1),
        (GOOD, "other.example.com", "A", IDENT),
        (GOOD, "example.com", "A", IDENT),
        (GOOD, NAME, "AAAA", IDENT),
        (GOOD[:-3], NAME, "A", IDENT),
        (pack_query(NAME, "A", IDENT), NAME, "A", IDENT),
        (GOOD[:4] + b"\0\2" + GOOD[6:], NAME, "A", IDENT),
        (GOOD.replace(b"\0\1\0\1\xc0\x0c", b"\0\1\0\3\xc0\x0c", 1), NAME, "A", IDENT),
    ],
    ids=[
        "empty", "short", "garbage", "http", "other id", "other name", "parent", "other type", "cut", "a query",
        "two questions", "other class",
    ],
)  # fmt: skip
def test_no_answer_to_this(wire: bytes, name: str, kind: str, ident: int) -> None:
    with pytest.raises(ProtocolError):
        parse_answer(wire, name, kind, ident)


@given(st.binary(max_size=600))
def test_any_bytes(data: bytes) -> None:
    for wire in (data, GOOD[:2] + data, GOOD[:12] + data, GOOD[:34] + data):
        with contextlib.suppress(ProtocolError):
            parse_answer(wire, NAME, "A", IDENT)


TYPED = [
    message(*lines, kind=kind).to_wire()
    for kind, lines in {
        "A": ["smtp.example.com. 60 IN CNAME a.example.net.", "a.example.net. 60 IN A 192.0.2.1"],
        "AAAA": ["smtp.example.com. 60 IN AAAA 2001:db8::1"],
        "MX": ["smtp.example.com. 60 IN MX 10 a.example.net."],
        "SRV": ["smtp.example.com. 60 IN SRV 0 1 465 a.example.net."],
    }.items()
]


@given(
    st.sampled_from(list(zip(TYPED, ("A", "AAAA", "MX", "SRV"), strict=True))),
    st.lists(st.tuples(st.integers(2, 120), st.binary(max_size=3)), max_size=6),
)
def test_any_mutation_of_a_good_answer(good: tuple[bytes, str], changes: list[tuple[int, bytes]]) -> None:
    wire, kind = bytearray(good[0]), good[1]
    for at, new in changes:
        wire[at : at + len(new)] = new
    try:
        answer = parse_answer(bytes(wire), NAME, kind, IDENT)
    except ProtocolError:
        return
    if answer is not None and answer.broke is None:
        assert answer.addresses or answer.mx or answer.srv
