"""What feeds share of the memory there is."""

import pytest

from server.feeds.memory import LEAST, Memory


class Holder:
    def __init__(self) -> None:
        self.memory = 0

    def resize(self, memory: int) -> None:
        self.memory = memory


@pytest.mark.parametrize(
    ("total", "holders", "share"),
    [
        (1_000_000, 0, 1_000_000),
        (1_000_000, 1, 1_000_000),
        (1_000_000, 4, 250_000),
        (1_000_000, 1000, LEAST),
        (0, 1, LEAST),
    ],
)
def test_it_is_shared_evenly_down_to_a_least(total: int, holders: int, share: int) -> None:
    memory = Memory(total)
    joined = [Holder() for _ in range(holders)]
    for holder in joined:
        memory.join(holder)
    assert memory.share == share
    assert {holder.memory for holder in joined} <= {share}


def test_those_who_stay_get_what_another_had() -> None:
    memory, first, second = Memory(1_000_000), Holder(), Holder()
    memory.join(first)
    memory.join(second)
    memory.leave(first)
    assert (first.memory, second.memory) == (500_000, 1_000_000)
