"""What may be behind a clock that is off?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.core import Scalar
from smtpcheck.diagnosis.case import Case, Cause, always


def measured(case: Case) -> Mapping[str, Scalar]:
    """What was seen of the clock."""
    finding = case.finding_of("clock")
    return dict(finding.seen) if finding else {}


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "clock-ahead": (Cause("clock-ahead", always),),
    "clock-behind": (Cause("clock-behind", always),),
    "clock-timezone": (Cause("clock-tz-as-utc", always),),
}
