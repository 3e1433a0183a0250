"""Does the advice hold what the report knows, and a readable example for the rest?"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from smtpcheck import advice
from smtpcheck.advice import LANGUAGES, Words, fill
from smtpcheck.advice.examples import REPLY, SEEN, STANDARD, reply
from smtpcheck.advice.values import about, values
from smtpcheck.core import (
    Alternative,
    Confidence,
    Contact,
    Diagnosis,
    Mode,
    Report,
    Scalar,
    Stage,
    Target,
    TargetKind,
    Verdict,
)
from smtpcheck.target.grammar import parse_target

MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def report(spec: str, resolver: str = "192.0.2.53:53", **options: Any) -> Report:
    """What is known before the first packet."""
    return Report(
        target=parse_target(spec, **options),
        started=MOMENT,
        elapsed=0.0,
        complete=True,
        verdict=Verdict.BROKEN,
        contacts=(Contact("resolver", resolver),),
    )


def known(spec: str, names: str, **options: Any) -> list[Scalar]:
    """The values of those names."""
    found = values(report(spec, **options), "", {})
    return [found[name] for name in names.split()]


@pytest.mark.parametrize("spec", ["me@example.com", "smtp.example.com", "mx:example.com", "[2001:db8::1]:25"])
def test_every_report_knows_the_same_values_as_the_examples(spec: str) -> None:
    assert values(report(spec), "", {}).keys() == STANDARD.keys()


@pytest.mark.parametrize(
    ("spec", "options", "endpoint", "mode", "starttls", "swaks"),
    [
        ("smtp.example.com:25", {}, "smtp.example.com:25", "starttls", "-starttls smtp", "-tls"),
        ("smtp.example.com:465", {}, "smtp.example.com:465", "implicit", "", "--tls-on-connect"),
        ("smtps://smtp.example.com", {}, "smtp.example.com:465", "implicit", "", "--tls-on-connect"),
        ("smtp.example.com:587", {"mode": Mode.IMPLICIT}, "smtp.example.com:587", "implicit", "", "--tls-on-connect"),
        ("smtp.example.com:25", {"mode": Mode.PLAIN}, "smtp.example.com:25", "plain", "-starttls smtp", ""),
        ("[2001:db8::1]:587", {}, "[2001:db8::1]:587", "starttls", "-starttls smtp", "-tls"),
    ],
)
def test_a_command_fits_port_and_mode(
    spec: str, options: dict[str, Any], endpoint: str, mode: str, starttls: str, swaks: str
) -> None:
    assert known(spec, "endpoint mode starttls swaks_tls", **options) == [endpoint, mode, starttls, swaks]


def test_a_dialogue_by_hand_goes_through_tls_where_the_port_does() -> None:
    assert known("smtp.example.com:25", "by_hand") == ["nc -C smtp.example.com 25"]
    assert known("smtp.example.com:465", "by_hand") == ["openssl s_client -quiet -crlf -connect smtp.example.com:465"]


def test_who_sends_and_who_receives_is_known_from_the_target() -> None:
    names = "domain user sender recipient sender_domain recipient_domain"
    sent = known("me@example.com", names, sender="news@example.org", recipients=("you@example.net",))
    assert sent == [
        "example.com",
        "me@example.com",
        "news@example.org",
        "you@example.net",
        "example.org",
        "example.net",
    ]
    host = known("smtp.example.co.uk:587", names)
    assert host == [
        *("example.co.uk", "me@example.co.uk", "me@example.co.uk", "you@example.co.uk"),
        *("example.co.uk", "example.co.uk"),
    ]
    mx = known("mx:example.net", names)
    assert mx == ["example.net", "me@example.com", "me@example.com", "you@example.net", "example.com", "example.net"]


def test_the_resolver_is_written_as_dig_wants_it() -> None:
    one = report("me@example.com", "192.0.2.53:53")
    command = "`dig @{nameserver} {nameserver_port} {name} A`"
    assert fill(command, {**values(one, "", {}), "name": "a.test"}, "") == "`dig @192.0.2.53 a.test A`"
    seen = {"resolver": "[2001:db8::53]:5353", "name": "a.test"}
    assert fill(command, values(one, "", seen) | seen, "") == "`dig @2001:db8::53 -p 5353 a.test A`"


def told(one: Report, code: str, lang: str = "en", **seen: Scalar) -> str:
    """All that is advised."""
    found = Diagnosis(stage=Stage.TLS, code=code, subject="", confidence=Confidence.CERTAIN, seen=seen)
    words = Words(lang).about(one)
    return " ".join((words.why(found), *(text for _, text in words.steps(found)), words.otherwise(found)))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_advice_of_a_report_names_its_server(lang: str) -> None:
    assert "`openssl s_client -connect mail.acme.test:465 </dev/null`" in told(
        report("mail.acme.test:465"), "tls-garbage", lang, detail=""
    )
    assert "`openssl s_client -connect mail.acme.test:25 -starttls smtp </dev/null`" in told(
        report("mail.acme.test:25"), "tls-garbage", lang, detail=""
    )


@pytest.mark.parametrize("name", ["a;id", "$(id)", "-oProxy", "a b", "`id`"])
def test_a_stranger_s_name_is_no_part_of_a_command(name: str) -> None:
    one = report("smtp.example.com:465")
    hostile = replace(one, target=Target(spec=name, kind=TargetKind.HOST, name=name, port=465))
    commands = told(hostile, "tls-garbage", detail="").split("`")[1::2]
    assert "openssl s_client -connect ENDPOINT </dev/null" in commands
    assert not [command for command in commands if "id" in command or "Proxy" in command]
    assert fill("`{by_hand}`", values(hostile, "", {}), "") == "`BY_HAND`"


@pytest.mark.parametrize("value", ["-starttls smtp; id", "-p 53 x", "x", "--tls-on-connect -x"])
def test_an_option_is_one_of_ours_whoever_names_it(value: str) -> None:
    for name in ("starttls", "swaks_tls", "nameserver_port"):
        assert fill(f"`x {{{name}}}`", {name: value}, "") == f"`x {name.upper()}`"


def test_what_decides_is_told_with_the_server_and_not_with_what_another_cause_saw() -> None:
    one = report("mail.acme.test:587")
    words = Words("en", one)
    found = Diagnosis(
        stage=Stage.TLS, code="x", subject="", confidence=Confidence.CERTAIN, seen={"endpoint": "elsewhere.test:1"}
    )
    decided = words.decided_by(found, Alternative("tls-server-too-old", Confidence.LIKELY))
    assert "-connect mail.acme.test:587 -starttls smtp" in decided


# Without a report


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("code", advice.codes())
def test_a_code_is_explained_with_examples_for_every_value(code: str, lang: str) -> None:
    texts = advice.example(code, lang).texts
    assert not [text for text in texts if re.search(r"(?<!\$)\{[a-z_]+\}", text)]
    plain = advice.entry(code, lang)
    assert plain
    for before, after in zip(plain.texts, texts, strict=True):
        spans = zip(before.split("`")[1::2], after.split("`")[1::2], strict=True)
        emptied = [name for b, a in spans for name in advice.placeholders(b) if name.upper() in a.split()]
        assert emptied == [], "an example that a shell would read"
        assert advice.placeholders(before) <= {*STANDARD, *SEEN, *REPLY, "subject"}


def test_a_reply_is_quoted_in_the_words_by_which_its_cause_is_known() -> None:
    assert reply("qq-password-not-authcode")["code"] == 535
    assert "authorization code" in str(reply("qq-password-not-authcode")["text"])
    assert reply("auth-refused") == {"code": 535, "text": "5.7.8 Authentication failed", "enhanced": "5.7.8"}
    assert str(reply("auth-temporary")["code"]).startswith("4")


def test_where_only_a_host_is_known_the_commands_name_it() -> None:
    assert about("mail.acme.test")["endpoint"] == "mail.acme.test:587"
    assert about("mail.acme.test").keys() <= STANDARD.keys()
