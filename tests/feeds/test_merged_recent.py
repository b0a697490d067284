"""What is in memory of several logs, and where those who are further behind go on with it."""

import time
from collections.abc import Mapping
from itertools import pairwise

import pytest

from server.feeds.merged_place import MergedBlock, MergedPlace, Pending
from server.feeds.merged_recent import MergedRecent
from server.logs.generation import Generation, Place
from server.logs.position import Position

GENERATIONS = [Generation(number) for number in range(3)]
ELSEWHERE = Generation()  # a file that was found on disk, and was not followed


def at(number: int | None, joined: int = 2, **offsets: float) -> MergedPlace:
    """A place in logs: 1.05 is byte 5 of the generation that was followed second."""
    return MergedPlace({name: _place(offset) for name, offset in offsets.items()}, number, joined)


def _place(offset: float) -> Place:
    generation = GENERATIONS[int(offset)] if offset >= 0 else ELSEWHERE
    return Place(generation, Position(round(abs(offset) % 1 * 100), 0, 0))


STEPS = [
    at(7, a=0.10, b=0.10),
    at(8, a=0.20, b=0.10),
    at(9, a=0.20, b=0.20),
    at(10, a=1.00, b=0.20),
    at(11, a=1.10, b=0.20),
]
"""Where blocks begin and end."""


def recent(steps: list[MergedPlace]) -> MergedRecent:
    memory = MergedRecent(1_000_000)
    for number, (start, end) in enumerate(pairwise(steps)):
        memory.append(MergedBlock(start, b"%d " % number, end, 1))
    return memory


@pytest.mark.parametrize(
    ("place", "frames"),
    [
        (STEPS[0], b"0 1 2 3 "),
        (STEPS[3], b"3 "),
        (STEPS[4], None),  # the live end: nothing follows yet
        (at(6, a=0.05, b=0.10), None),  # it was evicted
        (at(None, a=0.20, b=0.10), None),
    ],
)
def test_what_follows_a_place_in_memory_comes_from_there(
    place: MergedPlace, frames: bytes | None
) -> None:
    block = recent(STEPS).read(place)
    assert (block and block.frames) == frames
    assert recent(STEPS).news(place) == block


@pytest.mark.parametrize(
    ("place", "entry"),
    [
        (at(None, a=0.05, b=0.05), 7),  # all that is in memory follows
        (at(None, a=0.10, b=0.10), 7),
        (at(None, a=0.11, b=0.05), 8),  # further in a, so it has some of the first block
        (at(None, a=0.05, b=0.11), 9),
        (at(None, a=0.20, b=0.10), 8),
        (at(None, a=0.50, b=0.10), 10),  # the rest of a file that was rotated
        (at(None, a=1.05, b=0.10), 11),
        (at(None, a=1.20, b=0.10), 11),  # further than what was handed out: the live end
        (at(None, a=-0.50, b=-0.50), 7),  # older files
        (at(None, joined=1, a=0.05, b=0.05), 11),  # a log has come since: that is told at the end
        (at(None, a=0.05), 11),
        (at(None, a=0.05, b=0.05, c=0.05), 11),
    ],
)
def test_who_is_behind_reads_up_to_the_first_place_in_memory_that_it_has_not_passed(
    place: MergedPlace, entry: int
) -> None:
    assert recent(STEPS).entry(place, STEPS[-1]).number == entry


def test_who_waits_for_logs_to_come_reads_for_itself() -> None:
    """Its ids keep positions that those in memory do not have."""
    waiting = MergedPlace(
        STEPS[0].places, joined=2, pending=Pending({b"abc": Position(1, 1, 1)}, time.monotonic())
    )
    assert recent(STEPS).entry(waiting, STEPS[-1]) is STEPS[-1]


@pytest.mark.parametrize("earlier", [{"joined": 1, "a": 0.05}, {"joined": 2, "a": 0.05, "c": 0.05}])
def test_nobody_enters_where_other_logs_were_merged(earlier: Mapping[str, float]) -> None:
    """A log that was not there yet has lines before the place at which it came."""
    steps = [at(6, **earlier), *STEPS]  # type: ignore[arg-type]
    assert recent(steps).entry(at(None, a=0.01, b=0.01), STEPS[-1]).number == 7
