"""Lines of a level or above, and what belongs to them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.filters.level import AtLeast
from server.formats.detect import level_of
from server.formats.levels import Level
from server.logs.position import CONTEXT

TEXT = b"""\
2026-12-01 10:00:00 INFO starts
  with a second line
2026-12-01 10:00:01 ERROR the price cannot be calculated
Traceback (most recent call last):
  File "a.py", line 1
ValueError: ERROR is only a word here
2026-12-01 10:00:02 WARNING disk nearly full
2026-12-01 10:00:03 DEBUG errors=0
"""


def wanted(least: Level, text: bytes, before: bytes = b"") -> bytes:
    return b"".join(text[begin:end] for begin, end in AtLeast(least).spans(text, before))


def lines(*numbers: int) -> bytes:
    every = TEXT.splitlines(keepends=True)
    return b"".join(every[number] for number in numbers)


@pytest.mark.parametrize(
    ("least", "numbers"),
    [
        (Level.TRACE, range(8)),
        (Level.INFO, range(7)),
        (Level.WARNING, [2, 3, 4, 5, 6]),
        (Level.ERROR, [2, 3, 4, 5]),
        (Level.CRITICAL, []),
    ],
)
def test_lines_without_a_level_belong_to_the_record_before_them(
    least: Level, numbers: list[int]
) -> None:
    assert wanted(least, TEXT) == lines(*numbers)


@pytest.mark.parametrize("at", range(9))
def test_what_stands_before_a_block_tells_whose_rest_it_begins_with(at: int) -> None:
    """However the bytes came: a client that comes back gets the same lines."""
    start = len(lines(*range(at)))
    before, text = TEXT[:start], TEXT[start:]
    assert wanted(Level.ERROR, before) + wanted(Level.ERROR, text, before) == lines(2, 3, 4, 5)


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        (b"    at com.example.Main.main(Main.java:1)\n", True),
        (b"Caused by: java.io.IOException\n", True),
        (b"a line of prose\n", False),
    ],
)
def test_of_a_record_whose_start_is_too_far_away_what_looks_like_a_rest_is_wanted(
    text: bytes, is_wanted: bool
) -> None:
    assert bool(wanted(Level.ERROR, text, CONTEXT * b"x")) is is_wanted


LINES = st.sampled_from(
    [
        b"2026-12-01 10:00:00 INFO fine\n",
        b"2026-12-01 10:00:00 ERROR no\n",
        b"[warn] hm\n",
        b"  indented\n",
        b"prose with the word ERROR in it\n",
        b"\n",
        b'{"level":"error","msg":"x"}\n',
        b"\xff\xfe no text INFO\n",
    ]
)


@given(st.lists(LINES, max_size=20), st.lists(st.integers(0, 20)), st.sampled_from(Level))
def test_blocks_of_any_size_give_what_a_look_at_each_line_gives(
    made: list[bytes], cuts: list[int], least: Level
) -> None:
    level, expected = None, b""
    for number, line in enumerate(made):
        level = level_of(line.rstrip(b"\n")) or level
        if level is not None and level >= least:
            expected += line
        elif level is None and number == 0 and line.startswith(b" "):
            expected += line  # it looks like a rest
    got = b""
    for begin, end in pairwise(sorted({0, len(made), *(cut for cut in cuts if cut < len(made))})):
        before = b"".join(made[:begin])[-CONTEXT:]
        got += wanted(least, b"".join(made[begin:end]), before)
    if made and level_of(made[0].rstrip(b"\n")) is None:
        return  # what has no level before it depends on where the file begins
    assert got == expected
