"""Finds places in a log, in whatever file they are by now."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from server.logs.archive import SHARED, Archive, FoundFile
from server.logs.files import File
from server.logs.finder import Finder, TooManyError
from server.logs.follower import Follower
from server.logs.generation import Generation, Place
from server.logs.generations import Generations
from server.logs.holes import position_before
from server.logs.position import START, Position
from server.logs.threads import Threads, patiently, run_in

FEW = 1000
"""Lines before the live end to which a client goes back without waiting for those who want more."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class GoneError(Exception):
    """A place is in no file of the log any more, or what stands before it cannot be read.

    `place` is where a client goes on, `why` says what is missing.
    """

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(why)
        self.place = place
        self.why = why


class Places:
    """Finds the places that clients ask for, in the files of a log."""

    def __init__(
        self,
        archive: Archive,
        finder: Finder,
        follower: Follower,
        generations: Generations,
        threads: Threads,
    ) -> None:
        self._archive = archive
        self._finder = finder
        self._follower = follower
        self._generations = generations
        self._threads = threads
        self._finding: dict[Position, asyncio.Task[Place]] = {}

    def stop(self) -> None:
        """Give up all searches."""
        for task in self._finding.values():
            task.cancel()
        self._finder.stop()

    async def oldest(self) -> Place:
        """The oldest line there is. Raises GoneError if older ones cannot be read."""
        return await self.find(START)

    async def _oldest(self) -> Place:
        follower = self._follower
        while True:
            generation, followed = follower.end.generation, follower.file
            found, why = await self._search(self._archive.oldest, followed)
            if found and self._may_still_grow(found.file):
                await follower.progress.wait()  # until it has read that file
                continue
            if not found and followed is not follower.file:
                continue  # it follows the next one by now
            generation = await self.adopt(found) if found else generation
            place = await self.with_id(Place(generation, START))
            if why:
                raise GoneError(place, why)
            return place

    async def back(self, lines: int) -> Place:
        """The place `lines` lines before the live end, at the most the generation's start."""
        place, file = self._follower.end, self._follower.file
        if file is None or lines == 0:
            return await self.with_id(place)

        threads = self._threads
        pool = threads.counters if lines > FEW else threads.readers
        position = await patiently(
            run_in, pool, position_before, file, place.position.offset, lines
        )
        return await self.with_id(Place(place.generation, position) if position else place)

    async def find(self, position: Position) -> Place:
        """The place that `position` names. Raises GoneError if it is in no file any more.

        All who ask for one position at the same time share a search.
        """
        task = self._finding.get(position)
        if task is None:
            search = patiently(self._find, position)
            task = self._finding[position] = asyncio.ensure_future(search)
            task.add_done_callback(lambda task: self._is_found(position, task))
        return await asyncio.shield(task)

    def _is_found(self, position: Position, task: "asyncio.Task[Place]") -> None:
        del self._finding[position]
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it any more

    async def _find(self, position: Position) -> Place:
        if position == START:
            return await self._oldest()
        follower = self._follower
        while True:
            file = follower.file
            if position.offset > SHARED and file and await self._holds(file, position):
                return Place(follower.end.generation, position)
            found = await self._finder.find(position)
            if found is None:
                break
            if follower.follows(found.file):
                return Place(follower.end.generation, position)
            if not await self.is_ahead(found.file):
                return Place(await self.adopt(found), position)
            await follower.progress.wait()  # until it is there
        return await self._find_elsewhere(position)

    async def _find_elsewhere(self, position: Position) -> Place:
        """The place of a position that no file with a name holds as it was."""
        follower = self._follower
        if follower.file and await self._holds(follower.file, position):
            return Place(follower.end.generation, position)  # it has no name any more
        known = self._generations.ending_at(position)
        if known:
            return Place(known, position)
        why = "not in the log"
        try:
            found = await self._finder.find_elsewhere(position)
        except TooManyError:
            found, why = None, "not in the log, as far as it was looked for: too many such ids"
        if found:
            generation, start = await self.adopt(found), found.start
            if generation.end and generation.end.offset < start.offset:
                start = generation.end  # a copy that ends before the place
            return Place(generation, start)
        try:
            place = await self.oldest()
        except GoneError as error:
            place = error.place
        raise GoneError(place, why)

    async def with_id(self, place: Place) -> Place:
        """The same place, after its generation knows by which id its start is named.

        Nothing stands before the start of a file that could tell it from another's: it is
        named by the end of the file before it, if there is one.
        """
        generation, follower = place.generation, self._follower
        if place.position != START or generation.preceding is not None:
            return place
        while generation is follower.end.generation and not await follower.is_current():
            await follower.progress.wait()  # until it has found out where that is now
        followed = follower.file if generation is follower.end.generation else None
        end = generation.end or START
        end_before = self._archive.end_before
        before = await self._search(end_before, end, followed, follower.came_after)
        generation.preceding = str(before or START)
        return place

    async def is_ahead(self, file: File) -> bool:
        """Whether the follower has yet to come to `file`, which may still be written to."""
        followed = self._follower.file
        if followed is None or file.path == self._archive.target():
            return True
        if self._may_still_grow(file):
            return True
        return await self._search(self._archive.is_older, followed, file)

    def _may_still_grow(self, file: File) -> bool:
        """Whether an older file is still written to, and the follower did not give up on it."""
        return not file.damage and file.may_grow() and not self._generations.was_followed(file)

    async def adopt(self, found: FoundFile) -> Generation:
        if self._follower.follows(found.file):
            return self._follower.end.generation
        look_into = self._generations.look_into
        return self._generations.adopt(await self._search(look_into, found.file, found.trace))

    async def _holds(self, file: File, position: Position) -> bool:
        try:
            return file.holds(position, file.read_now)
        except BlockingIOError:
            return await run_in(self._threads.readers, file.holds, position)

    async def _search(
        self,
        function: Callable[_Arguments, _Result],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        return await run_in(self._threads.searchers, function, *args, **kwargs)
