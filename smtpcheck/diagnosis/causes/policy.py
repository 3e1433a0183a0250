"""What may be behind mail that senders hold back by the domain's own policy?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.diagnosis.case import Case, Cause, always
from smtpcheck.probes.clock import ClockFacts


def clock_right(case: Case) -> bool | None:
    """Our clock is not what makes the certificates look bad; None: it may be."""
    facts = case.facts("clock", here=False)
    # five minutes, as everywhere else
    return None if isinstance(facts, ClockFacts) and abs(facts.offset) - facts.uncertainty > 300 else True


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "mtasts-mx-mismatch": (Cause("mta-sts-mx-mismatch", always),),
    "mtasts-certificate": (Cause("mta-sts-cert-fail", clock_right),),
    "dane-mismatch": (Cause("dane-tlsa-mismatch", always),),
}
