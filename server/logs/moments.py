"""Finds the places in a log where the lines of a moment begin, through all of its files."""

from server.logs.follower import Follower
from server.logs.generation import Place
from server.logs.history import History
from server.logs.moment import Moment
from server.logs.places import Places
from server.logs.position import START
from server.logs.since import first_at
from server.logs.threads import Threads

MOST_FILES = 1000
"""Files that are looked at for one client, at the most."""


class UntimedError(Exception):
    """The lines of a log name no times, as far as was looked."""


class Moments:
    """Looks in the files of a log, from the youngest one on."""

    def __init__(
        self, history: History, follower: Follower, places: Places, threads: Threads
    ) -> None:
        self._history = history
        self._follower = follower
        self._places = places
        self._threads = threads

    async def find(self, moment: Moment) -> Place:
        """The place before the first line of a moment, or a later one.

        Raises UntimedError if no line was found that names its time.
        """
        return await self._threads.patiently(self.find_now, moment)

    async def find_now(self, moment: Moment) -> Place:
        """As `find`. Raises CannotReadError if the log cannot be read now."""
        place, found = self._follower.end, None
        for _ in range(MOST_FILES):
            file = await self._history.file_of(place.generation)
            if file is None:
                break
            end = place.position.offset
            offset = await self._threads.searchers.run(first_at, file.read, end, moment)
            if offset is None and end:
                break
            if offset is not None:
                if found and offset == end:
                    break  # all of it is older: the moment begins with the file after it
                position = await self._threads.readers.run(file.position, offset)
                found = place.generation.at(position) if position else place
                if offset:
                    break
            before = await self._places.preceding(place.generation.at(START))
            if before is None:
                break
            place = before
        if found is None:
            raise UntimedError
        return await self._places.with_id(found)
