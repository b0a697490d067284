"""Hands new events to all clients that have caught up, without a task switch for each."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator

from server.feeds.contract import Batch, Place, Push
from server.feeds.fairness import FairQueue

ROUND = 0.004
"""Seconds for which clients are handed new events in one round of the event loop."""

_log = logging.getLogger(__name__)


class Waiter:
    """A client that has caught up: where it is, and how it takes what is new."""

    __slots__ = ("events", "more", "place", "push")

    def __init__(self, place: Place, push: Push | None) -> None:
        self.place = place
        self.push = push
        """Takes a batch at once; None if all is to be asked for."""
        self.events = 0
        """How many events it has got."""
        self.more: asyncio.Future[None] | None = None
        """Done when there is more than `push` has taken; None while nobody waits for that."""


class Fanout:
    """Waiters, and what is new for them: `news` gives what follows a place, if that is handy."""

    def __init__(self, news: Callable[[Place], Batch | None], queue: FairQueue) -> None:
        self._news = news
        self._queue = queue
        self._waiters: set[Waiter] = set()
        self._has_news = self._is_handing_out = False
        self._error: Exception | None = None

    async def wait(self, waiter: Waiter) -> None:
        """Wait for more than what `waiter` is handed while it waits.

        Raises what its `push` raises, what `news` raises for its place, and what `fail` is given.
        """
        if self._error:
            raise self._error
        waiter.more = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter.more
        finally:
            self._waiters.discard(waiter)
            waiter.more = None

    def tell(self) -> None:
        """Hand out what is new."""
        self._has_news = True
        if not self._is_handing_out:
            self._hand_out(iter(()))

    def say(self, frames: bytes) -> None:
        """Push an event without a place to all who wait. Who cannot take it now goes without."""
        for waiter in list(self._waiters):
            try:
                if waiter.more and waiter.push:
                    batch = Batch(waiter.place, frames, waiter.place, 1)
                    waiter.events += waiter.push(batch)
            except Exception as error:
                self._fail(waiter, error)

    def fail(self, error: Exception) -> None:
        """End all waits by an error, also those to come."""
        self._error = error
        for waiter in list(self._waiters):
            self._fail(waiter, error)

    def _hand_out(self, waiters: Iterator[Waiter]) -> None:
        """Push what is new to `waiters`, then to all who wait, until there is nothing new.

        Many clients take several rounds of the event loop. What comes meanwhile reaches those
        who come late in the same batch.
        """
        goes_on = False
        try:
            while self._push(waiters):
                self._is_handing_out, self._has_news = self._has_news, False
                if not self._is_handing_out:
                    return
                waiters = iter(list(self._waiters))
            asyncio.get_running_loop().call_soon(self._hand_out, waiters)
            goes_on = True
        finally:
            self._is_handing_out = goes_on  # else nothing would ever be handed out again

    def _push(self, waiters: Iterator[Waiter]) -> bool:
        """Push each of them what follows its place; one that cannot take it has to read it.

        False if it was time for others before the last of them.
        """
        until = time.monotonic() + ROUND
        before, news = None, None
        for waiter in waiters:
            if waiter.more is None:
                continue  # it has left, or goes on by itself
            try:
                if waiter.place != before:
                    news, before = self._news(waiter.place), waiter.place
                if news and waiter.push and waiter.push(news):
                    waiter.place = news.end
                    waiter.events += news.events
                else:
                    self._queue.add(waiter.more, is_near=news is not None)
                    waiter.more = None
            except Exception as error:
                self._fail(waiter, error)
            if time.monotonic() > until:
                return False
        return True

    def _fail(self, waiter: Waiter, error: Exception) -> None:
        """End one client's wait by the error that was raised for it. The others go on."""
        if waiter.more and not waiter.more.done():
            waiter.more.set_exception(error)
        waiter.more = waiter.push = None
