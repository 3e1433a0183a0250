"""Where can I practise? Servers on loopback that behave, and misbehave by name."""
