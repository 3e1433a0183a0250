"""What may a probe use? The door, the shared conversations and the budget of one run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from smtpcheck import consent
from smtpcheck.conversation import Dialogue
from smtpcheck.core import Conversation, Experiment, Kind, Result, Stage, Subject, Target
from smtpcheck.credentials import Secret
from smtpcheck.failures import CouldNotAsk, NotNeeded
from smtpcheck.heard import Limits, Wish
from smtpcheck.mailbox import Mailbox
from smtpcheck.net import Door
from smtpcheck.sending.compose import Composed
from smtpcheck.wire.mask import Mask
from smtpcheck.wire.slips import Slip
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
            raise NotNeeded("experiments are switched off")
        async with self._one_at_a_time:
            if any(d.heard.told_to_go for d in self.dialogues if d.subject.name == subject.name):
                raise NotNeeded("the server said 421; nothing more is tried there")
            if len(self.experiments) >= MAX_EXPERIMENTS:
                raise CouldNotAsk(Stage.CONNECT, Kind.LOCAL, f"{MAX_EXPERIMENTS} experiments were run already")
            self.experiments.append(Experiment(probe, str(subject)))
            yield
