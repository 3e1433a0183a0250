"""How do bytes get out and in? The door, DNS and HTTP over it, and what an error on the way there means."""
