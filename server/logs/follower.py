"""Follows a log from one generation to the next, through rotation and truncation.

Each file is read by a `FileFollower`. Which file comes next is decided in `succession`, and what
becomes of one that was truncated in `decisions`.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import sh

from server.logs.archive import Archive, FoundFile
from server.logs.decisions import Found, Recovery, recover
from server.logs.file_follower import LOOK, FileFollower
from server.logs.files import File
from server.logs.followed import Followed
from server.logs.generation import Generation, Lines, LogBatch, Place, Trace, transition
from server.logs.holes import position_before
from server.logs.lines import LineBatch
from server.logs.path import LogPath
from server.logs.position import START, Position
from server.logs.succession import Succession
from server.logs.sweep import POLL, Sweep
from server.logs.tailing import Tailing, TailLimit
from server.logs.threads import Threads
from server.logs.trouble import CannotReadError

_Result = TypeVar("_Result")

Publish = Callable[[LogBatch], None]
"""Takes what is new, in order."""

Finished = Callable[[Generation, File, bool], None]
"""Told of each generation that is finished, of its file, and whether that still holds it."""


class Follower:
    """Follows the log of `archive`, its lines kept up to `max_line` bytes."""

    def __init__(
        self,
        archive: Archive,
        tail: sh.Command,
        max_line: int,
        threads: Threads,
        finished: Finished,
        tails: TailLimit | None = None,
        sweep: Sweep | None = None,
    ) -> None:
        self._archive = archive
        self._succession = Succession(archive)
        self._path = LogPath(archive.layout)
        self._tailing = Tailing(tail, archive.layout, tails)
        self._sweep = sweep or Sweep()
        self._max_line = max_line
        self._threads = threads
        self._finished = finished
        self._file_follower = FileFollower(
            archive, self._path, self._tailing, self._sweep, threads, self._has_missed, self._pulse
        )
        self._generation = Generation(0)
        self.progress = asyncio.Event()
        """Set for a moment whenever something may have changed; wait for it, then look again."""
        self.rotations = self.truncations = self.gaps = 0
        """How often it was rotated and truncated, and lines were gone."""

    # --- what others ask ----------------------------------------------------------

    @property
    def file(self) -> File | None:
        """The file that is followed; None while there is none."""
        return self._followed.file

    @property
    def problem(self) -> str:
        """Why the log cannot be read now; empty if it can."""
        return self._path.problem

    @property
    def end(self) -> Place:
        """Where the last line that was read ends: the live end of the log."""
        return Place(self._generation, self._followed.position)

    @property
    def taken(self) -> int:
        """Offset up to which the file is read, also within a line that has no newline yet."""
        return self._followed.taken

    @property
    def is_tailed(self) -> bool:
        """Whether tail is running: it is not while an older file is read, or there is none."""
        return self._tailing.is_running

    @property
    def tail_restarts(self) -> int:
        """How often tail had to be replaced."""
        return self._tailing.restarts

    @property
    def tail_lates(self) -> int:
        """How often tail was late, and the log was read without it."""
        return self._tailing.lates

    @property
    def quiet(self) -> float:
        """Seconds since anything came."""
        return self._file_follower.quiet

    def follows(self, file: File) -> bool:
        """Whether `file` is the one that is followed."""
        return self.file is not None and self.file.identity == file.identity

    def came_after(self, other: Trace) -> bool:
        """Whether the file that is followed came after that of `other`, as far as is known."""
        return self._followed.came_after(other)

    async def is_current(self) -> bool:
        """Whether what is known of the log is still true: it was not truncated or replaced."""
        try:
            return await self._file_follower.is_unchanged()
        except CannotReadError:
            return False

    @property
    def _followed(self) -> Followed:
        return self._file_follower.followed

    def _pulse(self) -> None:
        self.progress.set()
        self.progress.clear()

    # --- following ------------------------------------------------------------------

    async def open(self) -> None:
        """Find the log and its live end. What comes after it is what `run` publishes."""
        found = await self._call(self._live_end)
        if found is None:
            trace = await self._call(self._archive.trace_of_none)
            self._file_follower.begin(Followed.nothing(trace))
            self._path.is_readable()
            return
        await self._begin(found)

    def _live_end(self) -> FoundFile | None:
        """The file to follow, from the end of its last line on; None if there is none."""
        found = self._archive.youngest()
        if found is None:
            return None
        end = position_before(found.file, found.file.size, 0)
        return self._archive.still_holds(found._replace(start=end or START))

    async def _begin(self, found: FoundFile) -> None:
        """Go on where a file was found to begin."""
        followed = await self._call(
            Followed.from_position, found.file, found.start, found.trace, self._max_line
        )
        self._file_follower.begin(followed)

    async def run(self, publish: Publish) -> None:
        """Read the log as it grows, for ever, and publish what is new as soon as it is certain."""
        self._sweep.followers += 1
        try:
            while True:
                if self.file is None:
                    await self._begin(await self._next_file(None))
                assert self.file is not None
                if await self._file_follower.follow(partial(self._publish, publish)):
                    await self._go_on(self.file, publish)
                else:
                    await self._recover(self.file, publish)
        finally:
            self._sweep.followers -= 1

    def _publish(self, publish: Publish, batch: LineBatch) -> None:
        start, end = (Place(self._generation, at) for at in (batch.start, batch.end))
        publish(Lines(start, batch, end))

    # --- from one generation to the next --------------------------------------------

    async def _has_missed(self, file: File) -> bool:
        """Whether a file came and was rotated away before anything was taken of this one.

        Of one that has no name any more that cannot be told, unless that is a copy of what it held
        before it was truncated; what it holds is not lost yet.
        """
        found = await self._following(None)
        if found is None or found.file.identity == file.identity:
            return False
        is_deleted = file.is_deleted  # by now: it may go during the look
        run = self._threads.follower.run
        return not is_deleted or await run(self._followed.was_moved_to, found.file)

    async def _recover(self, file: File, publish: Publish) -> None:
        """Go on after the file being read was truncated or written anew."""
        position = self._followed.position
        found = await self._following(None)
        if found is None:
            await self._go_on(None, publish)
            return
        is_same = found.file.identity == file.identity
        is_unread = position == START and file.is_deleted
        if is_unread and not await self._call(self._followed.was_moved_to, found.file):
            return  # it went meanwhile: what it holds comes first
        if is_same and position == START:
            await self._begin(found)
            return
        may_be_equal = is_same and not found.has_copy
        equal, end = await self._call(self._equal, file) if may_be_equal else (0, START)
        decision = recover(
            Found(
                copy_holds_end=found.start == position != START,
                size=file.size,
                equal=equal if end != START else 0,
                moved_to=found.start.offset or None,
            )
        )
        if decision is Recovery.IN_COPY:
            await self._begin(found)
        elif decision is Recovery.AT_EQUAL:
            await self._change_to(found._replace(start=end), None, publish, is_cut_back=True)
        else:
            await self._change_to(found, None, publish)

    def _equal(self, file: File) -> tuple[int, Position]:
        """How many bytes at the start of the file stand where they stood, and where the last line
        of these ends. The rest may be the beginning of a new line, alike by chance.
        """
        equal = self._followed.checkpoints.equal(file)
        return equal, position_before(file, equal, 0) or START

    async def _go_on(self, file: File | None, publish: Publish) -> None:
        """Begin the generation after this one, which `file` holds if it is still there."""
        await self._change_to(await self._next_file(file), file, publish)

    async def _next_file(self, file: File | None) -> FoundFile:
        """The file that follows the one being read, once there is one.

        The log itself is noticed at the next look at its path.
        """
        looked = -float("inf")
        while True:
            if self._path.is_readable() or time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                found = await self._following(file)
                if found:
                    return found
            self._pulse()
            await asyncio.sleep(POLL)

    async def _following(self, file: File | None) -> FoundFile | None:
        followed = self._followed
        following = self._succession.following
        end, context = followed.position, followed.last_bytes
        return await self._call(following, file, end, followed.trace, context, followed.checkpoints)

    async def _change_to(
        self, found: FoundFile, file: File | None, publish: Publish, *, is_cut_back: bool = False
    ) -> None:
        """Finish this generation and begin the one that was found."""
        finished, end = self.end
        is_truncated = self.follows(found.file)
        self.truncations += is_truncated
        self.rotations += not is_truncated
        finished.end, finished.trace, finished.copies = end, self._followed.trace, found.copies
        if self.file:
            finished.damage = self.file.damage
            self._finished(finished, self.file, file is not None)
        following = finished.cut_back() if is_cut_back else Generation(finished.number + 1)
        await self._begin(found)
        self._generation = following
        name = "truncated" if is_truncated else "rotated"
        change = transition(finished, self.end, name, found.why)
        self.gaps += change.is_gap
        publish(change)
        self._pulse()

    async def _call(self, function: Callable[..., _Result], *args: object) -> _Result:
        """What `function` gives in a thread, once the log itself can be read."""
        return await self._threads.patiently(self._threads.follower.run, function, *args)
