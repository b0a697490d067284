"""Follows one file of a log as it grows, and publishes what is certain, until it is finished.

What to do is decided in `decisions`; this module looks at the file and acts.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from server.logs.archive import Archive
from server.logs.decisions import Next, decide, is_finished
from server.logs.files import File
from server.logs.followed import Followed
from server.logs.holes import hole_at
from server.logs.intake import Intake
from server.logs.lines import LineBatch
from server.logs.next_file import LOOK, NextFile
from server.logs.path import LogPath
from server.logs.position import Read
from server.logs.sweep import POLL, Sweep
from server.logs.tailing import Tailing
from server.logs.threads import Threads
from server.logs.trouble import SHORT, CannotReadError

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

Publish = Callable[[LineBatch], None]
"""Takes the lines that are new, in order."""


class FileFollower:
    """Follows one file at a time, by its descriptor: it stays this one, whatever takes its name.

    pulse: called whenever something may have changed.
    """

    def __init__(
        self,
        archive: Archive,
        path: LogPath,
        tailing: Tailing,
        sweep: Sweep,
        threads: Threads,
        next_file: NextFile,
        pulse: Callable[[], None],
    ) -> None:
        self._archive = archive
        self._path = path
        self._tailing = tailing
        self._intake = Intake(tailing, self._check, sweep)
        self._threads = threads
        self._next_file = next_file
        self._pulse = pulse
        self._last_data = time.monotonic()
        self.followed = Followed.nothing()
        """What was taken, and from which file."""

    @property
    def quiet(self) -> float:
        """Seconds since anything came."""
        return time.monotonic() - self._last_data

    def begin(self, followed: Followed) -> None:
        """Go on with what was taken from a file so far."""
        self.followed = followed
        self._last_data = time.monotonic()
        self._pulse()

    async def is_unchanged(self) -> bool:
        """Whether all that was taken still stands in the file. Raises CannotReadError."""
        file = self.followed.file
        return file is None or await self._check(file, self.followed.is_unchanged)

    async def follow(self, publish: Publish) -> bool:
        """Read on until the generation is finished (True) or is not what it was (False).

        A batch of lines is published as soon as it is certain: when the bytes that tail handed over
        stand in the file where they should, and what stood before them still does.

        A log that cannot be read is tried again; once another file has taken its path, it is
        given up, and counts as damaged.
        """
        file = self.followed.file
        assert file
        while True:
            try:
                if not await self._read_on(file, publish):
                    return False
                break
            except CannotReadError as error:
                if not self._path.names(file) and self._path.is_readable():
                    file.damage = str(error)
                    break
                self._path.problem = f"cannot be read: {error.why}"
                self._threads.say(str(error))
                await asyncio.sleep(SHORT)
        if not file.damage:  # else its last line is cut
            await self._publish(publish, self.followed.take_rest(is_unfinished=False))
        return True

    async def _read_on(self, file: File, publish: Publish) -> bool:
        followed, tailing, looked = self.followed, self._tailing, -float("inf")
        tailing.forget()
        try:
            while True:
                is_live = self._path.names(file)
                file.note(is_live)
                tailing.start(followed.look(is_live, True, self.quiet), followed.taken)
                data = await self._intake.next(file, followed.taken, is_live)
                is_due = is_live and time.monotonic() - looked > LOOK
                if not followed.taken and (data or is_due):
                    looked = time.monotonic()
                    if await self._next_file.has_missed(followed, file):
                        return False
                is_taken = False
                if data:
                    self._last_data = time.monotonic()
                    is_taken = await self._take(file, data, publish)
                    if not followed.taken:
                        return False  # it was truncated before anything was taken
                tailing.note(followed.taken)
                if is_taken and not tailing.is_behind:
                    continue
                is_unchanged = await self._check(file, followed.is_unchanged)
                look = followed.look(is_live, is_unchanged, self.quiet)
                has_ended = data is None or (bool(data) and not is_taken)
                await tailing.stop_if_useless(look, has_ended)
                self._pulse()
                action = decide(look)
                if action is Next.RECOVER:
                    return False
                if action is Next.SHOW_UNFINISHED:
                    await self._publish(publish, followed.take_rest(is_unfinished=True))
                if action is Next.TRY_TO_FINISH and not is_taken:
                    if await self._threads.follower.run(self._is_finished, file, look.quiet):
                        return True
                    await asyncio.sleep(POLL)
        finally:
            await tailing.stop()

    async def _take(self, file: File, data: bytes, publish: Publish) -> bool:
        """Publish the lines that `data` completes, unless the file says otherwise."""
        followed, run = self.followed, self._threads.follower.run
        if not await self._check(file, lambda read: followed.holds_next(data, read)):
            return False
        if not followed.taken:
            await run(self._archive.watch, file)
        await self._publish(publish, followed.take(data))
        if not data.strip(b"\0"):
            hole = await run(hole_at, file, followed.taken, file.size)
            if hole:
                await self._tailing.stop()  # it would read all of that
                await self._publish(publish, followed.skip(hole))
        return True

    async def _publish(self, publish: Publish, batches: list[LineBatch]) -> None:
        """Publish batches of lines, and let others go on in between."""
        for number, batch in enumerate(batches):
            if number:
                await asyncio.sleep(0)
            publish(batch)
        if batches:
            self._pulse()

    def _is_finished(self, file: File, quiet: float) -> bool:
        """Whether another file has taken the log's path and nothing more comes to this one."""
        has_successor = self._path.is_readable() and not self._path.names(file)
        writer = file.has_writer()
        if not is_finished(has_successor, writer, quiet):
            return False
        if file.size > self.followed.taken:
            return False
        if writer:
            _log.warning("%s was rotated, but its writer keeps the old file open", file.path)
        return True

    async def _check(self, file: File, look: Callable[[Read], _Result]) -> _Result:
        """What `look` finds in the file: at once where it is in memory, else in a thread."""
        try:
            return look(file.read_now)
        except BlockingIOError:
            return await self._threads.follower.run(look, file.read)
