"""Whom did the user mean, and with which secret? Targets, providers, credentials and the settings file."""
