"""A file's name with a date in it, given as a pattern: `app-%Y-%m-%d.log`.

The directives are those of strftime(3) whose values a name can be read back by, in English
whatever the locale is.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from server.errors import StartError
from server.logs.names import PACKINGS, Mark

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

DIRECTIVES = {
    "Y": "[0-9]{4}",
    "m": "[0-9]{2}",
    "d": "[0-9]{2}",
    "H": "[0-9]{2}",
    "M": "[0-9]{2}",
    "S": "[0-9]{2}",
    "y": "[0-9]{2}",
    "j": "[0-9]{3}",
    "b": "|".join(month[:3] for month in _MONTHS),
    "B": "|".join(_MONTHS),
    "e": "[ 0-9][0-9]",
    "s": "[0-9]{1,11}",
}
"""What stands in a name for each of them."""

_LAST_SHORT_YEAR = 68  # %y: 69 is 1969, and 68 is 2068

_NEEDED = (
    # what a pattern has, one of what it must have then, and what that is called
    ("dejHmbBMS", "Yy", "year (%Y)"),
    ("de", "mbB", "month (%m)"),
    ("H", "dej", "day (%d)"),
    ("M", "H", "hour (%H)"),
    ("S", "M", "minute (%M)"),
)


@dataclass(frozen=True)
class DatePattern:
    """The names of files that are named by the date of what they hold."""

    text: str
    shape: str
    """The names with `#` for the date."""
    _regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "DatePattern":
        """The pattern that `text` is. Raises StartError if its names would have no order."""
        regex = shape = ""
        used: list[str] = []
        for directive, literal in re.findall(r"%(.?)|([^%]+)", text, re.DOTALL):
            if literal or directive == "%":
                regex += re.escape(literal or "%")
                shape += literal or "%"
            elif directive not in DIRECTIVES:
                known = " ".join(f"%{one}" for one in DIRECTIVES)
                raise StartError(
                    f"{text}: %{directive} is not a part of a date that can be read back: "
                    f"use {known}, and %% for a percent sign"
                )
            else:
                is_first = directive not in used
                values = f"(?P<{directive}>{DIRECTIVES[directive]})"
                regex += values if is_first else f"(?P={directive})"
                shape += "" if shape.endswith("#") else "#"
                used.append(directive)
        _check_order(text, used)
        return cls(text, shape, re.compile(regex))

    def date_of(self, name: str) -> float | None:
        """The date in a name, in seconds since 1970 in the zone of whoever named it; else None."""
        match = self._regex.fullmatch(name)
        if match is None:
            return None
        parts = match.groupdict()
        try:
            date = _date_of(parts)
            rendered = {one: _rendered(date, one) for one in parts}
        except (ValueError, OverflowError):
            return None  # only digits
        return date.timestamp() if rendered == parts else None

    def mark_of(self, name: str) -> Mark | None:
        """What the name says, also that of a compressed file; None if it is not of these."""
        packing = next((one for one in PACKINGS if name.endswith(one)), "")
        for plain, suffix in ((name, ""), (name.removesuffix(packing), packing)):
            date = self.date_of(plain)
            if date is not None:
                return Mark(self.shape, date, (), suffix, is_strong=True)
        return None

    def newest(self, names: list[str]) -> str | None:
        """The file that is written to now: of the newest date, unless it is compressed by now."""
        marks = [(mark, name) for name in names if (mark := self.mark_of(name))]
        if not marks:
            return None
        mark, name = max(marks, key=lambda one: (one[0].rank, not one[0].packing))
        return None if mark.packing else name


def _check_order(text: str, used: list[str]) -> None:
    if not used:
        raise StartError(f"{text} names no date: put one into it, such as %Y-%m-%d")
    if "s" in used:
        if set(used) != {"s"}:
            raise StartError(f"{text}: %s is a whole date: use it alone")
        return
    for having, needed, words in _NEEDED:
        if set(used) & set(having) and not set(used) & set(needed):
            raise StartError(f"{text}: without the {words} its files have no order: put it in")


def _date_of(parts: dict[str, str]) -> datetime:
    """Raises ValueError if there is no such date."""
    if "s" in parts:
        return datetime.fromtimestamp(int(parts["s"]), UTC)
    year = int(parts.get("Y") or _long_year(int(parts["y"])))
    hour, minute, second = (int(parts.get(one) or 0) for one in "HMS")
    if "j" in parts:
        start = datetime(year, 1, 1, hour, minute, second, tzinfo=UTC)
        return start + timedelta(int(parts["j"]) - 1)
    day = int(parts.get("d") or parts.get("e") or 1)
    return datetime(year, _month_of(parts), day, hour, minute, second, tzinfo=UTC)


def _long_year(year: int) -> int:
    return year + (2000 if year <= _LAST_SHORT_YEAR else 1900)


def _month_of(parts: dict[str, str]) -> int:
    name = parts.get("B") or parts.get("b")
    if name:
        return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name))
    return int(parts.get("m") or 1)


def _rendered(date: datetime, directive: str) -> str:
    """What strftime(3) writes in an English locale."""
    month = _MONTHS[date.month - 1]
    return {
        "Y": f"{date.year:04}",
        "m": f"{date.month:02}",
        "d": f"{date.day:02}",
        "H": f"{date.hour:02}",
        "M": f"{date.minute:02}",
        "S": f"{date.second:02}",
        "y": f"{date.year % 100:02}",
        "j": f"{date.timetuple().tm_yday:03}",
        "b": month[:3],
        "B": month,
        "e": f"{date.day:2}",
        "s": str(int(date.timestamp())),
    }[directive]
