"""The lines of a server in a terminal."""
