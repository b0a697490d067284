"""Follows a log as it grows, through rotation and truncation, and publishes what is certain.

What to do is decided in `decisions`; this file looks at the log and acts.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import sh

from server.logs.archive import Archive, FoundFile
from server.logs.decisions import (
    Found,
    Next,
    Recovery,
    decide,
    is_finished,
    recover,
)
from server.logs.files import File
from server.logs.followed import Followed
from server.logs.generation import Generation, Lines, LogBatch, Place, Trace, transition
from server.logs.holes import hole_at, position_before
from server.logs.intake import Intake
from server.logs.lines import LineBatch
from server.logs.path import LogPath
from server.logs.position import START, Read
from server.logs.succession import Succession
from server.logs.sweep import POLL, Sweep
from server.logs.tailing import Tailing, TailLimit
from server.logs.threads import Threads
from server.logs.trouble import SHORT, CannotReadError

LOOK = 1.0
"""Seconds between two looks at the directory for a file that came and went before the log, while
that is empty or not there: other files may come and go there all the time."""

_log = logging.getLogger(__name__)

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
        self._intake = Intake(self._tailing, self._check, self._sweep)
        self._max_line = max_line
        self._threads = threads
        self._finished = finished
        self._followed = Followed.nothing()
        self._generation = Generation(0)
        self._last_data = time.monotonic()
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
        return time.monotonic() - self._last_data

    def follows(self, file: File) -> bool:
        """Whether `file` is the one that is followed."""
        return self.file is not None and self.file.identity == file.identity

    def came_after(self, other: Trace) -> bool:
        """Whether the file that is followed came after that of `other`, as far as is known."""
        return self._followed.came_after(other)

    async def is_current(self) -> bool:
        """Whether what is known of the log is still true: it was not truncated or replaced."""
        try:
            return self.file is None or await self._check(self.file, self._followed.is_unchanged)
        except CannotReadError:
            return False

    def _pulse(self) -> None:
        self.progress.set()
        self.progress.clear()

    # --- following ------------------------------------------------------------------

    async def open(self) -> None:
        """Find the log and its live end. What comes after it is what `run` publishes."""
        found = await self._call(self._live_end)
        if found is None:
            self._followed = Followed.nothing(await self._call(self._archive.trace_of_none))
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
        self._followed = await self._call(
            Followed.from_position, found.file, found.start, found.trace, self._max_line
        )
        self._last_data = time.monotonic()
        self._pulse()

    async def run(self, publish: Publish) -> None:
        """Read the log as it grows, for ever, and publish each batch as soon as it is certain.

        A batch is certain when the bytes that tail handed over stand in the file where they
        should, and what stood before them still does.
        """
        self._sweep.followers += 1
        try:
            while True:
                if self.file is None:
                    await self._begin(await self._next_file(None))
                assert self.file is not None
                if await self._read_to_end(self.file, publish):
                    if not self.file.damage:  # else its last line is cut
                        await self._publish(publish, self._followed.take_rest(is_unfinished=False))
                    await self._go_on(self.file, publish)
                else:
                    await self._recover(self.file, publish)
        finally:
            self._sweep.followers -= 1

    async def _read_to_end(self, file: File, publish: Publish) -> bool:
        """Read on until the generation is finished (True) or is not what it was (False).

        A log that cannot be read is tried again; once another file has taken its path, it is
        given up, and counts as damaged.
        """
        while True:
            try:
                return await self._read_on(file, publish)
            except CannotReadError as error:
                if not self._path.names(file) and self._path.is_readable():
                    file.damage = str(error)
                    return True
                self._path.problem = f"cannot be read: {error.why}"
                self._threads.say(str(error))
                await asyncio.sleep(SHORT)

    async def _read_on(self, file: File, publish: Publish) -> bool:
        tailing, looked = self._tailing, -float("inf")
        tailing.forget()
        try:
            while True:
                is_live = self._path.names(file)
                file.was_live |= is_live
                tailing.start(self._followed.look(is_live, True, self.quiet), self.taken)
                data = await self._intake.next(file, self.taken, is_live)
                is_due = is_live and time.monotonic() - looked > LOOK
                if not self._followed.taken and (data or is_due):
                    looked = time.monotonic()
                    if await self._has_missed(file):
                        return False
                is_taken = False
                if data:
                    self._last_data = time.monotonic()
                    is_taken = await self._take(file, data, publish)
                    if not self._followed.taken:
                        return False  # it was truncated before anything was taken
                tailing.note(self.taken)
                if is_taken and not tailing.is_behind:
                    continue
                is_unchanged = await self._check(file, self._followed.is_unchanged)
                look = self._followed.look(is_live, is_unchanged, self.quiet)
                has_ended = data is None or (bool(data) and not is_taken)
                await tailing.stop_if_useless(look, has_ended)
                self._pulse()
                action = decide(look)
                if action is Next.RECOVER:
                    return False
                if action is Next.SHOW_UNFINISHED:
                    await self._publish(publish, self._followed.take_rest(is_unfinished=True))
                if action is Next.TRY_TO_FINISH and not is_taken:
                    if await self._call_once(self._is_finished, file, look.quiet):
                        return True
                    await asyncio.sleep(POLL)
        finally:
            await tailing.stop()

    async def _take(self, file: File, data: bytes, publish: Publish) -> bool:
        """Publish the lines that `data` completes, unless the file says otherwise."""
        followed = self._followed
        if not await self._check(file, lambda read: followed.holds_next(data, read)):
            return False
        if not followed.taken:
            await self._call_once(self._archive.watch, file)
        await self._publish(publish, followed.take(data))
        if not data.strip(b"\0"):
            hole = await self._call_once(hole_at, file, self.taken, file.size)
            if hole:
                await self._tailing.stop()  # it would read all of that
                await self._publish(publish, followed.skip(hole))
        return True

    async def _publish(self, publish: Publish, batches: list[LineBatch]) -> None:
        """Publish batches of lines, and let others go on in between."""
        for number, batch in enumerate(batches):
            if number:
                await asyncio.sleep(0)
            generation = self._generation
            publish(Lines(Place(generation, batch.start), batch, Place(generation, batch.end)))
        if batches:
            self._pulse()

    def _is_finished(self, file: File, quiet: float) -> bool:
        """Whether another file has taken the log's path and nothing more comes to this one."""
        has_successor = self._path.is_readable() and not self._path.names(file)
        writer = file.has_writer()
        if not is_finished(has_successor, writer, quiet):
            return False
        if file.size > self.taken:
            return False
        if writer:
            _log.warning("%s was rotated, but its writer keeps the old file open", file.path)
        return True

    async def _has_missed(self, file: File) -> bool:
        """Whether a file came and was rotated away before anything was taken of this one.

        Of one that has no name any more that cannot be told, unless that is a copy of what it held
        before it was truncated; what it holds is not lost yet.
        """
        found = await self._following(None)
        if found is None or found.file.identity == file.identity:
            return False
        is_deleted = file.is_deleted  # by now: it may go during the look
        return not is_deleted or await self._call_once(self._is_copy_of_before, file, found.file)

    def _is_copy_of_before(self, file: File, other: File) -> bool:
        """Whether another file begins as the one being read did when that was found, and that does
        not any more.
        """
        head = self._followed.trace.head if self._followed.trace else b""
        begins = [one.read(0, len(head)) == head for one in (file, other)]
        return bool(head) and begins == [False, True]

    # --- from one generation to the next --------------------------------------------

    async def _recover(self, file: File, publish: Publish) -> None:
        """Go on after the file being read was truncated or written anew."""
        position = self._followed.position
        found = await self._following(None)
        if found is None:
            await self._go_on(None, publish)
            return
        is_same = found.file.identity == file.identity
        is_unread = position == START and file.is_deleted
        if is_unread and not await self._call(self._is_copy_of_before, file, found.file):
            return  # it went meanwhile: what it holds comes first
        if is_same and position == START:
            await self._begin(found)
            return
        may_be_equal = is_same and not found.has_copy
        equal = await self._call(self._followed.checkpoints.equal, file) if may_be_equal else 0
        decision = recover(
            Found(
                copy_holds_end=found.start == position != START,
                size=file.size,
                equal=equal,
                moved_to=found.start.offset or None,
            )
        )
        if decision is Recovery.IN_COPY:
            await self._begin(found)
        elif decision is Recovery.AT_EQUAL:
            end = await self._call(file.position, equal)
            found = found._replace(start=end or START)
            await self._change_to(found, None, publish, is_cut_back=True)
        else:
            await self._change_to(found, None, publish)

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

    # --- threads ----------------------------------------------------------------------

    async def _check(self, file: File, look: Callable[[Read], _Result]) -> _Result:
        """What `look` finds in the file: at once where it is in memory, else in a thread."""
        try:
            return look(file.read_now)
        except BlockingIOError:
            return await self._call_once(look, file.read)

    async def _call(self, function: Callable[..., _Result], *args: object) -> _Result:
        return await self._threads.patiently(self._call_once, function, *args)

    async def _call_once(self, function: Callable[..., _Result], *args: object) -> _Result:
        return await self._threads.follower.run(function, *args)
