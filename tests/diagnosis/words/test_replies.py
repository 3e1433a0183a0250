"""Does every row of the table of replies know its own words, and no others? Offline, through the whole diagnosis."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from smtpcheck.conversation.session import RecipientReply
from smtpcheck.core import (
    Confidence,
    Diagnosis,
    Kind,
    Result,
    Stage,
    Subject,
    Target,
    TargetKind,
    Who,
)
from smtpcheck.diagnosis import diagnose
from smtpcheck.diagnosis.words import replies
from smtpcheck.diagnosis.words.login import OWN_DOMAINS_ONLY
from smtpcheck.diagnosis.words.replies import Written
from smtpcheck.probes.auth import Auth, AuthFacts
from smtpcheck.probes.envelope import Envelope, EnvelopeFacts
from smtpcheck.probes.greeting import Greeting, GreetingFacts
from smtpcheck.probes.message import Message, MessageFacts
from smtpcheck.target import providers
from smtpcheck.wire.smtp import Reply
from tests.diagnosis.meanings import NOBODY, Case, asked, host_of, misheard, reply_cases, spoken

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ME, YOU = "me@example.com", "you@example.org"
STAGES = (Stage.GREETING, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA)
_CODE = re.compile(r"([245]\d\d) (?:([245])(\.\d{1,3}\.\d{1,3})(?= |$))?")


def facts_of(reply: Reply, stage: Stage) -> tuple[Any, Any]:
    """The probe that hears a refusal at that stage, and what it wrote down."""
    broke: dict[str, Any] = {"broke": Kind.REJECTED}
    match stage:
        case Stage.AUTH:
            mechanism = "XOAUTH2" if re.search("(?i)oauth|sasl|token", reply.text) else "PLAIN"
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


def mailbox_of(provider: str) -> str:
    """Of those that have mailboxes of their own, one of theirs."""
    domains = next((row.domains for row in providers.providers() if row.id == provider), ())
    return f"me@{domains[0]}" if domains and provider in OWN_DOMAINS_ONLY else ME


def diagnosed(line: str, stage: Stage, provider: str = "", *, at_home: bool = False) -> Diagnosis:
    """What is named for these words at that stage of a provider's server, which may be the user's own provider."""
    probe, facts = facts_of(spoken(line), stage)
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
        user=mailbox_of(provider) if at_home else ME,
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
    return replies.row_of(asked(line, stage, provider), NOBODY)


def places() -> Iterator[tuple[Written, str, str, Stage, str]]:
    """Each row, one of its patterns with its example, and where it counts."""
    for row in replies.written():
        for pattern, example in row.text:
            for stage in row.stages:
                for provider in row.providers:
                    yield row, pattern, example, stage, provider


def test_words_mean_to_the_table_what_they_mean_to_a_person() -> None:
    assert not list(misheard(replies.rows(), reply_cases()))


def test_words_lead_to_their_meaning_with_the_servers_own_line_beside_it() -> None:
    assert not list(misdiagnosed(case for case in reply_cases() if case.names))


def misdiagnosed(cases: Iterable[Case]) -> Iterator[str]:
    """The words whose diagnosis is another than what they mean, or looks surer or less sure than it is."""
    for case in cases:
        assert case.stage
        found = diagnosed(case.said, case.stage, case.provider, at_home=True)
        names = (case.decided.code,) if case.decided else case.names
        sure = len(names) == 1
        told = (found.code,) if sure else tuple(other.code for other in found.alternatives)
        shown = (found.evidence[0].who, found.evidence[0].raw)
        if shown != (Who.SERVER, spoken(case.said).raw):
            yield f"{case.said!r} {case.stage}: beside it stands {shown}"
        if told != names or (found.confidence is Confidence.CERTAIN) is not sure or found.stage is not case.stage:
            yield f"{case.said!r} {case.stage} {case.provider}: means {names}, named {found.confidence} {told}"


def test_every_row_is_reached_by_a_meaning_stated_apart_from_it() -> None:
    reached = {
        (found.stage, found.provider, found.text)
        for case in reply_cases()
        if case.stage
        and (found := replies.first_of(replies.rows(), asked(case.said, case.stage, case.provider), NOBODY))
    }
    known = {(row.stage, row.provider, row.text) for row in replies.rows()}

    assert not known - reached


def test_a_row_is_the_first_to_know_its_own_words() -> None:
    complaints = []
    for row, pattern, example, stage, provider in places():
        found = known_as(example, stage, provider)
        if (
            not re.search(pattern, spoken(example).text, re.IGNORECASE)
            or found is None
            or {found.cause, *found.among} - {""} != row.names
            or pattern not in found.text
            or (found.stage, found.provider) != (stage, provider)
        ):
            complaints.append(f"{example!r} {stage} {provider}: {found}")

    assert not complaints


def stated(line: str, stage: Stage, provider: str) -> set[str]:
    """The causes that some row states for these words at that stage."""
    found = known_as(line, stage, provider)
    return {found.cause, *found.among} if found else set()


def test_the_same_words_at_another_stage_name_another_cause_or_none() -> None:
    """Unless a row of that stage states that cause too."""
    complaints = [
        f"{example!r} said at {other} of {provider}"
        for row in replies.written()
        for _, example in row.text
        for provider in row.providers
        for other in STAGES
        if other not in row.stages
        if (named(example, other, provider) - stated(example, other, provider) - {"auth-credentials-refused"})
        & row.names
    ]

    assert not complaints


def in_the_other_class(line: str) -> str:
    """450 4.2.0 for 550 5.2.0, and the other way round."""
    match = _CODE.match(line)
    assert match
    digit = "5" if line[0] == "4" else "4"
    enhanced = f"{digit}{match[3]} " if match[2] else ""
    return f"{digit}{line[1:3]} {enhanced}{line[match.end() :].lstrip()}"


def test_the_same_words_with_a_code_of_the_other_class_do_not_name_it() -> None:
    complaints = []
    for row, pattern, example, stage, provider in places():
        other = in_the_other_class(example)
        found = known_as(other, stage, provider)
        if found is None:
            # a refused login is usually about the credentials, which is said as a possibility
            if not named(other, stage, provider) & row.names <= {"auth-credentials-refused"}:
                complaints.append(f"{other!r} {stage} {provider}: named without a row")
        elif spoken(other).code not in row.codes and pattern in found.text and {found.cause, *found.among} & row.names:
            complaints.append(f"{other!r} {stage} {provider}: {found}")

    assert not complaints


def test_no_row_matches_on_a_bare_code() -> None:
    assert not [row for row in replies.rows() if re.search(row.text, "")]


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
        "into",
        "via",
        "mail",
        "message",
        "messages",
        "server",
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


def test_no_pattern_is_content_with_a_single_word_of_its_meaning() -> None:
    assert not [
        (pattern, line)
        for row in replies.written()
        for pattern, example in row.text
        for line in paraphrases(example, pattern)
        if re.search(pattern, line[4:], re.IGNORECASE)
    ]


def test_words_in_common_are_not_enough() -> None:
    """What a row says that it is unlike has a code of its own rows, and a meaning stated apart: another, or none."""
    meant = {(case.said, case.stage, case.provider) for case in reply_cases()}
    complaints = []
    for row in replies.written():
        codes = {code for other in replies.written() if other.names & row.names for code in other.codes}
        for line in row.unlike:
            if spoken(line).code not in codes:
                complaints.append(f"{line!r}: no row of {row.names} looks at its code")
            for stage in row.stages:
                for provider in row.providers:
                    if stated(line, stage, provider) & row.names:
                        complaints.append(f"{line!r} {stage} {provider}: named all the same")
                    if (line, stage, provider) not in meant:
                        complaints.append(f"{line!r} {stage} {provider}: what it means is not stated")

    assert not complaints


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
def test_words_that_no_row_knows_are_told_by_stage_and_class_and_shown(stage: Stage) -> None:
    complaints = []
    for line in UNKNOWN:
        found = diagnosed(line, stage)
        # of a login it may be said that credentials are what is usually refused; nothing else is guessed
        perhaps = stage is Stage.AUTH and line[0] == "5" and line[:3] != "501"
        guessed = {"auth-credentials-refused"} if perhaps else set()
        told = (found.code, {other.code for other in found.alternatives}, found.evidence[0].raw)
        if told != (SYMPTOMS[stage][line[0] == "5"], guessed, spoken(line).raw):
            complaints.append(f"{line!r}: {told}")

    assert not complaints


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
    """A thread's own processor time: half a second is a thousand times what an honest text takes."""
    patterns = dict.fromkeys(pattern for row in replies.rows() for pattern in (row.text, row.unless))
    for pattern in map(re.compile, patterns):
        for text in HOSTILE:
            began = time.thread_time()
            pattern.search(text)
            assert time.thread_time() - began < 0.5, (pattern.pattern[:80], text[:20])
