"""Does the login work?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import (
    NO_REASON,
    Finding,
    Kind,
    Reason,
    Result,
    Rule,
    Scalar,
    Severity,
    Stage,
    Subject,
    Target,
    TargetKind,
)
from smtpcheck.net.failures import Broken
from smtpcheck.wire import sasl
from smtpcheck.wire.challenges import OAuthRefusal
from smtpcheck.wire.smtp import Reply

_CUT_SHORT = {
    Kind.TIMEOUT: "auth-silent",
    Kind.CLOSED: "auth-closed",
    Kind.RESET: "auth-reset",
    Kind.GARBAGE: "auth-garbage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthFacts:
    """The login as it went, in the server's own words."""

    offered: tuple[str, ...]
    offered_in_clear: tuple[str, ...]
    """Mechanisms announced before TLS."""
    mechanism: str
    attempts: int
    reply: Reply | None
    encrypted: bool
    broke: Kind | None = None
    reason: Reason = NO_REASON
    raw: bytes = b""
    looks: sasl.Looks | None = None
    """How the secret looks, with nothing of it; None where it was not used."""
    refusal: OAuthRefusal | None = None
    """The reason that came before the refusal of a token."""
    upgraded: bool = False
    """TLS began with STARTTLS, so that EHLO was answered twice."""


@dataclass(frozen=True, slots=True)
class Auth(Probe[AuthFacts]):
    """One attempt by one mechanism, at the primary endpoint alone."""

    name = "auth"
    intrusive = True
    rules = (
        Rule("auth-refused", Severity.FAIL, Stage.AUTH, "RFC 4954 section 6"),
        Rule("auth-temporary", Severity.FAIL, Stage.AUTH, "RFC 4954 section 6"),
        Rule("auth-not-offered", Severity.FAIL, Stage.AUTH, "RFC 4954 section 3"),
        Rule("auth-only-in-clear", Severity.FAIL, Stage.AUTH, "RFC 3207 section 4.2"),
        Rule("auth-mech-none-common", Severity.FAIL, Stage.AUTH, "RFC 4954 section 3"),
        Rule("auth-token-refused", Severity.FAIL, Stage.AUTH, "RFC 7628 section 3.2.2"),
        Rule("auth-server-signature", Severity.FAIL, Stage.AUTH, "RFC 5802 section 3"),
        *(Rule(code, Severity.FAIL, Stage.AUTH, "RFC 4954 section 4") for code in _CUT_SHORT.values()),
        Rule("auth-secret-shape", Severity.WARN, Stage.AUTH, "the provider's own pages"),
        Rule("auth-token-window", Severity.NOTE, Stage.AUTH, "RFC 7519 section 4.1"),
        Rule("auth-after-tls", Severity.NOTE, Stage.AUTH, "RFC 4954 section 4"),
        Rule("auth-offered-in-clear", Severity.NOTE, Stage.AUTH, "RFC 4954 section 4"),
        Rule("auth-in-clear", Severity.WARN, Stage.AUTH, "RFC 8314 section 4.1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The primary endpoint, where there is something to log in with."""
        if not target.secret or target.kind is TargetKind.MX or Stage.AUTH not in route.asked(target):
            return ()
        elected = route.primary(target, earlier)
        return (elected,) if elected else ()

    async def observe(self, subject: Subject, ctx: Context) -> AuthFacts:
        """After the gate: no secret without verified TLS unless the user said so by name."""
        dialogue = ctx.dialogue(subject)
        error: Broken | None = None
        try:
            await dialogue.reach(Stage.AUTH)
        except Broken as broken:
            error = broken.unless(Stage.AUTH)
        login = dialogue.heard.login
        return AuthFacts(
            offered=login.offered,
            offered_in_clear=login.offered_in_clear,
            mechanism=login.mechanism,
            attempts=login.attempts,
            reply=login.reply,
            encrypted=dialogue.heard.session is not None,
            broke=error.kind if error else None,
            reason=error.reason if error else NO_REASON,
            raw=error.raw if error else b"",
            looks=login.looks,
            refusal=login.refusal,
            upgraded=dialogue.heard.starttls is not None and dialogue.heard.session is not None,
        )

    def judge(self, facts: AuthFacts) -> Iterator[Finding]:
        """Refused, not now, not offered and cut off are four different things."""
        if facts.broke is Kind.NOT_OFFERED:
            yield self._not_offered(facts)
        elif facts.broke is Kind.REJECTED and facts.reply and not facts.reply.positive:
            yield from self._refused(facts, facts.reply)
        elif facts.broke is Kind.UNVERIFIED:
            yield self.found("auth-server-signature", facts.reason, mechanism=facts.mechanism)
        elif facts.broke:
            code = _CUT_SHORT.get(facts.broke, "auth-garbage")
            yield self.found(code, facts.reason, mechanism=facts.mechanism)
        elif not facts.encrypted:
            yield self.found("auth-in-clear", mechanism=facts.mechanism)
        if facts.upgraded and not facts.offered_in_clear and not facts.broke:
            yield self.found("auth-after-tls", mechanisms=" ".join(facts.offered))
        if facts.offered_in_clear and not facts.broke:
            yield self.found("auth-offered-in-clear", mechanisms=" ".join(facts.offered_in_clear))

    def _refused(self, facts: AuthFacts, reply: Reply) -> Iterator[Finding]:
        seen: dict[str, Scalar] = {
            "code": reply.code,
            "enhanced": reply.enhanced,
            "text": reply.text,
            "mechanism": facts.mechanism,
        }
        if reply.temporary:
            yield self.found("auth-temporary", **seen)
            return
        if facts.mechanism in sasl.TOKENS:
            why = facts.refusal or OAuthRefusal()
            told: dict[str, Scalar] = {"status": why.status, "schemes": why.schemes, "scope": why.scope}
            yield self.found("auth-token-refused", **seen, **told)
            if facts.looks and (facts.looks.valid_from or facts.looks.valid_until):
                begins, ends = _moment(facts.looks.valid_from), _moment(facts.looks.valid_until)
                yield self.found("auth-token-window", begins=begins, ends=ends)
        else:
            yield self.found("auth-refused", **seen)
        signs = _signs(facts.looks)
        if signs:
            yield self.found("auth-secret-shape", signs=" ".join(signs), mechanism=facts.mechanism)

    def _not_offered(self, facts: AuthFacts) -> Finding:
        if facts.offered:
            return self.found("auth-mech-none-common", offered=" ".join(facts.offered))
        if facts.offered_in_clear:
            return self.found("auth-only-in-clear", offered=" ".join(facts.offered_in_clear))
        return self.found("auth-not-offered")


def _moment(at: float | None) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "?"


def _signs(looks: sasl.Looks | None) -> tuple[str, ...]:
    if looks is None:
        return ()
    return (looks.shape, *looks.flags) if looks.shape == "does-not-fit" else looks.flags
