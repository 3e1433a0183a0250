"""Is a comparison told in words that a person in a hurry understands, and as JSON that a program does?"""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from smtpcheck import advice, core
from smtpcheck.core import Stage, Verdict
from smtpcheck.report.compared import changes, differences
from smtpcheck.report.compared.aspects import Trait
from smtpcheck.report.compared.changes import Change, compare
from tests.report import samples
from tests.report.terminal.test_screen import harmless, width_of

LANGUAGES = advice.LANGUAGES
spoken = pytest.mark.parametrize("lang", LANGUAGES)
CODES = {key.removeprefix("trait.") for key in advice.ui("en") if key.startswith("trait.")} - {"open"}


def later(report: core.Report, **changed: object) -> core.Report:
    return replace(report, started=report.started + timedelta(days=3), **changed)


def lines(old: core.Report, new: core.Report, **knobs: object) -> list[str]:
    return differences.render(compare(old, new), **knobs).split("\n")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("healthy", "refused", "✗ worked then, broken now   me@example.test"),
        ("refused", "healthy", "✓ broken then, works now   me@example.test"),
        ("healthy", "healthy", "✓ works as before   me@example.test"),
        ("refused", "refused", "✗ broken as before   me@example.test"),
        ("refused", "expired", "✗ broken in another way than before   me@example.test"),
        ("healthy", "unfinished", "? healthy then, could not tell now   me@example.test"),
        ("unfinished", "refused", "✗ could not tell then, broken now   me@example.test"),
    ],
)
def test_the_first_line_says_how_it_went_then_and_now(old, new, said):
    assert lines(samples.ALL[old], later(samples.ALL[new]))[0] == said
    assert lines(samples.ALL[old], later(samples.ALL[new]), quiet=True) == [said]


def test_then_and_now_are_told_with_their_causes():
    text = "\n".join(lines(samples.healthy(), later(samples.refused()), width=200))
    assert "Then: 2026-02-03 04:05 UTC, healthy up to login" in text
    assert "Now: 2026-02-06 04:05 UTC (3 days apart), the server rejects user name or password" in text


def test_a_new_break_that_nothing_explains_is_said_to_be_that():
    text = "\n".join(lines(samples.healthy(), later(samples.refused()), width=200))
    assert "No difference between the reports explains it" in text
    assert "Nothing that counts" not in text


def test_nothing_changed_is_said():
    assert "  Nothing that counts has changed" in lines(samples.healthy(), later(samples.healthy()))


def test_what_may_explain_it_stands_before_what_else_changed():
    new = later(samples.refused(), contacts=(core.Contact("resolver", "192.0.2.9:53"),))
    new = replace(new, target=replace(new.target, user="other@example.test"))
    text = "\n".join(lines(samples.healthy(), new, width=200))
    parts = ["May explain it", "option --user: is other@example.test now", "Changed", "DNS resolver: no longer 127.0"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


@spoken
def test_the_rule_for_noise_is_said(lang):
    text = "".join(lines(samples.healthy(), later(samples.healthy()), lang=lang))
    assert f"{changes.LATER:.1f}" in text
    assert f"{changes.CLOCK_MOVED:.0f} " in text


@spoken
@pytest.mark.parametrize("code", sorted(CODES))
def test_every_trait_is_told_in_words_of_the_language(code, lang):
    ui = advice.ui(lang)
    about = "tls" if code == "latency" else "smtp.example.test"
    both, gone, come = (("one",), ("other",)), (("one",), ()), ((), ("other",))
    ways = {"latency": [both], "clock": [both], "port": [both], "expired-since": [come]}
    for lost, gained in ways.get(code, [both, gone, come]):
        text = differences.sentence(Change(code, Stage.TLS, about, lost, gained), ui)
        assert "{" not in text
        assert not text.endswith((" ", "：", ":"))
        assert code in ("secret", "starttls") or all(value in text for value in (*lost, *gained))


def test_every_trait_of_a_report_has_its_name():
    assert {key for key in changes._BEARS_ON if not key.startswith("--")} <= CODES
    assert set(changes._RANK) - changes.OUTCOMES <= CODES
    assert changes.SETS <= CODES


@spoken
@pytest.mark.parametrize("width", [40, 80])
def test_words_of_a_stranger_stay_words(lang, width):
    evil = (samples.HOSTILE + samples.ENDLESS,)
    comparison = compare(samples.healthy(), later(samples.hostile(), target=samples.target()))
    worst = tuple(Change(code, Stage.TLS, "tls", evil * 20, evil * 20, explains=True) for code in sorted(CODES))
    told = replace(comparison, changes=worst)
    text = differences.render(told, lang=lang, width=width)
    assert harmless(text)
    assert max(map(width_of, text.split("\n")[1:])) <= width
    assert "\x1b" not in differences.render_json([told], lang=lang)


def test_a_value_with_braces_is_no_placeholder():
    change = Change("banner", Stage.GREETING, "", ("{gained}",), ("{name}",))
    assert differences.sentence(change, advice.ui("en")) == "greeting: was {gained}, is now {name}"


def test_json_says_the_same_to_programs():
    new = later(samples.refused(), contacts=(core.Contact("resolver", "192.0.2.9:53"),))
    document = json.loads(differences.render_json([compare(samples.healthy(), new)]))
    (one,) = document["comparisons"]
    assert (document["schema"], one["target"], one["changed"]) == (1, "me@example.test", True)
    assert one["old"]["verdict"] == Verdict.HEALTHY
    assert one["new"]["diagnosis"] == "auth-credentials-refused"
    by_code = {change["code"]: change for change in one["changes"]}
    assert by_code["resolver"] == {
        "code": "resolver",
        "stage": "dns",
        "about": "",
        "old": ["127.0.0.1:53"],
        "new": ["192.0.2.9:53"],
        "explains": False,
        "counts": True,
        "text": "DNS resolver: no longer 127.0.0.1:53; new 192.0.2.9:53",
    }
    assert by_code["verdict"]["new"] == ["broken"]


def test_without_colour_there_is_no_escape_and_with_it_there_is():
    comparison = compare(samples.healthy(), later(samples.refused()))
    assert "\x1b" not in differences.render(comparison)
    assert "\x1b[" in differences.render(comparison, color=True)


def test_a_trait_is_compared_by_its_code_and_what_it_is_about():
    assert Trait("port", Stage.CONNECT, ("open",), "a:1").key == ("port", "a:1")
