"""Streams of events that can be resumed: no HTTP, no paths."""
