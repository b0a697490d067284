"""Threads for what waits for a disk: follower, readers and searches never wait for each other."""

import asyncio
import errno
import logging
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

BUSY = 0.1
"""Seconds until something is tried again while rotations come one after the other."""

SHORT = 1.0
"""Seconds until it is tried again while the machine is short of descriptors or disk space."""

_log = logging.getLogger(__name__)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Threads:
    """Pools of threads, each with a queue of its own."""

    def __init__(self, readers: int = 4, searchers: int = 2) -> None:
        self.follower = ThreadPoolExecutor(1, "follow")
        """For whoever follows the log."""
        self.readers = ThreadPoolExecutor(readers, "read")
        """For clients that read back."""
        self.counters = ThreadPoolExecutor(1, "count")
        """For going back many lines, which is work for the processor: more threads hold up the
        event loop longer."""
        self.searchers = ThreadPoolExecutor(searchers, "search")
        """For what looks at all files and unpacks one of them at the most."""
        self.unpackers = ThreadPoolExecutor(searchers, "unpack")
        """For searches in compressed files."""
        self.guessers = ThreadPoolExecutor(1, "guess")
        """For positions that no file holds as they were. Crowds of clients may ask for such."""
        self._all = (
            self.follower,
            self.readers,
            self.counters,
            self.searchers,
            self.unpackers,
            self.guessers,
        )

    def stop(self) -> None:
        """Give up what has not begun, so that the process can end at once."""
        for pool in self._all:
            pool.shutdown(wait=False, cancel_futures=True)


async def run_in(
    pool: Executor,
    function: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """Call `function` in a thread of `pool`, again and again while the machine is short.

    That is while rotations come one after the other (EAGAIN), or descriptors or disk space are
    used up. Raises what else the function raises.
    """
    call = partial(function, *args, **kwargs)
    while True:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, call)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                await asyncio.sleep(BUSY)
            elif error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOSPC):
                _log.warning("trying again in a moment: %s", error)
                await asyncio.sleep(SHORT)
            else:
                raise
