"""What stops the server from starting."""


class StartError(Exception):
    """One line for the user: it names what is wrong and the remedy."""
