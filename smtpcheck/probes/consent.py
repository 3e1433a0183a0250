"""Whose are the hosts that would get the password, and may they have it?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import consent, route
from smtpcheck.consent import Claim
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Result, Rule, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.target.credentials import allow_option


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFacts:
    """One host and what speaks for it."""

    host: str
    account: str
    """The domain whose secret it is."""
    claim: str
    """A word of `consent.Claim`."""
    mailbox: bool
    """It is asked for the mailbox, and not for sending."""


@dataclass(frozen=True, slots=True)
class Consent(Probe[ConsentFacts]):
    """Asks nobody: compares the host with the account's registrable domain, its provider and what the user named."""

    name = "consent"
    rules = (
        Rule("consent-submission-host", Severity.WARN, Stage.AUTH, "RFC 6186 section 6"),
        Rule("consent-imap-host", Severity.WARN, Stage.DELIVERY, "RFC 6186 section 6"),
        Rule("consent-provider-host", Severity.NOTE, Stage.AUTH, "the provider's own pages"),
        Rule("consent-signed-host", Severity.NOTE, Stage.AUTH, "RFC 6186 section 6"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The host of the login, once it is elected, and that of the mailbox, once a message was accepted."""
        if not target.secret or target.kind is TargetKind.MX or Stage.AUTH not in route.asked(target):
            return
        if elected := route.primary(target, earlier):
            yield Subject(elected.name)
        where = route.mailbox(target) if target.send else None
        if where and any(r.probe == "message" and r.facts is not None and r.facts.broke is None for r in earlier):
            yield Subject(where[0], "", where[1])

    async def observe(self, subject: Subject, ctx: Context) -> ConsentFacts:
        """No packet."""
        if subject.port:
            claim = consent.mailbox(ctx.target, ctx.results, subject.name, reused=ctx.mail_reused)
            account = route.mailbox_user(ctx.target).rpartition("@")[2]
            # without any secret for it there is nothing that it could be given
            claim = claim if ctx.mail_secret else Claim.TYPED
        else:
            claim = consent.submission(ctx.target, ctx.results, subject.name)
            account = ctx.target.name if ctx.target.kind is TargetKind.ACCOUNT else ctx.target.user.rpartition("@")[2]
        return ConsentFacts(host=subject.name, account=account, claim=claim, mailbox=bool(subject.port))

    def judge(self, facts: ConsentFacts) -> Iterator[Finding]:
        """Without the user's yes no secret was sent; a provider found through the MX table is named."""
        if facts.claim == Claim.NONE:
            code = "consent-imap-host" if facts.mailbox else "consent-submission-host"
            yield self.found(code, host=facts.host, domain=facts.account, option=allow_option(facts.host))
        elif facts.claim == Claim.EXCHANGER:
            yield self.found("consent-provider-host", host=facts.host, domain=facts.account)
        elif facts.claim == Claim.DNSSEC:
            yield self.found("consent-signed-host", host=facts.host, domain=facts.account)
