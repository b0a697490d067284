"""How programs have ended, and that they are started again."""

import asyncio
from collections.abc import Iterator

import pytest

from server.sources.restarts import End, Restarts, how_it_ended
from tests.sources.hosting import Told


@pytest.mark.parametrize(
    ("code", "why", "details"),
    [
        (0, "has ended with exit code 0", {"code": 0}),
        (3, "has ended with exit code 3", {"code": 3}),
        (127, "has ended with exit code 127 (the shell finds no such command)", {"code": 127}),
        (137, "has ended by SIGKILL", {"signal": "SIGKILL"}),
        (143, "has ended by SIGTERM", {"signal": "SIGTERM"}),
        (255, "has ended with exit code 255", {"code": 255}),
        (None, "has ended, and how is not known", {}),
    ],
)
def test_how_it_ended(code: int | None, why: str, details: dict[str, object]) -> None:
    assert how_it_ended(code) == End(why, details)


def test_it_starts_again_and_says_so() -> None:
    async def main() -> None:
        ends: Iterator[End] = iter([how_it_ended(1), how_it_ended(143)])
        delays = []

        async def once() -> End:
            for end in ends:
                return end
            running.set()
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        def delay(previous: float, ran: float) -> float:
            delays.append(previous)
            return 0.01 * len(delays)

        running, told = asyncio.Event(), Told()
        restarts = Restarts(once, delay)
        assert restarts.problem == ""
        task = asyncio.create_task(restarts.run(told))
        await asyncio.wait_for(running.wait(), 20)
        assert restarts.count == 2
        assert "SIGTERM; it is started again in 0.02 s" in restarts.problem  # not well for long
        assert delays == [0.0, 0.01]
        assert told.events == [
            ("source-started", {"restarts": 0}),
            ("source-ended", {"why": "has ended with exit code 1", "code": 1, "again_in": 0.01}),
            ("source-started", {"restarts": 1}),
            (
                "source-ended",
                {"why": "has ended by SIGTERM", "signal": "SIGTERM", "again_in": 0.02},
            ),
            ("source-started", {"restarts": 2}),
        ]
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(main())
