"""The logs that are served, and what writes them: built from the settings, opened, and closed."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from server.catalog.catalog import Catalog
from server.catalog.discovery import Changes, Discovery, Found, View
from server.catalog.specs import DatedSpec, FileSpec, InputSpec, Spec, parse_specs
from server.days import ADVICE, is_of_today
from server.errors import StartError
from server.feeds.memory import Memory
from server.feeds.merged import MergedFeed
from server.feeds.served import ServedLog
from server.filters.filter import Filter, Selection
from server.logs.log import Log, check
from server.logs.sweep import Sweep
from server.logs.tail import find_tail
from server.logs.tailing import TailLimit
from server.logs.threads import Threads
from server.settings import Settings
from server.sources.command import CommandSource, parse_commands
from server.sources.contract import Source
from server.sources.journal import JournalSource
from server.sources.log_writer import LogWriter
from server.sources.spool import state_directory
from server.sources.stdin import StdinSource
from server.supervision import supervise

FOLLOWERS = 8
"""Threads for all logs that are followed, so that a disk that hangs holds up few of them."""

_log = logging.getLogger(__name__)


class Serving:
    """The logs that `settings` name, with their sources. Raises StartError.

    directory: what relative paths are relative to; that in which the process works by default.
    is_lazy: whether the demo's log is followed, and written, only once somebody asks for it.
    """

    def __init__(
        self, settings: Settings, directory: Path | None = None, *, is_lazy: bool = False
    ) -> None:
        _look_for_temporary_directory()
        self._settings = settings
        self._is_lazy = is_lazy and settings.writes_log
        self._specs = parse_specs(settings.given_logs, directory=directory)
        self._writer = self._make_writer() if settings.writes_log else None
        self._tail = find_tail()
        self._tails, self._sweep = TailLimit(), Sweep()
        self._state = settings.state_dir or state_directory()
        self._sources = self._make_sources()
        names = [source.name for source in self._sources]
        for name in names:
            if names.count(name) > 1:
                raise StartError(f"{name}: two sources are called that: give one another NAME=")
        if isinstance(only := self._only, FileSpec | DatedSpec):
            check(Found("", only.path, is_dated=isinstance(only, DatedSpec)).layout())
        self._discovery = Discovery(self._specs, [self._state], names)
        self._threads = Threads(followers=FOLLOWERS)
        self._memory = Memory(settings.memory)
        self.logs = Catalog(self._make, self._make_feed, self._memory)
        self._has_looked = asyncio.Event()
        for spec in self._specs:
            if isinstance(spec, FileSpec) and is_of_today(
                spec.path.name, datetime.now().astimezone()
            ):
                _log.warning(
                    "%s is named for today and goes quiet at midnight: %s", spec.path.name, ADVICE
                )

    def _make_writer(self) -> LogWriter:
        for spec in self._specs:
            if isinstance(spec, FileSpec):
                return LogWriter(spec.path, self._settings.writer_interval)
        raise StartError("--log-writer writes lines to a file: name one as LOG, or leave it out")

    def _make_sources(self) -> list[Source]:
        settings, size = self._settings, self._settings.spool_size
        inputs = [spec for spec in self._specs if isinstance(spec, InputSpec)]
        return [
            *(StdinSource(self._state, size, spec.alias or "stdin") for spec in inputs),
            *(
                CommandSource(command, self._state, size)
                for command in parse_commands(settings.command)
            ),
            *(JournalSource(unit, self._state, size) for unit in settings.journal),
        ]

    def _make(self, found: Found) -> ServedLog:
        settings = self._settings
        if self._is_lazy and self._writer:
            self._writer.start()
        log = Log(
            found.layout(lambda: self._discovery.served),
            self._tail,
            settings.max_line,
            settings.max_unpack,
            name=found.name,
            threads=self._threads,
            tails=self._tails,
            sweep=self._sweep,
        )
        return ServedLog(found.name, log, settings.max_line, self._memory)

    def _make_feed(self, filter: Filter | None) -> MergedFeed:
        settings = self._settings
        selection = Selection(filter, settings.max_line) if filter else None
        return MergedFeed(
            settings.max_line,
            settings.backlog,
            self._memory.share,
            lambda: self.logs.names,
            selection,
        )

    @property
    def _only(self) -> Spec | Source | None:
        """What stands for the only log there can be, None if there may be several."""
        given = [spec for spec in self._specs if not isinstance(spec, InputSpec)]
        if len(given) + len(self._sources) != 1:
            return None
        one = [*given, *self._sources][0]
        return None if given and not isinstance(one, FileSpec | DatedSpec) else one

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Catalog]:
        """Serve the logs meanwhile. The only one is followed from the start on.

        Raises StartError if that cannot be read.
        """
        tasks: list[asyncio.Task[None]] = []
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._stop, tasks)
            watch = partial(self._discovery.watch, self._update)
            tasks.append(asyncio.create_task(supervise("the search for logs", watch)))
            await self._has_looked.wait()
            for source in self._sources:
                log = self.logs.add(Found(source.name, source.path), source)
                run = partial(source.run, log.tell)
                tasks.append(asyncio.create_task(supervise(f"the source {source.name}", run)))
            idle = asyncio.create_task(supervise("the closing of idle logs", self.logs.close_idle))
            tasks.append(idle)
            if self._only and not self._is_lazy:
                only = self.logs.get(self.logs.names[0])
                assert only
                await only.open_now()
                await stack.enter_async_context(only.in_use())
            if self._writer and not self._is_lazy:
                self._writer.start()
            yield self.logs

    def _update(self, view: View, changes: Changes) -> None:
        self.logs.update(view, changes)
        self._has_looked.set()

    async def _stop(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if self._writer:
            self._writer.stop()
        await self.logs.close()
        self._discovery.close()
        self._threads.stop()

    def doing(self) -> str:
        """What it does when it starts, in words that follow "Riacho"."""
        if len(self._specs) == 1 and isinstance(self._specs[0], FileSpec) and not self._sources:
            spec = self._specs[0]
            if not spec.path.exists():
                return f"waits for {spec.text}, which does not exist yet"
        given = [spec.text for spec in self._specs if not isinstance(spec, InputSpec)]
        return f"streams {', '.join([*given, *(source.name for source in self._sources)])}"


def _look_for_temporary_directory() -> None:
    """Compressed logs are unpacked there. Raises StartError."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        raise StartError(
            "there is no directory for temporary files: "
            "set TMPDIR to one that this user may write to"
        ) from None
