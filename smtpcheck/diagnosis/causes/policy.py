"""What may be behind mail that senders hold back by the domain's own policy?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.diagnosis.case import Case, Cause
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.stores import StoresFacts


def theirs(case: Case) -> bool | None:
    """Neither our clock nor our root store is what makes the certificate look bad; None: one of them may be."""
    clock, stores = case.of(ClockFacts, here=False), case.of(StoresFacts, here=False)
    # five minutes, as everywhere else
    off = clock is not None and abs(clock.offset) - clock.uncertainty > 300
    return None if off or (stores is not None and stores.trusted) else True


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "mta-sts-certificate": (Cause("mta-sts-certificate", theirs),),
}
