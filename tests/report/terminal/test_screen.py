"""Does a person see the verdict, the way and the cure on one screen, whatever the server said?"""

import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcheck import advice, core
from smtpcheck.core import Kind, Mode, Stage, Status, Subject, Verdict
from smtpcheck.lab import Lab
from smtpcheck.report import escape, outline
from smtpcheck.report.terminal import lines, screen
from smtpcheck.run import run
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target
from tests.report import samples
from tests.report.samples import ALL, HERE, REFUSED

LANGUAGES = advice.LANGUAGES
SIGNS = {Verdict.HEALTHY: "✓", Verdict.BROKEN: "✗", Verdict.INCONCLUSIVE: "?", Verdict.BUG: "#"}
every = pytest.mark.parametrize("name", ALL)
spoken = pytest.mark.parametrize("lang", LANGUAGES)


def shown(name: str, **knobs) -> list[str]:
    return screen.render(ALL[name], **knobs).split("\n")


def width_of(line: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


# What stands where


@every
@spoken
@pytest.mark.parametrize("knobs", [{}, {"quiet": True}, {"verbose": True}])
def test_the_verdict_is_the_first_line_and_names_the_target(name, lang, knobs):
    report = ALL[name]
    first = shown(name, lang=lang, **knobs)[0]
    assert first.startswith(f"{SIGNS[report.verdict]} ")
    assert escape.visible(report.target.spec)[:15] in first


def test_a_refused_login_reads_from_the_verdict_to_the_steps():
    text = screen.render(samples.refused())
    said = "the server said: 535 5.7.8 Error: [bold]authentication[/bold] failed [x]"
    parts = ["✗ broken", "login ✗", "Cause (certain): ", str(HERE), said, "What to do", " 1. ", " 2. ", "Not tested: "]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "If that does not help: " in text
    assert re.search(r"0\.25 s.*1", text.split("\n")[-1])


def test_the_same_in_chinese():
    text = screen.render(samples.refused(), lang="zh-CN")
    parts = ["✗ 有故障", "登录 ✗", "确定", "服务器说：535 5.7.8 Error", "怎么办", " 1. "]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


@spoken
def test_it_is_clear_who_said_what(lang):
    for who in core.Who:
        base = samples.refused()
        evidence = core.Evidence(who, samples.AT, Stage.AUTH, b"raw words", "auth-refused")
        text = screen.render(replace(base, diagnoses=(replace(base.diagnoses[0], evidence=(evidence,)),)), lang=lang)
        (line,) = (line for line in text.split("\n") if "raw words" in line)
        assert line.strip().startswith(advice.ui(lang)[f"who.{who}"])


def test_evidence_without_bytes_is_told_in_words():
    base = samples.possible()
    text = screen.render(replace(base, diagnoses=base.diagnoses[1:]))
    assert text.count("clock is 7 min ahead") == 1
    assert "smtpcheck saw: clock-ahead" in text


def test_alternatives_come_with_what_decides():
    text = screen.render(samples.possible(), width=400)
    assert "Cause (possible): " in text
    after = text[text.index("Could also be") :]
    assert after.index("(likely)") < after.index("Decided by: ") < after.index("QQ Mail")
    assert after.count("Decided by: ") == 2
    assert "Broken as well: this machine's clock is 7 min ahead" in after


def test_what_is_healthy_says_how_far_and_what_was_left_out():
    first, *rest = shown("healthy")
    assert first == "✓ healthy up to login; delivery not tested   me@example.test"
    assert "  Not tested: sender, recipient, message, delivery" in rest
    assert "no password" in screen.render(ALL["no-password"])
    assert "login, delivery not tested" in shown("no-password")[0]


def test_what_is_not_known_says_why():
    text = screen.render(ALL["unfinished"])
    assert "Stopped before everything was known" in text
    assert "- TLS handshake: time was up before this was known (not waited for any longer)" in text
    assert text.count("time was up") == 1


def test_a_bug_is_ours_and_says_where():
    text = screen.render(ALL["bug"], width=200)
    assert "this says nothing about the server" in text
    assert "(chain.py:12:observe ValueError: not a number)" in text


def test_a_failure_beside_a_known_verdict_is_told():
    silent = core.Failure(Kind.SILENT, Stage.CLOCK, "")
    report = samples.report(samples.walk(clock=samples.result("clock", Subject("ntp.test"), outcome=silent)))
    assert "? clock: nobody answered, so this is not known" in screen.render(report)


def test_remarks_are_one_line_each_the_same_one_once():
    text = screen.render(samples.expired(), width=200)
    assert text.count("greets very late") == 1
    assert "(x3)" in text
    assert "expired" in text
    assert "i greeting: " in text


def test_more_remarks_than_there_is_room_for_are_counted():
    codes = [
        "connect-refused",
        "connect-reset",
        "greeting-delayed-tarpit",
        "tls-server-too-old",
        "certificate-expires-soon",
        "certificate-wrong-order",
    ]
    found = [samples.finding(code, Stage.TLS, core.Severity.NOTE, HERE) for code in codes]
    report = samples.report(samples.walk(tls=samples.result("tls", HERE, *found)))
    assert "and 2 more (-v)" in screen.render(report)
    assert "more (-v)" not in screen.render(report, verbose=True)


def test_quiet_is_the_verdict_and_the_cause():
    assert shown("healthy", quiet=True) == ["✓ healthy up to login; delivery not tested   me@example.test"]
    verdict, cause = shown("refused", quiet=True)
    assert verdict == "✗ broken   me@example.test"
    assert "535" not in verdict
    assert REFUSED[4:].decode() in cause
    assert len(shown("unfinished", quiet=True)) == 2


def test_verbose_shows_every_result_and_the_transcript_as_recorded():
    text = screen.render(ALL["expired"], verbose=True, width=120)
    for result in ALL["expired"].results:
        assert f"{result.probe}  {result.subject}  " in text
    assert "auth  smtp.example.test[127.0.0.1]:587/starttls  not reached, 0.012 s" in text
    assert "certificate-expired: " in text
    assert "0.000 == connected" in text
    assert "0.125 -> AUTH PLAIN <secret>" in text
    assert f"0.250 <- {REFUSED.decode()}" in text
    assert "DNS resolver: 127.0.0.1:53" in text
    assert "EHLO ✓" in text


def test_a_transcript_without_end_is_cut_and_counted():
    report = replace(samples.refused(), conversations=(samples.talk(*[b"250 on and on"] * 2000),))
    text = screen.render(report, verbose=True)
    assert text.count("on and on") == screen.MAX_EVENTS - 2
    assert "and 1502 more" in text


# The way


def statuses(report: core.Report, *, full: bool = False) -> dict[Stage, Status]:
    return {leg.stage: leg.status for leg in outline.legs(report, full=full)}


def test_the_way_shows_what_broke_and_what_was_not_reached():
    way = statuses(samples.expired())
    assert way == {
        Stage.DNS: Status.OK,
        Stage.CONNECT: Status.OK,
        Stage.GREETING: Status.NOTE,
        Stage.TLS: Status.OK,
        Stage.CERTIFICATE: Status.FAIL,
        Stage.AUTH: Status.BLOCKED,
        Stage.CLOCK: Status.OK,
    }


def test_steps_in_between_show_where_they_broke():
    broken = samples.finding("tls-starttls-rejected", Stage.STARTTLS, core.Severity.FAIL, HERE)
    way = statuses(samples.report(samples.walk(tls=samples.result("tls", HERE, broken)), verdict=Verdict.BROKEN))
    assert Stage.EHLO not in way
    assert (way[Stage.STARTTLS], way[Stage.TLS]) == (Status.FAIL, Status.BLOCKED)


def test_the_order_is_the_one_walked():
    implicit = Subject(samples.NAME, "127.0.0.1", 465, Mode.IMPLICIT)
    way = list(statuses(samples.report(samples.walk(implicit)), full=True))
    assert way.index(Stage.CERTIFICATE) < way.index(Stage.GREETING)
    assert Stage.STARTTLS not in way


def test_a_name_that_does_not_resolve_blocks_all_else():
    name = Subject(samples.NAME)
    broken = samples.finding("dns-nxdomain", Stage.DNS, core.Severity.FAIL, name)
    report = samples.report((samples.result("address", name, broken),), verdict=Verdict.BROKEN)
    (first, *others) = statuses(report).values()
    assert first is Status.FAIL
    assert set(others) == {Status.BLOCKED}


def test_an_unfinished_stage_is_neither_good_nor_bad():
    way = statuses(samples.unfinished(), full=True)
    assert way[Stage.STARTTLS] is Status.OK
    assert way[Stage.TLS] is Status.INCONCLUSIVE
    assert way[Stage.CERTIFICATE] is Status.BLOCKED


def test_a_broken_endpoint_aside_leaves_the_way_as_it_is():
    aside = samples.ASIDE
    dead = samples.result("port", aside, samples.finding("connect-refused", Stage.CONNECT, core.Severity.NOTE, aside))
    assert set(statuses(samples.report(samples.walk(aside=dead))).values()) == {Status.OK}


@pytest.mark.parametrize("unicode", [True, False])
def test_what_differs_in_meaning_differs_without_colour(unicode):
    sheet = lines.Sheet(advice.Words("en"), unicode=unicode)
    signs = {sheet.symbol(status) for status in Status if status is not Status.NOTE}
    assert len(signs) == len(Status) - 1
    assert sheet.symbol(Status.NOTE) == sheet.symbol(Status.OK)
    assert unicode or all(sign.isascii() for sign in signs)


@pytest.mark.parametrize("name", ["healthy", "no-password", "refused", "expired", "unfinished", "bug", "empty"])
def test_without_unicode_our_own_signs_are_ascii(name):
    assert screen.render(ALL[name], unicode=False, verbose=True).isascii()


# The screen


@every
@spoken
def test_it_fits_a_screen_of_80_by_24_with_the_prompt_below(name, lang):
    text = shown(name, lang=lang)
    assert len(text) <= 23
    assert max(map(width_of, text)) <= 80


@every
@spoken
@pytest.mark.parametrize("width", [40, 57, 80, 132])
def test_no_line_is_wider_than_the_terminal(name, lang, width):
    for line in shown(name, lang=lang, width=width, verbose=True)[1:]:
        assert width_of(line) <= width, line
        assert line == line.rstrip()


@every
@spoken
def test_without_colour_there_is_no_escape(name, lang):
    text = screen.render(ALL[name], lang=lang, verbose=True)
    assert "\x1b" not in text


@every
def test_colour_changes_nothing_but_colour(name):
    text = screen.render(ALL[name], color=True, verbose=True)
    assert "\x1b[" in text
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == screen.render(ALL[name], verbose=True)


def test_the_environment_changes_nothing(monkeypatch):
    plain, coloured = (screen.render(ALL["expired"], color=color) for color in (False, True))
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "20", "TERM": "dumb", "TTY_COMPATIBLE": "1"}.items():
        monkeypatch.setenv(name, value)
    assert screen.render(ALL["expired"]) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert screen.render(ALL["expired"], color=True) == coloured


def test_wrapped_lines_keep_words_whole_and_chinese_marks_in_place():
    assert lines.wrapped("one two three", 8, 8) == ["one two", "three"]
    assert lines.wrapped("不要这样写，请改。", 10, 10) == ["不要这样", "写，请改。"]
    assert lines.wrapped("请打开（设置）再试", 9, 20) == ["请打开", "（设置）再试"]
    assert lines.wrapped("a" * 20, 8, 12) == ["a" * 8, "a" * 12]
    assert lines.wrapped("run `a b c d` now", 9, 9) == ["run", "`a b c d`", "now"]
    assert lines.wrapped("https://example.test/page", 20, 20) == ["https://example.", "test/page"]
    assert lines.wrapped("", 9, 9) == [""]


@given(st.text(st.characters(exclude_categories=["C", "Z", "M"]) | st.just(" "), max_size=200), st.integers(8, 40))
def test_wrapping_loses_nothing_but_blanks(text, width):
    found = lines.wrapped(text, width, width)
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert all(lines.cells(line) <= width for line in found)


# Strangers


def harmless(text: str) -> bool:
    return all(char.isprintable() or char in "\n\u3000" for char in text)


@spoken
@pytest.mark.parametrize("knobs", [{}, {"quiet": True}, {"verbose": True}, {"width": 40}])
def test_a_hostile_server_moves_nothing_on_the_screen(lang, knobs):
    text = screen.render(ALL["hostile"], lang=lang, **knobs)
    assert harmless(text)
    flat = re.sub(r"\n *", "", text)
    assert "\\x1b[2J" in flat
    assert not any(line.startswith("fake") for line in text.split("\n"))


def test_a_hostile_line_is_shown_for_what_it_is():
    text = re.sub(r"\n *", " ", screen.render(ALL["hostile"], verbose=True, width=400))
    for piece in (r"\x1b[2J\x1b]0;own\x07", r"\x9b31m", r"\u202eevil\u2066", r"zero\u200bwidth\ufeff", r"\x00"):
        assert piece in text
    assert "[bold red]x[/]" in text
    assert "<script>alert(1)</script>\\x0d\\x0afake" in text


def test_lines_without_end_are_cut_and_say_so():
    text = screen.render(ALL["hostile"], verbose=True)
    assert "A" * 3000 not in text.replace("\n", "").replace(" ", "")
    assert re.search(r"\.\.\.\(\+\d{4,}\)", text)
    assert len(text) < 60_000


@given(st.text() | st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Cs", "Mn"])), st.integers(1, 60))
def test_any_text_becomes_one_bounded_harmless_line(text, limit):
    shown = escape.visible(text, limit)
    assert harmless(shown)
    assert "\n" not in shown
    assert len(shown) <= limit + 24
    assert escape.visible(shown, 10_000) == shown


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"250 ok\r\n", "250 ok"),
        (b"a\r\nb", r"a\x0d\x0ab"),
        ("登录失败".encode("gb18030"), "登录失败"),
        (b"\xe9t\xe9", "été"),
        ("a\u202eb\u2069\u200b\x85".encode(), r"a\u202eb\u2069\u200b\x85"),
        ("\U000e0041".encode(), r"\U000e0041"),
        ("x\u3164y\u2800z".encode(), r"x\u3164y\u2800z"),
        (("e" + "\u0301" * 5).encode(), "e\u0301\u0301\u0301\\u0301\\u0301"),
        (b"[/bold] [link=x] :smile:", "[/bold] [link=x] :smile:"),
        (b"A" * 410, "A" * 410),
        (b"A" * 500, "A" * 400 + "...(+100)"),
    ],
)
def test_what_a_peer_said_stays_readable(raw, text):
    assert escape.said(raw) == text


# Reports of real conversations


@pytest.mark.parametrize(
    ("fault", "sign"), [("healthy", "✓"), ("certificate-expired", "✗"), ("auth-echoes-secret", "✗")]
)
async def test_a_practice_account_is_shown_on_one_screen(fault, sign):
    async with Lab() as lab:
        practice = await lab.start(fault)
        target = parse_target(practice.target, secret="env:SMTPCHECK_PASSWORD", **practice.options)
        report = await run(target, secret=Secret(practice.password))
    for lang in LANGUAGES:
        text = screen.render(report, lang=lang)
        assert text.startswith(sign)
        assert text.count("\n") < 23
        assert practice.password not in screen.render(report, lang=lang, verbose=True)


@spoken
def test_a_code_explains_itself(lang):
    entry = advice.entry("certificate-expired", lang)
    text = screen.explanation(entry, lang=lang, width=60)
    assert text.startswith("certificate-expired\n")
    assert all(f"\n   {number}. " in text for number in range(1, len(entry.steps) + 1))
    assert max(map(width_of, text.split("\n"))) <= 60
