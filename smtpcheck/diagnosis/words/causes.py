"""What do the words of a server leave as the cause? The table of replies, narrowed by all else that is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from smtpcheck.core import Scalar, Stage
from smtpcheck.diagnosis.case import Case, Cause, Holds
from smtpcheck.diagnosis.words import context, login, postmaster, replies

MANY = 1000
"""More than any row of the table names."""


def replied(cause: str) -> Holds:
    """The table of replies names that cause for what the server said; None: other possible ones say the same."""

    def holds(case: Case) -> bool | None:
        left = [code for code in _said(case) if not login.row_of(code).ruled_out(case)]
        return (True if len(left) == 1 else None) if cause in left else False

    return holds


def _said(case: Case) -> tuple[str, ...]:
    """The causes that may be behind the words."""
    row = replies.row_of(case.finding, case.target)
    return postmaster.weighed(case, context.narrowed(case, row) if row else ())


def by_words(stage: Stage, *others: Cause) -> tuple[Cause, ...]:
    """The causes that replies at that stage may have; `others` where no row knows the words."""
    known = [_known(code, stage) for code in replies.causes(stage)]
    return (*known, *(Cause(other.code, unspoken(other.holds), likely=other.likely) for other in others))


def _known(code: str, stage: Stage) -> Cause:
    if (stage, code) == (Stage.RCPT, "user-unknown"):
        return Cause(code, replied(code), likely=postmaster.accepted, leads=postmaster.leads)
    cause = Cause(code, replied(code), likely=login.likelier(code))
    return replace(cause, seen=_BROUGHT[code]) if code in _BROUGHT else cause


def _recipients_domain(case: Case) -> Mapping[str, Scalar]:
    return {"name": str(case.finding.seen.get("address", "")).rpartition("@")[2]}


_BROUGHT = dict.fromkeys(("mx-domain-nxdomain", "mx-none-no-a"), _recipients_domain)


def unspoken(holds: Holds) -> Holds:
    """That test, where no row knows the words."""
    return lambda case: holds(case) if replies.row_of(case.finding, case.target) is None else False


def rank(case: Case, code: str) -> tuple[int, int]:
    """The place of a cause among those that say the same."""
    said = _said(case)
    return login.place(case, code), said.index(code) if code in said else MANY
