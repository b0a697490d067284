"""Where clients begin and go on in a log whose end was cut off, and what they are told of that."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.feeds.contract import Last, Oldest
from server.logs.archive import FoundFile
from server.logs.decisions import Recovery
from server.logs.next_file import NextFile
from tests.event_stream import Parsed
from tests.feeding import data, feeding, frames, live, take, whole
from tests.rotations import Log, numbered

KEPT = 100
"""Lines that stay."""


def nothing(_: Log) -> None:
    pass


def removed(log: Log) -> None:
    log.path.unlink()


@pytest.mark.parametrize(
    ("befall", "rotations"), [(nothing, 0), (numbered, 0), (removed, 0), (removed, 1)]
)
@pytest.mark.parametrize("seen", [20, KEPT])
def test_who_was_away_while_a_log_was_cut_back_gets_what_stayed_and_is_told_what_is_gone(
    tmp_path: Path, seen: int, befall: Callable[[Log], None], rotations: int
) -> None:
    """The client had less than stayed, and comes back to a place that is still in the file, whether
    that has a name or is only open.
    """
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))

    async def main() -> list[Parsed]:
        async with feeding(log.path, memory=0) as feed:
            events = await take(whole(feed), 2 * KEPT)
            lines = [event for event in events if event.type == "message"]
            os.truncate(log.path, KEPT * 101)
            while not feed.log.follower.truncations:
                await asyncio.sleep(0.01)
            log.append("new")
            befall(log)
            log.append("the last one")
            while feed.log.follower.rotations < rotations:
                await asyncio.sleep(0.01)
            coming = frames(feed, lines[seen - 1].id)
            return await take(coming, KEPT - seen + 2)

    events = asyncio.run(main())
    assert data(events) == [*log.lines[seen:KEPT], "new", "the last one"]
    [gap] = [json.loads(event.data) for event in events if event.type == "gap"]
    assert gap["bytes"] == (KEPT * 101 if seen < KEPT else None)


@pytest.mark.parametrize(("start", "first"), [(Last(3), KEPT - 2), (Oldest(), 0)])
def test_who_comes_to_a_log_that_was_cut_back_is_told_what_is_gone_between_its_lines(
    tmp_path: Path, start: Last | Oldest, first: int
) -> None:
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))

    async def main() -> list[Parsed]:
        async with feeding(log.path, memory=0) as feed:
            os.truncate(log.path, KEPT * 101)
            while not feed.log.follower.truncations:
                await asyncio.sleep(0.01)
            before = feed.end
            log.append("new")
            while feed.end == before:
                await asyncio.sleep(0.01)
            return await take(frames(feed, start), KEPT - first + 1)

    events = asyncio.run(main())
    assert data(events) == [*log.lines[first:KEPT], "new"]
    assert [event.type for event in events].count("gap") == 1


@pytest.mark.parametrize("is_packed", [False, True])
def test_a_log_that_was_cut_back_and_is_gone_when_that_is_looked_at_sends_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    """It is still open, and goes on where it was cut, whatever else holds the same by now."""
    log = Log(tmp_path / "app.log")
    log.append(*(f"{number:0100}" for number in range(2 * KEPT)))
    new = [f"new {number}" for number in range(20)]
    recovered = NextFile.recovered

    async def late(*given: Any) -> tuple[Recovery, FoundFile | None]:
        if not log.lines[2 * KEPT :]:
            log.append(*new)
            numbered(log)
            if is_packed:
                log.pack(log.beside(".1"))
            else:
                log.beside(".1").unlink()
            log.append("the last one")
        return await recovered(*given)

    monkeypatch.setattr(NextFile, "recovered", late)

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            coming = live(feed)
            await anext(coming)
            os.truncate(log.path, KEPT * 101)
            return await take(coming, 21)

    events = asyncio.run(main())
    assert data(events) == [*new, "the last one"]
    changes = [event.type for event in events if event.type != "message"]
    # others may have come after a file that was renamed and then removed
    assert changes == ["truncated", "rotated" if is_packed else "gap"]
