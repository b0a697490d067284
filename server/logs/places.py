"""Finds places in a log, in whatever file they are by now."""

import asyncio
import time
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
from server.logs.sweep import POLL
from server.logs.threads import Threads

FEW = 1000
"""Lines before the live end to which a client goes back without waiting for those who want more."""

ROTATING = 1.0
"""Seconds for which a log is waited for that is not there: perhaps it is rotated just now."""

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
            place = await self.with_id(generation.at(START))
            if why:
                raise GoneError(place, why)
            return place

    async def back(self, lines: int) -> Place:
        """The place `lines` lines before the live end, at the most the generation's start."""
        return await self._threads.patiently(self.back_now, lines)

    async def back_now(self, lines: int) -> Place:
        """As `back`. Raises CannotReadError if the log cannot be read now."""
        place, file = self._follower.end, self._follower.file
        if file is None or lines == 0:
            return await self.with_id(place)

        threads = self._threads
        pool = threads.counters if lines > FEW else threads.readers
        position = await pool.run(position_before, file, place.position.offset, lines)
        return await self.with_id(place.generation.at(position) if position else place)

    async def find(self, position: Position) -> Place:
        """The place that `position` names. Raises GoneError if it is in no file any more."""
        return await self._threads.patiently(self.find_now, position)

    async def find_now(self, position: Position) -> Place:
        """As `find`. Raises CannotReadError if the log cannot be read now.

        All who ask for one position at the same time share a search.
        """
        task = self._finding.get(position)
        if task is None:
            task = self._finding[position] = asyncio.create_task(self._find(position))
            task.add_done_callback(lambda task: self._is_found(position, task))
        return unless_cut_off(await asyncio.shield(task))

    def _is_found(self, position: Position, task: "asyncio.Task[Place]") -> None:
        del self._finding[position]
        if not task.cancelled():
            task.exception()  # perhaps nobody waits for it any more

    async def _wait_for_log(self) -> None:
        """Wait a moment for a log that is not there, if a file that may be its own is."""
        since = time.monotonic()
        while self._follower.file is None and time.monotonic() - since < ROTATING:
            if not await self._search(self._archive.needs_log):
                break
            await asyncio.sleep(POLL)

    async def _find(self, position: Position) -> Place:
        await self._wait_for_log()
        if position == START:
            return await self._oldest()
        follower = self._follower
        while True:
            generation, file = follower.end.generation, follower.file
            if position.offset > SHARED and file and await self._holds(file, position):
                if await self._is_in(generation):
                    return generation.at(position)
                continue
            found = await self._finder.find(position)
            if found is None:
                break
            if place := await self._place_of(found, generation):
                return place
        return await self._find_elsewhere(position)

    async def _place_of(self, found: FoundFile, generation: Generation) -> Place | None:
        """The place that was found while the follower was in `generation`.

        None if the follower has gone on since: the file may hold another generation by now. None
        also if the follower had yet to come to that file, or to notice that it was written anew,
        after a wait: look again.
        """
        follower = self._follower
        if follower.end.generation is not generation:
            return None
        if follower.follows(found.file):
            return generation.at(found.start) if await self._is_in(generation) else None
        if await self.is_ahead(found.file):
            await follower.progress.wait()
            return None
        held, start = await self.adopt(found), found.start
        if held.end and held.end.offset < start.offset:
            start = held.end  # a copy that ends before the place
        return held.at(start)

    async def _is_in(self, generation: Generation) -> bool:
        """Whether the follower is in a generation, and its file holds no other one by now. If it
        does, that is waited for a moment to be noticed.
        """
        follower = self._follower
        is_current = await follower.is_current()
        if follower.end.generation is not generation:
            return False
        if not is_current:
            await follower.progress.wait()
        return is_current

    async def _find_elsewhere(self, position: Position) -> Place:
        """The place of a position that no file with a name holds as it was."""
        follower, why = self._follower, "not in the log"
        while True:
            generation, file = follower.end.generation, follower.file
            if file and await self._holds(file, position):  # it has no name any more
                if await self._is_in(generation):
                    return generation.at(position)
                continue
            generations = self._generations
            known = generations.ending_at(position)
            if known is None and (opened := await self._search(generations.open_at, position)):
                return opened.at(position)
            known = known or generations.cut_back_before(position)
            if known:
                return Place(known, position)
            try:
                found = await self._finder.find_elsewhere(position)
            except TooManyError:
                why = "not in the log, as far as it was looked for: too many such ids"
                break
            if found is None:
                break
            if place := await self._place_of(found, generation):
                return place
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

    async def preceding(self, start: Place) -> Place | None:
        """The end of the file before the one that begins at `start`; None if there is none.

        Raises CannotReadError if the log cannot be read now.
        """
        end = Position.parse((await self.with_id(start)).generation.preceding or "")
        if start.position != START or end in (None, START):
            return None
        try:
            place = await self.find_now(end)
        except GoneError:
            return None
        return None if place.generation is start.generation else place

    async def is_gone(self) -> bool:
        """Whether the file that is followed was deleted, and no other one of the log is there."""
        file = self._follower.file
        return bool(file and file.is_deleted) and not await self._search(self._archive.count)

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
            return await self._threads.readers.run(file.holds, position)

    async def _search(
        self,
        function: Callable[_Arguments, _Result],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        return await self._threads.searchers.run(function, *args, **kwargs)


def unless_cut_off(place: Place) -> Place:
    """The place. Raises GoneError if all that followed it was cut off."""
    if step := place.cut:
        raise GoneError(step.end, "no longer on disk")
    return place
