"""What a merged feed gives of the lines that a filter wants."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import pytest

from server.feeds.contract import Batch, Last, Oldest, Place
from server.filters.filter import Filter
from tests.feeds.several import (
    ALTERNATING,
    append,
    at,
    live,
    merging,
    numbers,
    of,
    reading,
    two_logs,
    until,
)

THIRDS = Filter(("[0369]$",))
WANTED = [name for name in ALTERNATING if int(name[1:]) % 3 == 0]
"""The words at the ends of those lines of `two_logs` that it wants."""


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return two_logs(tmp_path)


def test_what_is_wanted_of_history_is_in_the_order_of_the_times(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        async with merging(*two, filter=THIRDS) as feed:
            client = await reading(feed)
            assert numbers(await client.read_out()) == WANTED
            assert client.place == feed.end
        async with merging(*two, filter=replace(THIRDS, invert=True)) as feed:
            others = [name for name in ALTERNATING if name not in WANTED]
            assert numbers(await (await reading(feed)).read_out()) == others

    run(main)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 1000])
def test_the_backlog_is_the_last_lines_that_are_wanted(two: tuple[Path, Path], count: int) -> None:
    async def main() -> None:
        async with merging(*two, filter=THIRDS) as feed:
            lines = await (await reading(feed, Last(count))).read_out()
            assert numbers(lines) == WANTED[len(WANTED) - min(count, len(WANTED)) :]

    run(main)


def test_new_lines_that_nobody_wants_only_move_the_place(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b, filter=THIRDS) as feed:
            client = await live(feed)
            for path, text in ((a, "no1"), (b, "yes3"), (a, "no2")):
                place = client.place
                append(path, at(20, text))
                await until(feed, place)
                await client.read_out()
                assert client.place.id != place.id
            assert numbers(client.lines) == ["yes3"]

    run(main)


def test_a_client_goes_on_after_every_event_and_at_every_place(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b, filter=THIRDS) as feed:
            client = await reading(feed)
            await client.read_out()
            for number in range(12):
                place = client.place
                append((a, b)[number % 2], at(20 + number, f"new{number}"))
                await until(feed, place)
                await client.read_out()
            places = [place.id for place in client.places]
        async with merging(a, b, filter=THIRDS) as anew:
            for number, id in enumerate(client.ids, 1):
                again = await reading(anew, id)
                assert client.lines[:number] + await again.read_out() == client.lines
            for id in places:
                again = await reading(anew, id)
                rest = await again.read_out()
                assert client.lines[len(client.lines) - len(rest) :] == rest
                for log in "ab":
                    assert of(client.lines, log)[-len(of(rest, log)) or 99 :] == of(rest, log)
                assert again.facts("gap") == []

    run(main)


def test_those_who_are_behind_go_on_in_memory(two: tuple[Path, Path]) -> None:
    """Memory begins at places that are behind lines which nobody wants, too."""

    async def main() -> None:
        a, b = two
        async with merging(a, b, filter=THIRDS) as feed:
            watching = await live(feed)
            for number in (11, 13, 12, 14, 15):
                place = feed.end
                append((a, b)[number % 2], at(number, f"new{number}"))
                await until(feed, place)
            own = list[Batch]()
            client: Place = await feed.locate(Oldest())
            while not feed.is_live(client):
                own.append(await feed.read(client))
                client = own[-1].end
            new = await feed.read(watching.place)
            assert own[-1].frames is new.frames
            assert client == feed.end

    run(main)
