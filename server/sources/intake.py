"""A thread that reads pipes in large blocks, and hands what has come to whoever writes it.

It is a thread since both ends may wait: a pipe for its writer, and a file for its disk.
"""

import asyncio
import fcntl
import logging
import os
import select
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Protocol

from server.sources.whole_lines import LONGEST

BLOCK = 256 * 1024
"""Bytes that are read at once: as fast as larger ones, and in the processor's caches."""

PIPE = 1024 * 1024
"""Bytes that a pipe holds, where the system allows it: less waiting for each other."""

AGAIN = 1.0
"""Seconds until what could not be written is tried again."""

LAST = 8
"""Blocks that are read at the most from each pipe once the thread is told to stop."""

PATIENCE = 5.0
"""Seconds in which a thread that was told to stop has to end: a disk may hang for ever."""

assert BLOCK <= LONGEST

Take = Callable[[bytes], None]
"""Takes what has come; nothing at all at the end."""

_log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where things are written in the end."""

    @property
    def is_settled(self) -> bool: ...

    def settle(self) -> bool:
        """Write what could not be written; say whether all is written."""


class Intake:
    """Reads `inputs`, descriptors that stay the caller's, until all have ended.

    Then it goes on trying to write what could not be written.

    With `waits`, nothing more is read while `sink` cannot write what it has.
    """

    def __init__(
        self, name: str, inputs: Mapping[int, Take], sink: Sink, *, waits: bool = False
    ) -> None:
        self._inputs = dict(inputs)
        self._sink = sink
        self._waits = waits
        self._poll, self._waking = select.poll(), select.poll()
        self._awake, self._wake = os.pipe()
        self._is_stopping = False
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        for descriptor in inputs:
            _enlarge(descriptor)
        self._thread = threading.Thread(target=self._run, name=f"read {name}", daemon=True)
        self._thread.start()

    async def wait(self) -> None:
        """Wait until all have ended and all is written. Raises what has gone wrong."""
        await asyncio.shield(self._ended)

    async def stop(self) -> None:
        """Take what has come already, and read no more."""
        self._is_stopping = True
        with suppress(OSError):
            os.write(self._wake, b"x")
        done, _ = await asyncio.wait({self._ended}, timeout=PATIENCE)
        if not done:
            self._inputs.clear()  # its descriptors will be closed, and their numbers used again
            _log.error("%s hangs, and is left behind", self._thread.name)

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._read()
        except Exception as why:
            error = why
        with suppress(RuntimeError):  # the loop is gone where this thread was left behind
            self._loop.call_soon_threadsafe(self._end, error)

    def _end(self, error: Exception | None) -> None:
        os.close(self._awake)
        os.close(self._wake)
        if self._ended.done():
            return
        if error:
            self._ended.set_exception(error)
            self._ended.exception()  # looked at: nobody may be waiting any more
        else:
            self._ended.set_result(None)

    def _read(self) -> None:
        for poll in (self._poll, self._waking):
            poll.register(self._awake, select.POLLIN)
        for descriptor in self._inputs:
            self._poll.register(descriptor, select.POLLIN)
        while not self._is_stopping and (self._inputs or not self._sink.is_settled):
            if self._sink.is_settled:
                self._take_ready(self._poll.poll())
            elif self._waits:
                self._waking.poll(1000 * AGAIN)
                self._sink.settle()
            else:
                self._take_ready(self._poll.poll(1000 * AGAIN))
                self._sink.settle()
        for _ in range(LAST):
            if self._inputs and (self._sink.is_settled or not self._waits):
                self._take_ready(self._poll.poll(0))
        for take in self._inputs.values():
            take(b"")

    def _take_ready(self, ready: list[tuple[int, int]]) -> None:
        for descriptor, _ in ready:
            if descriptor not in self._inputs:
                continue
            try:
                data = os.read(descriptor, BLOCK)
            except BlockingIOError:
                continue
            except OSError:
                data = b""  # a terminal that is gone
            self._inputs[descriptor](data)
            if not data:
                self._poll.unregister(descriptor)
                del self._inputs[descriptor]


def _enlarge(descriptor: int) -> None:
    size = getattr(fcntl, "F_SETPIPE_SZ", None)
    if size:
        with suppress(OSError):
            fcntl.fcntl(descriptor, size, PIPE)
