"""Would a sender that honours the domain's MTA-STS policy hand its mail over?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import (
    NO_REASON,
    Finding,
    Kind,
    Mode,
    Reason,
    Result,
    Rule,
    Severity,
    Stage,
    Subject,
    Target,
    TargetKind,
    because,
)
from smtpcheck.net import https
from smtpcheck.net.failures import Broken, CouldNotAsk, NotNeeded
from smtpcheck.wire import ProtocolError
from smtpcheck.wire.mtasts import Policy, allows, parse_policy, policy_id

_PATH = "/.well-known/mta-sts.txt"
_SHOWN = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One exchange, by the policy and by what it showed."""

    host: str
    listed: bool
    verified: bool | None
    """Its certificate verified for its own name; None: it was not seen."""

    @property
    def refused(self) -> bool:
        """A sender that obeys the policy does not deliver there."""
        return not self.listed or self.verified is False


@dataclass(frozen=True, slots=True, kw_only=True)
class MtastsFacts:
    """The policy as announced and fetched, and every exchange by it."""

    domain: str
    announced: str
    """The id in DNS; empty: there is no policy."""
    policy: Policy | None = None
    exchanges: tuple[Exchange, ...] = ()
    broke: Kind | None = None
    reason: Reason = NO_REASON
    raw: Annotated[bytes, "base64"] = b""
    """The policy's own words."""


@dataclass(frozen=True, slots=True)
class MtaSts(Probe[MtastsFacts]):
    """TXT at _mta-sts, the policy over verified HTTPS where one is announced, and what is known of the exchanges."""

    name = "mtasts"
    rules = (
        Rule("mta-sts-mx-mismatch", Severity.FAIL, Stage.POLICY, "RFC 8461 section 4.1"),
        Rule("mta-sts-certificate", Severity.FAIL, Stage.POLICY, "RFC 8461 section 4.2"),
        Rule("mta-sts-partly", Severity.WARN, Stage.POLICY, "RFC 8461 section 5"),
        Rule("mta-sts-testing", Severity.WARN, Stage.POLICY, "RFC 8461 section 5"),
        Rule("mta-sts-policy-unfetchable", Severity.WARN, Stage.POLICY, "RFC 8461 section 3.3"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The domain, once every exchange showed its certificate or did not."""
        if target.kind is not TargetKind.MX or target.only_target or target.mode is Mode.PLAIN:
            return ()
        found = set(route.endpoints(target, earlier))
        seen = {result.subject for result in earlier if result.probe == "chain"}
        return (Subject(target.name),) if found and found <= seen | _nowhere(found) else ()

    async def observe(self, subject: Subject, ctx: Context) -> MtastsFacts:
        """One question to the resolver; where a policy is announced, one GET."""
        answer = await ctx.door.ask(f"_mta-sts.{subject.name}", "TXT")
        if answer.broke and not answer.absent:
            raise CouldNotAsk(Stage.POLICY, answer.broke, answer.reason)
        try:
            announced = policy_id(answer.texts)
        except ProtocolError as error:
            return MtastsFacts(domain=subject.name, announced="?", broke=Kind.GARBAGE, reason=error.reason)
        if announced is None:
            return MtastsFacts(domain=subject.name, announced="")
        return await self._fetched(subject, announced, ctx)

    async def _fetched(self, subject: Subject, announced: str, ctx: Context) -> MtastsFacts:
        endpoints = [s for s in route.endpoints(ctx.target, ctx.results) if s.address]
        if not endpoints:
            raise NotNeeded(because("no-exchange"))
        host, body = f"mta-sts.{subject.name}", b""
        try:
            body = await https.fetch(ctx.door, host, _PATH, near=endpoints[0].address, roots=ctx.roots)
            policy = parse_policy(body)
        except (Broken, CouldNotAsk, ProtocolError) as error:
            kind = Kind.GARBAGE if isinstance(error, ProtocolError) else error.kind
            raw = body[:_SHOWN]
            return MtastsFacts(domain=subject.name, announced=announced, broke=kind, reason=error.reason, raw=raw)
        hosts = dict.fromkeys(s.name for s in endpoints)
        found = tuple(Exchange(host=h, listed=allows(policy, h), verified=_verified(h, ctx.results)) for h in hosts)
        return MtastsFacts(domain=subject.name, announced=announced, policy=policy, exchanges=found, raw=body[:_SHOWN])

    def judge(self, facts: MtastsFacts) -> Iterator[Finding]:
        """Only what a sender that obeys would refuse is a fault; a policy that can't be had is none (section 3.3)."""
        if facts.broke:
            yield self.found("mta-sts-policy-unfetchable", facts.reason, domain=facts.domain)
        refused = [exchange for exchange in facts.exchanges if exchange.refused]
        if facts.policy is None or facts.policy.mode == "none" or not refused:
            return
        code = "mta-sts-partly"
        worst = next((e for e in refused if e.listed), refused[0])
        if len(refused) == len(facts.exchanges):
            code = "mta-sts-certificate" if worst.listed else "mta-sts-mx-mismatch"
        if facts.policy.mode == "testing":
            code = "mta-sts-testing"
        listed = ", ".join(facts.policy.mx[:8])
        yield self.found(code, domain=facts.domain, exchange=worst.host, listed=listed, refused=len(refused))


def _nowhere(endpoints: Iterable[Subject]) -> set[Subject]:
    """Exchanges without address are not spoken to."""
    return {subject for subject in endpoints if not subject.address}


def _verified(host: str, results: Sequence[Result[Any]]) -> bool | None:
    """By any of its addresses; False where all that answered showed none that verifies."""
    shown = []
    for result in results:
        if result.subject.name != host:
            continue
        if result.probe == "chain" and result.facts is not None:
            shown.append(bool(result.facts.verdict.verified))
        elif result.probe == "tls" and getattr(result.facts, "plain", False):
            shown.append(False)
    return any(shown) if shown else None
