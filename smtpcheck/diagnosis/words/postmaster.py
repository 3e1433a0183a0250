"""What does the answer to postmaster@ tell about a refused recipient of the same domain?

Every domain has that mailbox (RFC 5321 section 4.5.1), so it is a recipient that exists. It is asked only where the
user wants that. Neither answer proves anything: some domains lack it, and filters often spare it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smtpcheck.conversation.session import RecipientReply
from smtpcheck.diagnosis.words import context, replies
from smtpcheck.probes.envelope import EnvelopeFacts

if TYPE_CHECKING:
    from smtpcheck.diagnosis.case import Case

# what may be wrong with one mailbox; in this order where the words tell nothing
_OF_THE_MAILBOX = ("user-unknown", "user-suspended", "recipient-rule")
# what is refused to us, whoever the recipient is; a login vouches for both
_OF_OUR_SIDE = ("dnsbl-listed", "spf-missing-or-fail")
# RFC 3463 section 3: other and addresses; a code about anything else speaks against an unknown mailbox
_ABOUT_ADDRESSES = ("", "0", "1")


def weighed(case: Case, possible: tuple[str, ...]) -> tuple[str, ...]:
    """The causes that the words leave, with those that the comparison brings in, likelier ones first.

    Accepted after words that no row knows: it is this mailbox, or a filter that spares postmaster. Refused alike: what
    is said of a mailbox that must exist too is hardly about this one.
    """
    ours = () if context.logged_in(case) else _OF_OUR_SIDE
    if accepted(case) and _unknown(case) and not case.finding.seen.get("accepted"):
        return (*_OF_THE_MAILBOX, *ours)
    if set(possible) & set(_OF_THE_MAILBOX) and refused_alike(case):
        elsewhere = "mx-wrong-system" if context.at_exchanger(case) else "local-domain-trap"
        others = (*(code for code in possible if code not in _OF_THE_MAILBOX), elsewhere, *ours)
        return tuple(dict.fromkeys((*others, *possible)))
    return possible


def leads(case: Case) -> bool | None:
    """An unknown mailbox may be named as likely: the words tell nothing, and no code says that it is something else."""
    subject = [*str(case.finding.seen.get("enhanced") or "").split("."), "", ""][1]
    return accepted(case) and subject in _ABOUT_ADDRESSES and _unknown(case)


def accepted(case: Case) -> bool:
    """Postmaster of the refused recipient's domain is taken, in the same transaction."""
    control = _control(case)
    return control is not None and control.accepted


def refused_alike(case: Case) -> bool:
    """Postmaster of the refused recipient's domain is refused too, in the same words but for the address."""
    control = _control(case)
    if control is None or not control.refused:
        return False
    seen = case.finding.seen
    mine, other = (str(seen.get("text", "")), str(seen.get("address", ""))), (control.reply.text, control.recipient)
    return seen.get("code") == control.reply.code and _without(*mine) == _without(*other)


def _unknown(case: Case) -> bool:
    """No row knows the words; what the facts rule out of those that one does name is something else."""
    return replies.row_of(case.finding, case.target) is None


def _control(case: Case) -> RecipientReply | None:
    facts = case.result.facts
    if not isinstance(facts, EnvelopeFacts) or facts.control is None:
        return None
    if case.finding.code != "recipient-refused":
        return None
    return facts.control if _domain(str(case.finding.seen.get("address"))) == _domain(facts.control.recipient) else None


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()


def _without(text: str, address: str) -> str:
    return re.sub(re.escape(address), "", text, flags=re.IGNORECASE)
