"""Where a client that comes back goes on."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from server.logs.archive import Archive, FoundFile
from server.logs.files import File
from server.logs.finder import Finder
from server.logs.follower import Follower
from server.logs.generations import Generations
from server.logs.places import Places
from server.logs.position import Position
from server.logs.search import Search
from server.logs.threads import Threads
from tests.event_stream import Parsed
from tests.feeding import data, feeding, frames, take, whole
from tests.logs.by_hand import FollowerByHand
from tests.rotations import Log


class InterruptedSearch(Search):
    """The log is truncated after the first search has found something in it."""

    follower: FollowerByHand | None = None

    def find(
        self, position: Position, but: File | None = None, *, may_unpack: bool = True
    ) -> FoundFile | None:
        found = super().find(position, but, may_unpack=may_unpack)
        if self.follower:
            follower, self.follower = self.follower, None
            follower.see_a_truncation()
        return found


def test_a_place_is_in_no_generation_that_began_while_it_was_looked_for(tmp_path: Path) -> None:
    """Or a client waits until the new one is as long as the old one was."""
    log = Log(tmp_path / "app.log")
    log.write(6)

    async def test() -> None:
        threads, archive = Threads(), Archive(log.path, 2**30)
        by_hand, search = FollowerByHand(log), InterruptedSearch(archive)
        search.follower = by_hand
        follower, finder = cast(Follower, by_hand), Finder(search, threads)
        places = Places(archive, finder, follower, Generations(), threads)
        position = by_hand.end.position
        place = await places.find(position)
        assert place.position == position
        assert place.generation is not follower.end.generation
        assert place.generation.end == position
        threads.stop()

    asyncio.run(test())


@pytest.mark.parametrize("begin", ["anew", "after a line"])
def test_what_was_rotated_just_before_a_look_is_found_once_the_log_is_there(
    tmp_path: Path, begin: str
) -> None:
    """Another program's file may have that name, and somebody writes to it: only the log tells."""
    log = Log(tmp_path / "app.log")
    log.write(6)

    async def main() -> list[Parsed]:
        async with feeding(log.path) as feed:
            id = (await take(whole(feed), 6))[2].id
        writer = log.path.open("a")
        log.path.rename(tmp_path / "app-1.log")
        async with feeding(log.path) as feed:
            coming = whole(feed) if begin == "anew" else frames(feed, id)
            events = asyncio.create_task(take(coming, 7 if begin == "anew" else 4))
            for _ in range(3):
                await feed.log.follower.progress.wait()
            writer.close()
            log.path.touch()
            log.write(1)
            return await events

    events = asyncio.run(main())
    assert data(events) == log.lines[0 if begin == "anew" else 3 :]
    assert "gap" not in [event.type for event in events]
