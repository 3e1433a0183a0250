"""Which fixtures do the tests of the command against real servers share?"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.chrony import Chrony
from tests.servers.command import Check
from tests.servers.postfix import Postfix
from tests.servers.unbound import Unbound


@pytest.fixture
def check(postfix: Postfix, unbound: Unbound, chrony: Chrony, tmp_path: Path) -> Check:
    return Check(postfix, unbound, chrony, tmp_path)
