"""What may be behind a name that leads nowhere?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smtpcheck.core import Scalar
from smtpcheck.diagnosis import network
from smtpcheck.diagnosis.case import Case, Cause, always, configured
from smtpcheck.probes.dnssec import DnssecFacts
from smtpcheck.target import providers

# RFC 2606 section 3, what templates say, and what programs write for nothing
_PLACEHOLDER = re.compile(
    r"(?:.+\.)?example\.(?:com|net|org)|(?:.+\.)?your[-_]?(?:smtp|mail|domain|provider|company|server|host)[^.]*(?:\..+)?"
    r"|none|null|undefined|changeme|(?:smtp|mail)[-_](?:host|server)"
)


def near_a_known_host(case: Case) -> bool | None:
    """The name is a slip of a provider's; any other name may be one too."""
    return True if providers.nearest_host(case.result.subject.name) else None


def _suggestion(case: Case) -> Mapping[str, Scalar]:
    return {"suggestion": providers.nearest_host(case.result.subject.name) or ""}


def placeholder(case: Case) -> bool | None:
    """The name was copied from an example (RFC 2606 section 3), or is what a variable that was not set turns into."""
    return _PLACEHOLDER.fullmatch(case.result.subject.name.lower()) is not None


def bogus(case: Case) -> bool | None:
    """The resolver has an answer and refuses it because its signature does not hold."""
    facts = case.of(DnssecFacts, here=False)
    return facts.answer.broke is None or facts.answer.absent if facts is not None else None


def not_bogus(case: Case) -> bool | None:
    """The resolver has no answer with checking disabled either."""
    found = bogus(case)
    return None if found is None else not found


# Where a name led to the wrong place, what does not open or speaks with a stranger's voice is no fault of the server
MISLED = (
    Cause("dns-hijack-nxdomain-redirect", network.invented),
    Cause("dns-poisoned", network.forged),
    Cause("dns-hosts-file-override", network.hosts_file),
    Cause("dns-split-horizon", network.split_horizon),
    Cause("dns-stale-after-move", network.stale, leads=network.stale_leads),
)
# The settings alone show these, before any packet
MAILBOX_HOST = Cause("host-for-reading-mail", configured("host-for-reading-mail"))
CLOSED_PORT = Cause("port-not-served-by-provider", configured("port-not-served-by-provider"))


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "dns-nxdomain": (
        Cause("mx-target-nxdomain", network.at_exchanger),
        Cause("host-empty-or-placeholder", placeholder),
        Cause("host-typo", near_a_known_host, None, _suggestion),
    ),
    "dns-no-address": (Cause("mx-target-no-address", network.at_exchanger), Cause("dns-no-address", always)),
    "dns-servfail": (Cause("dns-dnssec-bogus", bogus), Cause("dns-servfail", not_bogus)),
}
