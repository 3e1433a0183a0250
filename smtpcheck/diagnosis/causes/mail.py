"""What may be behind a sender, a recipient or a message that was refused?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.core import Stage
from smtpcheck.diagnosis import between
from smtpcheck.diagnosis.case import Cause, always
from smtpcheck.diagnosis.words import by_words

CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "envelope-sender-refused": by_words(Stage.MAIL),
    "envelope-sender-deferred": by_words(Stage.MAIL),
    "envelope-recipient-refused": by_words(Stage.RCPT),
    "envelope-recipient-deferred": by_words(Stage.RCPT),
    "message-refused": by_words(Stage.DATA),
    "message-deferred": by_words(Stage.DATA),
    "message-fate-unknown": (Cause("data-end-timeout", between.dot_unanswered),),
    "delivery-in-junk": (Cause("accepted-then-spam-folder", always),),
}
