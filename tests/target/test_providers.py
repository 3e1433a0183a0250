"""Is every row of the provider table well formed, and is a provider named only where it is that one?"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.core import Mode
from smtpcheck.target import providers as table
from smtpcheck.target.providers import Provider, by_domain, by_host, by_mx, nearest_host, parse_table, providers

TEXT = Path(table.__file__).with_name("providers.toml").read_text(encoding="utf-8")
ROWS = {row.id: row for row in providers()}
HOSTILE = (
    "",
    ".",
    "..",
    "." * 300,
    "a" * 100_000,
    "a." * 50_000,
    "é" * 100_000,
    "é" * 253,
    "qq..com",
    ".qq.com",
    "qq.com..",
    "\x00",
    "qq.com\n",
    " qq.com",
    "q\x00q.com",
    "ԛԛ.com",
    "smtp.ԛԛ.com",
    "ｑｑ．ｃｏｍ．．",
    "xn--",
    "xn--a.com",
    "\ud800.com",
    "*.qq.com",
    "mx*.qq.com",
    "email-smtp.*.amazonaws.com",
    "email-smtp..amazonaws.com",
    "email-smtp.us-east1-.amazonaws.com",
    "%s.com",
    "127.0.0.1",
    "[::1]",
)


def row_id(row: Provider | None) -> str | None:
    return row.id if row else None


def submission(row: Provider | None) -> list[tuple[str, int, str]]:
    assert row is not None
    return [(endpoint.host, endpoint.port, str(endpoint.mode)) for endpoint in row.smtp]


def test_the_file_is_read_on_first_use_and_not_at_import() -> None:
    program = (
        "import sys; seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(str(args[0])) if name == 'open' else None)\n"
        "import smtpcheck.target.providers as table\n"
        "early = [path for path in seen if path.endswith('providers.toml')]\n"
        "heavy = sorted({'msgspec', 'tomllib'} & set(sys.modules))\n"
        "table.providers(); table.providers()\n"
        "print(early, heavy, len([path for path in seen if path.endswith('providers.toml')]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "[] [] 1\n"


def test_all_36_providers_are_there_once() -> None:
    assert len(providers()) == len(ROWS) == 36


@pytest.mark.parametrize(
    ("after", "extra"),
    [
        ('id = "qq"', 'colour = "blue"'),
        ('[provider.credential]\nkind = "authorization-code"', 'length = "16"'),
        ("[[provider.variant]]", "ports = [465]"),
        ("[provider.enable]", 'hint = "x"'),
    ],
)
def test_an_unknown_field_is_an_error_at_every_level(after: str, extra: str) -> None:
    with pytest.raises(ValueError, match=f"unknown fields: .*{extra.split()[0]}"):
        parse_table(TEXT.replace(after, f"{after}\n{extra}", 1))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('port = 465, mode = "implicit"', 'port = "465", mode = "implicit"'),
        ('port = 465, mode = "implicit"', 'port = 0, mode = "implicit"'),
        ('port = 465, mode = "implicit"', 'port = 465, mode = "auto"'),
        ('port = 465, mode = "implicit"', 'port = 465, mode = "ssl"'),
        ('port = 465, mode = "implicit"', 'port = 465, mode = "implicit", prot = 1'),
        ('host = "smtp.qq.com", port = 465', 'host = "smtp.qq.com ", port = 465'),
        ('host = "smtp.qq.com", port = 465', 'host = "smtp.vip.qq.com", port = 465'),
        ("closed_ports = [587]", "closed_ports = [465]"),
        ('kind = "authorization-code"', 'kind = "code"'),
        ("shape = '[a-z]{16}'", "shape = '[a-z'"),
        ('rule = "full-address"', 'rule = "mail address"'),
        ('rule = "fixed:apikey"', 'rule = "fixed:"'),
        ('rule = "login"', 'rule = "none"'),
        ('url = "https://', 'url = "http://'),
        ('checked = "2026-11"', 'checked = "2026-13"'),
        ('hosts = ["smtp.sina.cn"]', "hosts = []"),
    ],
)
def test_a_wrong_value_is_an_error(right: str, wrong: str) -> None:
    broken = TEXT.replace(right, wrong, 1)

    assert broken != TEXT
    with pytest.raises(ValueError, match=r"."):
        parse_table(broken)


def test_no_mailbox_domain_belongs_to_two_rows() -> None:
    counted = Counter(
        domain for row in providers() for domain in (*row.domains, *(d for v in row.variant for d in v.domains))
    )

    assert [domain for domain, times in counted.items() if times > 1] == []
    assert all(domain == domain.lower().strip(".") and domain.isascii() for domain in counted)
    assert all(row_id(by_domain(domain)) for domain in counted)


def test_every_exchange_pattern_belongs_to_one_row_and_is_more_than_a_top_level_domain() -> None:
    patterns = [p for row in providers() for p in (*row.mx, *(q for v in row.variant for q in v.mx))]

    assert len(patterns) == len(set(patterns))
    assert all("." in pattern and "*" not in pattern.rpartition(".")[2] for pattern in patterns)


def test_only_foxmail_shares_its_host() -> None:
    counted = Counter(
        host for row in providers() for host in {row.smtp[0].host, *(host for v in row.variant for host in v.hosts)}
    )

    assert [host for host, times in counted.items() if times > 1] == ["smtp.qq.com"]
    assert row_id(by_host("smtp.qq.com")) == "qq"


@pytest.mark.parametrize("row", providers(), ids=lambda row: row.id)
def test_a_row_is_complete_in_both_languages(row: Provider) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", row.id)
    for text in (row.name, row.name_zh, row.source, row.credential.hint_en, row.enable.path_en):
        assert text.strip() == text != ""
    assert re.search("[一-鿿]", row.credential.hint_zh)
    assert row.credential.hint_en.isascii()
    assert row.enable.path_en.isascii()
    assert row.enable.path_zh
    assert not re.search(r"file:|(?<![\w.])/\w+/", row.source), "a path of somebody's machine"


@pytest.mark.parametrize("row", providers(), ids=lambda row: row.id)
def test_tls_comes_before_plaintext_and_no_endpoint_twice(row: Provider) -> None:
    plain = [endpoint.mode is Mode.PLAIN for endpoint in row.smtp]
    ports = [endpoint.port for endpoint in row.smtp]

    assert plain == sorted(plain)
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("row", providers(), ids=lambda row: row.id)
def test_an_imap_row_is_implicit_tls_on_993(row: Provider) -> None:
    for imap in (row.imap, *(variant.imap for variant in row.variant)):
        assert imap is None or (imap.port, imap.mode) == (993, Mode.IMPLICIT)


@pytest.mark.parametrize("row", [row for row in providers() if row.credential.shape], ids=lambda row: row.id)
def test_a_shape_is_bounded(row: Provider) -> None:
    """No unbounded repeat outside a character class, so that a hostile secret costs no time."""
    outside = re.sub(r"\[[^\]]*\]|\\.", "x", row.credential.shape)

    assert not re.search(r"[*+.|^$]|,\}", outside)
    assert re.fullmatch(row.credential.shape, "a" * 100_000) is None
    assert re.fullmatch(row.credential.shape, "") is None


@pytest.mark.parametrize(
    ("name", "secret", "fits"),
    [
        ("qq", "abcdefghijklmnop", True),
        ("qq", "abcdefghijklmnop\n", False),
        ("qq", "Abcdefghijklmnop", False),
        ("foxmail", "abcdefghijklmno1", False),
        ("163", "ABCDEFGHijklmnop", True),
        ("163", "hunter2", False),
        ("gmail", "abcd efgh ijkl mnop", True),
        ("gmail", "abcdefghijklmnop", True),
        ("gmail", "abcd\u00a0efgh\u00a0ijkl\u00a0mnop", False),
        ("icloud", "abcd-efgh-ijkl-mnop", True),
        ("icloud", "abcdefghijklmnop", False),
        ("ses", "B" + "a/+4" * 10 + "xyz", True),
        ("ses", "a" * 40, False),
        ("sendgrid", "SG." + "a" * 22 + "." + "b" * 43, True),
        ("sendgrid", "sg.password", False),
        ("resend", "re_" + "a" * 24, True),
        ("brevo", "xkeysib-" + "a" * 64, False),
    ],
)
def test_a_shape_tells_the_code_from_a_password(name: str, secret: str, fits: bool) -> None:
    assert bool(re.fullmatch(ROWS[name].credential.shape, secret)) is fits


@pytest.mark.parametrize("name", ["exmail", "netease-qiye", "alimail-qiye", "aliyun", "sohu", "139", "189", "postmark"])
def test_no_shape_where_ordinary_passwords_may_be_taken_or_sources_disagree(name: str) -> None:
    assert ROWS[name].credential.shape == ""


def test_qq() -> None:
    row = by_domain("qq.com")

    assert submission(row) == [("smtp.qq.com", 465, "implicit"), ("smtp.qq.com", 587, "starttls")]
    assert row is ROWS["qq"]
    assert (row.credential.kind, row.user.rule, row.from_rule.rule) == ("authorization-code", "full-address", "login")
    assert row.imap is not None
    assert row.imap.id_required is False


@pytest.mark.parametrize("domain", ["163.com", "126.com", "yeah.net", "vip.163.com"])
def test_netease_is_implicit_only_and_wants_imap_id(domain: str) -> None:
    """587 is contested there, so the table is silent about it."""
    row = by_domain(domain)

    assert submission(row) == [
        (f"smtp.{domain}", 465, "implicit"),
        (f"smtp.{domain}", 994, "implicit"),
        (f"smtp.{domain}", 25, "plain"),
    ]
    assert row is not None
    assert row.closed_ports == ()
    assert row.imap is not None
    assert (row.imap.host, row.imap.id_required) == (f"imap.{domain}", True)
    assert row.junk == ("垃圾邮件", "病毒文件夹")


def test_gmail() -> None:
    row = by_domain("gmail.com")

    assert submission(row) == [("smtp.gmail.com", 465, "implicit"), ("smtp.gmail.com", 587, "starttls")]
    assert row is by_domain("googlemail.com") is ROWS["gmail"]
    assert (row.credential.kind, row.junk[0]) == ("app-password", "[Gmail]/Spam")


def test_microsoft_365_has_no_465_and_no_plain() -> None:
    row = by_mx("example-com.mail.protection.outlook.com")

    assert submission(row) == [("smtp.office365.com", 587, "starttls")]
    assert row is ROWS["m365"]
    assert (row.closed_ports, row.mechanisms) == ((465,), ("XOAUTH2", "LOGIN"))


def test_alimail_has_80_and_no_587() -> None:
    row = by_mx("mx1.qiye.aliyun.com")

    assert [port for _, port, _ in submission(row)] == [465, 80, 25]
    assert row is by_mx("mxn.mxhichina.com") is ROWS["alimail-qiye"]
    assert row.closed_ports == (587,)


@pytest.mark.parametrize(("name", "word"), [("sendgrid", "apikey"), ("resend", "resend"), ("ses", ""), ("qq", "")])
def test_a_fixed_user_name(name: str, word: str) -> None:
    assert ROWS[name].user.fixed == word


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("QQ.com", "qq"),
        ("vip.qq.com", "qq"),
        ("qq.com.", "qq"),
        ("foxmail.com", "foxmail"),
        ("exmail.qq.com", None),
        ("mail.qq.com", None),
        ("xqq.com", None),
        ("com", None),
        ("aliyun.com", "aliyun"),
        ("qiye.aliyun.com", None),
        ("yahoo.co.jp", None),
        ("ｑｑ.com", "qq"),  # IDNA maps full-width letters, as a resolver would
        ("ԛԛ.com", None),  # Cyrillic
        ("例子.中国", None),
    ],
)
def test_by_domain(domain: str, found: str | None) -> None:
    assert row_id(by_domain(domain)) == found


@pytest.mark.parametrize(
    ("exchange", "found", "host"),
    [
        ("mx3.qq.com", "qq", "smtp.qq.com"),
        ("MX3.QQ.COM.", "qq", "smtp.qq.com"),
        ("mxbiz1.qq.com", "exmail", "smtp.exmail.qq.com"),
        ("mxbiz2.qq.com.", "exmail", "smtp.exmail.qq.com"),
        ("smtp.qq.com", None, ""),
        ("qq.com", None, ""),
        ("mx3.evilqq.com", None, ""),
        ("mx3.qq.com.evil.example", None, ""),
        ("qiye163mx01.mxmail.netease.com", "netease-qiye", "smtp.qiye.163.com"),
        ("hzmx01.mxmail.netease.com", "netease-qiye", "smtp.qiye.163.com"),
        ("163mx01.mxmail.netease.com", None, ""),
        ("vip163mx01.mxmail.netease.com", None, ""),
        ("mx1.sg.aliyun.com", "alimail-qiye", "smtp.sg.aliyun.com"),
        ("mx1.feishu.cn", "feishu", "smtp.feishu.cn"),
        ("mx1.larksuite.com", "feishu", "smtp.larksuite.com"),
        ("aspmx.l.google.com", "gmail", "smtp.gmail.com"),
        ("alt1.aspmx.l.google.com", "gmail", "smtp.gmail.com"),
        ("aspmx2.googlemail.com", "gmail", "smtp.gmail.com"),
        ("notgoogle.com", None, ""),
        ("eur.olc.protection.outlook.com", "outlook", "smtp-mail.outlook.com"),
        ("x-cn.mail.protection.partner.outlook.cn", "m365", "smtp.partner.outlook.cn"),
        ("mx.yandex.net", "yandex", "smtp.yandex.ru"),
        ("mx2.zoho.com", "zoho", "smtppro.zoho.com"),
        ("mx.zoho.eu", "zoho", "smtppro.zoho.eu"),
        ("in1-smtp.messagingengine.com", "fastmail", "smtp.fastmail.com"),
        ("mx1.naver.com", None, ""),
    ],
)
def test_by_mx(exchange: str, found: str | None, host: str) -> None:
    row = by_mx(exchange)

    assert row_id(row) == found
    assert row is None or {endpoint.host for endpoint in row.smtp} == {host}


@pytest.mark.parametrize(
    ("domain", "smtp", "imap"),
    [
        ("sina.com", "smtp.sina.com", "imap.sina.com"),
        ("sina.cn", "smtp.sina.cn", "imap.sina.cn"),
        ("vip.sina.com", "smtp.vip.sina.com", "imap.vip.sina.com"),
        ("zoho.com", "smtp.zoho.com", "imap.zoho.com"),
        ("zoho.eu", "smtp.zoho.eu", "imap.zoho.eu"),
        ("ya.ru", "smtp.yandex.ru", "imap.yandex.ru"),
        ("gmx.de", "mail.gmx.net", "imap.gmx.net"),
    ],
)
def test_the_host_follows_the_suffix(domain: str, smtp: str, imap: str) -> None:
    row = by_domain(domain)

    assert row is not None
    assert row.imap is not None
    assert ({endpoint.host for endpoint in row.smtp}, row.imap.host) == ({smtp}, imap)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("smtp.qq.com", "qq"),
        ("SMTP.exmail.QQ.com.", "exmail"),
        ("hwsmtp.exmail.qq.com", "exmail"),
        ("smtp.eu.mailgun.org", "mailgun"),
        ("email-smtp.eu-west-3.amazonaws.com", "ses"),
        ("email-smtp.xx-new-9.amazonaws.com", "ses"),
        ("a.email-smtp.eu-west-3.amazonaws.com", None),
        ("email-smtp.a.b.amazonaws.com", None),
        ("smtp.foxmail.com", None),
        ("imap.qq.com", None),
        ("qq.com", None),
    ],
)
def test_by_host_keeps_the_host_asked_for(host: str, found: str | None) -> None:
    row = by_host(host)

    assert row_id(row) == found
    assert row is None or {endpoint.host for endpoint in row.smtp} == {host.lower().rstrip(".")}


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("stmp.qq.com", "smtp.qq.com"),
        ("smpt.gmail.com", "smtp.gmail.com"),
        ("SMPT.Gmail.com.", "smtp.gmail.com"),
        ("smtp.qqq.com", "smtp.qq.com"),
        ("smtp.qq.con", "smtp.qq.com"),
        ("stmp.qq.con", "smtp.qq.com"),
        ("smtp.qqcom", "smtp.qq.com"),
        ("smtp.gmial.com", "smtp.gmail.com"),
        ("smtp.163.con", "smtp.163.com"),
        ("smtp.exmial.qq.com", "smtp.exmail.qq.com"),
        ("smtp.office356.com", "smtp.office365.com"),
        ("smtp.maill.ru", "smtp.mail.ru"),
        ("smtp,qq.com", "smtp.qq.com"),
        ("smtp.qq.com ", "smtp.qq.com"),
    ],
)
def test_a_slip_is_traced_to_the_one_host_meant(host: str, near: str) -> None:
    assert nearest_host(host) == near


@pytest.mark.parametrize(
    "host",
    [
        "smtp.qq.com",  # known
        "SMTP.126.COM.",  # known, one edit from smtp.163.com's neighbourhood
        "email-smtp.eu-west-2.amazonaws.com",  # known by pattern
        "smtp.qmail.com",  # gmail or QQ's mail
        "smtp.mail.com",  # a provider of its own
        "smtp.mail.qq.com",  # near exmail, mostly meant as QQ Mail
        "smtp.136.com",  # 163, 126 or 139
        "smtp.162.com",  # 163 or 126
        "smtp.soho.com",  # sohu or zoho
        "smtp.sina.cm",  # sina.com or sina.cn
        "smtp.139.cn",  # 139.com, not 189.cn
        "smtp.189.com",  # 189.cn, not 139.com
        "smtp.188.com",  # a provider of its own
        "smtp.188.cn",
        "smtp.me.com",  # both letters differ from qq
        "smtp.yandex.eu",  # another country
        "smtp.zoho.jp",
        "smtp.mail.rs",
        "smtp.fastmail.fm",
        "email-smtp.us-east-2.amazonaw.com",  # the region can't be guessed
        "stmpp.qq.con",  # three edits
        "smtp.example.com",
        "mail.qq.com",
        "qq.com",
        "localhost",
    ],
)
def test_no_guess_where_it_could_name_the_wrong_host(host: str) -> None:
    assert nearest_host(host) is None


@pytest.mark.parametrize("host", parse_table(TEXT).not_slips)
def test_an_exception_is_needed(host: str) -> None:
    """Without its line in the table each of these would be taken for a slip."""
    edits = [table._slips(host, known) for known in table._hosts()]

    assert by_host(host) is None
    assert edits.count(min(edits)) == 1
    assert min(edits) <= 2


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name[:12]))
def test_hostile_names_find_nothing(name: str) -> None:
    assert [by_domain(name), by_mx(name), by_host(name), nearest_host(name)] == [None] * 4


@given(st.text(max_size=300) | st.text(alphabet="smtp.q163x*-\u3002", max_size=260))
def test_no_name_raises(name: str) -> None:
    assert {type(ask(name)) for ask in (by_domain, by_mx, by_host)} <= {Provider, type(None)}
    near = nearest_host(name)
    assert near is None or by_host(near) is not None


@pytest.mark.parametrize("host", sorted(table._hosts()))
def test_two_neighbours_swapped_name_that_host_or_none(host: str) -> None:
    slips = {host[:at] + host[at + 1] + host[at] + host[at + 2 :] for at in range(len(host) - 1)}

    assert {nearest_host(slip) for slip in slips} <= {host, None}
