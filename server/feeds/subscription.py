"""One client's way through a feed: it is pushed to while it has caught up, else it reads."""

from collections.abc import AsyncIterator
from typing import Protocol

from server.feeds.contract import Batch, Place, Push
from server.feeds.fanout import Waiter


class PushingFeed(Protocol):
    """A feed that hands out what is new by itself."""

    async def read_for(self, waiter: Waiter) -> Batch:
        """What follows the place of `waiter`, when it is its turn to read that."""


class PushedSubscription(Waiter):
    """See `Subscription`."""

    __slots__ = ("_feed",)

    def __init__(self, feed: PushingFeed, place: Place, push: Push | None) -> None:
        super().__init__(place, push)
        self._feed = feed

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        batch = await self._feed.read_for(self)
        self.place = batch.end
        self.events += batch.events
        return batch

    def close(self) -> None:
        """See `Subscription.close`."""
        self.push = None
