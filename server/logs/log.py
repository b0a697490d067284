"""One log through all its generations: followed as it grows, and read back."""

import asyncio
import errno
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from zlib import crc32

import sh

from server.errors import StartError
from server.logs.archive import Archive
from server.logs.files import File
from server.logs.finder import Finder
from server.logs.follower import Follower, Publish
from server.logs.generation import Generation, LogBatch, Place
from server.logs.generations import Generations
from server.logs.history import PIECE, History, Seek
from server.logs.layout import Layout, layout_of
from server.logs.moments import Moments
from server.logs.places import Places
from server.logs.position import HEAD, START
from server.logs.search import Search
from server.logs.sweep import Sweep
from server.logs.tailing import TailLimit
from server.logs.threads import Threads
from server.logs.trouble import CannotReadError
from server.supervision import supervise

MAX_UNPACK = 4 * 1024**3
"""Bytes of what a compressed file holds that are unpacked, at the most."""

MOST_STEPS = 100
"""Files that are gone through to say how much of a log follows a place."""

IDLE_LOOK = 5.0
"""Seconds between two looks for files that nobody reads any more."""


class Log:
    """A log whose files are laid out like that, or which is at that path.

    Its lines are clipped to `max_line` bytes. It works in `threads`, which several logs may share.
    Raises StartError if it is there and cannot be followed.
    """

    def __init__(
        self,
        where: Path | Layout,
        tail: sh.Command,
        max_line: int,
        max_unpack: int = MAX_UNPACK,
        name: str = "",
        threads: Threads | None = None,
        tails: TailLimit | None = None,
        sweep: Sweep | None = None,
    ) -> None:
        layout = layout_of(_absolute(where) if isinstance(where, Path) else where)
        self.path = layout.path
        self.name = name or self.path.name
        """What the log is called in addresses."""
        self._owns_threads = threads is None
        self.threads = threads or Threads()
        self._archive = Archive(layout, max_unpack)
        check(layout)
        self._generations = Generations()
        self.follower = Follower(
            self._archive, tail, max_line, self.threads, self._remember, tails, sweep
        )
        finder = Finder(Search(self._archive), self.threads)
        generations = self._generations
        self.places = Places(self._archive, finder, self.follower, generations, self.threads)
        self.history = History(
            self._archive, finder, self.follower, generations, self.places, max_line, self.threads
        )

        self.moments = Moments(self.history, self.follower, self.places, self.threads)

    def _remember(self, finished: Generation, file: File, holds_it: bool) -> None:
        self._generations.remember(finished, file)
        if holds_it:
            self._generations.keep(finished, file)

    @property
    def end(self) -> Place:
        """Where the last line that was read ends: the live end of the log."""
        return self.follower.end

    @property
    def gaps(self) -> int:
        """How often it was told that lines are gone."""
        return self.follower.gaps + self.history.gaps

    @property
    def file(self) -> File | None:
        """The file that is followed now. Its bytes are its own, whatever takes its name."""
        return self.follower.file

    @property
    def size(self) -> int | None:
        """Bytes of the file that is being followed; None if there is none, or it cannot be read."""
        try:
            return self.file.size if self.file else None
        except CannotReadError:
            return None

    @property
    def unread(self) -> int:
        """Bytes of that file which the follower has yet to read."""
        return max(0, (self.size or 0) - self.follower.taken)

    @property
    def problem(self) -> str:
        """Why the log cannot be read now, in words that follow its name; empty if it can."""
        return self.follower.problem

    async def open(self) -> None:
        """Find the log and its live end. What comes after it is what `follow` hands on."""
        await self.follower.open()

    def close(self) -> None:
        """Give up all searches, so that the process can end at once."""
        self.places.stop()
        self._archive.stop()
        if self._owns_threads:
            self.threads.stop()

    async def follow(self, publish: Publish) -> None:
        """Read the log as it grows, for ever, and publish what is new."""
        name = "the closing of files that nobody reads"
        dropping = asyncio.create_task(supervise(name, self._drop_idle))
        try:
            await self.follower.run(publish)
        finally:
            dropping.cancel()

    async def read(self, place: Place, seek: Seek | None = None) -> LogBatch:
        """What follows `place`, from disk: see `History.read`."""
        return await self.history.read(place, seek)

    def lag(self, place: Place) -> int:
        """Bytes of the log that follow `place`, as far as the files are known that follow it."""
        live, end = self.end
        lag = 0
        for _ in range(MOST_STEPS):
            generation, position = place
            if generation is live:
                return lag + max(0, end.offset - position.offset)
            lag += max(1, (generation.end or end).offset - position.offset)
            if generation.next is None:
                break
            place = generation.next.end
        return lag

    async def read_now(self, place: Place, seek: Seek | None = None) -> LogBatch:
        """The same. Raises CannotReadError if the log cannot be read now."""
        return await self.history.read_now(place, seek)

    async def _drop_idle(self) -> None:
        """Close older files that nobody reads, so that what is deleted frees its disk space."""
        while True:
            await asyncio.sleep(IDLE_LOOK)
            self._archive.drop_idle()
            self._generations.drop_idle()

    async def describe(self) -> dict[str, object]:
        """Describe the log: its name, its size in bytes, the number of its files, where it ends,
        and the seconds since the last line came.

        The number is None while the log's directory cannot be read.
        """
        generations, problem = None, self.problem
        try:
            generations = await self.threads.searchers.run(self._archive.count)
        except CannotReadError as error:
            problem = problem or f"cannot be read: {error.why}"
        return {
            "name": self.name,
            "size": self.size or 0,
            "generations": generations,
            "start": str(START),
            "end": str(self.end.position),
            "quiet": int(self.follower.quiet),
            **({"problem": problem} if problem else {}),
        }

    async def raw(self) -> "RawLog | None":
        """The file that is followed now, None if there is none. Raises CannotReadError."""
        file = self.file
        return await self.threads.readers.run(RawLog, file, self.threads) if file else None


class RawLog:
    """A log's file as it is: it stays this one, whatever takes its name.

    To make one reads the file, and so belongs in a thread. Raises CannotReadError.
    """

    def __init__(self, file: File, threads: Threads) -> None:
        self._file = file
        self._threads = threads
        head = crc32(file.read(0, HEAD))
        self.version = "{:x}-{:x}-{:x}".format(*file.identity, head)
        """Tells it from other files, and from itself before it was truncated."""
        self.size = file.size
        """Bytes it had when it was asked for."""

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to `end`, fewer if it was truncated. Raises CannotReadError."""
        while start < end:
            length = min(PIECE, end - start)
            data = await self._threads.readers.run(self._file.read, start, length)
            if not data:
                return
            start += len(data)
            yield data


def _absolute(path: Path) -> Path:
    """Raises StartError if `path` is relative to a directory that is gone."""
    try:
        return Path(os.path.abspath(path))
    except OSError as error:
        raise StartError(
            f"{path}: the working directory cannot be found ({error.strerror}): "
            "change to one that exists, or give the whole path of the log"
        ) from None


def check(layout: Layout) -> None:
    """Raise StartError if the log that is laid out like that cannot be followed."""
    path = layout.path
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):  # also one that has no name: /dev/stdin
            raise StartError(
                f"{path} is not a regular file but a pipe: name a file that a program appends to"
            )
    except (OSError, ValueError):
        pass  # the next lines say why
    try:
        file = File.open(layout.target())
    except FileNotFoundError:
        if not os.path.isdir(path.parent):
            raise StartError(
                f"{path}: its directory does not exist: create {path.parent}"
            ) from None
    except OSError as error:
        if os.path.isdir(path):
            problem = "is a directory: name a log file in it"
        elif error.errno in (errno.EINVAL, errno.ENXIO):
            problem = "is not a regular file: name a file that a program appends to"
        elif error.errno == errno.EACCES:
            problem = "cannot be read: give this user read permission, also to its directory"
        else:
            problem = f"cannot be opened ({error.strerror}): name a log file"
        raise StartError(f"{path} {problem}") from None
    except ValueError:
        raise StartError(f"{path} is not a path: name a log file") from None
    else:
        _try_to_read(path, file)


def _try_to_read(path: Path, file: File) -> None:
    """Raise StartError if the file can be opened only, as some of /proc can."""
    try:
        file.read(0, 1)
    except CannotReadError as error:
        raise StartError(f"{path} cannot be read ({error.why}): name a log file") from None
