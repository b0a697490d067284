"""Steps from one generation to the next, and how the places at their starts are called."""

import pytest

from server.logs.generation import MOST_CUTS, Generation, Place, transition
from server.logs.position import START, Position

END = Position(4096, 0xABC, 0xDEF)
KEPT = Position(1000, 0xABC, 0x123)


@pytest.mark.parametrize("why", ["", "files may have been removed"])
@pytest.mark.parametrize(("start", "id"), [(START, str(END)), (KEPT, str(KEPT))])
def test_a_client_that_comes_back_after_a_step_goes_on_there_and_not_at_the_oldest_line(
    why: str, start: Position, id: str
) -> None:
    finished = Generation(1, END)
    step = transition(finished, Place(Generation(2), start), "rotated", why)
    assert step.end.id == id
    assert step.is_gap == bool(why)
    assert finished.next is step


@pytest.mark.parametrize("why", ["", "files may have been removed"])
def test_the_start_of_a_file_that_goes_on_within_is_not_where_the_one_before_ended(
    why: str,
) -> None:
    """An editor's copy holds all of that. Or a client that has nothing of it yet loses that."""
    following = Generation(2)
    transition(Generation(1, END), Place(following, KEPT), "rotated", why)
    assert Place(following, START).id == str(START)


def test_no_more_cuts_of_a_file_are_remembered_than_the_bound_says() -> None:
    generation = Generation(0)
    for _ in range(3 * MOST_CUTS):
        generation = generation.cut_back()
    remembered, one = 0, generation.cut_from
    while one:
        remembered, one = remembered + 1, one.cut_from
    assert (generation.number, remembered) == (3 * MOST_CUTS, MOST_CUTS)
