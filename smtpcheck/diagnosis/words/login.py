"""Which causes of a refused login do other facts than the words make likely, or rule out?

All of it offline: how the secret looks, the user name, the mechanism, the provider asked. It never spends a login.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from smtpcheck.diagnosis.words import replies
from smtpcheck.probes.auth import AuthFacts
from smtpcheck.probes.home import HomeFacts
from smtpcheck.target import providers
from smtpcheck.wire.sasl import Looks

if TYPE_CHECKING:
    from smtpcheck.diagnosis.case import Case

Holds = Callable[["Case"], bool | None]

# Words that find fault with user name and password. Only they leave room for a slip; a switched-off service does not.
BLAMING = frozenset(
    {
        "auth-credentials-refused",
        "qq-password-not-authcode",
        "exmail-535-system-busy",
        "netease-535",
        "aliyun-526",
        "directmail-535",
        "sina-auth",
        "lark-auth",
        "gmail-bad-credentials",
        "icloud-auth",
        "yahoo-auth005",
        "sendgrid-username",
        "ses-credentials",
        "mailgun-brevo-postmark-etc-user",
        "secret-empty",
    }
)
# Their submission hosts know their own mailboxes and no others; companies' domains are served under other names.
OWN_DOMAINS_ONLY = frozenset({"qq", "163", "126", "yeah", "aliyun", "sina", "sohu", "139", "189"})
# One house under several names: a login of one is known to the other's server.
_FAMILIES = (frozenset({"163", "126", "yeah"}), frozenset({"qq", "foxmail"}), frozenset({"outlook", "m365"}))


def _provider(case: Case) -> providers.Provider | None:
    return providers.by_host(case.result.subject.name)


def _looks(case: Case) -> Looks:
    facts = case.facts("auth")
    return (facts.looks if isinstance(facts, AuthFacts) else None) or Looks()


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
    told = case.facts("home")
    if row is not None and isinstance(told, HomeFacts) and told.provider == row.id:
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


SUSPECTS: Mapping[str, Holds] = {
    "secret-empty": flagged("empty", "placeholder"),
    "secret-interpolated": flagged("unexpanded", "quoted"),
    "secret-invisible-char": flagged("invisible", "full-width"),
    "secret-trailing-newline": flagged("padded", "line-break"),
    "auth-user-without-domain": user_without_domain,
    "sendgrid-username": lambda case: at("sendgrid")(case) and other_than_the_fixed_user(case),
    "mailgun-brevo-postmark-etc-user": lambda case: not at("sendgrid")(case) and other_than_the_fixed_user(case),
    "host-wrong-provider-endpoint": foreign_user,
    "qq-authcode-revoked": fits_after("qq-password-not-authcode"),
    "qq-password-not-authcode": no_code_at("qq", "foxmail"),
    "netease-authcode-expired-180d": fits_after("netease-535"),
    "netease-account-locked": fits_after("netease-535"),
    "auth-too-many-failures": fits_after("yahoo-auth005"),
    "auth-cram-md5-trap": by_mechanism("CRAM-MD5"),
}
"""Causes that the words of a refusal do not tell from their own, with what makes each worth naming; strongest first."""

RULED_OUT: Mapping[str, Holds] = {
    "exmail-plain-refused-login-ok": other_mechanism("PLAIN"),
    "auth-mech-plain-refused": other_mechanism("PLAIN", "CRAM-MD5"),
    "host-wrong-provider-endpoint": at_home,
    "qq-535-other-mailbox-alias": at_home,
    "sendgrid-username": the_fixed_user,
    "mailgun-brevo-postmark-etc-user": the_fixed_user,
    "auth-credentials-refused": other_than_the_fixed_user,
}
"""What can't be the cause, whatever the words mean elsewhere."""

LIKELY: Mapping[str, Holds] = {
    **{code: holds for code, holds in SUSPECTS.items() if code not in ("netease-account-locked", "auth-cram-md5-trap")},
    "qq-authcode-revoked": unsaid("qq-authcode-revoked", fits_after("qq-password-not-authcode")),
}
"""What makes one cause likelier than others that share its words."""

UNLIKELY: Mapping[str, Holds] = {"qq-password-not-authcode": code_at("qq", "foxmail")}
"""What makes one cause less likely than the others, without ruling it out."""


# what nobody's password is
_CERTAIN: Mapping[str, Holds] = {
    "secret-empty": flagged("empty", "placeholder"),
    "secret-interpolated": flagged("unexpanded"),
}
_SLIPS = frozenset({"secret-interpolated", "secret-invisible-char", "secret-trailing-newline"})
# words that say no more than that user or password is wrong; those of other providers have causes of their own
_PLAIN_WORDS = frozenset({"auth-credentials-refused", "aliyun-526"})


def proven(case: Case, code: str) -> bool:
    """What was sent for a password can't be one, and the words have no other cause than a wrong one."""
    said = _said(case) or ()
    return code in _CERTAIN and len(said) == 1 and blames_the_login(case) and bool(_CERTAIN[code](case))


def leading(code: str) -> Holds:
    """The password shows a slip of copying, and the words know no other cause than a wrong password."""

    def holds(case: Case) -> bool | None:
        said = _said(case)
        return code in _SLIPS and bool(said) and set(said or ()) <= _PLAIN_WORDS and suspected(case, code)

    return holds


def suspected(case: Case, code: str) -> bool:
    """Evidence besides the words speaks for that cause, and the words leave room for it."""
    holds = SUSPECTS.get(code)
    return holds is not None and blames_the_login(case) and bool(holds(case))


def place(case: Case, code: str) -> int:
    """Negative for a suspect, the strongest first; zero for others; one for what is less likely than its neighbours."""
    if suspected(case, code):
        return list(SUSPECTS).index(code) - len(SUSPECTS)
    return int(bool(UNLIKELY[code](case))) if code in UNLIKELY else 0
