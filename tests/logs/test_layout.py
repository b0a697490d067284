"""Which file of a log is the live one, and that each line comes once where each day has a file."""

import asyncio
import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from server.errors import StartError
from server.feeds.contract import Oldest
from server.logs.layout import DatedLayout, FixedLayout, layout_of
from server.logs.listing import Listing
from server.logs.log import Log
from server.logs.tail import find_tail
from server.logs.trouble import CannotReadError
from tests.feeding import data, feeding, frames, live, take, whole
from tests.rotations import PACK
from tests.running import wait_until

PATTERN = "app-%Y-%m-%d.log"


class Daily:
    """A program that begins a file for each day."""

    def __init__(self, directory: Path) -> None:
        self.layout = DatedLayout(directory / PATTERN)
        self.today = date(2026, 11, 27)
        self.lines: list[str] = []

    @property
    def path(self) -> Path:
        return self.layout.path.with_name(self.today.strftime(PATTERN))

    def write(self, count: int = 3, header: str = "") -> None:
        first = len(self.lines)
        lines = [f"line {number} of a log" for number in range(first, first + count)]
        lines[:0] = [header] if header else []
        with self.path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)
        self.lines += lines

    def at_midnight(self) -> Path:
        """Go on in the next file, and give the one before."""
        before = self.path
        self.today += timedelta(1)
        return before

    def pack(self, path: Path, suffix: str = ".gz") -> None:
        path.with_name(path.name + suffix).write_bytes(PACK[suffix](path.read_bytes()))
        path.unlink()


@pytest.fixture
def log(tmp_path: Path) -> Daily:
    return Daily(tmp_path)


async def check(log: Daily) -> None:
    """A client that reads all, and those that come back after any line, get each line once."""
    async with feeding(log.layout) as feed:
        events = [e for e in await take(whole(feed), len(log.lines)) if e.type == "message"]
        assert data(events) == log.lines
        for number, event in enumerate(events[:-1], 1):
            late = await take(frames(feed, event.id), len(log.lines) - number)
            assert data(late) == log.lines[number:]
            assert "gap" not in {one.type for one in late}


# --- which file it is -----------------------------------------------------------------


def test_a_path_is_that_of_a_file_which_keeps_its_name(tmp_path: Path) -> None:
    target, link = tmp_path / "0.log", tmp_path / "app.log"
    target.touch()
    link.symlink_to(target)
    layout = layout_of(link)
    assert isinstance(layout, FixedLayout)
    assert (layout.location(), layout.target()) == (link, target)
    assert layout.has_been_live("0.log")
    assert layout.mark_of("0.log.1", "0.log")
    dated = DatedLayout(tmp_path / PATTERN)
    assert layout_of(dated) is dated


def test_the_live_file_is_that_of_the_newest_date(log: Daily) -> None:
    directory, layout = log.layout.path.parent, log.layout
    assert layout.target() == directory / PATTERN  # which is not there
    log.write()
    first = log.path
    assert layout.target() == first
    wait_until(lambda: layout.location() == first, "it is seen")
    log.at_midnight()
    (directory / "app-2027-01-01.log").mkdir()  # no file
    (directory / "app-2027-01-02.log").symlink_to(first)
    (directory / "app-2027-01-03.log.1").touch()
    assert layout.target() == first
    log.write()
    assert layout.target() == log.path
    wait_until(lambda: layout.location() == log.path, "it is seen")
    log.pack(log.path)
    assert layout.target() == directory / PATTERN
    assert [layout.has_been_live(name) for name in (log.path.name, "app.log", None)] == [
        *(True, False, False)
    ]


def test_a_directory_that_has_not_changed_is_not_listed_again(
    log: Daily, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write()
    os.utime(log.path.parent, (1, 1))
    assert log.layout.target() == log.path
    monkeypatch.delattr(os, "scandir")
    assert log.layout.target() == log.layout.location() == log.path
    monkeypatch.undo()
    log.at_midnight()
    log.write()
    assert log.layout.target() == log.path


def test_what_is_not_there_or_cannot_be_listed_is_said_in_words(
    log: Daily, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StartError, match=r"its directory does not exist: create /"):
        Log(DatedLayout(log.layout.path.parent / "gone" / PATTERN), find_tail(), 100)

    def refuse(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    assert log.layout.location() == log.layout.path
    with pytest.raises(CannotReadError):
        Listing(log.layout).target()
    with pytest.raises(StartError, match="cannot be read: give this user read permission"):
        Log(log.layout, find_tail(), 100)


def test_files_come_by_their_dates_whatever_their_times_are(log: Daily) -> None:
    names = []
    for age in (1, 5, 2, 4, 3):
        log.write()
        os.utime(log.path, (age, age))
        names.append(log.at_midnight().name)
    log.pack(log.path.with_name(names[1]))
    names[1] += ".gz"
    log.layout.path.with_name("app-2026-11-28.log.1").touch()
    entries = Listing(log.layout).look().entries
    assert [entry.path.name for entry in entries] == names
    assert [entry.is_log for entry in entries] == [False] * 4 + [True]


def test_a_log_is_called_by_its_file_s_name_unless_it_was_given_another(log: Daily) -> None:
    for name, called in (("", PATTERN), ("app", "app")):
        one = Log(log.layout, find_tail(), 100, name=name)
        assert one.name == called
        one.close()


# --- how it is followed ---------------------------------------------------------------


def test_each_day_s_file_follows_the_one_before(log: Daily) -> None:
    async def test() -> None:
        log.write()
        async with feeding(log.layout) as feed:
            client = whole(feed)
            assert data(await take(client, 3)) == log.lines
            for _ in range(3):
                log.at_midnight()
                log.write()
                events = await take(client, 3)
                assert data(events) == log.lines[-3:]
                assert [e.type for e in events if e.type != "message"] == ["rotated"]
            assert feed.log.follower.gaps == 0
        await check(log)

    asyncio.run(test())


def test_days_that_pass_faster_than_anybody_looks_are_read_in_their_order(log: Daily) -> None:
    async def test() -> None:
        log.write()
        async with feeding(log.layout) as feed:
            client = whole(feed)
            await take(client, 3)
            for _ in range(3):
                log.pack(log.at_midnight())
                log.write()
            assert data(await take(client, 9)) == log.lines[3:]

    asyncio.run(test())


def test_what_a_writer_adds_to_a_day_after_midnight_comes_before_the_next_day(log: Daily) -> None:
    async def test() -> None:
        log.write()
        async with feeding(log.layout) as feed:
            client = whole(feed)
            await take(client, 3)
            with log.path.open("a") as old:
                log.at_midnight()
                log.write(1)
                last = log.lines.pop()
                for number in range(3):
                    while log.layout.location() != log.path:  # until it is seen
                        await asyncio.sleep(0.01)
                    print("late", number, file=old, flush=True)
                    log.lines.append(f"late {number}")
                    assert data(await take(client, 1)) == log.lines[-1:]
            log.lines.append(last)
            assert data(await take(client, 1)) == [last]

    asyncio.run(test())


def test_the_next_day_is_waited_for_once_the_last_one_is_compressed(log: Daily) -> None:
    async def test() -> None:
        log.write()
        async with feeding(log.layout) as feed:
            client = live(feed)
            first = await anext(client)
            assert b"id: " in first
            log.pack(log.at_midnight())
            async with feeding(log.layout) as again:  # a server that is started meanwhile
                other = live(again)
                await anext(other)
                log.write()
                for one in (client, other):
                    events = await take(one, 3)
                    assert data(events) == log.lines[3:]
                    assert "gap" not in {event.type for event in events}
        await check(log)

    asyncio.run(test())


@pytest.mark.parametrize("suffix", PACK)
def test_clients_come_back_to_any_line_of_any_day(log: Daily, suffix: str) -> None:
    for day in range(4):
        log.write()
        before = log.at_midnight()
        if day < 2:
            log.pack(before, suffix)
    asyncio.run(check(log))


def test_a_client_reads_a_day_that_is_being_compressed_once(log: Daily) -> None:
    log.write()
    log.path.with_name(f"{log.path.name}.gz").write_bytes(PACK[".gz"](log.path.read_bytes()))
    asyncio.run(check(log))
    log.at_midnight()
    log.write()
    asyncio.run(check(log))


def test_days_that_begin_in_the_same_way_are_no_copies_of_each_other(log: Daily) -> None:
    async def test() -> None:
        header = "a long enough line with which this program begins each file"
        log.write(0, header)
        async with feeding(log.layout) as feed:
            client = whole(feed)
            await take(client, 1)
            for lines in (0, 2, 0, 1):
                log.at_midnight()
                log.write(lines, header)
                assert data(await take(client, lines + 1)) == log.lines[-lines - 1 :]
            assert data(await take(whole(feed), len(log.lines))) == log.lines
        async with feeding(log.layout) as feed:
            assert data(await take(whole(feed), len(log.lines))) == log.lines

    asyncio.run(test())


def truncate(log: Daily) -> None:
    os.truncate(log.path, 0)


def remove(log: Daily) -> None:
    log.path.unlink()


@pytest.mark.parametrize("happens", [truncate, remove])
def test_a_day_that_is_begun_anew_goes_on(log: Daily, happens: Callable[[Daily], None]) -> None:
    async def test() -> None:
        log.write()
        async with feeding(log.layout) as feed:
            client = whole(feed)
            await take(client, 3)
            happens(log)
            log.write()
            events = await take(client, 3)
            assert data(events) == log.lines[3:]
            log.at_midnight()
            log.write()
            assert data(await take(client, 3)) == log.lines[6:]

    asyncio.run(test())


def test_a_log_whose_first_file_does_not_exist_yet_is_waited_for(log: Daily) -> None:
    async def test() -> None:
        async with feeding(log.layout) as feed:
            wait = asyncio.ensure_future(feed.locate(Oldest()))
            await asyncio.wait({wait}, timeout=0.3)
            assert feed.log.problem == "does not exist yet"
            client = frames(feed, Oldest())
            log.write()
            assert data(await take(client, 3)) == log.lines
            await wait
            assert feed.log.problem == ""
            assert feed.log.name == PATTERN

    asyncio.run(test())
