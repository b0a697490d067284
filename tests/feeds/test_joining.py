"""What clients of a merged feed get of logs that come and go."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from server.feeds.contract import Batch, Last
from server.feeds.merged import MergedFeed
from tests.event_stream import Parser
from tests.feeds.several import (
    BACKLOG,
    MAX_LINE,
    MEMORY,
    append,
    live,
    merging,
    of,
    reading,
    served,
)


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


@asynccontextmanager
async def growing(feed: MergedFeed, *paths: Path) -> AsyncIterator[None]:
    """Logs that are added one by one, and removed."""
    async with AsyncExitStack() as stack:
        for path in paths:
            log = await stack.enter_async_context(served(path))
            await feed.add(log)
            stack.callback(feed.forget, log)
            stack.callback(feed.remove, log)
        yield


def test_a_log_that_appears_comes_from_its_first_line(tmp_path: Path) -> None:
    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        append(b, *(f"b{number}" for number in range(100)))
        async with merging(a) as feed:
            client = await live(feed)
            slow = await live(feed)
            late = await reading(feed)
            async with growing(feed, b):
                append(b, "live")
                for one in (client, slow):
                    assert of(await one.read(101), "b")[-2:] == ["b99", "live"]
                    assert one.facts("log-added") == [{"log": "b"}]
                assert len(await late.read(102)) == 102
                assert late.facts("log-added") == [{"log": "b"}]
                assert feed.names == ["a", "b"]

    run(main)


def test_who_was_away_while_a_log_appeared_gets_it_from_its_first_line(tmp_path: Path) -> None:
    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        async with merging(a) as feed:
            id = (await live(feed)).place.id
        append(a, "a2")
        append(b, *(f"b{number}" for number in range(100)))
        async with merging(a, b) as feed:
            lines = await (await reading(feed, id)).read_out()
            assert of(lines, "a") == ["a2"]
            assert of(lines, "b") == [f"b{number}" for number in range(100)]

    run(main)


def test_a_log_that_leaves_is_told_of_and_its_part_of_the_id_ends(tmp_path: Path) -> None:
    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        append(b, "b1")
        async with merging(a) as feed, served(b) as log:
            await feed.add(log)
            client = await live(feed)
            with_both = client.place.id
            feed.remove(log)
            feed.remove(log)  # which it is already
            assert await client.wait_for("log-removed") == {"log": "b"}
            append(a, "a2")
            await client.read(1)
            assert [len(with_both), len(client.ids[0])] == [48, 24]
            again = await reading(feed, with_both)
            assert await again.read(1) == ["a:a2"]
            assert again.facts("gap") == []

    run(main)


def test_who_was_away_while_a_log_has_gone_is_told_what_cannot_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name is not known any more: only what tells it from others is in the id."""
    monkeypatch.setattr("server.feeds.merged.PENDING", 0)

    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        append(b, "b1", "b2")
        async with merging(a) as feed, served(b) as log:
            await feed.add(log)
            client = await reading(feed)
            before_end = client.place.id
            await client.read(3)
            at_end = client.place.id
        async with merging(a) as feed:
            for id in (before_end, at_end):
                again = await reading(feed, id)
                await again.wait_for("gap")
                [gap] = again.facts("gap")
                assert gap["why"] == "1 of its logs are not served any more"
                assert gap["from"] == id
        async with merging(a) as feed:
            feed = MergedFeed(MAX_LINE, BACKLOG, MEMORY, served=lambda: ["b"])
            async with served(a) as one:
                await feed.add(one)
                assert not (await reading(feed, at_end)).facts("gap")  # it is in another stream

    run(main)


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_who_is_behind_reads_a_log_that_has_left_to_its_end_or_is_told_of_a_gap(
    tmp_path: Path, is_forgotten: bool
) -> None:
    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        append(b, "b1", "b2")
        async with merging(a) as feed, served(b) as log:
            await feed.add(log)
            behind = await reading(feed)
            at_end = await live(feed)
            feed.remove(log)
            if is_forgotten:
                feed.forget(log)
            for client in (behind, at_end):
                await client.read_out()
                assert client.facts("log-removed") == [{"log": "b"}]
            assert of(behind.lines, "b") == ([] if is_forgotten else ["b1", "b2"])
            assert len(behind.facts("gap")) == is_forgotten
            assert of(behind.lines, "a") == ["a1"]
            assert at_end.facts("gap") == []

    run(main)


def test_a_log_that_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    """As one does that is rotated, and is not there for a while."""

    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        append(b, "b1")
        async with merging(a) as feed:
            async with growing(feed, b):
                client, behind = await live(feed), await reading(feed)
                stale = await reading(feed)
                await stale.step()  # of no number any more
            b.rename(tmp_path / "b.1")
            append(b, "b2")
            async with growing(feed, b):
                append(b, "b3")
                await client.read(2)
                assert client.lines == ["b:b2", "b:b3"]
                assert of(await behind.read(4), "b") == ["b1", "b2", "b3"]
                assert of(await stale.read(4), "b") == ["b1", "b2", "b3"]
                for one in (client, behind, stale):
                    assert one.facts("gap") == []

    run(main)


def test_another_log_of_the_same_name_comes_from_its_first_line(tmp_path: Path) -> None:
    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        append(b, "b1")
        async with merging(a) as feed:
            async with served(b) as log:
                await feed.add(log)
                client = await live(feed)
                feed.remove(log)
                feed.forget(log)
            b.unlink()
            append(b, "other 1", "other 2")
            async with growing(feed, b):
                assert await client.read(2) == ["b:other 1", "b:other 2"]

    run(main)


def test_an_error_of_a_follower_ends_the_streams_of_its_clients(tmp_path: Path) -> None:
    async def main() -> None:
        a = tmp_path / "a"
        append(a, "a1")
        async with merging() as feed, served(a) as log:
            await feed.add(log)
            client = await live(feed)
            waiting = asyncio.create_task(client.step())
            await asyncio.sleep(0)
            log.fail(RuntimeError("a fault of its own"))
            with pytest.raises(RuntimeError, match="a fault of its own"):
                await waiting
            assert feed.has_failed
            with pytest.raises(RuntimeError, match="a fault of its own"):
                await client.step()

    run(main)


def test_an_event_without_a_place_reaches_those_who_wait(tmp_path: Path) -> None:
    async def main() -> None:
        a = tmp_path / "a"
        append(a, "a1")
        async with merging() as feed, served(a) as log:
            await feed.add(log)
            pushed: list[Batch] = []

            def push(batch: Batch) -> bool:
                pushed.append(batch)
                return True

            subscription = feed.subscribe(await feed.locate(Last(0)), push)
            task = asyncio.ensure_future(anext(aiter(subscription)))
            await asyncio.sleep(0)
            log.tell("source-ended", {"code": 1})
            [event] = Parser().feed(pushed[0].frames)
            assert (event.type, event.data) == ("source-ended", '{"log": "a", "code": 1}')
            task.cancel()

    run(main)


def removed(log: Path) -> None:
    log.unlink()


def being_rotated(log: Path) -> None:
    log.rename(f"{log}.1")


@pytest.mark.parametrize(("happens", "came"), [(removed, []), (being_rotated, ["b1", "b2"])])
def test_a_log_that_has_gone_from_the_disk_is_not_sent_to_who_comes_after_that(
    tmp_path: Path, happens: Callable[[Path], None], came: list[str]
) -> None:
    """Another server has noticed that earlier, and sent all of it. Without this rule it came again.

    One that is being rotated is not there for a moment only.
    """

    async def main() -> None:
        a, b = tmp_path / "a", tmp_path / "b"
        append(a, "a1")
        append(b, "b1", "b2")
        async with merging(a) as feed:
            id = (await live(feed)).place.id
        async with merging(a, b) as feed:
            happens(b)
            client = await reading(feed, id)
            append(a, "a2")
            await client.read(1 + len(came))
            assert of(client.lines, "b") == came
            assert client.facts("gap") == []

    run(main)
