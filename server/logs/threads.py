"""Threads for what waits for a disk: follower, readers and searches never wait for each other."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from server.logs.trouble import PASSING, SHORT, CannotReadError

SAID_FOR = 60.0
"""Seconds for which a problem that is tried again is not said again in the server's log."""

_log = logging.getLogger(__name__)

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Pool(ThreadPoolExecutor):
    """Threads with a queue of their own; `say` is told what has to be tried again."""

    def __init__(self, threads: int, name: str, say: Callable[[str], None]) -> None:
        super().__init__(threads, name)
        self._say = say

    async def run(
        self,
        function: Callable[_Arguments, _Result],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        """Call `function` in a thread, again and again while an error is one that passes.

        Raises what else the function raises.
        """
        call = partial(function, *args, **kwargs)
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self, call)
            except OSError as error:
                pause = PASSING.get(error.errno or 0)
                if pause is None:
                    raise
                if pause >= SHORT:
                    self._say(str(error))
                await asyncio.sleep(pause)


class Threads:
    """The pools of threads of one log, or of several that share them."""

    def __init__(self, readers: int = 4, searchers: int = 2, followers: int = 1) -> None:
        self._said: dict[str, float] = {}
        self.follower = Pool(followers, "follow", self.say)
        """For whoever follows a log."""
        self.readers = Pool(readers, "read", self.say)
        """For clients that read back."""
        self.counters = Pool(1, "count", self.say)
        """For going back many lines, which is work for the processor: more threads hold up the
        event loop longer."""
        self.searchers = Pool(searchers, "search", self.say)
        """For what looks at all files and unpacks one of them at the most."""
        self.unpackers = Pool(searchers, "unpack", self.say)
        """For searches in compressed files."""
        self.guessers = Pool(1, "guess", self.say)
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

    async def patiently(
        self,
        function: Callable[_Arguments, Awaitable[_Result]],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> _Result:
        """What `function` gives, called again and again while the log itself cannot be read."""
        while True:
            try:
                return await function(*args, **kwargs)
            except CannotReadError as error:
                self.say(str(error))
                await asyncio.sleep(SHORT)

    def say(self, problem: str) -> None:
        """Tell the server's log of a problem and that it is tried again, but not at each try."""
        now = time.monotonic()
        for said, since in list(self._said.items()):
            if now - since > SAID_FOR:
                del self._said[said]
        if problem not in self._said:
            self._said[problem] = now
            _log.warning("trying again: %s", problem)
