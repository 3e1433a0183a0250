"""What may be behind a port that does not open?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.diagnosis import network
from smtpcheck.diagnosis.case import Case, Cause, always, configured
from smtpcheck.diagnosis.causes.greeting import CUT_OFF
from smtpcheck.diagnosis.causes.names import CLOSED_PORT, MAILBOX_HOST, MISLED


def exchanger_asked_to_submit(case: Case) -> bool | None:
    """An exchanger takes mail on port 25 alone, so that no other port of it needs to answer."""
    return case.result.subject.port != 25 and configured("host-mx-used-as-submission")(case)


_WRONG_DOOR = (
    MAILBOX_HOST,
    Cause("host-mx-used-as-submission", exchanger_asked_to_submit),
    CLOSED_PORT,
    Cause("mx-none-fallback-a", network.implicit_exchanger),
    Cause("mx-target-private", network.private_exchanger),
)
_OWN_NETWORK = (
    Cause("port25-egress-blocked", network.blocked(port25=True), leads=network.leads_to_block),
    Cause("submission-ports-blocked", network.blocked(port25=False), leads=network.leads_to_block),
)
_LOST = (
    *_WRONG_DOOR,
    *MISLED,
    *_OWN_NETWORK,
    Cause("connect-host-down", network.host_down),
    Cause("ipv6-error-masks-ipv4-block", network.masked_by_ipv6),
    Cause("proxy-needed-not-used", network.proxy_unused),
)


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "connect-refused": (*_WRONG_DOOR, *MISLED, *_OWN_NETWORK, Cause("connect-refused", always)),
    "connect-timeout": (*_LOST, Cause("connect-timeout", always)),
    "connect-unreachable": _LOST,
    "connect-reset": (*_WRONG_DOOR, *MISLED, *_OWN_NETWORK, *CUT_OFF),
}
