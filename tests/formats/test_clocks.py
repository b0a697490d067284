"""How lines write the time."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.formats.clocks import (
    AMERICAN,
    CLOCKS,
    COMMON,
    CTIME,
    DAY_FIRST,
    EPOCH,
    EPOCH_MS,
    EPOCH_NS,
    EPOCH_US,
    GLOG,
    HEALTH,
    ISO,
    KLOG,
    MONTH_DAY,
    PACKED,
    RAS,
    SHORT_SLASHED,
    SLASHED,
    SYSLOG,
    TAI64N,
    Clock,
)
from tests.formats.engines import compiled

TEN = 1795773600.0  # 2026-11-27 10:00:00 UTC
DAY = 86_400
NAMES = [clock.name for clock in CLOCKS]


@pytest.mark.parametrize(
    ("clock", "text", "time"),
    [
        (ISO, b"2026-11-27T10:00:00Z", TEN),
        (ISO, b"2026-11-27 10:00:00,123 more", TEN + 0.123),
        (ISO, b"2026-11-27T10:00:00.123456789Z", TEN + 0.123456789),
        (ISO, b"2026-11-27T10:00", TEN),
        (ISO, b"2026-11-27T10:00:00+01:00", TEN - 3600),
        (ISO, b"2026-11-27 10:00:00 -0300", TEN + 3 * 3600),
        (ISO, b"2026-11-27 10:00:00.5+02", TEN - 2 * 3600 + 0.5),
        (ISO, b"2026-11-27 10:00:00 CET", TEN - 3600),
        (ISO, b"2026-11-27T23:59:60Z", TEN + 14 * 3600),  # a leap second
        (ISO, b"2026-13-27T10:00:00Z", None),
        (ISO, b"2026-11-27T25:00:00Z", None),
        (ISO, b"0000-11-27T10:00:00Z", None),
        (ISO, b"2026-11-27T10:00:00+99:99", None),
        (SLASHED, b"2026/11/27 10:00:00.5", TEN + 0.5),
        (SHORT_SLASHED, b"26/11/27 10:00:00", TEN),
        (SHORT_SLASHED, b"99/11/27 10:00:00", 943696800.0),
        (PACKED, b"261127 100000", TEN),
        (COMMON, b"27/Nov/2026:10:00:00 +0000", TEN),
        (COMMON, b"27/Nov/2026:10:00:00 -0330", TEN + 3.5 * 3600),
        (CTIME, b"Fri Nov 27 10:00:00.25 2026", TEN + 0.25),
        (CTIME, b"Sat Nov  7 10:00:00 2026", TEN - 20 * DAY),
        (DAY_FIRST, b"27 Nov 2026 10:00:00.984", TEN + 0.984),
        (DAY_FIRST, b"27-Nov-2026 10:00:00 UTC", TEN),
        (AMERICAN, b"Nov 27, 2026 10:00:00 AM", TEN),
        (AMERICAN, b"Nov 27, 2026 10:00:00 PM", TEN + 12 * 3600),
        (AMERICAN, b"Nov 27, 2026 12:00:00 AM", TEN - 10 * 3600),
        (GLOG, b"20261127 10:00:00.5", TEN + 0.5),
        (HEALTH, b"20261127-10:0:0:83", TEN + 0.083),
        (RAS, b"2026-11-27-10.00.00.5", TEN + 0.5),
        (TAI64N, b"400000006b0954aa1dcd6500", TEN + 0.5),
        (EPOCH, b"1795773600.25", TEN + 0.25),
        (EPOCH_MS, b"1795773600250", TEN + 0.25),
        (EPOCH_US, b"1795773600250000", TEN + 0.25),
        (EPOCH_NS, b"1795773600250000000", TEN + 0.25),
        (EPOCH, b"no time", None),
    ],
)
def test_a_text_says_this_time(clock: Clock, text: bytes, time: float | None) -> None:
    expected = None if time is None else pytest.approx(time, abs=1e-5)
    assert clock.read(text) == expected


@pytest.mark.parametrize(
    ("clock", "text"),
    [
        (SYSLOG, b"Nov 27 10:00:00"),
        (MONTH_DAY, b"11-27 10:00:00.000"),
        (MONTH_DAY, b"11.27 10:00:00"),
        (KLOG, b"1127 10:00:00.000000"),
    ],
)
@pytest.mark.parametrize(
    ("latest", "time"),
    [
        (TEN, TEN),
        (TEN - 3600, TEN),  # a clock that is a little ahead, or another zone
        (TEN + 30 * DAY, TEN),
        (TEN + 60 * DAY, TEN),  # in January a line of November is one of last year
        (TEN - 2 * DAY, TEN - 365 * DAY),
        (None, None),
    ],
)
def test_a_time_without_a_year_is_the_last_one_before_the_last_write(
    clock: Clock, text: bytes, latest: float | None, time: float | None
) -> None:
    assert clock.read(text, latest) == time


def test_the_29th_of_february_is_of_a_leap_year() -> None:
    assert SYSLOG.read(b"Feb 29 00:00:00", TEN) == 1709164800.0  # of 2024
    assert SYSLOG.read(b"Feb 30 00:00:00", TEN) is None


@pytest.mark.parametrize("clock", CLOCKS, ids=NAMES)
def test_every_clock_is_one_of_re2(clock: Clock) -> None:
    assert compiled(clock.pattern)


@pytest.mark.parametrize("clock", CLOCKS, ids=NAMES)
@given(st.data())
def test_no_text_raises_and_every_time_is_finite(clock: Clock, data: st.DataObject) -> None:
    text = data.draw(st.binary() | st.from_regex(clock.pattern.encode()))
    time = clock.read(text, data.draw(st.none() | st.floats(0, 1e10)))
    assert time is None or math.isfinite(time)
