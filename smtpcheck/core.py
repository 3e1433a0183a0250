"""Which words does smtpcheck speak? The nouns, frozen and free of I/O, and the contract of a probe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

Scalar = str | int | float | bool | None


class Stage(StrEnum):
    """Where on the way of a mail; the order walked depends on the mode (see `WALKS`)."""

    CONFIG = "config"
    DNS = "dns"
    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    TLS = "tls"
    CERTIFICATE = "certificate"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    QUIT = "quit"
    DELIVERY = "delivery"
    CLOCK = "clock"
    POLICY = "policy"


class Severity(StrEnum):
    """How bad one finding is, a property of its rule."""

    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"


class Status(StrEnum):
    """How one result ended, derived from its outcome and findings."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    BLOCKED = "blocked"
    SKIPPED = "skipped"
    BUG = "bug"


class Verdict(StrEnum):
    """What a whole report says."""

    HEALTHY = "healthy"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"
    BUG = "bug"


class Confidence(StrEnum):
    """How sure a diagnosis is."""

    CERTAIN = "certain"
    LIKELY = "likely"
    POSSIBLE = "possible"


class Mode(StrEnum):
    """How TLS starts: RFC 3207 (starttls), RFC 8314 section 3.3 (implicit), never (plain)."""

    AUTO = "auto"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    PLAIN = "plain"


class Kind(StrEnum):
    """The one vocabulary for how a step ended short. The first two groups are facts, the last is our side."""

    # name resolution (RFC 1035 section 4.1.1, RFC 2308)
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    SERVFAIL = "servfail"
    DNS_REFUSED = "dns-refused"
    RESOLVER_DOWN = "resolver-down"
    RESOLVER_SILENT = "resolver-silent"
    TRUNCATED = "truncated"
    # the peer, or the way to it
    REFUSED = "refused"
    RESET = "reset"
    CLOSED = "closed"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    GARBAGE = "garbage"
    NOT_OFFERED = "not-offered"
    INJECTED = "injected"
    NOT_TLS = "not-tls"
    ALERT = "alert"
    HANDSHAKE = "handshake"
    UNVERIFIED = "unverified"
    # our side
    DEADLINE = "deadline"
    NO_ROUTE = "no-route"
    UNSUPPORTED = "unsupported"
    LOCAL = "local"
    SILENT = "silent"
    UNTRUSTWORTHY = "untrustworthy"
    WITHHELD = "withheld"
    NO_CONSENT = "no-consent"
    NOT_SEEN = "not-seen"
    BUG = "bug"


_TRANSACTION = (Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DELIVERY)
WALKS: Mapping[Mode, tuple[Stage, ...]] = {
    Mode.STARTTLS: (
        Stage.DNS,
        Stage.CONNECT,
        Stage.GREETING,
        Stage.EHLO,
        Stage.STARTTLS,
        Stage.TLS,
        Stage.CERTIFICATE,
        Stage.EHLO,  # RFC 3207 section 4.2: what was announced before TLS counts no more
        *_TRANSACTION,
    ),
    Mode.IMPLICIT: (
        Stage.DNS,
        Stage.CONNECT,
        Stage.TLS,
        Stage.CERTIFICATE,
        Stage.GREETING,
        Stage.EHLO,
        *_TRANSACTION,
    ),
    Mode.PLAIN: (Stage.DNS, Stage.CONNECT, Stage.GREETING, Stage.EHLO, *_TRANSACTION),
}
"""The order of the stages: the one place that says it."""
PATHS: Mapping[Mode, tuple[Stage, ...]] = {mode: tuple(dict.fromkeys(walk)) for mode, walk in WALKS.items()}
"""Each stage once, where it comes first."""


class TargetKind(StrEnum):
    """What the user named: a mail account, a host, or the mail exchangers of a domain."""

    ACCOUNT = "account"
    HOST = "host"
    MX = "mx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to check and how; holds references to secrets, never a secret."""

    spec: str
    kind: TargetKind
    name: str
    """The host, or the domain for an account and for mx:."""
    port: int | None = None
    mode: Mode = Mode.AUTO
    user: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    send: bool = False
    """Send a message, and look for it in the mailbox."""
    message: str = ""
    """Path of a message to send as it is; empty: one is composed of the next four."""
    subject: str = ""
    text: str = ""
    html: str = ""
    attach: tuple[str, ...] = ()
    """Paths of files to attach."""
    imap: str = ""
    """HOST or HOST:PORT of the recipient's mailbox; empty: the provider's where it is known."""
    imap_user: str = ""
    wait: float = 120.0
    """Seconds to look for the message, on top of the deadline: content filters between hosts take about a minute."""
    until: Stage | None = None
    auth: str = ""
    """The one SASL mechanism to use; empty: chosen."""
    allow: tuple[str, ...] = ()
    dns: str = ""
    """The resolver as IP or IP:PORT; empty: the system's."""
    ntp: str = ""
    ca_file: str = ""
    ca_compare: str = ""
    """Roots of other programs, to be asked too where a chain does not verify; empty: certifi's, unless ca_file is."""
    ehlo: str = ""
    connect_to: tuple[str, ...] = ()
    deadline: float = 30.0
    """Seconds of wall time for the whole process."""
    only_target: bool = False
    all_addresses: bool = False
    experiments: bool = True
    """Decide between look-alikes by at most three connections more, where something broke."""
    control: str = ""
    """HOST or HOST:PORT of another server, of which the user knows that it opens this port: does it from here?"""
    control_recipient: bool = False
    """Where a recipient is refused for good, ask for postmaster@ of its domain in the same transaction."""
    secret: str = ""
    """A reference, as env:NAME or file:PATH; empty: no login."""
    imap_secret: str = ""
    """A reference to the mailbox's password; empty: the login's, where host and user allow it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a probe asks about: a name, or an endpoint of it (name, address, port, mode)."""

    name: str
    address: str = ""
    port: int = 0
    mode: Mode = Mode.AUTO

    def __str__(self) -> str:
        text = self.name
        if self.address:
            text += f"[{self.address}]"
        if self.port:
            text += f":{self.port}"
        if self.mode is not Mode.AUTO:
            text += f"/{self.mode}"
        return text


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing a probe can find wrong; its text lives in advice/."""

    code: str
    severity: Severity
    stage: Stage
    ref: str = ""
    """The law: RFC and section, or the source of a threshold."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a probe found; `seen` holds the values its text needs."""

    code: str
    severity: Severity
    stage: Stage
    subject: str
    seen: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is as it is, a code with the values that its text needs; the text lives in advice/ui."""

    code: str = ""
    seen: Mapping[str, Scalar] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.code)


def because(code: str, /, **seen: Scalar) -> Reason:
    """The reason of that code, with these values."""
    return Reason(code, seen)


NO_REASON = Reason()
"""The kind says all there is to say."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Our side stopped it: could not ask. Never a pass, never a fault of the peer."""

    kind: Kind
    stage: Stage
    code: str = ""
    seen: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def reason(self) -> Reason:
        """Code and values."""
        return Reason(self.code, self.seen)


@dataclass(frozen=True, slots=True)
class Blocked:
    """An earlier stage broke, so the question was not reached."""

    stage: Stage
    kind: Kind
    code: str = ""
    seen: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def reason(self) -> Reason:
        """Code and values."""
        return Reason(self.code, self.seen)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not asked, and why."""

    code: str
    seen: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def reason(self) -> Reason:
        """Code and values."""
        return Reason(self.code, self.seen)


F = TypeVar("F")

_WORST = (Severity.FAIL, Severity.WARN, Severity.NOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Generic[F]):
    """What one probe learnt about one subject."""

    probe: str
    subject: Subject
    outcome: F | Failure | Blocked | Skipped
    findings: tuple[Finding, ...] = ()
    started: datetime
    elapsed: float
    """Seconds."""

    @property
    def status(self) -> Status:
        """Derived, so that it can't contradict the outcome."""
        match self.outcome:
            case Failure(kind=Kind.BUG):
                return Status.BUG
            case Failure():
                return Status.INCONCLUSIVE
            case Blocked():
                return Status.BLOCKED
            case Skipped():
                return Status.SKIPPED
        severities = {finding.severity for finding in self.findings}
        return next((Status(s) for s in _WORST if s in severities), Status.OK)

    @property
    def facts(self) -> F | None:
        """The facts, or None when there are none."""
        return None if isinstance(self.outcome, Failure | Blocked | Skipped) else self.outcome

    @property
    def broke(self) -> Kind | None:
        """How the question ended short, where the facts say so: their field `broke`."""
        return _field(self.facts, "broke", Kind)

    @property
    def broke_at(self) -> Stage | None:
        """The stage at which it did, where the facts choose it: their field `stage`."""
        return _field(self.facts, "stage", Stage) if self.broke else None

    @property
    def raw(self) -> bytes:
        """What the peer said then, masked: the facts' field `raw`."""
        return _field(self.facts, "raw", bytes) or b""


def _field(facts: object, name: str, kind: type[F]) -> F | None:
    """A field that facts of several probes have in common, and others have not."""
    value = getattr(facts, name, None)
    return value if isinstance(value, kind) else None


def facts_of(kind: type[F], results: Iterable[Result[Any]], subject: Subject | None = None) -> Iterator[F]:
    """All facts of that kind in the order of their results: about `subject`, or about any."""
    mine = (result.facts for result in results if subject is None or result.subject == subject)
    return (facts for facts in mine if isinstance(facts, kind))


class Who(StrEnum):
    """Who said a thing: it must always be clear whether the server did or smtpcheck."""

    SERVER = "server"
    RESOLVER = "resolver"
    OS = "os"
    SMTPCHECK = "smtpcheck"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation under a diagnosis; `raw` is what was said, masked, `text` a code for what it shows."""

    who: Who
    at: datetime
    stage: Stage
    raw: bytes
    text: str = ""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another cause that would look the same; what decides is in its advice entry."""

    code: str
    confidence: Confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A cause, with code and parameters; its words come from the catalogue of a language."""

    stage: Stage
    code: str
    subject: str
    confidence: Confidence
    alternatives: tuple[Alternative, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    blocked: tuple[Stage, ...] = ()
    seen: Mapping[str, Scalar] = field(default_factory=dict)


class Direction(StrEnum):
    """Which way bytes went; NOTE is smtpcheck's own remark."""

    OUT = "out"
    IN = "in"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a transcript; `t` in seconds since the conversation's start."""

    t: float
    dir: Direction
    stage: Stage
    raw: bytes
    masked: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One stage as walked; `broke` says how it ended short, empty when it did not."""

    stage: Stage
    started: float
    """Seconds since the conversation's start."""
    elapsed: float
    broke: Kind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The record of one connection."""

    subject: Subject
    started: datetime
    steps: tuple[Step, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """A probe that ran to decide between look-alikes."""

    probe: str
    subject: str


@dataclass(frozen=True, slots=True)
class Contact:
    """A party that may be spoken to, listed before the first packet."""

    who: str
    """target, resolver, ntp, control or issuer."""
    where: str
    """Empty where the server's own certificate will name it."""
    code: str = ""
    """When, or what for."""
    seen: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def reason(self) -> Reason:
        """Code and values."""
        return Reason(self.code, self.seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything learnt about one target."""

    target: Target
    started: datetime
    elapsed: float
    """Seconds."""
    complete: bool
    verdict: Verdict
    not_tested: tuple[Stage, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    results: tuple[Result[Any], ...] = ()
    conversations: tuple[Conversation, ...] = ()
    experiments: tuple[Experiment, ...] = ()
    contacts: tuple[Contact, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What to repair first."""
        return self.diagnoses[0] if self.diagnoses else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, in the order of their results."""
        return tuple(finding for result in self.results for finding in result.findings)
