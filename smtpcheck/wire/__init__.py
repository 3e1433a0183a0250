"""How do bytes become values and values bytes? No I/O in this room."""


class ProtocolError(Exception):
    """A peer sent what its protocol does not allow; args: what was wrong, in words."""
