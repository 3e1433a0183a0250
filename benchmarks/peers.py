"""Did the program that we are compared with do its work? One that fails early, or waits for nothing, flatters us."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field


class IdleError(Exception):
    """A peer ended without what it was run for: its name, and the end of what it said."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A command, and what its output holds when it did its work."""

    name: str
    words: tuple[str, ...] = field(repr=False)
    """The practice account's password is among swaks' words; it is nobody's."""
    proof: str
    """A regular expression, over all lines."""
    typed: str = ""

    def run(self, environ: Mapping[str, str], *, seconds: float = 30.0) -> None:
        """Run it to its end. Raises IdleError without the proof, and for another exit status than 0."""
        try:
            done = subprocess.run(
                self.words,
                env=environ,
                input=self.typed,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise IdleError(f"{self.name}: not done in {seconds} s") from None
        said = done.stdout + done.stderr
        if done.returncode != 0 or not re.search(self.proof, said, re.MULTILINE):
            raise IdleError(f"{self.name}: exit status {done.returncode}, no {self.proof!r} in: {said[-300:]!r}")
