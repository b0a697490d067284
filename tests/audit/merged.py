"""`python -m tests.audit.merged --minutes 20 --seed 1`: the loss audit of merged streams.

Four logs, each with the chaos of the loss audit, are served by two servers. Clients read them as
one stream, come back to either server, and change their set of logs at times. Guests are logs that
appear, grow and go. Each client must have got every line of each of its logs once and in order,
but for those that were destroyed, and of these it must have been told.

With `--sources`, one server has two such logs and two programs, which end, or are killed, and are
started again. It is killed, too, and its spools stay.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.audit.chaos import Chaos
from tests.audit.clients import SETTLING, Client
from tests.audit.disk import Disk
from tests.audit.merged_clients import Guest, MergedAudience, MergedClient
from tests.audit.report import report
from tests.audit.sources import Source
from tests.audit.verdict import Action, Record, Serving, Verdict
from tests.audit.writer import Writer, clock
from tests.running import Server, wait_until


class Plan(NamedTuple):
    """What is audited."""

    names: Sequence[str] = ("a", "b", "c", "d")
    """Logs with a file."""
    sources: Sequence[str] = ()
    """Programs."""
    servers: int = 2
    sets: Sequence[str] = (
        "log=*",
        "log=*",
        "log=a&log=b&log=c&log=d",
        "log=[ab]",
        "log=b&log=c&log=d",
    )
    """What clients ask for."""


SOURCES = Plan(
    ("a", "b"), ("x", "y"), 1, ("log=*", "log=*", "log=[xy]", "log=a&log=y", "log=b&log=x")
)
"""A spool belongs to one server."""


class Audit:
    """Logs, servers, clients, and what befalls them."""

    def __init__(self, directory: Path, seed: int, clients: int, plan: Plan) -> None:
        self._plan = plan
        self._chance = chance = random.Random(seed)
        self._writers, self._disks = dict[str, Writer](), dict[str, Disk]()
        for number, name in enumerate(plan.names):
            log = directory / name / "logs" / "app.log"
            log.parent.mkdir(parents=True)
            self._writers[name] = Writer(log, seed + number, has_times=bool((seed + number) % 2))
            self._disks[name] = Disk(log, self._writers[name])
        self._visited = directory / "guests"
        self._visited.mkdir()
        logs = [f"{name}={disk.log}" for name, disk in self._disks.items()]
        self._sources = {name: Source(directory, name) for name in plan.sources}
        commands = [word for source in self._sources.values() for word in source.options]
        state = ["--state-dir", directory / "state"] if commands else []
        given = [*logs, f"{self._visited}/*.log", *commands, *state, "--memory", 1024 * 1024]
        self.servers = []
        for number in range(plan.servers):
            (where := directory / f"server{number}").mkdir()
            self.servers.append(Server(where, *given))
        ports = [server.port for server in self.servers]
        names = (*plan.names, *plan.sources)
        self.audience = MergedAudience(ports, clients, random.Random(seed), names, plan.sets)
        self._chaos = {
            name: Chaos(chance, writer, self._disks[name], self.servers[0], self.audience)
            for name, writer in self._writers.items()
        }
        self._serving = [Serving() for _ in self.servers]
        self._kills: list[Action] = []
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
            chaos = self._chaos[self._chance.choice(self._plan.names)]
            number = self._chance.randrange(self._plan.servers)
            chaos.server, chaos.serving = self.servers[number], self._serving[number]
            chaos.act()
            self._tend_guests()
            self._tend_sources()
            chaos.wait(0, 0.7)
        for name, writer in self._writers.items():
            writer.stop()
            self._disks[name].look(clock(), "the end")
        for source in self._sources.values():
            source.ask_to_stop()
        for source in self._sources.values():
            wait_until(source.has_stopped, f"the last line of {source.name}", SETTLING)
        last = {name: record.last for name, record in self._records().items()}
        self.audience.settle(partial(self._has_all, last))

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

    def _tend_sources(self) -> None:
        for name, source in self._sources.items():
            if self._chance.random() < 0.02:
                self._kills.append(Action(clock(), f"kill {name}"))
                source.kill(self._chance.choice(self.servers))

    def _has_all(self, last: dict[str, int], client: Client) -> bool:
        assert isinstance(client, MergedClient)
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
        guests = {guest.name: guest.record() for guest in self.audience.guests.values()}
        return {
            name: Verdict(record, self.audience.received.get(name, []))
            for name, record in (self._records() | guests).items()
        }

    def _records(self) -> dict[str, Record]:
        """What became of each log but the guests."""
        actions = [one for chaos in self._chaos.values() for one in chaos.actions] + self._kills
        records: dict[str, Record] = {}
        for name, writer in self._writers.items():
            disk = self._disks[name]
            records[name] = Record(
                last=writer.last,
                times=writer.times,
                destroyed=disk.destroyed,
                pieces=disk.pieces | writer.pieces,
                servers=self._followed(name),
                actions=actions,
                looks=disk.looks,
            )
        for name, source in self._sources.items():
            records[name] = source.record(self._followed(name), actions)
        return records

    def _followed(self, name: str) -> list[Serving]:
        """When each server could see what befell a log: not before somebody has asked for it."""
        return [self._followed_by(number, name) for number in range(self._plan.servers)]

    def _followed_by(self, number: int, name: str) -> Serving:
        starts, pauses = self._serving[number].starts, self._serving[number].pauses
        asked = self.audience.asked[name][number]
        ends = [*starts[1:], float("inf")]
        spans = zip(starts, ends, strict=True)
        first = (next((at for at in asked if start <= at < end), start) for start, end in spans)
        return Serving(list(first), pauses)

    def close(self) -> None:
        for server in self.servers:
            server.resume_tails()
            server.process.kill()
            server.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.audit.merged", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--sources", action="store_true", help="with programs as sources")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        plan = SOURCES if given.sources else Plan()
        audit = Audit(Path(directory), given.seed, given.clients, plan)
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
            if name in audit.audience.names or verdict.problems:
                print(f"--- {name}")
                report(verdict)
        print("guests:", len(audit.audience.guests))
    if "Traceback" in errors:
        print("\nthe server's first error:", errors[errors.index("Traceback") :][:5000])
    sys.exit(not is_well or "Traceback" in errors)


if __name__ == "__main__":
    main()
