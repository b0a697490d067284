"""What is read for all who want it at the same time: who may leave, and what is read then."""

import asyncio

import pytest

from server.feeds.readings import PIECE, Readings
from server.feeds.recent import Block
from server.logs.generation import Generation, Place
from server.logs.position import START

PLACE = Place(Generation(0), START)
BLOCK = Block(PLACE, b"data: one\n\n", PLACE, 1)


def test_what_nobody_waits_for_any_more_is_not_read() -> None:
    reads, ended = 0, 0

    async def endless(place: Place) -> Block:
        nonlocal reads, ended
        reads += 1
        try:
            await asyncio.Event().wait()
        finally:
            ended += 1
        return BLOCK

    async def main() -> None:
        readings = Readings(endless, lambda place, block: True, 1)
        clients = [asyncio.ensure_future(readings.get(PLACE)) for _ in range(2)]
        while not reads:
            await asyncio.sleep(0)  # both have begun before what they have begun
        clients[0].cancel()
        await asyncio.wait({clients[0]})
        third = asyncio.ensure_future(readings.get(PLACE))
        await asyncio.sleep(0)
        assert (reads, ended) == (1, 0)
        for client in (clients[1], third):
            client.cancel()
        await asyncio.wait({clients[1], third})
        while not ended:
            await asyncio.sleep(0)
        another = asyncio.ensure_future(readings.get(PLACE))
        while reads < 2:
            await asyncio.sleep(0)
        another.cancel()
        await asyncio.wait({another})

    asyncio.run(main())


@pytest.mark.parametrize(
    ("lasts", "frames", "reads"),
    [(True, b"data: one\n\n", 1), (False, b"data: one\n\n", 2), (True, b"x" * 5 * PIECE, 2)],
)
def test_what_lasts_and_is_not_large_is_kept_for_others(
    lasts: bool, frames: bytes, reads: int
) -> None:
    begun = 0

    async def read(place: Place) -> Block:
        nonlocal begun
        begun += 1
        return BLOCK._replace(frames=frames)

    async def main() -> None:
        readings = Readings(read, lambda place, block: lasts, 1)
        await readings.get(PLACE)
        await readings.get(PLACE)
        assert begun == reads
        readings.clear()
        await readings.get(PLACE)
        assert begun == reads + 1

    asyncio.run(main())
