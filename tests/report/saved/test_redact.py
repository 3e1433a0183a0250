"""Does a redacted report tell nobody who it is about, and still say the same?"""

from __future__ import annotations

import base64
import json
import re
import string
from dataclasses import replace
from itertools import product
from pathlib import Path

import jsonschema
import pytest

from smtpcheck.core import Direction, Event, Mode, Report, Stage, Subject
from smtpcheck.report import formats
from smtpcheck.report.saved import replay
from smtpcheck.report.saved.json import schema
from smtpcheck.report.saved.pseudonyms import Pseudonyms
from smtpcheck.report.saved.redact import redacted
from smtpcheck.run import assemble
from tests.checking import check_fault
from tests.report.samples import ALL, HERE, expired, refused, talk, target
from tests.report.strangers import ATTACKS, attacked
from tests.report.test_formats import EXAMPLE, recorded

# who it is, in all the forms in which a report holds it
COMPANY = {
    "certificate-chain-incomplete.lab.test": "mail-berlin.geheimfirma.com.cn",
    "me@": "zhang.wei@",
    "127.0.0.1": "93.184.216.34",
    "smtpcheck lab intermediate": "Geheimfirma Issuing CA 7",
    "/smtpcheck-lab-": "/home/zhangwei/",
}
CANARIES = re.compile(
    r"geheimfirma|berlin|zhang|\bwei\b|93\.184|216\.34|Issuing|emhhbmcu|intermediate\.der|[0-9a-f]{64}", re.IGNORECASE
)


def of_a_company() -> Report:
    """The recorded report as if a company had recorded it."""
    text = EXAMPLE.read_text("utf-8")
    for name, real in COMPANY.items():
        text = text.replace(name, real)
    (one,) = replay.saved(text.encode())
    said = base64.b64encode(b"zhang.wei@mail-berlin.geheimfirma.com.cn")
    more = (
        Event(1.0, Direction.OUT, Stage.AUTH, b"EHLO berlin-laptop"),
        Event(1.1, Direction.OUT, Stage.AUTH, said),
        Event(1.2, Direction.IN, Stage.AUTH, b"550-5.7.1 [93.184.216.34] zhang.wei not at GEHEIMFIRMA.com.cn, see"),
        Event(1.3, Direction.IN, Stage.AUTH, b"550 https://help.geheimfirma.com.cn/u/zhang?id=7 (berlin-laptop)"),
        Event(1.4, Direction.IN, Stage.AUTH, "用户zhang.wei@geheimfirma.com.cn不存在".encode("gb18030")),
        Event(1.5, Direction.IN, Stage.AUTH, b"2001:4860::8888 and ::ffff:93.184.216.34, 34.216.184.93.in-addr.arpa"),
        Event(1.6, Direction.IN, Stage.DELIVERY, b'* LIST () "/" "Projekt Berlin"'),
        Event(1.7, Direction.OUT, Stage.DELIVERY, b's4 EXAMINE "Projekt Berlin"'),
    )
    first, *others = one.conversations
    return replace(one, conversations=(replace(first, events=(*first.events, *more)), *others))


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
@pytest.mark.parametrize("name", formats.names())
def test_no_name_is_left_in_any_format(name: str, lang: str) -> None:
    (clean,) = redacted([of_a_company()])
    assert CANARIES.search(formats.render([of_a_company()], name, lang=lang)), "the search can find them"
    told = formats.render([clean], name, lang=lang)
    # what stands for fingerprints, and what identifies a result to a code scanner
    told = re.sub('0{50,}[0-9a-f]+|"codeAndSubject/v1": "[0-9a-f]+"', "", told)
    assert not CANARIES.search(told), CANARIES.search(told)


def test_it_says_the_same_and_so_do_the_rules_of_today() -> None:
    real = of_a_company()
    (clean,) = redacted([real])
    text = formats.render([clean], "json")
    jsonschema.validate(json.loads(text), schema())
    (again,) = replay.saved(text.encode())
    assert again == clean
    assert clean.diagnosis
    assert clean.diagnosis.code == assemble(again).diagnosis.code == "certificate-chain-incomplete"
    assert [r.status for r in clean.results] == [r.status for r in real.results]
    assert clean.diagnosis.subject == str(next(r.subject for r in clean.results if r.probe == "chain"))


def test_the_certificates_are_left_out_and_what_would_look_them_up() -> None:
    real = of_a_company()
    (clean,) = redacted([real])
    before, after = (next(r.facts for r in one.results if r.probe == "chain") for one in (real, clean))
    assert after.chain == (b"redacted 1",)
    assert len(after.chain) == len(before.chain)
    for name in ("sha256", "serial", "key_id"):
        assert int(getattr(after.certificates[0], name), 16) < 10
    assert (after.certificates[0].not_after, after.certificates[0].key) == (
        before.certificates[0].not_after,
        before.certificates[0].key,
    )


def test_a_name_of_one_label_in_a_certificate_is_found() -> None:
    (one,) = (r for r in recorded().results if r.probe == "chain")
    leaf = replace(one.facts.certificates[0], san_dns=("geheimhost", "*.geheimfirma.de", "localhost"))
    host = replace(one.facts.verdict.host, names=("geheimhost",))
    facts = replace(one.facts, certificates=(leaf,), verdict=replace(one.facts.verdict, host=host))
    (clean,) = redacted([replace(recorded(), results=(replace(one, outcome=facts),))])
    shown = clean.results[0].facts
    assert shown.certificates[0].san_dns[2] == "localhost"
    assert "geheim" not in formats.render([clean], "json")


def test_the_same_name_is_the_same_in_several_reports() -> None:
    one, other = redacted([refused(), expired()])
    assert one.target.spec == other.target.spec == "user1@domain-1.example"


def test_redacted_twice_is_redacted_once() -> None:
    once = redacted([of_a_company(), *ALL.values()])
    assert redacted(once) == once


def test_a_wrong_secret_reference_is_not_kept() -> None:
    (clean,) = redacted([refused(target=target(secret="file:/home/zhang/mail-password", imap_secret="env:ZHANG_PW"))])
    assert (clean.target.secret, clean.target.imap_secret) == ("file:file-1", "env:SMTPCHECK_PASSWORD")


def test_what_only_looks_like_a_name_stays() -> None:
    said = (
        b"250 2.1.0 Ok: queued as 4Bx5, OpenSSL 3.0.19, TLSv1.3, 1.3.6.1.5.5.7.3.1, 12:30:59, RFC 5321 section 4.1.1.1"
    )
    (clean,) = redacted([refused(conversations=(talk(said),))])
    assert clean.conversations[0].events[-1].raw == said


@pytest.mark.parametrize("name", ALL)
def test_every_sample_is_redacted_and_told(name: str) -> None:
    (clean,) = redacted([ALL[name]])
    assert (clean.verdict, len(clean.results)) == (ALL[name].verdict, len(ALL[name].results))
    for each in formats.names():
        assert "example.test" not in formats.render([clean], each)


@pytest.mark.parametrize("attack", ATTACKS)
def test_strangers_words_do_not_stop_it(attack: str) -> None:
    for one in attacked(of_a_company(), attack):
        (clean,) = redacted([one])
        assert not re.search("geheimfirma|zhang", formats.render([clean], "text"), re.IGNORECASE)


def test_the_facts_of_an_unknown_probe_are_searched_too() -> None:
    certificate = base64.b64encode(b"CN=geheimfirma.de" * 9).decode()
    facts, one = {"host": "mx.geheimfirma.de", "der": certificate, "n": (1, "a@example.test")}, refused()
    (clean,) = redacted([replace(one, results=(*one.results, replace(one.results[0], probe="later", outcome=facts)))])
    shown = clean.results[-1].outcome
    assert shown["host"].startswith("mx.domain-")
    assert (shown["der"], shown["n"]) == ("redacted", (1, "user2@domain-1.example"))


async def test_a_provider_and_what_it_means_stay() -> None:
    report = await check_fault("qq-password-not-authcode")
    text = formats.render([report], "json").replace("qq-password-not-authcode.lab.test", "qq.com")
    (one,) = replay.saved(text.replace("me@", "1000177@").encode())
    (clean,) = redacted([one])
    shown = formats.render([clean], "json")
    assert "smtp.qq.com" in shown
    assert "1000177" not in shown
    assert json.loads(shown)["target"]["spec"] == "user1@qq.com"
    assert clean.diagnosis
    assert clean.diagnosis.code == assemble(clean).diagnosis.code == "qq-password-not-authcode"


def test_names_of_one_label_and_of_other_scripts_are_found_in_texts_too() -> None:
    where = Subject("poststelle", "192.168.7.3", 25, Mode.STARTTLS)
    said = "220 poststelle ESMTP, poststelle[192.168.7.3]:25, 不认识 李雷@例子.公司 和 mail.例子.公司".encode()
    one = refused(target=target(spec="李雷@例子.公司", name="xn--fsqu00a.xn--55qx5d", user="李雷@例子.公司", sender=""))
    talked = replace(talk(said), subject=where)
    (clean,) = redacted([replace(one, conversations=(talked,), results=(replace(one.results[0], subject=where),))])
    shown = clean.conversations[0].events[-1].raw.decode()
    assert shown.startswith("220 host-1 ESMTP, host-1[10.0.0.1]:25, 不认识 user1@domain-")
    assert not re.search("poststelle|李雷|例子|xn--", formats.render([clean], "text") + shown)
    assert clean.conversations[0].subject == Subject("host-1", "10.0.0.1", 25, Mode.STARTTLS)


# One name at a time


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("a@firma.de", "user1@domain-1.example"),
        ("A@Firma.DE, a@firma.de", "user1@domain-1.example, user1@domain-1.example"),
        ("smtp.firma.de", "smtp.domain-1.example"),
        ("srv7.dc.firma.co.uk", "host-1.host-2.domain-1.example"),
        ("*.firma.de", "*.domain-1.example"),
        ("_submission._tcp.firma.de", "_submission._tcp.domain-1.example"),
        ("firma.de.", "domain-1.example."),
        ("someone@qq.com", "user1@qq.com"),
        ("mx3.qq.com", "mx3.qq.com"),
        ("firma-de.mail.protection.outlook.com", "host-1.mail.protection.outlook.com"),
        ("https://support.google.com/mail/?p=BadCredentials", "https://support.google.com/mail/?p=BadCredentials"),
        ("http://pki.firma.de/Firma-CA.crt", "http://host-1.domain-1.example/redacted"),
        ("8.8.4.4 8.8.4.4 1.1.1.1", "192.0.2.1 192.0.2.1 192.0.2.2"),
        ("10.9.8.7 192.168.1.20", "10.0.0.1 10.0.0.2"),
        ("[2a00:1450::1a]:25", "[2001:db8::1]:25"),
        ("fe80::1 fd12::9", "fd00::1 fd00::2"),
        ("127.0.0.1 ::1 0.0.0.0 198.18.3.4 localhost", "127.0.0.1 ::1 0.0.0.0 198.18.3.4 localhost"),
        ("host[8.8.8.8]:587/starttls", "host[192.0.2.1]:587/starttls"),
        ("smtp.firma.de:587:8.8.8.8:2525", "smtp.domain-1.example:587:192.0.2.1:2525"),
        ("250-srv7.firma.de at your service", "250-host-1.domain-1.example at your service"),
        ("spf=fail smtp.mailfrom=bob@firma.de", "spf=fail smtp.mailfrom=user1@domain-1.example"),
        ("bounces+bob=firma.de@esp.net", "user1@domain-1.example"),
        ("?to=bob%40firma.de", "?to=user1%40domain-1.example"),
        ('"b ob"@firma.de', "user1@domain-1.example"),
        ("邮箱bob@firma.de不存在", "邮箱user1@domain-1.example不存在"),
        ("张三@firma.de", "user1@domain-1.example"),
        ("xn--fiqs8s.cn", "domain-1.example"),
        ("smtp.example.com", "smtp.example.com"),
        ("4.3.2.1.in-addr.arpa", "192.0.2.1.in-addr.arpa"),
        ("me@bücher.de", "user1@domain-1.example"),
        (
            "ValueError in chain.py:12:observe, see www.chain.py",
            "ValueError in chain.py:12:observe, see www.domain-1.example",
        ),
        ("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs/ca-certificates.crt"),
        ("535 5.7.8 Error (v4.96.2)", "535 5.7.8 Error (v4.96.2)"),
    ],
)
def test_a_text_is_rewritten(text: str, instead: str) -> None:
    assert Pseudonyms().text(text) == instead


@pytest.mark.parametrize("name", ["zhang.wei@geheimfirma.de", "srv.geheimfirma.de", "93.184.216.34", "2a01:db9:5::17"])
def test_a_name_is_found_whatever_stands_beside_it(name: str) -> None:
    beside = [*string.punctuation, *" \t\r\n中，", "://", "%40", "=3D", "\\x0d", ""]
    for before, after in product(beside, beside):
        if name[0].isdigit() and (before == "." or before[-1:] in tuple(string.hexdigits)):
            continue  # the middle of an object identifier, or a digit of another number
        names = Pseudonyms()
        names.learn("zhang.wei", names.user("zhang.wei"), word=True)
        shown = names.text(f"{before}{name}{after}")
        assert not re.search("geheim|zhang|184|a01:db9", shown), (before, after)


def test_a_name_in_a_certificate_keeps_who_certified_only_where_everybody_knows_them() -> None:
    names = Pseudonyms()
    assert names.distinguished("CN=R11,O=Let's Encrypt,C=US") == "CN=R11,O=Let's Encrypt,C=US"
    assert (
        names.distinguished("CN=mx.firma.de,O=Firma GmbH,L=Berlin,C=DE")
        == "CN=mx.domain-1.example,O=name-1,L=name-2,C=DE"
    )
    assert names.distinguished("CN=Firma Root CA 1,O=Firma GmbH") == "CN=name-3,O=name-1"


def test_more_addresses_than_are_reserved_for_documentation_stay_apart() -> None:
    names = Pseudonyms()
    assert len({names.address(f"8.{i // 250}.{i % 250}.1") for i in range(2000)}) == 2000


def test_two_names_are_never_one() -> None:
    names = Pseudonyms()
    hosts = ["a.firma.de", "b.firma.de", "firma.de", "firma.com", "a.firma.com", "mail.firma.de", "a.a.firma.de"]
    assert len({names.host(host) for host in hosts}) == len(hosts)
    assert Subject(names.host(HERE.name)).name.endswith(".example")


def test_the_example_is_what_the_search_is_made_for() -> None:
    assert all(name in Path(EXAMPLE).read_text("utf-8") for name in COMPANY)
