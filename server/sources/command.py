"""Commands as sources: what they write goes into a spool, and they are started again.

Standard error goes into the same log, and each of its lines begins with `stderr: `. A command that
says again on a new start what it has said before, as `kubectl logs -f` does, finds the time of the
last line in RIACHO_SINCE: `kubectl logs -f deploy/web --since-time="$RIACHO_SINCE"`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from server.errors import StartError
from server.sources.contract import Tell, lost_teller
from server.sources.intake import Take
from server.sources.keeper import run_kept, start_kept
from server.sources.restarts import End, Restarts, how_it_ended
from server.sources.spool import SIZE, Spool, check_name
from server.sources.whole_lines import WholeLines
from server.supervision import next_delay

MARK = b"stderr: "
"""What the lines of standard error begin with."""


class Command(NamedTuple):
    """A command line for the shell, and the name of its log."""

    name: str
    line: str

    @classmethod
    def parse(cls, text: str) -> "Command":
        """`NAME=CMD`, as `web=kubectl logs -f deploy/web`. Raises StartError."""
        name, equals, line = text.partition("=")
        if not equals:
            raise StartError(f"--command {text!r} has no name: write NAME={text}")
        name, line = name.strip(), line.strip()
        check_name(name, f"--command {text!r}")
        if not line:
            raise StartError(f"--command {text!r} has no command: write {name}=COMMAND")
        if "\0" in line:
            raise StartError(f"--command {text!r} has a NUL byte, which no command can have")
        return cls(name, line)


def parse_commands(texts: tuple[str, ...]) -> list[Command]:
    """All of them, each with a name of its own. Raises StartError."""
    commands = [Command.parse(text) for text in texts]
    names = [command.name for command in commands]
    for name in names:
        if names.count(name) > 1:
            raise StartError(
                f"two commands are called {name}: give each --command a name of its own"
            )
    return commands


class CommandSource:
    """Runs a command as long as the server runs, and spools what it writes.

    Raises StartError if the spool cannot be written.
    """

    def __init__(
        self,
        command: Command,
        state: Path,
        size: int = SIZE,
        delay: Callable[[float, float], float] = next_delay,
    ) -> None:
        self.name = command.name
        self._line = command.line
        self._spool = Spool(command.name, state, size)
        self.path = self._spool.path
        self._restarts = Restarts(self._run_once, delay)

    @property
    def problem(self) -> str:
        return self._spool.problem or self._restarts.problem

    @property
    def restarts(self) -> int:
        """How often the command was started again."""
        return self._restarts.count

    async def run(self, tell: Tell) -> None:
        """Run the command again and again, until this is cancelled."""
        self._spool.open()
        self._spool.lost = lost_teller(tell)
        try:
            await self._restarts.run(tell)
        finally:
            self._spool.close()

    async def _run_once(self) -> End:
        try:
            kept = await start_kept(["/bin/sh", "-c", self._line], self._environment())
        except OSError as error:
            return End(f"cannot be started ({error.strerror or error})", {})
        out, err = self._taker(WholeLines()), self._taker(WholeLines(MARK))
        return how_it_ended(await run_kept(self.name, kept, out, err, self._spool))

    def _taker(self, lines: WholeLines) -> Take:
        def take(data: bytes) -> None:
            self._spool.write(lines.take(data) if data else lines.end())

        return take

    def _environment(self) -> dict[str, str]:
        last = datetime.fromtimestamp(self._spool.files.last_written() or 0, UTC)
        return {"RIACHO_SINCE": last.strftime("%Y-%m-%dT%H:%M:%SZ")}
