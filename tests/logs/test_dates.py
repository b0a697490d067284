"""Names with dates in them: what a pattern reads out of them, and which patterns are none."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import StartError
from server.logs.dates import DatePattern

NAMES = [
    # pattern, name, date; None where the name is not one of these
    ("app-%Y-%m-%d.log", "app-2026-11-27.log", (2026, 11, 27)),
    ("app-%Y-%m-%d.log", "app-2026-02-30.log", None),
    ("app-%Y-%m-%d.log", "app-2026-13-01.log", None),
    ("app-%Y-%m-%d.log", "app-2026-11-27.log.1", None),
    ("app-%Y-%m-%d.log", "app-2026-11-27xlog", None),
    ("app-%Y-%m-%d.log", "myapp-2026-11-27.log", None),
    ("app-%Y-%m-%d.log", "app-٢٠٢٦-11-27.log", None),
    ("%Y%m%d", "20261127", (2026, 11, 27)),
    ("%d%m%y.txt", "271126.txt", (2026, 11, 27)),
    ("%d%m%y.txt", "271170.txt", (1970, 11, 27)),
    ("app.%Y.%j.log", "app.2026.331.log", (2026, 11, 27)),
    ("app.%Y.%j.log", "app.2026.366.log", None),
    ("app.%Y.%j.log", "app.2026.000.log", None),
    ("a-%Y-%m-%d_%H.%M.%S.log", "a-2026-11-27_23.59.58.log", (2026, 11, 27, 23, 59, 58)),
    ("a-%Y-%m-%d_%H.log", "a-2026-11-27_24.log", None),
    ("a-%d-%b-%Y.log", "a-27-Nov-2026.log", (2026, 11, 27)),
    ("a-%d-%b-%Y.log", "a-27-Nev-2026.log", None),
    ("a-%B-%e-%Y.log", "a-May- 7-2026.log", (2026, 5, 7)),
    ("a-%B-%e-%Y.log", "a-May-07-2026.log", None),
    ("a-%Y-%m.log", "a-2026-11.log", (2026, 11, 1)),
    ("a-%Y.log", "a-2026.log", (2026, 1, 1)),
    ("a.%s.log", "a.1795773600.log", (2026, 11, 27, 10, 0, 0)),
    ("a.%s.log", "a.01795773600.log", None),
    ("100%%-%Y-%m-%d", "100%-2026-11-27", (2026, 11, 27)),
    ("%Y/%Y-%m".replace("/", "_"), "2026_2026-11", (2026, 11, 1)),
    ("%Y/%Y-%m".replace("/", "_"), "2025_2026-11", None),
    ("%Y-%y-%m", "2026-25-11", None),
]


@pytest.mark.parametrize(("pattern", "name", "date"), NAMES)
def test_a_name_has_this_date(pattern: str, name: str, date: tuple[int, int, int] | None) -> None:
    seconds = DatePattern.parse(pattern).date_of(name)
    assert seconds == (datetime(*date, tzinfo=UTC).timestamp() if date else None)


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_a_compressed_file_has_the_date_that_it_had_before(suffix: str) -> None:
    pattern = DatePattern.parse("app-%Y-%m-%d.log")
    mark = pattern.mark_of(f"app-2026-11-27.log{suffix}")
    assert mark
    assert mark.date == datetime(2026, 11, 27, tzinfo=UTC).timestamp()
    assert (mark.shape, mark.packing, mark.is_strong) == ("app-#-#-#.log", suffix, True)


def test_a_pattern_may_name_compressed_files_alone() -> None:
    mark = DatePattern.parse("app-%Y.gz").mark_of("app-2026.gz")
    assert mark
    assert mark.packing == ""


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("app-%q.log", "%q is not a part of a date that can be read back: use %Y %m"),
        ("app-%", "% is not a part"),
        ("app-%-d.log", "%- is not a part"),
        ("app-%a.log", "%a is not a part"),
        ("app.log", "names no date"),
        ("100%%.log", "names no date"),
        ("app-%m-%d.log", "without the year"),
        ("app-%Y-%d.log", "without the month"),
        ("app-%Y-%H.log", "without the day"),
        ("app-%Y-%m-%d-%M.log", "without the hour"),
        ("app-%Y-%m-%d-%H%S.log", "without the minute"),
        ("app-%Y-%s.log", "%s is a whole date: use it alone"),
    ],
)
def test_a_pattern_whose_names_have_no_order_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(StartError) as raised:
        DatePattern.parse(pattern)
    words = str(raised.value)
    assert words.startswith(pattern)
    assert problem in words
    assert "\n" not in words


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        (["a-2026-11-26", "a-2026-11-27", "a-2026-11-25", "b"], "a-2026-11-27"),
        (["a-2026-11-26", "a-2026-11-27.gz"], None),  # the next one is waited for
        (["a-2026-11-27.gz", "a-2026-11-27"], "a-2026-11-27"),  # it is being compressed
        (["a", "a-2026-11-27.tmp"], None),
        ([], None),
    ],
)
def test_the_file_of_the_newest_date_is_the_live_one(names: list[str], newest: str | None) -> None:
    pattern = DatePattern.parse("a-%Y-%m-%d")
    assert pattern.newest(names) == pattern.newest(names[::-1]) == newest


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2060, 1, 1)).map(
        lambda date: date.replace(microsecond=0, tzinfo=UTC)
    ),
    st.sampled_from(["%Y-%m-%dT%H:%M:%S", "%j%y %H%M%S", "%B%e%Y-%H.%M.%S", "%b%d%y%H%M%S", "%s"]),
)
def test_what_strftime_writes_is_read_back(date: datetime, text: str) -> None:
    written = date.strftime(text.replace("%s", str(int(date.timestamp()))))
    assert DatePattern.parse(text).date_of(written) == date.timestamp()
