"""Does every row of the table of replies know its own words, and no others? Offline, through the whole diagnosis."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from smtpcheck.conversation.session import RecipientReply
from smtpcheck.core import Diagnosis, Finding, Kind, Result, Severity, Stage, Subject, Target, TargetKind, Who
from smtpcheck.diagnosis import diagnose
from smtpcheck.diagnosis.words import replies
from smtpcheck.diagnosis.words.replies import Written
from smtpcheck.probes.auth import Auth, AuthFacts
from smtpcheck.probes.envelope import Envelope, EnvelopeFacts
from smtpcheck.probes.greeting import Greeting, GreetingFacts
from smtpcheck.probes.message import Message, MessageFacts
from smtpcheck.target import providers
from smtpcheck.wire.smtp import Reply

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ME, YOU = "me@example.com", "you@example.org"
STAGES = (Stage.GREETING, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA)
_CODE = re.compile(r"([245]\d\d) (?:([245])(\.\d{1,3}\.\d{1,3})(?= |$))?")


def said(line: str) -> Reply:
    """A reply of one line, as the wire has it."""
    return Reply(int(line[:3]), (line[4:].encode(),))


def facts_of(reply: Reply, stage: Stage) -> tuple[Any, Any]:
    """The probe that hears a refusal at that stage, and what it wrote down."""
    broke: dict[str, Any] = {"broke": Kind.REJECTED}
    match stage:
        case Stage.AUTH:
            mechanism = "XOAUTH2" if re.search("OAUTH|SASL", reply.text) else "PLAIN"
            login: dict[str, Any] = {"offered": (mechanism,), "offered_in_clear": (), "mechanism": mechanism}
            return Auth(), AuthFacts(**login, attempts=1, reply=reply, encrypted=True, **broke)
        case Stage.MAIL:
            return Envelope(), EnvelopeFacts(sender=ME, recipients=(YOU,), mail=reply, rcpt=(), stage=stage, **broke)
        case Stage.RCPT:
            answer = (RecipientReply(YOU, reply),)
            return Envelope(), EnvelopeFacts(sender=ME, recipients=(YOU,), mail=None, rcpt=answer, **broke)
        case Stage.DATA:
            handed: dict[str, Any] = {"token": "t", "message_id": "<t@example.com>", "octets": 100, "accepted": (YOU,)}
            return Message(), MessageFacts(**handed, data=None, reply=reply, dotted_at=NOW, **broke)
    return Greeting(), GreetingFacts(
        greeting=reply,
        seconds=0.1,
        ehlo=None,
        capabilities=None,
        secure_ehlo=None,
        secure_capabilities=None,
        stage=Stage.GREETING,
        **broke,
    )


def host_of(provider: str) -> str:
    return next((row.smtp[0].host for row in providers.providers() if row.id == provider), "mail.example.net")


def diagnosed(line: str, stage: Stage, provider: str = "") -> Diagnosis:
    """What is named for these words at that stage of a provider's server."""
    probe, facts = facts_of(said(line), stage)
    subject = Subject(host_of(provider))
    result = Result(
        probe=probe.name,
        subject=subject,
        outcome=facts,
        findings=probe.judged(subject, facts),
        started=NOW,
        elapsed=1.0,
    )
    target = Target(
        spec=ME,
        kind=TargetKind.ACCOUNT,
        name="example.com",
        user=ME,
        sender=ME,
        recipients=(YOU,),
        send=True,
        secret="env:X",
    )
    (diagnosis,) = diagnose(target, [result])
    return diagnosis


def named(line: str, stage: Stage, provider: str = "") -> set[str]:
    found = diagnosed(line, stage, provider)
    return {found.code, *(other.code for other in found.alternatives)}


def known_as(line: str, stage: Stage, provider: str = "") -> replies.Row | None:
    """The row that knows these words."""
    reply = said(line)
    seen = {"code": reply.code, "enhanced": reply.enhanced, "text": reply.text}
    target = Target(spec="", kind=TargetKind.HOST, name="")
    return replies.row_of(Finding("", Severity.FAIL, stage, host_of(provider), seen), target)


def cases() -> Iterator[Any]:
    for place, row in enumerate(replies.written()):
        for number, (pattern, example) in enumerate(row.text):
            name = f"{row.cause or row.among[0]}-{place}-{number}"
            yield pytest.param(row, pattern, example, id=name)


EVERY_PATTERN = pytest.mark.parametrize(("row", "pattern", "example"), list(cases()))


def everywhere(row: Written) -> Iterator[tuple[Stage, str]]:
    yield from ((stage, provider) for stage in row.stages for provider in row.providers)


@EVERY_PATTERN
def test_a_row_is_the_first_to_know_its_own_words(row: Written, pattern: str, example: str) -> None:
    assert re.search(pattern, said(example).text, re.IGNORECASE)
    assert said(example).code in row.codes
    for stage, provider in everywhere(row):
        found = known_as(example, stage, provider)
        assert found, f"nobody knows {example!r} at {stage} of {provider}"
        assert {found.cause, *found.among} - {""} == row.names
        assert pattern in found.text
        assert (found.stage, found.provider) == (stage, provider)


@EVERY_PATTERN
def test_its_words_lead_to_its_cause_with_the_servers_own_line_beside_it(
    row: Written, pattern: str, example: str
) -> None:
    for stage, provider in everywhere(row):
        found = diagnosed(example, stage, provider)
        assert {found.code, *(other.code for other in found.alternatives)} & row.names
        assert (found.evidence[0].who, found.evidence[0].raw) == (Who.SERVER, said(example).raw)
        assert found.stage is stage


def stated(line: str, stage: Stage, provider: str) -> set[str]:
    """The causes that some row states for these words at that stage."""
    found = known_as(line, stage, provider)
    return {found.cause, *found.among} if found else set()


@EVERY_PATTERN
def test_the_same_words_at_another_stage_name_another_cause_or_none(row: Written, pattern: str, example: str) -> None:
    elsewhere = {stage for other in replies.written() if other.names & row.names for stage in other.stages}
    for stage in STAGES:
        for provider in row.providers:
            if stage not in elsewhere:
                assert not named(example, stage, provider) & row.names
            elif stage not in row.stages:
                assert not (named(example, stage, provider) - stated(example, stage, provider)) & row.names


def in_the_other_class(line: str) -> str:
    """450 4.2.0 for 550 5.2.0, and the other way round."""
    match = _CODE.match(line)
    assert match
    digit = "5" if line[0] == "4" else "4"
    enhanced = f"{digit}{match[3]} " if match[2] else ""
    return f"{digit}{line[1:3]} {enhanced}{line[match.end() :].lstrip()}"


@EVERY_PATTERN
def test_the_same_words_with_a_code_of_the_other_class_do_not_name_it(row: Written, pattern: str, example: str) -> None:
    other = in_the_other_class(example)
    for stage, provider in everywhere(row):
        known = known_as(other, stage, provider)
        if known is None:
            # a refused login is mostly about the credentials, which is said as a possibility
            assert named(other, stage, provider) & row.names <= {"auth-credentials-refused"}
        elif known.stage is stage and said(other).code not in row.codes:
            assert not {known.cause, *known.among} & row.names or pattern not in known.text


STOP = frozenset(
    [
        "the",
        "and",
        "for",
        "was",
        "are",
        "has",
        "have",
        "had",
        "that",
        "this",
        "with",
        "from",
        "you",
        "your",
        "not",
        "its",
        "per",
        "does",
        "did",
        "isn",
        "doesn",
        "its",
        "into",
        "via",
        "mail",
        "message",
        "messages",
        "server",
        "your",
        "may",
        "can",
        "please",
        "must",
        "been",
    ]
)


def content(span: str) -> list[str]:
    """The words that carry the meaning of a span, which an address does not."""
    return [
        word
        for word in re.findall(r"\w+", re.sub(r"[\w.]+@[\w.]+", "", span))
        if len(word) > 2 and word.lower() not in STOP
    ]


def paraphrases(line: str, pattern: str) -> Iterator[str]:
    """The reply with one of its words of meaning left and the others replaced by another word."""
    text = line[4:]
    match = re.search(pattern, text, re.IGNORECASE)
    assert match
    span = match[0]
    words = list(dict.fromkeys(content(span)))
    for kept in words if len(words) > 1 else [""]:
        others = "|".join(re.escape(word) for word in words if word != kept)
        changed = re.sub(rf"\b(?:{others})\b", "quux", span)
        yield line[:4] + text[: match.start()] + changed + text[match.end() :]


@EVERY_PATTERN
def test_no_pattern_is_content_with_a_single_word_of_its_meaning(row: Written, pattern: str, example: str) -> None:
    for line in paraphrases(example, pattern):
        assert not re.search(pattern, line[4:], re.IGNORECASE), line


UNLIKE = [
    pytest.param(row, line, id=f"{row.cause or row.among[0]}-{number}")
    for row in replies.written()
    for number, line in enumerate(row.unlike)
]


@pytest.mark.parametrize(("row", "line"), UNLIKE)
def test_words_in_common_are_not_enough(row: Written, line: str) -> None:
    assert any(said(line).code in other.codes for other in replies.written() if other.names & row.names)
    for stage, provider in everywhere(row):
        assert not stated(line, stage, provider) & row.names


@pytest.mark.parametrize(
    "line",
    [
        "550 Verification failed for <me@example.com>: No Such User Here",
        "550 5.7.1 The user me@example.com is locked",
        "552 5.2.2 me@example.com: mailbox is full",
    ],
)
@pytest.mark.parametrize("stage", [Stage.RCPT, Stage.DATA])
def test_what_is_said_of_the_senders_own_address_is_not_said_of_the_recipient(line: str, stage: Stage) -> None:
    about = named(line.replace(ME, YOU), stage)

    assert about <= {"user-unknown", "user-suspended", "recipient-mailbox-full"}
    assert not named(line, stage) & about


def test_a_page_or_a_host_in_a_refusal_is_no_other_reason() -> None:
    line = "535 5.7.8 Invalid credentials [ip.blocked.example.com] https://example.com/account/disabled?too=many"

    assert named(line, Stage.AUTH) == {"auth-credentials-refused"}


# Replies that no row knows


UNKNOWN = [
    "450 Not today",
    "451 4.3.0 The hamster is asleep",
    "421 4.7.0 Come back in spring",
    "550 Not for you",
    "550 5.7.1 The moon is in the wrong house",
    "554 5.1.1 Wording that no table holds",
    "535 5.7.8 Wording that no table holds",
    "552 5.2.2 Wording that no table holds",
    "501 5.5.4 Wording that no table holds",
    "599 Wording that no table holds",
    "550",
    "450 4.7.1",
]
SYMPTOMS = {
    Stage.GREETING: ("greeting-busy", "greeting-rejected"),
    Stage.AUTH: ("auth-temporary", "auth-refused"),
    Stage.MAIL: ("sender-deferred", "sender-refused"),
    Stage.RCPT: ("recipient-deferred", "recipient-refused"),
    Stage.DATA: ("message-deferred", "message-refused"),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("line", UNKNOWN)
def test_words_that_no_row_knows_are_told_by_stage_and_class_and_shown(line: str, stage: Stage) -> None:
    found = diagnosed(line, stage)

    assert found.code == SYMPTOMS[stage][line[0] == "5"]
    # of a login it may be said that credentials are what is mostly refused; nothing else is guessed
    perhaps = stage is Stage.AUTH and line[0] == "5" and line[:3] != "501"
    guessed = {"auth-credentials-refused"} if perhaps else set()
    assert {other.code for other in found.alternatives} == guessed
    assert found.evidence[0].raw == said(line).raw


HOSTILE = [
    "user " + "@" * 4090,
    "user @" * 680,
    "a " * 2048,
    "spf [" + "x" * 4090,
    "helo " * 800,
    "authentication failure " * 178,
    "sender is unauthenticated " + "spf [" * 800,
    "([" * 2048,
    "请" * 4096,
]


def test_no_pattern_is_kept_busy_by_a_hostile_text() -> None:
    for row in replies.rows():
        pattern, unless = re.compile(row.text), re.compile(row.unless)
        for text in HOSTILE:
            began = time.process_time()
            pattern.search(text)
            unless.search(text)
            assert time.process_time() - began < 0.5, (row.text[:80], text[:20])
