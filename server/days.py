"""Finds the day in a log's name. The log gets no more lines when that day is over."""

import re
from datetime import UTC, date, datetime

_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([._-]?)(\d\d)\2(\d\d)(?!\d)", re.ASCII)
_DAY_FIRST = re.compile(r"(?<!\d)(\d\d)([._-])(\d\d)\2(\d{4})(?!\d)", re.ASCII)

ADVICE = (
    "follow a link that leads to each day's file in turn, a name without the date, or all days "
    "as one log by a pattern, such as app='app-%Y-%m-%d.log'"
)
"""The advice that the server gives to people whose log is named for a day."""


def day_of(name: str) -> date | None:
    """The day whose date stands in a file's name, None if there is none."""
    found = _find(name)
    return found and found[0]


def pattern_of(name: str) -> str | None:
    """The pattern of the names that other days' files have, if a file's name says no more of time
    than its day; else None.
    """
    found = _find(name)
    if found is None:
        return None
    _, match, directives = found
    before, after = name[: match.start()], name[match.end() :]
    if re.search(r"[0-9]{2}", after):
        return None  # perhaps an hour, which another day's file need not have
    return before.replace("%", "%%") + match[2].join(directives) + after.replace("%", "%%")


def _find(name: str) -> tuple[date, re.Match[str], tuple[str, str, str]] | None:
    """The day in a name, where it stands, and the directives of strftime(3) for its parts."""
    for pattern, directives in (
        (_YEAR_FIRST, ("%Y", "%m", "%d")),
        (_DAY_FIRST, ("%d", "%m", "%Y")),
    ):
        for match in pattern.finditer(name):
            first, _, month, last = match.groups()
            year, day = (first, last) if directives[0] == "%Y" else (last, first)
            try:
                return date(int(year), int(month), int(day)), match, directives
            except ValueError:
                pass  # only digits
    return None


def is_of_today(name: str, now: datetime) -> bool:
    """Whether a file is named for the day it is at `now`, there or in UTC."""
    return day_of(name) in (now.date(), now.astimezone(UTC).date())
