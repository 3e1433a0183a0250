"""Which server takes this account's outgoing mail, and who says so?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smtpcheck import route
from smtpcheck.contract import Context, Probe
from smtpcheck.core import Finding, Mode, Result, Rule, Severity, Stage, Subject, Target, TargetKind
from smtpcheck.route import Candidate, SubmissionFacts
from smtpcheck.target import grammar, providers
from smtpcheck.target.providers import Provider
from smtpcheck.wire import dns


@dataclass(frozen=True, slots=True)
class Submission(Probe[SubmissionFacts]):
    """Asks the provider table, then SRV (RFC 6186, RFC 8314), then the MX, then guesses smtp. and mail."""

    name = "submission"
    rules = (
        Rule("submission-declined", Severity.FAIL, Stage.DNS, "RFC 6186 section 3.4"),
        Rule("submission-srv-unknown", Severity.WARN, Stage.DNS, "RFC 2782"),
        Rule("submission-guessed", Severity.NOTE, Stage.DNS, "RFC 6186 section 1"),
    )

    def subjects(self, target: Target, earlier: Sequence[Result[Any]]) -> Iterable[Subject]:
        """The domain of an account."""
        return (Subject(target.name),) if target.kind is TargetKind.ACCOUNT else ()

    async def observe(self, subject: Subject, ctx: Context) -> SubmissionFacts:
        """Without a packet where the provider is known."""
        provider = providers.by_domain(subject.name)
        if provider:
            return _at(subject.name, "provider", provider)
        srv = await asyncio.gather(
            ctx.resolver.ask(f"_submissions._tcp.{subject.name}", "SRV"),
            ctx.resolver.ask(f"_submission._tcp.{subject.name}", "SRV"),
        )
        found = tuple(_located(*srv))
        if found or _declined(*srv):
            return SubmissionFacts(
                domain=subject.name, source="srv", candidates=found, srv=tuple(srv), declined=not found
            )
        # at once, because a silent resolver costs seconds for each question in turn
        mx, guess = await asyncio.gather(ctx.resolver.ask(subject.name, "MX"), _guess(subject.name, ctx))
        provider = next((p for entry in mx.mx if (p := providers.by_mx(entry.exchange))), None)
        if provider:
            return _at(subject.name, "mx", provider, tuple(srv), mx)
        return SubmissionFacts(domain=subject.name, source="guess", candidates=guess, srv=tuple(srv), mx=mx)

    def judge(self, facts: SubmissionFacts) -> Iterator[Finding]:
        """Where nobody says it, the guess is said to be one."""
        if facts.declined:
            yield self.found("submission-declined", domain=facts.domain)
        for answer in facts.srv:
            if answer.broke and not answer.absent:
                yield self.found("submission-srv-unknown", name=answer.name, how=str(answer.broke))
        if facts.source == "guess":
            hosts = ", ".join(dict.fromkeys(c.host for c in facts.candidates))
            yield self.found("submission-guessed", domain=facts.domain, hosts=hosts)


def _at(
    domain: str, source: str, provider: Provider, srv: tuple[dns.Answer, ...] = (), mx: dns.Answer | None = None
) -> SubmissionFacts:
    doors = tuple(Candidate(smtp.host, smtp.port, Mode(smtp.mode)) for smtp in provider.smtp)
    return SubmissionFacts(domain=domain, source=source, provider=provider.id, candidates=doors, srv=srv, mx=mx)


def _located(submissions: dns.Answer, submission: dns.Answer) -> Iterator[Candidate]:
    """RFC 8314 section 3.3: implicit TLS first. Some publish _submission with port 465, which means implicit."""
    for answer, mode in ((submissions, Mode.IMPLICIT), (submission, Mode.STARTTLS)):
        for service in answer.srv:
            if service.host != "." and service.port:
                usual = grammar.usual_mode(service.port)
                yield Candidate(service.host, service.port, usual if usual is Mode.IMPLICIT else mode)


def _declined(submissions: dns.Answer, submission: dns.Answer) -> bool:
    """No service at all: implicit TLS declared absent says nothing about 587, and a resolver's trouble nothing ever."""
    known = submissions.broke is None or submissions.absent
    return known and any(service.host == "." for service in submission.srv)


async def _guess(domain: str, ctx: Context) -> tuple[Candidate, ...]:
    hosts = (f"smtp.{domain}", f"mail.{domain}")
    answers = await asyncio.gather(*(ctx.resolver.ask(host, type_) for host in hosts for type_ in ("A", "AAAA")))
    there = [host for host in hosts if any(a.addresses for a in answers if a.name == host)]
    host = there[0] if there else hosts[0]
    return tuple(Candidate(host, port, grammar.usual_mode(port)) for port in route.SUBMISSION_PORTS)
