"""What keeps streams from a client."""
