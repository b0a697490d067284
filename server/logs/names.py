"""What the name of a rotated file says: a hint at which log it belongs to, and when it was made.

Rotated files stand beside the log and carry its name with a number or a date, as logrotate(8),
log4j, logback, Python's logging.handlers, the kubelet, winston and pm2 name them; svlogd(8) and
multilog put TAI64N labels beside `current`. Compressed ones have `.gz`, `.bz2`, `.xz` or `.zst`
behind that.
"""

import re
from calendar import timegm
from typing import NamedTuple

PACKINGS = (".gz", ".bz2", ".xz", ".zst")
"""What the names of compressed files end with."""

BACKUP = ".backup"
"""What logrotate(8) appends, behind a date, to a file that has the name of the next one to come."""

_TAI64N = re.compile(r"@([0-9a-f]{16})([0-9a-f]{8})\.[su]")
_TAI_EPOCH = 2**62 + 10  # TAI64: seconds of TAI since 1970, and TAI was 10 s ahead of UTC then

_FIRST_YEAR, _LAST_YEAR = 1970, 2100
_LAST_SECOND = 4_102_444_800  # 2100-01-01

_LONGEST = 64
"""Characters of a mark: none of the known ones is as long."""

_DIGIT = re.compile(r"[0-9]")
_SEPARATOR = re.compile(r"[._-]{0,2}")
# Year-first dates, with a time of the same or of other separators; then a zone. An hour alone
# looks like a counter, and counts as one: both rise with time.
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(?P<s>[._-]?)(?P<month>[0-9][0-9])(?P=s)(?P<day>[0-9][0-9])"
    r"(?:[T_.-]?(?P<hour>[0-9][0-9])[:._-]?(?P<minute>[0-9][0-9])(?:[:._-]?(?P<second>[0-9][0-9]))?)?"
    r"(?P<zone>Z|[+-][0-9][0-9]:?[0-9][0-9])?(?![0-9])"
)
_HOUR = re.compile(
    r"(?P<year>[0-9]{4})(?P<month>[0-9][0-9])(?P<day>[0-9][0-9])(?P<hour>[0-9][0-9])(?![0-9])"
)
_MONTH = re.compile(r"(?P<year>[0-9]{4})-(?P<month>[0-9][0-9])(?![0-9]|-[0-9])")
_DAY_FIRST = re.compile(
    r"(?P<day>[0-9][0-9])[._-](?P<month>[0-9][0-9])[._-](?P<year>[0-9]{4})(?![0-9])"
)
_EPOCH = re.compile(r"(?P<seconds>[1-4]?[0-9]{9})(?P<milliseconds>[0-9]{3})?(?![0-9])")
_NUMBER = re.compile(r"[0-9]{1,18}(?![0-9])")


class Mark(NamedTuple):
    """What the name of a rotated file says of it.

    shape: the name with `#` for its date and `*` for each number, without its packing. Files of
        one shape are named in the same way.
    date: seconds since 1970, in the zone of whoever named it; None without a date.
    counters: its numbers.
    packing: what its name ends with if it is compressed, else nothing.
    is_strong: whether hardly anything but a rotated file of this log has such a name. A number
        in front of the extension, or behind a hyphen, may as well be that of another log.
    is_whole: whether the log's whole name stands in it.
    """

    shape: str
    date: float | None
    counters: tuple[int, ...]
    packing: str
    is_strong: bool
    is_whole: bool = True

    @property
    def rank(self) -> tuple[float, tuple[int, ...]]:
        """What the names of one shape are ordered by."""
        return (self.date or 0.0, self.counters)


def mark_of(name: str, log: str) -> Mark | None:
    """What `name` says if a rotated file of the log called `log` may have it, else None."""
    plain, packing = name, ""
    for one in PACKINGS:
        if name.endswith(one):
            plain, packing = name.removesuffix(one), one
    if plain == log or len(plain) > len(log) + _LONGEST:
        return None
    if log == "current" and (match := _TAI64N.fullmatch(plain)):
        seconds = int(match[1], 16) - _TAI_EPOCH
        return Mark("@#", seconds + int(match[2], 16) / 1e9, (), packing, True)
    if plain.endswith(BACKUP) and (mark := mark_of(plain.removesuffix(BACKUP), log)):
        is_dated = mark.date is not None and mark.is_whole and not mark.packing
        return mark._replace(shape=mark.shape + BACKUP, packing=packing) if is_dated else None
    stem, dot, extension = log.rpartition(".")
    ways = [(log, "")] if not stem else [(log, ""), (stem, dot + extension)]
    for before, after in ways:
        rest = len(before) + len(after)
        if plain.startswith(before) and plain.endswith(after) and len(plain) > rest:
            added = plain[len(before) : len(plain) - len(after)]
            if _DIGIT.match(added) and _DIGIT.match(before[-1:]):
                continue  # the number is another one: `app10.log` beside `app1.log`
            mark = _parse(added, is_whole=not after)
            if mark:
                shape = f"{before}{mark.shape}{after}"
                return mark._replace(shape=shape, packing=packing, is_whole=not after)
    if stem:
        return _after_the_extension(plain, stem, dot + extension, packing)
    return None


def _after_the_extension(plain: str, stem: str, end: str, packing: str) -> Mark | None:
    """A date in front of the extension and a number behind it: `app-2026-11-27.log.1`."""
    at = plain.rfind(end)
    if at <= len(stem) or not plain.startswith(stem):
        return None
    date = _parse(plain[len(stem) : at], is_whole=False)
    number = _parse(plain[at + len(end) :], is_whole=True)
    if not date or not number or date.date is None or number.date is not None:
        return None
    counters = (*date.counters, *number.counters)
    return Mark(f"{stem}{date.shape}{end}{number.shape}", date.date, counters, packing, True, False)


def _parse(text: str, is_whole: bool) -> Mark | None:
    """The date and the numbers in what a rotated file's name adds to the log's.

    `is_whole` says that it stands behind the log's whole name.
    """
    date: float | None = None
    counters: list[int] = []
    shape = ""
    at = 0
    while at < len(text):
        separator = _SEPARATOR.match(text, at)
        assert separator
        at = separator.end()
        shape += separator[0]
        if not separator[0] and shape:
            return None  # two numbers without anything in between
        found = _date_at(text, at) if date is None else None
        if found:
            date, at = found
            shape += "#"
        elif number := _NUMBER.match(text, at):
            counters.append(int(number[0]))
            at = number.end()
            shape += "*"
        else:
            return None
    if not shape.endswith(("#", "*")):
        return None
    is_strong = date is not None or (is_whole and shape == ".*")
    return Mark(shape, date, tuple(counters), "", is_strong)


def _date_at(text: str, at: int) -> tuple[float, int] | None:
    """The date that begins there, and where it ends; None for anything else."""
    for pattern in (_DATE, _HOUR, _DAY_FIRST, _MONTH):
        match = pattern.match(text, at)
        if match:
            parts = match.groupdict()
            numbers = [
                int(parts.get(name) or default)
                for name, default in (
                    ("year", 0),
                    ("month", 1),
                    ("day", 1),
                    ("hour", 0),
                    ("minute", 0),
                    ("second", 0),
                )
            ]
            if _is_plausible(*numbers):
                return float(timegm((*numbers, 0, 0, 0))), match.end()
    epoch = _EPOCH.match(text, at)
    if epoch and int(epoch["seconds"]) < _LAST_SECOND:
        return int(epoch["seconds"]) + int(epoch["milliseconds"] or 0) / 1000, epoch.end()
    return None


def _is_plausible(year: int, month: int, day: int, hour: int, minute: int, second: int) -> bool:
    return (
        _FIRST_YEAR <= year < _LAST_YEAR
        and 1 <= month <= 12
        and 1 <= day <= 31
        and hour < 25
        and minute < 60
        and second < 62
    )
