"""How do bytes become values and values bytes? No I/O in this room."""

from smtpcheck.core import NO_REASON, Reason


class ProtocolError(Exception):
    """A peer sent what its protocol does not allow.

    args: what was wrong, in words for a traceback and for whoever typed it. `reason` is what a report says of it.
    """

    def __init__(self, words: str, reason: Reason = NO_REASON) -> None:
        super().__init__(words)
        self.reason = reason
