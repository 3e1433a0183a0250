"""Is what is wrong with one exchange told, and no more than a warning while another one takes the mail?"""

from __future__ import annotations

import errno

import pytest

from smtpcheck.core import Kind, Verdict
from smtpcheck.lab import Lab
from smtpcheck.probes.exchanger import Exchanger, ExchangerFacts, Exchangers
from tests.checking import assert_lossless
from tests.probes.exchanges import Exchanges, exchanges, named, of


def about(many: Exchanges, kind: str) -> str:
    """An exchange of that kind; its name."""
    host = f"{kind}.lab.test"
    match kind:
        case "alias":
            many.resolver.add(host, "CNAME", f"{next(iter(many.servers))}.")
        case "unknown":
            many.resolver.spoil(host, "servfail")
        case "empty":
            many.resolver.add(host, "TXT", '"no address"')
        case "loop":
            many.resolver.add(host, "CNAME", "pool.lab.test.")
            many.resolver.add("pool.lab.test", "CNAME", f"{host}.")
        case "dead":
            many.named(host, "127.0.0.99")
    return host


# what is wrong with the best of two exchanges -> the warnings about it
BEST = {
    "alias": {"mx-target-cname", "certificate-wrong-host"},
    "unknown": {"mx-target-unknown"},
    "empty": {"mx-target-no-address"},
    "missing": {"mx-target-no-address"},
    "loop": {"mx-target-cname", "mx-target-unknown"},
    "dead": {"mx-first-dead-second-ok"},
}


@pytest.mark.parametrize("kind", BEST)
async def test_a_bad_exchange_before_a_good_one_is_a_warning_and_the_domain_is_healthy(kind: str) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        good = await many.server("127.0.0.11")
        bad = about(many, kind)
        many.mx(f"10 {bad}", f"20 {good}")
        report = await many.check()

        assert (report.verdict, report.diagnoses) == (Verdict.HEALTHY, ())
        assert named(report, "warn", "fail") == BEST[kind]
        mine = [f for f in report.findings if f.code.startswith("mx-") and f.code != "mx-target-private"]
        assert {f.seen.get("exchange", f.seen.get("name")) for f in mine} == {bad}
        assert_lossless(report)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unknown", "dns-servfail"),
        ("empty", "mx-target-no-address"),
        ("missing", "mx-target-nxdomain"),
        ("loop", "dns-servfail"),
        ("dead", "connect-refused"),
    ],
)
async def test_with_no_good_exchange_the_domain_is_broken_by_the_best_ones_fault(kind: str, code: str) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        many.mx(f"10 {about(many, kind)}", "20 missing.lab.test")
        report = await many.check()

        assert report.verdict is Verdict.BROKEN
        assert report.diagnosis is not None
        assert report.diagnosis.code == code
        assert "mx-first-dead-second-ok" not in named(report)
        assert_lossless(report)


async def test_the_alias_is_told_with_where_it_leads() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        good = await many.server("127.0.0.11")
        many.mx(f"10 {about(many, 'alias')}")
        report = await many.check()

        (remark,) = [f for f in report.findings if f.code == "mx-target-cname"]
        assert (remark.seen["exchange"], remark.seen["alias"]) == ("alias.lab.test", good)


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EAFNOSUPPORT])
async def test_an_exchange_that_this_host_has_no_route_to_is_not_called_dead(number: int) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        good = await many.server("127.0.0.11")
        many.board.failing["::7"] = number
        many.mx(f"10 {many.named('six.lab.test', '::7')}", f"20 {good}")
        report = await many.check()

        assert report.verdict is Verdict.HEALTHY
        assert "mx-first-dead-second-ok" not in named(report)
        (facts,) = [r.facts for r in of(report, "exchanger")]
        assert [(e.reached, e.tried) for e in facts.exchangers] == [(False, False), (True, True)]


def one(address: str, *, reached: bool = True) -> ExchangerFacts:
    exchanger = Exchanger(
        name="mx.example", absent=False, unknown=None, alias="", addresses=(address,), reached=reached, tried=True
    )
    return ExchangerFacts(domain="example", exchangers=(exchanger,))


@pytest.mark.parametrize(
    ("address", "codes"),
    [
        ("127.0.0.1", ["mx-target-private"]),
        ("::1", ["mx-target-private"]),
        ("10.0.0.1", ["mx-target-private"]),
        ("169.254.1.1", ["mx-target-private"]),
        ("100.64.0.1", ["mx-target-private"]),
        ("0.0.0.0", ["mx-target-private"]),
        ("fd00::1", ["mx-target-private"]),
        ("8.8.8.8", []),
        ("2606:4700::1111", []),
    ],
)
def test_private_is_what_the_world_has_no_way_to(address: str, codes: list[str]) -> None:
    assert [f.code for f in Exchangers().judge(one(address))] == codes


def test_alone_and_dead_is_no_remark_but_the_ports_own_fault() -> None:
    assert list(Exchangers().judge(one("8.8.8.8", reached=False))) == []


def test_an_exchange_whose_addresses_are_not_known_is_not_called_absent() -> None:
    unknown = Exchanger(
        name="mx.example", absent=False, unknown=Kind.SERVFAIL, alias="", addresses=(), reached=False, tried=False
    )
    facts = ExchangerFacts(domain="example", exchangers=(unknown,))
    assert [f.code for f in Exchangers().judge(facts)] == ["mx-target-unknown"]
