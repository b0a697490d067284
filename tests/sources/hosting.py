"""A process that runs one source, so that it can be killed; and how to wait for what a source does.

    python -m tests.sources.hosting command STATE NAME=CMD
    python -m tests.sources.hosting stdin STATE
    python -m tests.sources.hosting journal STATE UNIT DIRECTORY

It writes each event as a line of JSON, and begins with that of a problem, if there is one.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from server.errors import StartError
from server.sources.command import Command, CommandSource
from server.sources.contract import Source
from server.sources.journal import JournalSource
from server.sources.stdin import StdinSource
from tests.running import PATIENCE, wait_until

MARK = "RIACHO_TEST"
"""A variable in the environment of all that a host has started."""

ROOT = Path(__file__).parent.parent.parent


def at_once(previous: float, ran: float) -> float:
    """The delay until a program is started again, for tests."""
    return 0.01


def make(kind: str, state: Path, rest: list[str]) -> Source:
    """The source that the words name."""
    if kind == "command":
        return CommandSource(Command.parse(rest[0]), state, delay=at_once)
    if kind == "journal":
        return JournalSource(rest[0], state, delay=at_once, directory=Path(rest[1]))
    return StdinSource(state)


class Told:
    """The events that a source has told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def __call__(self, name: str, details: Mapping[str, object]) -> None:
        self.events.append((name, dict(details)))

    def all(self, name: str) -> list[dict[str, object]]:
        return [details for one, details in self.events if one == name]


async def until(condition: Callable[[], object], what: str) -> None:
    """Return as soon as `condition` holds; fail, saying `what`, if it does not."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)
    assert condition(), what


@asynccontextmanager
async def run(source: Source) -> AsyncIterator[Told]:
    """The source runs meanwhile."""
    told = Told()
    task = asyncio.create_task(source.run(told))
    try:
        yield told
        assert not task.done(), task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def spooled(path: Path) -> bytes:
    """All that a spool has, the oldest first."""
    files = sorted(path.parent.glob(f"{path.name}*"))
    live, *rotated = files
    assert live == path
    return b"".join(one.read_bytes() for one in (*reversed(rotated), live))


class Host:
    """A process that runs a source."""

    def __init__(self, *words: object, stdin: Any = subprocess.DEVNULL, before: Any = ()) -> None:
        self._mark = secrets.token_hex(8)
        command = [sys.executable, "-m", "tests.sources.hosting", *map(str, words)]
        self.process = subprocess.Popen(
            [*before, *command],
            cwd=ROOT,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, MARK: self._mark},
        )
        self.told = Told()
        self.errors = ""
        self._threads = [threading.Thread(target=self._listen), threading.Thread(target=self._err)]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.told(*json.loads(line))

    def _err(self) -> None:
        assert self.process.stderr
        self.errors = self.process.stderr.read()

    def wait_for(self, name: str, count: int = 1) -> dict[str, object]:
        """The last of so many events of this name."""
        wait_until(lambda: len(self.told.all(name)) >= count, f"{name} {self.told.events}")
        return self.told.all(name)[count - 1]

    def everyone(self) -> dict[int, tuple[psutil.Process, list[str]]]:
        """All processes that it has started, and their command lines, whoever their parent is."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get(MARK) == self._mark and process.pid != self.process.pid:
                    found[process.pid] = (process, process.cmdline())
        return found

    def wait_for_program(self, name: str, count: int = 1) -> list[psutil.Process]:
        """Those that run this program, once there are so many."""
        found: list[psutil.Process] = []

        def run() -> bool:
            found[:] = [one for one, words in self.everyone().values() if words[:1] == [name]]
            return len(found) >= count

        wait_until(run, f"{name} runs")
        return found

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
        return code

    def end(self) -> None:
        self.process.terminate()
        assert self.wait() == 0, self.errors


@contextmanager
def hosting(*words: object, **given: Any) -> Iterator[Host]:
    """A process that runs a source, and ends well unless it was killed."""
    host = Host(*words, **given)
    try:
        yield host
        if host.process.poll() is None:
            host.end()
    finally:
        host.kill()  # also where it has ended: its pipes are closed


def main() -> None:
    kind, state, *rest = sys.argv[1:]

    def tell(name: str, details: Mapping[str, object]) -> None:
        sys.stdout.write(json.dumps([name, details]) + "\n")
        sys.stdout.flush()

    async def host() -> None:
        try:
            source = make(kind, Path(state), rest)
        except StartError as error:
            sys.exit(str(error))
        tell("up", {"problem": source.problem, "pid": os.getpid()})
        task = asyncio.create_task(source.run(tell))
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(15, task.cancel)
        problem = ""
        while not task.done():
            await asyncio.wait({task}, timeout=0.05)
            if source.problem != problem:
                problem = source.problem
                tell("problem", {"problem": problem})
        with suppress(asyncio.CancelledError):
            task.result()

    asyncio.run(host())


if __name__ == "__main__":
    main()
