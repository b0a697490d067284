"""The names of many logs, and where they are."""
