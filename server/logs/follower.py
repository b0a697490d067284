"""Follows a log from one generation to the next, through rotation and truncation.

Each file is read by a `FileFollower`, and the one that comes next is found by `NextFile`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import sh

from server.logs.archive import Archive, FoundFile
from server.logs.decisions import Recovery
from server.logs.file_follower import FileFollower
from server.logs.files import File
from server.logs.followed import Followed
from server.logs.generation import Generation, Lines, LogBatch, Place, Trace, transition
from server.logs.lines import LineBatch
from server.logs.next_file import NextFile
from server.logs.path import LogPath
from server.logs.sweep import Sweep
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
        self._path = LogPath(archive.layout)
        self.tailing = Tailing(tail, archive.layout, tails)
        """Whether tail is running, how often it was replaced, and how often it was late."""
        self._sweep = sweep or Sweep()
        self._max_line = max_line
        self._threads = threads
        self._finished = finished
        self._next_file = NextFile(archive, self._path, threads, self._pulse)
        self._file_follower = FileFollower(
            archive, self._path, self.tailing, self._sweep, threads, self._next_file, self._pulse
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
    def quiet(self) -> float:
        """Seconds since anything came."""
        return self._file_follower.quiet

    def follows(self, file: File) -> bool:
        """Whether `file` is the one that is followed."""
        return self.file is not None and self.file.identity == file.identity

    def came_after(self, other: Trace) -> bool:
        """Whether the file that is followed came after that of `other`, as far as is known."""
        return self._followed.came_after(other)

    @property
    def trace(self) -> Trace | None:
        """Where the file that is followed stood among the others when it was found."""
        return self._followed.trace

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
        while found := await self._next_file.first():
            if await self._begin(found):
                return
        trace = await self._call(self._archive.trace_of_none)
        self._file_follower.begin(Followed.nothing(trace))
        self._path.is_readable()

    async def _begin(self, found: FoundFile) -> bool:
        """Go on where a file was found to begin; False if it does not hold that any more."""
        followed = await self._read(found)
        if followed:
            self._file_follower.begin(followed)
        return followed is not None

    async def _read(self, found: FoundFile) -> Followed | None:
        return await self._call(
            Followed.from_position, found.file, found.start, found.trace, self._max_line
        )

    async def run(self, publish: Publish) -> None:
        """Read the log as it grows, for ever, and publish what is new as soon as it is certain."""
        self._sweep.followers += 1
        try:
            while True:
                while self.file is None:
                    await self._begin(await self._next_file.after(self._followed, None))
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

    async def _recover(self, file: File, publish: Publish) -> None:
        """Go on after the file being read was truncated or written anew."""
        recovery, found = await self._next_file.recovered(self._followed, file)
        if recovery is Recovery.LATER:
            await self._go_on(None, publish)
        elif found is None:
            return
        elif recovery in (Recovery.UNREAD, Recovery.IN_COPY):
            await self._begin(found)
        else:
            is_cut_back = recovery is Recovery.AT_EQUAL
            await self._change_to(found, None, publish, is_cut_back=is_cut_back)

    async def _go_on(self, file: File | None, publish: Publish) -> None:
        """Begin the generation after this one, which `file` holds if it is still there."""
        await self._change_to(await self._next_file.after(self._followed, file), file, publish)

    async def _change_to(
        self, found: FoundFile, file: File | None, publish: Publish, *, is_cut_back: bool = False
    ) -> None:
        """Finish this generation and begin the one that was found.

        Where its file does not hold the place any more, it was truncated or replaced meanwhile:
        then nothing is changed, and what follows is looked for again.
        """
        followed = await self._read(found)
        if followed is None:
            return
        finished, end = self.end
        is_truncated = self.follows(found.file)
        self.truncations += is_truncated
        self.rotations += not is_truncated
        finished.end, finished.trace, finished.copies = end, self._followed.trace, found.copies
        if self.file:
            finished.damage = self.file.damage
            self._finished(finished, self.file, file is not None)
        following = finished.cut_back() if is_cut_back else Generation(finished.number + 1)
        self._generation = following
        self._file_follower.begin(followed)
        name = "truncated" if is_truncated else "rotated"
        change = transition(finished, self.end, name, found.why)
        self.gaps += change.is_gap
        publish(change)
        self._pulse()

    async def _call(self, function: Callable[..., _Result], *args: object) -> _Result:
        """What `function` gives in a thread, once the log itself can be read."""
        return await self._threads.patiently(self._threads.follower.run, function, *args)
