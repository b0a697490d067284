"""Standard input as a source: `app | python -m server -`."""

import asyncio
import os
import stat
import sys
from pathlib import Path

from server.sources.contract import ENDED, Tell, lost_teller
from server.sources.intake import Intake
from server.sources.spool import SIZE, Spool
from server.sources.whole_lines import WholeLines

NAME = "stdin"
"""The log's name if it is given none."""

_ADVICE = "pipe a program into the server: app | python -m server -"


def what_is_wrong(descriptor: int | None) -> str:
    """Why nothing can come from standard input, in words that follow its name; else empty."""
    if descriptor is None:
        return f"is closed: {_ADVICE}"
    try:
        found = os.fstat(descriptor)
    except OSError:
        return f"is closed: {_ADVICE}"
    if stat.S_ISCHR(found.st_mode) and os.path.samestat(found, os.stat(os.devnull)):
        return f"is {os.devnull}: {_ADVICE}"
    return ""


def standard_input() -> int | None:
    """Its descriptor; None if the process was started without.

    What has its number then is some other file that was opened since.
    """
    return 0 if sys.__stdin__ is not None else None


class StdinSource:
    """Spools what comes from standard input, and says when it has ended.

    Raises StartError if the spool cannot be written.
    """

    def __init__(
        self, state: Path, size: int = SIZE, name: str = NAME, descriptor: int | None = None
    ) -> None:
        self.name = name
        self._spool = Spool(name, state, size)
        self.path = self._spool.path
        self._descriptor = standard_input() if descriptor is None else descriptor
        self._wrong = what_is_wrong(self._descriptor)

    @property
    def problem(self) -> str:
        return self._wrong or self._spool.problem

    async def run(self, tell: Tell) -> None:
        """Take what comes until it ends; then wait until this is cancelled."""
        self._spool.open()
        self._spool.lost = lost_teller(tell)
        try:
            if not self._wrong:
                assert self._descriptor is not None
                await self._take_all(self._descriptor)
            tell(ENDED, {"why": self._wrong or "has come to its end"})
            await asyncio.get_running_loop().create_future()
        finally:
            self._spool.close()

    async def _take_all(self, descriptor: int) -> None:
        lines = WholeLines()

        def take(data: bytes) -> None:
            self._spool.write(lines.take(data) if data else lines.end())

        intake = Intake(self.name, {descriptor: take}, self._spool)
        try:
            await intake.wait()
        finally:
            await intake.stop()
