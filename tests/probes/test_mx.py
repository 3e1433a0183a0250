"""Is every exchange of a domain looked at, whatever MX says, and mail offered to the best one alone?"""

from __future__ import annotations

import pytest

from smtpcheck.core import Blocked, Kind, Stage, Verdict
from smtpcheck.lab import Lab
from smtpcheck.probes.mx import MailExchangers
from smtpcheck.route import MxFacts
from smtpcheck.wire import dns
from tests.checking import assert_lossless, checked
from tests.probes.exchanges import DOMAIN, exchanges, named, of

ENVELOPE = {"sender": "me@x.test", "recipients": (f"you@{DOMAIN}",)}
PAST_EHLO = {"AUTH", "MAIL", "RCPT", "DATA", "RSET"}


async def test_every_exchange_and_address_is_walked_to_ehlo_after_tls_and_no_further() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        one, two = await many.server("127.0.0.11"), await many.server("127.0.0.12")
        many.named(one, "::1")
        many.board.plugged["::1"] = many.board.plugged["127.0.0.11"]
        many.mx(f"20 {two}", f"10 {one}")
        report = await many.check()

        assert report.verdict is Verdict.HEALTHY
        assert_lossless(report)
        assert {str(r.subject) for r in of(report, "tls")} == {
            f"{one}[::1]:25/starttls",
            f"{one}[127.0.0.11]:25/starttls",
            f"{two}[127.0.0.12]:25/starttls",
        }
        assert all(r.facts.version for r in of(report, "tls"))
        for host, connections in ((one, 2), (two, 1)):
            heard = many.ledger(host)
            assert heard.connections == connections
            assert heard.commands["EHLO"] == 2 * connections
            assert not PAST_EHLO & set(heard.commands)
        # the clock is asked besides; what was not asked is said
        assert set(report.not_tested) == {Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DELIVERY}


@pytest.mark.parametrize(
    ("records", "code"),
    [(("0 .",), "mx-null"), ((), "mx-none-no-a")],
)
async def test_a_domain_without_exchanges_is_named_without_a_connection(records: tuple[str, ...], code: str) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        if records:
            many.mx(*records)
        else:
            many.resolver.add(DOMAIN, "TXT", '"here"')
        report = await many.check()

        assert (report.verdict, report.diagnosis and report.diagnosis.code) == (Verdict.BROKEN, code)
        assert many.board.dialled == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [("servfail", "dns-servfail"), ("nxdomain", "mx-domain-nxdomain"), ("refused", "dns-refused")],
)
async def test_a_resolver_that_does_not_know_is_never_no_mx(fault: str, code: str) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        many.mx("0 .")
        many.resolver.spoil(DOMAIN, fault)
        report = await many.check()

        assert report.diagnosis is not None
        assert code in (report.diagnosis.code, *(a.code for a in report.diagnosis.alternatives))
        assert not named(report) & {"mx-null", "mx-none-no-a", "mx-none-fallback-a"}


async def test_null_among_others_is_a_warning_and_the_others_are_gone_to() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        good = await many.server("127.0.0.11")
        many.mx("0 .", f"10 {good}")
        report = await many.check(**ENVELOPE)

        assert report.verdict is Verdict.HEALTHY
        assert named(report, "warn", "fail") == {"mx-null-mixed"}
        assert {s.name for s in (r.subject for r in of(report, "port"))} == {good}
        assert many.ledger(good).commands["RCPT"] == 1


async def test_without_mx_the_domain_itself_is_the_exchange() -> None:
    async with Lab() as lab:
        practice = await lab.start("mx-none-fallback-a")
        report = await checked(practice)

        assert report.verdict is Verdict.HEALTHY
        assert named(report, "note") >= {"mx-none-fallback-a"}
        assert [r.subject.name for r in of(report, "greeting")] == [practice.target.removeprefix("mx:")]


async def test_without_mx_and_with_an_address_that_is_not_known_nothing_is_said_to_be_absent() -> None:
    unknown = MxFacts(
        domain=DOMAIN,
        mx=dns.Answer(name=DOMAIN, type="MX", broke=Kind.NODATA),
        own=(
            dns.Answer(name=DOMAIN, type="A", broke=Kind.SERVFAIL),
            dns.Answer(name=DOMAIN, type="AAAA", broke=Kind.NODATA),
        ),
    )
    assert [f.code for f in MailExchangers().judge(unknown)] == ["mx-own-address-unknown"]


async def test_an_exchange_that_is_an_address_is_remarked_upon_and_localhost_is_private() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        good = await many.server("127.0.0.11")
        many.mx(f"10 {good}", "20 127.0.0.1", "30 localhost")
        report = await many.check()

        assert report.verdict is Verdict.HEALTHY
        remarks = [f for f in report.findings if f.code == "mx-address-literal"]
        assert [(f.severity, f.seen["exchange"]) for f in remarks] == [("warn", "127.0.0.1")]
        private = {f.seen["exchange"] for f in report.findings if f.code == "mx-target-private"}
        assert private == {good, "127.0.0.1", "localhost"}


async def test_a_domain_whose_aliases_go_round_ends_and_is_not_called_absent() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        many.resolver.add(DOMAIN, "CNAME", "round.lab.test.")
        many.resolver.add("round.lab.test", "CNAME", f"{DOMAIN}.")
        report = await many.check()

        assert named(report, "fail") == {"dns-servfail"}


async def test_twelve_exchanges_are_eight_endpoints_the_best_ones_however_slow_they_resolve() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        hosts = [many.named(f"mx{n:02}.lab.test", f"127.0.1.{n}") for n in range(1, 13)]
        # the best one is known last, when places could all be taken
        many.resolver.spoil(hosts[0], "truncated")
        many.mx(*(f"{n * 10} {host}" for n, host in enumerate(hosts, 1)))
        many.board.plugged["127.0.0.1"] = many.resolver.port
        report = await many.check()

        dialled = [address for address, port in many.board.dialled if port == 25]
        assert sorted(dialled) == [f"127.0.1.{n}" for n in range(1, 9)]
        assert report.verdict is Verdict.BROKEN
        assert len(of(report, "exchanger")) == 1

        many.board.dialled.clear()
        await many.check(all_addresses=True)
        assert len([address for address, port in many.board.dialled if port == 25]) == 12


async def test_seventy_exchanges_are_bounded_and_still_judged() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        hosts = [many.named(f"mx{n:02}.lab.test", f"127.0.1.{n}") for n in range(1, 71)]
        many.mx(*(f"{n} {host}" for n, host in enumerate(hosts, 1)))
        many.board.plugged["127.0.0.1"] = many.resolver.port  # so much is truncated over UDP
        report = await many.check(all_addresses=True)

        assert len(of(report, "address")) == len(of(report, "port")) == 16
        assert len(of(report, "exchanger")) == 1


async def test_the_envelope_is_offered_to_the_best_exchange_alone_and_reset() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        second, best = await many.server("127.0.0.12"), await many.server("127.0.0.11")
        many.mx(f"10 {best}", f"20 {second}")
        report = await many.check(**ENVELOPE)

        assert (report.verdict, report.diagnoses) == (Verdict.HEALTHY, ())
        heard = many.ledger(best).commands
        assert (heard["MAIL"], heard["RCPT"], heard["RSET"], heard["DATA"], heard["AUTH"]) == (1, 1, 1, 0, 0)
        assert not PAST_EHLO & set(many.ledger(second).commands)


async def test_with_the_best_exchange_dead_the_second_gets_the_envelope() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        second = await many.server("127.0.0.12")
        many.mx(f"10 {many.named('dead.lab.test', '127.0.0.99')}", f"20 {second}")
        report = await many.check(**ENVELOPE)

        assert report.verdict is Verdict.HEALTHY
        assert named(report, "warn", "fail") == {"mx-first-dead-second-ok"}
        assert many.ledger(second).commands["RCPT"] == 1


@pytest.mark.parametrize("other", ["self-signed", "good"])
async def test_a_certificate_that_does_not_verify_is_a_warning_and_costs_the_best_exchange_nothing(other: str) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        best, second = await many.server("127.0.0.11", cert="self-signed"), await many.server("127.0.0.12", cert=other)
        many.mx(f"10 {best}", f"20 {second}")
        report = await many.check(**ENVELOPE)

        assert (report.verdict, report.diagnoses) == (Verdict.HEALTHY, ())
        assert named(report, "warn", "fail") == {"certificate-self-signed"}
        assert many.ledger(best).commands["RCPT"] == 1
        assert many.ledger(second).commands["RCPT"] == 0


async def test_an_exchange_without_tls_is_a_warning_and_gets_the_envelope() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        best, second = await many.server("127.0.0.11", speaks="plain"), await many.server("127.0.0.12")
        many.mx(f"10 {best}", f"20 {second}")
        report = await many.check(**ENVELOPE)

        assert report.verdict is Verdict.HEALTHY
        assert named(report, "warn", "fail") == {"tls-none"}
        assert many.ledger(best).commands["RCPT"] == 1


async def test_a_refused_recipient_is_refused_and_no_second_exchange_is_asked() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        script = {"offers_tls": ["SIZE"], "replies": {"RCPT": "550 5.1.1 User unknown\r\n"}}
        best, second = await many.server("127.0.0.11", script=script), await many.server("127.0.0.12")
        many.mx(f"10 {best}", f"20 {second}")
        report = await many.check(**ENVELOPE)

        assert report.diagnosis is not None
        assert (report.verdict, report.diagnosis.stage) == (Verdict.BROKEN, Stage.RCPT)
        assert not PAST_EHLO & set(many.ledger(second).commands)


@pytest.mark.parametrize("queued", ["250 2.0.0 Ok\r\n", "451 4.3.0 Later\r\n", {"then": "close"}])
async def test_a_direct_delivery_is_one_and_never_to_a_second_exchange(queued: object) -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        best, second = await many.server("127.0.0.11", script={"queued": queued}), await many.server("127.0.0.12")
        many.mx(f"10 {best}", f"20 {second}")
        report = await many.check(**ENVELOPE, send=True)

        assert many.ledger(best).commands["DATA"] == 1
        assert not PAST_EHLO & set(many.ledger(second).commands)
        assert (report.verdict is Verdict.BROKEN) == (queued != "250 2.0.0 Ok\r\n")
        assert Stage.DELIVERY in report.not_tested


async def test_a_login_is_never_tried_at_an_exchange_even_where_one_is_offered() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        offering = await many.server("127.0.0.11", script={"offers_tls": ["AUTH PLAIN LOGIN"]})
        many.mx(f"10 {offering}")
        report = await many.check(**ENVELOPE, user="me", secret="env:SMTPCHECK_PASSWORD")

        assert report.verdict is Verdict.HEALTHY
        assert many.ledger(offering).auths == 0
        assert of(report, "auth") == []


async def test_what_hangs_on_an_exchange_without_address_is_blocked_there() -> None:
    async with Lab() as lab:
        many = await exchanges(lab)
        many.mx("10 ghost.lab.test")
        report = await many.check()

        assert report.verdict is Verdict.BROKEN
        assert [type(r.outcome) for r in of(report, "port")] == [Blocked]
