"""The time that a line names: a table of formats."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.logs.times import first_time, last_time, time_of

TEN = 1795773600.0  # 2026-11-27 10:00:00 UTC


@pytest.mark.parametrize(
    ("line", "time"),
    [
        (b"2026-11-27 10:00:00,123 - app - INFO - text", TEN + 0.123),
        (b"2026-11-27T10:00:00.5Z text", TEN + 0.5),
        (b"2026-11-27T10:00:00+01:00 text", TEN - 3600),
        (b"2026-11-27T10:00:00-0300 text", TEN + 3 * 3600),
        (b"[2026-11-27 10:00] text", TEN),
        (b"INFO 2026-11-27 10:00:00 text", TEN),
        (b"2026-11-27T10:00:00.123456789Z text", TEN + 0.123456),
        (b'127.0.0.1 - - [27/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1', TEN),
        (b"1795773600 text", TEN),
        (b"1795773600.250 text", TEN + 0.25),
        (b"1795773600123 text", TEN + 0.123),
        (b'{"time": "2026-11-27T10:00:00Z", "msg": "text"}', TEN),
        (b'{"msg": "text", "ts": 1795773600.5}', TEN + 0.5),
        (b'{"timestamp": 1795773600500}', TEN + 0.5),
        (b'{"@timestamp": "2026-11-27T10:00:00.000Z"}', TEN),
        (b"@400000006b0954aa00000000 text", TEN),
        (b"2026-11-27 line 3", None),
        (b"2026-13-27 10:00:00 text", None),
        (b"2026-11-27 25:00:00 text", None),
        (b"line 12 of a log", None),
        (b"", None),
        (b"{not json", None),
        (b'{"time": null}', None),
        (b"[" * 100_000, None),
        (b"{" + b'"a":{' * 50_000, None),
        (b'{"ts": "\\ud800"}', None),  # half a surrogate pair, which has no UTF-8
        (b'{"ts": 1' + b"0" * 400 + b"}", None),  # more than a float holds
        (b'{"ts": -1' + b"0" * 400 + b"}", None),
        (b'{"ts": 1e999}', None),
        (b'{"ts": NaN}', None),
        (b'{"ts": 1' + b"0" * 5000 + b"}", None),  # more digits than Python converts
        (b"x" * 200 + b" 2026-11-27 10:00:00", None),
    ],
)
def test_a_line_names_this_time(line: bytes, time: float | None) -> None:
    found = time_of(line)
    assert found == (None if time is None else pytest.approx(time, abs=0.001))


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
)


@given(
    st.binary()
    | st.from_regex(re.compile(rb"\A[@\[{]?[0-9T:. ,/+Z-]{8,40}"))
    | st.dictionaries(st.sampled_from(["time", "ts", "@timestamp", "x"]), SCALARS).map(
        lambda fields: json.dumps(fields).encode()
    )
)
def test_no_line_raises_and_every_time_is_finite(line: bytes) -> None:
    """The follower reads them: one that raised would end the server, and its next start."""
    time = time_of(line)
    assert time is None or math.isfinite(time)


def test_the_first_and_the_last_time_are_those_of_lines_that_have_one() -> None:
    data = b"# header\n2026-11-27 10:00:00 one\n  at\n2026-11-27 10:00:05 two\n  at\nhalf"
    assert (first_time(data), last_time(data)) == (TEN, TEN + 5)
    assert (first_time(b""), last_time(b"no time\n")) == (None, None)


@pytest.mark.parametrize(
    ("data", "time"),
    [
        (b"2026-11-27 10:00:00", None),  # of which a fraction and a zone may follow
        (b"2026-11-27 10:00:00\n", TEN),
        (b"1795773600", None),
        (b"2026-11-27 10:00:00 " + b"x" * 80, TEN),  # all that is looked at is there
        (b"# header\n1795773600", None),
        (b"1795773600 one\n17957736", TEN),
    ],
)
def test_a_time_that_may_be_cut_short_is_none(data: bytes, time: float | None) -> None:
    assert (first_time(data), last_time(data)) == (time, time)
