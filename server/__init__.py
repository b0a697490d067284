"""Riacho: live logs and other lines of events over Server-Sent Events, on Tornado."""

__version__ = "0.1.0"
