"""What names of rotated files say: a table of the programs that make them."""

from calendar import timegm

import pytest

from server.logs.names import mark_of


def day(year: int, month: int, day: int, *clock: int) -> float:
    hour, minute, second = (*clock, 0, 0, 0)[:3]
    return float(timegm((year, month, day, hour, minute, second, 0, 0, 0)))


D22, D27 = day(2026, 11, 22), day(2026, 11, 27)

KNOWN = [
    # log, name, date, counters, packing, strong
    ("app.log", "app.log.1", None, (1,), "", True),  # logrotate, Python, winston
    ("app.log", "app.log.10.gz", None, (10,), ".gz", True),
    ("app.log", "app.log.1000", None, (1000,), "", True),
    ("syslog", "syslog.2.bz2", None, (2,), ".bz2", True),
    ("app.log", "app.1.log", None, (1,), "", False),  # logrotate, extension
    ("app.log", "app-1.log", None, (1,), "", False),  # log4j2, and pm2's instances
    ("app.log", "app1.log", None, (1,), "", False),  # winston, tailable
    ("worker", "worker-1", None, (1,), "", False),
    ("app.log", "app.log-20261122", D22, (), "", True),  # logrotate, dateext
    ("app.log", "app.log-2026-11-22.xz", D22, (), ".xz", True),
    ("app.log", "app.log-20261122-13", D22, (13,), "", True),
    ("app.log", "app.log-2026112213", day(2026, 11, 22, 13), (), "", True),
    ("app.log", "app.log-1795305600", D22, (), "", True),
    ("app.log", "app-1795305600123.log", D22 + 0.123, (), "", True),
    ("app.log", "app-20261122.log.zst", D22, (), ".zst", True),
    ("app.log", "app_20261122.log", D22, (), "", True),
    ("app.log", "app.log.2026-11-22_10", D22, (10,), "", True),  # Python, hourly
    ("app.log", "app.log.2026-11-27", D27, (), "", True),
    ("app.log", "app.log.2026-11-27-12", D27, (12,), "", True),  # log4j, logback
    ("app.log", "app-2026-11-27.12.log", D27, (12,), "", True),
    ("app.log", "app-2026-11-27.log.1", D27, (1,), "", True),  # winston, daily
    ("app.log", "app.log.2026-11", day(2026, 11, 1), (), "", True),
    ("app.log", "app__2026-11-27_10-20-30.log", day(2026, 11, 27, 10, 20, 30), (), "", True),
    ("app.log", "app.log.2026-11-27T10-20-30Z", day(2026, 11, 27, 10, 20, 30), (), "", True),
    ("app.log", "app.log-20261127T102030-0300", day(2026, 11, 27, 10, 20, 30), (), "", True),
    ("0.log", "0.log.20261122-101112", day(2026, 11, 22, 10, 11, 12), (), "", True),  # kubelet
    ("app.log", "app.log.27-11-2026", D27, (), "", True),
    ("app.log", "app.log.1-2026112721.backup", day(2026, 11, 27, 21), (1,), "", True),  # logrotate
    ("current", "@400000006b02308a00000000.s", D22, (), "", True),  # svlogd, multilog
    ("current", "@400000006b02308a00000000.u", D22, (), "", True),
]


@pytest.mark.parametrize(("log", "name", "date", "counters", "packing", "strong"), KNOWN)
def test_a_name_says_this(
    log: str,
    name: str,
    date: float | None,
    counters: tuple[int, ...],
    packing: str,
    strong: bool,
) -> None:
    mark = mark_of(name, log)
    assert mark
    assert mark.date == (pytest.approx(date) if date else None)
    assert (mark.counters, mark.packing, mark.is_strong) == (counters, packing, strong)


@pytest.mark.parametrize(
    "name",
    [
        *("app.log", "app.log.gz", "app.log.bak", "app.log~", "app.log.swp", "app.log.tmp"),
        *("application.log", "app2.txt", "myapp.log.1", "app.log-errors", "app-.log", "app..log"),
        *("app.log.1.tmp", "app.log.2026-13-45", "app.log.1a", "app.log.", "@40000000.s"),
        *("app.log." + "1" * 500, "app.log" + "-1" * 5000, "app.log.\N{ARABIC-INDIC DIGIT ONE}"),
    ],
)
def test_other_names_say_nothing(name: str) -> None:
    mark = mark_of(name, "app.log")
    assert mark is None or mark.date is None  # a date that is none may be a row of counters
    if name != "app.log.2026-13-45":
        assert mark is None


@pytest.mark.parametrize(
    ("log", "name"),
    [("l1.log", "l10.log"), ("node1", "node12"), ("app.log.1", "app.log.10")],
)
def test_a_longer_number_is_another_one(log: str, name: str) -> None:
    assert mark_of(name, log) is None


def test_files_that_are_named_in_the_same_way_have_the_same_shape() -> None:
    shapes = {
        ("app.log.1", "app.log.20", "app.log.3.gz"),
        ("app-1.log", "app-2.log"),
        ("app.log-20261122", "app.log-2026-11-23", "app.log-1795305600"),
        ("app.log.2026-11-27-1", "app.log.2026-11-27-12", "app.log.2026-11-27-3.gz"),
    }
    found = set()
    for names in shapes:
        [shape] = {mark.shape for name in names if (mark := mark_of(name, "app.log"))}
        found.add(shape)
    assert len(found) == len(shapes)
