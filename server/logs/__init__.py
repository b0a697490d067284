"""Logs as bytes and files: no HTTP."""
