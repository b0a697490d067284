"""A log that is rotated more often than files are kept: what is lost lies within gaps."""

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest

from server.feeds.contract import Oldest
from server.logs import succession
from server.logs.generation import Place
from server.logs.position import START
from tests.event_stream import Parsed
from tests.feeding import feeding, live, log_feed, take, whole
from tests.logs.befallen import stopped
from tests.rotations import Log, copied_and_truncated, numbered
from tests.running import following, running, wait_until

KEPT = 2


def numbers(events: list[Parsed]) -> list[int | None]:
    """The numbers of the lines that came, None for each gap."""
    return [
        None if event.type == "gap" else int(re.findall(r"\d+", event.data)[0])
        for event in events
        if event.type in ("gap", "message")
    ]


def silent_losses(came: list[int | None]) -> list[tuple[int, int]]:
    """Numbers that follow each other although others stand in between, and no gap."""
    return [
        (one, other)
        for one, other in pairwise(came)
        if one is not None and other is not None and other != one + 1
    ]


@pytest.mark.parametrize("rotations", [KEPT, KEPT + 1, KEPT + 2, 3 * KEPT])
def test_what_was_rotated_away_while_the_server_was_stopped_is_a_gap_each_time(
    tmp_path: Path, rotations: int
) -> None:
    log = Log(tmp_path / "app.log")
    log.write()
    with running(tmp_path, log.path) as server, following(server) as client:
        client.wait_for(3)
        expected: list[int | None] = [0, 1, 2]
        for _ in range(3):
            before = len(log.lines)
            with stopped(server):
                for _ in range(rotations):
                    log.write()  # to what the server reads, the first time
                    numbered(log)
                    log.beside(f".{KEPT + 1}").unlink(missing_ok=True)
                log.write()
            wait_until(lambda: client.lines[-1:] == log.lines[-1:], "the last line")
            left = 3 * (KEPT + 1)
            if rotations > KEPT:
                # the server still has the first file open, but cannot tell what came after it
                expected += [*range(before, before + 3), None]
                before = len(log.lines) - left
            expected += range(before, len(log.lines))
        assert numbers(client.events[:]) == expected


@pytest.mark.parametrize("is_filled", [True, False])
def test_what_came_after_a_file_that_was_empty_when_it_was_rotated_away_is_a_gap(
    tmp_path: Path, is_filled: bool
) -> None:
    """Its own lines come if it got any: it is still open."""
    log = Log(tmp_path / "app.log")

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)  # the id of its place; nobody looks at the log from here on
            for number in range(2 * KEPT):
                if number or is_filled:
                    log.write()
                numbered(log)
                log.beside(f".{KEPT + 1}").unlink(missing_ok=True)
            log.write()
            events = list[Parsed]()
            while numbers(events)[-1:] != [len(log.lines) - 1]:
                events += await take(coming, 1)
            return events

    came = numbers(asyncio.run(main()))
    lost = len(log.lines) - 3 * (KEPT + 1)
    own = [0, 1, 2] if is_filled else []
    assert came == [*own, None, *range(lost, len(log.lines))]


@pytest.mark.parametrize("most", [200, 2000])
def test_what_a_writer_at_full_speed_rotates_away_lies_within_gaps(
    tmp_path: Path, most: int
) -> None:
    """Python's own handler, which keeps so little that no reader could keep up."""
    log, last = tmp_path / "app.log", 20_000
    log.write_text("0\n")
    writer = logging.Logger("at full speed")
    with running(tmp_path, log) as server, following(server) as client:
        client.wait_for(1)
        handler = RotatingFileHandler(log, maxBytes=most, backupCount=3)
        writer.addHandler(handler)
        for numbers_to_write, situation in (
            (range(1, 8000), nullcontext),
            (range(8000, 12_000), stopped),  # so that lines are lost on any machine
            (range(12_000, last + 1), nullcontext),
        ):
            with situation(server):
                for number in numbers_to_write:
                    writer.info("%d", number)
        handler.close()
        wait_until(lambda: client.lines[-1:] == [str(last)], "the last line")
        came = numbers(client.events[:])
    assert None in came
    assert silent_losses(came) == []
    lines = [number for number in came if number is not None]
    assert lines == sorted(set(lines))


def test_who_comes_later_to_a_file_that_was_cut_back_is_told_what_is_gone_of_it(
    tmp_path: Path,
) -> None:
    """What was kept of it, and what was written to it then, stand side by side in the file."""
    log = Log(tmp_path / "app.log")
    log.write(1000)
    numbered(log)  # a file that the server has not followed
    with (
        running(tmp_path, log.path, "--memory", 1024 * 1024) as server,
        following(server) as client,
    ):
        log.write(1000)
        client.wait_for(1000)
        kept = "".join(f"{line}\n" for line in log.lines[1000:1500])
        os.truncate(log.path, len(kept.encode()))
        wait_until(lambda: client.facts("truncated"), "the truncation")
        log.write(1000)
        client.wait_for(2000)
        numbered(log)
        for _ in range(40):  # until nothing of that is in memory any more
            log.write(1000)
        wait_until(lambda: client.lines[-1:] == log.lines[-1:], "the last line")
        with following(server, "/stream-logs?from=start") as late:
            wait_until(lambda: late.lines[-1:] == log.lines[-1:], "the last line")
            came = [number for number in numbers(late.events) if number is None or number < 3000]
            assert came == [*range(1500), None, *range(2000, 3000)]
            [gap] = late.facts("gap")
            assert gap["bytes"] == sum(len(line) + 1 for line in log.lines[1500:2000])


def truncated(log: Log) -> None:
    os.truncate(log.path, 0)


def removed_after_a_rotation(log: Log) -> None:
    numbered(log)
    log.beside(".1").unlink()


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize(
    ("destroy", "left"), [(truncated, [None]), (removed_after_a_rotation, [3, 4, 5, None])]
)
def test_what_the_server_has_seen_at_its_start_and_was_destroyed_since_is_a_gap(
    tmp_path: Path, destroy: Callable[[Log], None], left: list[int | None], pack: bool
) -> None:
    """Also for a client that comes after that, and reads an older file first. What was removed is
    still open.
    """
    log = Log(tmp_path / "app.log")
    log.write()
    numbered(log)
    log.write()
    expected = [0, 1, 2, *left, 6, 7, 8]

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            begun = feed.end.generation
            destroy(log)
            log.write()
            while feed.end.generation is begun or feed.end == Place(feed.end.generation, START):
                await asyncio.sleep(0.01)
            if pack:
                log.pack(next(tmp_path.glob("app.log.*")))
            return await take(whole(feed), sum(number is not None for number in expected))

    assert numbers(asyncio.run(main())) == expected


@pytest.mark.parametrize("is_copied", [False, True])
def test_what_was_seen_and_truncated_before_it_was_read_is_a_gap_unless_it_was_copied(
    tmp_path: Path, is_copied: bool
) -> None:
    """The follower is late: somebody still writes to the file that was rotated before."""
    log = Log(tmp_path / "app.log")
    log.write()
    numbered(log)
    log.write()
    expected = [3, 4, 5, 6, 7, 8] if is_copied else [None, 6, 7, 8]

    async def main() -> list[Parsed]:
        with log.beside(".1").open("a") as writer:
            async with feeding(log.path) as feed:
                coming = live(feed)
                await anext(coming)
                (copied_and_truncated if is_copied else truncated)(log)
                log.write()
                writer.close()
                return await take(coming, sum(number is not None for number in expected))

    assert numbers(asyncio.run(main())) == expected


@pytest.mark.parametrize("rotations", [0, 1, 3])
def test_what_stood_between_two_files_at_the_start_and_was_removed_since_is_a_gap(
    tmp_path: Path, rotations: int
) -> None:
    """Also if the log was rotated since, and what it was rotated to was removed, which is open."""
    log = Log(tmp_path / "app.log")
    for _ in range(2):
        log.write()
        numbered(log)
    log.write()

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            for _ in range(rotations):
                begun = feed.end.generation
                numbered(log)
                log.write()
                while feed.end.generation is begun or feed.end.position == START:
                    await asyncio.sleep(0.01)
            for number in range(1, rotations + 2):
                log.path.with_name(f"app.log.{number}").unlink()
            return await take(whole(feed), 6 + 3 * rotations)

    assert numbers(asyncio.run(main())) == [0, 1, 2, None, *range(6, 9 + 3 * rotations)]


def test_a_copy_comes_before_what_was_written_since_to_a_log_that_is_deleted_by_now(
    tmp_path: Path,
) -> None:
    """Nothing was taken of that log when it was copied and truncated. Whether it was copied once
    more cannot be told.
    """
    log = Log(tmp_path / "app.log")
    log.path.write_text("the first line: ")

    async def main() -> list[Parsed]:
        feed = log_feed(log.path)
        await feed.log.open()
        log.append("0 of a log", "line 1 of a log")
        copied_and_truncated(log)
        log.append("line 2 of a log")
        edited = log.beside("~")
        edited.write_text(log.path.read_text() + "line 3 of a log\n")
        edited.rename(log.path)
        task = asyncio.create_task(feed.log.follow(feed.publish))
        try:
            return await take(live(feed), 4)
        finally:
            task.cancel()
            await asyncio.wait({task})
            feed.log.close()

    assert numbers(asyncio.run(main())) == [None, 0, 1, 2, 3]


@pytest.mark.parametrize("is_seen", [True, False])
def test_what_was_seen_after_a_file_and_is_gone_before_that_is_finished_is_a_gap(
    tmp_path: Path, is_seen: bool
) -> None:
    """What nobody has seen cannot be missed."""
    log = Log(tmp_path / "app.log")
    log.write()

    async def main() -> list[Parsed]:
        with log.path.open("a") as writer:
            async with feeding(log.path) as feed:
                coming = live(feed)
                await anext(coming)
                numbered(log)
                log.write()
                if is_seen:
                    await feed.locate(Oldest())
                log.path.unlink()
                log.write()
                writer.close()
                return await take(coming, 3)

    assert numbers(asyncio.run(main())) == [None] * is_seen + [6, 7, 8]


@pytest.mark.parametrize("is_late", [True, False])
def test_what_may_have_come_and_gone_while_nobody_looked_at_a_log_that_was_removed_is_a_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_late: bool
) -> None:
    log = Log(tmp_path / "app.log")
    log.write()

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            log.write()
            await take(coming, 3)
            log.path.unlink()
            if is_late:
                log.write()
                log.path.unlink()
                monkeypatch.setattr(succession, "MOST_UNSEEN", 0.5)
                time.sleep(0.5)
            log.write()
            return await take(coming, 3)

    assert numbers(asyncio.run(main())) == ([None, 9, 10, 11] if is_late else [6, 7, 8])
