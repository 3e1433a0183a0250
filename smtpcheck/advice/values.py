"""Which values may every text use, whatever was found? Derived from a report in this one place; pure.

What the report does not know is a readable example, never a blank: a command that can be read can be corrected.
"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck import route
from smtpcheck.core import Mode, Report, Scalar, Subject, TargetKind
from smtpcheck.target import grammar
from smtpcheck.wire.address import literal, parse_server
from smtpcheck.wire.suffixes import registrable

# RFC 2606 section 3 and RFC 5737 section 3 keep these for documents; 127.0.0.53 is the stub of systemd-resolved.
_RESOLVER = "127.0.0.53:53"
_ADDRESS = "192.0.2.1"
_DNS_PORT = 53


def values(report: Report, subject: str, seen: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The standard values for a text about that subject of the report; `seen` names a resolver of its own."""
    here = _endpoint(report, subject)
    people = _people(report, here.name)
    return {
        **_of_server(here),
        **people,
        **_of_resolver(str(seen.get("resolver", "")) or _first_resolver(report)),
        "target": report.target.spec,
        "imap": (route.mailbox(report.target) or (f"imap.{people['domain']}", 993))[0],
    }


def _of_server(here: Subject) -> dict[str, Scalar]:
    implicit = here.mode is Mode.IMPLICIT
    inside_tls = here.mode is Mode.STARTTLS
    joined = f"[{here.name}]:{here.port}" if ":" in here.name else f"{here.name}:{here.port}"
    return {
        "host": here.name,
        "port": here.port,
        "endpoint": joined,
        "ip": here.address or literal(here.name) or _ADDRESS,
        "mode": here.mode.value,
        "starttls": "" if implicit else "-starttls smtp",
        "swaks_tls": "--tls-on-connect" if implicit else "-tls" if inside_tls else "",
        "by_hand": f"openssl s_client -quiet -crlf -connect {joined}" if implicit else f"nc -C {here.name} {here.port}",
    }


def _of_resolver(resolver: str) -> dict[str, Scalar]:
    try:
        host, port = parse_server(resolver, _DNS_PORT)
    except ValueError:
        host, port = parse_server(_RESOLVER, _DNS_PORT)
    return {"resolver": resolver, "nameserver": host, "nameserver_port": f"-p {port}" if port != _DNS_PORT else ""}


def _first_resolver(report: Report) -> str:
    return next((contact.where for contact in report.contacts if contact.who == "resolver"), _RESOLVER)


def _people(report: Report, host: str) -> dict[str, Scalar]:
    """Who logs in, who sends and who receives, and the domains that their addresses are in."""
    target = report.target
    named = next((a for a in (target.user, target.sender) if "@" in a), "").rpartition("@")[2]
    domain = target.name if target.kind is not TargetKind.HOST else named or _domain_of(host)
    senders = "example.com" if target.kind is TargetKind.MX else domain
    user = target.user or target.sender or f"me@{senders}"
    sender = target.sender or (user if "@" in user else f"me@{senders}")
    recipient = next(iter(target.recipients), f"you@{domain}")
    return {
        "domain": domain,
        "user": user,
        "sender": sender,
        "recipient": recipient,
        "sender_domain": sender.rpartition("@")[2],
        "recipient_domain": recipient.rpartition("@")[2],
    }


def _domain_of(host: str) -> str:
    return registrable(host) or "example.com"


def _endpoint(report: Report, subject: str) -> Subject:
    """The server that a text about the subject means, complete with port and mode."""
    target = report.target
    asked = route.candidates(target, report.results)
    found = next((r.subject for r in report.results if str(r.subject) == subject), None)
    if found is None or found.name not in {candidate.host for candidate in asked}:
        found = route.chosen(target, report.results) or Subject("")
    first = next((c for c in asked if found.name in ("", c.host)), None)
    name = found.name or (first.host if first else _host_of(report))
    port = found.port or target.port or (first.port if first else 25 if target.kind is TargetKind.MX else 587)
    mode = next((m for m in (found.mode, target.mode) if m is not Mode.AUTO), grammar.usual_mode(port))
    return Subject(name, found.address or _address_of(name, report), port, mode)


def _host_of(report: Report) -> str:
    """Before a server is known: the name asked for; for an account the usual name under its domain."""
    target = report.target
    return f"smtp.{target.name}" if target.kind is TargetKind.ACCOUNT else target.name


def _address_of(name: str, report: Report) -> str:
    known = route.believed(name, report.results)
    return next(iter(known.addresses), "") if known else ""


def about(host: str) -> dict[str, Scalar]:
    """The standard values that follow where no more than a host is known."""
    return {**_of_server(Subject(host, "", 587, Mode.STARTTLS)), "target": host}
