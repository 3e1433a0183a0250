"""What can be compared between two reports of one target? Its traits: named values with the stage they belong to.

A trait that a report does not hold is not known there; nothing is concluded from its absence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from smtpcheck import route
from smtpcheck.core import Kind, Report, Stage, Subject, facts_of
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.probes.chain import ChainFacts
from smtpcheck.probes.clock import ClockFacts
from smtpcheck.probes.greeting import GreetingFacts
from smtpcheck.probes.port import PortFacts
from smtpcheck.probes.tls import TlsFacts
from smtpcheck.route import AddressFacts, MxFacts, SubmissionFacts
from smtpcheck.wire.certificate import CertificateFacts
from smtpcheck.wire.dns import Answer

_KNOWN = (None, Kind.NODATA, Kind.NXDOMAIN)
# What is said of this machine and may decide how TLS goes.
_ENVIRONMENT = ("python", "openssl", "tls", "system")


@dataclass(frozen=True, slots=True)
class Trait:
    """One thing that may differ; `values` is a set of texts, or one text."""

    code: str
    stage: Stage
    values: tuple[str, ...]
    about: str = ""
    """The host or port it belongs to, where there may be several."""
    number: float | None = None
    """Seconds, for what is measured."""
    margin: float = 0.0
    """Seconds by which the measurement may be off."""
    at: datetime | None = None
    """A point in time, for what ends."""

    @property
    def key(self) -> tuple[str, str]:
        """What it is compared with."""
        return self.code, self.about


def traits(report: Report, subject: Subject | None = None) -> tuple[Trait, ...]:
    """The traits of a report; those of one endpoint are `subject`'s, else those of the one the verdict is about."""
    chosen = subject or route.chosen(report.target, report.results)
    found = [*_settings(report), *_names(report), *_ports(report), *_clock(report), *_machine(report)]
    if chosen:
        found += [*_endpoint(report, chosen), *_times(report, chosen)]
    return tuple(found)


def counterpart(old: Report, new: Report) -> tuple[Subject | None, Subject | None]:
    """The endpoints to compare: the new verdict's, and the same host and port in the old report where it was known."""
    now = route.chosen(new.target, new.results)
    then = route.chosen(old.target, old.results)
    if now:
        known = [s for s in route.endpoints(old.target, old.results) if s.address]
        same = [s for s in known if (s.name, s.port, s.mode) == (now.name, now.port, now.mode)]
        if then not in same:
            then = next((s for s in same if s.address == now.address), same[0] if same else then)
    return then, now


def _settings(report: Report) -> Iterator[Trait]:
    """What the user said; of the secret only whether there was one."""
    target = report.target
    said = {
        "user": target.user,
        "port": str(target.port or ""),
        "mode": target.mode.value,
        "auth": target.auth,
        "ehlo": target.ehlo,
        "from": target.sender,
        "ca-file": target.ca_file,
        "connect-to": " ".join(target.connect_to),
        "dns": target.dns,
    }
    for name, value in said.items():
        yield Trait("setting", Stage.CONFIG, (value,) if value else (), f"--{name}")
    yield Trait("secret", Stage.CONFIG, ("yes",) if target.secret else ())


def _names(report: Report) -> Iterator[Trait]:
    resolvers = tuple(contact.where for contact in report.contacts if contact.who == "resolver")
    if resolvers:
        yield Trait("resolver", Stage.DNS, resolvers)
    for submission in facts_of(SubmissionFacts, report.results):
        offers = tuple(f"{one.host}:{one.port}/{one.mode}" for one in submission.candidates)
        yield Trait("submission", Stage.DNS, offers)
    for exchange in facts_of(MxFacts, report.results):
        if exchange.mx.broke in _KNOWN:
            yield Trait("mx", Stage.DNS, tuple(f"{one.preference} {one.exchange}" for one in exchange.mx.mx))
    for facts in facts_of(AddressFacts, report.results):
        if _answered(facts.a) and _answered(facts.aaaa):
            yield Trait("addresses", Stage.DNS, facts.addresses, facts.host)


def _answered(answer: Answer) -> bool:
    return answer.broke in _KNOWN


def _ports(report: Report) -> Iterator[Trait]:
    """Whether each port was open, at any address."""
    found: dict[tuple[str, int], set[str]] = {}
    for result in report.results:
        if isinstance(result.facts, PortFacts):
            where = result.subject.name, result.subject.port
            found.setdefault(where, set()).add(str(result.facts.broke or "open"))
    for (name, port), states in found.items():
        yield Trait("port", Stage.CONNECT, ("open",) if "open" in states else tuple(sorted(states)), f"{name}:{port}")


def _endpoint(report: Report, subject: Subject) -> Iterator[Trait]:
    mine = [result for result in report.results if result.subject == subject]
    yield Trait("endpoint", Stage.CONNECT, (f"{subject.name}:{subject.port}/{subject.mode}",))
    if greeting := next(facts_of(GreetingFacts, mine), None):
        yield from _said(greeting)
    if (tls := next(facts_of(TlsFacts, mine), None)) and tls.version:
        yield Trait("tls-version", Stage.TLS, (tls.version,))
        yield Trait("cipher", Stage.TLS, (tls.cipher,))
        yield Trait("group", Stage.TLS, (tls.group,) if tls.group else ())
    if chain := next(facts_of(ChainFacts, mine), None):
        yield from _certificate(chain)
    if (auth := next(facts_of(AuthFacts, mine), None)) and auth.mechanism:
        yield Trait("mechanism", Stage.AUTH, (auth.mechanism,))


def _said(facts: GreetingFacts) -> Iterator[Trait]:
    if facts.greeting:
        yield Trait("banner", Stage.GREETING, (f"{facts.greeting.code} {facts.greeting.text}",))
    if facts.capabilities:
        starttls = "STARTTLS" in facts.capabilities.keywords
        yield Trait("starttls", Stage.STARTTLS, ("STARTTLS",) if starttls else ())
    last = facts.secure_capabilities or facts.capabilities
    if last:
        offers = {word: value for word, value in last.keywords.items() if word not in ("AUTH", "STARTTLS")}
        yield Trait("capabilities", Stage.EHLO, tuple(f"{word} {value}".strip() for word, value in offers.items()))
        yield Trait("mechanisms", Stage.AUTH, tuple(sorted(last.mechanisms)))


def _certificate(facts: ChainFacts) -> Iterator[Trait]:
    stage = Stage.CERTIFICATE
    yield Trait("roots", stage, (facts.roots[:16].lower(),))
    yield Trait("verified", stage, ("yes" if facts.verdict.verified else "no",))
    yield Trait("chain", stage, (str(len(facts.chain)),))
    if not facts.certificates:
        return
    leaf = facts.certificates[0]
    yield Trait("certificate", stage, (leaf.sha256[:16].lower(),))
    yield Trait("issuer", stage, (leaf.issuer,))
    yield Trait("expiry", stage, (f"{leaf.not_after:%Y-%m-%d}",), at=leaf.not_after)
    yield Trait("key", stage, (_key(leaf),))
    yield Trait("certificate-names", stage, tuple(sorted(leaf.san)))


def _key(leaf: CertificateFacts) -> str:
    return " ".join(part for part in (leaf.key.upper(), str(leaf.bits or ""), leaf.signature_hash) if part)


def _times(report: Report, subject: Subject) -> Iterator[Trait]:
    """How long each stage took, of those that came to their end."""
    spent: dict[Stage, float] = {}
    for talk in report.conversations:
        if talk.subject == subject:
            for step in talk.steps:
                if step.broke is None and step.stage is not Stage.QUIT:
                    spent[step.stage] = spent.get(step.stage, 0.0) + step.elapsed
    for stage, seconds in spent.items():
        yield Trait("latency", stage, (f"{seconds:.2f} s",), stage.value, number=seconds)


def _clock(report: Report) -> Iterator[Trait]:
    for facts in facts_of(ClockFacts, report.results):
        # what is added to the clock is positive where the clock is behind
        text = f"{-facts.offset:+.1f} s"
        yield Trait("clock", Stage.CLOCK, (text,), number=-facts.offset, margin=facts.uncertainty)


def _machine(report: Report) -> Iterator[Trait]:
    for name in _ENVIRONMENT:
        if value := report.environment.get(name):
            yield Trait("environment", Stage.CONFIG, (value,), name)
    if version := report.environment.get("smtpcheck"):
        yield Trait("smtpcheck", Stage.CONFIG, (version,))


def software(banner: str) -> str:
    """A banner without what differs from one connection to the next: every word with a digit (ids, dates, versions)."""
    return " ".join("#" if any(char.isdigit() for char in word) else word for word in banner.split()[1:])
