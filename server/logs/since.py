"""Where in a file the lines of a moment begin: found by halving it, never by going through it.

Lines follow each other by their times, as a rule. A clock that is set back by less than SLACK
hides none of the lines that a client wants.
"""

from collections.abc import Iterator
from typing import NamedTuple

from server.logs.moment import Moment
from server.logs.position import Read
from server.logs.times import stamp_of

BLOCK = 64 * 1024
"""Bytes in which a line with a time is looked for. If there is none, the moment is looked for in
front of them."""

SLACK = 60.0
"""Seconds by which a clock may be set back..."""

MOST_SLACK = 1024 * 1024
"""...as far as that are so many bytes of the log, at the most."""


class Timed(NamedTuple):
    """A line with a time."""

    offset: int
    is_before: bool
    """Whether its time is before the moment."""


def first_at(read: Read, end: int, moment: Moment) -> int | None:
    """The offset of the first line of that moment or a later one, up to the offset `end`.

    It is `end` if all are before that; None if no line with a time was found. `read(offset,
    length)` gives the bytes of the file. It belongs in a thread.
    """
    high = _halve(read, end, moment)
    if high is None:
        return None
    slack = _halve(read, end, moment.earlier(SLACK)) or 0
    low = max(min(slack, high), high - MOST_SLACK, 0)
    stop, last = high + MOST_SLACK, end
    for line in _timed(read, low, stop, end, moment):
        if not line.is_before:
            return line.offset
        last = line.offset
    return end if stop >= end else last


def _halve(read: Read, end: int, moment: Moment) -> int | None:
    """An offset that is at most a block before the first line of the moment, if times only grow.

    None if no line with a time was found.
    """
    low, high, is_any = 0, end, False
    while high - low > BLOCK:
        middle = (low + high) // 2
        line = next(_timed(read, middle, middle + 1, end, moment), None)
        is_any = is_any or line is not None
        low, high = (middle, high) if line and line.is_before else (low, middle)
    is_any = is_any or any(True for _ in _timed(read, low, high, end, moment))
    return low if is_any else None


def _timed(read: Read, start: int, stop: int, end: int, moment: Moment) -> Iterator[Timed]:
    """The lines with a time that begin from `start` on.

    Those up to `stop` and a block behind it are looked at.
    """
    at, is_within = start, start > 0
    while at < min(stop, end):
        text = read(at, min(2 * BLOCK, end - at))
        offset = text.find(b"\n") + 1 if is_within else 0
        while offset < BLOCK and offset < len(text) and (offset or not is_within):
            line = text[offset : text.find(b"\n", offset) + 1 or len(text)]
            stamp = stamp_of(line)
            if stamp:
                other = moment.seconds if stamp.has_zone else moment.wall
                yield Timed(at + offset, stamp.seconds < other)
            offset += len(line)
        is_within = not offset or (offset == len(text) and not text.endswith(b"\n"))
        at += offset or BLOCK
        if not text:
            return
