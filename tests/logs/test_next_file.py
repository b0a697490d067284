"""Where following a log begins, and what it costs while nothing of the log is there."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.logs import next_file
from server.logs.archive import Archive
from server.logs.followed import Followed
from tests.feeding import data, feeding, take, whole
from tests.rotations import Log, copied_and_truncated, numbered

PATIENCE = 20


def test_a_log_that_is_missing_is_not_looked_for_in_its_directory_at_each_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own path is looked at instead: as soon as the log is there, its lines come."""
    monkeypatch.setattr(next_file, "POLL", 0.001)
    monkeypatch.setattr(next_file, "LOOK", float("inf"))
    listed = 0
    listdir = os.listdir

    def counting(path: Path) -> list[str]:
        nonlocal listed
        listed += 1
        return listdir(path)

    async def main() -> None:
        async with feeding(tmp_path / "app.log") as feed, asyncio.timeout(PATIENCE):
            progress = feed.log.follower.progress
            await progress.wait()  # it has looked into the directory
            before = listed
            for number in range(50):
                (tmp_path / f"{number}.tmp").touch()
                await progress.wait()
            assert listed == before
            (tmp_path / "app.log").write_text("first\n")
            assert data(await take(whole(feed), 1)) == ["first"]
            assert listed > before

    monkeypatch.setattr(os, "listdir", counting)
    asyncio.run(main())


def test_a_file_of_a_log_that_is_missing_is_found_whatever_becomes_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_file, "LOOK", 0.001)

    async def main() -> None:
        async with feeding(tmp_path / "app.log") as feed, asyncio.timeout(PATIENCE):
            await feed.log.follower.progress.wait()
            (tmp_path / "new").write_text("first\n")
            (tmp_path / "new").rename(tmp_path / "app.log.1")
            assert data(await take(whole(feed), 1)) == ["first"]

    asyncio.run(main())


@pytest.mark.parametrize("step", ["snapshot", "youngest"])
def test_a_log_that_is_truncated_while_it_is_opened_loses_nothing_that_was_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """What is known of the files must be of the same time as what the log holds: the copy stands
    between the file that came first and what was followed first.
    """
    log = Log(tmp_path / "app.log")
    log.write()
    numbered(log)
    log.write()
    look: Callable[[Archive], Any] = getattr(Archive, step)

    def and_then_it_is_truncated(archive: Archive) -> Any:
        found = look(archive)
        if not log.beside(".2").exists():
            copied_and_truncated(log)
            log.write(5)
        return found

    async def main() -> None:
        monkeypatch.setattr(Archive, step, and_then_it_is_truncated)
        async with feeding(log.path) as feed, asyncio.timeout(PATIENCE):
            first = feed.log.end.generation
            numbered(log)
            log.write()
            while feed.log.end.generation is first:
                await feed.log.follower.progress.wait()
            assert data(await take(whole(feed), len(log.lines))) == log.lines

    asyncio.run(main())


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_log_that_is_truncated_before_anything_was_taken_of_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_removed: bool
) -> None:
    """It was found to hold lines, which are gone, also where it is gone itself by now."""
    log = Log(tmp_path / "app.log")
    log.write()
    begin = Followed.from_position

    def and_then_it_is_truncated(*args: Any) -> Followed | None:
        followed = begin(*args)
        if len(log.lines) == 6:
            log.path.write_bytes(b"")
            log.write()
            if is_removed:
                log.path.unlink()
                log.write()
        return followed

    async def main() -> None:
        async with feeding(log.path) as feed, asyncio.timeout(PATIENCE):
            monkeypatch.setattr(Followed, "from_position", and_then_it_is_truncated)
            coming = whole(feed)
            assert data(await take(coming, 3)) == log.lines[:3]
            numbered(log)
            log.write()
            events = await take(coming, 6 if is_removed else 3)
            assert [one.type for one in events][:3] == ["rotated", "truncated", "message"]
            assert data(events) == log.lines[6:]
            left = log.lines[:3] + log.lines[6:]
            assert data(await take(whole(feed), len(left))) == left

    asyncio.run(main())
