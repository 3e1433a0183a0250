"""Does each rule of each probe fire on its own case, alone, and keep silent on the case beside it?

Facts -> codes, all of them and in their order: a remark that is lost, or that comes where it does not belong, is seen.
Written down by what the facts mean, next to thresholds on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from smtpcheck.consent import Claim
from smtpcheck.conversation.session import Answered
from smtpcheck.core import Kind, Mode, Stage, Status, TargetKind
from smtpcheck.lab.pki import Authority
from smtpcheck.probes import named, probes, rules
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.config import ConfigFacts
from smtpcheck.probes.consent import ConsentFacts
from smtpcheck.probes.control import ControlFacts
from smtpcheck.probes.dane import Association, DaneFacts
from smtpcheck.probes.delivery import DeliveryFacts
from smtpcheck.probes.dnssec import DnssecFacts
from smtpcheck.probes.envelope import EnvelopeFacts
from smtpcheck.probes.exchanger import Exchanger, ExchangerFacts
from smtpcheck.probes.family import FamilyFacts
from smtpcheck.probes.farewell import FarewellFacts
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.probes.hello import HelloFacts
from smtpcheck.probes.home import HomeFacts
from smtpcheck.probes.issuer import IssuerFacts
from smtpcheck.probes.message import MessageFacts
from smtpcheck.probes.mtasts import Exchange, MtastsFacts
from smtpcheck.probes.names import NamesFacts, Said
from smtpcheck.probes.port import PortFacts
from smtpcheck.probes.relay import RelayFacts
from smtpcheck.probes.segment import SegmentFacts
from smtpcheck.probes.sibling import SiblingFacts
from smtpcheck.probes.sni import SniFacts
from smtpcheck.probes.stores import StoresFacts
from smtpcheck.probes.times import TimesFacts
from smtpcheck.probes.tls import TlsFacts
from smtpcheck.route import AddressFacts, Candidate, ModeFacts, MxFacts, SubmissionFacts
from smtpcheck.wire.certificate import CertificateFacts, ChainOrder, describe
from smtpcheck.wire.challenges import OAuthRefusal
from smtpcheck.wire.dns import Answer, Mx, Tlsa
from smtpcheck.wire.mistakes import Slip
from smtpcheck.wire.mtasts import Policy
from smtpcheck.wire.sasl import Looks
from smtpcheck.wire.smtp import Capabilities, Reply
from smtpcheck.wire.tlsa import Dane
from smtpcheck.wire.x509 import Flaw, HostMatch, Verdict

AT = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOST, OTHER = "93.184.216.34", "93.184.216.119"
OK = Reply(250, (b"2.0.0 Ok",))
LATER = Reply(451, (b"4.3.0 later",))
NEVER = Reply(550, (b"5.7.1 no",))

Case = tuple[str, Any, list[str]]
"""The probe, the facts, the codes of all that is found."""


def a(*addresses: str, broke: Kind | None = None, source: str = "192.0.2.53:53", type_: str = "A") -> Answer:
    return Answer(name="mail.test", type=type_, addresses=addresses, broke=broke, source=source)


def aaaa(*addresses: str, broke: Kind | None = None, source: str = "192.0.2.53:53") -> Answer:
    return a(*addresses, broke=broke, source=source, type_="AAAA")


def looked_up(four: Answer, six: Answer) -> AddressFacts:
    return AddressFacts(host="mail.test", a=four, aaaa=six)


def addresses() -> Iterator[Case]:
    none = {
        Kind.RESOLVER_DOWN: "dns-resolver-down",
        Kind.RESOLVER_SILENT: "dns-resolver-silent",
        Kind.SERVFAIL: "dns-servfail",
        Kind.DNS_REFUSED: "dns-refused",
        Kind.TRUNCATED: "dns-truncated-tcp-blocked",
        Kind.GARBAGE: "dns-garbage",
        Kind.NODATA: "dns-no-address",
        Kind.NXDOMAIN: "dns-nxdomain",
    }
    for kind, code in none.items():
        yield "address", looked_up(a(broke=kind), aaaa(broke=kind)), [code]
        # one of the two that says less must not hide it
        yield "address", looked_up(a(broke=Kind.NXDOMAIN), aaaa(broke=kind)), [code]
    nodata = Kind.NODATA
    yield "address", looked_up(a(HOST), aaaa("2606:2800::1")), []
    yield "address", looked_up(a(HOST), aaaa(broke=nodata)), []
    yield "address", looked_up(a(HOST), aaaa(broke=Kind.SERVFAIL)), ["dns-half-known"]
    yield "address", looked_up(a(broke=nodata), aaaa("2606:2800::1")), ["dns-no-ipv4"]
    six = aaaa("2606:2800::1")
    yield "address", looked_up(a(broke=Kind.SERVFAIL), six), ["dns-half-known", "dns-no-ipv4"]
    literal = aaaa("2606:2800::1", source="literal")
    yield "address", looked_up(a(broke=nodata, source="literal"), literal), []
    hosts = a(HOST, source="/etc/hosts")
    yield "address", looked_up(hosts, aaaa(broke=nodata, source="/etc/hosts")), ["dns-from-hosts-file"]
    detour = a(HOST, source="connect-to")
    yield "address", looked_up(detour, aaaa(broke=nodata, source="connect-to")), ["dns-replaced-by-connect-to"]


def logins() -> Iterator[Case]:
    fine = AuthFacts(
        offered=("PLAIN", "LOGIN"),
        offered_in_clear=(),
        mechanism="PLAIN",
        attempts=1,
        reply=Reply(235, (b"2.7.0 ok",)),
        encrypted=True,
    )
    refused = replace(fine, broke=Kind.REJECTED, reply=Reply(535, (b"5.7.8 no",)))
    yield "auth", fine, []
    yield "auth", replace(fine, encrypted=False), ["auth-in-clear"]
    yield "auth", replace(fine, upgraded=True), ["auth-after-tls"]
    yield "auth", replace(fine, upgraded=True, offered_in_clear=("PLAIN",)), ["auth-offered-in-clear"]
    yield "auth", refused, ["auth-refused"]
    yield "auth", replace(refused, upgraded=True), ["auth-refused"]
    yield "auth", replace(refused, offered_in_clear=("PLAIN",)), ["auth-refused"]
    yield "auth", replace(refused, encrypted=False), ["auth-refused"]
    yield "auth", replace(refused, reply=Reply(454, (b"4.7.0 later",))), ["auth-temporary"]
    nothing = replace(fine, broke=Kind.NOT_OFFERED, offered=(), reply=None)
    yield "auth", nothing, ["auth-not-offered"]
    yield "auth", replace(nothing, offered_in_clear=("PLAIN",)), ["auth-only-in-clear"]
    yield "auth", replace(nothing, offered=("NTLM",), offered_in_clear=("PLAIN",)), ["auth-mech-none-common"]
    yield "auth", replace(fine, broke=Kind.UNVERIFIED, reply=None), ["auth-server-signature"]
    ends = {
        Kind.TIMEOUT: "auth-silent",
        Kind.CLOSED: "auth-closed",
        Kind.RESET: "auth-reset",
        Kind.GARBAGE: "auth-garbage",
        Kind.INJECTED: "auth-garbage",
    }
    for kind, code in ends.items():
        yield "auth", replace(fine, broke=kind, reply=None), [code]
    # a positive reply that counts as a refusal is none
    yield "auth", replace(fine, broke=Kind.REJECTED), ["auth-garbage"]
    token = replace(refused, mechanism="XOAUTH2", refusal=OAuthRefusal(status="401"))
    yield "auth", token, ["auth-token-refused"]
    yield "auth", replace(token, looks=Looks(valid_until=1.8e9)), ["auth-token-refused", "auth-token-window"]
    yield "auth", replace(token, looks=Looks(valid_from=1.7e9)), ["auth-token-refused", "auth-token-window"]
    yield "auth", replace(token, looks=Looks()), ["auth-token-refused"]
    yield "auth", replace(refused, looks=Looks(valid_until=1.8e9)), ["auth-refused"]
    yield "auth", replace(refused, looks=Looks(shape="fits")), ["auth-refused"]
    yield "auth", replace(refused, looks=Looks(shape="does-not-fit")), ["auth-refused", "auth-secret-shape"]
    yield "auth", replace(refused, looks=Looks(flags=("quoted",))), ["auth-refused", "auth-secret-shape"]
    later = replace(refused, reply=LATER, looks=Looks(shape="does-not-fit"))
    yield "auth", later, ["auth-temporary"]
    yield "auth", replace(fine, looks=Looks(shape="does-not-fit")), []


@cache
def good_chain() -> ChainFacts:
    """A healthy one, 30 days before its end."""
    served = Authority(now=AT).issue("good", "mail.test")
    leaf, issuer = map(describe, served.chain)
    return ChainFacts(
        name="mail.test",
        at=leaf.not_after - 30 * DAY,
        roots="",
        roots_source="",
        chain=served.chain,
        certificates=(leaf, issuer),
        order=ChainOrder((), (), (), ()),
        verdict=Verdict(True, (), HostMatch(True, "san-dns", ("mail.test",)), (), "test"),
    )


def flawed(*flaws: tuple[str, int]) -> ChainFacts:
    """Flaws by code and depth."""
    good = good_chain()
    found = tuple(Flaw(code, 99, depth, good.certificates[0].subject, code) for code, depth in flaws)
    return replace(good, verdict=replace(good.verdict, flaws=found))


def shown(**leaf: Any) -> ChainFacts:
    good = good_chain()
    return replace(good, certificates=(replace(good.certificates[0], **leaf), *good.certificates[1:]))


def other_name(how: str, names: tuple[str, ...], **changed: Any) -> ChainFacts:
    facts = shown(san_dns=names)
    return replace(facts, verdict=replace(facts.verdict, host=HostMatch(False, how, names)), **changed)


def chains() -> Iterator[Case]:
    good = good_chain()
    leaf: CertificateFacts = good.certificates[0]
    yield "chain", good, []
    yield "chain", other_name("none", ("elsewhere.test",)), ["certificate-wrong-host"]
    yield "chain", other_name("cn-only", ()), ["certificate-cn-only"]
    yield "chain", other_name("none", ("*.test",), name="a.b.test"), ["certificate-wildcard-depth"]
    yield "chain", other_name("none", ("*.test",), name="b.testing"), ["certificate-wrong-host"]
    yield "chain", other_name("none", ("b.test",), name="a.b.test"), ["certificate-wrong-host"]
    yield "chain", other_name("none", (), certificates=()), []
    for code, depth, expected in (
        ("self-signed", 0, "certificate-self-signed"),
        ("self-signed-in-chain", 1, "certificate-untrusted-root"),
        ("issuer-unknown", 0, "certificate-issuer-unknown"),
        ("leaf-unverified", 0, "certificate-issuer-unknown"),
        ("expired", 0, "certificate-expired"),
        ("not-yet-valid", 0, "certificate-not-yet-valid"),
        ("expired", 1, "certificate-issuer-expired"),
        ("not-yet-valid", 1, "certificate-issuer-not-yet-valid"),
        ("wrong-purpose", 0, "certificate-wrong-purpose"),
        ("wrong-purpose", 1, "certificate-invalid"),
        ("weak-key", 0, "certificate-weak-key"),
        ("weak-signature", 1, "certificate-weak-signature"),
        ("path-too-long", 1, "certificate-invalid"),
    ):
        yield "chain", flawed((code, depth)), [expected]
    yield "chain", flawed(("issuer-unknown", 0), ("leaf-unverified", 0)), ["certificate-issuer-unknown"]
    yield "chain", flawed(("expired", 0), ("expired", 1)), ["certificate-expired", "certificate-issuer-expired"]
    # fourteen days, or a third of the lifetime where that is shorter
    yield "chain", replace(good, at=leaf.not_after - 14 * DAY), []
    yield "chain", replace(good, at=leaf.not_after - 13 * DAY), ["certificate-expires-soon"]
    short = shown(not_before=leaf.not_after - 6 * DAY)
    yield "chain", replace(short, at=leaf.not_after - 3 * DAY), []
    yield "chain", replace(short, at=leaf.not_after - 1 * DAY), ["certificate-expires-soon"]
    strict = (Flaw("strict", 94, 1, "CN=x", "strict"),)
    yield "chain", replace(good, verdict=replace(good.verdict, strict=strict)), ["certificate-strict"]
    yield "chain", shown(lax_constraints=True), ["certificate-strict"]
    yield "chain", shown(issuer="CN=Avast Web/Mail Shield Root"), ["certificate-inspected"]
    yield "chain", shown(issuer="CN=127.0.0.1,OU=Proton Mail,O=Proton AG,C=CH"), []
    yield "chain", shown(must_staple=True), []
    yield "chain", replace(shown(must_staple=True), stapled=False), ["certificate-unstapled"]
    yield "chain", replace(good, stapled=False), []
    yield "chain", replace(good, revoked=True), ["certificate-revoked"]
    yield "chain", replace(shown(must_staple=True), revoked=True, stapled=False), ["certificate-revoked"]
    yield "chain", replace(good, order=ChainOrder((1,), (), (), ())), ["certificate-wrong-order"]
    yield "chain", replace(good, order=ChainOrder((), (2,), (), ())), ["certificate-superfluous-root"]
    yield "chain", replace(good, order=ChainOrder((), (), (1,), ())), ["certificate-unrelated"]
    yield "chain", replace(good, order=ChainOrder((), (), (), (1,))), []
    # beside what is broken the rest is not looked at
    yield (
        "chain",
        replace(flawed(("expired", 0)), revoked=True, order=ChainOrder((1,), (), (), ())),
        ["certificate-expired"],
    )


def clocks() -> Iterator[Case]:
    def off(offset: float, uncertainty: float = 0.1) -> ClockFacts:
        return ClockFacts(server="ntp.test", offset=offset, uncertainty=uncertainty, stratum=2)

    yield "clock", off(0.0), []
    yield "clock", off(5.0), []
    yield "clock", off(-5.2), ["clock-inexact"]
    yield "clock", off(300.1), ["clock-inexact"]
    yield "clock", off(301.0, 1.5), ["clock-inexact"]
    yield "clock", off(300.2), ["clock-behind"]
    yield "clock", off(-300.2), ["clock-ahead"]
    for hours in (0.5, 1, 3.5, 5.75, 8, 12.75, 14):
        yield "clock", off(hours * 3600), ["clock-time-zone"]
        yield "clock", off(-hours * 3600 - 29), ["clock-time-zone"]
        # near a whole zone is not a zone: a minute is more than any measurement leaves open
        yield "clock", off(hours * 3600 + 60), ["clock-behind"]
        yield "clock", off(-hours * 3600 + 60), ["clock-ahead"]
    # no country's clocks are a quarter of an hour, or fifteen hours, apart from UTC
    for seconds in (900.0, 2700.0, 6.25 * 3600, 14.5 * 3600, 15 * 3600.0, 40 * 86400.0):
        yield "clock", off(seconds), ["clock-behind"]
    # the uncertainty itself must not make a zone of any offset
    yield "clock", off(7 * 3600 + 900, 1000.0), ["clock-behind"]


def settings() -> Iterator[Case]:
    plain = ConfigFacts(
        kind=TargetKind.HOST,
        name="smtp.firm.test",
        port=None,
        mode=Mode.AUTO,
        user="me@firm.test",
        sender="me@firm.test",
        recipients=("you@firm.test",),
        ehlo="",
        login=True,
    )

    def given(*codes: str, **changed: Any) -> Case:
        return "config", replace(plain, **changed), list(codes)

    yield given()
    yield given("host-empty-or-placeholder", name=" ")
    yield given("host-whitespace-or-punct", name="smtp。firm.test")
    yield given("host-has-scheme-or-port", name="smtp.firm.test:587")
    yield given("host-has-scheme-or-port", name="https://smtp.firm.test")
    yield given(name="2001:db8::1")
    yield given("host-for-reading-mail", name="imap.qq.com")
    yield given(name="imap.qq.com", user="", login=False)
    yield given("host-mx-used-as-submission", name="mx3.qq.com")
    yield given(name="smtp.mx3.qq.com", user="", sender="", login=False)
    yield given("mailer-not-smtp", name="smtp.ethereal.email")
    yield given("from-header-encoded", author="me@firm.test")
    yield given("proxy-set", proxies=("HTTPS_PROXY",))
    yield given("host-wrong-provider-endpoint", name="smtp.163.com", user="me@qq.com", sender="me@qq.com")
    yield given(name="smtp.qq.com", user="me@foxmail.com", sender="me@foxmail.com")
    yield given("port-not-served-by-provider", name="smtp.office365.com", port=465)
    yield given(name="smtp.office365.com", port=587)
    yield given("mode-unusual", name="smtp.qq.com", port=465, mode=Mode.STARTTLS, user="", sender="")
    yield given("mode-unusual", name="smtp.qq.com", port=587, mode=Mode.IMPLICIT, user="", sender="")
    yield given(name="smtp.qq.com", port=587, mode=Mode.STARTTLS, user="", sender="")
    yield given("auth-user-fixed", name="smtp.sendgrid.net")
    yield given(name="smtp.sendgrid.net", user="apikey")
    yield given("auth-user-without-domain", name="smtp.gmail.com", user="me")
    yield given("auth-user-character", user="me＠firm.test")
    yield given("auth-user-character", user=" me@firm.test", sender=" me@firm.test")
    yield given(user="me＠firm.test", login=False)
    own = {"name": "smtp.163.com", "user": "me@163.com"}
    yield given(**own, sender="Me@163.com")
    yield given("sender-foreign", **own)
    yield given("sender-differs-from-login", **own, sender="you@163.com")
    yield given("sender-differs-from-login", **own, sender="me@126.com")
    yield given(**own, sender="")
    yield given("recipient-list-as-string", recipients=("a@firm.test,b@firm.test",))
    yield given(recipients=('"a,b@c"@firm.test',))
    yield given("recipient-near-known", recipients=("you@gmial.com",))
    yield given("ehlo-name-short", ehlo="laptop")
    yield given(ehlo="laptop.firm.test")
    yield given(ehlo="[192.0.2.1]")
    yield given("ehlo-name-non-ascii", ehlo="büro.test")
    yield given("ehlo-name-non-ascii", ehlo="xn--bro-hoa.test")
    yield given("ehlo-name-non-ascii", local_name_ascii=False)
    yield given(local_name_ascii=False, ehlo="laptop.firm.test")
    for sign, code in (
        ("empty", "secret-empty"),
        ("placeholder", "secret-empty"),
        ("unexpanded", "secret-unexpanded"),
        ("quoted", "secret-quoted"),
        ("padded", "secret-trailing-newline"),
        ("line-break", "secret-trailing-newline"),
        ("full-width", "secret-full-width"),
        ("invisible", "secret-invisible"),
    ):
        yield given(code, secret=(Slip(sign),))
        yield given(secret=(Slip(sign),), login=False)


def experiments() -> Iterator[Case]:
    """The probes that answer yes or no."""
    asked = ControlFacts(host="c.test", address=OTHER, port=587)
    yield "control", asked, ["control-open"]
    yield "control", replace(asked, broke=Kind.REFUSED), ["control-dead"]
    yield "dnssec", DnssecFacts(answer=a(HOST)), ["dnssec-answers-unchecked"]
    yield "dnssec", DnssecFacts(answer=a(broke=Kind.NXDOMAIN)), ["dnssec-answers-unchecked"]
    yield "dnssec", DnssecFacts(answer=a(broke=Kind.SERVFAIL)), ["dnssec-not-the-cause"]
    hello = HelloFacts(version="TLSv1.2", cipher="AES128-SHA", bits=128)
    yield "hello", hello, ["tls-hello-old"]
    yield "hello", replace(hello, bits=112), ["tls-hello-old"]
    yield "hello", replace(hello, bits=111), ["tls-hello-weak-cipher"]
    yield "hello", replace(hello, cipher="ADH-AES128-SHA"), ["tls-hello-weak-cipher"]
    yield "hello", replace(hello, cipher="AECDH-AES128-SHA"), ["tls-hello-weak-cipher"]
    yield "hello", replace(hello, bits=56, version="TLSv1"), ["tls-hello-old"]
    yield "hello", HelloFacts(broke=Kind.ALERT), ["tls-hello-nothing"]
    mx = Answer(name="firm.test", type="MX", mx=(Mx(10, "mx3.qq.com"),))
    home = HomeFacts(host="smtp.163.com", domain="firm.test", mx=mx, provider="qq")
    yield "home", home, ["auth-user-mailbox-elsewhere"]
    yield "home", replace(home, host="smtp.qq.com"), ["auth-user-mailbox-here"]
    yield "home", replace(home, host="smtp.firm.test"), ["auth-user-mailbox-elsewhere"]
    yield "home", replace(home, provider=""), []
    issuer = IssuerFacts(urls=("http://issuer.test/",), fetched=(), names=(), completes=True)
    yield "issuer", issuer, ["certificate-issuer-completes"]
    yield "issuer", replace(issuer, completes=False, completes_elsewhere=True), ["certificate-issuer-does-not-complete"]
    mode = ModeFacts(tried=Mode.STARTTLS, found=Mode.IMPLICIT, stated=True)
    yield "mode", mode, ["mode-mismatch"]
    yield "mode", replace(mode, stated=False), ["mode-found"]
    yield "mode", replace(mode, found=None), ["mode-neither"]
    yield "relay", RelayFacts(accepted=True, raw=b""), ["relay-takes-mail"]
    yield "relay", RelayFacts(accepted=False, raw=b"550 no"), ["relay-refuses"]
    yield "segment", SegmentFacts(segment=536, broke=None, again=Kind.TIMEOUT), ["segment-helps"]
    yield "segment", SegmentFacts(segment=536, broke=None, again=None), ["segment-same"]
    yield "segment", SegmentFacts(segment=536, broke=Kind.TIMEOUT), ["segment-same"]
    for broke, code in (
        (None, "sibling-answers"),
        (Kind.REFUSED, "sibling-answers"),
        (Kind.TIMEOUT, "sibling-dead"),
        (Kind.RESET, "sibling-dead"),
    ):
        yield "sibling", SiblingFacts(port=443, broke=broke), [code]
    sni = SniFacts(asked="mail.test", presented=("mail.test",), fits=True, differs=True)
    yield "sni", sni, ["certificate-sni-needed"]
    yield "sni", replace(sni, asked=""), ["certificate-sni-misleads"]
    yield "sni", replace(sni, differs=False), ["certificate-sni-same"]
    yield "sni", replace(sni, fits=False), ["certificate-sni-same"]
    stores = StoresFacts(own="a", own_roots=1, other="b", other_roots=2, trusted=True, verdict=good_chain().verdict)
    yield "stores", stores, ["trust-store-other-trusts"]
    yield "stores", replace(stores, trusted=False), ["trust-store-all-agree"]
    begins = AT - DAY
    times = TimesFacts(server="n", name="mail.test", told=AT, not_before=begins, not_after=AT + DAY)
    yield "times", times, ["clock-fits"]
    yield "times", replace(times, told=begins), ["clock-fits"]
    yield "times", replace(times, told=AT + DAY), ["clock-fits"]
    yield "times", replace(times, told=begins - timedelta(seconds=1)), ["clock-contradicted"]
    yield "times", replace(times, told=AT + DAY + timedelta(seconds=1)), ["clock-in-doubt"]


def policies() -> Iterator[Case]:
    record = Tlsa(3, 1, 1, "ab" * 32)
    good = Association(host="mx1.test", records=(record,), secure=True, dane=Dane.MATCH, plain=False)
    other = replace(good, host="mx2.test")
    bad = replace(good, dane=Dane.MISMATCH)

    def dane(*codes: str, of: tuple[Association, ...]) -> Case:
        return "dane", DaneFacts(domain="firm.test", exchanges=of), list(codes)

    yield dane(of=())
    yield dane(of=(good, other))
    yield dane("dane-tlsa-mismatch", of=(bad,))
    yield dane("dane-tlsa-mismatch", of=(bad, replace(bad, host="mx2.test")))
    yield dane("dane-partly", of=(bad, other))
    yield dane("dane-without-tls", of=(replace(good, dane=None, plain=True),))
    yield dane("dane-insecure", of=(replace(bad, secure=False),))
    yield dane("dane-insecure", of=(replace(bad, secure=False, plain=True),))
    yield dane("dane-unusable", of=(replace(good, dane=Dane.UNUSABLE),))
    yield dane(of=(replace(good, records=(), secure=False, plain=True, dane=None),))
    policy = Policy("enforce", ("mx1.test",), 86400)
    kept = Exchange(host="mx1.test", listed=True, verified=True)
    missing, bare = replace(kept, listed=False), replace(kept, verified=False)

    def sts(*codes: str, of: tuple[Exchange, ...], mode: str = "enforce", **changed: Any) -> Case:
        facts = MtastsFacts(domain="firm.test", announced="1", policy=replace(policy, mode=mode), exchanges=of)
        return "mtasts", replace(facts, **changed), list(codes)

    yield sts(of=(kept,))
    yield sts(of=(kept, replace(kept, verified=None)))
    yield sts("mta-sts-mx-mismatch", of=(missing,))
    yield sts("mta-sts-certificate", of=(bare,))
    yield sts("mta-sts-certificate", of=(missing, bare))
    yield sts("mta-sts-partly", of=(missing, kept))
    yield sts("mta-sts-partly", of=(kept, bare))
    yield sts("mta-sts-testing", of=(missing,), mode="testing")
    yield sts("mta-sts-testing", of=(bare, kept), mode="testing")
    yield sts(of=(kept,), mode="testing")
    yield sts(of=(missing,), mode="none")
    yield sts("mta-sts-policy-unfetchable", of=(), policy=None, broke=Kind.TIMEOUT)
    yield sts(of=(), policy=None, announced="")


def deliveries() -> Iterator[Case]:
    found = DeliveryFacts(
        token="t",
        user="me@firm.test",
        folder="INBOX",
        place="inbox",
        seconds=60.0,
        received=None,
        folders=1,
        rounds=1,
        headers=b"",
    )
    yield "delivery", found, ["delivery-arrived"]
    yield "delivery", replace(found, place="junk"), ["delivery-in-junk"]
    yield "delivery", replace(found, place="other"), ["delivery-elsewhere"]
    yield "delivery", replace(found, seconds=60.1), ["delivery-arrived", "delivery-slow"]
    yield "delivery", replace(found, seconds=61.0, place="junk"), ["delivery-in-junk", "delivery-slow"]


def transactions() -> Iterator[Case]:
    def answers(*replies: Reply) -> tuple[Answered, ...]:
        return tuple(Answered(f"r{number}@x.test", reply) for number, reply in enumerate(replies))

    recipients = ("r0@x.test", "r1@x.test")
    taken = EnvelopeFacts(sender="me@x.test", recipients=recipients, mail=OK, rcpt=answers(OK, OK))
    yield "envelope", taken, []
    mail = replace(taken, stage=Stage.MAIL, broke=Kind.REJECTED, rcpt=())
    yield "envelope", replace(mail, mail=NEVER), ["sender-refused"]
    yield "envelope", replace(mail, mail=LATER), ["sender-deferred"]
    yield "envelope", replace(mail, mail=None, broke=Kind.CLOSED), ["sender-cut-off"]
    rcpt = replace(taken, broke=Kind.REJECTED)
    yield "envelope", replace(rcpt, rcpt=answers(NEVER, NEVER)), ["recipient-refused"] * 2
    yield "envelope", replace(rcpt, rcpt=answers(LATER)), ["recipient-deferred"]
    some = ["recipient-refused", "recipient-partly-refused"]
    yield "envelope", replace(taken, rcpt=answers(OK, NEVER)), some
    yield "envelope", replace(taken, rcpt=answers(OK), broke=Kind.CLOSED), ["recipient-cut-off"]
    yield "envelope", replace(rcpt, rcpt=answers(NEVER), broke=Kind.CLOSED), ["recipient-refused"]
    asked = {"rcpt": answers(NEVER), "recipients": recipients[:1]}
    for reply, code in ((OK, "recipient-control-accepted"), (NEVER, "recipient-control-refused")):
        control = Answered("postmaster@x.test", reply)
        yield "envelope", replace(rcpt, **asked, control=control), ["recipient-refused", code]
    later = Answered("postmaster@x.test", LATER)
    yield "envelope", replace(rcpt, **asked, control=later), ["recipient-refused"]
    sent = MessageFacts(token="t", message_id="<t@x>", octets=9, accepted=recipients, data=OK, reply=OK, dotted_at=AT)
    yield "message", sent, []
    yield "message", replace(sent, broke=Kind.REJECTED, reply=NEVER), ["message-refused"]
    yield "message", replace(sent, broke=Kind.REJECTED, reply=LATER), ["message-deferred"]
    yield "message", replace(sent, broke=Kind.CLOSED, reply=None), ["message-fate-unknown"]
    yield "message", replace(sent, broke=Kind.CLOSED, reply=None, dotted_at=None), ["message-cut-off"]
    yield "farewell", FarewellFacts(broke=None, raw=b"221 bye", accepted=True), []
    yield "farewell", FarewellFacts(broke=Kind.CLOSED, raw=b"", accepted=True), ["quit-error-after-success"]


def hosts() -> Iterator[Case]:
    good = Exchanger(name="mx1.test", absent=False, unknown=None, alias="", addresses=(HOST,), reached=True, tried=True)
    other = replace(good, name="mx2.test")
    dead = replace(other, reached=False)

    def found(*codes: str, of: tuple[Exchanger, ...]) -> Case:
        return "exchanger", ExchangerFacts(domain="firm.test", exchangers=of), list(codes)

    yield found(of=(good, other))
    yield found("mx-target-cname", of=(replace(good, alias="real.test"),))
    yield found("mx-target-no-address", of=(good, replace(dead, absent=True, addresses=())))
    yield found("mx-target-unknown", of=(good, replace(dead, unknown=Kind.SERVFAIL, addresses=())))
    yield found("mx-target-private", of=(replace(good, addresses=(HOST, "192.168.1.25")),))
    yield found("mx-first-dead-second-ok", of=(good, dead))
    # none at all is a break of the way, and what was not tried says nothing
    yield found(of=(replace(good, reached=False), dead))
    yield found(of=(good, replace(dead, tried=False)))
    up, down, unasked = Status.OK, Status.FAIL, Status.INCONCLUSIVE
    for v4, v6, codes in (
        ((up,), (up,), []),
        ((Status.WARN,), (Status.NOTE,), []),
        ((up,), (down,), ["ipv6-preferred-broken"]),
        ((up, down), (down, up), []),
        ((up,), (unasked,), ["mx-aaaa-without-route"]),
        ((up,), (unasked, down), ["ipv6-preferred-broken"]),
        ((down,), (up,), ["ipv4-broken"]),
        ((unasked,), (up,), []),
        ((down,), (down,), []),
        ((), (unasked,), ["dns-ipv6-only-name"]),
        ((), (unasked, down), []),
        ((), (up,), []),
    ):
        yield "family", FamilyFacts(port=587, v4=v4, v6=v6), codes
    names = NamesFacts(
        host="mail.test",
        port=587,
        believed=(HOST,),
        source="192.0.2.53:53",
        invented=(),
        said=(Said("192.0.2.53:53", (HOST,)),),
    )
    twice = (*names.said, Said("192.0.2.53:53", (OTHER,)))
    yield "names", names, []
    yield "names", replace(names, invented=(HOST,)), ["dns-invented"]
    yield "names", replace(names, said=twice), ["dns-forged"]
    yield "names", replace(names, said=(*names.said, Said("192.0.2.54:53", (OTHER,)))), ["dns-differs"]
    yield "names", replace(names, said=(*names.said, Said("192.0.2.54:53", (OTHER, HOST)))), []
    yield "names", replace(names, said=twice, invented=(HOST,)), ["dns-invented", "dns-forged"]
    for kind, code in (
        (Kind.REFUSED, "connect-refused"),
        (Kind.TIMEOUT, "connect-timeout"),
        (Kind.RESET, "connect-reset"),
        (Kind.UNREACHABLE, "connect-unreachable"),
        (Kind.LOCAL, "local-firewall-app"),
    ):
        yield "port", PortFacts(broke=kind, seconds=9.0), [code]
    yield "port", PortFacts(broke=None, seconds=3.0), []
    yield "port", PortFacts(broke=None, seconds=3.1), ["connect-slow"]


def mail_domains() -> Iterator[Case]:
    def mx(*hosts: str, broke: Kind | None = None, own: tuple[Answer, ...] = (), domain: str = "firm.test") -> MxFacts:
        records = tuple(Mx(10, host) for host in hosts)
        return MxFacts(domain=domain, mx=Answer(name=domain, type="MX", mx=records, broke=broke), own=own)

    none, nodata = aaaa(broke=Kind.NODATA), Kind.NODATA
    yield "mx", mx("mx1.test"), []
    yield "mx", mx("."), ["mx-null"]
    yield "mx", mx(".", "mx1.test"), ["mx-null-mixed"]
    yield "mx", mx(broke=nodata, own=(a(HOST), none)), ["mx-none-fallback-a"]
    yield "mx", mx(broke=nodata, own=(a(broke=nodata), none)), ["mx-none-no-a"]
    yield "mx", mx(broke=nodata, own=(a(broke=Kind.SERVFAIL), none)), ["mx-own-address-unknown"]
    yield "mx", mx("192.0.2.1", "mx1.test"), ["mx-address-literal"]
    yield "mx", mx("mx1.test", domain="gmial.com"), ["mx-wildcard-typo-accepts"]
    yield "mx", mx("mx1.test", domain="gmail.com"), []
    for kind, code in (
        (Kind.NXDOMAIN, "mx-domain-nxdomain"),
        (Kind.SERVFAIL, "dns-servfail"),
        (Kind.DNS_REFUSED, "dns-refused"),
        (Kind.RESOLVER_DOWN, "dns-resolver-down"),
        (Kind.RESOLVER_SILENT, "dns-resolver-silent"),
        (Kind.TRUNCATED, "dns-truncated-tcp-blocked"),
        (Kind.GARBAGE, "dns-garbage"),
    ):
        yield "mx", mx(broke=kind), [code]
    door = Candidate("smtp.firm.test", 465, Mode.IMPLICIT)
    srv = Answer(name="_submissions._tcp.firm.test", type="SRV")
    known = SubmissionFacts(domain="firm.test", source="srv", candidates=(door,), srv=(srv,))
    yield "submission", known, []
    yield "submission", replace(known, candidates=(), declined=True), ["submission-declined"]
    yield "submission", replace(known, srv=(replace(srv, broke=Kind.NODATA),)), []
    failed = replace(known, srv=(replace(srv, broke=Kind.SERVFAIL),))
    yield "submission", failed, ["submission-srv-unknown"]
    yield "submission", replace(known, source="guess"), ["submission-guessed"]
    yield "submission", replace(failed, source="guess"), ["submission-srv-unknown", "submission-guessed"]
    yield "submission", replace(known, source="mx", srv=()), []


def greetings() -> Iterator[Case]:
    hello = Reply(220, (b"mail.test ESMTP",))
    said = Capabilities("mail.test", {"STARTTLS": ""})
    fine = GreetingFacts(
        greeting=hello, seconds=5.0, ehlo=OK, capabilities=said, secure_ehlo=OK, secure_capabilities=said
    )
    yield "greeting", fine, []
    yield "greeting", replace(fine, seconds=5.1), ["greeting-delayed-tarpit"]
    yield "greeting", replace(fine, ehlo=Reply(500, (b"what?",)), helo=OK), ["ehlo-helo-only"]
    yield "greeting", replace(fine, ehlo=replace(OK, flaws=("bare-lf",))), ["greeting-malformed"]
    nothing = {"ehlo": None, "capabilities": None, "secure_ehlo": None, "secure_capabilities": None}
    first = replace(fine, **nothing, greeting=None, stage=Stage.GREETING, seconds=9.0)
    for kind, raw, code in (
        (Kind.TIMEOUT, b"", "greeting-silent"),
        (Kind.TIMEOUT, b"220-mail", "greeting-unfinished"),
        (Kind.CLOSED, b"", "greeting-closed"),
        (Kind.RESET, b"", "greeting-reset"),
        (Kind.GARBAGE, b"SSH-2.0-x", "greeting-not-smtp"),
        (Kind.GARBAGE, b"220-mail\r\n221 x", "greeting-unreadable"),
        (Kind.INJECTED, b"", "greeting-extra-reply"),
        (Kind.NOT_TLS, b"", "greeting-not-smtp"),
    ):
        yield "greeting", replace(first, broke=kind, raw=raw), [code]
    # what is read behind a greeting that was understood is not part of it
    behind = replace(first, greeting=hello, broke=Kind.INJECTED, raw=b"220 again", seconds=0.1)
    yield "greeting", behind, ["greeting-extra-reply"]
    turned_away = replace(first, broke=Kind.REJECTED, seconds=0.1)
    yield "greeting", replace(turned_away, greeting=NEVER), ["greeting-rejected"]
    yield "greeting", replace(turned_away, greeting=LATER), ["greeting-busy"]
    second = replace(fine, **nothing, stage=Stage.EHLO)
    for kind, raw, code in (
        (Kind.TIMEOUT, b"", "ehlo-silent"),
        (Kind.TIMEOUT, b"250-mail", "ehlo-unfinished"),
        (Kind.CLOSED, b"", "ehlo-closed"),
        (Kind.RESET, b"", "ehlo-reset"),
        (Kind.GARBAGE, b"\x00", "ehlo-garbage"),
        (Kind.GARBAGE, b"250-mail\r\n", "ehlo-garbage"),
        (Kind.INJECTED, b"", "ehlo-extra-reply"),
        (Kind.NOT_TLS, b"", "ehlo-garbage"),
    ):
        yield "greeting", replace(second, broke=kind, raw=raw), [code]
    yield "greeting", replace(second, broke=Kind.REJECTED, ehlo=NEVER), ["ehlo-rejected"]
    yield "greeting", replace(second, broke=Kind.REJECTED, ehlo=LATER), ["ehlo-busy"]
    # the answer after TLS is the one that was refused
    again = replace(fine, broke=Kind.REJECTED, secure_ehlo=LATER)
    yield "greeting", again, ["ehlo-busy"]


def handshakes() -> Iterator[Case]:
    fine = TlsFacts(
        mode=Mode.STARTTLS, starttls=Reply(220, (b"go",)), plain=False, version="TLSv1.3", cipher="x", bits=128
    )
    yield "tls", fine, []
    yield "tls", replace(fine, version="TLSv1.2"), []
    yield "tls", replace(fine, version="TLSv1.1"), ["tls-server-too-old"]
    yield "tls", replace(fine, bits=127), ["tls-weak-cipher"]
    yield "tls", replace(fine, dh_bits=2048), []
    yield "tls", replace(fine, dh_bits=2047), ["tls-dh-too-small"]
    yield "tls", replace(fine, safe_renegotiation=False), ["tls-legacy-renegotiation"]
    yield "tls", replace(fine, plain=True, starttls=None, version="", bits=0), ["tls-none"]
    before = replace(fine, stage=Stage.STARTTLS, starttls=None)
    for kind, code in (
        (Kind.NOT_OFFERED, "starttls-not-offered"),
        (Kind.TIMEOUT, "starttls-silent"),
        (Kind.CLOSED, "starttls-closed"),
        (Kind.RESET, "starttls-reset"),
        (Kind.GARBAGE, "starttls-garbage"),
        (Kind.INJECTED, "starttls-injection-response"),
        (Kind.REJECTED, "starttls-garbage"),
    ):
        yield "tls", replace(before, broke=kind), [code]
    yield "tls", replace(before, broke=Kind.REJECTED, starttls=LATER), ["starttls-refused"]
    for kind, code in (
        (Kind.NOT_TLS, "tls-plaintext"),
        (Kind.TIMEOUT, "tls-handshake-hang"),
        (Kind.CLOSED, "tls-closed"),
        (Kind.RESET, "tls-reset"),
        (Kind.ALERT, "tls-alert"),
        (Kind.HANDSHAKE, "tls-handshake"),
        (Kind.GARBAGE, "tls-garbage"),
        (Kind.NOT_OFFERED, "tls-garbage"),
    ):
        yield "tls", replace(fine, broke=kind), [code]


def consents() -> Iterator[Case]:
    for claim, mailbox, codes in (
        (Claim.TYPED, False, []),
        (Claim.PROVIDER, True, []),
        (Claim.NONE, False, ["consent-submission-host"]),
        (Claim.NONE, True, ["consent-imap-host"]),
        (Claim.EXCHANGER, False, ["consent-provider-host"]),
        (Claim.DNSSEC, False, ["consent-signed-host"]),
    ):
        yield "consent", ConsentFacts(host="smtp.other.test", account="firm.test", claim=claim, mailbox=mailbox), codes


CASES: list[Case] = [
    case
    for room in (
        addresses,
        logins,
        chains,
        clocks,
        settings,
        experiments,
        policies,
        deliveries,
        transactions,
        hosts,
        mail_domains,
        greetings,
        handshakes,
        consents,
    )
    for case in room()
]


@pytest.mark.parametrize(
    ("probe", "facts", "codes"),
    CASES,
    ids=[f"{probe}-{number}-{'+'.join(codes) or 'nothing'}" for number, (probe, _, codes) in enumerate(CASES)],
)
def test_these_facts_give_these_findings_and_no_others(probe: str, facts: Any, codes: list[str]) -> None:
    asked = named(probe)
    assert asked is not None

    assert [finding.code for finding in asked.judge(facts)] == codes


def test_every_rule_of_every_probe_has_a_case_with_it_and_one_without_it() -> None:
    fires = {code for _, _, codes in CASES for code in codes}
    silent = {
        rule.code for p in probes() for rule in p.rules for n, _, c in CASES if n == p.name and rule.code not in c
    }

    assert (fires, silent) == (rules().keys(), rules().keys())
