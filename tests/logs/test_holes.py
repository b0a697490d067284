"""Holes of any length are stepped over, and whoever does so gets what reading them gives."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from server.feeds.contract import Last
from server.logs.files import File
from server.logs.holes import LEAST, hole_at, hole_before
from server.logs.lines import LineSplitter, lines_before
from server.logs.position import CONTEXT, START
from tests.event_stream import Parsed
from tests.feeding import data, feeding, frames, take, whole
from tests.logs.test_lines import MAX_LINE, lines_of

LARGE = 1 << 40
"""Bytes of a hole that nobody can read in time."""


def sparse(path: Path, *parts: bytes | int) -> File:
    """A file of texts and holes, which are as long as the numbers say."""
    with path.open("wb") as file:
        for part in parts:
            if isinstance(part, int):
                file.truncate(file.seek(part, os.SEEK_CUR))
            else:
                file.write(part)
    return File.open(path)


@pytest.mark.linux
def test_a_hole_is_found_from_both_ends(tmp_path: Path) -> None:
    file = sparse(tmp_path / "app.log", b"x" * 4096, LARGE, b"y" * 4096)
    end = 4096 + LARGE
    assert file.data_from(0) == 0
    assert hole_at(file, 0, file.size) == 0
    assert hole_at(file, 4096, file.size) == LARGE
    assert hole_at(file, 4096, 4096 + LEAST) == LEAST
    assert hole_at(file, 4096, 4096 + LEAST - 1) == 0
    assert hole_at(file, end - LEAST + 1, file.size) == 0
    assert hole_before(file, end) == 4096
    assert hole_before(file, file.size) == file.size
    assert hole_before(sparse(tmp_path / "hole", LARGE), LARGE) == 0
    assert hole_at(sparse(tmp_path / "hole", LARGE), 0, LARGE) == LARGE


@pytest.mark.parametrize("before", [b"", b"first\n", b"first\nhalf a line", b"\0\0\0"])
@pytest.mark.parametrize("length", [16, 5000, MAX_LINE + 1, 3 * MAX_LINE, 2_000_000])
@pytest.mark.parametrize("after", [b"text\nnext\n", b"\nnext\n", b"text", b""])
def test_a_hole_that_is_skipped_counts_as_one_that_is_read(
    before: bytes, length: int, after: bytes
) -> None:
    read, skipped = (LineSplitter(START, b"", MAX_LINE) for _ in range(2))
    parts = (before, bytes(length), after)
    expected = [batch for part in parts for batch in read.feed(part)] + read.finish()
    batches = skipped.feed(before) + skipped.skip(length)
    assert skipped.taken == len(before) + length
    assert skipped.last_bytes == (before + bytes(length))[-CONTEXT:]
    batches += skipped.feed(after) + skipped.finish()

    assert lines_of(batches) == lines_of(expected)
    assert [batch.hole for batch in batches] == [batch.hole for batch in expected]


@pytest.mark.linux
def test_the_last_lines_are_found_behind_and_before_a_hole(tmp_path: Path) -> None:
    file = sparse(tmp_path / "app.log", b"1\n2\n", LARGE, b"3\n4\n")

    def last(lines: int) -> int:
        return lines_before(file.read, file.size, lines, lambda end: hole_before(file, end))

    assert [file.size - last(lines) for lines in (0, 1)] == [0, 2]
    assert [last(lines) for lines in (2, 3, 4, 5)] == [4, 2, 0, 0]


@pytest.mark.linux
def test_a_large_hole_costs_nobody_any_time(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"first\n")

    def check(events: list[Parsed], *lines: str) -> None:
        assert data(events) == list(lines)
        [hole] = [json.loads(event.data) for event in events if event.type == "hole"]
        assert hole["bytes"] == LARGE - len("first\n")

    async def main() -> None:
        async with feeding(log) as feed:
            live = frames(feed, Last(1))
            first = await take(live, 1)
            os.truncate(log, LARGE)
            with log.open("a") as file:
                file.write("behind\nlast\n")
            check(await take(live, 2), "behind", "last")
        async with feeding(log) as feed:
            assert first[-1].id
            check(await take(frames(feed, first[-1].id), 2), "behind", "last")
            check(await take(whole(feed), 3), "first", "behind", "last")
            check(await take(frames(feed, Last(10)), 3), "first", "behind", "last")
            log.write_bytes(b"")
            os.truncate(log, LARGE)
            with log.open("a") as file:
                file.write("after a truncation\n")
            await take(live := frames(feed, Last(1)), 1)
            with log.open("a") as file:
                file.write("and so on\n")
            assert data(await take(live, 1)) == ["and so on"]

    started = time.process_time()
    asyncio.run(main())
    assert time.process_time() - started < 3
