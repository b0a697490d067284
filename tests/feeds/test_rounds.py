"""Clients that have much to read leave the event loop to those who wait for one line."""

import asyncio
import selectors
import time
from pathlib import Path

import pytest

from server.feeds.contract import Last, Subscription
from server.feeds.recent import Block
from tests.feeding import feeding, live, take

CLIENTS = 300

MOST_ROUNDS = 10
"""Rounds of the event loop from when a line is known until a live client has it."""

LONG_ROUND = 0.1
"""Seconds of the processor's time for one round, at the most. It takes 0.015 s for empty lines."""

FEW = 5
"""Long rounds in all, at the most. 300 clients repeat what the code does wrong; a collection of
the garbage that other tests left, or a machine that reclaims memory, comes once."""


class Rounds(selectors.DefaultSelector):
    """Counts the rounds of an event loop, and those in which its thread computes for long."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.long = 0
        self._began: float | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._began is not None:
            self.long += time.thread_time() - self._began > LONG_ROUND
        events = super().select(timeout)
        self.count += 1
        self._began = time.thread_time()
        return events


@pytest.mark.parametrize(
    ("length", "count"), [(1, 3_000_000), (11, 1_000_000), (100, 120_000), (100_000, 600)]
)
def test_a_live_line_comes_at_once_beside_those_who_are_far_behind(
    tmp_path: Path, length: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines have `length` bytes. Nobody is pushed to, and nobody comes to the end."""
    log = tmp_path / "app.log"
    log.write_bytes((b"x" * (length - 1) + b"\n") * count)
    rounds, published, begun, all_begun = Rounds(), 0, 0, asyncio.Event()

    async def read_on(subscription: Subscription) -> None:
        nonlocal begun
        await anext(aiter(subscription))
        begun += 1
        if begun == CLIENTS:
            all_begun.set()
        async for _ in subscription:
            pass

    async def main() -> None:
        async with feeding(log) as feed:
            append = feed.recent.append

            def publish(block: Block) -> None:
                nonlocal published
                published = rounds.count
                append(block)

            monkeypatch.setattr(feed.recent, "append", publish)
            client, took = live(feed), list[int]()
            await anext(client)
            starts = [count - number * count // 1000 for number in range(CLIENTS)]
            behind = [feed.subscribe(await feed.locate(Last(start))) for start in starts]
            others = [asyncio.create_task(read_on(subscription)) for subscription in behind]
            await all_begun.wait()
            for number in range(20):
                with log.open("a") as file:
                    file.write(f"live {number}\n")
                await take(client, 1)
                took.append(rounds.count - published)
            assert not any(feed.is_live(one.place) for one in behind)
            for other in others:
                other.cancel()
            await asyncio.wait(others)
        assert max(took) <= MOST_ROUNDS
        assert rounds.long <= FEW

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(rounds)) as runner:
        runner.run(main())
