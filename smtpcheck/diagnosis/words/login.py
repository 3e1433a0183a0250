"""Which causes of a refused login do other facts than the words make likely, or rule out?

All of it offline: how the secret looks, the user name, the mechanism, the provider asked. It never spends a login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smtpcheck.diagnosis.words import replies
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.probes.home import HomeFacts
from smtpcheck.target import providers
from smtpcheck.wire.sasl import Looks

if TYPE_CHECKING:
    from smtpcheck.diagnosis.case import Case

Holds = Callable[["Case"], bool | None]

# Their submission hosts know their own mailboxes and no others; companies' domains are served under other names.
OWN_DOMAINS_ONLY = frozenset({"qq", "163", "126", "yeah", "aliyun", "sina", "sohu", "139", "189"})
# One house under several names: a login of one is known to the other's server.
_FAMILIES = (frozenset({"163", "126", "yeah"}), frozenset({"qq", "foxmail"}), frozenset({"outlook", "m365"}))


def _provider(case: Case) -> providers.Provider | None:
    return providers.by_host(case.result.subject.name)


def _looks(case: Case) -> Looks:
    facts = case.of(AuthFacts)
    return (facts.looks if facts is not None else None) or Looks()


def _shape(case: Case) -> str:
    return _looks(case).shape


def _domain(case: Case) -> str:
    return case.target.user.rpartition("@")[2].lower() if "@" in case.target.user else ""


def _said(case: Case) -> tuple[str, ...] | None:
    """What the words may mean; None where no row knows them."""
    row = replies.row_of(case.finding, case.target)
    return (row.cause, *row.among) if row else None


def blames_the_login(case: Case) -> bool:
    """The words find fault with user name or password, or can't be read."""
    said = _said(case)
    return said is None or not BLAMING.isdisjoint(said)


# What the secret looks like


def flagged(*flags: str) -> Holds:
    """The secret shows one of these signs of a slip."""
    return lambda case: not set(flags).isdisjoint(_looks(case).flags)


def fits_after(*causes: str) -> Holds:
    """The words mean one of these, and yet the secret has the form of the provider's codes: it was one, once."""

    def holds(case: Case) -> bool | None:
        return _shape(case) == "fits" and not set(causes).isdisjoint(_said(case) or ())

    return holds


def unsaid(cause: str, holds: Holds) -> Holds:
    """That test, where the words themselves do not name the cause."""
    return lambda case: cause not in (_said(case) or ()) and holds(case)


def code_at(*ids: str) -> Holds:
    """At these providers, the secret has the form of their codes."""
    return lambda case: at(*ids)(case) and _shape(case) == "fits"


def no_code_at(*ids: str) -> Holds:
    """At these providers, the secret has another form than their codes."""
    return lambda case: at(*ids)(case) and _shape(case) == "does-not-fit"


def at(*ids: str) -> Holds:
    """The server is one of these providers'."""

    def holds(case: Case) -> bool | None:
        row = _provider(case)
        return row is not None and row.id in ids

    return holds


# What the user name says


def user_without_domain(case: Case) -> bool | None:
    """The provider's users are full addresses, and this one is none."""
    row = _provider(case)
    return row is not None and row.user.rule == "full-address" and bool(case.target.user) and not _domain(case)


def other_than_the_fixed_user(case: Case) -> bool | None:
    """All users of this provider log in with the same word, and this is another."""
    row = _provider(case)
    return row is not None and bool(row.user.fixed) and case.target.user != row.user.fixed


def the_fixed_user(case: Case) -> bool | None:
    """The word that all users of this provider log in with."""
    row = _provider(case)
    return row is not None and bool(row.user.fixed) and case.target.user == row.user.fixed


def at_home(case: Case) -> bool | None:
    """The user's domain is one of this very provider's, or of the same house."""
    row, home = _provider(case), providers.by_domain(_domain(case))
    told = case.of(HomeFacts)
    if row is not None and told is not None and told.provider == row.id:
        return True
    if row is None or home is None:
        return False
    return row.id == home.id or any({row.id, home.id} <= family for family in _FAMILIES)


def foreign_user(case: Case) -> bool | None:
    """The user's mailbox lies with somebody else: a host that knows its own addresses alone can't know it."""
    row = _provider(case)
    return row is not None and row.id in OWN_DOMAINS_ONLY and bool(_domain(case)) and not at_home(case)


# How it was said


def by_mechanism(*names: str) -> Holds:
    """The login went by one of these mechanisms."""
    return lambda case: str(case.finding.seen.get("mechanism", "")).upper() in names


def other_mechanism(*names: str) -> Holds:
    """The login went by a mechanism other than these."""

    def holds(case: Case) -> bool | None:
        used = str(case.finding.seen.get("mechanism", "")).upper()
        return bool(used) and used not in names

    return holds


def asked_for_plain(case: Case) -> bool | None:
    """PLAIN was asked for by name where LOGIN is offered in its place."""
    offered = str(case.finding.seen.get("offered", "")).upper().split()
    return case.target.auth.upper() == "PLAIN" and "PLAIN" not in offered and "LOGIN" in offered


def unfit_token(case: Case) -> bool | None:
    """The token itself was found wanting, by the reason given or by words about the login; None: neither is said."""
    said, status = _said(case), str(case.finding.seen.get("status", ""))
    if said is not None:  # a switched-off service and a locked address are told to tokens too
        return "xoauth2-token-expired-or-scope" in said or not BLAMING.isdisjoint(said)
    # RFC 7628 section 3.2.2; Google and Microsoft send the HTTP status, whose 5yz is a trouble of the server
    return True if status and not status.startswith("5") else None


def never(case: Case) -> bool | None:
    """Nothing speaks for it."""
    return False


@dataclass(frozen=True, slots=True)
class LoginCause:
    """One cause of a refused login, with what other facts than the words have to say about it."""

    code: str
    blames: bool = False
    """Its words find fault with user name or password; only they leave room for a slip of copying."""
    plain: bool = False
    """Its words say no more than that; those of other providers have causes of their own."""
    suspect: Holds | None = None
    """Worth naming though the words tell it not from their own cause."""
    likely: Holds | None = None
    """Likelier than others that share its words; as `suspect` where nothing is said."""
    unlikely: Holds = never
    """Less likely than its neighbours, without being ruled out."""
    ruled_out: Holds = never
    """It can't be this, whatever the words mean elsewhere."""
    proven: Holds = never
    """What was sent is nobody's password."""
    slip: bool = False
    """A slip of copying: it leads where the words know no other cause than a wrong password."""


_EMPTY = flagged("empty", "placeholder")
_CAUSES = (
    # the suspects, the strongest first
    LoginCause("secret-empty", blames=True, suspect=_EMPTY, proven=_EMPTY),
    LoginCause("secret-interpolated", suspect=flagged("unexpanded", "quoted"), proven=flagged("unexpanded"), slip=True),
    LoginCause("secret-invisible-char", suspect=flagged("invisible", "full-width"), slip=True),
    LoginCause("secret-trailing-newline", suspect=flagged("padded", "line-break"), slip=True),
    LoginCause("auth-user-without-domain", suspect=user_without_domain),
    LoginCause(
        "sendgrid-username",
        blames=True,
        suspect=lambda case: at("sendgrid")(case) and other_than_the_fixed_user(case),
        ruled_out=the_fixed_user,
    ),
    LoginCause(
        "mailgun-brevo-postmark-etc-user",
        blames=True,
        suspect=lambda case: not at("sendgrid")(case) and other_than_the_fixed_user(case),
        ruled_out=the_fixed_user,
    ),
    LoginCause("host-wrong-provider-endpoint", suspect=foreign_user, ruled_out=at_home),
    LoginCause(
        "qq-authcode-revoked",
        suspect=fits_after("qq-password-not-authcode"),
        likely=unsaid("qq-authcode-revoked", fits_after("qq-password-not-authcode")),
    ),
    LoginCause(
        "qq-password-not-authcode",
        blames=True,
        suspect=no_code_at("qq", "foxmail"),
        unlikely=code_at("qq", "foxmail"),
    ),
    LoginCause("netease-authcode-expired-180d", suspect=fits_after("netease-535")),
    LoginCause("netease-account-locked", suspect=fits_after("netease-535"), likely=never),
    LoginCause("auth-too-many-failures", suspect=fits_after("yahoo-auth005")),
    LoginCause("auth-cram-md5-trap", suspect=by_mechanism("CRAM-MD5"), likely=never),
    # named by their words alone
    LoginCause("auth-credentials-refused", blames=True, plain=True, ruled_out=other_than_the_fixed_user),
    LoginCause("aliyun-526", blames=True, plain=True),
    LoginCause("exmail-535-system-busy", blames=True),
    LoginCause("netease-535", blames=True),
    LoginCause("directmail-535", blames=True),
    LoginCause("sina-auth", blames=True),
    LoginCause("lark-auth", blames=True),
    LoginCause("gmail-bad-credentials", blames=True),
    LoginCause("icloud-auth", blames=True),
    LoginCause("yahoo-auth005", blames=True),
    LoginCause("ses-credentials", blames=True),
    LoginCause("exmail-plain-refused-login-ok", ruled_out=other_mechanism("PLAIN")),
    LoginCause("auth-mech-plain-refused", ruled_out=other_mechanism("PLAIN", "CRAM-MD5")),
    LoginCause("qq-535-other-mailbox-alias", ruled_out=at_home),
)
LOGIN_CAUSES: Mapping[str, LoginCause] = {cause.code: cause for cause in _CAUSES}
SUSPECTS = tuple(cause.code for cause in _CAUSES if cause.suspect)
"""Causes that the words of a refusal do not tell from their own; the strongest first."""
BLAMING = frozenset(cause.code for cause in _CAUSES if cause.blames)
_PLAIN = frozenset(cause.code for cause in _CAUSES if cause.plain)


def row_of(code: str) -> LoginCause:
    """What is known of a cause besides its words; nothing for most."""
    return LOGIN_CAUSES.get(code) or LoginCause(code)


def likelier(code: str) -> Holds:
    """What makes a cause likelier than others that share its words."""
    row = row_of(code)
    return row.likely or row.suspect or never


def proven(case: Case, code: str) -> bool:
    """What was sent for a password can't be one, and the words have no other cause than a wrong one."""
    said = _said(case) or ()
    return len(said) == 1 and blames_the_login(case) and bool(row_of(code).proven(case))


def leading(code: str) -> Holds:
    """The password shows a slip of copying, and the words know no other cause than a wrong password."""

    def holds(case: Case) -> bool | None:
        said = _said(case)
        return row_of(code).slip and bool(said) and set(said or ()) <= _PLAIN and suspected(case, code)

    return holds


def suspected(case: Case, code: str) -> bool:
    """Evidence besides the words speaks for that cause, and the words leave room for it."""
    holds = row_of(code).suspect
    return holds is not None and blames_the_login(case) and bool(holds(case))


def place(case: Case, code: str) -> int:
    """Negative for a suspect, the strongest first; zero for others; one for what is less likely than its neighbours."""
    if suspected(case, code):
        return SUSPECTS.index(code) - len(SUSPECTS)
    return int(bool(row_of(code).unlikely(case)))
