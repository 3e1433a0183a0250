"""Does the comparison with postmaster change a diagnosis only as far as it goes?"""

from __future__ import annotations

from typing import Any

import pytest

from smtpcheck.core import Diagnosis
from tests.checking import check_fault

YOU, POSTMASTER = "you@example.com", "postmaster@example.com"
UNKNOWN = "550 5.1.1 <{}>: Recipient address rejected: User unknown in local recipient table\r\n"


async def named(recipients: dict[str, str], *, fault: str = "healthy-scripted", **options: Any) -> Diagnosis:
    """The diagnosis where these recipients get these answers."""
    asked = {"recipients": (YOU,), "control_recipient": True} | options
    report = await check_fault(fault, script={"recipients": recipients}, options=asked)
    assert report.diagnosis is not None
    return report.diagnosis


@pytest.mark.parametrize(
    "other",
    [
        "550 5.1.1 <postmaster@example.com>: something else\r\n",
        UNKNOWN.format(POSTMASTER).replace("550", "554"),
        UNKNOWN.format("somebody@example.com"),
        "450 4.2.0 later\r\n",
    ],
    ids=["words", "code", "address", "deferred"],
)
async def test_postmaster_refused_otherwise_says_nothing_about_an_unknown_mailbox(other: str) -> None:
    found = await named({YOU: UNKNOWN.format(YOU), POSTMASTER: other})

    assert (found.code, found.confidence, found.alternatives) == ("user-unknown", "certain", ())


async def test_postmaster_refused_alike_takes_the_certainty_but_not_the_cause() -> None:
    found = await named({YOU: UNKNOWN.format(YOU), POSTMASTER: UNKNOWN.format(POSTMASTER.upper())})

    assert (found.code, found.confidence) == ("recipient-refused", "possible")
    assert [each.code for each in found.alternatives] == ["local-domain-trap", "user-unknown"]


@pytest.mark.parametrize("code", ["550 ", "550 5.1.1 ", "550 5.0.0 "])
async def test_words_that_nobody_knows_are_likely_about_the_mailbox_where_postmaster_is_taken(code: str) -> None:
    found = await named({YOU: f"{code}no\r\n"})

    assert (found.code, found.confidence) == ("user-unknown", "likely")


@pytest.mark.parametrize("code", ["550 5.7.1 ", "550 5.3.0 ", "550 5.2.1 "])
async def test_a_code_about_something_else_keeps_an_unknown_mailbox_from_the_lead(code: str) -> None:
    found = await named({YOU: f"{code}no\r\n"})

    assert (found.code, found.confidence) == ("recipient-refused", "possible")


async def test_words_that_name_another_cause_are_believed_whatever_postmaster_gets() -> None:
    relay = "554 5.7.1 <{}>: Relay access denied\r\n"
    alone = await named({YOU: relay.format(YOU)}, control_recipient=False)
    for recipients in ({YOU: relay.format(YOU)}, {YOU: relay.format(YOU), POSTMASTER: relay.format(POSTMASTER)}):
        found = await named(recipients)
        assert (found.code, found.confidence, found.alternatives) == (alone.code, alone.confidence, alone.alternatives)
