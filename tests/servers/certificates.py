"""Which certificate files do the real servers show?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from smtpcheck.lab.pki import Authority

Pair = tuple[Path, Path]
"""A chain and its private key, as PEM files."""


class Certificates:
    """A folder of certificates by one authority; `root` is what a client trusts."""

    def __init__(self, home: Path, authority: Authority) -> None:
        self.root = home / "root.pem"
        self.root.write_bytes(authority.root_pem)
        self._home = home
        self._authority = authority

    def issue(self, kind: str, host: str) -> Pair:
        """A chain of that kind (`smtpcheck.lab.pki.KINDS`) for one host, once for the folder."""
        folder = self._home / host / kind
        folder.mkdir(parents=True)
        return self._authority.issue(kind, host).write(folder)

    def zoo(self, kinds: Iterable[str], host: str) -> dict[str, Pair]:
        """One chain of each kind, all for the same host."""
        return {kind: self.issue(kind, host) for kind in kinds}
