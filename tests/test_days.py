"""Which day a log is named for."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from server.days import ADVICE, day_of, is_of_today, pattern_of
from server.logs.dates import DatePattern
from tests.running import running

DAY = date(2026, 11, 27)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("app-20261127.log", DAY),
        ("app.log.20261127", DAY),
        ("app-2026-11-27.log", DAY),
        ("2026_11_27-app.log", DAY),
        ("app.2026.11.27.log", DAY),
        ("app-27-11-2026.log", DAY),
        ("app-2026-11-27T10.log", DAY),
        ("app-20261127-2.log", DAY),
        ("app-20261327-20261127.log", DAY),
        ("app.log", None),
        ("app-20261327.log", None),
        ("app-20260230.log", None),
        ("app-120261127.log", None),
        ("app-2026112710.log", None),
        ("app-2026-1127.log", None),
        ("app-202611.log", None),
        ("app-1.log", None),
        ("app-%Y-%m-%d.log", None),
        ("", None),
    ],
)
def test_a_date_in_a_name_is_a_day_if_there_is_such_a_day(name: str, day: date | None) -> None:
    assert day_of(name) == day


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("app-20261127.log", "app-%Y%m%d.log"),
        ("app-2026-11-27.log", "app-%Y-%m-%d.log"),
        ("app.27_11_2026", "app.%d_%m_%Y"),
        ("100%-2026.11.27.log.1", "100%%-%Y.%m.%d.log.1"),
        ("app-2026-11-27T10.log", None),
        ("app-20260230.log", None),
        ("app.log", None),
    ],
)
def test_a_day_s_file_has_the_names_of_other_days_files(name: str, pattern: str | None) -> None:
    assert pattern_of(name) == pattern
    if pattern:
        assert DatePattern.parse(pattern).date_of(name) is not None


def test_the_advice_shows_a_pattern_that_can_be_followed() -> None:
    [pattern] = re.findall(r"app='(.*)'", ADVICE)
    assert DatePattern.parse(pattern).date_of("app-2026-11-27.log")


@pytest.mark.parametrize(
    ("now", "is_so"),
    [
        (datetime(2026, 11, 27, 0, 0, tzinfo=UTC), True),
        (datetime(2026, 11, 27, 23, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 28, 0, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 26, 22, 0, tzinfo=timezone(timedelta(hours=-3))), True),  # by UTC
        (datetime(2026, 11, 27, 23, 0, tzinfo=timezone(timedelta(hours=-3))), True),
        (datetime(2026, 11, 26, 20, 0, tzinfo=timezone(timedelta(hours=-3))), False),
    ],
)
def test_a_log_is_of_today_by_the_time_here_or_in_utc(now: datetime, is_so: bool) -> None:
    assert is_of_today("app-20261127.log", now) is is_so


def test_a_server_says_at_its_start_that_a_log_named_for_today_goes_quiet(tmp_path: Path) -> None:
    # whatever midnight passes meanwhile, one of them is of the day at the start
    words = "is named for today and goes quiet at midnight: follow a link"
    said = []
    for ahead in (0, 1):
        name = f"app-{datetime.now(UTC).date() + timedelta(ahead):%Y%m%d}.log"
        (tmp_path / name).touch()
        with running(tmp_path, tmp_path / name) as server:
            said.append(f"{name} {words}" in server.errors())
    assert any(said)
    (tmp_path / "app.log").symlink_to(name)
    (tmp_path / "server.err").unlink()
    with running(tmp_path, tmp_path / "app.log") as server:
        assert "is named for" not in server.errors()
