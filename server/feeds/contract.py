"""What every stream of events promises: a feed can be read from any place, and resumed there.

A feed knows nothing of HTTP. What is above it, handlers, metrics and health, knows only this
contract. What is below it differs: a log with its files, numbers, or something in memory.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from server.filters.filter import Filter
from server.logs.moment import Moment
from server.logs.trouble import CannotReadError as CannotReadError
from server.sse.event import control_event


class Place(Protocol):
    """A place between two events of a feed. What is in it is the feed's own affair."""

    @property
    def id(self) -> str:
        """The last event id of a client that has everything up to here."""


@dataclass(frozen=True, slots=True)
class AfterId:
    """After the event with this id: where a client goes on that comes back."""

    id: str


@dataclass(frozen=True, slots=True)
class Last:
    """So many events before the live end."""

    count: int


@dataclass(frozen=True, slots=True)
class Oldest:
    """Before the oldest event there is."""


@dataclass(frozen=True, slots=True)
class Since:
    """Before the first event of that moment, or of a later one."""

    moment: Moment


Start = AfterId | Last | Oldest | Since
"""Where a client begins."""


UNTIMED = "no line names its time, so it is not known where that begins: give backlog=N"
"""Why a client that wants the lines since a moment goes on at the live end."""


class LostError(Exception):
    """The place that was asked for is gone: `place` is where to go on, `why` says why."""

    def __init__(self, place: Place, why: str) -> None:
        super().__init__(why)
        self.place = place
        self.why = why


class FinishedError(Exception):
    """The feed has ended at this place: there will never be more."""


class BusyError(Exception):
    """The server has too much to do for one more of this kind, as its words say: come back."""


class BrokenOffError(Exception):
    """The feed cannot go on now: its clients are to come back."""


class Batch(NamedTuple):
    """Events of a feed, as whole frames, and the places before and after them.

    There may be none: a batch that only moves the place is normal.
    """

    start: Place
    frames: bytes
    end: Place
    events: int


Push = Callable[[Batch], bool]
"""Takes a batch at once and answers True, or leaves all of it and answers False."""


class Subscription(Protocol):
    """A client's way through a feed, from one place on.

    It is iterated over for the batches that its `push` has not taken. What `push` takes counts
    as delivered: `place` and `events` have it.
    """

    @property
    def place(self) -> Place:
        """Where the client is: everything before this was handed to it."""

    @property
    def events(self) -> int:
        """How many events were handed to it."""

    def __aiter__(self) -> AsyncIterator[Batch]:
        """The batches that follow, for as long as the feed has some."""

    def close(self) -> None:
        """Let go of `push`: nothing is to be handed to it any more."""


class Feed(Protocol):
    """A stream of events that can be read from any place, by any number of clients."""

    @property
    def end(self) -> Place:
        """The live end: what comes next stands after it."""

    async def locate(self, start: Start) -> Place:
        """The place where a client begins.

        Raises LostError where the feed does not hold it, and FinishedError for a client that
        has all there will ever be.
        """

    async def read(self, place: Place) -> Batch:
        """What follows `place`. At the live end it waits. Raises FinishedError after the end."""

    def subscribe(self, place: Place, push: Push | None = None) -> Subscription:
        """A way from `place` on. With `push`, new events reach it without a task in between."""

    def is_live(self, place: Place) -> bool:
        """Whether nothing stands after `place` yet."""

    def lag(self, place: Place) -> int:
        """How much a client at `place` has yet to get, in the feed's own unit; 0 at the end."""


MISSING = "does not exist yet"
"""Why a log cannot be read of which there is nothing."""


class Progress(NamedTuple):
    """How far a log is read. To ask for it costs little."""

    problem: str
    """Why it cannot be read now, in words that follow its name; empty if it can."""
    taken: object
    """Differs as soon as anything more of it has been read."""
    unread: int
    """Bytes of it that were not read yet."""
    quiet: float
    """Seconds since something came."""


class Status(NamedTuple):
    """How a log is doing."""

    progress: Progress
    is_tailed: bool
    """Whether tail is running for it."""
    end: str
    """The id of its last line."""
    size: int
    """Bytes of its file."""
    free: int | None
    """Bytes that are free on its disk, None if that is not known."""
    counters: Mapping[str, int]
    """What has happened so often: resumes from memory and disk, gaps, rotations and so on."""

    @property
    def exists(self) -> bool:
        """Whether there is something at its path."""
        return self.progress.problem != MISSING


class RawFile(Protocol):
    """A log's file as it is, open: it stays this one, whatever becomes of its name."""

    @property
    def version(self) -> str:
        """Tells it from other files, and from itself before it was truncated."""

    @property
    def size(self) -> int:
        """Bytes it had when it was asked for."""

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to `end`, fewer if it was truncated. Raises CannotReadError."""


MOST_LOGS = 64
"""Logs of one stream."""

FORMS = ("text", "json")
"""The forms that a stream of lines may have: as they are, or as objects with the log's name."""


SIDES = ("before", "after", "around")
"""Where the lines of a page stand, seen from an event."""

MOST_ON_PAGE = 5000
"""Lines of a page."""


class PageWish(NamedTuple):
    """Which lines of a log a page is to have.

    side: one of SIDES. Around an event are those up to it, half of the page, and those after it.
    id: of the event, in a stream of this log or of several; None for the live end.
    limit: how many lines, at the most MOST_ON_PAGE.
    filter: which lines are wanted; None for all.
    """

    side: str
    id: str | None
    limit: int
    filter: Filter | None = None


class Page(NamedTuple):
    """Lines of a log that follow each other, but for those that are not wanted.

    There may be fewer than are asked for, or none, though there are more: a page is bounded, and so
    is what is searched for it.
    """

    entries: Sequence[bytes]
    """Each a JSON object: a line, or a gap between lines."""
    first: str
    """The id of the place before the first line."""
    last: str
    """The id of the place after the last line."""
    more_before: bool
    """Whether there is anything before `first` in which wanted lines may stand."""
    more_after: bool
    """Whether there is anything after `last`."""


class LogSource(Protocol):
    """A log that is served."""

    @property
    def name(self) -> str:
        """What the log is called."""

    @property
    def problem(self) -> str:
        """What is wrong with it, in words that follow its name; empty if nothing is known."""

    def opened(self, form: str, filter: Filter | None = None) -> AbstractAsyncContextManager[Feed]:
        """Its lines as a feed in one of FORMS, for as long as that is used.

        With a filter, only those that it wants. Raises PatternError if that cannot be taken.
        """

    def progress(self) -> Progress | None:
        """How far the log is read; None while nobody reads it."""

    def status(self) -> Status | None:
        """How the log is doing; None while nobody reads it."""

    async def describe(self) -> dict[str, object]:
        """What the log is, for `/logs`."""

    async def raw(self) -> RawFile | None:
        """The file at the log's path, None if there is none. Raises CannotReadError."""

    async def page(self, wish: PageWish) -> Page | None:
        """A page of its lines; it waits for none to come. None if there is nothing of the log.

        Raises LostError if the log does not hold the event, CannotReadError if it cannot be read
        now, and PatternError if the filter cannot be taken.
        """


class Logs(Protocol):
    """All logs that are served, by their names."""

    @property
    def names(self) -> Sequence[str]:
        """In the order in which they are listed."""

    def get(self, name: str) -> LogSource | None:
        """The log that is called so, None if there is none."""

    def matching(self, patterns: Sequence[str]) -> Sequence[str]:
        """The names of all logs that one of the patterns matches: see `fnmatch`."""

    def merged(
        self, patterns: Sequence[str], filter: Filter | None = None
    ) -> AbstractAsyncContextManager[Feed]:
        """The lines of these logs, and of those to come, as one feed, while that is used.

        With a filter, only those that it wants. Raises PatternError if that cannot be taken, and
        BusyError if too many other sets of logs, or with other filters, are read at the moment.
        """

    async def describe(self) -> dict[str, object]:
        """What logs there are, for `/logs`."""


class Reading:
    """The subscription of a feed that has no faster way: it reads on, one batch after the other."""

    def __init__(self, feed: Feed, place: Place) -> None:
        self._feed = feed
        self.place = place
        self.events = 0

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while True:
            try:
                batch = await self._feed.read(self.place)
            except FinishedError:
                return
            self.place = batch.end
            self.events += batch.events
            yield batch

    def close(self) -> None:
        """See `Subscription.close`: there is nothing to let go of."""


def gap_frame(start: str, place: Place, why: str) -> bytes:
    """The frame that tells a client what it does not get, and that it goes on at `place`.

    Its own id is that place, so that a client that comes back is not told twice.
    """
    details = {"from": start, "to": place.id, "bytes": None, "why": why}
    return control_event("gap", id=place.id, **details)
