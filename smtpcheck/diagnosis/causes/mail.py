"""What may be behind a sender, a recipient or a message that was refused?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.core import Stage
from smtpcheck.diagnosis.case import Case, Cause
from smtpcheck.diagnosis.words import context
from smtpcheck.diagnosis.words.causes import by_words


def others_accepted(case: Case) -> bool | None:
    """The server took the message for other recipients."""
    accepted = case.finding.seen.get("accepted")
    return isinstance(accepted, int) and accepted > 0


# sendmail() of smtplib raises only where every recipient is refused
_PARTLY = Cause("recipient-partly-refused", others_accepted)


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "sender-refused": by_words(Stage.MAIL),
    "sender-deferred": by_words(Stage.MAIL),
    "recipient-refused": by_words(Stage.RCPT, _PARTLY),
    "recipient-deferred": by_words(Stage.RCPT, _PARTLY),
    "message-refused": by_words(Stage.DATA),
    "message-deferred": by_words(Stage.DATA),
    "message-fate-unknown": (Cause("message-end-timeout", context.dot_unanswered),),
}
