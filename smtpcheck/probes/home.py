"""Where does the mailbox of this login really lie, and does the host asked know it?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import (
    Finding,
    Result,
    Rule,
    Severity,
    Stage,
    Subject,
    Target,
    TargetKind,
)
from smtpcheck.target import providers
from smtpcheck.wire import dns


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeFacts:
    """Where the mailboxes of the login's domain lie."""

    host: str
    """The host that was asked to log in."""
    domain: str
    mx: dns.Answer
    provider: str
    """The known provider that runs the exchangers; empty: none."""


_REFUSED = frozenset({"auth-refused", "auth-not-offered"})


@dataclass(frozen=True, slots=True)
class Home(Probe[HomeFacts]):
    """Asks for the MX of the login's domain, where a host named by hand took no login of it."""

    name = "home"
    experiment = True
    rules = (
        Rule("auth-user-mailbox-elsewhere", Severity.NOTE, Stage.DNS, "RFC 5321 section 5.1"),
        Rule("auth-user-mailbox-here", Severity.NOTE, Stage.DNS, "RFC 5321 section 5.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The endpoint, unless the account's own domain led there."""
        domain = _domain(target.user)
        if target.kind is not TargetKind.HOST or not domain or providers.by_domain(domain):
            return ()
        return [r.subject for r in earlier if r.probe == "auth" for f in r.findings if f.code in _REFUSED][:1]

    async def observe(self, subject: Subject, ctx: Context) -> HomeFacts:
        """One question to the resolver."""
        domain = _domain(ctx.target.user)
        async with ctx.experiment(self.name, subject):
            answer = await ctx.resolver.ask(domain, "MX")
        known = (row.id for entry in answer.mx if (row := providers.by_mx(entry.exchange)))
        return HomeFacts(host=subject.name, domain=domain, mx=answer, provider=next(known, ""))

    def judge(self, facts: HomeFacts) -> Iterator[Finding]:
        """What the MX says; nothing where it says nothing of a known provider."""
        exchange = facts.mx.mx[0].exchange if facts.mx.mx else ""
        here = providers.by_host(facts.host)
        if facts.provider:
            code = "auth-user-mailbox-here" if here and here.id == facts.provider else "auth-user-mailbox-elsewhere"
            yield self.found(code, domain=facts.domain, exchange=exchange, provider=facts.provider, host=facts.host)


def _domain(user: str) -> str:
    return user.rpartition("@")[2].lower() if "@" in user else ""
