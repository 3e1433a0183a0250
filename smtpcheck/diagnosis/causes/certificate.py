"""What may be behind a certificate that can not be relied on?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address

from smtpcheck.core import Scalar, Stage
from smtpcheck.diagnosis import network
from smtpcheck.diagnosis.case import Case, Cause, Holds, always
from smtpcheck.diagnosis.causes.clock import measured
from smtpcheck.diagnosis.causes.names import MISLED
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.issuer import IssuerFacts
from smtpcheck.probes.sni import SniFacts
from smtpcheck.probes.stores import StoresFacts
from smtpcheck.wire.certificate import CertificateFacts
from smtpcheck.wire.inspectors import inspector


def issuer_completes(case: Case) -> bool | None:
    """The chain verifies with the issuer fetched from where the leaf says."""
    facts = case.of(IssuerFacts)
    return facts.completes if facts is not None else None


def issuer_does_not_complete(case: Case) -> bool | None:
    """The issuer was fetched and its root is in no store either."""
    facts = case.of(IssuerFacts)
    return not facts.completes and not facts.completes_elsewhere if facts is not None else None


def elsewhere_trusted(case: Case) -> bool | None:
    """Other programs' roots lead to trust, with the issuer's certificate fetched where it was not sent."""
    stores, issuer = case.of(StoresFacts), case.of(IssuerFacts)
    with_issuer = issuer is not None and issuer.completes_elsewhere and not issuer.completes
    return (stores is not None and stores.trusted) or with_issuer


def store_empty(case: Case) -> bool | None:
    """The root store holds nothing, so that nothing can verify; None where another store does not lead to trust."""
    facts = case.of(ChainFacts)
    if facts is None or facts.store != 0:
        return False
    return True if elsewhere_trusted(case) else None


def store_outdated(case: Case) -> bool | None:
    """The root store lacks, or holds an expired form of, a root that other programs trust."""
    facts = case.of(ChainFacts)
    return facts is not None and facts.store != 0 and bool(elsewhere_trusted(case))


def answers(*kinds: str) -> Holds:
    """A product that opens TLS signed the chain, and no root store leads to trust in it."""

    def holds(case: Case) -> bool | None:
        found = inspector(_certificates(case))
        return found is not None and found[0].kind in kinds and not elsewhere_trusted(case)

    return holds


def bridge(case: Case) -> bool | None:
    """A mail program's own server on this machine."""
    found = inspector(_certificates(case))
    here = ip_address(case.result.subject.address).is_loopback if case.result.subject.address else False
    return here and found is not None and found[0].kind == "bridge"


def inspected(case: Case) -> Mapping[str, Scalar]:
    """Which product, by which words."""
    found = inspector(_certificates(case))
    return {"product": found[0].product, "kind": found[0].kind, "issuer": found[1]} if found else {}


def stores_seen(case: Case) -> Mapping[str, Scalar]:
    """Where the roots were looked for, and how many there were."""
    facts, chain = case.of(StoresFacts), case.of(ChainFacts)
    own = (chain.roots_source, chain.store) if chain is not None else ("", 0)
    other = (facts.other, facts.other_roots) if facts is not None else ("", 0)
    return {"own": own[0], "roots": own[1], "other": other[0], "others": other[1]}


def name_needed(case: Case) -> bool | None:
    """Asked for by its name the server shows a certificate for it; or the one shown says that a name was missing."""
    if not address_literal(case):
        return False
    facts = case.of(SniFacts)
    shown = " ".join(each.subject for each in _certificates(case)[:1])
    return (facts is not None and facts.fits and facts.differs) or _NO_SNI in shown


def name_seen(case: Case) -> Mapping[str, Scalar]:
    """The name that the server knows itself by."""
    facts = case.of(SniFacts)
    return {"asked": facts.asked if facts is not None else ""}


def private(case: Case) -> bool | None:
    """Nothing known signed it, and an empty store proves nothing."""
    facts = case.of(ChainFacts)
    return None if facts is not None and facts.store == 0 else True


def _certificates(case: Case) -> Sequence[CertificateFacts]:
    facts = case.of(ChainFacts)
    return facts.certificates if facts is not None else ()


def clock_ahead(case: Case) -> bool | None:
    """The local clock is ahead by enough that every certificate shown as expired is valid in truth."""
    return _clock_explains(case, ahead=True)


def clock_behind(case: Case) -> bool | None:
    """The same for certificates that seem not yet valid."""
    return _clock_explains(case, ahead=False)


def by_whole_hours(explains: Holds) -> Holds:
    """That test, where the clock is off as a wrong time zone makes it."""
    return lambda case: explains(case) if case.finding_in("clock", "clock-time-zone") else False


def _clock_explains(case: Case, *, ahead: bool) -> bool | None:
    facts = case.of(ChainFacts)
    clock = case.of(ClockFacts, here=False)
    if facts is None or clock is None:
        return None
    if (clock.offset < 0) is not ahead or abs(clock.offset) <= clock.uncertainty:
        return False
    now = facts.at + timedelta(seconds=clock.offset)
    return all(c.not_before <= now <= c.not_after for c in facts.certificates)


def address_literal(case: Case) -> bool | None:
    """The name asked for is an IP address."""
    return case.finding.seen.get("address") is True


# what Google shows to those who send no name
_NO_SNI = "No SNI provided"
_INSPECTED = (
    Cause("av-mail-shield", answers("antivirus"), seen=inspected),
    Cause("corp-tls-inspection", answers("firewall"), seen=inspected),
)
_STORES = (
    Cause("trust-store-missing", store_empty, seen=stores_seen),
    Cause("trust-store-outdated", store_outdated, seen=stores_seen),
)
_ZONE_AHEAD = Cause("clock-time-zone", by_whole_hours(clock_ahead), Stage.CLOCK, measured)
_ZONE_BEHIND = Cause("clock-time-zone", by_whole_hours(clock_behind), Stage.CLOCK, measured)
_AHEAD = Cause("clock-ahead", clock_ahead, Stage.CLOCK, measured)
_BEHIND = Cause("clock-behind", clock_behind, Stage.CLOCK, measured)


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "certificate-wrong-host": (
        Cause("certificate-default-needs-sni", name_needed, seen=name_seen),
        *MISLED,
        Cause("transparent-smtp-redirect", network.redirected),
        Cause("certificate-host-is-ip", address_literal),
        Cause("certificate-wrong-host", always),
    ),
    "certificate-self-signed": (
        *_INSPECTED,
        Cause("proton-bridge-cert", bridge, seen=inspected),
        Cause("certificate-self-signed", always),
    ),
    "certificate-untrusted-root": (*_INSPECTED, *_STORES, Cause("certificate-private-ca", private)),
    "certificate-issuer-unknown": (
        *_INSPECTED,
        *_STORES,
        Cause("certificate-chain-incomplete", issuer_completes),
        Cause("certificate-private-ca", issuer_does_not_complete),
    ),
    "certificate-expired": (_ZONE_AHEAD, _AHEAD, Cause("certificate-expired", always)),
    "certificate-issuer-expired": (_ZONE_AHEAD, _AHEAD, _STORES[1], Cause("certificate-issuer-expired", always)),
    "certificate-not-yet-valid": (_ZONE_BEHIND, _BEHIND, Cause("certificate-not-yet-valid", always)),
    "certificate-issuer-not-yet-valid": (_ZONE_BEHIND, _BEHIND, Cause("certificate-issuer-not-yet-valid", always)),
}
