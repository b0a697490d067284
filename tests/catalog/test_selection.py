"""Which files are logs of their own, within bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog.matching import Candidate
from server.catalog.selection import choose, shares


@pytest.mark.parametrize(
    ("wanted", "room", "given"),
    [
        ([], 10, []),
        ([3, 4], 10, [3, 4]),
        ([100, 4], 10, [6, 4]),
        ([100, 100], 10, [5, 5]),
        ([1, 100, 2, 100], 11, [1, 4, 2, 4]),
        ([5], 0, [0]),
    ],
)
def test_those_that_want_little_get_all_of_it(
    wanted: list[int], room: int, given: list[int]
) -> None:
    assert shares(wanted, room) == given


@given(st.lists(st.integers(0, 100), max_size=9), st.integers(0, 200))
def test_room_is_used_and_never_exceeded(wanted: list[int], room: int) -> None:
    given = shares(wanted, room)
    assert sum(given) == min(room, sum(wanted))
    assert all(0 <= one <= most for one, most in zip(given, wanted, strict=True))


def test_what_was_chosen_before_is_chosen_first() -> None:
    [a, b, c] = [Candidate(f"/{name}", name, f"/{name}", 1) for name in "abc"]
    assert choose([a, b, c], 3, []) == [a, b, c]
    assert choose([a, b, c], 2, []) == [a, b]
    assert choose([a, b, c], 2, ["/c"]) == [c, a]
