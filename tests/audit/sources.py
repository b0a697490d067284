"""A program that the server runs, and what it has written."""

import shlex
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from tests.audit.program import LAST, lines_of
from tests.audit.verdict import Action, Record, Serving
from tests.audit.writer import as_sent, clock, number_of
from tests.running import Server, children

ROOT = Path(__file__).parent.parent.parent


class Source:
    """The program `name`, with its spool below `directory`."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self._born = clock()
        self._spool = directory / "state" / name
        self._stop = directory / "stop"
        words = [sys.executable, "-m", "tests.audit.program", str(self._spool), str(self._stop)]
        command = f"{name}=cd {shlex.quote(str(ROOT))} && exec {shlex.join(words)}"
        self.options = ["--command", command]

    def kill(self, server: Server) -> None:
        """Kill the program, if it runs."""
        for program in children(server.proc, str(self._spool)):
            with suppress(psutil.NoSuchProcess):
                program.kill()

    def ask_to_stop(self) -> None:
        self._stop.touch()

    def has_stopped(self) -> bool:
        """Whether it has written its last line."""
        lines = lines_of(self._spool)
        return bool(lines) and LAST in lines[-1]

    def record(self, servers: list[Serving], actions: list[Action]) -> Record:
        """What stands in the spool is the log: nothing of it is ever destroyed."""
        times, pieces = [self._born], set()
        for line in lines_of(self._spool):
            if number_of(line) is None:
                pieces.add(as_sent(line))  # the server was killed while it wrote this
            else:
                times.append(float(line.split(b"|")[1]))
        return Record(len(times) - 1, times, pieces=pieces, servers=servers, actions=actions)
