"""Reads a log back, from any place in any of its files, wherever rotation has put them."""

from collections.abc import Callable

from server.logs.archive import Archive, FoundFile
from server.logs.files import File
from server.logs.finder import Finder
from server.logs.follower import Follower
from server.logs.generation import (
    Change,
    Generation,
    Lines,
    LogBatch,
    Place,
    Trace,
    gap,
    transition,
)
from server.logs.generations import Generations
from server.logs.holes import hole_at
from server.logs.lines import LineBatch, LineSplitter, first_lines, position_after
from server.logs.places import Places
from server.logs.position import CONTEXT, START, Position, Read
from server.logs.succession import Succession
from server.logs.threads import Threads
from server.logs.trimming import NOTHING, context_of
from server.logs.trouble import CannotReadError

PIECE = 128 * 1024
"""Bytes of the log that are read at a time."""

SOUGHT = 1024 * 1024
"""Bytes of the log that are read at a time where lines are looked for."""

MOST_SOUGHT = 8 * SOUGHT
"""Bytes that are looked through before it is the next client's turn."""

Seek = Callable[[bytes, bytes], int]
"""Says where in whole lines the first one begins that is wanted; their length if none is. It is
given these lines, and what stands before them: CONTEXT bytes or all there are."""

GONE = "no longer on disk"
"""Why there is a gap where files were there that are not any more."""


class History:
    """Reads what follows places in a log from disk."""

    def __init__(
        self,
        archive: Archive,
        finder: Finder,
        follower: Follower,
        generations: Generations,
        places: Places,
        max_line: int,
        threads: Threads,
    ) -> None:
        self._finder = finder
        self._succession = Succession(archive)
        self._follower = follower
        self._generations = generations
        self._places = places
        self._max_line = max_line
        self._threads = threads
        self.gaps = 0
        """How often lines were gone that a client would have got."""

    async def read(self, place: Place, seek: Seek | None = None) -> LogBatch:
        """What follows `place`, from disk.

        With `seek`, lines that it passes over may be left out: a batch without lines leads past
        them. Where the generation is no longer on disk, that is a gap, and the place after it the
        start of the next generation. At the live end this waits for ever.
        """
        return await self._threads.patiently(self.read_now, place, seek)

    async def read_now(self, place: Place, seek: Seek | None) -> LogBatch:
        """As `read`. Raises CannotReadError if the log cannot be read now."""
        generation, position = place
        while True:
            end = generation.end or self._follower.end.position
            if position.offset >= end.offset:
                return await self._next(generation)
            is_followed = generation is self._follower.end.generation
            file = self._follower.file if is_followed else self._generations.file_of(generation)
            if file:
                try:
                    batch = await self._lines(file, place, end, seek)
                except CannotReadError as error:
                    if is_followed or not await self._follower.is_current():
                        raise  # it is waited for, and so is a disk that is away for a moment
                    return await self._gap(place, (await self._next(generation)).end, str(error))
                if batch:
                    after = Place(generation, batch.end)
                    return Lines(place, batch, after)
                self._generations.drop(generation)
            found = await self._finder.find(end, file)
            found = found or await self._find_copy(generation, end)
            held = found.file if found else None
            if (
                held is None
                or position.offset >= _length(generation, held)
                or not held.holds(position)
            ):
                step = await self._next(generation)
                left = await self._kept(place, step.end) or await self._moved(place, step)
                if left is None and not await self._follower.is_current():
                    await self._follower.progress.wait()  # it was cut back once more
                    continue
                why = (held and held.damage) or GONE
                return left or await self._gap(place, step.end, why)
            if not self._follower.follows(held):
                self._generations.keep(generation, held)

    async def _find_copy(self, generation: Generation, end: Position) -> FoundFile | None:
        """A copy that was made before the generation had grown to its `end`."""
        for copied in generation.copies:
            if found := await self._finder.find(copied):
                return found
        return await self._finder.find_copy(end)

    async def _kept(self, place: Place, next_place: Place) -> LogBatch | None:
        """Lines after `place` that are left of a generation that was cut back, None if none are.

        They stand before `next_place`, the start of the next one, in its file, or in that of a
        later one if that was cut back, too.
        """
        following, start = next_place
        file: File | None = None
        while file is None and start.offset > place.position.offset:
            if not place.generation.may_begin_before(start):
                return None
            file = await self.file_of(following)
            if file is None:
                if following.next is None:
                    return None
                following, after = following.next.end
                start = min(start, after)
        batch = await self._lines(file, place, start) if file else None
        return Lines(place, batch, Place(place.generation, batch.end)) if batch else None

    async def _moved(self, place: Place, step: Change) -> Change | None:
        """The step to what is left after `place` in a file whose front was cut off, None if nothing
        is. With it goes a gap if lines that follow `place` were cut off.
        """
        generation, position = place
        offset, is_moved = position.offset, False
        while generation.next and generation.next.end.position != START:
            following, start = generation.next.end
            if generation.end and not generation.may_begin_before(start):
                offset, is_moved = offset - (generation.end.offset - start.offset), True
            generation, file = following, await self.file_of(following)
            if file is None:
                continue
            if not is_moved or offset >= start.offset:
                return None
            if offset < 0:
                return await self._gap(place, Place(generation, START), GONE)
            found = await self._threads.readers.run(file.position, offset)
            return step._replace(start=place, end=Place(generation, found)) if found else None
        return None

    async def file_at(self, place: Place) -> File | None:
        """The file that holds what stands before a place, None if there is none.

        That is the one of a later generation where the log was cut back.
        """
        generation, position = place
        file = await self.file_of(generation)
        while file is None and (step := generation.next):
            following, start = step.end
            if following.cut_from is not generation or position.offset > start.offset:
                return None
            generation, file = following, await self.file_of(following)
        return file

    async def file_of(self, generation: Generation) -> File | None:
        """The file that holds a generation, None if there is none."""
        if generation is self._follower.end.generation:
            return self._follower.file
        file = self._generations.file_of(generation)
        if file is None and generation.end is not None:
            found = await self._finder.find(generation.end)
            file = found.file if found else None
        return file

    async def _lines(
        self, file: File, place: Place, end: Position, seek: Seek | None = None
    ) -> LineBatch | None:
        """Lines after `place`, None if the file does not hold them."""
        generation, position = place
        is_followed = self._follower.follows(file)
        is_open = generation.end is None

        def read_lines(read: Read, most: int) -> LineBatch | None:
            stop = min(end.offset, _length(generation, file))
            batch = _passed_over(read, position, stop, seek, most) if seek else None
            batch = batch or self._split(file, read, position, stop, is_open, most)
            # What was read stood there before this check, so it is the log's. A copy
            # that is shorter than what it was made of does not change any more.
            shorter = not is_followed and file.size < end.offset
            if batch and file.holds(position, read) and (shorter or file.holds(end, read)):
                return batch
            return None

        try:
            return read_lines(file.read_now, 1)
        except BlockingIOError:
            return await self._threads.readers.run(read_lines, file.read, 0)

    def _split(
        self, file: File, read: Read, position: Position, stop: int, is_open: bool, most: int
    ) -> LineBatch | None:
        """The first lines after `position`, as `read` gives them up to the offset `stop`.

        `most` is the number of pieces in which they have to be found, 0 for any: a long line
        must not be read on the event loop. Raises BlockingIOError if they are not.
        """
        before = read(max(0, position.offset - CONTEXT), min(position.offset, CONTEXT))
        splitter = LineSplitter(position, before, self._max_line)
        pieces = 0
        while splitter.taken < stop:
            if most and pieces == most:
                raise BlockingIOError
            pieces += 1
            length = min(_to_boundary(splitter.taken), stop - splitter.taken)
            data = read(splitter.taken, length)
            if not data:
                return None
            batch = next(splitter.batches(first_lines(data)), None)
            if batch:
                return batch
            if not data.strip(b"\0"):
                splitter.skip(hole_at(file, splitter.taken, stop))  # which ends no line
        rest = splitter.finish()  # all up to there was shown, so nothing is held back
        return rest[0]._replace(is_unfinished=is_open) if rest else None

    async def _next(self, generation: Generation) -> Change:
        """The step from the end of a finished generation to the next one."""
        while generation.next is None:
            end = generation.end
            if known := self._generations.followed_since(generation):
                step = await self._next(known)
                generation.next = step._replace(start=step.start._replace(generation=generation))
            elif end is not None:
                followed = self._follower.end.generation
                file = self._generations.file_of(generation)
                found = await self._threads.searchers.run(self._following, file, end, generation)
                following, why = await self._place_after(generation, found)
                if self._follower.end.generation is not followed:
                    continue  # the file that was found may hold another generation by now
                if generation.next is None and following:
                    transition(generation, following, "rotated", why)
            if generation.next is None:
                await self._follower.progress.wait()  # until it is up to date
        return generation.next

    def _following(
        self, file: File | None, end: Position, generation: Generation
    ) -> FoundFile | None:
        context = context_of(file, end) if file else NOTHING
        return self._succession.following(file, end, generation.trace, context)

    async def _place_after(
        self, generation: Generation, found: FoundFile | None
    ) -> tuple[Place | None, str]:
        """The place after a finished generation, None if it can't be told yet; and why it cannot be
        told that nothing stood in between.
        """
        follower, why = self._follower, found.why if found else ""
        if follower.file is None or not await follower.is_current():
            return None, why
        is_older = generation.trace is not None and follower.came_after(generation.trace)
        first = self._generations.first_between(generation, found.trace if found else None)
        if first:
            return Place(first, START), _why_lost(generation, first.trace, found)
        if found and follower.follows(found.file):
            if found.start == START and not follower.taken and not is_older:
                return None, why
            why = why or _why_lost(generation, follower.trace, found)
            return follower.end.generation.at(found.start), why
        if found and not await self._places.is_ahead(found.file):
            place = (await self._places.adopt(found)).at(found.start)
            return place, why or _why_lost(generation, place.generation.trace, found)
        if follower.file.is_deleted and is_older:
            return Place(follower.end.generation, START), why
        return None, why

    async def _gap(self, place: Place, next_place: Place, why: str) -> Change:
        """The gap from `place`, after which nothing can be read, to the next generation."""
        generation, position = place
        following = await self._places.with_id(next_place)
        self.gaps += 1
        lost = generation.end.offset - position.offset if generation.end else None
        details = gap(str(position), following, why, lost)
        return Change(place, following, "gap", details)


def _passed_over(read: Read, start: Position, stop: int, seek: Seek, most: int) -> LineBatch | None:
    """A batch without lines that leads past those after `start` which are not wanted.

    None if the first one is, or may be: what is not plain lines is left to be split. Raises
    BlockingIOError if there is more to look through than one piece, but `most` is 1.
    """
    if most and stop - start.offset > PIECE:
        raise BlockingIOError
    before = context = read(max(0, start.offset - CONTEXT), min(start.offset, CONTEXT))
    at = start
    while at.offset < stop and at.offset - start.offset < MOST_SOUGHT:
        data = read(at.offset, min(SOUGHT, stop - at.offset))
        lines = data[: data.rfind(b"\n") + 1]
        is_within = bool(context) and not context.endswith(b"\n")
        passed = 0 if is_within or b"\0" in lines else seek(lines, context)
        if not passed:
            break
        at = position_after(at, context, lines, passed)
        context = (context + lines[max(0, passed - CONTEXT) : passed])[-CONTEXT:]
        if passed < len(lines):
            break
    return LineBatch(start, before, b"", at, 0) if at != start else None


def _length(generation: Generation, file: File) -> int:
    """Bytes of a file that may be of a generation.

    Where that was cut back, the file holds the next one from there on.
    """
    size, end = file.size, generation.end
    following = generation.next.end.position.offset if generation.next else 0
    return min(size, following) if following and end and size < end.offset else size


def _to_boundary(offset: int) -> int:
    """How many bytes to read at `offset`, so that readers who began apart soon read the same."""
    length = PIECE - offset % PIECE
    return length if length >= PIECE // 2 else length + PIECE


def _why_lost(generation: Generation, trace: Trace | None, found: FoundFile | None) -> str:
    """Why something was lost between a generation and one that stood at `trace` when it was
    followed or read; empty if nothing was. Files that stood between them then may be gone by now.
    """
    if not (found and found.start == START and trace and generation.trace and generation.end):
        return ""
    has_lost = trace.has_lost_since(generation.trace, generation.end, found.trace.snapshot)
    return GONE if has_lost else ""
