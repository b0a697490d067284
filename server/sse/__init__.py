"""Server-sent events on the wire."""
