"""Does TLS come up, and which one?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.conversation.dialogue import Dialogue
from smtpcheck.core import NO_REASON, Finding, Kind, Mode, Reason, Result, Rule, Severity, Stage, Subject, Target
from smtpcheck.net.failures import Broken
from smtpcheck.wire.smtp import Reply, foreign, readable
from smtpcheck.wire.tls import CURRENT, LEAST_GROUP

_STARTTLS = {
    Kind.NOT_OFFERED: "starttls-not-offered",
    Kind.TIMEOUT: "starttls-silent",
    Kind.CLOSED: "starttls-closed",
    Kind.RESET: "starttls-reset",
    Kind.GARBAGE: "starttls-garbage",
    Kind.INJECTED: "starttls-injection-response",
}
_TLS = {
    Kind.NOT_TLS: "tls-plaintext",
    Kind.TIMEOUT: "tls-handshake-hang",
    Kind.CLOSED: "tls-closed",
    Kind.RESET: "tls-reset",
    Kind.ALERT: "tls-alert",
    Kind.HANDSHAKE: "tls-handshake",
    Kind.GARBAGE: "tls-garbage",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """How TLS was asked for and what was agreed."""

    mode: Mode
    starttls: Reply | None
    plain: bool
    """Neither offered nor required."""
    version: str = ""
    cipher: str = ""
    bits: int = 0
    group: str = ""
    library: str = ""
    dh_bits: int = 0
    safe_renegotiation: bool = True
    broke: Kind | None = None
    stage: Stage = Stage.TLS
    reason: Reason = NO_REASON
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Tls(Probe[TlsFacts]):
    """STARTTLS (RFC 3207) or implicit TLS (RFC 8314), to the end of the handshake, without judging the certificate."""

    least_bits: int = 128
    """RFC 9325 section 4.1: no cipher suite of fewer."""
    least_group_bits: int = LEAST_GROUP
    """Below, OpenSSL's security level 2 (Debian, Python) says dh key too small."""

    name = "tls"
    rules = (
        *(Rule(code, Severity.FAIL, Stage.STARTTLS, "RFC 3207 section 4") for code in _STARTTLS.values()),
        Rule("starttls-refused", Severity.FAIL, Stage.STARTTLS, "RFC 3207 section 4"),
        *(Rule(code, Severity.FAIL, Stage.TLS, "RFC 8446, RFC 5246") for code in _TLS.values()),
        Rule("tls-server-too-old", Severity.FAIL, Stage.TLS, "RFC 8996"),
        Rule("tls-dh-too-small", Severity.FAIL, Stage.TLS, "RFC 9325 section 4.1"),
        Rule("tls-legacy-renegotiation", Severity.FAIL, Stage.TLS, "RFC 5746"),
        Rule("tls-weak-cipher", Severity.WARN, Stage.TLS, "RFC 9325 section 4.1"),
        Rule("tls-none", Severity.WARN, Stage.STARTTLS, "RFC 3207"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """Every endpoint that is meant to speak TLS."""
        return [s for s in route.endpoints(target, earlier) if s.mode is not Mode.PLAIN]

    async def observe(self, subject: Subject, ctx: Context) -> TlsFacts:
        """To the end of the handshake."""
        dialogue = ctx.dialogue(subject)
        try:
            await dialogue.reach(Stage.TLS)
        except Broken as error:
            return _facts(dialogue, error.unless(Stage.STARTTLS, Stage.TLS))
        return _facts(dialogue)

    def judge(self, facts: TlsFacts) -> Iterator[Finding]:
        """What broke, else what was agreed that should not be."""
        if facts.broke:
            yield self._broken(facts, facts.broke)
        elif facts.plain:
            yield self.found("tls-none")
        elif facts.version not in CURRENT:
            yield self.found("tls-server-too-old", version=facts.version, cipher=facts.cipher)
        elif 0 < facts.dh_bits < self.least_group_bits:
            yield self.found("tls-dh-too-small", bits=facts.dh_bits, least=self.least_group_bits, cipher=facts.cipher)
        elif not facts.safe_renegotiation:
            yield self.found("tls-legacy-renegotiation", version=facts.version, cipher=facts.cipher)
        elif facts.bits < self.least_bits:
            yield self.found("tls-weak-cipher", cipher=facts.cipher, bits=facts.bits, least=self.least_bits)

    def _broken(self, facts: TlsFacts, kind: Kind) -> Finding:
        if kind is Kind.REJECTED and facts.starttls:
            reply = facts.starttls
            return self.found("starttls-refused", code=reply.code, enhanced=reply.enhanced, text=reply.text)
        table = _STARTTLS if facts.stage is Stage.STARTTLS else _TLS
        code = table.get(kind, table[Kind.GARBAGE])
        speaks = "smtp" if facts.raw[:3].isdigit() else foreign(facts.raw)
        return self.found(code, facts.reason, speaks=speaks, said=readable(facts.raw[:120]))


def _facts(dialogue: Dialogue, error: Broken | None = None) -> TlsFacts:
    heard, session = dialogue.heard, dialogue.heard.session
    return TlsFacts(
        mode=dialogue.subject.mode,
        starttls=heard.starttls,
        plain=heard.plain,
        version=session.version if session else "",
        cipher=session.cipher if session else "",
        bits=session.bits if session else 0,
        group=session.group if session else "",
        library=session.library if session else "",
        dh_bits=session.dh_bits if session else 0,
        safe_renegotiation=session.safe_renegotiation if session else True,
        broke=error.kind if error else None,
        stage=error.stage if error else Stage.TLS,
        reason=error.reason if error else NO_REASON,
        raw=error.raw if error else b"",
    )
