"""Where a log goes on whose front was cut off."""

import pytest

from server.logs.position import CONTEXT, Position
from server.logs.trimming import Context, find_context, find_position

OLD = b"".join(b"2026-11-27 10:00 line %d of a log\n" % number for number in range(1000))
NEW = b"2026-11-27 10:01 a new line\n"


def position() -> Position:
    found = Position.at(len(OLD), lambda at, length: OLD[at : at + length])
    assert found
    return found


@pytest.mark.parametrize(
    ("log", "end"),
    [
        (OLD[-8000:] + NEW, 8000),  # more is left than is compared
        (OLD[-700:] + NEW, 700),  # less
        (OLD[-700:], 700),
        (b"\0" * 8000 + OLD[8000:] + NEW, len(OLD)),  # a hole was punched
        (NEW * 30, None),
        (NEW + OLD[:-40], None),
        (OLD[-20:] + NEW, None),  # too little to be sure
        (NEW * 2000 + OLD, None),  # nothing was cut off
        (b"", None),
    ],
)
def test_the_end_of_what_was_read_is_found_at_a_lower_offset(log: bytes, end: int | None) -> None:
    read = lambda at, length: log[at : at + length]  # noqa: E731
    assert find_context(Context(OLD[-CONTEXT:]), len(OLD), read, len(log)) == end
    # a checksum needs all the bytes that it was made of
    covered = 4000
    expected = end if end is None or end >= covered else None
    assert find_position(position(), read, len(log)) == expected


def test_a_place_that_is_not_the_only_one_is_none() -> None:
    line = b"the same line again and again, without an end\n"
    log = line * 500
    read = lambda at, length: log[at : at + length]  # noqa: E731
    assert find_context(Context(line * 90), len(log) + 1, read, len(log)) is None


@pytest.mark.parametrize(
    ("log", "end"),
    [
        (OLD[-8000:] + bytes(9000) + NEW, 17_000),
        (OLD[-700:] + bytes(9000), 9_700),
        (OLD[-8000:] + bytes(9001) + NEW, 17_000),  # the hole has grown
        (OLD[-8000:] + bytes(8999) + NEW, None),  # it has become shorter
        (bytes(9000) + NEW, None),  # NUL bytes prove nothing
    ],
)
def test_after_a_hole_the_text_before_it_and_its_length_tell_the_place(
    log: bytes, end: int | None
) -> None:
    read = lambda at, length: log[at : at + length]  # noqa: E731
    context = Context(OLD[-CONTEXT:], 9000)
    assert find_context(context, len(OLD) + 9000, read, len(log)) == end
