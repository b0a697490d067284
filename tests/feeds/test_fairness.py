"""A fair queue: a few at a time, in order, and others in between."""

import asyncio

import pytest

from server.feeds.fairness import LONG, MOST_ADMITTED, FairQueue, next_admitted


def test_so_many_have_their_turn_in_one_round_of_the_loop() -> None:
    async def main() -> None:
        queue, served, seen = FairQueue(lambda: 0.0), list[int](), list[int]()

        async def client(number: int) -> None:
            await queue.wait()
            served.append(number)

        tasks = [asyncio.create_task(client(number)) for number in range(20 * MOST_ADMITTED)]
        while len(served) < len(tasks):
            await asyncio.sleep(0)
            seen.append(len(served))
        assert served == sorted(served)
        rounds = [after - before for before, after in zip([0, *seen], seen, strict=False)]
        assert [number for number in rounds if number][:3] == [1, 2, 3]
        assert max(rounds) == MOST_ADMITTED

    asyncio.run(main())


@pytest.mark.parametrize(
    ("admitted", "took", "following"),
    [
        (MOST_ADMITTED, 0.0, MOST_ADMITTED),
        (MOST_ADMITTED, LONG, MOST_ADMITTED),
        (MOST_ADMITTED, 2 * LONG, MOST_ADMITTED // 2),
        (1, 10 * LONG, 1),
        (1, 0.0, 2),
    ],
)
def test_fewer_go_on_after_a_long_round(admitted: int, took: float, following: int) -> None:
    assert next_admitted(admitted, took) == following


def test_a_queue_whose_clients_take_long_lets_few_go_on_at_a_time() -> None:
    async def main() -> None:
        now, served, seen = 0.0, list[int](), list[int]()

        async def client(number: int) -> None:
            nonlocal now
            await queue.wait()
            now += LONG
            served.append(number)

        queue = FairQueue(lambda: now)
        tasks = [asyncio.create_task(client(number)) for number in range(5 * MOST_ADMITTED)]
        while len(served) < len(tasks):
            await asyncio.sleep(0)
            seen.append(len(served))
        rounds = [after - before for before, after in zip([0, *seen], seen, strict=False)]
        assert max(rounds[20:]) <= 2

    asyncio.run(main())


def test_who_is_near_the_end_waits_for_none_who_is_behind_and_holds_up_none() -> None:
    async def main() -> None:
        now, behind, near = 0.0, list[int](), list[int]()

        async def client(number: int, served: list[int], is_near: bool) -> None:
            nonlocal now
            await queue.wait(is_near=is_near)
            now += 10 * LONG
            served.append(number)

        queue = FairQueue(lambda: now)
        tasks = [asyncio.create_task(client(number, behind, False)) for number in range(300)]
        while len(behind) < 20:
            await asyncio.sleep(0)
        for round in range(20):
            before = len(behind)
            tasks.append(asyncio.create_task(client(round, near, True)))
            while len(near) <= round:
                await asyncio.sleep(0)
            assert 1 <= len(behind) - before <= 3
        await asyncio.gather(*tasks)

    asyncio.run(main())


def test_one_who_leaves_holds_nobody_up() -> None:
    async def main() -> None:
        queue = FairQueue()
        tasks = [asyncio.create_task(queue.wait()) for _ in range(3 * MOST_ADMITTED)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [True, False] * (len(tasks) // 2)
        await queue.wait()  # and the queue goes on

    asyncio.run(main())
