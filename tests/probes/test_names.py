"""Are a resolver that lies, a forger and a hosts file told apart, and is nobody asked without need?"""

from __future__ import annotations

import pytest

from smtpcheck.core import Finding
from smtpcheck.lab import Lab
from smtpcheck.probes.names import Names, NamesFacts, ResolverAnswer
from tests.checking import checked

HERE, THERE = "192.0.2.1", "192.0.2.2"


def facts(*said: tuple[str, str], invented: str = "", source: str = "10.0.0.1:53") -> NamesFacts:
    return NamesFacts(
        host="smtp.example.com",
        port=587,
        believed=(HERE,),
        source=source,
        invented=(invented,) if invented else (),
        said=tuple(ResolverAnswer(by, tuple(addresses.split())) for by, addresses in said),
    )


def judged(found: NamesFacts) -> list[Finding]:
    return list(Names().judge(found))


@pytest.mark.parametrize(
    ("found", "codes"),
    [
        (facts(("10.0.0.1:53", HERE)), []),
        # the same set in another order, and a repeated datagram
        (facts(("10.0.0.1:53", f"{HERE} {THERE}"), ("10.0.0.1:53", f"{THERE} {HERE}")), []),
        # a larger set that holds what was used: a balanced service
        (facts(("10.0.0.1:53", HERE), ("10.0.0.2:53", f"{HERE} {THERE}")), []),
        (facts(("10.0.0.1:53", HERE), ("10.0.0.2:53", THERE)), ["dns-differs"]),
        (facts(("10.0.0.1:53", HERE), ("10.0.0.1:53", THERE)), ["dns-forged"]),
        (facts(("10.0.0.1:53", THERE), source="/etc/hosts"), ["dns-differs"]),
        (facts(("10.0.0.1:53", HERE), invented=HERE), ["dns-invented"]),
        (facts(), []),
    ],
)
def test_what_is_said_is_compared_with_what_was_used(found: NamesFacts, codes: list[str]) -> None:
    assert [finding.code for finding in judged(found)] == codes


@pytest.mark.parametrize("fault", ["healthy", "auth-refused", "certificate-expired", "greeting-never"])
async def test_a_resolver_is_not_tried_where_names_are_no_question(fault: str) -> None:
    async with Lab() as lab:
        practice = await lab.start(fault)
        report = await checked(practice)

        assert practice.resolver is not None
        assert not [name for name, _, _ in practice.resolver.asked if name.endswith(".invalid.")]
        assert "names" not in {experiment.probe for experiment in report.experiments}


async def test_the_name_that_can_not_exist_is_another_one_each_time() -> None:
    async with Lab() as lab:
        practice = await lab.start("connect-refused")
        await checked(practice)
        await checked(practice)

        assert practice.resolver is not None
        made_up = {name for name, _, _ in practice.resolver.asked if name.endswith(".invalid.")}
        assert len(made_up) == 2
