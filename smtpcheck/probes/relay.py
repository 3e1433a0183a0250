"""Does this inner server take mail without login and TLS, as relays do that go by the address?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from smtpcheck.contract import Context, Probe
from smtpcheck.core import NO_REASON, Finding, Mode, Reason, Result, Rule, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.net.failures import Broken


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayFacts:
    """Whether mail is taken without login and TLS."""

    accepted: bool
    raw: bytes = b""
    reason: Reason = NO_REASON


_NOT_OFFERED = frozenset({"auth-not-offered", "starttls-not-offered"})


@dataclass(frozen=True, slots=True)
class Relay(Probe[RelayFacts]):
    """MAIL, RCPT and RSET on a connection without TLS and login: no message, and no secret."""

    name = "relay"
    experiment = True
    rules = (
        Rule("relay-takes-mail", Severity.NOTE, Stage.RCPT, "RFC 5321 section 3.6.2"),
        Rule("relay-refuses", Severity.NOTE, Stage.RCPT, "RFC 5321 section 3.6.2"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Port 25 of an address of one's own network, where login or STARTTLS was wanted and is not offered."""
        if target.kind is TargetKind.MX or not (target.sender and target.recipients):
            return ()
        found = (r.subject for r in earlier for f in r.findings if f.code in _NOT_OFFERED)
        return [s for s in found if s.port == 25 and s.address and not ip_address(s.address).is_global][:1]

    async def observe(self, subject: Subject, ctx: Context) -> RelayFacts:
        """Up to RCPT, for the first recipient."""
        dialogue = ctx.beside(replace(subject, mode=Mode.PLAIN))
        async with ctx.experiment(self.name, subject):
            try:
                await dialogue.reach(Stage.RCPT)
            except Broken as error:
                return RelayFacts(accepted=False, raw=error.raw, reason=error.reason)
            finally:
                await dialogue.close()
        answers = dialogue.heard.rcpt
        taken = any(answer.accepted for answer in answers)
        raw = answers[0].reply.raw if answers else b""
        return RelayFacts(accepted=taken, raw=raw)

    def judge(self, facts: RelayFacts) -> Iterator[Finding]:
        """Taken, or refused in the server's words."""
        if facts.accepted:
            yield self.found("relay-takes-mail")
        else:
            yield self.found("relay-refuses", facts.reason, said=facts.raw.decode("utf-8", "replace")[:120])
