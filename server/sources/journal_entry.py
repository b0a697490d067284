"""An entry of the system's journal as a line of text.

    2026-11-29T20:00:00.123456+00:00 WARNING nginx[12]: the message

The further lines of a message are indented, so that they belong to the first. The time is when the
journal got the entry. The same entry always makes the same bytes.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

FIELDS = ("MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "_COMM", "_PID", "_TRANSPORT")
"""What is asked for, beside the cursor and the time, which always come."""

LEVELS = ("EMERG", "ALERT", "CRIT", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
"""By the number of the priority, as syslog(3) has them."""

LONGEST_MESSAGE = 512 * 1024
"""Bytes of a message; the rest of a longer one is left out."""

INDENT = b"\n    "

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BREAK = re.compile(rb"\r?\n")


class Entry(NamedTuple):
    """Where an entry stands in the journal, and its line or lines."""

    cursor: str
    text: bytes


def parse(line: bytes) -> Entry | None:
    """The entry in a line of `journalctl --output=json`; None if the line holds none."""
    try:
        fields = json.loads(line)
        cursor = fields["__CURSOR"]
        time = _EPOCH + timedelta(microseconds=int(fields["__REALTIME_TIMESTAMP"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    if not isinstance(cursor, str) or not isinstance(fields, dict):
        return None
    head = f"{time.isoformat(timespec='microseconds')} {_level(fields)} ".encode()
    return Entry(cursor, head + _who(fields) + b": " + _message(fields) + b"\n")


def _level(fields: dict[str, Any]) -> str:
    priority = _bytes(fields.get("PRIORITY"))
    return LEVELS[int(priority)] if re.fullmatch(rb"[0-7]", priority) else "INFO"


def _who(fields: dict[str, Any]) -> bytes:
    names = ("SYSLOG_IDENTIFIER", "_COMM", "_TRANSPORT")
    name = next(filter(None, (_bytes(fields.get(name)) for name in names)), b"unknown")
    pid = _bytes(fields.get("_PID")) or _bytes(fields.get("SYSLOG_PID"))
    who = name + b"[" + pid + b"]" if pid else name
    return re.sub(rb"[\x00-\x1f\x7f]", b"?", who)


def _message(fields: dict[str, Any]) -> bytes:
    message = _bytes(fields.get("MESSAGE")).rstrip(b"\r\n")
    if len(message) > LONGEST_MESSAGE:
        left_out = len(message) - LONGEST_MESSAGE
        message = message[:LONGEST_MESSAGE] + b" (%d bytes more)" % left_out
    return _BREAK.sub(INDENT, message.replace(b"\0", b"\\0"))


def _bytes(value: object) -> bytes:
    """What a field holds: text, bytes as numbers, or several of them, of which the first counts."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list) and value:
        try:
            return bytes(value)
        except (TypeError, ValueError):
            return _bytes(value[0])
    return b""
