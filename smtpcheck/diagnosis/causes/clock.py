"""What may be behind a clock that is off?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.core import Scalar
from smtpcheck.diagnosis.case import Case, Cause, always
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.times import TimesFacts


def measured(case: Case) -> Mapping[str, Scalar]:
    """What was seen of the clock."""
    finding = case.finding_of("clock")
    return dict(finding.seen) if finding else {}


def contradicted(case: Case) -> bool | None:
    """By the time server's time a certificate was shown before it was made; None: after its end, which may be so."""
    facts = case.of(TimesFacts, here=False)
    if facts is None:
        return False
    if facts.told > facts.not_after:
        return None
    return facts.told < facts.not_before


def witnessed(case: Case) -> Mapping[str, Scalar]:
    """Whose certificate speaks against the time server."""
    finding = case.finding_of("times")
    return dict(finding.seen) if finding else {}


def drifted(case: Case) -> bool | None:
    """The token's time is over, or not begun, by the time server and not by our clock; None: its time is not known."""
    clock, auth = case.of(ClockFacts, here=False), case.of(AuthFacts)
    if clock is None or auth is None or abs(clock.offset) - clock.uncertainty <= _TOLERATED:
        return False
    begins, ends = (auth.looks.valid_from, auth.looks.valid_until) if auth.looks else (None, None)
    if begins is None and ends is None:
        return None
    ours = case.result.started.timestamp()
    true = ours + clock.offset
    return _within(ours, begins, ends) and not _within(true, begins, ends)


def _within(at: float, begins: float | None, ends: float | None) -> bool:
    return (begins is None or begins <= at) and (ends is None or at <= ends)


def drift_seen(case: Case) -> Mapping[str, Scalar]:
    """The clock as measured, and the token's own time."""
    window = next((f.seen for f in case.result.findings if f.code == "auth-token-window"), {})
    return {**measured(case), **window}


# RFC 4120 section 7.5.1, and what most checks of a token's time tolerate
_TOLERATED = 300.0
_LYING = Cause("ntp-server-lying", contradicted, seen=witnessed)
DRIFTED = Cause("clock-drift-token", drifted, seen=drift_seen, likely=lambda case: drifted(case) is None)

CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "clock-ahead": (_LYING, Cause("clock-ahead", always)),
    "clock-behind": (_LYING, Cause("clock-behind", always)),
    "clock-time-zone": (_LYING, Cause("clock-time-zone", always)),
}
