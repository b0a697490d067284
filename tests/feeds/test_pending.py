"""Positions in logs of a merged feed that have yet to come: they are kept for a while."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from server.feeds.composite import LENGTH, pack
from server.feeds.contract import MOST_LOGS
from server.feeds.merged import MergedFeed
from server.logs.position import Position
from tests.feeds.several import (
    BACKLOG,
    MAX_LINE,
    MEMORY,
    Reader,
    append,
    live,
    merging,
    of,
    reading,
    served,
    until,
)

GONE = "1 of its logs are not served any more"


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    """Logs called `a` and `b`."""
    a, b = tmp_path / "a", tmp_path / "b"
    append(a, "a1")
    append(b, "b1", "b2")
    return a, b


async def id_of_both(a: Path, b: Path) -> str:
    """The id of a client that has all lines."""
    async with merging(a, b) as feed:
        return (await live(feed)).place.id


async def get(feed: MergedFeed, client: Reader, log: Path, line: str) -> None:
    """Append a line to a log, and wait until the client has it."""
    place, count = client.place, len(client.lines)
    append(log, line)
    await until(feed, place)
    await client.read(count + 1)


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_client_goes_on_in_a_log_that_this_server_finds_later(
    paths: tuple[Path, Path], comes_back: bool
) -> None:
    """Another server had found it earlier. Without this rule, all of it was sent again."""

    async def main() -> None:
        a, b = paths
        id = await id_of_both(a, b)
        append(b, "b3")
        async with merging(a) as feed, served(b) as log:
            client = await reading(feed, id)
            await get(feed, client, a, "a2")
            if comes_back:
                first, client = client, await reading(feed, client.ids[-1])
                assert first.facts("gap") == []
            await feed.add(log)
            await client.wait_for("log-added")
            await get(feed, client, b, "b4")
            await get(feed, client, a, "a3")
            assert of(client.lines, "b") == ["b3", "b4"]
            assert of(client.lines, "a")[-1] == "a3"
            assert client.facts("gap") == []
            assert client.place is feed.end  # from now on it shares what is sent to the others

    run(main)


def test_a_client_that_was_away_while_the_log_came_gets_the_rest_of_it(
    paths: tuple[Path, Path],
) -> None:
    async def main() -> None:
        a, b = paths
        id = await id_of_both(a, b)
        append(b, "b3")
        async with merging(a) as feed, served(b) as log:
            client = await reading(feed, id)
            await get(feed, client, a, "a2")
            await feed.add(log)
            again = await reading(feed, client.ids[-1])
            assert await again.read(1) == ["b:b3"]
            assert again.facts("gap") == []

    run(main)


def test_a_log_that_is_expected_but_cannot_be_opened_yet_is_waited_for(
    paths: tuple[Path, Path],
) -> None:
    """It is served: only a log of another stream is not missed."""

    async def main() -> None:
        a, b = paths
        id = await id_of_both(a, b)
        append(b, "b3")
        feed = MergedFeed(MAX_LINE, BACKLOG, MEMORY, served=lambda: ["a", "b"])
        async with served(a) as one, served(b) as other:
            await feed.add(one)
            feed.begin()
            assert (await reading(feed, id)).place == feed.end
            feed.expected.add("b")
            client = await reading(feed, id)
            assert client.place != feed.end
            await feed.add(other)
            assert await client.read(1) == ["b:b3"]

    run(main)


@pytest.mark.parametrize("is_idle", [False, True])
def test_a_log_that_does_not_come_is_a_gap_and_the_others_go_on(
    paths: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, is_idle: bool
) -> None:
    monkeypatch.setattr("server.feeds.merged.PENDING", 0.2)

    async def main() -> None:
        a, b = paths
        id = await id_of_both(a, b)
        async with merging(a) as feed:
            client = await reading(feed, id)
            assert feed.is_live(client.place)
            if is_idle:
                await client.step()  # it waits for that
            else:
                await asyncio.sleep(0.3)  # as one that takes nothing
                assert not feed.is_live(client.place)
                append(a, "a2")
                await client.read(1)
            [gap] = client.facts("gap")
            assert gap["why"] == GONE
            assert gap["from"] == id
            assert len(str(gap["to"])) == LENGTH
            again = await reading(feed, str(gap["to"]))
            await again.read_out()
            assert again.facts("gap") == []
            append(a, "a3")
            await client.read(1 if is_idle else 2)
            assert client.lines[-1] == "a:a3"
            assert client.place is feed.end
            assert len(client.facts("gap")) == 1

    run(main)


def test_no_more_are_kept_than_an_id_may_name(paths: tuple[Path, Path]) -> None:
    async def main() -> None:
        a, _ = paths
        others = (pack(f"log{number}", Position(1, 2, 3)) for number in range(MOST_LOGS))
        id = "".join(others)
        async with merging(a) as feed:
            client = await reading(feed, id)
            [gap] = client.facts("gap")
            assert gap["why"] == GONE
            assert len(client.place.id) == LENGTH * MOST_LOGS
            await get(feed, client, a, "a2")
            assert len(client.ids[-1]) == LENGTH * MOST_LOGS

    run(main)
