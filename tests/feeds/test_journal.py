"""The shared past in memory: what it gives, what it keeps, what it leaves to the file."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from server.feeds.journal import Journal
from server.logs.generation import Block, Cursor
from server.logs.logfile import LogFile
from server.logs.tail import find_tail
from tests.event_stream import Parsed, Parser

MEMORY = 1024 * 1024


@asynccontextmanager
async def journal(log: Path) -> AsyncIterator[Journal]:
    file = LogFile(log, find_tail(), 8192)
    await file.open()
    one = Journal(file, MEMORY)
    task = asyncio.create_task(one.follow())
    try:
        yield one
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def take(frames: AsyncIterator[bytes], lines: int) -> list[Parsed]:
    """Events until so many lines have come."""
    parser, events = Parser(), list[Parsed]()
    async with asyncio.timeout(20):
        while sum(event.type == "message" for event in events) < lines:
            events += parser.feed(await anext(frames))
    return events


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(test())


def text(first: int, last: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, last))


def data(events: list[Parsed]) -> list[str]:
    return [event.data for event in events if event.type == "message"]


def test_recent_events_come_from_memory_though_the_file_is_gone(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with journal(log) as one:
            live = one.events(None, 0)
            log.write_text(text(0, 1000))
            events = await take(live, 1000)
            log.unlink()
            for index in (0, 500, 998):
                again = one.events(events[index].id, 0)
                assert data(await take(again, 999 - index)) == text(index + 1, 1000).splitlines()

    run(test)


def test_memory_is_bounded_and_the_rest_is_read_from_the_file(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with journal(log) as one:
            live = one.events(None, 0)
            first = asyncio.create_task(take(live, 100))
            with log.open("a") as file:
                for start in range(0, 200_000, 100):
                    file.write(text(start, start + 100))
                    file.flush()
            first_events = await first
            behind = one.events(first_events[0].id, 0)
            assert data(await take(behind, 199_999)) == text(1, 200_000).splitlines()
            assert sum(len(block.frames) for block in one._blocks) <= MEMORY
            assert len(one._places) == len(one._blocks)

    run(test)


def test_a_line_is_encoded_once_for_all_clients(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with journal(log) as one:
            clients = [one.events(None, 0) for _ in range(10)]
            waiting = [asyncio.ensure_future(anext(client)) for client in clients]
            await asyncio.wait(waiting)
            waiting = [asyncio.ensure_future(anext(client)) for client in clients]
            log.write_text("one\n")
            await asyncio.wait(waiting)
            assert len({id(task.result()) for task in waiting}) == 1

    run(test)


def test_a_client_that_goes_does_not_disturb_those_that_wait(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with journal(log) as one:
            tasks = [asyncio.create_task(take(one.events(None, 0), 1)) for _ in range(10)]
            while len(one._waiting) < 10:
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.wait(tasks[::2])
            assert len(one._waiting) == 5
            log.write_text("one\n")
            assert [data(await task) for task in tasks[1::2]] == [["one"]] * 5
            assert not one._waiting

    run(test)


def test_a_backlog_reaches_to_the_start_of_the_file_at_the_most(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(text(0, 5) + "unfinished")

    async def test() -> None:
        async with journal(log) as one:
            for backlog in (1, 4, 5, 6, 1000):
                lines = min(backlog, 5)
                events = await take(one.events(None, backlog), lines)
                assert data(events) == text(5 - lines, 5).splitlines()

    run(test)


def test_a_backlog_from_memory_is_the_one_from_the_file(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("old\n")
    written = [
        "one\n",
        "two\nthree\n",
        "id: 4\rid: 5\n",
        "x" * 9000 + "\nseven\n",
        "\n",
        "n\u00e9\n",
    ]

    async def test() -> None:
        async with journal(log) as one:
            live = one.events(None, 0)
            lines = 0
            for block in written:
                with log.open("a", newline="") as file:
                    file.write(block)
                lines += block.count("\n")
                await take(live, block.count("\n"))
                for number in range(1, lines + 1):
                    assert one._back(number) == await one.log.back(number), number
            assert one._back(lines + 1) is None
            assert one._back(0) is None

    run(test)


def test_what_is_read_back_is_read_once_for_all_who_are_behind(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    lines = 8_000
    log.write_text("".join(f"{number:0799}\n" for number in range(lines)))  # 6 MB

    async def test() -> None:
        file = LogFile(log, find_tail(), 8192)
        await file.open()
        one = Journal(file, 16 * MEMORY)
        reads = 0
        read = file.read

        async def counted(cursor: Cursor) -> Block:
            nonlocal reads
            reads += 1
            return await read(cursor)

        file.read = counted  # type: ignore[method-assign]
        clients = [one.events(None, lines - 50 * n) for n in range(10)]
        parsers = [Parser() for _ in clients]
        events: list[list[Parsed]] = [[] for _ in clients]
        while behind := [n for n in range(10) if len(events[n]) < lines - 50 * n]:
            for n, frames in zip(
                behind, await asyncio.gather(*(anext(clients[n]) for n in behind)), strict=True
            ):
                events[n] += parsers[n].feed(frames)
        for number, one_client in enumerate(events):
            assert len(data(one_client)) == lines - 50 * number
            assert data(one_client)[-1] == f"{lines - 1:0799}"
        # each of them reads to a boundary by itself, and the rest is read for all
        assert reads < 2 * 10 + 2 * log.stat().st_size / 2**16

    run(test)


def test_a_read_that_failed_is_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(text(0, 100))

    async def test() -> None:
        async with journal(log) as one:
            read = one.log.read

            async def broken(cursor: Cursor) -> Block:
                raise OSError("no luck")

            one.log.read = broken  # type: ignore[method-assign]
            with pytest.raises(OSError, match="no luck"):
                await take(one.events(None, 0, from_start=True), 100)
            one.log.read = read  # type: ignore[method-assign]
            events = await take(one.events(None, 0, from_start=True), 100)
            assert data(events) == text(0, 100).splitlines()

    run(test)


def test_a_file_that_is_back_is_read_though_another_client_was_told_of_a_gap(
    tmp_path: Path,
) -> None:
    log, old = tmp_path / "app.log", tmp_path / "app.log.1"
    old.write_text(text(0, 100_000))
    log.write_text("new\n")

    async def test() -> None:
        async with journal(log) as one:
            reader = one.events(None, 0, from_start=True)
            parser = Parser()
            read = parser.feed(await anext(reader))
            old.rename(tmp_path / "away")
            one.log._readers.clear()  # as when nobody has read it for a minute
            [event, *_] = parser.feed(await anext(reader))
            assert event.type == "gap"
            (tmp_path / "away").rename(old)
            back = one.events(read[-1].id, 0)
            left = 100_000 - len(read)
            assert data(await take(back, left)) == text(len(read), 100_000).splitlines()

    run(test)


def test_what_nobody_waits_for_any_more_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(text(0, 100))

    async def test() -> None:
        async with journal(log) as one:
            begun, ended = asyncio.Event(), asyncio.Event()
            read = one.log.read

            async def endless(cursor: Cursor) -> Block:
                begun.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()
                raise AssertionError

            one.log.read = endless  # type: ignore[method-assign]
            clients = [
                asyncio.ensure_future(take(one.events(None, 0, from_start=True), 1))
                for _ in range(2)
            ]
            await begun.wait()
            while one._wanted.total() < 2:
                await asyncio.sleep(0)
            clients[0].cancel()
            await asyncio.wait({clients[0]})
            assert not ended.is_set()  # the other one still waits
            clients[1].cancel()
            await ended.wait()
            one.log.read = read  # type: ignore[method-assign]
            events = await take(one.events(None, 0, from_start=True), 100)
            assert data(events) == text(0, 100).splitlines()

    run(test)
