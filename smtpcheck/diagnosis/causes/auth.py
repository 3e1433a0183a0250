"""What may be behind a login that was refused?"""

from __future__ import annotations

from collections.abc import Mapping

from smtpcheck.core import Stage
from smtpcheck.diagnosis import network
from smtpcheck.diagnosis.case import Case, Cause, Holds, always, configured
from smtpcheck.diagnosis.causes.clock import DRIFTED
from smtpcheck.diagnosis.words import login
from smtpcheck.diagnosis.words.causes import by_words, replied, unspoken


def login_refused() -> tuple[Cause, ...]:
    """By words, after what the words leave open and other facts speak for."""
    suspects = [
        Cause(code, suspicious(code), likely=login.likelier(code), leads=login.leading(code)) for code in login.SUSPECTS
    ]
    elsewhere = Cause("host-wrong-provider-endpoint", blamed(network.home_elsewhere))
    told = [cause for cause in by_words(Stage.AUTH) if cause.code not in {*login.SUSPECTS, _TOKEN.code}]
    # words that no row knows: most refusals are about the credentials, which is no proof
    others = [Cause("auth-credentials-refused", unspoken(perhaps_credentials))]
    return (elsewhere, *suspects, *told, *others)


# RFC 5321 section 4.2.3, RFC 4954 section 4: the command, its form or its place is refused, before any password counts
_OF_THE_COMMAND = frozenset({500, 501, 502, 503, 504, 555})


def perhaps_credentials(case: Case) -> bool | None:
    """The code leaves room for it."""
    return False if case.finding.seen.get("code") in _OF_THE_COMMAND else None


def blamed(holds: Holds) -> Holds:
    """That test, where the words find fault with the login or can't be read."""
    return lambda case: holds(case) if login.blames_the_login(case) else False


def suspicious(cause: str) -> Holds:
    """As `replied`; None where other evidence than the words speaks for it."""
    by_reply = replied(cause)

    def holds(case: Case) -> bool | None:
        if login.proven(case, cause):
            return True
        said = by_reply(case)
        return None if said is False and login.suspected(case, cause) else said

    return holds


def token_refused() -> tuple[Cause, ...]:
    """What is said to a token: the words about user and password mean the token then."""
    told = (cause for cause in by_words(Stage.AUTH) if cause.code not in {*login.BLAMING, _TOKEN.code})
    # a token lives by the clock: one that is off comes before the words, which are the same
    return (DRIFTED, *told, _TOKEN)


_TOKEN = Cause("xoauth2-token-expired-or-scope", login.unfit_token)


# QQ hangs up on logins that it distrusts, and so hides what it would have refused them with
_HUNG_UP = tuple(
    Cause(code, lambda case: None if login.at("qq", "foxmail")(case) else False)
    for code in ("qq-silent-close-on-auth", "qq-authcode-revoked", "qq-login-rate-limited")
)


CAUSES: Mapping[str, tuple[Cause, ...]] = {
    "auth-refused": login_refused(),
    "auth-token-refused": token_refused(),
    "auth-closed": _HUNG_UP,
    "auth-reset": _HUNG_UP,
    "auth-temporary": tuple(cause for cause in by_words(Stage.AUTH) if cause.code != _TOKEN.code),
    "auth-not-offered": (
        Cause("host-mx-used-as-submission", network.at_own_exchanger),
        Cause("host-mx-used-as-submission", configured("host-mx-used-as-submission")),
        Cause("relay-cred-not-needed", network.relay_by_address),
    ),
    "auth-mech-none-common": (
        Cause("auth-mech-plain-refused", login.asked_for_plain),
        Cause("auth-mech-none-common", always),
    ),
}
