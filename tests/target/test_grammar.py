"""Is every target read as decisions say, every other refused, and never a password echoed?"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck.core import Mode, Stage, Target, TargetKind
from smtpcheck.target.grammar import UNTIL, UsageError, default_secret, parse_detour, parse_target
from smtpcheck.wire.address import Detour

CANARY = 'p/+="é密码x'
HOST, ACCOUNT, MX = TargetKind.HOST, TargetKind.ACCOUNT, TargetKind.MX


@pytest.mark.parametrize(
    ("spec", "kind", "name", "port", "mode"),
    [
        ("smtp.example.com", HOST, "smtp.example.com", None, Mode.AUTO),
        ("  smtp.example.com\n", HOST, "smtp.example.com", None, Mode.AUTO),
        ("SMTP.Example.COM.", HOST, "smtp.example.com", None, Mode.AUTO),
        ("localhost", HOST, "localhost", None, Mode.AUTO),
        ("mail_1.example.com", HOST, "mail_1.example.com", None, Mode.AUTO),
        ("3com.example", HOST, "3com.example", None, Mode.AUTO),
        ("a" * 63 + ".example", HOST, "a" * 63 + ".example", None, Mode.AUTO),
        ("host.example:587", HOST, "host.example", 587, Mode.AUTO),
        ("host.example:1", HOST, "host.example", 1, Mode.AUTO),
        ("host.example:65535", HOST, "host.example", 65535, Mode.AUTO),
        ("192.0.2.1", HOST, "192.0.2.1", None, Mode.AUTO),
        ("192.0.2.1:2525", HOST, "192.0.2.1", 2525, Mode.AUTO),
        ("2001:DB8::0:1", HOST, "2001:db8::1", None, Mode.AUTO),
        ("::1", HOST, "::1", None, Mode.AUTO),
        ("[::1]", HOST, "::1", None, Mode.AUTO),
        ("[2001:db8::1]:465", HOST, "2001:db8::1", 465, Mode.AUTO),
        ("[192.0.2.1]:25", HOST, "192.0.2.1", 25, Mode.AUTO),
        ("中文.例子.cn", HOST, "xn--fiq228c.xn--fsqu00a.cn", None, Mode.AUTO),
        ("Bücher.example:25", HOST, "xn--bcher-kva.example", 25, Mode.AUTO),
        ("例子。cn", HOST, "xn--fsqu00a.cn", None, Mode.AUTO),
        ("उदाहरण.परीक्षा", HOST, "xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g", None, Mode.AUTO),
        ("smtp://host.example", HOST, "host.example", 587, Mode.STARTTLS),
        ("smtps://host.example", HOST, "host.example", 465, Mode.IMPLICIT),
        ("SMTPS://Host.Example/", HOST, "host.example", 465, Mode.IMPLICIT),
        ("submission://host.example", HOST, "host.example", 587, Mode.STARTTLS),
        ("smtp://host.example:25", HOST, "host.example", 25, Mode.STARTTLS),
        ("smtps://[::1]:994", HOST, "::1", 994, Mode.IMPLICIT),
        ("smtps://::1", HOST, "::1", 465, Mode.IMPLICIT),
        ("mx:example.com", MX, "example.com", None, Mode.AUTO),
        ("MX:Example.com.", MX, "example.com", None, Mode.AUTO),
        ("mx:例子.cn", MX, "xn--fsqu00a.cn", None, Mode.AUTO),
        ("me@qq.com", ACCOUNT, "qq.com", None, Mode.AUTO),
        ("Me+tag@Example.COM", ACCOUNT, "example.com", None, Mode.AUTO),
        ('"a@b"@example.com', ACCOUNT, "example.com", None, Mode.AUTO),
        ("我@例子.cn", ACCOUNT, "xn--fsqu00a.cn", None, Mode.AUTO),
    ],
)  # fmt: skip
def test_target(spec: str, kind: TargetKind, name: str, port: int | None, mode: Mode) -> None:
    target = parse_target(spec)
    assert (target.kind, target.name, target.port, target.mode) == (kind, name, port, mode)
    assert target.spec == spec.strip()
    assert bool(target.user) is bool(target.sender) is (kind is ACCOUNT)
    assert target.secret == ""


def test_the_login_is_as_typed_and_the_envelope_in_ascii() -> None:
    target = parse_target("Me@Bücher.Example.")
    assert target.user == "Me@Bücher.Example"
    assert target.sender == "Me@xn--bcher-kva.example"


NO_TARGETS = [
    "", " ", ".", "..", "a..b", ".example.com", "example.com..", "-a.example", "a-.example", "a b", "a,b.example",
    "smtp.example.com/path", "host.example:", "host.example:0", "host.example:65536", "host.example:99999999999",
    "host.example:٥٨٧", "host.example: 25", "host.example:+25", "host.example:25:25", ":25", "host.example:smtp",
    "256.1.1.1", "1.2.3", "1.2.3.4.5", "12345", "0x7f.1", "1.2.3.4/24", "[::1", "::1]", "[::1]:", "[::1]:0", "[::1]x",
    "[host.example]:25", "[]:25", ":::1", "fe80::1::2", "a" * 64 + ".example", ".".join(["a" * 60] * 5), "x" * 321,
    "é" * 70 + ".example", "faß.de", "σίγμας.gr", "a\u200db.example", "host\x1b.example", "host.example\x00",
    "smtp.qq.com：587", "a\u202eb.example", "smtp。。example",
    "http://host.example", "://host.example", "smtp://", "smtp:///", "smtps:// host", "mx://example.com", "imap://h",
    "smtp://host.example:0", "smtp://host.example/path", "smtp://host.example?x",
    "mx:", "mx:a b", "mx:example.com:25", "mx:me@example.com", "mx:[::1]",
    "@example.com", "me@", "me@a b", "me you@example.com", "<me@example.com>", "me,you@example.com", "a;b@example.com",
    "me\n@example.com", "me\x00@example.com", "me\u202e@example.com", "me@[192.0.2.1]", "me@example.com:587", "me@a..b",
    "a@b@example.com", "smtp。qq。com", "smtp．qq.com", "ｓｍｔｐ.qq.com", "smtp.qq.com。", "${SMTP_HOST}", "ssl://h.example",
    "user:pass@example.com", "a\udce9@example.com", "a\udce9.example",
]  # fmt: skip


@pytest.mark.parametrize("spec", NO_TARGETS)
def test_no_target(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(spec)
    (said,) = caught.value.args
    assert said.isprintable(), "what the user typed is shown escaped"


@pytest.mark.parametrize(
    "form",
    [
        "user:{}@example.com",
        "user:{}@example.com:587",
        "user@example.com:{}@smtp.example.com",
        "smtp://user:{}@host.example",
        "smtps://user:{}@host.example:465",
        "smtp://user:{}",
        "smtp://host.example?password={}",
        "smtp://host.example:{}",
        "http://user:{}@host.example",
        "user:{}://host.example",
        "user:{}",
        "user@example.com:{}",
        "user@example.com {}",
        "user@example.com/{}",
        "host.example:25:{}",
        "host.example {}",
        "[::1]:{}",
        "mx:user:{}@example.com",
        "mx:example.com:{}",
        "mx:example.com：{}",
        "user;{}@example.com",
        "user {}@example.com",
        "host.example:587," + "{}",
    ],
)
@pytest.mark.parametrize("secret", [CANARY, "hunter2", "12345678", "a@b:c://d"])
def test_a_password_in_a_target_is_refused_and_not_echoed(form: str, secret: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(form.format(secret))
    told = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    assert secret not in told
    assert "密码" not in told
    assert not any(part in told for part in (secret[:6], secret[1:]) if len(part) > 5)


@pytest.mark.parametrize(
    ("spec", "code", "said"),
    [
        ("smtp。qq。com", "host-whitespace-or-punct", ["'。' (U+3002)", "character 5;", "smtp.qq.com is"]),
        ("smtp.qq.com。", "host-whitespace-or-punct", ["U+3002", "character 12;", "smtp.qq.com is"]),
        ("smtp．qq.com", "host-whitespace-or-punct", ["U+FF0E", "character 5;", "smtp.qq.com is"]),
        ("ｓmtp.qq.com", "host-whitespace-or-punct", ["U+FF53", "character 1;", "smtp.qq.com is"]),
        ("smtp.mail.ru,", "host-whitespace-or-punct", ["','", "character 13;", "smtp.mail.ru is"]),
        ("smtp.qq.com\u200b", "host-whitespace-or-punct", ["'\\u200b' (U+200B)", "character 12;", "smtp.qq.com is"]),
        ("smtp.qq .com", "host-whitespace-or-punct", ["' '", "character 8, after 'smtp.qq'"]),
        ("smtp.qq.com：587", "host-whitespace-or-punct", ["U+FF1A", "character 12", "smtp.qq.com:587 is"]),
        ("mx:qq。com", "host-whitespace-or-punct", ["U+3002", "character 6;", "qq.com is"]),
        ("me@qq。com", "host-whitespace-or-punct", ["U+3002", "character 6;", "qq.com is"]),
        ("smtp://smtp.qq.com,", "host-whitespace-or-punct", ["','", "character 19;"]),
        ("smtp.office365.com: 587", "host-has-scheme-or-port", ["' '", "character 20", "smtp.office365.com:587 is"]),
        ("ssl://smtp.x.example:465", "host-has-scheme-or-port", ["ssl://", "smtps://smtp.x.example:465 is"]),
        ("ssl://smtp.x.example:587", "host-has-scheme-or-port", ["ssl://", "smtp://smtp.x.example:587 is"]),
        ("tls://in-v3.mailjet.com", "host-has-scheme-or-port", ["tls://", "smtp://in-v3.mailjet.com is"]),
        ("https://smtp.x.example/", "host-has-scheme-or-port", ["https://", " smtp.x.example is"]),
        ("imap://h.example", "host-has-scheme-or-port", ["imap://"]),
        ("", "host-empty-or-placeholder", ["name a target"]),
        ("${SMTP_HOST}", "host-empty-or-placeholder", ["never filled in"]),
        ("%SMTP_HOST%", "host-empty-or-placeholder", ["never filled in"]),
    ],
)
def test_what_no_target_is_has_a_name_a_place_and_where_it_is_plain_the_right_value(
    spec: str, code: str, said: list[str]
) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(spec)
    assert caught.value.code == code
    for part in said:
        assert part in str(caught.value)


@pytest.mark.parametrize("spec", ["a b.example", "smtp.qq.com hunter.2", "smtp.qq.com:x", "imap://h.example"])
def test_what_was_meant_is_not_guessed(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(spec)
    assert "meant" not in str(caught.value)


@pytest.mark.parametrize(
    ("recipients", "code", "place"),
    [
        (("a@x.example,b@x.example",), "recipient-list-as-string", 12),
        (("a@x.example, b@x.example",), "recipient-list-as-string", 12),
        (("a@x.example；b@x.example",), "recipient-list-as-string", 12),
        (("a@x.example ",), "recipient-malformed", 12),
        (("<a@x.example>",), "recipient-malformed", 1),
        ("a@x.example,b@x.example", "recipient-list-as-string", 0),
    ],
)
def test_recipients_that_are_no_list_of_addresses(recipients: object, code: str, place: int) -> None:
    with pytest.raises(UsageError) as caught:
        host(sender="a@x.example", recipients=recipients)
    assert caught.value.code == code
    assert not place or f"at character {place}" in str(caught.value)


@pytest.mark.parametrize("spec", ["smtp://user:pass@host.example", "smtps://user@host.example"])
def test_a_login_in_a_url_is_told_where_it_belongs(spec: str) -> None:
    with pytest.raises(UsageError, match=r"--user.*SMTPCHECK_PASSWORD"):
        parse_target(spec)


@given(st.text(max_size=60) | st.from_regex(r"[a-z:@/\[\]. é]{1,30}") | st.from_regex(r"(smtps?://|mx:)?.{0,30}(:.*)?"))
def test_any_spec(spec: str) -> None:
    try:
        target = parse_target(spec)
    except UsageError:
        return
    assert isinstance(target, Target)
    assert target.name.isascii()
    assert target.name == target.name.lower()
    assert target.port is None or 0 < target.port < 65536
    assert parse_target(f"mx:{target.name}").name == target.name


def host(**options: object) -> Target:
    return parse_target("host.example", **options)


def test_options() -> None:
    target = host(user="u", dns="127.0.0.1:5353", ntp="[::1]:123", allow=("plaintext-auth",), deadline=5.0)
    assert (target.user, target.dns, target.ntp, target.deadline) == ("u", "127.0.0.1:5353", "[::1]:123", 5.0)
    assert host(user=None, deadline=None, mode=None, until=None) == host()


@pytest.mark.parametrize("mode", [Mode.PLAIN, "plain"])
def test_a_stated_mode_wins(mode: str) -> None:
    assert parse_target("smtps://host.example", mode=mode).mode is Mode.PLAIN
    assert parse_target("smtps://host.example", mode=Mode.AUTO).mode is Mode.IMPLICIT


def test_an_option_replaces_what_the_account_says() -> None:
    target = parse_target("me@example.com", user="login", sender="other@example.com")
    assert (target.user, target.sender) == ("login", "other@example.com")


@pytest.mark.parametrize("stage", Stage)
def test_until(stage: Stage) -> None:
    given = {"until": stage.value, "sender": "a@example.com", "recipients": ("b@example.com",)}
    given |= {"send": stage in (Stage.DATA, Stage.DELIVERY)}
    if stage in UNTIL:
        assert host(**given).until is stage
    else:
        with pytest.raises(UsageError, match="--until"):
            host(**given)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "ssl"},
        {"until": "login"},
        {"until": "mail"},
        {"until": Stage.RCPT, "sender": "a@example.com"},
        {"allow": ("everything",)},
        {"allow": ("plaintext-auth", "unverified")},
        {"deadline": 0},
        {"deadline": 3601},
        {"deadline": math.nan},
        {"deadline": math.inf},
        {"user": "a\r\nRSET"},
        {"user": "a\0b"},
        {"user": "a\udce9"},
        {"sender": "a@example.com> SIZE=1"},
        {"sender": "<a@example.com>"},
        {"recipients": ("a@example.com\r\nDATA",)},
        {"recipients": ("a b@example.com",)},
        {"ehlo": "a b"},
        {"ehlo": "a\r\nb"},
        {"ehlo": "[host]"},
        {"ehlo": "x" * 64},
        {"ehlo": "[127.0.0.1"},
        {"auth": "PLAIN\n"},
        {"dns": "resolver.example"},
        {"dns": "127.0.0.1:0"},
        {"dns": "127.0.0.1:"},
        {"dns": "::1:99999"},
        {"ntp": "a:b:c"},
        {"ntp": "host:"},
        {"ntp": "ho st"},
        {"connect_to": ("a:b:c:d",)},
    ],
    ids=str,
)
def test_options_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        host(**options)


def test_mx_never_logs_in() -> None:
    for until in (Stage.AUTH, "auth"):
        with pytest.raises(UsageError, match="mx:"):
            parse_target("mx:example.com", until=until)
    assert parse_target("mx:example.com", until="ehlo").until is Stage.EHLO


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Client.Example", "client.example"),
        ("[127.0.0.1]", "[127.0.0.1]"),
        ("[IPv6:::1]", "[IPv6:::1]"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("", ""),
    ],
)
def test_ehlo(name: str, said: str) -> None:
    assert host(ehlo=name).ehlo == said


@pytest.mark.parametrize(
    ("text", "detour"),
    [
        ("h.example:25:127.0.0.1:2525", Detour("h.example", 25, "127.0.0.1", 2525)),
        ("H.Example.:25:127.0.0.1:2525", Detour("h.example", 25, "127.0.0.1", 2525)),
        (":25:127.0.0.1:2525", Detour("", 25, "127.0.0.1", 2525)),
        ("h.example::127.0.0.1:2525", Detour("h.example", 0, "127.0.0.1", 2525)),
        ("::127.0.0.1:2525", Detour("", 0, "127.0.0.1", 2525)),
        ("h.example:25:127.0.0.1:", Detour("h.example", 25, "127.0.0.1", 0)),
        ("h.example:25:[::1]:2525", Detour("h.example", 25, "::1", 2525)),
        ("[2001:DB8:0::1]:25:[0::1]:2525", Detour("2001:db8::1", 25, "::1", 2525)),
        ("bücher.example:25:127.0.0.1:2525", Detour("xn--bcher-kva.example", 25, "127.0.0.1", 2525)),
    ],
)
def test_connect_to(text: str, detour: Detour) -> None:
    assert parse_detour(text) == detour
    assert host(connect_to=(text,)).connect_to == (text,)


@pytest.mark.parametrize(
    "text",
    [
        "", "h.example", "h:25", "h:25:127.0.0.1", "h:25::2525", "h:25:other.example:2525", "h:x:127.0.0.1:25",
        "h:25:127.0.0.1:99999", "h:99999:127.0.0.1:25", "h:25:::1:25", "h:25:[::1:25", "h:25:127.0.0.1:25:1",
        "h:٢٥:127.0.0.1:25", "h:25:127.0.0.1:25\n", "a b:25:127.0.0.1:25", "h:25:[host]:25", "h:0:127.0.0.1:25",
    ],
)  # fmt: skip
def test_no_connect_to(text: str) -> None:
    with pytest.raises(UsageError):
        parse_detour(text)


@given(st.text(max_size=30) | st.from_regex(r"[a-z0-9\[\]:.]{0,30}"))
def test_any_connect_to(text: str) -> None:
    try:
        detour = parse_detour(text)
    except UsageError:
        return
    assert 0 <= detour.port < 65536
    assert 0 <= detour.to_port < 65536


@pytest.mark.parametrize(
    ("environ", "reference"),
    [({}, ""), ({"SMTPCHECK_PASSWORD": ""}, ""), ({"SMTPCHECK_PASSWORD": "x"}, "env:SMTPCHECK_PASSWORD")],
)
def test_default_secret(environ: dict[str, str], reference: str) -> None:
    assert default_secret(environ) == reference


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("smtp://me:p#ss@smtp.qq.com", "secret-url-not-encoded"),
        ("smtp://me:p/ss@smtp.qq.com", "secret-url-not-encoded"),
        ("smtp://me@qq.com:pass@smtp.qq.com", "secret-url-not-encoded"),
        ("smtp://me:50%off@smtp.qq.com", "secret-url-not-encoded"),
        ("smtp://me:p%23ss@smtp.qq.com", ""),
        ("smtp://me:pass@smtp.qq.com", ""),
    ],
)
def test_a_login_in_a_url_is_refused_and_what_cuts_it_short_is_told_without_it(spec: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_target(spec)

    assert caught.value.code == code
    assert spec[7:].rpartition("@")[0] not in str(caught.value)


@pytest.mark.parametrize("text", ["smtp.example.com", "smtp.example.com:587", "[2001:db8::1]:25", "192.0.2.1"])
def test_a_control_host_is_a_host_with_or_without_port(text: str) -> None:
    assert parse_target("me@example.com", control=text).control == text


@pytest.mark.parametrize("text", ["a b", "host:99999", "me@host"])
def test_what_is_no_control_host_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_target("me@example.com", control=text)


def test_further_resolvers_follow_a_comma_and_are_addresses() -> None:
    assert parse_target("me@example.com", dns="127.0.0.1:53,[::1]:53").dns == "127.0.0.1:53,[::1]:53"
    with pytest.raises(UsageError, match="--dns"):
        parse_target("me@example.com", dns="127.0.0.1,resolver.example.com")
