"""What is read for all who want it at the same time: who may leave, and what is read then."""

import asyncio

from server.feeds.readings import Readings
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
