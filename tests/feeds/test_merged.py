"""What a merged feed promises: each log's lines once and in their order, whatever happens."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from server.feeds.contract import Batch, Last, Oldest, Place
from tests.event_stream import Parser
from tests.feeds.several import (
    ALTERNATING,
    PATIENCE,
    append,
    at,
    live,
    merging,
    numbers,
    of,
    reading,
    shown,
    two_logs,
    until,
)


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return two_logs(tmp_path)


def test_history_is_in_the_order_of_the_times_of_lines(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        async with merging(*two) as feed:
            client = await reading(feed)
            assert numbers(await client.read(10)) == ALTERNATING
            assert feed.is_live(client.place)
            assert feed.lag(client.place) == 0

    run(main)


def test_new_lines_come_in_the_order_in_which_they_arrive(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            client = await live(feed)
            for path, text in ((b, "later"), (a, "first"), (b, "last")):
                place = client.place
                append(path, at(0, text))
                await until(feed, place)
                await client.read_out()
            assert numbers(client.lines) == ["later", "first", "last"]

    run(main)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 10, 1000])
def test_the_backlog_counts_over_all_logs_together(two: tuple[Path, Path], count: int) -> None:
    async def main() -> None:
        async with merging(*two) as feed:
            client = await reading(feed, Last(count))
            wanted = ALTERNATING[len(ALTERNATING) - min(count, 10) :]
            assert numbers(await client.read_out()) == wanted

    run(main)


def test_a_client_goes_on_after_every_event_and_at_every_place(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            first = await reading(feed)
            await first.read(10)
            for number in range(10):
                path = (a, b)[number % 2]
                place = first.place
                append(path, at(10 + number, f"new{number}"))
                await until(feed, place)
                await first.step()
            await first.read(20)
        async with merging(a, b) as anew:  # another server knows nothing but the files
            for ids in (first.ids, [place.id for place in first.places]):
                for id in ids:
                    again = await reading(anew, id)
                    seen = first.ids.index(id) + 1 if id in first.ids else 0
                    assert first.lines[:seen] + await again.read_out() == first.lines
                    assert again.facts("gap") == []

    run(main)


def test_a_batch_says_how_many_events_it_has_and_ends_where_its_last_id_says(
    two: tuple[Path, Path],
) -> None:
    async def main() -> None:
        async with merging(*two) as feed:
            client = await reading(feed)
            await client.read_out()
            assert client.places[-1].id == client.ids[-1]
            assert len(client.ids[-1]) == 2 * 24

    run(main)


@pytest.mark.parametrize("name", ["0 rotated", "1 truncated"])
def test_what_happens_to_a_log_is_told_with_its_name_and_loses_nothing(
    two: tuple[Path, Path], name: str
) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            client, behind = await live(feed), await reading(feed)
            if "rotated" in name:
                a.rename(f"{a}.1")
                append(a, at(20, "new"))
            else:
                os.truncate(a, 0)
                append(a, at(20, "new"))
            await client.read(1)
            append(b, at(21, "more"))
            assert numbers(await client.read(2)) == ["new", "more"]
            [told] = client.facts(name[2:])
            assert told["log"] == "a"
            if "rotated" in name:
                assert numbers(of(await behind.read(12), "a"))[-2:] == ["a8", "new"]
                assert numbers(of(behind.lines, "b"))[-2:] == ["b9", "more"]
                again = await reading(feed, client.ids[0])
                assert numbers(await again.read(1)) == ["more"]

    run(main)


def test_a_client_that_was_away_gets_what_a_rotation_has_put_elsewhere(
    two: tuple[Path, Path],
) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            id = (await live(feed)).place.id
        append(a, at(20, "old"))
        a.rename(f"{a}.1")
        append(a, at(22, "new"))
        append(b, at(21, "other"))
        async with merging(a, b) as feed:
            client = await reading(feed, id)
            assert sorted(numbers(await client.read(3))) == ["new", "old", "other"]
            assert client.facts("rotated")[0]["log"] == "a"
            assert client.facts("gap") == []

    run(main)


def test_clients_of_every_pace_get_each_line_once_and_in_order(tmp_path: Path) -> None:
    async def main() -> None:
        paths = [tmp_path / name for name in "abc"]
        for path in paths:
            path.touch()
        count = 3000
        async with merging(*paths, memory=64 * 1024) as feed:
            quick, slow, away = [await live(feed) for _ in range(3)]
            pushed = Parser()
            got: list[str] = []

            def push(batch: Batch) -> bool:
                events = pushed.feed(batch.frames)
                got.extend(shown(event) for event in events if event.type == "message")
                return True

            subscription = feed.subscribe(await feed.locate(Last(0)), push)

            async def follow() -> None:
                async for batch in subscription:
                    push(batch)

            task = asyncio.create_task(follow())
            for first in range(0, count, 500):
                for path in paths:
                    append(path, *(f"{number} {'x' * 50}" for number in range(first, first + 500)))
                await quick.read(3 * (first + 500))
            await slow.read(3 * count)
            again = await reading(feed, away.place.id)
            await again.read(3 * count)
            async with asyncio.timeout(PATIENCE):
                while len(got) < 3 * count:
                    await asyncio.sleep(0.001)
            task.cancel()
            wanted = [f"{number} {'x' * 50}" for number in range(count)]
            for lines in (quick.lines, slow.lines, again.lines, got):
                for path in paths:
                    assert of(lines, path.name) == wanted

    run(main)


def test_those_who_are_behind_share_what_is_read_and_go_on_in_memory(
    two: tuple[Path, Path],
) -> None:
    """Each merged all of it for itself, and never got back into memory."""

    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            watching = await live(feed)
            for number in range(10):
                place = feed.end
                append((a, b)[number % 2], at(10 + number, f"new{number}"))
                await until(feed, place)
            batches: list[list[Batch]] = [[], []]
            for own in batches:
                client: Place = await feed.locate(Oldest())
                while not feed.is_live(client):
                    own.append(await feed.read(client))
                    client = own[-1].end
            for first, second in zip(*batches, strict=True):
                assert first.frames is second.frames
            new = await feed.read(watching.place)
            assert batches[0][-1].frames is new.frames

    run(main)
