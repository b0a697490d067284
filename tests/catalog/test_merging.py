"""The logs of a merged stream are opened together, each in its own time."""

import asyncio
import gc
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from server.catalog import entry, merging
from server.catalog.discovery import Found
from server.feeds.contract import MOST_LOGS, BrokenOffError, BusyError
from server.feeds.served import ServedLog
from tests.catalog.serving import cataloguing, make, wait_for
from tests.feeds.several import append, live, of, reading


def logs(where: Path, *names: str) -> list[Path]:
    """Logs with a line each."""
    for name in names:
        append(where / name, f"{name} 1")
    return [where / name for name in names]


def test_those_who_want_the_same_share_a_feed(tmp_path: Path) -> None:
    async def main() -> None:
        async with cataloguing(*logs(tmp_path, "a", "b", "c")) as changing:
            catalog = changing.catalog
            async with (
                catalog.merged(["b", "a"]) as one,
                catalog.merged(["a", "b", "a"]) as same,
                catalog.merged(["*"]) as other,
            ):
                assert one is same
                assert one is not other
                assert sorted(await (await reading(one)).read(2)) == ["a:a 1", "b:b 1"]
                assert len(await (await reading(other)).read(3)) == 3

    asyncio.run(main())


def test_a_feed_and_its_logs_are_closed_when_nobody_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.catalog.catalog.LOOK", 0.01)

    async def main() -> None:
        async with cataloguing(*logs(tmp_path, "a", "b")) as changing:
            catalog = changing.catalog
            log = catalog.get("a")
            assert log
            async with catalog.merged(["*"]) as feed:
                monkeypatch.setattr(merging, "IDLE", -1)
                monkeypatch.setattr(entry, "IDLE", -1)
                for _ in range(5):
                    await asyncio.sleep(0.01)
                assert log.is_open
            await wait_for(lambda: not log.is_open)
            async with catalog.merged(["*"]) as anew:
                assert anew is not feed
                assert len(await (await reading(anew)).read(2)) == 2

    asyncio.run(main())


def test_a_log_that_cannot_be_opened_does_not_hold_up_the_others_and_joins_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "RETRY", 0.01)

    async def main() -> None:
        [a] = logs(tmp_path, "a")
        b = tmp_path / "b"
        b.mkdir()
        async with cataloguing(a, b) as changing, changing.catalog.merged(["*"]) as feed:
            client = await reading(feed)
            assert await client.read(1) == ["a:a 1"]
            log = changing.catalog.get("b")
            assert log
            assert "is a directory" in log.problem
            b.rmdir()
            append(b, "b1")
            assert await client.read(2) == ["a:a 1", "b:b1"]
            assert client.facts("log-added") == [{"log": "b"}]

    asyncio.run(main())


def test_new_logs_join_and_those_that_have_gone_leave_when_they_are_read(tmp_path: Path) -> None:
    async def main() -> None:
        a, b = logs(tmp_path, "a", "b")
        async with cataloguing(a) as changing, changing.catalog.merged(["*"]) as feed:
            client = await live(feed)
            changing.add(b)
            assert await client.read(1) == ["b:b 1"]
            append(b, *map(str, range(1000)))
            b.unlink()
            changing.remove(b)
            await client.wait_for("log-removed")
            assert of(client.lines, "b") == ["b 1", *map(str, range(1000))]
            assert changing.catalog.names == ["a"]

    asyncio.run(main())


def test_a_log_that_goes_before_it_could_be_opened_never_joins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "RETRY", 0.01)

    async def main() -> None:
        [a] = logs(tmp_path, "a")
        b = tmp_path / "b"
        b.mkdir()
        async with cataloguing(a, b) as changing, changing.catalog.merged(["*"]) as feed:
            log = changing.catalog.get("b")
            assert log
            changing.remove(b)
            await wait_for(lambda: not log.is_in_use)
            client = await live(feed)
            append(a, "a 2")
            assert await client.read(1) == ["a:a 2"]
            assert client.facts("log-added") == []

    asyncio.run(main())


def test_another_log_takes_the_name_of_one_that_has_gone(tmp_path: Path) -> None:
    async def main() -> None:
        a, b = logs(tmp_path, "a", "b")
        (tmp_path / "other").mkdir()
        append(tmp_path / "other" / "b", "another")
        async with cataloguing(a, b) as changing, changing.catalog.merged(["*"]) as feed:
            client = await live(feed)
            changing.remove(b)
            changing.add(tmp_path / "other" / "b")
            assert await client.read(1) == ["b:another"]
            append(tmp_path / "other" / "b", "more")
            assert await client.read(2) == ["b:another", "b:more"]

    asyncio.run(main())


def test_logs_for_which_the_id_has_no_room_join_when_others_leave(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        paths = logs(tmp_path, *(f"{number:02}" for number in range(MOST_LOGS)))
        more = logs(tmp_path, "more", "most")
        async with cataloguing(*paths) as changing, changing.catalog.merged(["*"]) as feed:
            client = await live(feed)
            assert len(client.place.id) == 24 * MOST_LOGS
            changing.add(*more)
            changing.remove(more[1])
            changing.remove(paths[0])
            assert await client.read(1) == ["more:more 1"]
            again = await reading(feed, client.ids[0])
            assert again.facts("gap") == []

    asyncio.run(main())
    assert "most is left out of a stream of 64 logs" in caplog.text


def test_an_error_of_a_follower_ends_the_stream_and_the_next_one_has_all_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        made: list[ServedLog] = []

        def faulty(found: Found) -> ServedLog:
            made.append(make(found))
            if len(made) == 1:
                made[0].listen(fail)
            return made[-1]

        def fail(batch: object) -> None:
            raise RuntimeError("a fault of its own")

        a, b = logs(tmp_path, "a", "b")
        async with cataloguing(a, b, make=faulty) as changing, AsyncExitStack() as stack:
            catalog = changing.catalog
            feed = await stack.enter_async_context(catalog.merged(["*"]))
            client = await live(feed)
            append(tmp_path / made[0].name, "new")
            with pytest.raises(BrokenOffError, match="is no longer followed"):
                await client.read(1)
            async with catalog.merged(["*"]) as anew:
                assert anew is not feed
                again = await reading(anew, client.place.id)
                assert await again.read(1) == [f"{made[0].name}:new"]
                assert again.facts("gap") == []

    asyncio.run(main())


def test_so_many_sets_of_logs_are_merged_at_a_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.catalog.catalog.MOST_STREAMS", 2)

    async def main() -> None:
        async with cataloguing(*logs(tmp_path, "a", "b")) as changing:
            catalog = changing.catalog
            async with catalog.merged(["a*"]):
                quicker = catalog.merged(["c*"])
                async with catalog.merged(["b*"]) as second:
                    with pytest.raises(BusyError, match="2 other sets"):
                        catalog.merged(["*"])
                    with pytest.raises(BrokenOffError):
                        await quicker.__aenter__()
                    async with catalog.merged(["b*"]) as same:
                        assert same is second
                async with catalog.merged(["*"]) as other:  # in the place of one that is unused
                    assert sorted(await (await reading(other)).read(2)) == ["a:a 1", "b:b 1"]
                    with pytest.raises(BusyError):
                        catalog.merged(["b*"])

    asyncio.run(main())


def test_a_client_that_leaves_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main() -> None:
        async with cataloguing(*logs(tmp_path, "a")) as changing:

            async def use() -> None:
                async with changing.catalog.merged(["*"]):
                    raise AssertionError("it has left")

            task = asyncio.create_task(use())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            async with changing.catalog.merged(["*"]) as feed:
                assert await (await reading(feed)).read(1) == ["a:a 1"]
        gc.collect()

    asyncio.run(main())
