"""A log whose end is cut off: what stays was sent already, and what comes after that is new."""

import asyncio
import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from server.feeds.contract import AfterId, Oldest
from server.feeds.log import LogFeed
from server.logs import next_file
from server.logs.files import File
from server.logs.followed import Followed
from server.logs.position import Position
from tests.event_stream import Parsed, Parser
from tests.feeding import data, feeding, frames, live, take, whole
from tests.rotations import Log, copied_and_truncated, numbered

KEPT = 100
"""Lines that stay."""


@pytest.mark.parametrize("rotate", [numbered, copied_and_truncated])
def test_who_had_more_than_stayed_of_a_log_is_told_so_and_gets_all_that_came_after_that(
    tmp_path: Path, rotate: Callable[[Log], None]
) -> None:
    """The rest of the file is no copy that was made before the client had its last line."""
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            events = await take(whole(feed), 2 * KEPT)
            os.truncate(log.path, KEPT * 101)
            while not feed.log.follower.truncations:
                await asyncio.sleep(0.01)
            log.append("new")
            while feed.end.position.offset == KEPT * 101:
                await asyncio.sleep(0.01)
            rotate(log)
            log.append("the last one")
            return await take(frames(feed, events[-10].id), 2)

    events = asyncio.run(main())
    assert data(events) == ["new", "the last one"]
    assert [event.type for event in events].count("gap") == 1


def test_who_comes_back_to_what_was_written_after_a_cut_goes_on_there_while_that_is_open(
    tmp_path: Path,
) -> None:
    """The file was deleted since. Its lines are not those that were cut off."""
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))
    new = [f"new {number:0100}" for number in range(20)]

    async def main() -> list[Parsed]:
        async with feeding(log.path, memory=0) as feed:
            coming = live(feed)
            await anext(coming)
            os.truncate(log.path, KEPT * 101)
            while not feed.log.follower.truncations:
                await asyncio.sleep(0.01)
            log.append(*new)
            events = [one for one in await take(coming, 20) if one.type == "message"]
            log.path.unlink()
            log.append("the last one")
            while not feed.log.follower.rotations:
                await asyncio.sleep(0.01)
            return await take(frames(feed, events[9].id), 11)

    events = asyncio.run(main())
    assert data(events) == [*new[10:], "the last one"]
    assert "gap" not in [event.type for event in events]


def test_who_is_behind_gets_all_that_stayed_of_a_log_that_was_cut_back_more_than_once(
    tmp_path: Path,
) -> None:
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))

    async def write(feed: LogFeed, *lines: str) -> None:
        before = feed.end
        log.append(*lines)
        while feed.end == before:
            await asyncio.sleep(0.01)

    async def cut(feed: LogFeed, kept: int) -> None:
        before = feed.log.follower.truncations
        os.truncate(log.path, kept * 101)
        while feed.log.follower.truncations == before:
            await asyncio.sleep(0.01)

    second = [f"second {number:093}" for number in range(20)]
    third = [f"third {number:094}" for number in range(20)]

    async def main() -> list[Parsed]:
        async with feeding(log.path, memory=0) as feed:
            place = await feed.locate(Oldest())
            await cut(feed, KEPT)
            await write(feed, *second)
            await cut(feed, KEPT + 10)
            await write(feed, *third)
            await cut(feed, KEPT + 11)
            await write(feed, "the last one")
            coming = (batch.frames async for batch in feed.subscribe(place))
            return await take(coming, KEPT + 12)

    assert data(asyncio.run(main())) == [
        *log.lines[:KEPT],
        *second[:10],
        third[0],
        "the last one",
    ]


def test_who_is_behind_gets_what_stayed_of_a_log_that_was_cut_back_once_more_a_moment_ago(
    tmp_path: Path,
) -> None:
    """What is not yet noticed decides nothing: the lines that still stand there are not gone."""
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))

    async def main() -> list[Parsed]:
        async with feeding(log.path, memory=0) as feed:
            place = await feed.locate(Oldest())
            os.truncate(log.path, KEPT * 101)
            while not feed.log.follower.truncations:
                await asyncio.sleep(0.01)
            os.truncate(log.path, (KEPT - 10) * 101)
            coming = (batch.frames async for batch in feed.subscribe(place))
            events = await take(coming, KEPT - 10)
            assert "gap" not in [event.type for event in events]
            log.append("the last one")
            return events + await take(coming, 1)

    assert data(asyncio.run(main())) == [*log.lines[: KEPT - 10], "the last one"]


def test_a_log_that_is_cut_back_again_while_that_is_being_noticed_sends_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))
    read = Followed.from_position
    lengths = [KEPT - 10]

    def and_it_is_cut_back_first(file: File, *arguments: Any) -> Followed | None:
        if lengths:
            os.truncate(log.path, lengths.pop() * 101)
        return read(file, *arguments)

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            monkeypatch.setattr(Followed, "from_position", and_it_is_cut_back_first)
            os.truncate(log.path, KEPT * 101)
            while not feed.log.follower.truncations:
                await asyncio.sleep(0.01)
            log.append("the last one")
            return await take(coming, 1)

    assert data(asyncio.run(main())) == ["the last one"]
    assert not lengths


@pytest.mark.parametrize("is_edited", [False, True])
@pytest.mark.parametrize("seen", [1, 20, KEPT, KEPT + 20])
def test_who_is_behind_when_the_front_of_a_log_is_cut_off_gets_what_stayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: int, is_edited: bool
) -> None:
    """It stands at other offsets by now. What is gone of what the client had yet to get is told."""
    monkeypatch.setattr("server.logs.generations.MOST_OPEN", 1)
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))

    async def replace(feed: LogFeed, content: bytes) -> None:
        generation = feed.end.generation
        log.beside("~").write_bytes(content)
        log.beside("~").rename(log.path)
        while feed.end.generation is generation:
            await asyncio.sleep(0.01)

    async def main() -> list[Parsed]:
        async with feeding(log.path, memory=0) as feed:
            events = await take(whole(feed), 2 * KEPT)
            lines = [event for event in events if event.type == "message"]
            place = await feed.locate(AfterId(lines[seen - 1].id))
            if is_edited:
                log.lines.append("one more")
                await replace(feed, log.path.read_bytes() + b"one more\n")
            await replace(feed, b"".join(BytesIO(log.path.read_bytes()).readlines()[KEPT:]))
            log.append("the last one")
            generation = feed.end.generation
            numbered(log)
            while feed.end.generation is generation:
                await asyncio.sleep(0.01)
            coming = (batch.frames async for batch in feed.subscribe(place))
            return await take(coming, len(log.lines) - max(KEPT, seen))

    events = asyncio.run(main())
    assert data(events) == log.lines[max(KEPT, seen) :]
    assert [event.type for event in events].count("gap") == (seen < KEPT)


@pytest.mark.parametrize("hole", [100, 5_000, 1_000_000, 3_000_000])
def test_a_log_whose_front_is_cut_off_goes_on_after_a_hole_at_its_end(
    tmp_path: Path, hole: int
) -> None:
    """NUL bytes alone do not tell where a log goes on; what stands before them does."""
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            size = log.path.stat().st_size + hole
            os.truncate(log.path, size)
            while feed.log.follower.taken < size:
                await feed.log.follower.progress.wait()
            log.beside("~").write_bytes(log.path.read_bytes()[KEPT * 101 :])
            log.beside("~").rename(log.path)
            log.append("the last one")
            return await take(coming, 1)

    assert data(asyncio.run(main())) == ["the last one"]


@pytest.mark.parametrize("kept", ["", "21 first\n"])
def test_a_line_of_which_a_part_is_there_when_a_truncation_is_noticed_is_a_new_one(
    tmp_path: Path, kept: str
) -> None:
    """Though that part is how a line that was cut off began."""
    log = Log(tmp_path / "app.log")
    log.append("21 first", "22 second")

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            log.path.write_text(kept + "2")
            while not feed.log.follower.truncations:
                await asyncio.sleep(0.01)
            with log.path.open("a") as file:
                file.write("3 third\n")
            return await take(coming, 1)

    assert data(asyncio.run(main())) == ["23 third"]


def test_who_was_told_of_a_cut_gets_nothing_again_that_is_still_in_memory(tmp_path: Path) -> None:
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(KEPT)))

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            log.append(*(f"{number:0100}" for number in range(KEPT)))
            events = await take(coming, KEPT)
            os.truncate(log.path, 101 * (KEPT + 10))
            while not any(event.type == "truncated" for event in events):
                events += Parser().feed(await anext(coming))
            again = frames(feed, [one.id for one in events if one.type == "message"][9])
            log.append("new")
            return await take(again, 1)

    events = asyncio.run(main())
    assert data(events) == ["new"]
    assert [event.type for event in events].count("gap") == 1


@pytest.mark.parametrize("kept", [10, 1500])
@pytest.mark.parametrize("part", ["", "a part of a line"])
def test_what_is_written_between_a_cut_that_is_noticed_and_a_look_at_it_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int, part: str
) -> None:
    """Of a long log the server does not know all that it had, but it knows how long it was."""
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * kept)))
    new = [f"new {number}" for number in range(20)]
    look = next_file._equal

    def once_more_is_written(followed: Followed, file: File) -> tuple[int, Position, str]:
        log.append(*new)
        return look(followed, file)

    events: list[Parsed] = []
    monkeypatch.setattr(next_file, "_equal", once_more_is_written)

    async def main() -> None:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            os.truncate(log.path, kept * 101 + len(part))
            events.extend(await take(coming, 20))

    asyncio.run(main())
    first = f"{kept:0100}"[: len(part)] + new[0]
    assert data(events) == [first, *new[1:]]
    assert [event.type for event in events].count("truncated") == 1
