"""What may be behind a certificate that can not be relied on?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from smtpcheck.core import Stage
from smtpcheck.diagnosis import reached
from smtpcheck.diagnosis.case import Case, Cause, always
from smtpcheck.diagnosis.causes.clock import measured
from smtpcheck.diagnosis.causes.names import MISLED
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.issuer import IssuerFacts


def issuer_completes(case: Case) -> bool | None:
    """The chain verifies with the issuer fetched from where the leaf says."""
    facts = case.facts("issuer")
    return facts.completes if isinstance(facts, IssuerFacts) else None


def issuer_does_not_complete(case: Case) -> bool | None:
    """The issuer was fetched and its root is not in the store either."""
    completes = issuer_completes(case)
    return None if completes is None else not completes


def clock_ahead(case: Case) -> bool | None:
    """The local clock is ahead by enough that every certificate shown as expired is valid in truth."""
    return _clock_explains(case, ahead=True)


def clock_behind(case: Case) -> bool | None:
    """The same for certificates that seem not yet valid."""
    return _clock_explains(case, ahead=False)


def _clock_explains(case: Case, *, ahead: bool) -> bool | None:
    facts = case.facts("chain")
    clock = case.facts("clock", here=False)
    if not isinstance(facts, ChainFacts) or not isinstance(clock, ClockFacts):
        return None
    if (clock.offset < 0) is not ahead or abs(clock.offset) <= clock.uncertainty:
        return False
    now = facts.at + timedelta(seconds=clock.offset)
    return all(c.not_before <= now <= c.not_after for c in facts.certificates)


def address_literal(case: Case) -> bool | None:
    """The name asked for is an IP address."""
    return case.finding.seen.get("address") is True


_AHEAD = Cause("clock-ahead", clock_ahead, Stage.CLOCK, measured)
_BEHIND = Cause("clock-behind", clock_behind, Stage.CLOCK, measured)


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "chain-wrong-host": (
        *MISLED,
        Cause("transparent-smtp-redirect", reached.redirected),
        Cause("cert-host-is-ip", address_literal),
        Cause("cert-hostname-mismatch", always),
    ),
    "chain-wildcard-depth": (Cause("cert-hostname-mismatch", always),),
    "chain-cn-only": (Cause("cert-cn-only", always),),
    "chain-self-signed": (Cause("cert-self-signed", always),),
    "chain-untrusted-root": (Cause("cert-private-ca", always),),
    "chain-issuer-unknown": (
        Cause("cert-chain-incomplete", issuer_completes),
        Cause("cert-private-ca", issuer_does_not_complete),
    ),
    "chain-expired": (_AHEAD, Cause("cert-expired", always)),
    "chain-issuer-expired": (_AHEAD, Cause("cert-intermediate-or-root-expired", always)),
    "chain-not-yet-valid": (_BEHIND, Cause("cert-not-yet-valid", always)),
    "chain-issuer-not-yet-valid": (_BEHIND, Cause("cert-not-yet-valid", always)),
    "chain-weak-key": (Cause("cert-weak-key-or-sig", always),),
    "chain-weak-signature": (Cause("cert-weak-key-or-sig", always),),
}
