"""`python -m tests.audit.merged --minutes 20 --seed 1`: the loss audit of merged streams.

Four logs, each with the chaos of the loss audit, are served by two servers. Clients read them as
one stream, come back to either server, and change their set of logs at times. Guests are logs that
appear, grow and go. Each client must have got every line of each of its logs once and in order,
but for those that were destroyed, and of these it must have been told.
"""

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from server.feeds.composite import unpack
from tests.audit.chaos import Chaos
from tests.audit.clients import Audience, Client, Fact, Received
from tests.audit.disk import Destroyed, Disk, Span
from tests.audit.report import report
from tests.audit.verdict import Record, Serving, Verdict
from tests.audit.writer import Writer, as_sent, clock
from tests.running import Server

NAMES = ("a", "b", "c", "d")

SERVERS = 2

SETS = ("log=*", "log=*", "log=a&log=b&log=c&log=d", "log=[ab]", "log=b&log=c&log=d")
"""What clients ask for."""


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
        return Record(self.last, self.times, destroyed, servers=[Serving() for _ in range(SERVERS)])


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
            self._change(self._crowd.chance.choice(SETS))
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
        return {name for name in NAMES if "*" in self._logs or name in self._logs[4:]}

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
            is_gone = log not in NAMES and self._crowd.guests[log].gone < clock()
            is_told = log in named or not why or (is_gone and "not served" in why)
            if is_told or "not in these logs" in why:
                view.take_fact(name, text)


class MergedAudience(Audience):
    """Clients that come to any of several servers."""

    def __init__(self, ports: Sequence[int], count: int, chance: random.Random) -> None:
        self.ports = ports
        self.chance = chance
        self.guests: dict[str, Guest] = {}
        self.received: dict[str, list[Received]] = {}
        """All that has come of each log, to anybody."""
        self.asked = {name: [list[float]() for _ in ports] for name in NAMES}
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


class Audit:
    """Logs, servers, clients, and what befalls them."""

    def __init__(self, directory: Path, seed: int, clients: int) -> None:
        self._chance = chance = random.Random(seed)
        self._writers, self._disks = dict[str, Writer](), dict[str, Disk]()
        for number, name in enumerate(NAMES):
            log = directory / name / "logs" / "app.log"
            log.parent.mkdir(parents=True)
            self._writers[name] = Writer(log, seed + number, has_times=bool((seed + number) % 2))
            self._disks[name] = Disk(log, self._writers[name])
        self._visited = directory / "guests"
        self._visited.mkdir()
        logs = [f"{name}={disk.log}" for name, disk in self._disks.items()]
        given = [*logs, f"{self._visited}/*.log", "--memory", 1024 * 1024]
        self.servers = []
        for number in range(SERVERS):
            (where := directory / f"server{number}").mkdir()
            self.servers.append(Server(where, *given))
        ports = [server.port for server in self.servers]
        self.audience = MergedAudience(ports, clients, random.Random(seed))
        self._chaos = {
            name: Chaos(chance, writer, self._disks[name], self.servers[0], self.audience)
            for name, writer in self._writers.items()
        }
        self._serving = [Serving() for _ in self.servers]
        self._count = 0

    @property
    def _living(self) -> list[Guest]:
        return [one for one in self.audience.guests.values() if one.path.exists()]

    def run(self, minutes: float) -> None:
        for writer in self._writers.values():
            writer.start()
        self.audience.start()
        deadline = clock() + 60 * minutes
        while clock() < deadline and not self.audience.error and self.is_well:
            chaos = self._chaos[self._chance.choice(NAMES)]
            number = self._chance.randrange(SERVERS)
            chaos.server, chaos.serving = self.servers[number], self._serving[number]
            chaos.act()
            self._tend_guests()
            chaos.wait(0, 0.7)
        for name, writer in self._writers.items():
            writer.stop()
            self._disks[name].look(clock(), "the end")
        self.audience.settle(self._has_all)

    @property
    def is_well(self) -> bool:
        return all(server.process.poll() is None for server in self.servers)

    def _tend_guests(self) -> None:
        for guest in self._living:
            age = clock() - guest.born
            if age < 15 and self._chance.random() < 0.5:
                guest.grow(self._chance.randrange(1, 40))
            if age > 40 and self._chance.random() < 0.1:
                guest.leave()
        if len(self._living) < 4 and self._chance.random() < 0.2:
            guest = Guest(self._visited, self._count)
            self.audience.guests[guest.name] = guest
            self._count += 1

    def _has_all(self, client: Client) -> bool:
        assert isinstance(client, MergedClient)
        last = {name: writer.last for name, writer in self._writers.items()}
        own = all(client.views[name].last == last[name] for name in client.own)
        guests = self._living if client.reads_guests else []
        views = [(client.view(guest.name), guest) for guest in guests]
        has_guests = all(
            view.last == guest.last or not (view.last or "from=start" in view.query)
            for view, guest in views
        )
        return own and has_guests and not client.is_to_be_told

    def verdicts(self) -> dict[str, Verdict]:
        """What came of each log, all guests together as one."""
        verdicts: dict[str, Verdict] = {}
        for name, writer in self._writers.items():
            disk = self._disks[name]
            record = Record(
                last=writer.last,
                times=writer.times,
                destroyed=disk.destroyed,
                pieces=disk.pieces | writer.pieces,
                servers=[self._followed(name, number) for number in range(SERVERS)],
                actions=[one for chaos in self._chaos.values() for one in chaos.actions],
                looks=disk.looks,
            )
            verdicts[name] = Verdict(record, self.audience.received.get(name, []))
        for guest in self.audience.guests.values():
            received = self.audience.received.get(guest.name, [])
            verdicts[guest.name] = Verdict(guest.record(), received)
        return verdicts

    def _followed(self, name: str, number: int) -> Serving:
        """When a server could see what befell a log: nobody asks for it at once after a start."""
        starts, pauses = self._serving[number].starts, self._serving[number].pauses
        asked = self.audience.asked[name][number]
        ends = [*starts[1:], float("inf")]
        spans = zip(starts, ends, strict=True)
        first = (next((at for at in asked if start <= at < end), start) for start, end in spans)
        return Serving(list(first), pauses)

    def close(self) -> None:
        for server in self.servers:
            server.process.kill()
            server.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.audit.merged", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        audit = Audit(Path(directory), given.seed, given.clients)
        try:
            audit.run(given.minutes)
            is_well = audit.is_well and not audit.audience.error
        finally:
            audit.close()
        errors = "".join(server.errors() for server in audit.servers)
        print(f"seed {given.seed}, {given.minutes:g} minutes, {given.clients} clients")
        for name, verdict in audit.verdicts().items():
            verdict.judge_all()
            is_well &= not verdict.problems
            if name in NAMES or verdict.problems:
                print(f"--- {name}")
                report(verdict)
        print("guests:", len(audit.audience.guests))
    if "Traceback" in errors:
        print("\nthe server's first error:", errors[errors.index("Traceback") :][:5000])
    sys.exit(not is_well or "Traceback" in errors)


if __name__ == "__main__":
    main()
