"""Which reports do the layouts have to show? Hand-made ones, of every verdict, and one from a hostile server."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from smtpcheck import core
from smtpcheck.core import Confidence, Direction, Kind, Mode, Severity, Stage, Subject, Verdict, Who
from smtpcheck.route import AddressFacts, Candidate, SubmissionFacts
from smtpcheck.wire.dns import Answer

AT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
NAME = "smtp.example.test"
HERE = Subject(NAME, "127.0.0.1", 587, Mode.STARTTLS)
ASIDE = Subject(NAME, "::1", 587, Mode.STARTTLS)
REFUSED = b"535 5.7.8 Error: [bold]authentication[/bold] failed [x]"
HOSTILE = "\x1b[2J\x1b]0;own\x07 \x9b31m \u202eevil\u2066 zero\u200bwidth\ufeff \x00 [bold red]x[/] "
HOSTILE += "<script>alert(1)</script>\r\nfake"
ENDLESS = "A" * 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """Facts of any probe."""

    text: str = "something"


def target(**given: Any) -> core.Target:
    base = {"spec": "me@example.test", "kind": core.TargetKind.ACCOUNT, "name": "example.test", "secret": "env:X"}
    return core.Target(**(base | given))


def finding(rule: str, stage: Stage, severity: Severity, subject: Subject, /, **seen: core.Scalar) -> core.Finding:
    return core.Finding(rule, severity, stage, str(subject), seen)


def result(probe: str, subject: Subject, *findings: core.Finding, outcome: Any = None) -> core.Result[Any]:
    return core.Result(
        probe=probe, subject=subject, outcome=outcome or Seen(), findings=findings, started=AT, elapsed=0.012
    )


def walk(subject: Subject = HERE, **instead: core.Result[Any]) -> tuple[core.Result[Any], ...]:
    """Results of a whole way that went well, but for those given by probe."""
    a, aaaa = ((subject.address,) if (":" in subject.address) is six else () for six in (False, True))
    way = SubmissionFacts(
        domain="example.test", source="guess", candidates=(Candidate(NAME, subject.port, subject.mode),)
    )
    addresses = AddressFacts(
        host=NAME,
        a=Answer(name=NAME, type="A", addresses=a),
        aaaa=Answer(name=NAME, type="AAAA", addresses=aaaa),
    )
    found = {
        "address": result("address", Subject(NAME), outcome=addresses),
        "submission": result("submission", Subject("example.test"), outcome=way),
        **{name: result(name, subject) for name in ("port", "greeting", "tls", "chain", "auth")},
        "clock": result("clock", Subject("192.0.2.1:123")),
    }
    return tuple((found | instead).values())


def report(results: tuple[core.Result[Any], ...], **given: Any) -> core.Report:
    later = (Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DELIVERY)
    base = {
        "target": target(),
        "started": AT,
        "elapsed": 0.25,
        "complete": True,
        "verdict": Verdict.HEALTHY,
        "not_tested": later,
        "results": results,
        "conversations": (talk(),),
        "contacts": (core.Contact("resolver", "127.0.0.1:53"),),
        "environment": {"python": "3.11"},
    }
    return core.Report(**(base | given))


def talk(*raw: bytes) -> core.Conversation:
    said = raw or (REFUSED,)
    return core.Conversation(
        subject=HERE,
        started=AT,
        steps=(),
        events=(
            core.Event(0.0, Direction.NOTE, Stage.CONNECT, b"connected"),
            core.Event(0.125, Direction.OUT, Stage.AUTH, b"AUTH PLAIN <secret>", True),
            *(core.Event(0.25, Direction.IN, Stage.AUTH, line) for line in said),
        ),
    )


def diagnosis(code: str, stage: Stage, raw: bytes, who: Who, text: str, **given: Any) -> core.Diagnosis:
    evidence = (core.Evidence(who, AT, stage, raw, text),)
    base = {"subject": str(HERE), "confidence": Confidence.CERTAIN, "evidence": evidence}
    return core.Diagnosis(stage=stage, code=code, **(base | given))


def healthy(*, password: bool = True) -> core.Report:
    if password:
        return report(walk())
    skipped = result("auth", HERE, outcome=core.Skipped("no-quit"))
    login = (Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DELIVERY)
    return report(walk(auth=skipped), target=target(secret=""), not_tested=login)


def refused(said: bytes = REFUSED, **given: Any) -> core.Report:
    """A login that was refused."""
    seen = {"code": 535, "enhanced": "5.7.8", "text": said[4:].decode("latin-1"), "mechanism": "PLAIN"}
    broken = result("auth", HERE, finding("auth-refused", Stage.AUTH, Severity.FAIL, HERE, **seen))
    named = diagnosis("auth-credentials-refused", Stage.AUTH, said, Who.SERVER, "auth-refused", seen=seen)
    base = {"verdict": Verdict.BROKEN, "diagnoses": (named,), "conversations": (talk(said),)}
    return report(walk(auth=broken), **(base | given))


def expired(**given: Any) -> core.Report:
    """A certificate that expired, with many remarks beside it."""
    seen = {"name": NAME, "not_after": "2026-02-01 00:00 UTC", "days": 2, "at": "2026-02-03 04:05 UTC", "depth": 0}
    broken = finding("certificate-expired", Stage.CERTIFICATE, Severity.FAIL, HERE, **seen)
    slow = [finding("greeting-delayed-tarpit", Stage.GREETING, Severity.NOTE, HERE, seconds=n) for n in range(3)]
    blocked = core.Blocked(Stage.CERTIFICATE, Kind.UNVERIFIED)
    results = walk(
        greeting=result("greeting", HERE, *slow),
        chain=result("chain", HERE, broken),
        auth=result("auth", HERE, outcome=blocked),
        aside=result("port", ASIDE, finding("connect-refused", Stage.CONNECT, Severity.NOTE, ASIDE)),
    )
    said = b"certificate has expired"
    named = diagnosis("certificate-expired", Stage.CERTIFICATE, said, Who.SMTPCHECK, "certificate-expired", seen=seen)
    named = replace(named, blocked=(Stage.AUTH,))
    base = {"verdict": Verdict.BROKEN, "diagnoses": (named,), "not_tested": (Stage.AUTH, Stage.DELIVERY)}
    return report(results, **(base | given))


def possible() -> core.Report:
    """A refusal that has several causes, and a clock that is wrong too."""
    likely = core.Alternative("auth-credentials-refused", Confidence.LIKELY)
    other = core.Alternative("qq-password-not-authcode", Confidence.POSSIBLE)
    seen = {"seconds": 420, "minutes": 7.0, "server": "192.0.2.1:123", "uncertainty": 0.01, "ahead": True}
    where = Subject("192.0.2.1:123")
    wrong = result("clock", where, finding("clock-ahead", Stage.CLOCK, Severity.FAIL, where, **seen))
    base = refused()
    base = replace(base, results=(*base.results[:-1], wrong))
    first = replace(
        base.diagnoses[0], code="auth-refused", confidence=Confidence.POSSIBLE, alternatives=(likely, other)
    )
    clock = diagnosis("clock-ahead", Stage.CLOCK, b"", Who.SMTPCHECK, "clock-ahead", seen=seen, subject="192.0.2.1:123")
    return replace(base, diagnoses=(first, clock))


def unfinished() -> core.Report:
    """Cut off by the deadline while the TLS handshake ran."""
    late = core.Failure(Kind.DEADLINE, Stage.TLS, "not-waited-for")
    cut = {name: result(name, HERE, outcome=late) for name in ("tls", "chain", "auth")}
    missing = (Stage.TLS, Stage.CERTIFICATE, Stage.AUTH)
    return report(walk(**cut), verdict=Verdict.INCONCLUSIVE, complete=False, not_tested=missing)


def bug() -> core.Report:
    """A mistake of ours in one probe."""
    at = {"place": "chain.py:12:observe", "error": "ValueError", "words": "not a number"}
    ours = core.Failure(Kind.BUG, Stage.CERTIFICATE, "exception", at)
    missing = (Stage.CERTIFICATE,)
    return report(walk(chain=result("chain", HERE, outcome=ours)), verdict=Verdict.BUG, not_tested=missing)


def hostile() -> core.Report:
    """Everything a peer can say is an attack on the reader's screen."""
    raw = HOSTILE.encode() + ENDLESS.encode()
    text = HOSTILE + ENDLESS
    base = refused(raw)
    evil = finding("connect-refused", Stage.CONNECT, Severity.WARN, Subject(text), detail=text, text=text)
    failed = core.Failure(Kind.LOCAL, Stage.CLOCK, text, {text: text})
    results = (
        *base.results[:-1],
        result("port", Subject(text), evil),
        result("clock", Subject(text), outcome=failed),
        result("envelope", Subject(text), outcome=core.Skipped("imap-said", {"words": text})),
    )
    named = replace(base.diagnoses[0], subject=text, seen={**base.diagnoses[0].seen, "text": text})
    return replace(
        base,
        target=target(spec=text),
        results=results,
        diagnoses=(named, replace(named, code=text)),
        conversations=(talk(raw, raw),),
        contacts=(core.Contact("resolver", text),),
        environment={text: text},
        experiments=(core.Experiment(text, text),),
    )


ALL = {
    "healthy": healthy(),
    "no-password": healthy(password=False),
    "refused": refused(),
    "expired": expired(),
    "possible": possible(),
    "unfinished": unfinished(),
    "bug": bug(),
    "hostile": hostile(),
    "empty": report((), conversations=(), verdict=Verdict.INCONCLUSIVE),
}
