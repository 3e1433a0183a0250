"""Which name server do tests of the net share?"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from smtpcheck.lab.dnsd import NameServer
from tests.net.services import running, zone


@pytest.fixture
async def resolver() -> AsyncIterator[NameServer]:
    async with running(server := zone(NameServer())):
        yield server
