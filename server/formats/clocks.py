"""How lines write the time: a small closed set of clocks, each a pattern with named groups.

The groups say what their digits are; one function makes a time of them. A time without a zone
counts as UTC, as in `logs.times`.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property

_SECONDS_OF_A_DAY = 86_400
_TAI_EPOCH = 2**62 + 10  # as in logs.names

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?P<name>{'|'.join(_MONTHS)})"
_HMS = r"(?P<hour>\d\d?):(?P<minute>\d\d):(?P<second>\d\d)"
_FRACTION = r"(?:[.,](?P<fraction>\d{1,9}))?"

_ZONES = {
    "UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "BST": 60, "CET": 60, "WEST": 60, "CEST": 120,
    "EET": 120, "EEST": 180, "MSK": 180, "BRT": -180, "BRST": -120, "EST": -300, "EDT": -240,
    "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "JST": 540,
}  # fmt: skip
"""Minutes east of Greenwich. Abbreviations are not unique: these are the usual meanings."""

_ZONE = rf"(?P<zone>Z|[+-]\d\d:?(?:\d\d)?|{'|'.join(_ZONES)})"


@dataclass(frozen=True)
class Clock:
    """A way to write the time."""

    name: str
    pattern: str
    divisor: int = 1
    """What the digits in the group `epoch` are divided by for seconds."""

    @cached_property
    def _regex(self) -> "re.Pattern[bytes]":
        return re.compile(self.pattern.encode())

    def read(self, text: bytes, latest: float | None = None) -> float | None:
        """Seconds since 1970 of the time that a text begins with, None if it begins with none.

        A time without a year is the last one that is at most a day after `latest`, the time of
        the last write of the file; without `latest` there is none. Nothing is ever raised.
        """
        match = self._regex.match(text)
        if match is None:
            return None
        parts = {key: value.decode() for key, value in match.groupdict().items() if value}
        try:
            time = self._time(parts, latest)
        except (ValueError, OverflowError):
            return None
        return time if time is not None and math.isfinite(time) else None

    def _time(self, parts: dict[str, str], latest: float | None) -> float | None:
        fraction = float(f"0.{parts.get('fraction', '0')}") + int(parts.get("ms", 0)) / 1000
        if "epoch" in parts:
            return int(parts["epoch"]) / self.divisor + fraction
        if "tai" in parts:
            return int(parts["tai"], 16) - _TAI_EPOCH + int(parts["nano"], 16) / 1e9
        month = _MONTHS.index(parts["name"]) + 1 if "name" in parts else int(parts["month"])
        hour = int(parts["hour"])
        if "half" in parts:
            hour = hour % 12 + 12 * (parts["half"].lower() == "pm")
        rest = (month, int(parts["day"]), hour, int(parts["minute"]), int(parts.get("second", 0)))
        zone = _zone(parts.get("zone", "Z"))
        if "year" in parts:
            year = int(parts["year"])
            year += (2000 if year < 69 else 1900) if len(parts["year"]) == 2 else 0
            return _seconds(year, rest, zone) + fraction
        if latest is None:
            return None
        return _last(rest, zone, latest + _SECONDS_OF_A_DAY, fraction)


def _seconds(year: int, rest: tuple[int, int, int, int, int], zone: timezone) -> float:
    month, day, hour, minute, second = rest
    leap = second == 60
    time = datetime(year, month, day, hour, minute, second - leap, tzinfo=zone)
    return time.timestamp() + leap


def _last(
    rest: tuple[int, int, int, int, int], zone: timezone, limit: float, fraction: float
) -> float | None:
    """The last time with this month and day up to a limit. The 29th of February may be long ago."""
    year = datetime.fromtimestamp(limit, UTC).year + 1
    for earlier in range(10):
        try:
            time = _seconds(year - earlier, rest, zone) + fraction
        except ValueError:
            continue
        if time <= limit:
            return time
    return None


def _zone(text: str) -> timezone:
    if text in _ZONES:
        return timezone(timedelta(minutes=_ZONES[text]))
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = 60 * int(digits[:2]) + int(digits[2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


ISO = Clock(
    "ISO 8601, with T or a space, a comma or a dot",
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[T ](?P<hour>\d\d):(?P<minute>\d\d)"
    rf"(?::(?P<second>\d\d))?{_FRACTION} ?{_ZONE}?",
)
SLASHED = Clock(
    "year/month/day",
    rf"(?P<year>\d{{4}})/(?P<month>\d\d?)/(?P<day>\d\d?) {_HMS}{_FRACTION}",
)
SHORT_SLASHED = Clock(
    "year of two digits/month/day",
    rf"(?P<year>\d\d)/(?P<month>\d\d)/(?P<day>\d\d) {_HMS}{_FRACTION}",
)
PACKED = Clock(
    "yymmdd hhmmss",
    r"(?P<year>\d\d)(?P<month>\d\d)(?P<day>\d\d) (?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)",
)
SYSLOG = Clock("month day, without a year", rf"{_MONTH} +(?P<day>\d\d?) {_HMS}{_FRACTION}")
COMMON = Clock(
    "common log format",
    rf"(?P<day>\d\d?)/{_MONTH}/(?P<year>\d{{4}}):{_HMS}{_FRACTION} {_ZONE}",
)
CTIME = Clock(
    "asctime, as Apache has it",
    rf"[A-Z][a-z]{{2}} {_MONTH} +(?P<day>\d\d?) {_HMS}{_FRACTION} (?P<year>\d{{4}})",
)
DAY_FIRST = Clock(
    "day month year, as Redis, Tomcat and PHP have it",
    rf"(?P<day>\d\d?)[- ]{_MONTH}[- ](?P<year>\d{{4}}) {_HMS}{_FRACTION}(?: {_ZONE})?",
)
AMERICAN = Clock(
    "month day, year, and half of the day, as java.util.logging has it",
    rf"{_MONTH} (?P<day>\d\d?), (?P<year>\d{{4}}) {_HMS}{_FRACTION} (?P<half>[AP]M)",
)
MONTH_DAY = Clock(
    "month and day in digits, without a year, as Android and Proxifier have it",
    rf"(?P<month>\d\d)[-.](?P<day>\d\d) {_HMS}{_FRACTION}",
)
KLOG = Clock("mmdd, without a year", rf"(?P<month>\d\d)(?P<day>\d\d) {_HMS}{_FRACTION}")
GLOG = Clock("yyyymmdd", rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d) {_HMS}{_FRACTION}")
HEALTH = Clock(
    "yyyymmdd-h:m:s:ms, no number with zeros before it",
    r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)-(?P<hour>\d\d?):(?P<minute>\d\d?)"
    r":(?P<second>\d\d?):(?P<ms>\d{1,3})",
)
RAS = Clock(
    "yyyy-mm-dd-hh.mm.ss, as supercomputers have it",
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)-(?P<hour>\d\d)\.(?P<minute>\d\d)"
    r"\.(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?",
)
TAI64N = Clock("TAI64N, as daemontools have it", r"(?P<tai>[0-9a-f]{16})(?P<nano>[0-9a-f]{8})")
EPOCH = Clock("seconds since 1970", r"(?P<epoch>\d{9,11})(?:\.(?P<fraction>\d{1,9}))?")
EPOCH_MS = Clock("milliseconds since 1970", r"(?P<epoch>\d{12,13})", divisor=1000)
EPOCH_US = Clock("microseconds since 1970", r"(?P<epoch>\d{15,16})", divisor=1_000_000)
EPOCH_NS = Clock("nanoseconds since 1970", r"(?P<epoch>\d{18,19})", divisor=1_000_000_000)

NUMBERS = (EPOCH_NS, EPOCH_US, EPOCH_MS, EPOCH)
"""A time as a number, the longest ones first."""

CLOCKS = (
    ISO, SLASHED, SHORT_SLASHED, PACKED, SYSLOG, COMMON, CTIME, DAY_FIRST, AMERICAN, MONTH_DAY,
    KLOG, GLOG, HEALTH, RAS, TAI64N, *NUMBERS,
)  # fmt: skip
"""All of them."""
