"""Where an account's mail is handed in: is it known, declared or guessed, and is a guess called one?"""

from __future__ import annotations

from typing import Any

import pytest

from smtpcheck.conversation.plan import Limits
from smtpcheck.core import Mode, Report, Verdict
from smtpcheck.lab import Lab
from smtpcheck.lab.dnsd import NameServer
from smtpcheck.probes.address import Address
from smtpcheck.probes.port import Port
from smtpcheck.probes.submission import Submission
from smtpcheck.route import Candidate, SubmissionFacts
from smtpcheck.run import run
from smtpcheck.target.grammar import parse_target
from tests.checking import SHORT, assert_lossless, checked
from tests.probes.exchanges import Switchboard, named, of

DOMAIN = "firm.lab.test"
SUBMISSIONS, SUBMISSION = f"_submissions._tcp.{DOMAIN}", f"_submission._tcp.{DOMAIN}"


class Range:
    """A resolver, and nobody behind any port."""

    def __init__(self) -> None:
        self.resolver = NameServer()
        self.board = Switchboard()

    async def __aenter__(self) -> Range:
        await self.resolver.start()
        self.board.plugged["127.0.0.1"] = self.resolver.port
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.resolver.stop()

    async def ask(self, account: str = f"me@{DOMAIN}", limits: Limits = SHORT, **options: Any) -> Report:
        """From the name to the ports."""
        target = parse_target(account, dns=f"127.0.0.1:{self.resolver.port}", only_target=True, **options)
        return await run(target, limits=limits, dialer=self.board, probes=(Submission(), Address(), Port()))


def found(report: Report) -> SubmissionFacts:
    (result,) = of(report, "submission")
    assert isinstance(result.facts, SubmissionFacts)
    return result.facts


async def test_a_known_provider_costs_no_packet() -> None:
    async with Range() as at:
        target = parse_target("me@qq.com", dns=f"127.0.0.1:{at.resolver.port}", only_target=True)
        report = await run(target, limits=SHORT, dialer=at.board, probes=(Submission(),))

        assert (found(report).source, found(report).provider) == ("provider", "qq")
        assert found(report).candidates[0] == Candidate("smtp.qq.com", 465, Mode.IMPLICIT)
        assert at.resolver.asked == []
        assert at.board.dialled == []


async def test_srv_of_both_kinds_implicit_first_and_each_by_priority_then_weight() -> None:
    async with Range() as at:
        at.resolver.add(SUBMISSIONS, "SRV", "20 1 465 b.lab.test.", "10 1 994 a.lab.test.")
        at.resolver.add(SUBMISSION, "SRV", "5 1 587 light.lab.test.", "5 9 2587 heavy.lab.test.")
        facts = found(await at.ask())

        assert (facts.source, facts.declined) == ("srv", False)
        assert facts.candidates == (
            Candidate("a.lab.test", 994, Mode.IMPLICIT),
            Candidate("b.lab.test", 465, Mode.IMPLICIT),
            Candidate("heavy.lab.test", 2587, Mode.STARTTLS),
            Candidate("light.lab.test", 587, Mode.STARTTLS),
        )


async def test_port_465_under_submission_means_implicit() -> None:
    async with Range() as at:
        at.resolver.add(SUBMISSION, "SRV", "0 1 465 a.lab.test.", "1 1 587 a.lab.test.")
        facts = found(await at.ask())

        assert [(c.port, c.mode) for c in facts.candidates] == [(465, Mode.IMPLICIT), (587, Mode.STARTTLS)]


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_mode_that_the_user_states_wins(mode: str) -> None:
    async with Range() as at:
        at.resolver.add(SUBMISSION, "SRV", "0 1 587 a.lab.test.")
        report = await at.ask(mode=mode)

        assert {r.subject.mode for r in of(report, "port")} == {mode}


async def test_a_service_declared_absent_is_named_and_nothing_is_guessed() -> None:
    async with Range() as at:
        at.resolver.add(SUBMISSIONS, "SRV", "0 0 0 .")
        at.resolver.add(SUBMISSION, "SRV", "0 0 0 .")
        at.resolver.add(f"smtp.{DOMAIN}", "A", "127.0.0.11")
        report = await at.ask()

        assert report.verdict is Verdict.BROKEN
        assert report.diagnosis is not None
        assert "submission-declined" in named(report, "fail")
        assert found(report).candidates == ()
        assert [address for address, port in at.board.dialled if port != at.resolver.port] == []
        assert_lossless(report)


async def test_one_kind_declared_absent_leaves_the_other() -> None:
    async with Range() as at:
        at.resolver.add(SUBMISSIONS, "SRV", "0 0 0 .")
        at.resolver.add(SUBMISSION, "SRV", "0 1 587 a.lab.test.")
        report = await at.ask()

        assert [c.port for c in found(report).candidates] == [587]
        assert "submission-declined" not in named(report)


@pytest.mark.parametrize(("declared", "other"), [(SUBMISSIONS, SUBMISSION), (SUBMISSION, SUBMISSIONS)])
async def test_one_kind_declared_absent_and_the_other_not_known_is_no_declaration(declared: str, other: str) -> None:
    async with Range() as at:
        at.resolver.add(declared, "SRV", "0 0 0 .")
        at.resolver.spoil(other, "servfail")
        at.resolver.add(f"smtp.{DOMAIN}", "A", "127.0.0.11")
        report = await at.ask()

        assert "submission-srv-unknown" in named(report, "warn")
        assert "submission-declined" not in named(report)
        assert found(report).source == "guess"


@pytest.mark.parametrize(("declared", "declines"), [(SUBMISSION, True), (SUBMISSIONS, False)])
async def test_no_implicit_tls_alone_declares_nothing_about_587(declared: str, declines: bool) -> None:
    async with Range() as at:
        at.resolver.add(declared, "SRV", "0 0 0 .")
        at.resolver.add(f"smtp.{DOMAIN}", "A", "127.0.0.11")

        assert ("submission-declined" in named(await at.ask())) is declines


async def test_srv_that_is_not_answered_is_said_and_the_way_goes_on_with_a_guess() -> None:
    async with Range() as at:
        at.resolver.spoil(SUBMISSIONS, "servfail")
        at.resolver.spoil(SUBMISSION, "servfail")
        at.resolver.add(f"mail.{DOMAIN}", "A", "127.0.0.11")
        report = await at.ask()

        assert named(report, "warn") >= {"submission-srv-unknown"}
        assert len([f for f in report.findings if f.code == "submission-srv-unknown"]) == 2
        assert (found(report).source, found(report).candidates[0].host) == ("guess", f"mail.{DOMAIN}")


async def test_the_provider_behind_the_mx_is_recognised() -> None:
    async with Range() as at:
        at.resolver.add(DOMAIN, "MX", "10 mxbiz2.qq.com.", "5 mxbiz1.qq.com.")
        report = await at.ask()

        assert (found(report).source, found(report).provider) == ("mx", "exmail")
        assert found(report).candidates[0].host == "smtp.exmail.qq.com"
        assert "submission-guessed" not in named(report)


@pytest.mark.parametrize(
    ("there", "guess"), [(("smtp", "mail"), "smtp"), (("smtp",), "smtp"), (("mail",), "mail"), ((), "smtp")]
)
async def test_a_guess_is_a_host_that_exists_and_is_called_a_guess(there: tuple[str, ...], guess: str) -> None:
    async with Range() as at:
        at.resolver.add(DOMAIN, "MX", f"10 in.{DOMAIN}.")
        for label in there:
            at.resolver.add(f"{label}.{DOMAIN}", "A", "127.0.0.11")
        report = await at.ask()

        assert [(c.host, c.port, c.mode) for c in found(report).candidates] == [
            (f"{guess}.{DOMAIN}", 465, Mode.IMPLICIT),
            (f"{guess}.{DOMAIN}", 587, Mode.STARTTLS),
            (f"{guess}.{DOMAIN}", 2525, Mode.STARTTLS),
            (f"{guess}.{DOMAIN}", 25, Mode.STARTTLS),
        ]
        assert "submission-guessed" in named(report, "note")


async def test_srv_without_port_or_with_thirty_hosts_is_bounded() -> None:
    async with Range() as at:
        at.resolver.add(SUBMISSION, "SRV", "0 1 0 no-port.lab.test.", *(f"{n} 1 587 h{n}.lab.test." for n in range(30)))
        for n in range(30):
            at.resolver.add(f"h{n}.lab.test", "A", f"127.0.1.{n + 1}")
        report = await at.ask()

        assert "no-port.lab.test" not in {c.host for c in found(report).candidates}
        assert len([port for _, port in at.board.dialled if port == 587]) == 8


async def test_an_account_in_order_is_found_by_srv_and_healthy() -> None:
    async with Lab() as lab:
        report = await checked(await lab.start("healthy-implicit"))

        assert report.verdict is Verdict.HEALTHY
        assert found(report).source == "srv"
