"""Turns: a few at a time, in order, and others in between."""

import asyncio

from server.feeds.turns import _A_ROUND, Turns


def test_so_many_have_their_turn_in_one_round_of_the_loop() -> None:
    async def main() -> None:
        turns, served, seen = Turns(), list[int](), list[int]()

        async def client(number: int) -> None:
            await turns.take()
            served.append(number)

        tasks = [asyncio.create_task(client(number)) for number in range(5 * _A_ROUND)]
        while len(served) < len(tasks):
            await asyncio.sleep(0)
            seen.append(len(served))
        assert served == sorted(served)
        rounds = [after - before for before, after in zip([0, *seen], seen, strict=False)]
        assert max(rounds) == _A_ROUND

    asyncio.run(main())


def test_one_who_leaves_holds_nobody_up() -> None:
    async def main() -> None:
        turns = Turns()
        tasks = [asyncio.create_task(turns.take()) for _ in range(3 * _A_ROUND)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False] * (len(tasks) // 2)
        await turns.take()  # and the queue goes on

    asyncio.run(main())
