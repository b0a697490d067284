"""What is new goes to all who wait, whatever becomes of one of them."""

import asyncio
from collections.abc import Iterator

import pytest

from server.feeds import fanout
from server.feeds.contract import Batch, Place
from server.feeds.fairness import FairQueue
from server.feeds.fanout import Fanout, Waiter

FAULT = "a fault of its own"


class At(str):
    """A place that is its own id."""

    @property
    def id(self) -> str:
        return self


END = At("end")


def news(place: Place) -> Batch | None:
    """Everyone lacks one event; nobody can be told what follows the place "lost"."""
    if place.id == "lost":
        raise RuntimeError(FAULT)
    return Batch(place, b"data: 1\n\n", END, 1) if place is not END else None


async def outcomes(waiters: list[Waiter], fanout: Fanout) -> list[str]:
    """What becomes of them, when they are told: an error, or the place that they come to."""
    tasks = [asyncio.create_task(fanout.wait(waiter)) for waiter in waiters]
    await asyncio.sleep(0)  # each begins to wait
    fanout.tell()
    for _ in range(2 * len(waiters)):  # one or more in each round of the event loop
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [
        str(result) if isinstance(result, RuntimeError) else waiter.place.id
        for waiter, result in zip(waiters, results, strict=True)
    ]


@pytest.mark.parametrize("round_length", [fanout.ROUND, -1])
def test_an_error_in_what_is_new_for_a_place_is_that_of_the_clients_at_it(
    monkeypatch: pytest.MonkeyPatch, round_length: float
) -> None:
    """Also where each client has a round of the event loop for itself."""
    monkeypatch.setattr(fanout, "ROUND", round_length)

    async def main() -> None:
        handing = Fanout(news, FairQueue())
        for _ in range(2):  # it goes on after a first time
            places = (At("a"), At("lost"), At("a"), At("lost"), At("b"))
            waiters = [Waiter(place, lambda batch: True) for place in places]
            assert await outcomes(waiters, handing) == ["end", FAULT, "end", FAULT, "end"]

    asyncio.run(main())


def test_an_error_in_a_later_round_does_not_end_all_rounds_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fanout, "ROUND", -1)
    told, rounds = [], []

    class Faulty(Fanout):
        def _push(self, waiters: Iterator[Waiter]) -> bool:
            rounds.append(waiters)
            if len(rounds) == 4:
                raise RuntimeError(FAULT)
            return super()._push(waiters)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(str(context["exception"])))
        handing = Faulty(news, FairQueue())
        for count in (2, 5):  # clients that have what is new
            waiters = [Waiter(At("a"), lambda batch: True) for _ in range(5)]
            assert (await outcomes(waiters, handing)).count("end") == count

    asyncio.run(main())
    assert told == [FAULT]
