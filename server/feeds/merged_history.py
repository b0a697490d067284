"""What follows a place in several logs, read from each and put in the order of the lines' times."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from operator import attrgetter

from server.feeds.blocks import ENOUGH
from server.feeds.composite import tag_of, unpack
from server.feeds.contract import UNTIMED
from server.feeds.merged_place import Left, MergedBlock, MergedPlace, Pending, part_of
from server.feeds.merging import NEVER, Chunk, Chunks, in_order
from server.feeds.pieces import Pieces
from server.feeds.served import ServedLog
from server.filters.backwards import Backwards
from server.logs.generation import Place, gap, is_behind
from server.logs.moment import Moment
from server.logs.moments import UntimedError
from server.logs.places import GoneError
from server.logs.position import START, Position
from server.logs.trouble import SHORT, CannotReadError
from server.sse.event import control_event, told

MOST_SORTED = 100_000
"""Lines before the live end that are taken from all logs together, by their times. Where more would
have to be looked at, each log gives its part of those that are asked for."""

TROUBLED = 5.0
"""Seconds for which a place is looked for in a log that cannot be read."""

PATIENCE = 1.0
"""Seconds for which a log that cannot be read at once holds up the others."""


class MergedHistory:
    """Reads `logs`, and those that have `left` up to there.

    What was read and not sent yet is kept, up to `memory` bytes.
    """

    def __init__(
        self,
        logs: Mapping[str, ServedLog],
        left: Mapping[str, Left],
        chunks: Chunks,
        memory: int,
    ) -> None:
        self._logs = logs
        self._left = left
        self._chunks = chunks
        self._pieces = Pieces(chunks, memory)
        self._joined: dict[str, int] = {}
        self.joined = 0
        """How many logs have joined."""

    def resize(self, memory: int) -> None:
        """Keep up to `memory` bytes from now on."""
        self._pieces.resize(memory)

    def join(self, name: str) -> int:
        """Note that a log has joined. Places that were made before know nothing of it."""
        self.joined += 1
        self._joined[name] = self.joined
        return self.joined

    def forget(self, log: ServedLog) -> None:
        """Read nothing more of a log."""
        self._pieces.forget(log)

    def is_stale(self, place: MergedPlace, name: str) -> bool:
        """Whether a place is from before the log with this name was there, perhaps once more."""
        return place.joined < self._joined[name]

    # --- what follows ---------------------------------------------------------------------

    async def read(self, place: MergedPlace, end: MergedPlace) -> MergedBlock:
        """What follows `place`, up to `end`; the place after it has no number.

        There may be nothing yet, where a log cannot be read.
        """
        joined, logs, ends = self.joined, dict(self._logs), dict(end.places)
        said, places, pending = await self._here(place, logs, ends)
        behind = [name for name in ends if is_behind(places[name], ends[name])]
        found = await self._read(logs, {name: places[name] for name in behind})
        chunks = {name: chunk.up_to(ends[name]) for name, chunk in found.items()}
        unfinished = {name for name, one in chunks.items() if is_behind(one.end, ends[name])}
        parts = {name: part_of(name, places[name]) for name in sorted(places)}
        pending_id = pending.id if pending else ""
        frames, size, events = list(said), sum(map(len, said)), len(said)
        for name, item in in_order(chunks, unfinished):
            places[name], parts[name] = item.end, part_of(name, item.end)
            frames.append(self._chunks.with_id(item.frames, "".join(parts.values()) + pending_id))
            size += len(frames[-1])
            events += item.events
            if size > ENOUGH:
                break
        after = MergedPlace(places, joined=joined, pending=pending)
        return MergedBlock(place, b"".join(frames), after, events)

    async def _here(
        self, place: MergedPlace, logs: dict[str, ServedLog], ends: dict[str, Place]
    ) -> tuple[list[bytes], dict[str, Place], Pending | None]:
        """The place among those logs that are there, and what is said of comings and goings.

        A log that has left is added to `logs` and `ends` as long as there is more of it.
        """
        said, places, pending = list[bytes](), dict(place.places), place.pending
        for name in sorted(places.keys() - ends.keys()):
            left = self._left.get(name)
            if left and left.log and is_behind(places[name], left.end):
                logs[name], ends[name] = left.log, left.end
                continue
            was = places.pop(name)
            if left is None or is_behind(was, left.end):
                why = "the log is gone"
                details = {"from": was.id, "to": None, "bytes": None, "why": why}
                said.append(told("gap", {"log": name, **details}))
            said.append(control_event("log-removed", log=name))
        for name in sorted(logs.keys() & ends.keys()):
            if name in places and (name not in self._logs or not self.is_stale(place, name)):
                continue
            why, log, known = "", logs[name], None
            if name in places:  # it left and came back
                known = Position.parse(places[name].id) or START
            else:
                said.append(control_event("log-added", log=name))
            if pending and tag_of(name) in pending.positions:
                known = pending.positions[tag_of(name)]
                pending = pending.without(tag_of(name))
            places[name], why = await (self.start_of(log) if known is None else _find(log, known))
            if why:
                asked = str(known) if known else ""
                said.append(told("gap", {"log": name, **gap(asked, places[name], why)}))
        if pending and pending.left <= 0:
            why, to = not_served(len(pending.positions)), MergedPlace(places).id
            details = {"from": place.id, "to": to, "bytes": None, "why": why}
            said.append(told("gap", details, to))
            pending = None
        return said, places, pending

    async def _read(
        self, logs: Mapping[str, ServedLog], places: Mapping[str, Place]
    ) -> dict[str, Chunk]:
        """What follows the place in each log, of those that can be read soon."""
        chunks: dict[str, Chunk] = {}
        waiting: dict[str, asyncio.Task[Chunk]] = {}
        since = time.monotonic()
        for name, place in places.items():
            chunk = self._pieces.kept(logs[name], place)
            if chunk:
                chunks[name] = chunk
            else:
                waiting[name], begun = self._pieces.reading(logs[name], place)
                since = min(since, begun)
        if waiting:
            left = max(0.0, since + PATIENCE - time.monotonic()) if chunks else PATIENCE
            await asyncio.wait(waiting.values(), timeout=left)
        for name, task in waiting.items():
            if task.done() and not task.cancelled():  # as it is once the log is forgotten
                chunks[name] = task.result()
        return chunks

    # --- where a client begins ------------------------------------------------------------

    async def start_of(self, log: ServedLog, patience: float = TROUBLED) -> tuple[Place, str]:
        """Where a log begins that has appeared, and why older lines are gone, if so.

        That is its first line; of one that was there before, the place where it was left.
        """
        left = self._left.get(log.name)
        if left:
            place, why = await _find(log, Position.parse(left.end.id) or START, patience)
            if not why:
                return place, ""  # else another one has its name
        return await _find(log, START, patience)

    async def _unknown(self, log: ServedLog) -> tuple[Place, str]:
        """Where a client begins with a log of which its id says nothing."""
        with suppress(OSError, CannotReadError):
            if await log.log.places.is_gone():
                return log.log.end, ""
        return await self.start_of(log)

    async def oldest(self) -> tuple[MergedPlace, list[str]]:
        """The oldest line of each log, and why older ones are gone."""
        joined, logs = self.joined, list(self._logs.values())
        found = await asyncio.gather(*(_find(log, START) for log in logs))
        return _merged(logs, found, joined)

    async def since(self, moment: Moment) -> tuple[MergedPlace, list[str]]:
        """The first line of a moment in each log, and of which logs that cannot be told.

        These go on at their live ends.
        """
        joined, logs = self.joined, list(self._logs.values())
        found = await asyncio.gather(*(_since(log, moment) for log in logs))
        return _merged(logs, found, joined)

    async def back(self, count: int) -> MergedPlace:
        """The place `count` lines before the live end, of all logs together.

        Each log's own lines count back to the start of its file, at the most. Logs whose lines name
        no times give their part.
        """
        joined, logs = self.joined, dict(self._logs)
        is_sorted = len(logs) > 1 and count * len(logs) <= MOST_SORTED
        of_each = count if is_sorted else -(-count // max(1, len(logs)))
        found = await asyncio.gather(*(self._back(log, of_each) for log in logs.values()))
        places = dict(zip(logs, found, strict=True))
        if is_sorted and count:
            lines = {name: await self._items(log, places[name]) for name, log in logs.items()}
            places.update(youngest(lines, count))
        return MergedPlace(places, joined=joined)

    async def _back(self, log: ServedLog, lines: int) -> Place:
        """The place so many lines before the live end; that end if the log cannot be read now."""
        selection = self._chunks.selection
        back = Backwards(log.log, selection).back_now if selection else log.log.places.back_now
        try:
            return await back(lines)
        except CannotReadError as error:
            log.log.threads.say(str(error))
            return log.log.end

    async def _items(self, log: ServedLog, place: Place) -> list[tuple[float, Place]]:
        """The times of the lines of one log from a place up to its live end, and their ends.

        No time is less than the one before it. Of a log that cannot be read, some may be missing.
        """
        items: list[tuple[float, Place]] = []
        latest, end = NEVER, log.log.end
        while is_behind(place, end):
            chunk = self._pieces.kept(log, place)
            if chunk is None:
                task, _ = self._pieces.reading(log, place)
                await asyncio.wait({task}, timeout=TROUBLED)
                if not task.done():
                    break
                chunk = task.result()
            for item in filter(attrgetter("events"), chunk.items):
                latest = max(latest, item.time)
                items.append((latest, item.end))
            place = chunk.end
        return items

    async def after(self, id: str, count: int) -> tuple[MergedPlace, list[str]] | None:
        """The place that an id names, and why some of it is gone; None if it is no such id.

        A log of which it says nothing has appeared since: see `start_of`. One that is about to be
        removed may have been sent before, by a server that has noticed that earlier. If the id is
        that of one log alone, the client gets the last `count` lines of the others.
        """
        joined, logs = self.joined, list(self._logs.values())
        position = Position.parse(id)
        if position:
            one = await _holding(logs, position) if position != START else None
            if one is None:
                return None
            others = [log for log in logs if log is not one[0]]
            places = await asyncio.gather(*(self._back(log, count) for log in others))
            found = [(place, "") for place in places]
            return _merged([*others, one[0]], [*found, (one[1], "")], joined)
        known = unpack(id, [log.name for log in logs])
        if known is None:
            return None
        found = await asyncio.gather(
            *(
                _find(log, known[log.name]) if log.name in known else self._unknown(log)
                for log in logs
            )
        )
        return _merged(logs, found, joined)


def not_served(count: int) -> str:
    """Why a client gets nothing more of so many logs that its id names."""
    return f"{count} of its logs are not served any more"


def youngest(lines: Mapping[str, Sequence[tuple[float, Place]]], count: int) -> dict[str, Place]:
    """The places before the last `count` lines of several logs, where they are not the first ones.

    Each line has its time and the place after it. Logs without times give their part.
    """
    timed = sorted(
        (time, name, number)
        for name, items in lines.items()
        for number, (time, _) in enumerate(items)
        if items[-1][0] != NEVER
    )
    untimed = {name: len(items) for name, items in lines.items() if items and items[-1][0] == NEVER}
    part = -(-count // max(1, len(lines))) * len(untimed)
    kept = Counter(_shares(untimed, max(count - len(timed), min(count, part))))
    kept.update(name for _, name, _ in timed[max(0, len(timed) - count + kept.total()) :])
    dropped = {name: len(items) - kept[name] for name, items in lines.items()}
    return {name: lines[name][number - 1][1] for name, number in dropped.items() if number}


def _shares(lengths: Mapping[str, int], total: int) -> dict[str, int]:
    """`total` shared out as evenly as the lengths allow."""
    shares: dict[str, int] = {}
    for name in sorted(lengths, key=lambda name: (lengths[name], name)):
        part = -(-(total - sum(shares.values())) // (len(lengths) - len(shares)))
        shares[name] = min(lengths[name], part)
    return shares


async def _find(
    log: ServedLog, position: Position, patience: float = TROUBLED
) -> tuple[Place, str]:
    """The place that a position names, and why it is gone, if so.

    A log that cannot be read for `patience` seconds does not hold up the others any longer: the
    client goes on at its live end.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return await log.log.places.find_now(position), ""
        except GoneError as error:
            return error.place, error.why
        except CannotReadError as error:
            if time.monotonic() > deadline:
                return log.log.end, f"it cannot be read now ({error.why})"
            await asyncio.sleep(SHORT)


async def _since(log: ServedLog, moment: Moment) -> tuple[Place, str]:
    """The place of a moment in one log, and why it is not known, if so."""
    try:
        return await log.log.moments.find_now(moment), ""
    except UntimedError:
        return log.log.end, UNTIMED
    except CannotReadError as error:
        return log.log.end, f"it cannot be read now ({error.why})"


async def _holding(logs: Sequence[ServedLog], position: Position) -> tuple[ServedLog, Place] | None:
    """The log that holds a position, and its place there; None if none does."""
    for log in logs:
        place, why = await _find(log, position)
        if not why:
            return log, place
    return None


def _merged(
    logs: Sequence[ServedLog], found: Sequence[tuple[Place, str]], joined: int
) -> tuple[MergedPlace, list[str]]:
    """One place of those in each log, and why some are gone."""
    places = {log.name: place for log, (place, _) in zip(logs, found, strict=True)}
    gone = [f"{log.name}: {why}" for log, (_, why) in zip(logs, found, strict=True) if why]
    return MergedPlace(places, joined=joined), gone
