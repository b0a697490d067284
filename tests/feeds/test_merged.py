"""What a merged feed promises: each log's lines once and in their order, whatever happens."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from server.feeds.contract import AfterId, Batch, CannotReadError, Last, LostError, Oldest
from server.logs.generation import Place as LogPlace
from server.logs.position import Position
from tests.event_stream import Parser
from tests.feeds.several import (
    BACKLOG,
    PATIENCE,
    Reader,
    append,
    at,
    live,
    merging,
    of,
    reading,
    served,
    shown,
    until,
)


def run(main: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(main())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two logs whose lines alternate."""
    a, b = tmp_path / "a", tmp_path / "b"
    append(a, *(at(second, f"a{second}") for second in range(0, 10, 2)))
    append(b, *(at(second, f"b{second}") for second in range(1, 10, 2)))
    return a, b


def numbers(lines: list[str]) -> list[str]:
    """What stands at the end of each."""
    return [line.rpartition(" ")[2] for line in lines]


ALTERNATING = ["a0", "b1", "a2", "b3", "a4", "b5", "a6", "b7", "a8", "b9"]


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


def test_an_id_at_the_start_of_a_rotated_log_is_not_that_of_the_oldest_line(
    tmp_path: Path,
) -> None:
    """Nothing stands before it in its own file."""

    async def main() -> None:
        append(tmp_path / "a.1", "old")
        (tmp_path / "a").touch()
        append(tmp_path / "b", "b")
        async with merging(tmp_path / "a", tmp_path / "b") as feed:
            client = await live(feed)
            append(tmp_path / "b", "more")
            await client.read(1)
            append(tmp_path / "a", "new")
            for id in (client.places[0].id, client.ids[0]):
                again = await reading(feed, id)
                assert "a:old" not in await again.read(1)
            assert (await reading(feed, client.ids[0])).facts("gap") == []

    run(main)


def test_what_is_gone_of_a_log_is_a_gap_that_names_it(two: tuple[Path, Path]) -> None:
    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            id = (await live(feed)).place.id
        a.write_text("something else\n")
        async with merging(a, b) as feed:
            with pytest.raises(LostError, match=r"^a: .*not in the log") as lost:
                await feed.locate(AfterId(id))
            client = Reader(feed, Oldest())
            client.places.append(lost.value.place)
            assert await client.read_out() == ["a:something else"]  # and nothing twice of b

    run(main)


@pytest.mark.parametrize("id", ["", "no id", "0-0-0", "AAAA", "5-1-1", "é" * 24])
def test_an_id_that_is_none_is_a_gap_before_the_oldest_lines(
    two: tuple[Path, Path], id: str
) -> None:
    async def main() -> None:
        async with merging(*two) as feed:
            client = await reading(feed, AfterId(id))
            assert client.facts("gap")[0]["why"]
            assert numbers(await client.read(10)) == ALTERNATING

    run(main)


def test_the_id_of_one_log_alone_is_understood_and_the_others_are_new(
    two: tuple[Path, Path],
) -> None:
    async def main() -> None:
        a, b = two
        async with served(a) as log, merging(a, b) as feed:
            with log.feed("text") as alone:
                parser = Parser()
                batch = await alone.read(await alone.locate(Oldest()))
                [*_, fourth, _] = parser.feed(batch.frames)
            client = await reading(feed, fourth.id)
            lines = await client.read_out()
            assert client.facts("gap") == []
            assert numbers(of(lines, "a")) == ["a8"]
            assert numbers(of(lines, "b")) == ["b7", "b9"][-BACKLOG:]

    run(main)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_stream_of_one_log_goes_on_at_its_place_in_the_id_of_several(
    two: tuple[Path, Path], form: str
) -> None:
    async def main() -> None:
        a, b = two
        async with served(a) as log, merging(a, b) as feed:
            client = await reading(feed)
            await client.read(10)
            with log.feed(form) as alone:
                for number, id in enumerate(client.ids):
                    place = await alone.locate(AfterId(id))
                    rest = len(of(client.lines[number + 1 :], "a"))
                    assert alone.is_live(place) == (rest == 0)
                    if rest:
                        batch = await alone.read(place)
                        assert len(Parser().feed(batch.frames)) == rest

    run(main)


# --- memory, and clients of every pace -----------------------------------------------------


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


def test_a_log_that_cannot_be_read_now_does_not_hold_up_the_others(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.feeds.merged_history.PATIENCE", 0.05)

    async def main() -> None:
        a, b = two
        async with merging(a) as feed, served(b) as log:
            await feed.add(log)
            client = await reading(feed)
            hangs, read = asyncio.Event(), log.log.read

            async def wait(place: object) -> object:
                await hangs.wait()
                return await read(place)  # type: ignore[arg-type]

            monkeypatch.setattr(log.log, "read", wait)
            other = await reading(feed, AfterId(client.place.id))
            with_b = of(await other.read(5), "a")
            assert numbers(with_b) == ["a0", "a2", "a4", "a6", "a8"]
            hangs.set()
            assert len(await other.read(10)) == 10

    run(main)


@pytest.mark.parametrize("is_for_ever", [False, True])
def test_a_place_in_a_log_that_cannot_be_read_now_does_not_hold_up_the_others(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, is_for_ever: bool
) -> None:
    """If its disk is soon well again, nothing is missed; else a gap tells of it."""
    monkeypatch.setattr("server.feeds.merged_history.TROUBLED", 0.3)

    async def main() -> None:
        a, b = two
        async with merging(a) as feed, served(b) as log:
            await feed.add(log)
            client = await reading(feed)
            find, tries = log.log.places.find_now, 0

            async def fail(position: Position) -> LogPlace:
                nonlocal tries
                tries += 1
                if is_for_ever or tries < 3:
                    raise CannotReadError(b, "Input/output error")
                return await find(position)

            monkeypatch.setattr(log.log.places, "find_now", fail)
            other = await reading(feed, AfterId(client.place.id))
            assert numbers(of(await other.read(5), "a")) == ["a0", "a2", "a4", "a6", "a8"]
            if is_for_ever:
                [gap] = other.facts("gap")
                assert gap["why"] == "b: it cannot be read now (Input/output error)"
            else:
                assert len(await other.read(10)) == 10
                assert not other.facts("gap")

    run(main)


def test_who_leaves_before_the_first_line_of_a_log_gets_all_of_it_also_after_an_edit(
    two: tuple[Path, Path],
) -> None:
    """The log goes on in the editor's copy: its start is not where the one before ended."""

    async def main() -> None:
        a, b = two
        async with merging(a, b) as feed:
            client = await live(feed)
            place = client.place
            copy = a.with_name("copy")
            copy.write_bytes(a.read_bytes())
            append(copy, at(50, "a new line"))
            copy.replace(a)
            await until(feed, place)
            await client.read(1)
            everything = (await reading(feed)).place.id
            lines = await (await reading(feed, everything)).read_out()
            assert of(lines, "a") == a.read_text().splitlines()

    run(main)
