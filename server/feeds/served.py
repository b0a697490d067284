"""A log that is open: followed once, and handed on in each form that clients ask for."""

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from server.feeds.contract import Page, PageWish, Progress, Status
from server.feeds.log import LogFeed
from server.feeds.memory import Memory
from server.feeds.objects import JsonEncoder
from server.feeds.paging import page_of
from server.filters.filter import Filter, Selection
from server.logs.encoding import Encoder, TextEncoder
from server.logs.follower import Publish
from server.logs.generation import LogBatch
from server.logs.log import Log, RawLog
from server.sse.event import told

IDLE = 60.0
"""Seconds for which a form is kept ready after its last client has left."""

MOST_IDLE = 16
"""Forms of one log that are kept ready though nobody uses them: there may be any number of filters.
"""

MakeEncoder = Callable[[int, str], Encoder]

ENCODERS: Mapping[str, MakeEncoder] = MappingProxyType(
    {"text": lambda max_line, name: TextEncoder(max_line), "json": JsonEncoder}
)
"""For each of FORMS: from `--max-line` and the log's name to the encoder."""


Teller = Callable[[str, str, Mapping[str, object]], None]
"""Takes the log's name, an event's name, and its details."""


_Key = tuple[str, Filter | None]


class _Form:
    """A feed, and how many use it."""

    def __init__(self, feed: LogFeed) -> None:
        self.feed = feed
        self.users = 0
        self.idle_since = time.monotonic()


class ServedLog:
    """The log called `name`, which is followed while `follow` runs.

    Each form that is asked for is a feed of its own, which shares `memory` with the others. Other
    listeners get the lines as they are.
    """

    def __init__(self, name: str, log: Log, max_line: int, memory: Memory) -> None:
        self.name = name
        self.log = log
        self.max_line = max_line
        self._memory = memory
        self._forms: dict[_Key, _Form] = {}
        self._listeners: list[Publish] = []
        self.tellers: list[Teller] = []
        """Called for events that have no place."""
        self.failers: list[Callable[[Exception], None]] = []
        """Called when it is followed no more because of an error."""
        self._counters: Counter[str] = Counter()

    async def follow(self) -> None:
        """Keep up with the log and hand out what is new, for ever."""
        await self.log.follow(self._publish)

    def _publish(self, batch: LogBatch) -> None:
        for listener in tuple(self._listeners):
            listener(batch)

    def listen(self, listener: Publish) -> None:
        """Hand `listener` all that is new from now on."""
        self._listeners.append(listener)

    def ignore(self, listener: Publish) -> None:
        """Hand it nothing any more."""
        self._listeners.remove(listener)

    # --- forms ---------------------------------------------------------------------------

    @contextmanager
    def feed(self, form: str, filter: Filter | None = None) -> Iterator[LogFeed]:
        """The log's lines in one of FORMS, for as long as that is used: see `LogSource.opened`."""
        key = form, filter
        one = self._forms.get(key) or self._begin(key)
        one.users += 1
        try:
            yield one.feed
        finally:
            one.users -= 1
            one.idle_since = time.monotonic()
            self._drop_oldest()

    def _begin(self, key: _Key) -> _Form:
        form, filter = key
        encode = ENCODERS[form](self.max_line, self.name)
        selection = Selection(filter, self.max_line) if filter else None
        one = self._forms[key] = _Form(LogFeed(self.log, encode, self._memory.share, selection))
        self._memory.join(one.feed)
        self.listen(one.feed.publish)
        return one

    def drop_idle(self) -> None:
        """Forget forms that nobody has used for a while."""
        for key, one in list(self._forms.items()):
            if not one.users and time.monotonic() - one.idle_since > IDLE:
                self._drop(key)

    def _drop_oldest(self) -> None:
        """Forget the form that nobody has used for longest, if there are too many of these."""
        idle = [key for key, one in self._forms.items() if not one.users]
        if len(idle) > MOST_IDLE:
            self._drop(min(idle, key=lambda key: self._forms[key].idle_since))

    def _drop(self, key: _Key) -> None:
        feed = self._forms.pop(key).feed
        self._counters.update(feed.counters)
        self._memory.leave(feed)
        self.ignore(feed.publish)

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """Send an event without a place to all who have caught up."""
        for one in self._forms.values():
            one.feed.say(told(event, details))
        for teller in tuple(self.tellers):
            teller(self.name, event, details)

    def fail(self, error: Exception) -> None:
        """End the streams of all clients by an error."""
        for one in self._forms.values():
            one.feed.fail(error)
        for failer in tuple(self.failers):
            failer(error)

    def close(self) -> None:
        """Give back the memory, and give up all searches."""
        for key in list(self._forms):
            self._drop(key)
        self.log.close()

    # --- what is told of the log -----------------------------------------------------------

    def progress(self) -> Progress:
        """See `LogSource.progress`."""
        log = self.log
        taken = (log.end, log.follower.taken)
        return Progress(log.problem, taken, log.unread, log.follower.quiet)

    def status(self) -> Status:
        """See `LogSource.status`."""
        log, follower = self.log, self.log.follower
        counters = Counter(self._counters)
        for one in self._forms.values():
            counters.update(one.feed.counters)
        return Status(
            progress=self.progress(),
            is_tailed=follower.tailing.is_running,
            end=log.end.id,
            size=log.size or 0,
            free=_free(log),
            counters={
                "resumes_memory": counters["resumes_memory"],
                "resumes_disk": counters["resumes_disk"],
                "gaps": counters["gaps"] + log.gaps,
                "rotations": follower.rotations,
                "truncations": follower.truncations,
                "tail_restarts": follower.tailing.restarts,
                "tail_lates": follower.tailing.lates,
            },
        )

    async def describe(self) -> dict[str, object]:
        """See `LogSource.describe`."""
        return {**await self.log.describe(), "name": self.name}

    async def raw(self) -> RawLog | None:
        """See `LogSource.raw`."""
        return await self.log.raw()

    async def page(self, wish: PageWish) -> Page | None:
        """See `LogSource.page`."""
        page = await page_of(self.log, self.max_line, wish)
        is_there = self.log.file is not None or page.entries or page.more_before
        return page if is_there else None


def _free(log: Log) -> int | None:
    """Bytes that are free on the log's disk; None if that is not known, as where it has no blocks
    (/proc).
    """
    try:
        usage = shutil.disk_usage(log.path.parent)
    except OSError:
        return None
    return usage.free if usage.total else None
