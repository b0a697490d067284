"""What every source promises: it appends to a file, which is followed as any log is.

A source is what produces lines where no file is: a command, standard input, the system's journal.
Nothing above it knows more of it than this.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

Tell = Callable[[str, Mapping[str, object]], None]
"""Sends an event of this name, with these details, to all who read the log now.

It is called on the event loop.
"""

STARTED = "source-started"
"""The source runs again; `restarts` says how often it has been started again."""

ENDED = "source-ended"
"""The source has ended: `why` says it in words, `code` or `signal` how a command has ended,
`again_in` in how many seconds it is started again. Without that, it is not."""

LOST = "source-lost"
"""So many `lines` and `bytes` could not be kept; `why` says it in words."""


def lost_teller(tell: Tell) -> Callable[[int, int, str], None]:
    """What tells from any thread that something was lost: lines, bytes, and why."""
    loop = asyncio.get_running_loop()

    def lost(lines: int, count: int, why: str) -> None:
        loop.call_soon_threadsafe(tell, LOST, {"lines": lines, "bytes": count, "why": why})

    return lost


class Source(Protocol):
    """What produces lines, and appends them to a file."""

    @property
    def name(self) -> str:
        """The log's name."""

    @property
    def path(self) -> Path:
        """The file that is followed."""

    @property
    def problem(self) -> str:
        """What is wrong, in words that follow its name; empty if it is well."""

    async def run(self, tell: Tell) -> None:
        """Append to the file until this is cancelled.

        Then all that was started is gone, and what was taken in is written. It can be run once.
        """
