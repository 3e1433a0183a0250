"""How do tests check a practice account? The same way as a user's program: target, options, password."""

from __future__ import annotations

import re
from typing import Any

from smtpcheck.advice import LANGUAGES, Words, entry, placeholders
from smtpcheck.advice.values import values
from smtpcheck.conversation.plan import Limits
from smtpcheck.core import Report, Status, Target, Verdict
from smtpcheck.lab import Lab, Practice
from smtpcheck.net.system import Machine
from smtpcheck.probes import classes, probes
from smtpcheck.report import questions
from smtpcheck.report.saved import json
from smtpcheck.report.saved.redact import redacted
from smtpcheck.run import assemble, run
from smtpcheck.target.credentials import Secret
from smtpcheck.target.grammar import parse_target

# what a peer has in the tests: every fault still shows, only sooner
SHORT = Limits(dns=0.4, connect=1.0, quiet=0.5, greeting=2.5, reply=1.0, tls=1.0, auth=1.5, data=2.0)

# for what a short limit would end before it is known
PATIENT = Limits(dns=1.0, connect=1.0, quiet=0.5, greeting=8.0, reply=1.0, tls=1.0, auth=1.5, data=2.0)


def aim(practice: Practice, **options: Any) -> Target:
    """The target that a user of this practice account would name."""
    mail = {"wait": 2.0} if practice.mailbox else {}
    login = {} if practice.target.startswith("mx:") else {"secret": "env:SMTPCHECK_PASSWORD"}
    return parse_target(practice.target, **(login | practice.options | mail | options))


async def checked(practice: Practice, *, limits: Limits = SHORT, **options: Any) -> Report:
    """The report about a running fault."""
    target = aim(practice, **options)
    return await run(
        target,
        secret=Secret(practice.password) if target.secret else None,
        limits=limits,
        dialer=practice.dialer,
        machine=Machine(practice.hosts, practice.proxies),
    )


async def check_fault(
    fault: str, *, limits: Limits = SHORT, options: dict[str, Any] | None = None, **rows: Any
) -> Report:
    """The report about a fault in a lab of its own."""
    async with Lab() as lab:
        return await checked(await lab.start(fault, **rows), limits=limits, **(options or {}))


def assert_answered(report: Report) -> None:
    """A report is broken exactly where a question about it fails, and says why to every one that it leaves open."""
    words = Words("en")
    answers = [questions.answer(report, p.name, words) for p in questions.questions(report.target, probes())]
    open_ones = [one for one in answers if one.status in questions.UNTESTED]
    assert (report.verdict is Verdict.BROKEN) == any(one.status is Status.FAIL for one in answers)
    assert open_ones or report.verdict is not Verdict.INCONCLUSIVE
    assert all(one.why for one in open_ones)


def assert_told(report: Report) -> None:
    """Every value that the advice needs is there, and no command is left with a blank for one that it may not hold."""
    for told in report.diagnoses:
        known = {**values(report, told.subject, told.seen), **told.seen, "subject": told.subject}
        for lang in LANGUAGES:
            found, words = entry(told.code, lang), Words(lang, report)
            assert found
            for text in (found.why, *found.steps, found.otherwise):
                assert placeholders(text) <= known.keys(), (told.code, text)
            shown = (words.summary(told), words.why(told), words.otherwise(told), *(s for _, s in words.steps(told)))
            commands = " ".join(part for text in shown for part in text.split("`")[1::2])
            assert not set(re.findall(r"[A-Z_]+", commands)) & {"HOST", "PORT", "ENDPOINT", "STARTTLS", "USER"}
            assert not placeholders(" ".join(shown)), told.code


def assert_lossless(report: Report) -> None:
    """Written as JSON and read again it is the same report, and the same rules come to the same diagnosis."""
    catalog = json.catalog(classes())
    text = json.render(report, words=Words("en"), catalog=catalog)
    again = json.decode(text, catalog)
    assert again == report
    assert assemble(again) == report


def assert_redacted_alike(report: Report) -> None:
    """Without its names it can be written and read again, and the same rules come to the same causes."""
    (clean,) = redacted([report])
    catalog = json.catalog(classes())
    text = json.render(clean, words=Words("en"), catalog=catalog)
    assert json.decode(text, catalog) == clean
    assert "lab.test" not in text
    again = assemble(clean)
    assert again.verdict == report.verdict
    for one in (clean, again):
        named = [(d.code, d.confidence, d.alternatives, d.blocked) for d in one.diagnoses]
        assert named == [(d.code, d.confidence, d.alternatives, d.blocked) for d in report.diagnoses]
