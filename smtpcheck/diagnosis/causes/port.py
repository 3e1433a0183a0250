"""What may be behind a port that does not open?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.diagnosis.case import Case, Cause, always, configured
from smtpcheck.diagnosis.causes.config import CLOSED_PORT, MAILBOX_HOST


def exchanger_asked_to_submit(case: Case) -> bool | None:
    """An exchanger takes mail on port 25 alone, so that no other port of it needs to answer."""
    return case.result.subject.port != 25 and configured("config-host-exchanger")(case)


_WRONG_DOOR = (MAILBOX_HOST, Cause("host-mx-used-as-submission", exchanger_asked_to_submit), CLOSED_PORT)


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "port-refused": (*_WRONG_DOOR, Cause("conn-refused", always)),
    "port-timeout": (*_WRONG_DOOR, Cause("conn-timeout-drop", always)),
}
