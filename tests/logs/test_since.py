"""Where in a file the lines of a moment begin, and how little of it is read for that."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.logs import since
from server.logs.moment import Moment
from server.logs.since import first_at

BEGIN = datetime(2026, 12, 1, tzinfo=UTC)


def at(seconds: float, zone: float = 0.0) -> Moment:
    """A moment after the begin; on the wall clock it is `zone` seconds more."""
    time = BEGIN.timestamp() + seconds
    return Moment(time, time + zone)


def line(seconds: float | None, text: str = "x", suffix: str = "") -> bytes:
    if seconds is None:
        return f"  {text}\n".encode()
    time = (BEGIN + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(" ")
    return f"{time}{suffix} {text}\n".encode()


class Reading:
    """A text that is read as a file is."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.reads = 0

    def __call__(self, offset: int, length: int) -> bytes:
        self.reads += 1
        return self.text[offset : offset + length]


def found(lines: Sequence[bytes], moment: Moment) -> int | None:
    """Which line is found; their number if none is of that moment."""
    text = b"".join(lines)
    offset = first_at(Reading(text), len(text), moment)
    return None if offset is None else text[:offset].count(b"\n")


@pytest.mark.parametrize(
    ("seconds", "wanted", "number"),
    [
        ([0, 10, 20], 10, 1),
        ([0, 10, 20], 5, 1),
        ([0, 10, 20], -5, 0),
        ([0, 10, 20], 21, 3),
        ([0, None, None, 10], 5, 3),
        ([0, None, 10, None], 0, 0),
        ([None, None], 0, None),
        ([], 0, None),
        # a clock that is set back by less than a minute hides nothing
        ([0, 10, 50, 30, 40, 60], 35, 2),
        ([0, 10, 50, 30, 40, 60], 45, 2),
    ],
)
def test_the_first_line_of_a_moment_is_found(
    seconds: list[float | None], wanted: float, number: int | None
) -> None:
    assert found([line(one) for one in seconds], at(wanted)) == number


def test_lines_without_a_zone_follow_the_wall_clock() -> None:
    assert found([line(0), line(3600), line(7200)], at(0, zone=3600)) == 1
    zoned = [line(0, suffix="+00:00"), line(3600, suffix="+00:00")]
    assert found(zoned, at(0, zone=3600)) == 0


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 300)), max_size=60),
    st.integers(-10, 900),
    st.sampled_from([64, 256, 4096]),
)
def test_it_is_what_a_look_at_each_line_finds(
    steps: list[tuple[int, int]], wanted: int, block: int
) -> None:
    """The reference goes over all lines. Every fifth one has no time; they may be long."""
    lines, expected, seconds = list[bytes](), None, 0
    for number, (step, length) in enumerate(steps):
        seconds += step
        has_time = number % 5 != 4
        lines.append(line(seconds if has_time else None, "x" * length))
        if has_time and seconds >= wanted and expected is None:
            expected = number
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(since, "BLOCK", block)
        got = found(lines, at(wanted))
    if not lines:
        expected = None
    elif expected is None:
        expected = len(lines)
    assert got == expected


def test_few_reads_find_it_in_a_long_file() -> None:
    text = b"".join(line(number, "x" * 200) for number in range(100_000))
    reading = Reading(text)
    offset = first_at(reading, len(text), at(77_777))
    assert offset is not None
    assert text[offset:].startswith(line(77_777)[:19])
    assert reading.reads < 40
