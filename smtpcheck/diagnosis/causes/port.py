"""What may be behind a port that does not open?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.diagnosis import network
from smtpcheck.diagnosis.case import Case, Cause, always, configured
from smtpcheck.diagnosis.causes.config import CLOSED_PORT, MAILBOX_HOST
from smtpcheck.diagnosis.causes.greeting import CUT_OFF
from smtpcheck.diagnosis.causes.names import MISLED


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
    "local-firewall-app": (Cause("local-firewall-app", always),),
    "dns-ipv6-only-name": (Cause("dns-ipv6-only-name", always),),
    # what breaks nothing, and yet has a name
    "ipv6-preferred-broken": (Cause("ipv6-preferred-broken", always),),
    "mx-aaaa-without-route": (Cause("mx-aaaa-without-route", always),),
    "mx-first-dead-second-ok": (Cause("mx-first-dead-second-ok", always),),
}
