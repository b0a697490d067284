"""Steps from one generation to the next, and how the places at their starts are called."""

import pytest

from server.logs.generation import Generation, Place, transition
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
