"""What all handlers and bodies share: settings, who may read, and what is being sent."""

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from server.feeds.contract import Batch
from server.settings import Settings
from server.supervision import supervise
from server.web.access import Access
from server.web.quota import StreamQuota

LOOKS = 16
"""How often in a keep-alive interval all streams are looked after."""

_AT_ONCE = 200
"""How many of them are looked after in one round of the event loop."""

_log = logging.getLogger(__name__)


class OpenStream(Protocol):
    """A body that is being sent."""

    sent_bytes: int

    @property
    def events(self) -> int:
        """How many events the client has got."""

    def keep_alive(self) -> None:
        """Look, LOOKS times in a keep-alive interval, whether the client must hear something."""

    def end_by(self, error: Exception) -> None:
        """End the body because of an error of its own."""

    def shut_down(self) -> "asyncio.Task[None]":
        """End the body cleanly, now; the task is done when the client has it all."""


@dataclass
class Context:
    """The setting `riacho` of a Tornado application."""

    settings: Settings
    access: Access | None = None
    """Who may read; None where somebody else decides that."""
    quota: StreamQuota | None = None
    """Bounds the number of streams; None for no bound."""
    streams: set[OpenStream] = field(default_factory=set)
    """Those that are open."""
    ended: Counter[str] = field(default_factory=Counter)
    """Of those that have ended: `streams`, `events`, `bytes`; and how many were `refused`."""
    is_closing: bool = False
    """Whether the server shuts down: who asks for a stream now is sent away."""
    _chunk: tuple[Batch, memoryview] | None = field(default=None, init=False)
    _keeper: "asyncio.Task[None] | None" = field(default=None, init=False)

    def chunk_of(self, batch: Batch) -> memoryview:
        """A batch as one HTTP chunk (RFC 9112, section 7.1), made once for all who get it."""
        if self._chunk is None or self._chunk[0] is not batch:
            frames = batch.frames
            self._chunk = batch, memoryview(b"%x\r\n%b\r\n" % (len(frames), frames))
        return self._chunk[1]

    def add(self, stream: OpenStream) -> None:
        """Count a stream that has begun, and keep it alive."""
        if not self.streams:
            name = "the keep-alive of the streams"
            self._keeper = asyncio.create_task(supervise(name, self._keep_alive))
        self.streams.add(stream)

    def remove(self, stream: OpenStream) -> None:
        """Forget a stream that has ended."""
        self.streams.discard(stream)
        self.ended.update(streams=1, events=stream.events, bytes=stream.sent_bytes)
        if not self.streams and self._keeper:
            self._keeper.cancel()

    async def _keep_alive(self) -> None:
        """Look after all streams: one timer for all of them, and no clock when they send."""
        interval = self.settings.keep_alive / LOOKS
        while True:
            await asyncio.sleep(interval)
            for count, stream in enumerate(list(self.streams), 1):
                try:
                    stream.keep_alive()
                except Exception as error:
                    stream.end_by(error)  # its own fault, and nobody else's
                if not count % _AT_ONCE:
                    await asyncio.sleep(0)

    async def shut_down(self, seconds: float) -> None:
        """End all open streams; leave those that take longer."""
        self.is_closing = True
        tasks = [stream.shut_down() for stream in list(self.streams)]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
