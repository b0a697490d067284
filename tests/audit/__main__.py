"""`python -m tests.audit --minutes 20 --seed 1`: the loss audit.

A writer numbers its lines. Chaos, drawn from the seed, rotates, copies, truncates, deletes,
compresses and edits the log, kills and stops the server and its tail, and has clients stall, drop,
stay away and come anew. What is on disk is read from the disk before and after each action, so
that it is known when which lines were destroyed. In the end each client must have got every line
once and in order, but for those that were destroyed, and of these it must have been told. The exit
code is 1 if one has not.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.audit.chaos import Chaos
from tests.audit.clients import Audience
from tests.audit.disk import Disk
from tests.audit.verdict import FAILURES, Record, Verdict
from tests.audit.writer import Writer, clock
from tests.running import Server


def audit(
    directory: Path, minutes: float, seed: int, clients: int, wanted: Callable[[str], bool]
) -> bool:
    """Whether nothing went wrong."""
    chance = random.Random(seed)
    log = directory / "logs" / "app.log"
    log.parent.mkdir()
    writer = Writer(log, seed, has_times=bool(seed % 2))
    disk = Disk(log, writer)
    server = Server(directory, log, "--memory", 1024 * 1024)
    try:
        audience = Audience(server.port, clients, random.Random(seed))
        chaos = Chaos(chance, writer, disk, server, audience, wanted)
        writer.start()
        audience.start()
        deadline = clock() + 60 * minutes
        while clock() < deadline and not audience.error and server.process.poll() is None:
            chaos.act()
            chaos.wait(0, 1.4)
        writer.stop()
        disk.look(clock(), "the end")
        audience.settle(writer.last)
        is_alive = server.process.poll() is None
    finally:
        server.process.kill()
        server.process.wait()
    record = Record(
        last=writer.last,
        times=writer.times,
        destroyed=disk.destroyed,
        pieces=disk.pieces | writer.pieces,
        starts=chaos.starts,
        pauses=chaos.pauses,
        actions=chaos.actions,
        looks=disk.looks,
    )
    verdict = Verdict(record, audience.everyone)
    verdict.judge_all()
    print(f"seed {seed}, {minutes:g} minutes, {clients} clients")
    report(verdict)
    errors = server.errors()
    if "Traceback" in errors:
        print("\nthe server's first error:", errors[errors.index("Traceback") :][:5000])
    return is_alive and not ("Traceback" in errors or verdict.problems or audience.error)


def report(verdict: Verdict) -> None:
    """Print what was done and what came of it."""
    record, counts = verdict.record, verdict.counts
    kinds = Counter(action.name for action in record.actions)
    print("actions:", len(record.actions))
    for name, count in sorted(kinds.items()):
        print(f"  {name}: {count}")
    print("lines:", record.last)
    print("destroyed:", sum(destroyed.span.length for destroyed in record.destroyed))
    print("deliveries:", sum(client.delivered for client in verdict.everyone))
    undetectable = [kind for kind in counts if kind.startswith("undetectable")]
    told = ("gaps", "unprovable gaps", "excused", *undetectable, "repeated after a gap")
    for kind in (*told, *FAILURES):
        print(f"{kind}: {counts[kind]}")
    alike = Counter((problem.kind, problem.span) for problem in verdict.problems)
    first = {(problem.kind, problem.span): problem for problem in reversed(verdict.problems)}
    for (kind, span), count in sorted(alike.items(), key=lambda item: item[0][1]):
        print(f"{kind}: {span} of {count} clients")
    for key in list(alike)[:12]:
        print("\n" + verdict.explain(first[key]))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description="The loss audit.")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--only", default="", help="names of actions, with commas in between")
    parser.add_argument("--without", default="", help="the same: these are left out")
    given = parser.parse_args()
    only, without = (set(filter(None, text.split(","))) for text in (given.only, given.without))

    def wanted(name: str) -> bool:
        return (not only or name in only) and name not in without

    with tempfile.TemporaryDirectory() as directory:
        is_well = audit(Path(directory), given.minutes, given.seed, given.clients, wanted)
    sys.exit(not is_well)


if __name__ == "__main__":
    main()
