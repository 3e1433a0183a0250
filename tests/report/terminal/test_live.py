"""Does the progress say where each endpoint is, and nothing that is not known yet?"""

from dataclasses import replace

import pytest

from smtpcheck import advice, core
from smtpcheck.contract import Glimpse
from smtpcheck.core import PATHS, Kind, Mode, Severity, Stage, Step, Subject
from smtpcheck.probes.port import PortFacts
from smtpcheck.report.terminal.lines import printed
from smtpcheck.report.terminal.live import MAX_LINES, OVERDUE, Progress
from smtpcheck.route import AddressFacts, Candidate, MxFacts, SubmissionFacts
from smtpcheck.wire.dns import Answer, Mx
from tests.report import samples
from tests.report.samples import ASIDE, HERE, NAME
from tests.report.terminal.test_screen import harmless, width_of

spoken = pytest.mark.parametrize("lang", advice.LANGUAGES)
WAY = [stage for stage in PATHS[Mode.STARTTLS] if stage is not Stage.DNS]


def names(*addresses: str) -> tuple[core.Result, ...]:
    six = tuple(address for address in addresses if ":" in address)
    four = tuple(address for address in addresses if ":" not in address)
    way = SubmissionFacts(domain="example.test", source="guess", candidates=(Candidate(NAME, 587, Mode.STARTTLS),))
    found = AddressFacts(
        host=NAME, a=Answer(name=NAME, type="A", addresses=four), aaaa=Answer(name=NAME, type="AAAA", addresses=six)
    )
    return (
        samples.result("submission", Subject("example.test"), outcome=way),
        samples.result("address", Subject(NAME), outcome=found),
    )


def walked(subject: Subject, upto: Stage, broke: Kind | None = None) -> core.Conversation:
    stages = WAY[: WAY.index(upto) + 1]
    steps = tuple(Step(stage, 0.0, 0.1, broke if stage is upto else None) for stage in stages)
    return core.Conversation(subject=subject, started=samples.AT, steps=steps, events=())


def frame(glimpse: Glimpse, now: float = 0.5, *, progress: Progress | None = None, **knobs) -> list[str]:
    progress = progress or Progress(samples.target(), **knobs)
    return printed(progress.frame(glimpse, now), False).split("\n")


def test_before_anything_is_known_the_name_is_looked_up():
    head, way = frame(Glimpse((), (), ((Subject("example.test"), Stage.DNS),)))
    assert head == "checking me@example.test  0 s"
    assert way == "DNS ⠴"


def test_each_stage_has_its_sign_and_the_one_awaited_its_seconds():
    progress = Progress(samples.target())
    glimpse = Glimpse(names("127.0.0.1"), (walked(HERE, Stage.CONNECT),), ((HERE, Stage.GREETING),))
    frame(glimpse, 1.0, progress=progress)
    _, way, hint = frame(glimpse, 4.0, progress=progress)
    assert way == "DNS ✓  connect ✓  greeting ⠋ 3 s  TLS ·  cert ·  login ·"
    assert "Ctrl-C" in hint


def test_an_in_between_step_shows_while_it_is_awaited():
    glimpse = Glimpse(names("127.0.0.1"), (walked(HERE, Stage.EHLO),), ((HERE, Stage.STARTTLS),))
    assert "greeting ✓  STARTTLS ⠴  TLS ·" in frame(glimpse)[1]


def test_the_wait_for_one_stage_does_not_count_for_the_next():
    progress = Progress(samples.target())
    frame(Glimpse(names("127.0.0.1"), (), ((HERE, Stage.CONNECT),)), 0.0, progress=progress)
    later = Glimpse(names("127.0.0.1"), (walked(HERE, Stage.CONNECT),), ((HERE, Stage.GREETING),))
    assert "greeting ⠋  TLS" in frame(later, 9.0, progress=progress)[1]


def test_a_certificate_is_good_when_it_was_judged_and_not_before():
    talk = walked(HERE, Stage.CERTIFICATE)
    before = Glimpse(names("127.0.0.1"), (talk,), ((HERE, Stage.AUTH),))
    assert "TLS ✓  cert ·  login ⠴" in frame(before)[1]
    good = samples.result("chain", HERE)
    assert "TLS ✓  cert ✓" in frame(Glimpse((*names("127.0.0.1"), good), (talk,), ()))[1]
    flaw = samples.finding("certificate-expired", Stage.CERTIFICATE, Severity.FAIL, HERE)
    bad = samples.result("chain", HERE, flaw)
    assert "TLS ✓  cert ✗  login ·" in frame(Glimpse((*names("127.0.0.1"), bad), (talk,), ()))[1]


def test_what_broke_is_broken_and_what_we_stopped_is_not_known():
    broken = Glimpse(names("127.0.0.1"), (walked(HERE, Stage.TLS, Kind.ALERT),), ())
    assert "TLS ✗  cert ·" in frame(broken)[1]
    stopped = Glimpse(names("127.0.0.1"), (walked(HERE, Stage.TLS, Kind.DEADLINE),), ())
    assert "TLS ?  cert ·" in frame(stopped)[1]


def test_the_wait_for_the_mailbox_is_one_of_the_way():
    aim = samples.target(send=True, recipients=("me@example.test",), sender="me@example.test")
    progress, mailbox = Progress(aim), Subject("imap.example.test", "", 993)
    glimpse = Glimpse(names("127.0.0.1"), (walked(HERE, Stage.DATA),), ((mailbox, Stage.DELIVERY),))
    frame(glimpse, 0.0, progress=progress)
    assert "data ✓ delivery ⠋ 40 s" in " ".join(" ".join(frame(glimpse, 40.0, progress=progress)).split())


def test_several_endpoints_have_a_line_each_and_the_login_is_the_elected_ones():
    port = PortFacts(broke=None, seconds=0.1)
    up = [samples.result("port", subject, outcome=port) for subject in (ASIDE, HERE)]
    talks = (walked(ASIDE, Stage.CONNECT), walked(HERE, Stage.TLS))
    glimpse = Glimpse((*names("127.0.0.1", "::1"), *up), talks, ((ASIDE, Stage.GREETING), (HERE, Stage.CERTIFICATE)))
    _, shared, first, second = frame(glimpse)
    assert shared == "DNS ✓"
    assert first.startswith("[::1]:587      connect ✓  greeting ⠴  TLS ·  cert ·")
    assert second.startswith("127.0.0.1:587  connect ✓  greeting ✓  TLS ✓")
    assert ["login" in line for line in (first, second)].count(True) <= 1


def test_ports_of_one_address_are_told_by_their_numbers():
    aim = samples.target(kind=core.TargetKind.HOST, name=NAME, spec=NAME)
    lines = frame(Glimpse(names("127.0.0.1"), (), ()), progress=Progress(aim))
    assert [line.split("  ")[0].strip() for line in lines[2:]] == ["465", "587", "2525", "25"]


def test_more_endpoints_than_are_usual_are_counted():
    many = [f"127.0.0.{number}" for number in range(1, 20)]
    progress = Progress(samples.target(all_addresses=True))
    lines = frame(Glimpse(names(*many), (), ()), progress=progress)
    assert len([line for line in lines if line.startswith("127.0.0.")]) == MAX_LINES
    assert "and 11 more" in lines[-1]


@spoken
def test_every_line_fits_and_nothing_in_it_moves_the_cursor(lang):
    evil = samples.target(spec=samples.HOSTILE + samples.ENDLESS)
    where = replace(HERE, name=samples.HOSTILE + samples.ENDLESS)
    waiting = ((where, Stage.DNS), (HERE, Stage.GREETING), (replace(where, address=""), Stage.CLOCK))
    for width in (40, 80):
        progress = Progress(evil, lang, width)
        glimpse = Glimpse(names("127.0.0.1", "::1"), (walked(HERE, Stage.CONNECT),), waiting)
        frame(glimpse, 0.0, progress=progress)
        lines = frame(glimpse, 60.0, progress=progress)
        assert max(map(width_of, lines)) <= width
        assert all(map(harmless, lines))
        assert all(map(harmless, progress.overdue(glimpse, 61.0)))


def test_without_unicode_the_signs_are_ascii():
    glimpse = Glimpse(names("127.0.0.1"), (walked(HERE, Stage.CONNECT),), ((HERE, Stage.GREETING),))
    assert "\n".join(frame(glimpse, unicode=False)).isascii()


@spoken
def test_a_long_wait_is_told_once(lang):
    progress = Progress(samples.target(), lang)
    glimpse = Glimpse((), (), ((HERE, Stage.GREETING),))
    assert list(progress.overdue(glimpse, 0.0)) == []
    (line,) = progress.overdue(glimpse, OVERDUE)
    assert advice.ui(lang)["stage.greeting"] in line
    assert str(HERE) in line
    assert list(progress.overdue(glimpse, OVERDUE + 1)) == []


def test_to_an_exchanger_nobody_logs_in():
    exchange = samples.target(kind=core.TargetKind.MX, name="example.test", spec="mx:example.test", secret="env:X")
    mx = Answer(name="example.test", type="MX", mx=(Mx(10, NAME),))
    known = samples.result("mx", Subject("example.test"), outcome=MxFacts(domain="example.test", mx=mx))
    glimpse = Glimpse((known, *names("127.0.0.1")), (), ((replace(HERE, port=25), Stage.AUTH),))
    way = frame(glimpse, progress=Progress(exchange))[1]
    assert "connect ·" in way
    assert "login" not in way
