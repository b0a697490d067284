"""The clients of the audit of merged streams, and the guests that they read."""

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path

from server.feeds.composite import unpack
from tests.audit.clients import Audience, Client, Fact, Received
from tests.audit.disk import Destroyed, Span
from tests.audit.verdict import Record, Serving
from tests.audit.writer import as_sent, clock


class Guest:
    """A log that appears, grows and goes."""

    def __init__(self, directory: Path, number: int) -> None:
        self.name = f"guest{number}x.log"
        self.path = directory / self.name
        self.born = clock()
        self.gone = float("inf")
        self.times = [self.born]
        self.grow(5)

    @property
    def last(self) -> int:
        return len(self.times) - 1

    def grow(self, count: int) -> None:
        with self.path.open("a") as file:
            for _ in range(count):
                self.times.append(clock())
                file.write(f"{self.last}|a line of a guest|{self.last}\n")

    def leave(self) -> None:
        self.gone = clock()
        self.path.unlink()

    def record(self) -> Record:
        all_lines = Destroyed(Span(1, self.last), self.gone, "its end", seen=True)
        destroyed = [] if self.path.exists() else [all_lines]
        return Record(self.last, self.times, destroyed, servers=[Serving(), Serving()])


class MergedClient(Client):
    """A client of a merged stream, with what has come of each log."""

    def __init__(self, name: str, query: str, window: int, crowd: "MergedAudience") -> None:
        super().__init__(name, query, window)
        self._crowd = crowd
        self._start = query
        self._came = float("inf")
        """When it had its first id; before all guests, if it has asked for these since."""
        self._logs = ""
        self.views: dict[str, Received] = {}
        """By the names of logs. It has left those that are not among its logs now."""

    @property
    def reads_guests(self) -> bool:
        return "*" in self._logs

    def connect(self, port: int) -> None:
        if not self._logs or (self.id and self._crowd.chance.random() < 0.1):
            self._change(self._crowd.chance.choice(self._crowd.sets))
        if not self.id:
            self._came = float("inf")
        self._aim()
        self.query = f"{self._start}&{self._logs}"
        self.server = self._crowd.chance.randrange(len(self._crowd.ports))
        for view in self.views.values():
            view.server = self.server
        super().connect(self._crowd.ports[self.server])
        for name in self.own:
            self._crowd.asked[name][self.server].append(clock())

    def _change(self, logs: str) -> None:
        """Ask for these logs from now on."""
        did_read_guests, self._logs = self.reads_guests, logs
        if self.id and self.reads_guests and not did_read_guests:
            self._came = -float("inf")

    @property
    def own(self) -> set[str]:
        """The logs that it asks for, but for guests."""
        return {name for name in self._crowd.names if "*" in self._logs or name in self._logs[4:]}

    def _aim(self) -> None:
        """Go on with the logs that it asks for: one of which its id says nothing comes anew, and
        from its first line if the id says anything at all.
        """
        known = unpack(self.id.decode(), self.views) or {}
        for name, view in list(self.views.items()):
            is_wanted = self.reads_guests if name in self._crowd.guests else name in self.own
            if is_wanted and view.has_left and name not in known:
                del self.views[name]
            else:
                view.has_left = not is_wanted
        for name in self.own - self.views.keys():
            self.view(name, "from=start" if self.id else self._start)

    def view(self, log: str, query: str = "") -> Received:
        """What has come of a log so far."""
        if log not in self.views:
            if not query:  # a guest
                is_older = self._crowd.guests[log].born > self._came
                query = "from=start" if is_older else self._start
            view = self.views[log] = Received(f"{self.name} of {log} ({query})", query)
            view.server = self.server
            if log in self._crowd.guests and "from=start" not in query:
                view.history.append(Fact("id", "", self._came))
            self._crowd.received.setdefault(log, []).append(view)
        return self.views[log]

    @property
    def is_to_be_told(self) -> bool:
        """Whether its id still names a guest that has gone, and of which it has not got all."""
        guests = self._crowd.guests
        gone = {name for name in self._read.keys() & guests.keys() if guests[name].gone < clock()}
        behind = {name for name in gone if self.views[name].last < guests[name].last}
        return bool(unpack(self.id.decode(), behind))

    @property
    def _read(self) -> dict[str, Received]:
        return {name: view for name, view in self.views.items() if not view.has_left}

    def feed(self, data: bytes) -> None:
        super().feed(data)
        if self.id:
            self._came = min(self._came, clock())

    def take(self, line: bytes, id: bytes, now: float) -> None:
        told = json.loads(line)
        self.delivered += 1
        text = as_sent(told["line"].encode())
        self.view(told["log"]).take(text, id, now)

    def note(self, name: str, text: str = "") -> None:
        known = unpack(self.id.decode(), self.views) or {}
        for log, view in self._read.items():
            is_coming = name == "connect"
            view.note(name, f"server {self.server}, {known.get(log)}" if is_coming else text)

    def take_fact(self, name: str, text: str) -> None:
        details = json.loads(text.partition("\ndata: ")[2])
        if "log" in details:
            self.view(details["log"]).take_fact(name, text)
            return
        why = str(details.get("why", "")) if name == "gap" else ""
        named = set(re.findall(r"(?:^|; )([^ ;:]+): ", why))
        for log, view in self._read.items():
            is_gone = log not in self._crowd.names and self._crowd.guests[log].gone < clock()
            is_told = log in named or not why or (is_gone and "not served" in why)
            if is_told or "not in these logs" in why:
                view.take_fact(name, text)


class MergedAudience(Audience):
    """Clients that come to any of several servers.

    names: the logs that do not go. sets: what clients ask for.
    """

    def __init__(
        self,
        ports: Sequence[int],
        count: int,
        chance: random.Random,
        names: Sequence[str],
        sets: Sequence[str],
    ) -> None:
        self.ports = ports
        self.names = names
        self.sets = sets
        self.chance = chance
        self.guests: dict[str, Guest] = {}
        self.received: dict[str, list[Received]] = {}
        """All that has come of each log, to anybody."""
        self.asked = {name: [list[float]() for _ in ports] for name in names}
        """When each of the servers was asked for each log."""
        super().__init__(ports[0], count, chance)

    def _newcomer(self, seat: int) -> Client:
        query = self.chance.choice(["from=start", "backlog=0", "backlog=10"])
        window = 0 if seat % 2 else 16 * 1024
        client = MergedClient(f"client {len(self.everyone)}", query, window, self)
        self.everyone.append(client)
        return client

    def replace(self) -> None:
        before = list(self.seats)
        super().replace()
        for client in before:
            if client.has_left and isinstance(client, MergedClient):
                for view in client.views.values():
                    view.has_left = True
