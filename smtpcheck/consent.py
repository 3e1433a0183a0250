"""Which hosts may have the account's secret? Those of its own domain or provider, and those that the user named.

RFC 6186 section 6: who can forge an answer of DNS would else choose the server that gets the password. Pure: from the
target and the results so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from smtpcheck import route
from smtpcheck.core import Result, Stage, Target, TargetKind, facts_of
from smtpcheck.route import SubmissionFacts
from smtpcheck.target import providers
from smtpcheck.target.credentials import PREFIX
from smtpcheck.wire.address import parse_server
from smtpcheck.wire.suffixes import same_registrable


class Claim(StrEnum):
    """What speaks for a host."""

    TYPED = "typed"
    """The user named it."""
    ALLOWED = "allowed"
    """The user said yes to it by name."""
    PROVIDER = "provider"
    """It is the account's provider's."""
    EXCHANGER = "exchanger"
    """It is the submission host of the known provider that takes the domain's mail (MX)."""
    DOMAIN = "domain"
    """It lies in the account's registrable domain."""
    DNSSEC = "dnssec"
    """The domain's signed SRV record names it, as a resolver of this machine says."""
    BESIDE = "beside"
    """It is of the provider or domain of a host that has the secret already."""
    NONE = "none"


def submission(target: Target, results: Sequence[Result[Any]], host: str) -> Claim:
    """What speaks for a host that takes the account's mail."""
    if target.kind is TargetKind.HOST and host == target.name:
        return Claim.TYPED
    if PREFIX + host in target.allow:
        return Claim.ALLOWED
    rows = providers.ids_of(host)
    domains = (target.name if target.kind is TargetKind.ACCOUNT else "", target.user.rpartition("@")[2])
    if any(row.id in rows for row in map(providers.by_domain, domains) if row):
        return Claim.PROVIDER
    located = list(facts_of(SubmissionFacts, results))
    if any(facts.source == "mx" and facts.provider in rows for facts in located):
        return Claim.EXCHANGER
    if any(domain and same_registrable(host, domain) for domain in domains):
        return Claim.DOMAIN
    signed = (answer for facts in located for answer in facts.srv if answer.authenticated)
    return Claim.DNSSEC if any(host == service.host for answer in signed for service in answer.srv) else Claim.NONE


def entrusted(target: Target, results: Sequence[Result[Any]]) -> frozenset[str]:
    """The submission hosts known so far that may have the secret."""
    hosts = {candidate.host for candidate in route.candidates(target, results)}
    return frozenset(host for host in hosts if submission(target, results, host) is not Claim.NONE)


def mailbox(target: Target, results: Sequence[Result[Any]], host: str, *, reused: bool) -> Claim:
    """What speaks for the mailbox's host; `reused`: the secret is the login's, which was given for another service.

    A mailbox that the user named may have its own secret, and not for that the login's.
    """
    if PREFIX + host in target.allow:
        return Claim.ALLOWED
    rows = providers.ids_of(host)
    if reused:
        bases = {*entrusted(target, results), *([target.name] if target.kind is TargetKind.ACCOUNT else ())}
        known = frozenset(row.id for base in bases if (row := providers.by_domain(base)))
        near = rows & known.union(*map(providers.ids_of, bases))
        return Claim.BESIDE if near or any(same_registrable(host, base) for base in bases) else Claim.NONE
    if target.imap and parse_server(target.imap, 993)[0] == host:
        return Claim.TYPED
    domain = route.mailbox_user(target).rpartition("@")[2]
    row = providers.by_domain(domain)
    if row and row.id in rows:
        return Claim.PROVIDER
    return Claim.DOMAIN if domain and same_registrable(host, domain) else Claim.NONE


def strangers(target: Target, results: Sequence[Result[Any]], *, reused: bool) -> tuple[str, ...]:
    """The hosts on the way of this login, and of this look into the mailbox, for which nothing speaks."""
    if Stage.AUTH not in route.asked(target):
        return ()
    hosts = dict.fromkeys(candidate.host for candidate in route.candidates(target, results))
    found = [host for host in hosts if submission(target, results, host) is Claim.NONE]
    where = route.mailbox(target) if target.send else None
    if where and reused and mailbox(target, results, where[0], reused=True) is Claim.NONE:
        found += [where[0]]
    return tuple(dict.fromkeys(found))
