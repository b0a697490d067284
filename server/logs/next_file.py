"""Looks for the file in which a log goes on: after a rotation, or after it was written anew.

Which file follows is decided in `succession`, and what becomes of a log that was truncated in
`decisions`; this module looks at the files and asks there.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from server.logs.archive import Archive, FoundFile
from server.logs.decisions import Found, Recovery, recover
from server.logs.files import File
from server.logs.followed import Followed
from server.logs.holes import position_before
from server.logs.path import LogPath
from server.logs.position import START, Position
from server.logs.succession import Succession
from server.logs.sweep import POLL
from server.logs.threads import Threads

LOOK = 1.0
"""Seconds between two looks at the directory for a file that came and went before the log, while
that is empty or not there: other files may come and go there all the time."""

UNKNOWN_CUT = "other lines have come where some were cut off"
"""Why there is a gap where a log was cut back and grew past all that was taken of it before that
was seen: what is remembered of a long one tells only about where the new lines begin."""

NOT_EQUAL = 0, START, ""
"""Of a file that does not hold anything that stood in the one before."""

_Result = TypeVar("_Result")


class NextFile:
    """Looks among the files of `archive`, in threads, once the log itself can be read.

    pulse: called after each look that found nothing.
    """

    def __init__(
        self, archive: Archive, path: LogPath, threads: Threads, pulse: Callable[[], None]
    ) -> None:
        self._archive = archive
        self._succession = Succession(archive)
        self._path = path
        self._threads = threads
        self._pulse = pulse

    async def first(self) -> FoundFile | None:
        """The file to follow, from the end of its last line on; None if there is none."""
        return await self._call(self._live_end)

    def _live_end(self) -> FoundFile | None:
        found = self._archive.youngest()
        if found is None:
            return None
        end = position_before(found.file, found.file.size, 0)
        return self._archive.still_holds(found._replace(start=end or START))

    async def after(self, followed: Followed, file: File | None) -> FoundFile:
        """The file that follows what was `followed`, once there is one.

        file: what holds that generation, if it is at hand.

        The log itself is noticed at the next look at its path.
        """
        looked = -float("inf")
        while True:
            if self._path.is_readable() or time.monotonic() - looked > LOOK:
                looked = time.monotonic()
                if found := await self._following(followed, file):
                    return found
            self._pulse()
            await asyncio.sleep(POLL)

    async def has_missed(self, followed: Followed, file: File) -> bool:
        """Whether a file came and was rotated away before anything was taken of this one.

        Of one that has no name any more that cannot be told, unless that is a copy of what it held
        before it was truncated; what it holds is not lost yet.
        """
        found = await self._following(followed, None)
        if found is None or found.file.identity == file.identity:
            return False
        is_deleted = file.is_deleted  # by now: it may go during the look
        run = self._threads.follower.run
        return not is_deleted or await run(followed.was_moved_to, found.file)

    async def recovered(self, followed: Followed, file: File) -> tuple[Recovery, FoundFile | None]:
        """Where to go on after `file`, which was followed, was truncated or written anew."""
        position = followed.position
        found = await self._following(followed, None)
        if found is None:
            return Recovery.LATER, None
        is_same = found.file.identity == file.identity
        if position == START:
            is_deleted = file.is_deleted
            if is_deleted and not await self._call(followed.was_moved_to, found.file):
                anew = await self._call(followed.found_anew, file)
                return (Recovery.AT_START, anew) if anew else (Recovery.AGAIN, None)
            if is_same:
                is_anew = await self._call(followed.found_anew, file)
                return Recovery.AT_START if is_anew else Recovery.UNREAD, found
        equal, end, why = NOT_EQUAL
        if (is_same or file.is_deleted) and not found.has_copy:
            equal, end, why = await self._call(_equal, followed, file)
        recovery = recover(
            Found(
                copy_holds_end=found.start == position != START,
                size=min(file.size, followed.left or file.size),
                equal=equal if end != START else 0,
                moved_to=found.start.offset or None,
            )
        )
        if recovery is Recovery.AT_EQUAL:
            found = found if is_same else FoundFile(file, end, followed.trace or found.trace)
            found = found._replace(start=end, why=found.why or why)
        return recovery, found

    async def _following(self, followed: Followed, file: File | None) -> FoundFile | None:
        return await self._call(self._look, followed, file)

    def _look(self, followed: Followed, file: File | None) -> FoundFile | None:
        end, context = followed.position, followed.context()
        return self._succession.following(file, end, followed.trace, context, followed.checkpoints)

    async def _call(self, function: Callable[..., _Result], *args: object) -> _Result:
        return await self._threads.patiently(self._threads.follower.run, function, *args)


def _equal(followed: Followed, file: File) -> tuple[int, Position, str]:
    """How many bytes at the start of the file stand where they stood, where the last line of these
    ends, and why it cannot be told that all of them do. The rest may be the beginning of a new
    line, alike by chance.
    """
    equal = followed.checkpoints.equal(file, followed.left)
    why = UNKNOWN_CUT if equal >= followed.taken else ""
    equal = min(equal, followed.taken)
    return equal, position_before(file, equal, 0) or START, why
