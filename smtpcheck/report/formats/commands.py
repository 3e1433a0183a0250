"""How do I see it without smtpcheck? The same questions as commands of dig, openssl and swaks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from smtpcheck import route
from smtpcheck.advice import Words
from smtpcheck.core import Mode, Report, Stage, Subject, Target, TargetKind, facts_of
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.report import escape, plain
from smtpcheck.target.grammar import UsageError, parse_detour
from smtpcheck.wire.address import literal, parse_server

SUFFIX = ".sh"

_WITH_LOGIN = frozenset({Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DELIVERY})
# Of what swaks speaks, what smtpcheck would use.
_MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5")


def render(reports: Sequence[Report], *, lang: str) -> str:
    """A shell script to take lines from. No secret is in it: swaks asks for the password."""
    words = Words(lang)
    lines = ["#!/bin/sh"]
    lines += [f"# {_comment(plain.spec(one))}: {_comment(plain.sentence(one, words))}" for one in reports]
    for report in reports:
        lines += ["", *_report(report, words, named=len(reports) > 1)]
    return "\n".join(lines) + "\n"


def _report(report: Report, words: Words, *, named: bool) -> Iterator[str]:
    target, ui = report.target, words.ui
    subject = route.chosen(target, report.results)
    if named:
        yield f"### {_comment(plain.spec(report))}"
    yield f"# {ui['replay.dns']}"
    yield from (_command("dig", *_resolver(target), "-q", name, "-t", kind) for name, kind in _questions(report))
    if subject is None or not subject.port:
        yield f"# {ui['replay.no-endpoint']}"
        return
    if subject.mode is not Mode.PLAIN:
        yield f"# {ui['replay.tls']}"
        yield _openssl(subject, target)
    yield f"# {ui['replay.login' if _mechanism(subject, report) else 'replay.session']}"
    yield _swaks(subject, report)


def _questions(report: Report) -> Iterator[tuple[str, str]]:
    """(name, record type) as this target was looked up."""
    target = report.target
    if target.kind is not TargetKind.HOST:
        yield target.name, "MX"
    if target.kind is TargetKind.ACCOUNT:
        yield from ((f"_{service}._tcp.{target.name}", "SRV") for service in ("submissions", "submission"))
    subject = route.chosen(target, report.results)
    host = subject.name if subject else target.name if target.kind is TargetKind.HOST else ""
    if host and not literal(host):
        yield from ((host, "A"), (host, "AAAA"))


def _resolver(target: Target) -> Iterator[str]:
    if not target.dns:
        return
    try:
        address, port = parse_server(target.dns, 53)
    except ValueError:  # of a saved report, which nobody has checked
        return
    yield from (f"@{address}", "-p", str(port))


def _openssl(subject: Subject, target: Target) -> str:
    address, port = _peer(subject, target)
    options = ["s_client", "-connect", f"[{address}]:{port}" if ":" in address else f"{address}:{port}"]
    options += ["-starttls", "smtp"] if subject.mode is Mode.STARTTLS else []
    if literal(subject.name):
        options += ["-verify_ip", subject.name]
    else:
        options += ["-servername", subject.name, "-verify_hostname", subject.name]
    options += ["-CAfile", target.ca_file] if target.ca_file else []
    return _command("openssl", *options, "-verify_return_error", "-showcerts") + " </dev/null"


def _swaks(subject: Subject, report: Report) -> str:
    target, mechanism = report.target, _mechanism(subject, report)
    address, port = _peer(subject, target)
    options = ["--server", address, "--port", str(port)]
    if subject.mode is not Mode.PLAIN:
        options += ["--tls-on-connect" if subject.mode is Mode.IMPLICIT else "--tls", "--tls-verify"]
        options += ["--tls-sni", subject.name] if not literal(subject.name) else []
        options += ["--tls-ca-path", target.ca_file] if target.ca_file else []
    options += ["--helo", target.ehlo] if target.ehlo else []
    if mechanism:
        # One mechanism by name: swaks tries them all, and a refused one costs an attempt. Without a password among
        # the options it asks, echoes nothing, and shows none in what it prints.
        options += ["--auth", mechanism, "--auth-user", target.user, "--protect-prompt", "--auth-hide-password"]
    options += ["--from", target.sender] if target.sender else []
    options += ["--to", ",".join(target.recipients)] if target.recipients else []
    bare = "HELO" if subject.mode is Mode.PLAIN else "TLS"
    return _command("swaks", *options, "--quit-after", "RCPT" if target.recipients else "AUTH" if mechanism else bare)


def _mechanism(subject: Subject, report: Report) -> str:
    """The mechanism to log in by, as smtpcheck did; empty where no login was asked for, or swaks does not speak it."""
    target = report.target
    asked = _WITH_LOGIN.intersection(route.asked(target))
    if not (target.user and target.secret and asked) or target.kind is TargetKind.MX:
        return ""
    facts = next(facts_of(AuthFacts, report.results, subject), None)
    if used := target.auth.upper() or (facts.mechanism if facts else ""):
        return used if used in _MECHANISMS else ""
    offered = facts.offered if facts else _MECHANISMS
    return next((one for one in _MECHANISMS if one in offered), "")


def _peer(subject: Subject, target: Target) -> tuple[str, int]:
    """The address and port that were dialled, so that the same machine answers."""
    for text in target.connect_to:
        try:
            detour = parse_detour(text)
        except UsageError:  # of a saved report, which nobody has checked
            continue
        if detour.applies(subject.name, subject.port):
            return detour.address, detour.to_port or subject.port
    return subject.address or subject.name, subject.port


def _command(*words: str) -> str:
    return " ".join(_word(word) for word in words)


def _word(text: str) -> str:
    """One word of the shell (POSIX 2.2.2), without a control character for the terminal of who reads it."""
    return shlex.quote(escape.visible(text, 1000))


def _comment(text: str) -> str:
    return escape.visible(text, 1000)
