"""How does a message come to be? Composed here, read from a file, sent as it is."""
