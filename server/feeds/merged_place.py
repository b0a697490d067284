"""Places in a merged feed: one in each of its logs."""

import time
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from server.feeds.composite import pack, pack_entry
from server.feeds.contract import Batch
from server.feeds.served import ServedLog
from server.logs.generation import Place, is_behind
from server.logs.position import START, Position

PENDING = 30.0
"""Seconds for which positions in logs are kept that are not served yet. Another server has perhaps
found a new log earlier, and a log on a slow disk comes later than the others."""


class Pending(NamedTuple):
    """Positions that an id has named in logs that have yet to come.

    positions: by the logs' tags; see `composite`.
    until: when they are given up, on the clock `time.monotonic`.
    """

    positions: Mapping[bytes, Position]
    until: float

    @property
    def id(self) -> str:
        """The part of an id that keeps them."""
        return "".join(pack_entry(tag, one) for tag, one in self.positions.items())

    @property
    def left(self) -> float:
        """Seconds until they are given up."""
        return self.until - time.monotonic()

    def without(self, tag: bytes) -> "Pending | None":
        """The others, when a log has come."""
        rest = {one: position for one, position in self.positions.items() if one != tag}
        return self._replace(positions=rest) if rest else None


class MergedPlace:
    """A place in each log of a merged feed, by the logs' names.

    number: how many batches of new lines came before it; None if it was made otherwise.
    joined: how many logs had joined the feed when it was made.
    pending: what is known of logs that have yet to come. A client that waits for any is read for
        alone, since its ids keep these positions.
    """

    def __init__(
        self,
        places: Mapping[str, Place],
        number: int | None = None,
        joined: int = 0,
        pending: Pending | None = None,
    ) -> None:
        self.places = places
        self.number = number
        self.joined = joined
        self.pending = pending

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, MergedPlace):
            return False
        own, others = (self.joined, self.pending), (other.joined, other.pending)
        return own == others and self.places == other.places

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(frozenset(self.places.items()))

    def has_logs_of(self, other: "MergedPlace") -> bool:
        """Whether no log has come or gone between this place and the other one."""
        return self.joined == other.joined and self.places.keys() == other.places.keys()

    def is_past(self, other: "MergedPlace") -> bool:
        """Whether it is, in any log, behind a place that has the same logs and was a live end."""
        return any(is_behind(place, self.places[name]) for name, place in other.places.items())

    def is_in_files_of(self, other: "MergedPlace") -> bool:
        """Whether both are in the same files, so that nothing but lines stands between them."""
        return self.has_logs_of(other) and all(
            place.generation is other.places[name].generation for name, place in self.places.items()
        )

    @cached_property
    def id(self) -> str:
        """One position for each log: see `composite`."""
        return "".join(self.parts.values()) + (self.pending.id if self.pending else "")

    @cached_property
    def parts(self) -> dict[str, str]:
        """What the id says of each log, in the order of their names."""
        return {name: part_of(name, self.places[name]) for name in sorted(self.places)}


class MergedBlock(Batch):
    """A batch of a merged feed."""

    __slots__ = ()
    start: MergedPlace
    end: MergedPlace


class Left(NamedTuple):
    """A log that is merged no more, and where it was left; None once it cannot be read."""

    log: ServedLog | None
    end: Place


def has_read_out(id: str, name: str, left: Left) -> bool:
    """Whether an id says that a client has all of a log that was merged once."""
    return part_of(name, left.end) in id


def part_of(name: str, place: Place) -> str:
    """What an id says of the log with this name."""
    position = place.position  # what an id says at a start is the end of the file before it
    return pack(name, position if position != START else Position.parse(place.id) or START)
