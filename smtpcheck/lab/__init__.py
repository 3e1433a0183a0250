"""Where can I practise? Servers on loopback that behave, and misbehave by name."""

from smtpcheck.lab.range import Background, Lab, Practice, background

__all__ = ["Background", "Lab", "Practice", "background"]
