"""How do bytes get out and in? The door to the network, and what an error on the way there means."""
