"""The system's journal as a source, with a real journald."""

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from server.errors import StartError
from server.sources.bookmark import Bookmark, Mark
from server.sources.journal import (
    LONGEST_ENTRY,
    JournalSink,
    JournalSource,
    find_journalctl,
    meaning,
)
from server.sources.journal_entry import Entry
from server.sources.spool import LEAST_SIZE, Spool
from server.sources.spool_files import FILES
from tests.running import wait_until
from tests.sources.hosting import at_once, hosting, run, spooled, until
from tests.sources.journald import UNIT, Journald, journald

pytestmark = pytest.mark.linux

LINE = re.compile(
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 ([A-Z]+) ([^ \[]+)(\[\d+\])?: (.*)"
)


@pytest.fixture(scope="module")
def journal(namespaces: None) -> Iterator[Journald]:
    with journald() as running:
        yield running


def messages(path: Path, identifier: bytes = b"app") -> list[bytes]:
    found = [LINE.fullmatch(line) for line in spooled(path).split(b"\n")]
    return [match[4] for match in found if match and match[2] == identifier]


def test_entries_of_all_kinds_become_lines(tmp_path: Path, journal: Journald) -> None:
    source = JournalSource("*", tmp_path, directory=journal.directory)
    assert source.name == "journal"

    async def main() -> None:
        journal.send(b"before", SYSLOG_IDENTIFIER="kinds")
        async with run(source) as told:
            await until(lambda: messages(source.path, b"kinds") == [b"before"], "the first")
            journal.send(b"a\nb\x1b[1m", SYSLOG_IDENTIFIER="kinds", PRIORITY="3")
            journal.send(b"x" * 6000, SYSLOG_IDENTIFIER="kinds", PRIORITY="7")
            logger = [
                "logger",
                "-u",
                str(journal.syslog),
                "-t",
                "kinds",
                "-p",
                "user.crit",
                "by logger",
            ]
            subprocess.run(logger, check=True)
            await until(lambda: b"by logger" in messages(source.path, b"kinds"), "the last")
            assert source.problem == ""
            assert told.events == [("source-started", {"restarts": 0})]

    asyncio.run(main())
    text = re.sub(rb"(?m)^\S+ ([A-Z]+ \w+)\[\d+\]", rb"\1", source.path.read_bytes())
    for entry in (
        b"INFO kinds: before\n",
        b"ERROR kinds: a\n    b\x1b[1m\n",
        b"DEBUG kinds: " + b"x" * 6000 + b"\n",
        b"CRIT kinds: by logger\n",
    ):
        assert text.count(entry) == 1, entry


def test_after_kills_nothing_is_lost_or_doubled(tmp_path: Path, journal: Journald) -> None:
    path = tmp_path / UNIT / f"{UNIT}.log"
    sent = 0

    def send(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            journal.send(b"kill %d" % sent)
            sent += 1

    def killed() -> list[bytes]:
        return [message for message in messages(path) if message.startswith(b"kill ")]

    for turn in range(6):
        with hosting("journal", tmp_path, UNIT, journal.directory) as host:
            host.wait_for("source-started")
            send(20)
            wait_until(lambda: len(killed()) > sent - 30, "they come")
            send(100)
            if turn % 2:
                wait_until(lambda: len(killed()) > sent - 60, "they come")
            host.kill()
        send(10)
    with hosting("journal", tmp_path, UNIT, journal.directory) as host:
        wait_until(lambda: len(killed()) >= sent, "the rest comes")
        assert not host.told.all("source-lost")
    assert killed() == [b"kill %d" % number for number in range(sent)]


def test_a_batch_that_the_bookmark_does_not_know_is_read_again(
    tmp_path: Path, journal: Journald
) -> None:
    path = tmp_path / UNIT / f"{UNIT}.log"
    bookmark = Bookmark(path.with_name("cursor"))

    async def follow(count: int) -> None:
        source = JournalSource(UNIT, tmp_path, directory=journal.directory)
        async with run(source) as told:
            await until(lambda: len(batch()) == count, "they come")
            assert not told.all("source-lost")

    def batch() -> list[bytes]:
        return [message for message in messages(path) if message.startswith(b"batch ")]

    journal.send(b"batch 0")
    asyncio.run(follow(1))
    before = bookmark.read()
    assert before
    for number in (1, 2):
        journal.send(b"batch %d" % number)
    asyncio.run(follow(3))
    after = path.read_bytes()
    bookmark.write(before)
    with path.open("ab") as file:
        file.write(b"2026-01-01T00:00:00 unfin")
    asyncio.run(follow(3))
    assert path.read_bytes() == after


def test_a_journalctl_that_dies_is_started_again(tmp_path: Path, journal: Journald) -> None:
    path = tmp_path / UNIT / f"{UNIT}.log"

    def has_come(message: bytes) -> bool:
        return message in messages(path)

    with hosting("journal", tmp_path, UNIT, journal.directory) as host:
        for number in range(3):
            host.wait_for("source-started", number + 1)
            journal.send(b"dies %d" % number)
            wait_until(partial(has_come, b"dies %d" % number), "it comes")
            [program] = host.wait_for_program(find_journalctl())
            program.kill()
            assert host.wait_for("source-ended", number + 1)["signal"] == "SIGKILL"
    assert [one for one in messages(path) if one.startswith(b"dies")] == [
        b"dies 0",
        b"dies 1",
        b"dies 2",
    ]


def test_what_the_journal_has_no_more_is_told(tmp_path: Path, journal: Journald) -> None:
    journal.send(b"gone")
    spool = Spool(UNIT, tmp_path)
    inode, size = spool.files.place()
    spool.close()
    cursor = "s=" + "0" * 32 + ";i=1;b=" + "0" * 32 + ";m=1;t=1;x=1"
    Bookmark(tmp_path / UNIT / "cursor").write(Mark(inode, size, cursor))

    async def main() -> None:
        source = JournalSource(UNIT, tmp_path, directory=journal.directory)
        async with run(source) as told:
            await until(lambda: b"gone" in messages(source.path), "it goes on")
            await until(lambda: told.all("source-lost"), "it says so")
            assert "does not have the last entry" in str(told.all("source-lost"))

    asyncio.run(main())


def test_a_unit_without_entries_is_a_hint(tmp_path: Path, journal: Journald) -> None:
    async def main() -> None:
        source = JournalSource("unknown.service", tmp_path, directory=journal.directory)
        assert source.problem == ""
        async with run(source):
            await until(lambda: source.problem, "it is silent")
            assert "systemctl list-units" in source.problem
            journal.send(b"known", OBJECT_SYSTEMD_UNIT="unknown.service")
            await until(lambda: source.problem == "", "it is well")

    asyncio.run(main())


def test_an_empty_journal_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    async def main() -> None:
        source = JournalSource("*", tmp_path, delay=at_once, directory=empty)
        async with run(source) as told:
            await until(lambda: told.all("source-ended"), "it has ended")
            assert source.problem

    asyncio.run(main())


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("", ""),
        ("Hint: You are currently not seeing messages from other users", "systemd-journal"),
        ("No journal files were opened due to insufficient permissions.", "systemd-journal"),
        ("No journal files were found.", "no journal on this machine"),
        ("Failed to open files: x", "has a problem: Failed"),
    ],
)
def test_complaints(said: str, means: str) -> None:
    assert means in meaning(said)
    assert bool(means) == bool(meaning(said))


def test_without_journalctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="install the package systemd"):
        JournalSource("app.service", tmp_path)


@pytest.mark.parametrize("unit", ["", "a/b", "a\nb"])
def test_units_that_cannot_be(tmp_path: Path, unit: str) -> None:
    with pytest.raises(StartError, match="--journal"):
        JournalSource(unit, tmp_path)


def test_the_sink_waits_for_the_disk_and_moves_the_bookmark_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool("app", tmp_path, LEAST_SIZE, cut=True)
    bookmark = Bookmark(spool.directory / "cursor")
    sink = JournalSink(spool, bookmark)
    write = os.write
    texts = [b"%d" % number * 200_000 + b"\n" for number in range(10)]
    entries = [Entry(str(number), text) for number, text in enumerate(texts)]

    def fails(descriptor: int, data: bytes) -> int:
        if len(data) > 100_000:
            return write(descriptor, data[:50_000])
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fails)
        sink.write(entries)
        assert not sink.is_settled
        assert "No space left" in spool.problem
        assert bookmark.read() is None
    assert sink.settle()
    assert spool.path.read_bytes() == b"".join(texts)
    assert bookmark.read() == Mark(*spool.files.place(), "9")
    for _ in range(10):
        sink.write(entries)
    assert len(list(spool.directory.glob("app.log*"))) == FILES
    assert bookmark.read() == Mark(*spool.files.place(), "9")
    assert spooled(spool.path).endswith(b"".join(texts))
    spool.close()


def test_an_entry_that_is_too_long_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for journalctl: no program sends the journal so much at once in a test."""
    head = '{"__REALTIME_TIMESTAMP":"1","__CURSOR":"%s","MESSAGE":"'
    script = tmp_path / "journalctl"
    script.write_text(
        "#!/bin/sh\ncase $* in *--follow*) exec sleep 1000 ;; esac\n"
        f"printf '{head % 1}'; head -c {LONGEST_ENTRY + 5} /dev/zero | tr '\\0' x; echo '\"}}'\n"
        f"echo '{head % 2}short\"}}'\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    async def main() -> None:
        source = JournalSource("app", tmp_path / "state")
        async with run(source) as told:
            await until(lambda: source.path.read_bytes().endswith(b"short\n"), "the next comes")
            await until(lambda: told.all("source-lost"), "it says so")
            [lost] = told.all("source-lost")
            assert lost["lines"] == 1
            assert "more than 8 MiB" in str(lost["why"])

    asyncio.run(main())
