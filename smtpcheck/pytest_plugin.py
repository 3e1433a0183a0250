"""How do I ask from pytest? Targets become tests."""
