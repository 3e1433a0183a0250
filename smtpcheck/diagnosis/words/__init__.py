"""What do the words of a server mean? One table of replies, narrowed by all else that is known."""
