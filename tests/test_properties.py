"""Whatever happens to a log, in whatever order: no line is lost and none comes twice."""

import asyncio
import gzip
import os
import re
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from server.feeds.contract import Oldest
from server.feeds.log import LogFeed
from server.logs import decisions, file_follower, next_file
from server.logs.layout import DatedLayout, FixedLayout, Layout
from tests.event_stream import Parsed, Parser
from tests.feeding import frames, log_feed

pytestmark = pytest.mark.long

HEADER = "#Fields: date time level message\n"


class Listener:
    """A client within this process."""

    def __init__(self) -> None:
        self.events: list[Parsed] = []
        self.last_event_id = ""
        self._task: asyncio.Task[None] | None = None

    def connect(self, feed: LogFeed) -> None:
        self._task = asyncio.ensure_future(self._listen(feed))

    async def _listen(self, feed: LogFeed) -> None:
        parser = Parser(self.last_event_id)
        async for piece in frames(feed, self.last_event_id or Oldest()):
            self.events += parser.feed(piece)
            self.last_event_id = parser.last_event_id

    async def disconnect(self) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task = None

    @property
    def is_connected(self) -> bool:
        if self._task and self._task.done():
            self._task.result()
        return self._task is not None

    @property
    def last_line(self) -> int:
        """The number of the last line; 0 if there is none."""
        return next((int(e.data) for e in reversed(self.events) if e.data.isdigit()), 0)


class LogMachine(RuleBasedStateMachine):
    """A log whose lines are numbers, what befalls it, and clients that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.log = self.directory / "app.log"
        self.log.touch()
        self.number = 0  # of the last line that was written
        self.unfinished = False
        self.destroyed: set[int] = set()  # lines that were perhaps truncated before they were read
        self.loop = asyncio.new_event_loop()
        self.listeners = [Listener() for _ in range(3)]
        self.run(self.start())

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(asyncio.wait_for(coroutine, 20))

    async def start(self) -> None:
        self.feed = log_feed(self.layout())
        await self.feed.log.open()
        self.following = asyncio.ensure_future(self.feed.log.follow(self.feed.publish))

    def layout(self) -> Layout:
        return FixedLayout(self.log)

    async def stop(self) -> None:
        for listener in self.listeners:
            await listener.disconnect()
        self.following.cancel()
        with suppress(asyncio.CancelledError):
            await self.following
        self.feed.log.close()

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.run(self.stop())
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()
            shutil.rmtree(self.directory)

    # --- what happens to the log ----------------------------------------------------

    @rule(lines=st.integers(1, 50), newline=st.booleans())
    def append(self, lines: int, newline: bool) -> None:
        text = "\n" if self.unfinished else ""
        for _ in range(lines):
            self.number += 1
            text += f"{self.number}\n"
        self.unfinished = not newline
        with self.log.open("a") as file:
            file.write(text if newline else text[:-1])

    def rotated(self) -> list[Path]:
        """Oldest first."""
        files = [path for path in self.directory.iterdir() if path != self.log]
        return sorted(files, key=lambda path: -int(path.name.split(".")[2]))

    def shift(self) -> Path:
        """Make room for a rotated file."""
        for path in self.rotated():
            parts = path.name.split(".")
            parts[2] = str(int(parts[2]) + 1)
            path.rename(self.directory / ".".join(parts))
        return self.directory / "app.log.1"

    @rule(header=st.booleans())
    def rename(self, header: bool) -> None:
        os.rename(self.log, self.shift())
        self.log.write_text("")
        self.unfinished = False
        if header:
            self.number += 1
            self.log.write_text(f"{HEADER}{self.number}\n")

    @rule()
    def copytruncate(self) -> None:
        shutil.copyfile(self.log, self.shift())
        os.truncate(self.log, 0)
        self.unfinished = False

    @precondition(lambda self: self.log.exists())
    @rule(settled=st.booleans(), lines=st.integers(0, 50))
    def truncate(self, settled: bool, lines: int) -> None:
        if settled and not self.unfinished:
            self.settle()
        self.destroyed |= {int(line) for line in re.findall(r"(?m)^\d+$", self.log.read_text())}
        os.truncate(self.log, 0)
        self.unfinished = False
        if lines:
            self.append(lines, newline=True)

    @precondition(lambda self: any(path.suffix != ".gz" for path in self.rotated()))
    @rule(data=st.data())
    def compress(self, data: st.DataObject) -> None:
        plain = [path.name for path in self.rotated() if path.suffix != ".gz"]
        path = self.directory / data.draw(st.sampled_from(plain))
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()

    @precondition(lambda self: len(self.rotated()) > 2)
    @rule()
    def delete_oldest(self) -> None:
        self.settle()
        self.rotated()[0].unlink()

    # --- what happens to the server and its clients ---------------------------------

    @rule()
    def restart(self) -> None:
        connected = [listener for listener in self.listeners if listener.is_connected]
        self.run(self.stop())
        self.run(self.start())
        for listener in connected:
            self.connect(listener)

    @rule(which=st.integers(0, 2))
    def come_or_go(self, which: int) -> None:
        listener = self.listeners[which]
        if listener.is_connected:
            self.run(listener.disconnect())
        else:
            self.connect(listener)

    def connect(self, listener: Listener) -> None:
        async def connect() -> None:
            listener.connect(self.feed)

        self.run(connect())

    @rule()
    def settle(self) -> None:
        """All that was written reaches all that are connected."""
        wanted = min(self.number - self.unfinished, self.last_on_disk())

        async def settle() -> None:
            for listener in self.listeners:
                while listener.is_connected and listener.last_line < wanted:
                    if set(range(listener.last_line + 1, wanted + 1)) <= self.destroyed:
                        break
                    assert not self.following.done()
                    await asyncio.sleep(0.001)

        self.run(settle())

    def last_on_disk(self) -> int:
        """The number of the last line that any file holds."""
        for path in filter(Path.exists, [self.log, *reversed(self.rotated())]):
            content = path.read_bytes()
            text = gzip.decompress(content) if path.suffix == ".gz" else content
            if numbers := re.findall(rb"(?m)^\d+$", text):
                return int(numbers[-1])
        return 0

    @invariant()
    def lines_come_once_each_in_order(self) -> None:
        for listener in self.listeners:
            previous: int | None = None
            for event in listener.events:
                if event.type == "gap":
                    previous = None
                elif event.data.isdigit():
                    number = int(event.data)
                    if previous is not None:
                        skipped = set(range(previous + 1, number))
                        assert number > previous, (previous, number)
                        assert skipped <= self.destroyed, (previous, number)
                    previous = number


class DailyMachine(LogMachine):
    """The same of a log that has a file for each day."""

    def __init__(self) -> None:
        self.today = date(2026, 2, 26)
        super().__init__()

    def layout(self) -> Layout:
        self.log = self.of_today()
        return DatedLayout(self.directory / "app-%Y-%m-%d.log")

    def of_today(self) -> Path:
        return self.directory / f"app-{self.today}.log"

    def rotated(self) -> list[Path]:
        return sorted(path for path in self.directory.glob("app-*") if path != self.log)

    def shift(self) -> Path:
        """Each file has its own name from the start."""
        return self.log

    @rule(header=st.booleans(), days=st.integers(1, 3), is_begun=st.booleans())
    def rename(self, header: bool, days: int, is_begun: bool) -> None:
        self.today += timedelta(days)
        self.log = self.of_today()
        self.unfinished = False
        if header or is_begun:
            self.log.write_text("")
        if header:
            self.number += 1
            self.log.write_text(f"{HEADER}{self.number}\n")

    def copytruncate(self) -> None:
        """No program does that to such files."""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (file_follower, next_file):
        monkeypatch.setattr(module, "POLL", 0.005)
    monkeypatch.setattr(decisions, "RESTART", 0.01)


@pytest.mark.parametrize("part", [1, 2, 3])
@pytest.mark.parametrize("machine", [LogMachine, DailyMachine])
def test_no_line_is_lost_and_none_comes_twice(machine: type[LogMachine], part: int) -> None:
    """In parts, each of which has the time of one test; the name decides on the examples."""
    one: type[LogMachine] = type(f"{machine.__name__}{part}", (machine,), {})
    run_state_machine_as_test(one, settings=settings(max_examples=20, stateful_step_count=30))
