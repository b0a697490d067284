"""A moment as a client names it, to be compared with the times in lines."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

AHEAD = 60.0
"""Seconds by which the clocks of a client and of the server may differ."""

KNOWN = "an ISO 8601 time, such as 2026-12-01T10:00 or 2026-12-01T10:00:00Z, or how long ago: 10m"

_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Moment(NamedTuple):
    """A moment on both clocks that lines may follow."""

    seconds: float
    """Seconds since 1970, for lines that name their zone."""
    wall: float
    """The same of the server's wall clock, as if its zone were UTC, for lines without a zone."""

    def earlier(self, seconds: float) -> "Moment":
        """The moment so many seconds before."""
        return Moment(self.seconds - seconds, self.wall - seconds)


def parse_moment(text: str, now: datetime) -> Moment:
    """The moment that a text names; a time without a zone is one of the log's own clock.

    `now` is the time of the server's clock with its zone. Raises ValueError, with words that follow
    the text, if it cannot be read or lies in the future.
    """
    if ago := _AGO.fullmatch(text.strip()):
        moment = _ago(now, float(ago[1]), ago[2])
    else:
        moment = _named(text.strip(), now)
    if moment.seconds > now.timestamp() + AHEAD:
        raise ValueError("lies in the future: give a time that has been, or leave it out")
    return moment


def _ago(now: datetime, count: float, unit: str) -> Moment:
    try:
        return _moment(now - timedelta(**{_UNITS[unit]: count}), now)
    except OverflowError:
        raise ValueError("is too long ago: give from=start") from None


def _named(text: str, now: datetime) -> Moment:
    try:
        # in a query, a plus sign stands for a space
        time = datetime.fromisoformat(re.sub(r" (\d\d:?\d\d)$", r"+\1", text, count=1))
        return _moment(time, now)
    except (ValueError, OverflowError):
        raise ValueError(f"is no time: give {KNOWN}") from None


def _moment(time: datetime, now: datetime) -> Moment:
    wall = time if time.tzinfo is None else time.astimezone(now.tzinfo)
    seconds = time.replace(tzinfo=now.tzinfo) if time.tzinfo is None else time
    return Moment(seconds.timestamp(), wall.replace(tzinfo=UTC).timestamp())
