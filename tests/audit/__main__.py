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
from collections.abc import Callable
from pathlib import Path

from tests.audit.chaos import Chaos
from tests.audit.clients import Audience
from tests.audit.disk import Disk
from tests.audit.report import report
from tests.audit.verdict import Record, Verdict
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
        audience.settle(lambda client: client.last == writer.last)
        is_alive = server.process.poll() is None
    finally:
        server.resume_tails()
        server.process.kill()
        server.process.wait()
    record = Record(
        last=writer.last,
        times=writer.times,
        destroyed=disk.destroyed,
        pieces=disk.pieces | writer.pieces,
        servers=[chaos.serving],
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
