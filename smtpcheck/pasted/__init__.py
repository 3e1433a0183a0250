"""What may be behind a text that somebody pastes? Quotes found, secrets masked, causes named, the answer shown."""
