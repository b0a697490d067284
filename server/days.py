"""Finds the day in a log's name. The log gets no more lines when that day is over."""

import re
from datetime import UTC, date, datetime

_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([._-]?)(\d\d)\2(\d\d)(?!\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(?<!\d)(\d\d)([._-])(\d\d)\2(\d{4})(?!\d)", re.ASCII)

ADVICE = "follow a link that leads to each day's file in turn, or a name without the date"
"""The advice that the server gives to people whose log is named for a day."""


def day_of(name: str) -> date | None:
    """The day whose date stands in a file's name, None if there is none."""
    parts = [(year, month, day) for year, _, month, day in _YEAR_FIRST.findall(name)]
    parts += [(year, month, day) for day, _, month, year in _DAY_FIRST.findall(name)]
    for year, month, day in parts:
        try:
            return date(int(year), int(month), int(day))
        except ValueError:
            pass  # only digits
    return None


def is_of_today(name: str, now: datetime) -> bool:
    """Whether a file is named for the day it is at `now`, there or in UTC."""
    return day_of(name) in (now.date(), now.astimezone(UTC).date())
