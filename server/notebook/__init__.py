"""Streams in a notebook."""
