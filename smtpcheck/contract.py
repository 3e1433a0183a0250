"""What may a probe use? The door, the shared conversations and the budget of one run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from smtpcheck.core import F, Finding, Reason, Rule, Scalar, because

if TYPE_CHECKING:
    pass

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from smtpcheck import consent
from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.conversation.mailbox import Mailbox
from smtpcheck.conversation.wish import Limits, Wish
from smtpcheck.core import Conversation, Experiment, Kind, Result, Stage, Subject, Target
from smtpcheck.messages.compose import Composed
from smtpcheck.net.door import Door
from smtpcheck.net.failures import CouldNotAsk, NotNeeded
from smtpcheck.target.credentials import Secret
from smtpcheck.wire.mask import Mask
from smtpcheck.wire.mistakes import Slip
from smtpcheck.wire.tls import Hello
from smtpcheck.wire.x509 import Roots

MAX_EXPERIMENTS = 3


@dataclass(frozen=True, slots=True)
class Glimpse:
    """How far a run is, as seen in passing."""

    results: tuple[Result[Any], ...]
    conversations: tuple[Conversation, ...]
    waiting: tuple[tuple[Subject, Stage], ...]
    """What is being waited for: whom, and at which stage."""


class Context:
    """One run's means; made by `run`, handed to every `observe`."""

    def __init__(
        self,
        *,
        target: Target,
        door: Door,
        wish: Wish,
        roots: Roots,
        limits: Limits,
        compared: Callable[[], Roots | None] = lambda: None,
        message: Composed | None = None,
        mail_secret: Secret | None = None,
        mask: Mask | None = None,
        mail_reused: bool = False,
        secret_slips: tuple[Slip, ...] = (),
        proxies: tuple[str, ...] = (),
    ) -> None:
        self.target = target
        self.door = door
        self.roots = roots
        self.compared = compared
        """The roots that other programs trust; it gives None where there is nothing to compare with."""
        self.limits = limits
        self.message = message
        """What is to be sent, None: nothing."""
        self.mail_secret = mail_secret
        """The mailbox's password, None: it can't be looked into."""
        self.mask = Mask() if mask is None else mask
        """The one mask of the run, for all that is heard in it."""
        self.mail_reused = mail_reused
        """That password is the login's, which was given for another service."""
        self.secret_slips = secret_slips
        """What went wrong while the login's secret was copied, with nothing of it."""
        self.proxies = proxies
        """Names of the variables that name a proxy."""
        self.mailboxes: list[Mailbox] = []
        self.results: Sequence[Result[Any]] = ()
        """What is known so far; grows while the run lasts."""
        self.experiments: list[Experiment] = []
        self._wish = wish
        self._dialogues: dict[Subject, Dialogue] = {}
        self._beside: list[Dialogue] = []
        self._one_at_a_time = asyncio.Lock()

    def dialogue(self, subject: Subject) -> Dialogue:
        """The one conversation with that endpoint."""
        known = self._dialogues.get(subject)
        if known is None:
            wish = replace(self._wish, entrusted=consent.entrusted(self.target, self.results))
            known = Dialogue(subject, self.door, wish, self.roots, self.limits, self.mask)
            self._dialogues[subject] = known
        return known

    def beside(self, subject: Subject, hello: Hello | None = None, *, segment: int = 0) -> Dialogue:
        """A conversation of its own, for an experiment: without login and without message."""
        bare = replace(
            self._wish, secret=None, message=None, tls_required=False, segment=segment, hello=hello or Hello()
        )
        made = Dialogue(subject, self.door, bare, self.roots, self.limits, self.mask)
        self._beside.append(made)
        return made

    @property
    def shared(self) -> tuple[Dialogue, ...]:
        """The conversations that all probes of an endpoint share; who has one beside says goodbye in it himself."""
        return tuple(self._dialogues.values())

    @property
    def dialogues(self) -> tuple[Dialogue, ...]:
        """All conversations begun."""
        return (*self.shared, *self._beside)

    @asynccontextmanager
    async def experiment(self, probe: str, subject: Subject) -> AsyncIterator[None]:
        """Room for one experiment: one after the other, at most three, never after a 421 or against the user's wish."""
        if not self.target.experiments:
            raise NotNeeded(because("experiments-off"))
        async with self._one_at_a_time:
            if any(d.heard.told_to_go for d in self.dialogues if d.subject.name == subject.name):
                raise NotNeeded(because("told-to-go"))
            if len(self.experiments) >= MAX_EXPERIMENTS:
                raise CouldNotAsk(Stage.CONNECT, Kind.LOCAL, because("experiments-spent", limit=MAX_EXPERIMENTS))
            self.experiments.append(Experiment(probe, str(subject)))
            yield


class Probe(ABC, Generic[F]):
    """One question. A subclass is a frozen dataclass whose fields are its knobs."""

    name: ClassVar[str]
    """The file, the CLI word, the TOML table, the pytest id and the report's anchor."""
    rules: ClassVar[tuple[Rule, ...]] = ()
    intrusive: ClassVar[bool] = False
    """Spends a login attempt or sends mail: only when asked for."""
    experiment: ClassVar[bool] = False
    """Decides between look-alikes: runs only after something broke, one after the other, at most three."""
    last: ClassVar[bool] = False
    """Asks about the conversations themselves: runs when all of them are over."""
    patience: ClassVar[float | None] = None
    """Seconds that a report waits for it once everything else is known; None: until the deadline."""

    @abstractmethod
    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Where to ask, given what is known so far; called again whenever more is known."""

    @abstractmethod
    async def observe(self, subject: Subject, ctx: Context) -> F:
        """Ask the network and write down facts; the only step with I/O."""

    @abstractmethod
    def judge(self, facts: F) -> Iterator[Finding]:
        """Turn facts into findings; no socket, no clock, no locale."""

    def found(self, code: str, reason: Reason | None = None, /, **seen: Scalar) -> Finding:
        """A finding by the rule of that code; the subject is the result's and filled in by `judged`.

        A `reason` gives the value `detail`, its code, and its own values where the finding has none of that name.
        """
        rule = next(rule for rule in self.rules if rule.code == code)
        given = {} if reason is None else {"detail": reason.code, **reason.seen}
        return Finding(rule.code, rule.severity, rule.stage, "", {**given, **seen})

    def judged(self, subject: Subject, facts: F) -> tuple[Finding, ...]:
        """The findings about `subject`."""
        return tuple(replace(finding, subject=str(subject)) for finding in self.judge(facts))
