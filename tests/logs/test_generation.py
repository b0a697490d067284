"""Steps from one generation to the next, and how the places at their starts are called."""

import pytest

from server.logs.generation import MOST_CUTS, Generation, Place, Trace, transition
from server.logs.position import START, Position
from server.logs.snapshot import Snapshot
from tests.logs.observing import SIZE, entries, entry

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


def trace(letter: str, text: str) -> Trace:
    """Where the file that is that letter stood among those that `text` names."""
    files, identity = Snapshot(entries(text)), entry(f"app.log={letter}").identity
    place = files.index[identity]
    return Trace(identity, files, place, files.entries[place].facts.head)


@pytest.mark.parametrize(
    ("seen", "end", "following", "is_between"),
    [
        ("app.log.1=A app.log=B", SIZE, "app.log=C", True),
        ("app.log.1=A app.log=B", SIZE, None, True),
        # which holds A but has another number by now
        ("app.log.1.gz=D:A app.log=B", SIZE + 1, "app.log=C", True),
        ("app.log.2=A app.log.1=E: app.log=B", SIZE, "app.log=C", True),  # one holds nothing
        ("app.log.1=A app.log=B", SIZE + 1, "app.log=C", False),  # A has grown since
        ("app.log.2=A app.log.1=D app.log=B", SIZE, "app.log=C app.log.2=D", False),
        ("app.log=B", SIZE, "app.log=C", False),
        ("app.log.1=A app.log=B:A", SIZE, "app.log=C", False),  # it goes on after A
        # D came before B, and is not there any more: else it would have been found
        ("app.log.2=A app.log.1=D app.log=B", SIZE, "app.log=C app.log.1=A", True),
        ("app.log.2=A app.log.1=D app.log=B", SIZE + 1, "app.log=C app.log.1=A", False),
        ("app.log.1=A app.log=B", SIZE, "app.log.2=A", False),  # what was found came before B
    ],
)
def test_a_generation_whose_file_stood_right_after_another_one_came_next(
    seen: str, end: int, following: str | None, is_between: bool
) -> None:
    """Of A it is asked whether B came between it and the file that was found to follow it."""
    found = trace(following.partition("=")[2][0], following) if following else None
    other = trace("A", "app.log=A")
    between = trace("B", seen).came_between(other, Position(end, 0xABC, 0xDEF), found)
    assert between is is_between


@pytest.mark.parametrize(
    ("seen", "end", "now", "has_lost"),
    [
        ("app.log.2=A app.log.1=D app.log=B", SIZE, "app.log.2=A app.log.1=B", True),
        ("app.log.2=A app.log.1=D app.log=B", SIZE, "app.log.3=A app.log.2=D app.log.1=B", False),
        ("app.log.2=A app.log.1=D app.log=B", SIZE, "app.log.2=A app.log.1.gz=E:D", False),
        ("app.log.2=A app.log.1=D app.log=B", SIZE + 1, "app.log.2=A", False),  # A has grown since
        ("app.log.2=A app.log.1=D: app.log=B", SIZE, "app.log.2=A", False),  # which held nothing
        ("app.log.2=D app.log.1=A app.log=B", SIZE, "app.log.1=A", False),  # which came before A
        ("app.log.1=D app.log=B", SIZE, "app.log.1=A", False),  # A was not there
    ],
)
def test_files_that_stood_between_two_and_are_gone_are_lost(
    seen: str, end: int, now: str, has_lost: bool
) -> None:
    """Of A it is asked whether a file that stood between it and B is gone."""
    other, files = trace("A", "app.log=A"), Snapshot(entries(now))
    assert trace("B", seen).has_lost_since(other, Position(end, 0xABC, 0xDEF), files) is has_lost
