"""A log as a feed: what comes from memory, what is left to the file, and what it shares."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from server.feeds.blocks import OVERHEAD
from server.feeds.contract import Batch, Last
from server.feeds.log import LogFeed
from server.logs.generation import Lines, LogBatch, Place
from server.logs.history import Seek
from tests.event_stream import Parsed, Parser
from tests.feeding import MEMORY, data, feeding, frames, live, log_feed, take, whole


def run(test: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(test())


def text(first: int, last: int) -> str:
    return "".join(f"line {number}\n" for number in range(first, last))


def test_recent_events_come_from_memory_though_the_file_is_gone(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with feeding(log) as feed:
            lines = live(feed)
            log.write_text(text(0, 1000))
            events = await take(lines, 1000)
            log.unlink()
            for index in (0, 500, 998):
                again = frames(feed, events[index].id)
                assert data(await take(again, 999 - index)) == text(index + 1, 1000).splitlines()

    run(test)


@pytest.mark.parametrize("line", ["line of a log that is quite long\n", "x\n", "\n"])
def test_memory_is_bounded_and_the_rest_is_read_from_the_file(tmp_path: Path, line: str) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with feeding(log) as feed:
            first = asyncio.create_task(take(live(feed), 100))
            with log.open("a") as file:
                for start in range(0, 50_000, 100):
                    file.write(line * 100)
                    file.flush()
                    if start == 0:
                        first_events = await first
            behind = frames(feed, first_events[0].id)
            assert data(await take(behind, 49_999)) == [line[:-1]] * 49_999
            assert 0 < feed.recent.size <= MEMORY // 2 + 64 * 1024 + OVERHEAD

    run(test)


def test_a_line_is_encoded_once_for_all_clients(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with feeding(log) as feed:
            clients = [live(feed) for _ in range(10)]
            waiting = [asyncio.ensure_future(anext(client)) for client in clients]
            await asyncio.wait(waiting)
            waiting = [asyncio.ensure_future(anext(client)) for client in clients]
            await asyncio.sleep(0)
            log.write_text("one\n")
            await asyncio.wait(waiting)
            assert len({id(task.result()) for task in waiting}) == 1

    run(test)


def test_a_client_that_goes_does_not_disturb_those_that_wait(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with feeding(log) as feed:
            clients = [live(feed) for _ in range(10)]
            for client in clients:
                await anext(client)  # where it is
            tasks = [asyncio.create_task(take(client, 1)) for client in clients]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.wait(tasks[::2])
            log.write_text("one\n")
            assert [data(await task) for task in tasks[1::2]] == [["one"]] * 5

    run(test)


def test_an_error_in_one_client_s_push_ends_that_client_alone(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with feeding(log) as feed:
            got = list[Batch]()

            def good(batch: Batch) -> bool:
                got.append(batch)
                return True

            def bad(batch: Batch) -> bool:
                raise RuntimeError("a fault of its own")

            async def iterate(push: Callable[[Batch], bool]) -> None:
                async for _ in feed.subscribe(feed.end, push):
                    pass

            tasks = [asyncio.create_task(iterate(push)) for push in (good, bad, good, good)]
            await asyncio.sleep(0)
            for number in range(3):
                with log.open("a") as file:
                    file.write(f"line {number}\n")
                async with asyncio.timeout(20):
                    while len(got) < 3 * (number + 1):
                        await asyncio.sleep(0.001)
            assert [task.done() for task in tasks] == [False, True, False, False]
            with pytest.raises(RuntimeError, match="a fault of its own"):
                await tasks[1]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    run(test)


def test_a_backlog_reaches_to_the_start_of_the_file_at_the_most(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(text(0, 5) + "unfinished")

    async def test() -> None:
        async with feeding(log) as feed:
            for backlog in (1, 4, 5, 6, 1000):
                lines = min(backlog, 5)
                events = await take(frames(feed, Last(backlog)), lines)
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
        async with feeding(log) as feed:
            coming = live(feed)
            lines = 0
            for block in written:
                with log.open("a", newline="") as file:
                    file.write(block)
                lines += block.count("\n")
                await take(coming, block.count("\n"))
                for number in range(1, lines + 1):
                    from_memory = feed.recent.back(feed.end, number)
                    assert from_memory == await feed.log.places.back(number), number
            assert feed.recent.back(feed.end, lines + 1) is None
            assert feed.recent.back(feed.end, 0) is None

    run(test)


def test_what_is_read_back_is_read_once_for_all_who_are_behind(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    lines = 8_000
    log.write_text("".join(f"{number:0799}\n" for number in range(lines)))  # 6 MB

    async def test() -> None:
        feed = log_feed(log, 16 * MEMORY)
        await feed.log.open()
        reads = 0
        read = feed.log.read

        async def counted(place: Place, seek: Seek | None = None) -> LogBatch:
            nonlocal reads
            reads += 1
            return await read(place, seek)

        feed.log.read = counted  # type: ignore[method-assign]
        clients = [frames(feed, Last(lines - 50 * n)) for n in range(10)]
        parsers = [Parser() for _ in clients]
        events: list[list[Parsed]] = [[] for _ in clients]
        while behind := [n for n in range(10) if len(events[n]) < lines - 50 * n]:
            for n, piece in zip(
                behind, await asyncio.gather(*(anext(clients[n]) for n in behind)), strict=True
            ):
                events[n] += parsers[n].feed(piece)
        for number, one_client in enumerate(events):
            assert len(data(one_client)) == lines - 50 * number
            assert data(one_client)[-1] == f"{lines - 1:0799}"
        # each of them reads to a boundary by itself, and the rest is read for all
        assert reads < 2 * 10 + 2 * log.stat().st_size / 2**16
        feed.log.close()

    run(test)


def test_a_read_that_failed_is_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(text(0, 100))

    async def test() -> None:
        async with feeding(log) as feed:
            read = feed.log.read

            async def broken(place: Place, seek: Seek | None = None) -> LogBatch:
                raise OSError("no luck")

            feed.log.read = broken  # type: ignore[method-assign]
            with pytest.raises(OSError, match="no luck"):
                await take(whole(feed), 100)
            feed.log.read = read  # type: ignore[method-assign]
            assert data(await take(whole(feed), 100)) == text(0, 100).splitlines()

    run(test)


def test_the_follower_does_not_wait_for_readers_of_a_slow_disk(tmp_path: Path) -> None:
    """However many clients read back, each kind of work has threads of its own."""
    log = tmp_path / "app.log"
    log.write_text(text(0, 100))

    async def test() -> None:
        async with feeding(log) as feed:
            loop = asyncio.get_running_loop()
            released = threading.Event()
            threads = feed.log.threads
            held = [loop.run_in_executor(threads.readers, released.wait) for _ in range(40)]
            held += [loop.run_in_executor(threads.searchers, released.wait) for _ in range(40)]
            rotations = feed.log.follower.rotations
            log.rename(tmp_path / "app.log.1")
            log.write_text("new\n")
            async with asyncio.timeout(20):
                while feed.log.follower.rotations == rotations:
                    await asyncio.sleep(0.001)
            assert not any(one.done() for one in held)
            released.set()
            await asyncio.gather(*held)

    run(test)


def test_unknown_ids_count_as_gaps(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(text(0, 3))

    async def test() -> None:
        async with feeding(log) as feed:
            for id in ("1-2-3", "no id"):
                events = await take(frames(feed, id), 3)
                assert events[0].type == "gap"
            assert feed.counters["gaps"] == 2

    run(test)


@pytest.mark.parametrize("is_noticed", [False, True])
@pytest.mark.parametrize("is_rotated", [False, True])
def test_what_is_left_of_a_log_that_was_cut_back_is_read_before_the_gap(
    tmp_path: Path, is_rotated: bool, is_noticed: bool
) -> None:
    path = tmp_path / "app.log"
    lines = [f"line {number} of a log that is read in pieces" for number in range(9000)]
    path.write_text("".join(f"{line}\n" for line in lines[:8000]))

    async def at_the_end(feed: LogFeed) -> None:
        while feed.log.end.position.offset != path.stat().st_size:
            await asyncio.sleep(0.01)

    async def main() -> list[Parsed]:
        async with feeding(path, memory=1) as feed:
            await at_the_end(feed)
            stream = whole(feed)
            events = await take(stream, 1)
            assert len(events) < 6000
            os.truncate(path, sum(len(line) + 1 for line in lines[:7000]))
            if not is_noticed:  # a client may come to the end of what is left before the follower
                events += await take(stream, 7000 - len(events))
            await at_the_end(feed)  # what is written on at once could not be told apart
            with path.open("a") as file:
                file.writelines(f"{line}\n" for line in lines[8000:])
            await at_the_end(feed)
            if is_rotated:
                path.rename(tmp_path / "app.log.1")
                path.write_text("")
            return events + await take(stream, 8000 - len(events))

    events = asyncio.run(main())
    assert data(events) == lines[:7000] + lines[8000:]
    assert [event.type for event in events if event.type != "message"] == ["gap"]


def test_the_id_of_the_live_end_skips_no_line_that_was_rotated_before_it_was_read(
    tmp_path: Path,
) -> None:
    """Who comes back by it gets all lines that the follower had yet to read."""
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        feed = log_feed(log)
        await feed.log.open()
        log.write_text(text(0, 50))
        (tmp_path / "app.log.1").write_text(log.read_text())  # as copytruncate does
        os.truncate(log, 0)
        id = (await feed.locate(Last(0))).id
        feed.log.close()
        async with feeding(log) as later:
            assert data(await take(frames(later, id), 50)) == text(0, 50).splitlines()

    run(test)


def test_lines_written_after_a_log_was_cut_back_are_read_once(tmp_path: Path) -> None:
    """They stand where lines stood that a slow client has yet to get."""
    log = tmp_path / "app.log"
    log.touch()

    async def test() -> None:
        async with feeding(log) as feed:
            lines = live(feed)
            log.write_text(text(0, 1000))
            await take(lines, 1000)
            place = await feed.log.places.back(50)
            os.truncate(log, len(text(0, 960)))
            with log.open("a") as file:
                file.write(text(1000, 1005))
            await take(lines, 5)
            log.rename(tmp_path / "app.log.1")
            log.write_text(text(1005, 1010))
            await take(lines, 5)
            got = ""
            while not feed.is_live(place):
                batch = await feed.log.read(place)  # from disk
                place = batch.end
                got += batch.batch.lines.decode() if isinstance(batch, Lines) else ""
            assert got == text(950, 960) + text(1000, 1010)

    run(test)
