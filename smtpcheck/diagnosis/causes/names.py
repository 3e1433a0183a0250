"""What may be behind a name that leads nowhere?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smtpcheck import providers
from smtpcheck.core import Scalar
from smtpcheck.diagnosis.case import Case, Cause, always

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


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "address-nxdomain": (
        Cause("host-empty-or-placeholder", placeholder),
        Cause("host-typo", near_a_known_host, None, _suggestion),
    ),
    "address-nodata": (Cause("dns-nodata-host", always),),
    "address-servfail": (Cause("dns-servfail", always),),
    "address-resolver-down": (Cause("dns-resolver-down", always),),
    "address-resolver-silent": (Cause("dns-resolver-timeout-slow", always),),
    "address-truncated": (Cause("dns-truncated-tcp-blocked", always),),
    "mx-null": (Cause("mx-null", always),),
    "mx-nxdomain": (Cause("mx-domain-nxdomain", always),),
    "mx-absent": (Cause("mx-none-no-a", always),),
    "mx-servfail": (Cause("dns-servfail", always),),
    "mx-resolver-down": (Cause("dns-resolver-down", always),),
    "mx-resolver-silent": (Cause("dns-resolver-timeout-slow", always),),
    "mx-truncated": (Cause("dns-truncated-tcp-blocked", always),),
}
