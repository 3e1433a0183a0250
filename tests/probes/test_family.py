"""Is a family that leads nowhere told apart from one that this host lacks?"""

from __future__ import annotations

import errno

import pytest

from smtpcheck.core import Status, Verdict
from smtpcheck.lab import Lab
from smtpcheck.probes.family import Family, FamilyFacts
from tests.probes.exchanges import exchanges, of

OK, FAIL, UNKNOWN, WARN = Status.OK, Status.FAIL, Status.INCONCLUSIVE, Status.WARN


@pytest.mark.parametrize(
    ("v4", "v6", "codes"),
    [
        ((OK,), (OK,), []),
        ((OK,), (FAIL,), ["ipv6-preferred-broken"]),
        ((WARN,), (FAIL, UNKNOWN), ["ipv6-preferred-broken"]),
        ((OK,), (FAIL, OK), []),
        ((OK,), (UNKNOWN,), ["mx-aaaa-without-route"]),
        ((FAIL,), (OK,), ["ipv4-broken"]),
        ((UNKNOWN,), (OK,), []),
        ((FAIL,), (FAIL,), []),
        ((FAIL,), (UNKNOWN,), []),
    ],
)
def test_the_families_are_compared(v4: tuple[Status, ...], v6: tuple[Status, ...], codes: list[str]) -> None:
    assert [f.code for f in Family().judge(FamilyFacts(port=25, v4=v4, v6=v6))] == codes


@pytest.mark.parametrize(
    ("v4", "v6", "code"),
    [
        ("plugged", "plugged", None),
        ("plugged", "refused", "ipv6-preferred-broken"),
        ("refused", "plugged", "ipv4-broken"),
        ("plugged", "no route", "mx-aaaa-without-route"),
    ],
)
async def test_one_dead_family_never_makes_a_host_broken(v4: str, v6: str, code: str | None) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        host = many.named(await many.server("127.0.0.11"), "::11")
        port = many.board.plugged.pop("127.0.0.11")
        for address, way in (("127.0.0.11", v4), ("::11", v6)):
            if way == "plugged":
                many.board.plugged[address] = port
            many.board.failing[address] = errno.ENETUNREACH if way == "no route" else errno.ECONNREFUSED
        many.mx(f"10 {host}")
        report = await many.check()

        assert report.verdict is Verdict.HEALTHY
        found = [f.code for r in of(report, "family") for f in r.findings]
        assert found == ([code] if code else [])


async def test_a_host_of_one_family_is_not_compared() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        many.mx(f"10 {await many.server('127.0.0.11')}")

        assert of(await many.check(), "family") == []
