"""Moments as clients name them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.logs.moment import parse_moment

NOW = datetime(2026, 12, 1, 10, tzinfo=timezone(timedelta(hours=-3)))


@pytest.mark.parametrize(
    ("text", "utc", "wall"),
    [
        ("10m", "2026-12-01T12:50:00", "2026-12-01T09:50:00"),
        ("2h", "2026-12-01T11:00:00", "2026-12-01T08:00:00"),
        ("1.5d", "2026-11-30T01:00:00", "2026-11-29T22:00:00"),
        ("90s", "2026-12-01T12:58:30", "2026-12-01T09:58:30"),
        ("1w", "2026-11-24T13:00:00", "2026-11-24T10:00:00"),
        # without a zone, it is what the log's own clock shows
        ("2026-12-01T09:00", "2026-12-01T12:00:00", "2026-12-01T09:00:00"),
        ("2026-12-01 09:00:30", "2026-12-01T12:00:30", "2026-12-01T09:00:30"),
        ("2026-12-01", "2026-12-01T03:00:00", "2026-12-01T00:00:00"),
        ("2026-12-01T12:00:00Z", "2026-12-01T12:00:00", "2026-12-01T09:00:00"),
        ("2026-12-01T09:00:00+01:00", "2026-12-01T08:00:00", "2026-12-01T05:00:00"),
        ("2026-12-01T09:00:00 01:00", "2026-12-01T08:00:00", "2026-12-01T05:00:00"),
        ("2026-12-01T10:00:30", "2026-12-01T13:00:30", "2026-12-01T10:00:30"),  # clocks differ
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, utc: str, wall: str) -> None:
    moment = parse_moment(text, NOW)
    assert datetime.fromtimestamp(moment.seconds, UTC).isoformat() == f"{utc}+00:00"
    assert datetime.fromtimestamp(moment.wall, UTC).isoformat() == f"{wall}+00:00"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no time: give an ISO 8601 time"),
        ("yesterday", "is no time"),
        ("10", "is no time"),
        ("-10m", "is no time"),
        ("10 m", "is no time"),
        ("٣m", "is no time"),
        ("2026-13-01", "is no time"),
        ("2026-12-01T09:00+99:99", "is no time"),
        ("2026-12-01T10:02", "lies in the future"),
        ("9999-12-31T23:59:59Z", "lies in the future"),
        ("0001-01-01T00:00:00+14:00", "is no time"),
        ("999999999w", "is too long ago: give from=start"),
    ],
)
def test_what_is_no_moment_is_refused_with_a_remedy(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_moment(text, NOW)
