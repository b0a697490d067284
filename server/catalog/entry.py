"""One log of the catalog: opened when somebody asks for it, closed some time after that."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from server.catalog.discovery import Found
from server.errors import StartError
from server.feeds.contract import (
    MISSING,
    BrokenOffError,
    CannotReadError,
    Feed,
    Page,
    PageWish,
    Progress,
    RawFile,
    Status,
)
from server.feeds.served import ServedLog
from server.filters.filter import Filter

IDLE = 60.0
"""Seconds for which a log is followed after its last client has left."""

RETRY = 1.0
"""Seconds until a log that could not be opened, or not be followed any more, is tried again."""

_log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")


class Writer(Protocol):
    """What writes a log, if that is ours."""

    @property
    def problem(self) -> str:
        """What is wrong with it, in words that follow its name; empty if it is well."""


class CatalogLog:
    """A log that was found, which `make` makes each time that it is opened. See `LogSource`."""

    def __init__(
        self, found: Found, make: Callable[[Found], ServedLog], writer: Writer | None = None
    ) -> None:
        self._writer = writer
        self.name = found.name
        self.found = found
        self._make = make
        self._problem = ""
        self._opening = asyncio.Lock()
        self._served: ServedLog | None = None
        self._following: asyncio.Task[None] | None = None
        self._users = 0
        self._idle_since = time.monotonic()

    @property
    def problem(self) -> str:
        """Why it cannot be read, in words that follow its name; empty if nothing is known."""
        own = self._served.log.problem if self._served else self.found.problem or self._problem
        return own or (self._writer.problem if self._writer else "")

    @property
    def is_in_use(self) -> bool:
        return self._users > 0

    @property
    def is_open(self) -> bool:
        """Whether it is followed."""
        return self._served is not None

    @property
    def is_refused(self) -> bool:
        """Whether it could not be opened when that was tried last."""
        return self._served is None and bool(self._problem)

    # --- opened and closed ----------------------------------------------------------------

    @asynccontextmanager
    async def in_use(self, is_patient: bool = True) -> AsyncIterator[ServedLog]:
        """The log, followed for as long as somebody uses it.

        While it cannot be opened, a patient caller waits; any other one gets StartError.
        """
        self._users += 1
        try:
            yield await self._open(is_patient)
        finally:
            self._users -= 1
            self._idle_since = time.monotonic()

    async def _open(self, is_patient: bool = True) -> ServedLog:
        while True:
            async with self._opening:
                try:
                    return self._served or await self.open_now()
                except StartError as error:
                    self._note(str(error))
                    if not is_patient:
                        raise
            await asyncio.sleep(RETRY)

    async def open_now(self) -> ServedLog:
        """Open it and follow it. Raises StartError if it cannot be read."""
        served = self._make(self.found)
        try:
            await served.log.open()
        except CannotReadError as error:
            served.close()
            path = self.found.path
            raise StartError(f"{path} cannot be read ({error.why}): name a log") from None
        except BaseException:
            served.close()
            raise
        self._problem = ""
        self._served = served
        self._following = asyncio.create_task(self._follow(served))
        return served

    def _note(self, problem: str) -> None:
        if problem != self._problem:
            _log.warning("%s", problem)
        self._problem = problem

    async def _follow(self, served: ServedLog) -> None:
        """Follow it until it is closed. An error ends its clients' streams: they come back."""
        try:
            await served.follow()
        except Exception:
            _log.exception("%s is no longer followed, and is opened anew", self.name)
            self._served = None
            served.fail(BrokenOffError(f"{self.name} is no longer followed"))
            served.close()
            async with self._opening:  # those who come back wait
                await asyncio.sleep(RETRY)
            if self._users:
                await self._open()

    async def close(self) -> None:
        """Follow it no more."""
        served, self._served = self._served, None
        if self._following:
            self._following.cancel()
            await asyncio.wait({self._following})
        if served:
            served.close()

    async def drop_idle(self) -> None:
        """Close it if nobody has used it for a while, and forget what is idle in it."""
        if self._served is None:
            return
        self._served.drop_idle()
        if not self._users and time.monotonic() - self._idle_since > IDLE:
            await self.close()

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """Send an event to all who read it now."""
        if self._served:
            self._served.tell(event, details)

    # --- see LogSource --------------------------------------------------------------------

    @asynccontextmanager
    async def opened(self, form: str, filter: Filter | None = None) -> AsyncIterator[Feed]:
        """See `LogSource.opened`."""
        async with self.in_use() as served:
            with served.feed(form, filter) as feed:
                yield feed

    def progress(self) -> Progress | None:
        """See `LogSource.progress`."""
        return self._served.progress() if self._served else None

    def status(self) -> Status | None:
        """See `LogSource.status`."""
        return self._served.status() if self._served else None

    async def describe(self) -> dict[str, object]:
        """See `LogSource.describe`."""
        problem = {"problem": self.problem} if self.problem else {}
        if self._served:
            return {**problem, **await self._served.describe(), "state": "followed"}
        try:
            size = os.stat(self.found.path).st_size
        except OSError:
            size = 0
        return {"name": self.name, "size": size, "state": "idle", **problem}

    async def raw(self) -> RawFile | None:
        """See `LogSource.raw`."""
        return await self._now(ServedLog.raw)

    async def page(self, wish: PageWish) -> Page | None:
        """See `LogSource.page`."""
        return await self._now(lambda served: served.page(wish))

    async def _now(self, ask: Callable[[ServedLog], Awaitable[_Answer | None]]) -> _Answer | None:
        """What the log answers, None if there is none. Raises CannotReadError."""
        try:
            async with self.in_use(is_patient=False) as served:
                return await ask(served)
        except StartError:
            why = self.problem.removeprefix("cannot be read: ")
            if why == MISSING:
                return None
            raise CannotReadError(self.found.path, why) from None
