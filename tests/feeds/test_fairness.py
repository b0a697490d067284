"""A fair queue: a few at a time, in order, and others in between."""

import asyncio

from server.feeds.fairness import ADMITTED, FairQueue


def test_so_many_have_their_turn_in_one_round_of_the_loop() -> None:
    async def main() -> None:
        queue, served, seen = FairQueue(), list[int](), list[int]()

        async def client(number: int) -> None:
            await queue.wait()
            served.append(number)

        tasks = [asyncio.create_task(client(number)) for number in range(5 * ADMITTED)]
        while len(served) < len(tasks):
            await asyncio.sleep(0)
            seen.append(len(served))
        assert served == sorted(served)
        rounds = [after - before for before, after in zip([0, *seen], seen, strict=False)]
        assert max(rounds) == ADMITTED

    asyncio.run(main())


def test_one_who_leaves_holds_nobody_up() -> None:
    async def main() -> None:
        queue = FairQueue()
        tasks = [asyncio.create_task(queue.wait()) for _ in range(3 * ADMITTED)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False] * (len(tasks) // 2)
        await queue.wait()  # and the queue goes on

    asyncio.run(main())
