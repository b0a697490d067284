"""Which step a client takes from one generation to the next."""

import asyncio
from pathlib import Path
from typing import cast

from server.logs.archive import Archive
from server.logs.files import File
from server.logs.finder import Finder
from server.logs.follower import Follower
from server.logs.generation import Generation, Place, transition
from server.logs.generations import Generations
from server.logs.history import History
from server.logs.places import Places
from server.logs.position import START
from server.logs.search import Search
from server.logs.snapshot import Entry
from server.logs.threads import Threads
from tests.logs.by_hand import FollowerByHand
from tests.rotations import Log, numbered


class ChangingArchive(Archive):
    """The log is truncated between a look at its directory and the first look into the log."""

    follower: FollowerByHand | None = None

    def open(self, entry: Entry, *, may_unpack: bool = True) -> File:
        if entry.is_log and self.follower:
            follower, self.follower = self.follower, None
            follower.see_a_truncation()
        return super().open(entry, may_unpack=may_unpack)


def test_a_step_leads_to_no_generation_that_began_while_it_was_looked_for(tmp_path: Path) -> None:
    """Or the lines that were copied meanwhile are passed over."""
    log = Log(tmp_path / "app.log")
    log.write()
    numbered(log)
    log.write()
    archive = ChangingArchive(log.path, 2**30)

    async def test() -> None:
        threads = Threads()
        by_hand = FollowerByHand(log)
        follower = cast(Follower, by_hand)
        finder = Finder(Search(archive), threads)
        generations = Generations()
        places = Places(archive, finder, follower, generations, threads)
        history = History(archive, finder, follower, generations, places, 1000, threads)
        oldest = await places.find(START)
        lines = await history.read(oldest)
        archive.follower = by_hand
        step = await history.read(lines.end)
        copy = step.end.generation
        assert copy is not follower.end.generation
        copied = File.open(log.beside(".1"))
        assert copy.end == copied.position(copied.size)
        threads.stop()

    asyncio.run(test())


def test_a_step_is_the_one_that_was_seen_once_a_file_that_was_read_back_has_been_followed(
    tmp_path: Path,
) -> None:
    """The log that came after it has been replaced since: on disk another one follows."""
    log = Log(tmp_path / "app.log")
    log.write()
    numbered(log)
    log.write()
    archive = Archive(log.path, 2**30)

    async def test() -> None:
        threads = Threads()
        follower = cast(Follower, FollowerByHand(log))
        finder = Finder(Search(archive), threads)
        generations = Generations()
        places = Places(archive, finder, follower, generations, threads)
        history = History(archive, finder, follower, generations, places, 1000, threads)
        lines = await history.read(await places.find(START))
        assert lines.end.generation.number == -1
        followed, following = Generation(2, lines.end.position), Place(Generation(3), START)
        file = File.open(log.beside(".1"))
        followed.trace = archive.trace_of(file, archive.snapshot())
        generations.remember(followed, file)
        step = transition(followed, following, "rotated")
        assert await history.read(lines.end) == step._replace(start=lines.end)
        threads.stop()

    asyncio.run(test())
