"""One log through all its generations: followed as it grows, and read back.

The follower reads the youngest generation as it grows and hands on what is certain to be
the log's; readers of older positions read the files themselves, wherever rotation has put
them.
"""

import asyncio
import errno
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import sh

from server.errors import StartError
from server.logs.archive import (
    QUIET_WRITER,
    SHARED,
    Archive,
    Past,
    Step,
    ends,
    last_line_end,
    lines_before,
    may_grow,
)
from server.logs.files import File, Identity, PackedFile
from server.logs.generation import Block, Cursor, Generation, gap, link
from server.logs.lines import LineEncoder
from server.logs.position import CONTEXT, HEAD, START, Position
from server.logs.tail import Tail

POLL = 0.1
"""Seconds between two looks at whether the log's path is still the file that is read."""

LOOK = 1.0
"""Seconds between two looks, while the log is empty, for a file that came and went before it."""

STALLED = 1.0
"""Seconds that tail may leave written bytes unread before another one is started."""

RESTART = 0.5
"""Least seconds between two starts of tail; meanwhile the file is read without it."""

QUIET = 2.0
"""Seconds without a write that finish a rotated file whose writers can't be found out."""

IDLE = 60.0
"""Seconds that an older file stays open after it was last read."""

_READ_SIZE = 128 * 1024
_BACK_SIZE = 128 * 1024
_SEARCHERS = 2
_MANY_LINES = 1000
_OPEN_FILES = 16
_REMEMBERED = 1000

_log = logging.getLogger(__name__)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class LogFile:
    """The log at `path`, its lines clipped to `max_line` bytes.

    Raises StartError if `path` is there and cannot be followed.
    """

    def __init__(self, path: Path, tail: sh.Command, max_line: int) -> None:
        self.path = Path(os.path.abspath(path))
        self.max_line = max_line
        self._archive = Archive(self.path)
        self._searchers = ThreadPoolExecutor(_SEARCHERS, "search")
        self._tail_command = tail
        self._generation = Generation(0)
        self._file: File | None = None
        self._encoder = LineEncoder(START, b"", max_line)
        self._head = b""  # the first HEAD bytes of the generation, as far as they are taken
        self._older: set[Position] = set()  # where the files before this one end
        self._known: OrderedDict[tuple[Identity, Position], Generation] = OrderedDict()
        self._readers: OrderedDict[Generation, tuple[File, float]] = OrderedDict()
        self.rotations = self.truncations = self.gaps = self.tail_restarts = 0
        """How often it was rotated and truncated, lines were gone, and tail had to be replaced."""
        self.is_tailed = False
        """Whether tail is running: it is not while an older file is read, or there is none."""
        self._check()

    def _check(self) -> None:
        try:
            File.open(self._archive.target())
        except FileNotFoundError:
            if not os.path.isdir(self.path.parent):
                raise StartError(
                    f"{self.path}: its directory does not exist: create {self.path.parent}"
                ) from None
        except OSError as error:
            if os.path.isdir(self.path):
                problem = "is a directory: name a log file in it"
            elif error.errno in (errno.EINVAL, errno.ENXIO):
                problem = "is not a regular file: name a file that a program appends to"
            elif error.errno == errno.EACCES:
                problem = "cannot be read: give this user read permission, also to its directory"
            else:
                problem = f"cannot be opened ({error.strerror}): name a log file"
            raise StartError(f"{self.path} {problem}") from None

    @property
    def end(self) -> Cursor:
        """Where the last line that was read ends: the live end of the log."""
        return Cursor(self._generation, self._encoder.position)

    # --- places in the log ------------------------------------------------------

    async def _search(
        self,
        function: Callable[_Arguments, _Result],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        """Call `function` for a client, when it is its turn.

        Anyone may ask for what is nowhere, in crowds, and each such search reads all the
        log's files. They have threads of their own, so that nobody else waits for them.
        """
        return await _patiently(self._searchers, function, *args, **kwargs)

    async def oldest(self) -> Cursor:
        """The start of the oldest generation that is on disk."""
        while True:
            generation, followed = self._generation, self._file
            file = await self._search(self._archive.oldest, followed)
            if file and not self._may_still_grow(file):
                return Cursor(self._adopt(file), START)
            if file:
                await asyncio.sleep(POLL)  # until the follower has read it
            elif followed is self._file:  # and not the next one by now
                return Cursor(generation, START)

    async def back(self, lines: int) -> Cursor:
        """The place `lines` lines before the live end, at the most the generation's start."""
        generation, end = self.end
        file = self._file
        if file is None or lines == 0:
            return self.end
        threads = self._searchers if lines > _MANY_LINES else None
        start = await _patiently(threads, lines_before, file, end.offset, lines)
        position = file.position(start)
        return Cursor(generation, position) if position else self.end

    async def id_of(self, cursor: Cursor) -> str:
        """The id from which a client that comes back goes on at `cursor`.

        Nothing stands before the start of a file that could tell it from another's: it
        is named by the end of the file before it, if there is one.
        """
        if cursor.position != START:
            return str(cursor.position)
        while (
            cursor.generation is self._generation
            and self._file
            and not self._is_unchanged(self._file)
        ):
            await asyncio.sleep(POLL)  # until the follower has found out where that is now
        followed = self._file if cursor.generation is self._generation else None
        end = cursor.generation.end or START
        return str(await self._search(self._archive.end_before, end, followed) or START)

    async def find(self, position: Position) -> Cursor | None:
        """The place that `position` names, None if no file of the log holds it any more."""
        if position == START:
            return await self.oldest()
        while True:
            if position.offset > SHARED and self._file and self._file.holds(position):
                return Cursor(self._generation, position)
            file = await self._search(self._archive.search, position)
            if file is None:
                break
            if self._is_followed(file) or not await self._is_ahead(file):
                return Cursor(self._adopt(file), position)
            await asyncio.sleep(POLL)  # until the follower is there
        if self._file and self._file.holds(position):
            return Cursor(self._generation, position)  # it has no name any more
        for (_, end), known in self._known.items():
            if end == position:
                return Cursor(known, position)
        copy = await self._search(self._archive.search_copy, position)
        if copy:
            generation = self._adopt(copy)
            end = generation.end or START
            return Cursor(generation, min(position, end, key=lambda place: place.offset))
        return None

    def _is_followed(self, file: File) -> bool:
        return self._file is not None and file.identity == self._file.identity

    async def _is_ahead(self, file: File) -> bool:
        """Whether the follower has yet to come to `file`, which may still be written to."""
        if file.path == self._archive.target() or self._file is None:
            return True
        if self._may_still_grow(file):
            return True
        return await self._search(self._archive.is_older, self._file, file)

    def _may_still_grow(self, file: File) -> bool:
        """Whether an older file is still written to, and the follower did not give up on it."""
        followed = {identity for (identity, _), one in self._known.items() if one.number >= 0}
        return may_grow(file) and file.identity not in followed

    async def describe(self) -> dict[str, object]:
        """What this log is: its name, size in bytes, number of files, and where it ends."""
        files = await self._search(self._archive.files)
        return {
            "name": self.path.name,
            "size": self.size or 0,
            "generations": len(files),
            "start": str(START),
            "end": str(self.end.position),
        }

    @property
    def taken(self) -> int:
        """Offset up to which the file is read, also within a line that has no newline yet."""
        return self._encoder.taken

    @property
    def unread(self) -> int:
        """Bytes of the file that is being followed which the follower has yet to read."""
        return max(0, (self.size or 0) - self._encoder.taken)

    @property
    def size(self) -> int | None:
        """Bytes of the file that is being followed; None if there is none."""
        return self._file.size if self._file else None

    async def read_raw(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The very bytes of that file from `start` to `end`, fewer if it was truncated."""
        file = self._file
        while file and start < end:
            data = await asyncio.to_thread(file.read, start, min(_READ_SIZE, end - start))
            if not data:
                return
            start += len(data)
            yield data

    # --- reading back -----------------------------------------------------------

    async def read(self, cursor: Cursor) -> Block:
        """What follows `cursor`, from disk.

        Where the generation is no longer on disk, that is a `gap` event, and the place after
        it the start of the next generation.
        """
        generation, position = cursor
        while True:
            end = generation.end or self.end.position
            if position.offset >= end.offset:
                return await self._turn(generation)
            file = self._open_file(generation)
            if file:
                followed = self._is_followed(file)
                stop = min(end.offset, file.size)
                block = await self._encode(file, cursor, stop)
                # What was read stood there before this check, so it is the log's. A copy
                # that is shorter than what it was made of does not change any more.
                shorter = not followed and file.size < end.offset
                if block.frames and file.holds(position) and (shorter or file.holds(end)):
                    return block
                self._readers.pop(generation, None)
            file = await self._search(self._archive.search, end, file)
            file = file or await self._search(self._archive.search_copy, end)
            if file is None or position.offset >= file.size or not file.holds(position):
                return await self._gap(cursor)
            if not self._is_followed(file):
                self._keep(generation, file)

    async def _encode(self, file: File, cursor: Cursor, end: int) -> Block:
        start = cursor.position
        before = file.read(max(0, start.offset - CONTEXT), min(start.offset, CONTEXT))
        encoder = LineEncoder(start, before, self.max_line)
        frames = b""
        while not frames and encoder.taken < end:
            length = min(_to_boundary(encoder.taken), end - encoder.taken)
            data = file.read_cached(encoder.taken, length)
            if data is None:
                data = await asyncio.to_thread(file.read, encoder.taken, length)
            if not data:
                break
            frames = encoder.feed(data)
        if encoder.taken == end:
            frames += encoder.finish()
        return Block(cursor, frames, Cursor(cursor.generation, encoder.position), encoder.events)

    async def _turn(self, generation: Generation) -> Block:
        """The step from the end of a finished generation to the next one."""
        while generation.turn is None:
            assert generation.end is not None
            file = self._open_file(generation)
            step = await self._search(self._archive.next, file, generation.end, None)
            following = await self._cursor_after(generation.end, step)
            if generation.turn is None and following:
                link(generation, following, "rotated")
            elif not following:
                await asyncio.sleep(POLL)  # until the follower is up to date
        return generation.turn

    async def _cursor_after(self, end: Position, step: Step | None) -> Cursor | None:
        """The place after a generation that ends at `end`; None if it can't be told yet."""
        if self._file is None or not self._is_unchanged(self._file):
            return None
        if step and self._is_followed(step.file):
            if step.start == START and not self._encoder.taken and end not in self._older:
                return None
            return Cursor(self._generation, step.start)
        if step and not await self._is_ahead(step.file):
            return Cursor(self._adopt(step.file), step.start)
        if self._file.is_deleted and end in self._older:
            return Cursor(self._generation, START)
        return None

    async def _gap(self, cursor: Cursor) -> Block:
        generation, position = cursor
        while generation is self._generation:
            await asyncio.sleep(POLL)  # until the follower has found out
        self.gaps += 1
        following = generation.turn.after if generation.turn else await self.oldest()
        lost = generation.end.offset - position.offset if generation.end else None
        id = await self.id_of(following)
        return Block(cursor, gap(str(position), id, "no longer on disk", lost), following, 1)

    def _adopt(self, file: File) -> Generation:
        """The generation that an older file holds, whether known before or not."""
        if self._is_followed(file):
            return self._generation
        end = file.position(file.size) or START
        generation = self._known_as(file, end) or Generation(-1, end)
        self._remember(generation, file)
        if generation not in self._readers:
            self._keep(generation, file)
        return generation

    def _known_as(self, file: File, end: Position) -> Generation | None:
        """The generation that `file`, which ends at `end`, holds, or held before it was copied.

        One that was followed comes first: what came after it is known, gone or not.
        """
        followed = {known for known in self._known.values() if known.number >= 0}
        equal = [known for known in followed if known.end == end]
        copied = [
            known
            for known in followed
            if known.past and known.end and known.past.is_copy(file, known.end)
        ]
        for found in (equal, copied):
            if len(found) == 1:
                return found[0]
        return self._known.get((file.identity, end))

    def _remember(self, generation: Generation, file: File) -> None:
        assert generation.end is not None
        self._known[file.identity, generation.end] = generation
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _open_file(self, generation: Generation) -> File | None:
        if generation is self._generation:
            return self._file
        if generation not in self._readers:
            return None
        file, _ = self._readers[generation]
        self._keep(generation, file)
        return file

    def _keep(self, generation: Generation, file: File) -> None:
        """Keep an older file open for those who read it back."""
        self._readers[generation] = (file, time.monotonic())
        self._readers.move_to_end(generation)
        if len(self._readers) > _OPEN_FILES:
            self._readers.popitem(last=False)

    def _drop_idle(self) -> None:
        """Close older files that nobody reads, so that what is deleted frees its disk space."""
        self._archive.drop_idle(IDLE)
        while self._readers:
            generation, (_, used) = next(iter(self._readers.items()))
            if time.monotonic() - used < IDLE:
                break
            del self._readers[generation]

    def close(self) -> None:
        """Give up all searches, so that the process can end at once."""
        self._archive.stop()
        self._searchers.shutdown(wait=False, cancel_futures=True)

    # --- following --------------------------------------------------------------

    async def open(self) -> None:
        """Find the log and its live end. What comes after it is what `follow` hands on."""
        file = await _patiently(None, self._open_youngest)
        if file is None:
            _log.warning("%s does not exist yet: waiting for it", self.path)
        else:
            self._read_from(file, await asyncio.to_thread(last_line_end, file))

    def _open_youngest(self) -> File | None:
        """The file to follow: the log's, or the oldest one that is still being written."""
        files = self._archive.files()
        if not files:
            return None
        written = [
            index
            for index, file in enumerate(files)
            if not isinstance(file, PackedFile) and may_grow(file)
        ]
        live = len(files) - (files[-1].path == self._archive.target())
        youngest = min(written, default=live)
        self._older = ends(files[:youngest])
        return files[youngest] if youngest < len(files) else None

    def _read_from(self, file: File, position: Position) -> None:
        """Go on at `position` of `file`."""
        offset = position.offset
        before = file.read(max(0, offset - CONTEXT), min(offset, CONTEXT))
        self._file = file
        self._head = file.read(0, min(offset, HEAD))
        self._encoder = LineEncoder(position, before, self.max_line)

    async def follow(self, publish: Callable[[Block], None]) -> None:
        """Read the log as it grows, for ever, and publish each block as soon as it is certain.

        A block is certain when the bytes that tail handed over stand in the file where
        they should, and what stood before them still does.
        """
        while True:
            if self._file is None:
                self._file = await self._wait_for_file()
            if await self._read_to_end(self._file, publish):
                self._publish(publish, self._encoder.finish)
                await self._begin_next(self._file, publish)
            else:
                await self._recover(publish)

    async def _wait_for_file(self) -> File:
        """The first file of a log that did not exist."""
        past = Past(self._older, b"")
        while (step := await _patiently(None, self._archive.next, None, START, past)) is None:
            await asyncio.sleep(POLL)
        self._older = step.older
        return step.file

    async def _read_to_end(self, file: File, publish: Callable[[Block], None]) -> bool:
        """Read on until the generation is finished (True) or is not what it was (False)."""
        tail: Tail | None = None
        started, looked, read_last = -float("inf"), -float("inf"), time.monotonic()
        try:
            while True:
                now = time.monotonic()
                live = self._is_live(file)
                file.was_live |= live
                if live and tail is None and now - started >= RESTART:
                    self.tail_restarts += started > 0
                    tail, started = self._start_tail(), now
                    read_last = now
                self.is_tailed = tail is not None
                if tail and live:
                    data = await tail.read(POLL)
                else:
                    data = file.read(self._encoder.taken, _READ_SIZE)
                    await asyncio.sleep(0 if data else POLL)
                if live and not self._encoder.taken and (data or now - looked > LOOK):
                    looked = now
                    if await self._has_missed(file):
                        return False
                self._drop_idle()
                if data:
                    read_last = time.monotonic()
                    if self._take(file, data, publish):
                        continue
                if not self._is_unchanged(file):
                    return False
                quiet = time.monotonic() - read_last
                stalled = quiet > STALLED and file.size > self._encoder.taken
                if tail and (data is None or data or not live or stalled):
                    # it was ended, reads another file, is not wanted or does not go on
                    await tail.stop()
                    tail = None
                if not live and not data and self._is_finished(file, quiet):
                    return True
        finally:
            self.is_tailed = False
            if tail:
                await tail.stop()

    async def _has_missed(self, file: File) -> bool:
        """Whether a file came and was rotated away before anything was taken of this one."""
        past = Past(self._older, b"")
        step = await _patiently(None, self._archive.next, None, START, past)
        return step is not None and not step.file.is_same(file)

    def _start_tail(self) -> Tail | None:
        """A tail from where the log is read; None if the machine is short of something."""
        try:
            tail = Tail(self._tail_command, self.path, self._encoder.taken)
        except OSError as error:
            _log.warning("reading %s without tail for now: %s", self.path, error)
            return None
        return tail

    def _is_live(self, file: File) -> bool:
        """Whether the log's path names the file that is being read."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == file.identity

    def _take(self, file: File, data: bytes, publish: Callable[[Block], None]) -> bool:
        """Publish the lines that `data` completes, unless the file says otherwise."""
        if file.read(self._encoder.taken, len(data)) != data or not self._is_unchanged(file):
            return False
        self._head += data[: HEAD - len(self._head)]
        self._publish(publish, lambda: self._encoder.feed(data))
        return True

    def _publish(self, publish: Callable[[Block], None], encode: Callable[[], bytes]) -> None:
        """Publish the frames that `encode` makes of what the encoder has, if there are any."""
        before, events = self.end, self._encoder.events
        frames = encode()
        if frames:
            publish(Block(before, frames, self.end, self._encoder.events - events))

    def _is_unchanged(self, file: File) -> bool:
        """Whether all that was taken from the file still stands there."""
        position, unfinished = self._encoder.position, self._encoder.unfinished
        return (
            file.size >= self._encoder.taken
            and file.holds(position)
            and (not unfinished or file.read(position.offset, len(unfinished)) == unfinished)
        )

    def _is_finished(self, file: File, quiet: float) -> bool:
        """Whether another file has taken the log's path and nothing more comes to this one."""
        try:
            if File.open(self._archive.target()).is_same(file):
                return False
        except OSError:
            return False
        writer = file.has_writer()
        if writer is not False and quiet < (QUIET_WRITER if writer else QUIET):
            return False
        if file.size > self._encoder.taken:
            return False
        if writer:
            _log.warning("%s was rotated, but its writer keeps the old file open", self.path)
        return True

    async def _recover(self, publish: Callable[[Block], None]) -> None:
        """Go on after the file being read was truncated or written anew."""
        position = self._encoder.position
        past = Past(self._older, self._head)
        step = await _patiently(None, self._archive.next, None, position, past)
        if step and step.start == position != START:
            self._read_from(step.file, position)  # a copy of it, which is whole
        else:
            await self._begin_next(None, publish)

    async def _begin_next(self, file: File | None, publish: Callable[[Block], None]) -> None:
        """Finish this generation, which `file` holds if it is still there, and begin the next."""
        assert self._file is not None
        finished, end = self.end
        past = Past(self._older, self._head)
        while (step := await _patiently(None, self._archive.next, file, end, past)) is None:
            await asyncio.sleep(POLL)
        is_truncated = self._is_followed(step.file)
        self.truncations += is_truncated
        self.rotations += not is_truncated
        finished.end = end
        self._remember(finished, self._file)
        if file:
            self._keep(finished, file)
        else:
            finished.past = past
        self._older = step.older | {end}
        self._generation = Generation(finished.number + 1)
        self._read_from(step.file, step.start)
        publish(link(finished, self.end, "truncated" if is_truncated else "rotated"))


def _to_boundary(offset: int) -> int:
    """How many bytes to read at `offset`, so that readers who began apart soon read the same."""
    length = _BACK_SIZE - offset % _BACK_SIZE
    return length if length >= _BACK_SIZE // 2 else length + _BACK_SIZE


async def _patiently(
    threads: Executor | None,
    function: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Call `function` in a thread, again and again while the machine is short of something.

    `threads` are whose turn it is: the readers', or None for any.
    """
    call = partial(function, *args, **kwargs)
    while True:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, call)
        except OSError as error:
            if error.errno == errno.EAGAIN:  # rotations come one after the other
                await asyncio.sleep(POLL)
            elif error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOSPC):
                _log.warning("trying again in a moment: %s", error)
                await asyncio.sleep(STALLED)
            else:
                raise
