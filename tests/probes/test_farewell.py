"""Is an error at QUIT a remark, and never more?"""

from __future__ import annotations

import pytest

from smtpcheck.core import Severity, Verdict
from tests.checking import check_fault


@pytest.mark.parametrize(
    ("fault", "how"),
    [("quit-error-after-success", "garbage"), ("quit-closes", "closed"), ("quit-never-answered", "timeout")],
)
async def test_what_follows_quit_is_remarked_and_leaves_the_account_healthy(fault: str, how: str) -> None:
    report = await check_fault(fault)

    (finding,) = [finding for finding in report.findings if finding.code == "quit-error-after-success"]
    assert report.verdict is Verdict.HEALTHY
    assert finding.severity is Severity.NOTE
    assert (finding.seen["how"], finding.seen["accepted"]) == (how, True)


async def test_a_good_goodbye_is_no_remark() -> None:
    report = await check_fault("healthy")

    assert [result.status for result in report.results if result.probe == "farewell"] == ["ok"]
