"""The time that a log's line names, as seconds since 1970; without a zone it counts as UTC.

Times of one log are mostly compared with each other, so the zone does not matter. The formats are
a table of patterns, each anchored near the start of the line.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

_NEAR = 96
"""Bytes at the start of a line in which its time is looked for."""

_MOST_LINES = 50
"""Lines that are looked at for the first or last time of a block."""

_TAI_EPOCH = 2**62 + 10  # see TAI64 labels in `names`

_MONTHS = {
    name: number
    for number, name in enumerate(
        b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1
    )
}


class Stamp(NamedTuple):
    """A time as a line names it."""

    seconds: float
    has_zone: bool
    """Whether the line says of which zone it is, or of none, as seconds since 1970 are."""


def _iso(match: "re.Match[bytes]") -> Stamp:
    """ISO 8601 with `T` or a space, a comma or a dot, seconds or not, a zone or not."""
    date, clock, fraction, zone = (group.decode() if group else "" for group in match.groups())
    text = f"{date}T{clock}{'.' + fraction[:6] if fraction else ''}{zone or '+00:00'}"
    return Stamp(datetime.fromisoformat(text).timestamp(), bool(zone))


def _common(match: "re.Match[bytes]") -> Stamp:
    """The common log format of web servers: 27/Nov/2026:10:00:00 +0000."""
    day, month, year, hour, minute, second, zone = match.groups()
    numbers = (int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second))
    offset = f"{zone[:3].decode()}:{zone[3:].decode()}"
    time = datetime.fromisoformat("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*numbers) + offset)
    return Stamp(time.timestamp(), has_zone=True)


def _epoch(match: "re.Match[bytes]") -> Stamp:
    """Seconds since 1970, or milliseconds where there are 13 digits."""
    seconds, milliseconds, fraction = match.groups()
    time = int(seconds) + int(milliseconds or 0) / 1000 + float(fraction or 0)
    return Stamp(time, has_zone=True)


def _tai64n(match: "re.Match[bytes]") -> Stamp:
    return Stamp(int(match[1], 16) - _TAI_EPOCH + int(match[2], 16) / 1e9, has_zone=True)


_FORMATS: list[tuple["re.Pattern[bytes]", Callable[["re.Match[bytes]"], Stamp]]] = [
    (
        re.compile(
            rb"(?<!\d)(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?"
            rb"\s?(Z|[+-]\d\d:?\d\d)?(?!\d)"
        ),
        _iso,
    ),
    (
        re.compile(rb"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-]\d{4})"),
        _common,
    ),
    (re.compile(rb"\A@([0-9a-f]{16})([0-9a-f]{8})\b"), _tai64n),
    (re.compile(rb"\A\[?([1-4]?\d{9})(\d{3})?(\.\d{1,9})?\b"), _epoch),
]

_KEYS = ("time", "ts", "timestamp", "@timestamp")


def time_of(line: bytes) -> float | None:
    """The time near the start of a line, None if it names none in a known format."""
    stamp = stamp_of(line)
    return stamp.seconds if stamp else None


def stamp_of(line: bytes) -> Stamp | None:
    """The same with what is known of its zone.

    A line is text of strangers: whatever stands in it, nothing is raised, and the time is finite.
    """
    try:
        stamp = _stamp_of_json(line) if line.startswith(b"{") else _stamp_of_text(line[:_NEAR])
    except (ValueError, OverflowError, RecursionError):
        return None
    return stamp if stamp is not None and math.isfinite(stamp.seconds) else None


def _stamp_of_text(start: bytes) -> Stamp | None:
    for pattern, convert in _FORMATS:
        match = pattern.search(start)
        if match:
            with suppress(ValueError, KeyError, OverflowError):
                return convert(match)
    return None


def _stamp_of_json(line: bytes) -> Stamp | None:
    """Raises ValueError, OverflowError and RecursionError for what is no JSON, or no time."""
    fields = json.loads(line)
    for key in _KEYS:
        value = fields.get(key)
        if isinstance(value, str):
            return _stamp_of_text(value[:_NEAR].encode())
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Stamp(value / 1000 if value > 1e11 else float(value), has_zone=True)
    return None


def first_time(data: bytes) -> float | None:
    """The time of the first line in `data` that names one.

    A line that is not finished counts if all of what is looked at is there: else the time may be
    cut short.
    """
    return _first(_finished(data).split(b"\n", _MOST_LINES)[:_MOST_LINES])


def last_time(data: bytes) -> float | None:
    """The time of the last line in `data` that names one; see `first_time`."""
    lines = _finished(data).rsplit(b"\n", _MOST_LINES)
    return _first(reversed(lines[1:] if len(lines) > _MOST_LINES else lines))


def _finished(data: bytes) -> bytes:
    lines, newline, rest = data.rpartition(b"\n")
    return data if len(rest) >= _NEAR else lines + newline


def _first(lines: Iterable[bytes]) -> float | None:
    return next((time for line in lines if (time := time_of(line)) is not None), None)
