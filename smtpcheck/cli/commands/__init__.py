"""Which commands are there? One file each, named as the command."""
