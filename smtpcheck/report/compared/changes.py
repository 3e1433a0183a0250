"""What changed between two reports of one target, and what of it may explain a new break? Values, no words.

What is measured once says little, so a time has changed only where it is SLOWER times as long (or short) and LATER
seconds apart, and a clock where it moved by more than CLOCK_MOVED and both measurements' uncertainty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from smtpcheck.core import Report, Stage, Verdict
from smtpcheck.report.compared.aspects import Trait, counterpart, software, traits

SLOWER = 3.0
LATER = 0.5
"""Below the second after which a lost first packet is repeated (RFC 6298 section 2.1), above usual jitter."""
CLOCK_MOVED = 5.0
"""Seconds; as `note_seconds` of the clock probe."""
_ORDER = list(Stage)
_Traits = Mapping[tuple[str, str], Trait]
OUTCOMES = frozenset({"verdict", "diagnosis"})
"""Changes that say how it ended, not why."""
# Traits that are sets, told as what went and what came.
SETS = frozenset({"resolver", "submission", "mx", "addresses", "capabilities", "mechanisms", "certificate-names"})
# A change that says little by itself: it shows beside, and does not count.
_QUIET = frozenset({"group", "environment", "smtpcheck", "roots"})
# Told by another change.
_TOLD_BY = {"verified": "diagnosis", "resolver": "--dns"}
_ANYWHERE = tuple(Stage)
_FROM_CONNECT = tuple(stage for stage in Stage if stage not in (Stage.CONFIG, Stage.DNS, Stage.CLOCK))
_TO_LOGIN = (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.TLS, Stage.CERTIFICATE, Stage.AUTH)
# Trait, or option -> stages at which a new break may come from it; what is not listed: its own stage.
_BEARS_ON: Mapping[str, tuple[Stage, ...]] = {
    "--user": (Stage.CONFIG, Stage.AUTH, Stage.MAIL),
    "--auth": (Stage.AUTH,),
    "--ehlo": (Stage.CONFIG, Stage.EHLO, Stage.MAIL, Stage.RCPT),
    "--from": (Stage.CONFIG, Stage.MAIL, Stage.RCPT, Stage.DATA),
    "--ca-file": (Stage.CERTIFICATE,),
    "--dns": (Stage.DNS,),
    "--mode": (Stage.CONFIG, *_TO_LOGIN),
    "--port": (Stage.CONFIG, *_TO_LOGIN),
    "--connect-to": _FROM_CONNECT,
    "secret": (Stage.AUTH,),
    "submission": (Stage.DNS, *_TO_LOGIN),
    "mx": (Stage.DNS, *_FROM_CONNECT),
    "addresses": (Stage.DNS, *_TO_LOGIN),
    "endpoint": _FROM_CONNECT,
    "banner": (Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA),
    "capabilities": (Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA),
    "starttls": (Stage.STARTTLS, Stage.TLS, Stage.AUTH),
    "clock": (Stage.CLOCK, Stage.CERTIFICATE, Stage.AUTH),
    "environment": (Stage.TLS, Stage.CERTIFICATE),
    "smtpcheck": (),
}
# Who said where to go: it matters as far as another way was taken.
_SIGNPOSTS = frozenset({"resolver", "--dns"})
_WAYS = frozenset({"addresses", "mx", "submission"})
_RANK = (
    *("verdict", "diagnosis", "expired-since", "port", "starttls", "chain", "issuer", "expiry", "certificate-names"),
    *("mechanisms", "addresses", "mx", "submission", "resolver", "key", "certificate", "roots"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs; `lost` and `gained` are what went and what came of a set, else the two values."""

    code: str
    stage: Stage
    about: str
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    explains: bool = False
    """It may explain the new break."""
    counts: bool = True
    """More than what differs from one time to the next."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports of one target, the older first."""

    old: Report
    new: Report
    changes: tuple[Change, ...]
    """What may explain a new break first, then what counts, each in the order of the way."""
    unknown: tuple[tuple[str, Stage], ...]
    """Traits that only one of the reports knows, with their stages."""
    broken: Stage | None = None
    """Where it is broken now and was not before."""

    @property
    def changed(self) -> bool:
        """Something that counts is different."""
        return any(change.counts or change.explains for change in self.changes)


def same_target(old: Report, new: Report) -> bool:
    """They are about the same target, whatever the options were."""
    one, other = old.target, new.target
    return one.kind is other.kind and one.spec.strip().lower() == other.spec.strip().lower()


def compare(one: Report, other: Report) -> Comparison:
    """What changed from the older to the newer report. ValueError for reports of different targets."""
    if not same_target(one, other):
        raise ValueError(f"reports of different targets: {one.target.spec!a} and {other.target.spec!a}")
    old, new = sorted((one, other), key=lambda report: report.started)
    then, now = counterpart(old, new)
    before = {trait.key: trait for trait in traits(old, then)}
    after = {trait.key: trait for trait in traits(new, now)}
    broken = _new_break(old, new)
    found = [*_verdicts(old, new), *_expired(old, new, before, after)]
    found += [change for key in before.keys() & after.keys() for change in _difference(before[key], after[key])]
    told = {change.code for change in found} | {change.about for change in found if change.code == "setting"}
    kept = [change for change in found if _TOLD_BY.get(change.code) not in told]
    kept = [replace(change, explains=_explains(change, broken, told)) for change in kept]
    kept.sort(key=lambda change: _place(change, broken))
    return Comparison(old, new, tuple(kept), _one_sided(before, after), broken)


def _place(change: Change, broken: Stage | None) -> tuple[bool, bool, bool, int, int, str]:
    """What may explain a new break first, nearest to it; then what counts, in the order of the way."""
    rank = _RANK.index(change.code) if change.code in _RANK else len(_RANK)
    counts = change.counts or change.explains
    return not change.explains, not counts, change.stage is not broken, _ORDER.index(change.stage), rank, change.about


def _one_sided(before: _Traits, after: _Traits) -> tuple[tuple[str, Stage], ...]:
    both = {code for code, _ in before.keys() & after.keys()}
    alone = [before[key] for key in before.keys() - after.keys()] + [after[key] for key in after.keys() - before.keys()]
    found = {(trait.code, trait.stage) for trait in alone if trait.code not in both and trait.code != "latency"}
    return tuple(sorted(found, key=lambda each: (_ORDER.index(each[1]), each[0])))


def _new_break(old: Report, new: Report) -> Stage | None:
    """Where it is broken now, unless it was broken so before."""
    if new.diagnosis is None or new.verdict is Verdict.HEALTHY:
        return None
    same = old.diagnosis is not None and old.diagnosis.code == new.diagnosis.code
    return None if same else new.diagnosis.stage


def _explains(change: Change, broken: Stage | None, told: Collection[str]) -> bool:
    """It may explain the new break: possible by where it acts, not proved."""
    if change.code in {*OUTCOMES, "latency"}:
        return False
    name = change.about if change.code == "setting" else change.code
    if broken in _BEARS_ON.get(name, (change.stage,)):
        return True
    return name in _SIGNPOSTS and not _WAYS.isdisjoint(told) and broken in _TO_LOGIN


def _verdicts(old: Report, new: Report) -> Iterator[Change]:
    if old.verdict is not new.verdict:
        yield Change("verdict", Stage.POLICY, "", (old.verdict.value,), (new.verdict.value,))
    then, now = (tuple(told.code for told in report.diagnoses) for report in (old, new))
    if then != now:
        stage = new.diagnosis.stage if new.diagnosis else old.diagnosis.stage if old.diagnosis else Stage.POLICY
        yield Change("diagnosis", stage, "", then, now)


def _expired(old: Report, new: Report, before: _Traits, after: _Traits) -> Iterator[Change]:
    """The same certificate as before, and meanwhile its time ran out: nothing changed but the date."""
    key, ends = ("certificate", ""), ("expiry", "")
    if key not in before or key not in after or before[key].values != after[key].values or ends not in after:
        return
    end = after[ends].at
    if end is not None and old.started < end <= new.started:
        yield Change("expired-since", Stage.CERTIFICATE, "", (), after[ends].values)


def _difference(old: Trait, new: Trait) -> Iterator[Change]:
    if old.number is not None and new.number is not None:
        yield from _measured(old, new, old.number, new.number)
        return
    if old.code in SETS:
        lost = tuple(value for value in old.values if value not in new.values)
        gained = tuple(value for value in new.values if value not in old.values)
        if lost or gained:
            yield Change(old.code, old.stage, old.about, lost, gained, counts=_set_counts(old, new))
    elif old.values != new.values:
        quiet = old.code in _QUIET or (old.code == "banner" and software(*old.values) == software(*new.values))
        yield Change(old.code, old.stage, old.about, old.values, new.values, counts=not quiet)


def _set_counts(old: Trait, new: Trait) -> bool:
    """A pool of addresses that shows another part of itself says little; one without a member in common does."""
    if old.code != "addresses":
        return True
    families = [{":" in address for address in trait.values} for trait in (old, new)]
    return families[0] != families[1] or not set(old.values) & set(new.values)


def _measured(old: Trait, new: Trait, then: float, now: float) -> Iterator[Change]:
    apart = abs(now - then)
    if old.code == "clock":
        moved = apart > CLOCK_MOVED + old.margin + new.margin
    else:
        moved = apart >= LATER and max(then, now) >= SLOWER * min(then, now)
    if moved:
        yield Change(old.code, old.stage, old.about, old.values, new.values)


def between(comparison: Comparison) -> timedelta:
    """How long after the older report the newer one was made."""
    return comparison.new.started - comparison.old.started
