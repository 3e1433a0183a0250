"""Which of the causes that share a server's words is it? Who asked, an earlier login, and the addresses tell.

The words alone leave it open; what smtpcheck itself did often closes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from smtpcheck.core import Kind, TargetKind
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.probes.message import MessageFacts

if TYPE_CHECKING:
    from smtpcheck.diagnosis.case import Case
    from smtpcheck.diagnosis.words.replies import Row

WITHOUT_LOGIN = "without-login"
"""The words mean their cause only where no login went before."""
Decides = Callable[["Case"], str | None]
"""The cause, empty for none of them, None where it stays open."""

# what no address holds unquoted (RFC 5321 section 4.1.2): blanks, list marks, full-width forms, a final dot, a second @
_MALFORMED = re.compile(r"[\s;,＠。．，；]|\.$|@.*@")
_IDENTITIES = re.compile(r"(?i)identities failed the check in region [^:]{1,40}: *(.{1,2000})")
_SPF_DOMAIN = re.compile(r"(?i)\bspf \[([^\]]{0,255})\]")


def narrowed(case: Case, row: Row) -> tuple[str, ...]:
    """Those of the row's causes that the rest of the facts leaves."""
    causes = row.among or (row.cause,)
    if row.decide == WITHOUT_LOGIN:
        return () if logged_in(case) else causes
    found = DECIDERS[row.decide](case) if row.decide else None
    if found is None:
        return causes
    return (found,) if found else ()


def dot_unanswered(case: Case) -> bool | None:
    """The final dot was written and no answer came in time (RFC 1047)."""
    facts = case.result.facts
    return isinstance(facts, MessageFacts) and facts.dotted_at is not None and facts.broke is Kind.TIMEOUT


def logged_in(case: Case) -> bool | None:
    """A login went before and was accepted."""
    facts = case.of(AuthFacts)
    if facts is not None:
        return facts.broke is None and facts.reply is not None and facts.reply.positive
    return None if case.target.secret else False


def _by_login(*, without: str, after: str) -> Decides:
    """One cause where no login went before, another after one."""

    def decide(case: Case) -> str | None:
        login = logged_in(case)
        return None if login is None else after if login else without

    return decide


def _refused_sender(case: Case) -> str | None:
    if case.finding.seen.get("address") == "":
        return "null-sender-on-submission"
    return _by_login(without="auth-not-attempted", after="from-ne-login-163")(case)


def _relay(case: Case) -> str | None:
    """At the domain's own exchanger it is theirs to repair; at any other server somebody forgot to log in."""
    if at_exchanger(case):
        return "mx-wrong-system"
    if case.target.kind is TargetKind.HOST and case.result.subject.port == 25 and not logged_in(case):
        return None
    return _by_login(without="relay-denied-no-auth", after="")(case)


def at_exchanger(case: Case) -> bool:
    """The recipient's domain is asked at one of its own exchangers."""
    domain = _domain(str(case.finding.seen.get("address", "")))
    return case.target.kind is TargetKind.MX and domain == case.target.name.lower()


def _unrouteable(case: Case) -> str | None:
    return "user-unknown" if at_exchanger(case) else None


def _frequent(case: Case) -> str | None:
    """QQ says the same to its users and to other hosts."""
    if case.target.kind is TargetKind.MX:
        return "qq-inbound-frequency"
    return "sender-rate-limit" if logged_in(case) else None


def _not_local(case: Case) -> str | None:
    return "local-domain-trap" if logged_in(case) else None


def _identities(case: Case) -> str | None:
    """Amazon SES lists whom it does not know: the sender, or in its sandbox the recipients."""
    found = _IDENTITIES.search(str(case.finding.seen.get("text", ""))[:4096])
    listed = found[1].lower() if found else ""
    sender = bool(case.target.sender) and case.target.sender.lower() in listed
    recipient = any(each.lower() in listed for each in case.target.recipients if each != case.target.sender)
    if sender is recipient:
        return None
    return "from-not-verified-esp" if sender else "sandbox-recipient"


def _international(case: Case) -> str | None:
    addresses = (case.target.sender, *case.target.recipients)
    return "smtputf8-forced-by-subject" if all(map(str.isascii, addresses)) else "smtputf8-address"


def _syntax(case: Case) -> str | None:
    return "recipient-malformed" if _malformed(case) else "syntax-mail-rcpt"


def _relay_or_form(case: Case) -> str | None:
    return "recipient-malformed" if _malformed(case) else _by_login(without="relay-denied-no-auth", after="")(case)


def _malformed(case: Case) -> bool:
    return _MALFORMED.search(str(case.finding.seen.get("address", ""))) is not None


def _spf_domain(case: Case) -> str | None:
    """SPF was looked up for another domain than the sender's: the sending service's own."""
    found = _SPF_DOMAIN.search(str(case.finding.seen.get("text", ""))[:4096])
    if not found or not case.target.sender:
        return None
    same = found[1].strip().lower() == _domain(case.target.sender)
    return "spf-missing-or-fail" if same else "dmarc-misaligned-esp"


def _unsigned(case: Case) -> str | None:
    """smtpcheck signs nothing; a message from a file may be signed."""
    return None if case.target.message else "dkim-none"


def _author(case: Case) -> str | None:
    """The message's own From, where the user handed one in: its address is hidden, it has one, or it was ours."""
    return "from-header-whole-encoded" if case.finding_in("config", "from-header-encoded") else None


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


DECIDERS: Mapping[str, Decides] = {
    "refused-sender": _refused_sender,
    "login-or-verification": _by_login(without="auth-not-attempted", after="from-not-verified-esp"),
    "listed-identities": _identities,
    "relay": _relay,
    "relay-or-form": _relay_or_form,
    "not-local": _not_local,
    "unrouteable": _unrouteable,
    "frequent": _frequent,
    "international": _international,
    "command-or-form": _syntax,
    "spf-domain": _spf_domain,
    "author": _author,
    "unsigned": _unsigned,
}
"""By the name that a row of the table gives in `decide`; WITHOUT_LOGIN is for a row of one cause."""
