"""How do tests type the command against the real servers?"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests import forked
from tests.servers.chrony import Chrony
from tests.servers.postfix import Postfix
from tests.servers.unbound import Unbound


class Check:
    """The command against the real servers, as a user would type it."""

    def __init__(self, postfix: Postfix, unbound: Unbound, chrony: Chrony, folder: Path) -> None:
        self.postfix = postfix
        self.unbound = unbound
        self.chrony = chrony
        self.folder = folder

    def __call__(
        self, target: str, *words: str, password: str = "", command: str = "check", **environ: str
    ) -> dict[str, Any]:
        line = [sys.executable, "-m", "smtpcheck", command, target, "--json", "-"]
        line += ["--dns", f"{self.unbound.address}:{self.unbound.port}"]
        line += ["--ntp", f"{self.chrony.address}:{self.chrony.port}", "--ca-file", str(self.postfix.ca_file)]
        login = {"SMTPCHECK_PASSWORD": password} if password else {}
        done = forked.run(
            [*line, *words], env=os.environ | environ | login | {"HOME": str(self.folder)}, cwd=self.folder
        )
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        report["exit"] = done.returncode
        return report

    def account(self, certificate: str = "good", service: str = "starttls", password: str = "", **environ: str) -> Any:
        """The account at one of the Postfix services, by its real host name."""
        where = self.postfix.endpoint(certificate, service)
        scheme = "smtps" if service == "implicit" else "smtp"
        words = ("--user", self.postfix.user, "--connect-to", f":{where.port}:{where.address}:{where.port}")
        secret = password or self.postfix.password
        return self(f"{scheme}://{self.postfix.host}:{where.port}", *words, password=secret, **environ)


def named(report: dict[str, Any]) -> tuple[int, str, str, list[str]]:
    diagnosis = report["diagnosis"]
    return report["exit"], diagnosis["code"], diagnosis["confidence"], diagnosis["blocked"]
