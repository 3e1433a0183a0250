"""Did the message arrive, where, and after how long?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from smtpcheck import consent, route
from smtpcheck.contract import Context, Probe
from smtpcheck.conversation.mailbox import Found, Mailbox
from smtpcheck.core import Finding, Kind, Mode, Result, Rule, Scalar, Severity, Stage, Subject, Target, because
from smtpcheck.net.failures import CouldNotAsk
from smtpcheck.target import providers


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFacts:
    """Where the message was found."""

    token: str
    user: str
    folder: str
    place: str
    """inbox, junk or other."""
    seconds: float
    """From the final dot to when it was seen, by our clock."""
    received: datetime | None
    """When the server took it, by its clock."""
    folders: int
    """How many were looked into in the round in which it was seen."""
    rounds: int
    headers: bytes
    """Authentication-Results and the token as delivered."""


@dataclass(frozen=True, slots=True)
class Delivery(Probe[DeliveryFacts]):
    """Looks for the message's own token in all folders, again and again."""

    pause_seconds: float = 2.0
    slow_seconds: float = 60.0

    name = "delivery"
    intrusive = True
    rules = (
        Rule("delivery-in-junk", Severity.FAIL, Stage.DELIVERY, "RFC 6154 section 2"),
        Rule("delivery-arrived", Severity.NOTE, Stage.DELIVERY, "RFC 3501 section 5.1"),
        Rule("delivery-elsewhere", Severity.NOTE, Stage.DELIVERY, "RFC 3501 section 5.1"),
        Rule("delivery-slow", Severity.NOTE, Stage.DELIVERY, "RFC 5321 section 4.5.4.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The mailbox, once the message was accepted."""
        where = route.mailbox(target)
        if not target.send or where is None or Stage.DELIVERY not in route.asked(target):
            return ()
        accepted = any(r.probe == "message" and r.facts is not None and r.facts.broke is None for r in earlier)
        return (Subject(where[0], "", where[1]),) if accepted else ()

    async def observe(self, subject: Subject, ctx: Context) -> DeliveryFacts:
        """One IMAP session, kept while it waits."""
        if ctx.mail_secret is None or ctx.message is None:
            raise CouldNotAsk(Stage.DELIVERY, Kind.WITHHELD, because("no-mailbox-password"))
        handed = next(r.facts.dotted_at for r in ctx.results if r.probe == "message" and r.facts is not None)
        address = await ctx.door.first_address(subject.name)
        if not address:
            raise CouldNotAsk(Stage.DELIVERY, Kind.NXDOMAIN, because("host-without-address", at=subject.name))
        user = ctx.target.imap_user or ctx.target.recipients[0]
        where = Subject(subject.name, address, subject.port, Mode.IMPLICIT)
        claim = consent.mailbox(ctx.target, ctx.results, subject.name, reused=ctx.mail_reused)
        mailbox = Mailbox(
            where,
            ctx.door,
            ctx.roots,
            user=user,
            secret=ctx.mail_secret,
            mask=ctx.mask,
            entrusted=claim is not consent.Claim.NONE,
        )
        ctx.mailboxes.append(mailbox)
        provider = providers.by_domain(user.rpartition("@")[2]) or providers.by_host(subject.name)
        junk = provider.junk if provider else ()
        looked: list[int] = []
        try:
            await mailbox.open(identify=bool(provider and provider.imap and provider.imap.id_required))
            async with asyncio.timeout(ctx.target.wait):
                return await self._look(mailbox, ctx, handed or datetime.now(UTC), junk, user, looked)
        except TimeoutError as error:
            known: dict[str, Scalar] = {"user": user, "waited": ctx.target.wait}
            missed = because("mailbox-not-looked-through", **known)
            reason = because("message-in-no-folder", folders=looked[-1], **known) if looked else missed
            raise CouldNotAsk(Stage.DELIVERY, Kind.NOT_SEEN, reason) from error
        finally:
            await mailbox.close()

    async def _look(
        self,
        mailbox: Mailbox,
        ctx: Context,
        handed: datetime,
        junk: tuple[str, ...],
        user: str,
        looked: list[int],
    ) -> DeliveryFacts:
        """`looked` gets the number of folders that could be looked into, one entry for each whole round."""
        assert ctx.message is not None
        while True:
            opened = 0
            for folder in await mailbox.folders(junk):
                try:
                    found = await mailbox.find(folder, ctx.message.token, ctx.message.message_id, junk)
                except CouldNotAsk as error:
                    # others' folders may be listed and closed to us (RFC 4314 section 4); INBOX is never
                    if folder.inbox or error.kind is not Kind.REJECTED:
                        raise
                    continue
                opened += 1
                if found:
                    return self._facts(found, ctx.message.token, user, handed, opened, len(looked) + 1)
            looked.append(opened)
            await asyncio.sleep(self.pause_seconds)

    def _facts(self, found: Found, token: str, user: str, handed: datetime, folders: int, rounds: int) -> DeliveryFacts:
        return DeliveryFacts(
            token=token,
            user=user,
            folder=found.folder,
            place=found.place,
            seconds=(datetime.now(UTC) - handed).total_seconds(),
            received=found.received,
            folders=folders,
            rounds=rounds,
            headers=found.headers[:4096],
        )

    def judge(self, facts: DeliveryFacts) -> Iterator[Finding]:
        """In the junk folder it has arrived and still nobody reads it."""
        seen: dict[str, Scalar] = {"folder": facts.folder, "user": facts.user, "seconds": round(facts.seconds, 1)}
        if facts.place == "junk":
            yield self.found("delivery-in-junk", **seen)
        elif facts.place == "other":
            yield self.found("delivery-elsewhere", **seen)
        else:
            yield self.found("delivery-arrived", **seen)
        if facts.seconds > self.slow_seconds:
            yield self.found("delivery-slow", **seen)
