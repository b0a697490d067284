"""Lines as JSON objects: for streams of several logs, and for programs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

from server.formats.detect import level_of
from server.logs.encoding import LineEncoder
from server.logs.position import Position
from server.logs.times import Stamp, stamp_of

_LONGEST = 1000
"""Bytes at the start of a line in which its level is looked for. A time stands before that."""


class JsonEncoder(LineEncoder):
    """Encodes lines as objects with the name of their log.

    The time and the level of a line are in them where the line names these: one that does not
    belongs to the record before it.
    """

    def __init__(self, max_line: int, log: str, id_of: Callable[[Position], str] = str) -> None:
        start = b'{"log": %b, "line": ' % json_of(log)

        def frame(id: str, line: bytes) -> bytes:
            text = json_of(line.decode("utf-8", "replace"))
            return b"id: %b\ndata: %b%b%b}\n\n" % (id.encode(), start, text, _named(line))

        super().__init__(max_line, frame, id_of, log=log)


def _named(line: bytes) -> bytes:
    """What a line says of itself, as the members of an object that follow others."""
    stamp, level = stamp_of(line), level_of(line[:_LONGEST])
    named = b""
    if stamp and (time := time_text(stamp)):
        named += b', "time": "%b"' % time.encode()
    if level is not None:
        named += b', "level": "%b"' % level.name.lower().encode()
    return named


def time_text(stamp: Stamp) -> str | None:
    """A time in ISO 8601, with a zone if the line says of which it is; None past the year 9999."""
    try:
        time = datetime.fromtimestamp(stamp.seconds, UTC)
    except (ValueError, OverflowError):
        return None
    text = time.replace(tzinfo=None).isoformat()
    return f"{text}Z" if stamp.has_zone else text


def json_of(text: str) -> bytes:
    """A JSON string. Half a surrogate pair, as names of files may have, is escaped."""
    try:
        return json.dumps(text, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(text).encode()
