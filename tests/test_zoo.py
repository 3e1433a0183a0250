"""Does every misbehaving server end in time, within few octets, and with its name or an honest "could not tell"?"""

from __future__ import annotations

import asyncio
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from smtpcheck.advice import Words
from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.conversation.plan import Limits, Plan
from smtpcheck.core import Confidence, Diagnosis, Direction, Failure, Kind, Mode, Report, Stage, Subject, Verdict, Who
from smtpcheck.lab import Lab, Practice
from smtpcheck.messages.compose import Composed
from smtpcheck.net.door import Door
from smtpcheck.net.failures import Broken
from smtpcheck.probes import classes
from smtpcheck.probes.greeting import Greeting, GreetingFacts
from smtpcheck.report.saved import json
from smtpcheck.report.terminal import screen
from smtpcheck.run import run
from smtpcheck.run.prepare import load_roots
from smtpcheck.target.credentials import Secret
from smtpcheck.wire.smtp import MAX_LINE, Reply, disguised, parse_capabilities
from tests.checking import SHORT, aim, assert_lossless

# Octets: a reply of 64 KiB at its bound, the read that goes past it, and certificates.
MOST_READ = 100_000
MOST_WRITTEN = 8192
MOST_REPORT = 400_000
# Seconds: the longest limit of SHORT, another for the experiment beside it, and a busy machine.
AT_ONCE = 6


class Metered(socket.socket):
    """A socket that counts its octets."""

    read = 0
    written = 0

    def recv(self, *args: Any) -> bytes:
        data = super().recv(*args)
        self.read += len(data)
        return data

    def send(self, *args: Any) -> int:
        count = super().send(*args)
        self.written += count
        return count


class Meter:
    """A dialer whose sockets count."""

    def __init__(self) -> None:
        self.sockets: list[Metered] = []
        self.dialled: list[int] = []
        """Ports, one a connection; TCP to a resolver is among them."""

    async def connect(self, address: str, port: int) -> socket.socket:
        sock = Metered(socket.AF_INET, socket.SOCK_STREAM)
        self.sockets.append(sock)
        self.dialled.append(port)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock


@dataclass(frozen=True, slots=True)
class Seen:
    """A finished check, and what it cost."""

    report: Report
    seconds: float
    read: int
    """Octets on the costliest connection."""
    written: int

    @property
    def diagnosis(self) -> Diagnosis:
        assert self.report.diagnosis
        return self.report.diagnosis


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the zoo: a fault, with another script or options where the row has none, and its name."""

    fault: str
    code: str = ""
    """Empty: healthy."""
    script: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    confidence: str = "certain"
    findings: str = ""
    """What is noted besides."""
    read: int = MOST_READ

    @property
    def label(self) -> str:
        return f"{self.fault}: {dict(self.script)}"[:120]


# nobody tells who cut the line, or whether a greeting would have come later
SURE = {
    "greeting-never": "likely",
    **dict.fromkeys(
        ("greeting-silent", "greeting-closed", "greeting-reset", "starttls-refused", "tls-reset"), "possible"
    ),
}


def scripted(code: str, **script: Any) -> Member:
    return Member("healthy-scripted", code, script, confidence=SURE.get(code, "certain"))


def enveloped(code: str, **script: Any) -> Member:
    options = {"sender": "me@lab.test", "recipients": ("you@lab.test",)}
    return Member("healthy-scripted", code, script, options, confidence=SURE.get(code, "certain"))


async def kept(lab: Lab, member: Member, limits: Limits = SHORT) -> Seen:
    """Check a member, and hold it to every bound that is the same for all."""
    overrides = {"script": dict(member.script)} if member.script else {}
    practice = await lab.start(member.fault, **overrides)
    target, meter = aim(practice, **member.options), Meter()
    began = time.monotonic()
    report = await run(target, secret=Secret(practice.password), limits=limits, dialer=meter)
    seen = Seen(
        report,
        time.monotonic() - began,
        max((each.read for each in meter.sockets), default=0),
        max((each.written for each in meter.sockets), default=0),
    )
    assert report.complete, member.label
    assert [result for result in report.results if result.status == "bug"] == [], member.label
    assert seen.read <= member.read, member.label
    assert seen.written <= MOST_WRITTEN, member.label
    assert len([where for where in meter.dialled if where == practice.port]) <= 1 + 3, member.label
    written_down = json.render(report, words=Words("en"), catalog=json.catalog(classes()))
    assert len(written_down) <= MOST_REPORT, member.label
    assert practice.password not in written_down
    assert_lossless(report)
    return seen


async def together(work: Sequence[Awaitable[Seen]]) -> list[Seen]:
    """All of it, a few at once: most of the time is waited for."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(each: Awaitable[Seen]) -> Seen:
        async with room:
            return await each

    return await asyncio.gather(*map(one, work))


async def checked_all(members: Sequence[Member]) -> list[Seen]:
    async with Lab() as lab:
        all_seen = await together([kept(lab, member) for member in members])
    for member, seen in zip(members, all_seen, strict=True):
        named(member, seen)
    return all_seen


def named(member: Member, seen: Seen) -> None:
    codes = {finding.code for finding in seen.report.findings}
    assert set(member.findings.split()) <= codes, (member.label, codes)
    if not member.code:
        assert (seen.report.verdict, seen.report.diagnoses) == (Verdict.HEALTHY, ()), member.label
        return
    assert seen.report.verdict is Verdict.BROKEN, member.label
    assert (seen.diagnosis.code, seen.diagnosis.confidence) == (member.code, member.confidence), member.label
    shown = screen.render(seen.report, verbose=True)
    assert shown.replace("\n", "").isprintable(), member.label
    assert len(shown) < MOST_REPORT, member.label


# What is said

FLOOD = 1_000_000


def line(code: str, text: str = "and some words to make it longer, and some more") -> dict[str, Any]:
    """A line of a reply without end."""
    return {"text": f"{code}-{text}\r\n", "times": FLOOD}


ENDLESS = [
    Member("greeting-endless", "greeting-unreadable"),
    Member("ehlo-endless", "ehlo-garbage"),
    scripted("starttls-garbage", replies={"STARTTLS": line("220")}),
    scripted("ehlo-garbage", replies_tls={"EHLO": line("250")}),
    scripted("auth-garbage", auth=line("235")),
    enveloped("sender-cut-off", replies={"MAIL": line("250")}),
    enveloped("recipient-cut-off", replies={"RCPT": line("250")}),
    scripted("", replies={"QUIT": line("221")}),
    # one line without an end, text or not
    scripted("greeting-unreadable", greeting={"text": "220 " + "x" * 60, "times": FLOOD}),
    scripted("greeting-not-smtp", greeting={"text": "\0" * 60, "times": FLOOD}),
    scripted("ehlo-garbage", replies={"EHLO": {"text": "\xff\xfe" * 60, "times": FLOOD}}),
    Member("tls-tickets-endless", "ehlo-garbage", read=1_200_000),
]
# nothing but the stage's limit ends these
DRIPPED = [
    Member("greeting-drip", "greeting-unfinished"),
    Member("ehlo-unfinished", "ehlo-unfinished"),
    scripted("greeting-unfinished", greeting={"text": "220-one more line\r\n", "times": 1000, "pause": 0.2}),
    scripted("ehlo-unfinished", replies={"EHLO": {"text": "250-PIPELINING\r\n", "drip": 0.2, "times": 100}}),
    scripted("starttls-silent", replies={"STARTTLS": {"text": "220 go ahead\r\n", "drip": 0.2}}),
    scripted("ehlo-unfinished", replies_tls={"EHLO": {"text": "250-PIPELINING\r\n", "pause": 0.2, "times": 100}}),
    scripted("auth-silent", auth={"text": "235 2.7.0 welcome\r\n", "drip": 0.3}),
    scripted("", replies={"QUIT": {"text": "221 bye\r\n", "drip": 0.3}}),
]
ODD = [
    Member("greeting-too-long", "greeting-unreadable"),
    Member("greeting-binary", "greeting-not-smtp"),
    Member("greeting-not-smtp", "greeting-not-smtp"),
    Member("greeting-ssh", "greeting-not-smtp"),
    Member("greeting-imap", "greeting-not-smtp"),
    Member("greeting-ftp", "greeting-not-smtp"),
    scripted("greeting-not-smtp", greeting={"text": "\xff\xfd\x18\xff\xfd\x20login: ", "then": "hang"}),
    # a greeting of NNTP, RFC 3977: a positive code, and no refusal
    scripted("greeting-not-smtp", greeting="200 news.lab.test ready, posting allowed\r\n"),
    scripted("greeting-unreadable", greeting="220-{host} ESMTP\r\nwelcome to our server\r\n220 ready\r\n"),
    scripted("ehlo-garbage", replies={"EHLO": "\x00\x90\xff\xc3\x28\r\n"}),
    scripted("starttls-broken", shake="garbage"),
    Member("tls-plain-after", "auth-garbage"),
]
OUT_OF_STEP = [
    Member("greeting-extra-reply", "greeting-extra-reply"),
    Member("ehlo-extra-reply", "ehlo-extra-reply"),
    Member("starttls-injection-response", "starttls-injection-response"),
    scripted("ehlo-extra-reply", replies_tls={"EHLO": "250-{host}\r\n250 AUTH PLAIN\r\n250 2.0.0 Ok\r\n"}),
    # the second greeting comes while EHLO is on its way: 220 is no answer to that, and no refusal either
    scripted("ehlo-garbage", greeting={"text": "220 {host} ESMTP\r\n", "times": 2, "pause": 0.3}, replies={"EHLO": {}}),
    scripted("starttls-garbage", replies={"STARTTLS": "250 2.0.0 Ok\r\n"}),
    scripted("auth-garbage", auth="250 2.0.0 Ok\r\n"),
    # two replies to the login: it worked, and what follows can't be believed any more
    scripted("", auth="235 2.7.0 welcome\r\n250 2.0.0 Ok\r\n"),
    enveloped("sender-cut-off", auth="235 2.7.0 welcome\r\n250 2.0.0 Ok\r\n"),
    enveloped("recipient-cut-off", replies={"MAIL": "250 2.1.0 Ok\r\n250 2.1.0 Ok\r\n"}),
    # a server that shuts down may say so at any time: RFC 5321 section 3.8
    scripted("starttls-refused", replies={"EHLO": "250-{host}\r\n250 STARTTLS\r\n421 4.3.2 going down\r\n"}),
]
SAID_RIGHT = [
    Member("reply-bare-lf", findings="greeting-malformed"),
    Member("reply-split"),
    Member("reply-long-line", findings="greeting-malformed"),
    Member("reply-mixed-codes", findings="greeting-malformed"),
    Member("greeting-gb18030"),
    Member("quit-never-answered"),
    # the longest line that is read, and one octet more
    Member("healthy-scripted", "", {"greeting": "220 " + "x" * (MAX_LINE - 4) + "\r\n"}, findings="greeting-malformed"),
    scripted("greeting-unreadable", greeting="220 " + "x" * (MAX_LINE - 3) + "\r\n"),
    # the last code counts, as in all clients
    scripted("ehlo-rejected", replies={"EHLO": "250-{host}\r\n550 5.7.1 Not here\r\n"}),
    scripted("ehlo-rejected", replies={"EHLO": "550-5.7.1 no\n550 5.7.1 Not here\n"}),
]
HELLO = [
    Member("ehlo-helo-only", "ehlo-helo-only", findings="ehlo-helo-only"),
    Member("ehlo-name-rejected", "ehlo-name-rejected"),
    Member("ehlo-refused", "ehlo-name-rejected"),
    Member("ehlo-refused-after-tls", "ehlo-rejected"),
    Member("auth-gone-after-tls", "auth-only-in-clear"),
    Member("cisco-smtp-fixup", "cisco-smtp-fixup"),
    Member("cisco-smtp-fixup-helo", "cisco-smtp-fixup", findings="ehlo-helo-only"),
    Member("greeting-masked", "starttls-not-offered", confidence="possible"),
    Member("starttls-not-offered", "starttls-not-offered"),
    # HELO helps nobody where it is refused too, not answered, or the line is gone
    *(
        scripted("ehlo-rejected", replies={"EHLO": "500 5.5.1 what?\r\n", "HELO": helo})
        for helo in ("500 5.5.1 what?\r\n", {"then": "hang"}, {"then": "close"}, {"then": "reset"})
    ),
    # the same words at another stage, a paraphrase, and a bare code: not the name
    scripted("greeting-rejected", greeting="504 5.5.2 <localhost>: Helo command rejected: need a name\r\n"),
    scripted("ehlo-rejected", replies={"EHLO": "504 5.5.2 we do not talk to strangers\r\n", "HELO": "504 no\r\n"}),
    scripted("ehlo-rejected", replies={"EHLO": "550 5.7.1 ftp users: this is for mail\r\n"}),
    scripted("ehlo-name-rejected", replies={"EHLO": "450 4.7.1 <x>: Helo command rejected: Host not found\r\n"}),
    scripted("ehlo-name-rejected", replies={"EHLO": "501 Syntactically invalid EHLO argument(s)\r\n"}),
    # stars that no firewall makes, and a keyword that is not STARTTLS overwritten
    scripted("starttls-not-offered", greeting="220 *** mail of lab.test ***\r\n", offers=["XXXX", "XXXXXXXXXX"]),
]


@pytest.mark.parametrize(
    "members",
    [ENDLESS, DRIPPED, ODD, OUT_OF_STEP, SAID_RIGHT, HELLO],
    ids=["endless", "dripped", "odd", "out-of-step", "said-right", "hello"],
)
async def test_replies(members: list[Member]) -> None:
    await checked_all(members)


async def test_a_flood_stays_small_in_memory() -> None:
    async with Lab() as lab:
        await kept(lab, Member("healthy"))
        tracemalloc.start()
        try:
            for member in ENDLESS:
                await kept(lab, member)
            assert tracemalloc.get_traced_memory()[1] < 12_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("fault", ["auth-refused-gb18030", "auth-refused-utf8"])
async def test_chinese_is_shown_as_it_was_meant(fault: str) -> None:
    member = Member(fault, "auth-credentials-refused")
    (seen,) = await checked_all([member])

    assert seen.diagnosis.seen["text"] == "用户名或密码错误"
    assert "用户名或密码错误" in screen.render(seen.report)


async def test_a_chinese_greeting_is_readable() -> None:
    (seen,) = await checked_all([Member("greeting-gb18030")])
    (facts,) = (r.facts for r in seen.report.results if isinstance(r.facts, GreetingFacts))

    assert facts.greeting
    assert facts.greeting.text.endswith("欢迎使用邮件系统")


async def test_what_is_named_is_what_was_said() -> None:
    members = [m for m in ODD if m.code == "greeting-not-smtp"]
    speaks = [seen.diagnosis.seen["speaks"] for seen in await checked_all(members)]

    assert [word for word in speaks if word] == ["http", "ssh", "imap", "ftp", "telnet"]


async def test_the_marks_of_a_firewall_are_shown() -> None:
    (seen,) = await checked_all([Member("cisco-smtp-fixup", "cisco-smtp-fixup")])

    assert b"XXXXXXXA" in seen.diagnosis.evidence[0].raw
    assert seen.diagnosis.evidence[0].who is Who.SERVER


async def test_a_masked_greeting_alone_leaves_the_doubt() -> None:
    (seen,) = await checked_all([Member("greeting-masked", "starttls-not-offered", confidence="possible")])

    assert [(a.code, a.confidence) for a in seen.diagnosis.alternatives] == [("cisco-smtp-fixup", Confidence.POSSIBLE)]


@pytest.mark.parametrize("extra", [b"250 2.0.0 Ok", b"nonsense"])
async def test_what_was_said_too_much_is_not_the_answer_to_quit(extra: bytes) -> None:
    (seen,) = await checked_all([scripted("", auth=f"235 2.7.0 welcome\r\n{extra.decode()}\r\n")])
    (conversation,) = seen.report.conversations
    goodbye = [(event.dir, event.raw) for event in conversation.events if event.stage is Stage.QUIT]

    assert goodbye == [
        (Direction.IN, extra + b"\r\n"),
        (Direction.OUT, b"QUIT"),
        (Direction.IN, b"221 2.0.0 Bye"),
    ]


async def test_helo_is_asked_once_and_only_where_ehlo_is_not_known() -> None:
    async with Lab() as lab:
        for fault, count in {"ehlo-helo-only": 1, "ehlo-name-rejected": 1, "healthy": 0, "ehlo-refused": 0}.items():
            practice = await lab.start(fault)
            await run(aim(practice), secret=Secret(practice.password), limits=SHORT)
            assert practice.smtp
            assert practice.smtp.ledger.commands["HELO"] == count, fault


async def test_an_exchanger_that_knows_only_helo_takes_mail_in_clear() -> None:
    async with Lab() as lab:
        practice = await lab.start("mx-healthy", script={"replies": {"EHLO": "502 what?\r\n"}})
        report = await run(aim(practice), limits=SHORT)

    assert report.verdict is Verdict.HEALTHY
    assert {"ehlo-helo-only", "tls-none"} <= {finding.code for finding in report.findings}


@pytest.mark.parametrize("name", ["a..b", "x" * 64])
async def test_a_name_for_ehlo_that_is_none_is_our_side(name: str) -> None:
    async with Lab() as lab:
        practice = await lab.start("healthy")
        report = await run(replace(aim(practice), ehlo=name), secret=Secret(practice.password), limits=SHORT)

    assert report.verdict is Verdict.INCONCLUSIVE
    (greeting,) = (result for result in report.results if result.probe == "greeting")
    assert isinstance(greeting.outcome, Failure)
    assert (greeting.outcome.stage, greeting.outcome.kind) == (Stage.EHLO, Kind.LOCAL)


@pytest.mark.parametrize(
    ("greeting", "refusal", "speaks"),
    [
        ("(vsFTPd 3.0.3)", (530, "Please login with USER and PASS."), "ftp"),
        ("ProFTPD Server (Debian)", (500, "EHLO not understood"), "ftp"),
        ("Microsoft FTP Service", (500, "'EHLO x': command not understood"), "ftp"),
        ("lab.test ready", (530, "Please login with USER and PASS."), "ftp"),
        # mail servers, whatever their host is called
        ("ftp.lab.test ESMTP Postfix", (502, "Error: command not implemented"), ""),
        ("ftp.lab.test ready", (502, "no"), ""),
        ("lab.test FTP and mail gateway", (502, "no"), ""),
        ("FTP service", (550, "5.7.1 you are on a block list"), ""),
        ("lab.test ready", (530, "5.7.0 Must issue a STARTTLS command first"), ""),
    ],
)
def test_ftp_is_told_by_greeting_and_refusal_together(greeting: str, refusal: tuple[int, str], speaks: str) -> None:
    assert disguised(Reply(220, (greeting.encode(),)), Reply(refusal[0], (refusal[1].encode(),))) == speaks


def test_a_saved_report_without_helo_is_judged_as_before() -> None:
    hello = Reply(250, (b"lab.test", b"STARTTLS"))
    facts = GreetingFacts(
        greeting=Reply(220, (b"lab.test",)),
        seconds=0.1,
        ehlo=hello,
        capabilities=parse_capabilities(hello),
        secure_ehlo=None,
        secure_capabilities=None,
    )
    assert list(Greeting().judge(facts)) == []


async def test_a_greeting_after_8_s_is_healthy_and_slow() -> None:
    """With the limits that a user has; a real tarpit's pause."""
    async with Lab() as lab:
        late = Member("healthy-slow-greeting", script={"greeting": {"text": "220 {host} ESMTP\r\n", "delay": 8.0}})
        seen = await kept(lab, late, Limits())

    assert seen.report.verdict is Verdict.HEALTHY
    assert "greeting-delayed-tarpit" in {finding.code for finding in seen.report.findings}
    assert seen.seconds > 8.0


# Where it ends

ENDINGS = {"hang": Kind.TIMEOUT, "close": Kind.CLOSED, "reset": Kind.RESET}
ALL_STAGES: dict[str, tuple[Stage, Mapping[str, Any]]] = {
    "greeting": (Stage.GREETING, {"greeting": {}}),
    "ehlo": (Stage.EHLO, {"replies": {"EHLO": {}}}),
    "starttls": (Stage.STARTTLS, {"replies": {"STARTTLS": {}}}),
    "tls": (Stage.TLS, {"shake": {}}),
    "secure ehlo": (Stage.EHLO, {"replies_tls": {"EHLO": {}}}),
    "auth": (Stage.AUTH, {"replies": {"AUTH": {}}}),
    "credentials": (Stage.AUTH, {"auth": {}}),
    "mail": (Stage.MAIL, {"replies": {"MAIL": {}}}),
    "rcpt": (Stage.RCPT, {"replies": {"RCPT": {}}}),
    "data": (Stage.DATA, {"replies": {"DATA": {}}}),
    "dot": (Stage.DATA, {"queued": {}}),
}
# stage -> the name for each ending; `{}` is silent, closed or reset
NAMES = {
    "greeting": "greeting-{}",
    "ehlo": "ehlo-{}",
    "starttls": "starttls-{}",
    "tls": "tls-{}",
    "secure ehlo": "ehlo-{}",
    "auth": "auth-{}",
    "credentials": "auth-{}",
    "mail": "sender-cut-off",
    "rcpt": "recipient-cut-off",
}
WORDS = {"hang": "silent", "close": "closed", "reset": "reset"}
NAMED_BETTER = {"greeting-silent": "greeting-never", "tls-{}".format(WORDS["hang"]): "tls-handshake-hang"}


def ending(script: Mapping[str, Any], then: str) -> dict[str, Any]:
    """The script with that ending in its empty place."""
    if "shake" in script:
        return {"shake": then}
    return {name: ending(inner, then) if inner else {"then": then} for name, inner in script.items()}


async def walk(practice: Practice, script_stage: Stage) -> tuple[Broken, Dialogue]:
    """A dialogue walked to its end, which breaks."""
    plan = Plan(
        aim(practice, recipients=("you@lab.test",)),
        Secret(practice.password),
        Composed(b"Subject: hello\r\n\r\nhello\r\n", "", ""),
        entrusted=frozenset({practice.host}),
    )
    dialogue = Dialogue(
        Subject(practice.host, "127.0.0.1", practice.port, Mode.STARTTLS),
        Door(),
        plan,
        load_roots(practice.options["ca_file"]),
        replace(SHORT, greeting=1.0, data=1.0),
    )
    try:
        await dialogue.reach(Stage.DATA)
    except Broken as error:
        await dialogue.close()
        return error, dialogue
    raise AssertionError(f"did not break at {script_stage}")


@pytest.mark.parametrize("then", ENDINGS)
async def test_a_line_that_ends_at_any_stage(then: str) -> None:
    async with Lab() as lab:
        practices = [await lab.start("healthy-scripted", script=ending(s, then)) for _, s in ALL_STAGES.values()]
        walks = [walk(each, stage) for each, (stage, _) in zip(practices, ALL_STAGES.values(), strict=True)]
        ended = await asyncio.gather(*walks)

    for (place, (stage, _)), (error, dialogue) in zip(ALL_STAGES.items(), ended, strict=True):
        assert (error.stage, error.kind) == (stage, ENDINGS[then]), place
        assert dialogue.closed
        assert dialogue.record.steps[-1].broke is ENDINGS[then], place
        assert (dialogue.session.dotted_at is not None) is (place == "dot")
        assert dialogue.session.end_of_data is None


@pytest.mark.parametrize("then", ENDINGS)
async def test_an_ended_line_is_named_by_stage_and_ending(then: str) -> None:
    members = []
    for place, name in NAMES.items():
        code = name.format(WORDS[then])
        members.append(enveloped(NAMED_BETTER.get(code, code), **ending(ALL_STAGES[place][1], then)))
    all_seen = await checked_all(members)

    for place, seen in zip(NAMES, all_seen, strict=True):
        assert seen.diagnosis.stage is ALL_STAGES[place][0], place
        assert ALL_STAGES[place][0] not in seen.report.diagnoses[0].blocked


@pytest.mark.parametrize("then", ENDINGS)
async def test_a_line_that_ends_under_implicit_tls(then: str) -> None:
    names = {"tls": "tls-{}", "greeting": "greeting-{}", "ehlo": "ehlo-{}", "auth": "auth-{}"}
    members = []
    for place, name in names.items():
        code = name.format(WORDS[then])
        # inside TLS there is no other mode left to try, so that nothing more is known than silence
        code = code if place == "greeting" else NAMED_BETTER.get(code, code)
        sure = SURE.get(code, "certain")
        members.append(Member("healthy-implicit", code, ending(ALL_STAGES[place][1], then), confidence=sure))
    all_seen = await checked_all(members)

    for place, seen in zip(names, all_seen, strict=True):
        assert seen.diagnosis.stage is ALL_STAGES[place][0], place


async def test_connections_that_do_not_come_about() -> None:
    await checked_all(
        [
            Member("connect-refused", "connect-refused"),
            Member("connect-timeout", "connect-timeout"),
            Member("connect-reset", "greeting-reset", confidence="possible"),
            Member("closed-after-connect", "greeting-closed", confidence="possible"),
        ]
    )


async def test_how_the_goodbye_ends_says_nothing() -> None:
    await checked_all([scripted("", replies={"QUIT": {"then": then}}) for then in ENDINGS])


# Resolvers and clocks

RESOLVERS = {
    "dns-resolver-down": "dns-resolver-down",
    "dns-resolver-silent": "dns-resolver-silent",
    "dns-refused": "dns-refused",
    "dns-servfail": "dns-servfail",
    "dns-hijack-nxdomain-redirect": "dns-hijack-nxdomain-redirect",
    "dns-truncated-tcp-blocked": "dns-truncated-tcp-blocked",
    "dns-truncated-tcp-works": "",
    "dns-wrong-id": "dns-garbage",
    "dns-garbage": "dns-garbage",
    "dns-empty": "dns-garbage",
}
CLOCKS = [
    *("ntp-blocked", "ntp-kod", "ntp-unsynchronised", "ntp-forged", "ntp-zero-origin"),
    *("ntp-garbage", "ntp-short", "ntp-dispersion", "ntp-wrong-mode"),
]


async def test_resolvers() -> None:
    await checked_all([Member(fault, code) for fault, code in RESOLVERS.items()])


async def test_clocks_that_can_not_be_believed_change_no_verdict() -> None:
    all_seen = await checked_all([Member(fault) for fault in CLOCKS])

    for fault, seen in zip(CLOCKS, all_seen, strict=True):
        assert Stage.CLOCK in seen.report.not_tested, fault
