"""What is kept in memory of a feed, and how much of it one read gives."""

import pytest

from server.feeds.blocks import ENOUGH, OVERHEAD, Blocks, joined
from server.feeds.recent import Block
from server.logs.generation import Generation, Place
from server.logs.position import Position

GENERATION = Generation(0)


def place(offset: int) -> Place:
    return Place(GENERATION, Position(offset, 0, 0))


def block(start: int, length: int) -> Block:
    """One event of so many bytes."""
    return Block(place(start), b"x" * length, place(start + length), 1)


def filled(most: int, count: int, length: int) -> Blocks[Block]:
    blocks = Blocks[Block](most)
    for number in range(count):
        blocks.append(block(number * length, length))
        assert blocks.size == len(blocks) * (length + OVERHEAD)
    return blocks


def test_blocks_that_follow_each_other_are_one() -> None:
    one = joined([block(0, 2), block(2, 3)])
    assert one == Block(place(0), b"xxxxx", place(5), 2)
    assert isinstance(one, Block)
    only = block(0, 2)
    assert joined([only]) is only


@pytest.mark.parametrize(("count", "length"), [(100, 300), (1000, 1)])
def test_no_more_is_kept_than_was_allowed(count: int, length: int) -> None:
    most = 10 * (length + OVERHEAD)
    blocks = filled(most, count, length)
    assert most // 2 < blocks.size <= most
    assert blocks[-1].end == place(count * length)
    blocks.resize(most // 2)
    assert blocks.size <= most // 2
    assert blocks[-1].end == place(count * length)


def test_the_last_block_is_kept_however_large_it_is() -> None:
    assert len(filled(100, 3, 1000)) == 1


def test_one_read_gives_enough_and_the_next_one_the_rest() -> None:
    length = ENOUGH // 4
    blocks = filled(10 * ENOUGH, 6, length)
    first = blocks.gather(0)
    assert (first.start, first.end, first.events) == (place(0), place(4 * length), 4)
    rest = blocks.gather(4)
    assert (rest.start, rest.end, rest.events) == (place(4 * length), place(6 * length), 2)


def test_those_who_ask_for_the_same_get_the_same_bytes() -> None:
    blocks = filled(ENOUGH, 3, 10)
    assert blocks.gather(1) is blocks.gather(1)
    before = blocks.gather(1)
    blocks.append(block(30, 10))
    assert blocks.gather(1).events == before.events + 1
