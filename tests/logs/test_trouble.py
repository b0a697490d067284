"""Files that the system does not let read or unpack end nothing, and are gaps that say why."""

import asyncio
import errno
import gzip
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from server.feeds.contract import Last
from server.logs.threads import Threads
from server.logs.trouble import CannotReadError
from tests.event_stream import Parsed, Parser
from tests.feeding import data, feeding, frames, take, whole
from tests.rotations import Log, numbered
from tests.running import following, running, wait_until

ERRORS = [errno.EIO, errno.ESTALE, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ETIMEDOUT]

LINES = [f"line {number} of a log" for number in range(10_000)]


@contextmanager
def unreadable(
    monkeypatch: pytest.MonkeyPatch, path: Path, number: int, start: int = 0, end: int = 1 << 60
) -> Iterator[list[int]]:
    """Reading these bytes of the file that is at `path` now fails with the error `number`.

    Gives where it was tried, each time that it failed.
    """
    broken = os.stat(path).st_ino
    failed: list[int] = []

    def failing(function: Callable[..., Any], at: int) -> Callable[..., Any]:
        def read(descriptor: int, *args: Any) -> Any:
            length = args[0] if isinstance(args[0], int) else len(args[0][0])
            is_within = args[at] < end and args[at] + length > start
            if is_within and os.fstat(descriptor).st_ino == broken:
                failed.append(args[at])
                raise OSError(number, os.strerror(number))
            return function(descriptor, *args)

        return read

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", failing(os.pread, 1))
        patch.setattr(os, "preadv", failing(os.preadv, 1))
        yield failed


def write(path: Path, lines: list[str], modified: float | None = None) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    if modified:
        os.utime(path, (modified, modified))


async def until_gap(events: AsyncIterator[bytes]) -> list[Parsed]:
    parser, parsed = Parser(), list[Parsed]()
    async with asyncio.timeout(20):
        while not any(event.type == "gap" for event in parsed):
            parsed += parser.feed(await anext(events))
    return parsed


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize(
    ("start", "end", "are_sent"),
    [(0, 100, False), (150_000, 150_001, True), (188_000, 1 << 60, False), (0, 1 << 60, False)],
)
def test_a_rotated_file_that_cannot_be_read_is_a_gap_that_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    start: int,
    end: int,
    are_sent: bool,
) -> None:
    log, rotated = tmp_path / "app.log", tmp_path / "app.log.2"
    write(rotated, LINES, 1e9)
    write(tmp_path / "app.log.1", ["second"], 1e9 + 1)
    write(log, ["third"])

    async def main() -> None:
        with unreadable(monkeypatch, rotated, number, start, end):
            async with feeding(log) as feed:
                events, live = whole(feed), frames(feed, Last(1))
                before = await until_gap(events)
                assert data(before) == LINES[: len(data(before))]
                assert bool(data(before)) is are_sent
                assert f"app.log.2 cannot be read: {os.strerror(number)}" in before[-1].data
                assert data(await take(events, 2)) == ["second", "third"]
                assert data(await take(live, 1)) == ["third"]
                write(log, ["fourth"])
                assert data(await take(live, 1)) == data(await take(events, 1)) == ["fourth"]

    asyncio.run(main())


@pytest.mark.parametrize("number", ERRORS)
def test_a_log_that_cannot_be_read_for_a_moment_is_read_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    """The server's log says so, but not at each try."""
    log = tmp_path / f"{number}.log"
    write(log, LINES[:10])

    async def main() -> None:
        async with feeding(log) as feed:
            live = frames(feed, Last(1))
            await take(live, 1)
            with unreadable(monkeypatch, log, number) as failed:
                write(log, LINES[10:20])
                fresh = asyncio.ensure_future(take(whole(feed), 20))
                async with asyncio.timeout(20):
                    while len(failed) < 6 or os.strerror(number) not in feed.log.problem:
                        await asyncio.sleep(0.01)
            assert data(await take(live, 10)) == LINES[10:20]
            assert data(await fresh) == LINES[:20]
            assert feed.log.gaps == 0
            assert not feed.log.problem

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    said = [record.message for record in caplog.records if log.name in record.message]
    assert said.count(f"trying again: {log.name} cannot be read: {os.strerror(number)}") == 1


def test_a_rotated_file_that_is_still_followed_ends_where_it_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "app.log"
    write(log, LINES[:10])

    async def main() -> None:
        async with feeding(log) as feed:
            live = frames(feed, Last(1))
            await take(live, 1)
            with unreadable(monkeypatch, log, errno.EIO):
                write(log, LINES[10:20])
                log.rename(tmp_path / "app.log.1")
                write(log, ["next"])
                [gap, line] = await take(live, 1)
                assert "cannot be read: Input/output error" in gap.data
                assert line.data == "next"

    asyncio.run(main())


@pytest.mark.parametrize("function", ["listdir", "lstat"])
def test_a_directory_that_cannot_be_read_for_a_moment_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    log, tries = tmp_path / "app.log", 0
    write(log, ["first"])
    real = getattr(os, function)

    def failing(path: Path) -> Any:
        nonlocal tries
        tries += Path(path) in (tmp_path, log)
        if Path(path) in (tmp_path, log):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path)

    async def main() -> None:
        async with feeding(log) as feed:
            live = frames(feed, Last(1))
            await take(live, 1)
            with monkeypatch.context() as patch:
                patch.setattr(os, function, failing)
                log.rename(tmp_path / "app.log.1")
                write(log, ["second"])
                while tries < 2:
                    await asyncio.sleep(0.05)
            assert data(await take(live, 1)) == ["second"]

    asyncio.run(main())


@pytest.mark.linux
def test_a_file_that_must_not_be_as_large_as_what_is_unpacked_is_a_gap(log: Log) -> None:
    """Neither for a client nor for the follower, which comes to such a file after a rotation."""

    def rotate_and_pack() -> None:
        numbered(log)
        log.beside(".1.gz").write_bytes(gzip.compress(log.beside(".1").read_bytes()))
        os.utime(log.beside(".1.gz"), (os.stat(log.beside(".1")).st_mtime,) * 2)
        log.beside(".1").unlink()

    log.beside(".1.gz").write_bytes(gzip.compress("\n".join([*LINES, ""]).encode() * 3))
    os.utime(log.beside(".1.gz"), (1e9, 1e9))
    log.write()
    limit = ["prlimit", "--fsize=500000"]
    with (
        running(log.path.parent, log.path, before=limit) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        assert client.wait_for(3) == log.lines
        [gap] = client.facts("gap")
        assert "app.log.1.gz cannot be unpacked: File too large" in gap["why"]
        server.process.send_signal(signal.SIGSTOP)
        numbered(log)
        log.append(*LINES * 3)
        rotate_and_pack()
        log.append("behind")
        server.process.send_signal(signal.SIGCONT)
        wait_until(lambda: "behind" in client.lines, "the next file")
        assert "File too large" in client.facts("gap")[-1]["why"]
        assert server.process.poll() is None
        assert server.get("/healthz")[0] == 200


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


def test_what_passes_is_tried_again_and_what_does_not_is_raised() -> None:
    async def outcome(number: int) -> str:
        errors = iter([OSError(number, "")])

        def function() -> str:
            with suppress(StopIteration):
                raise next(errors)
            return "came in the end"

        try:
            return await threads.readers.run(function)
        except OSError:
            return "raised"

    async def main() -> None:
        for number in (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            assert await outcome(number) == "came in the end"
        for number in (errno.EBADF, errno.EINTR, *ERRORS):
            assert await outcome(number) == "raised"

    threads = Threads()
    asyncio.run(main())
    threads.stop()


def test_who_is_patient_gets_it_in_the_end() -> None:
    errors = iter([CannotReadError(Path("app.log"), "no")])

    async def function() -> str:
        with suppress(StopIteration):
            raise next(errors)
        return "came in the end"

    assert asyncio.run(Threads().patiently(function)) == "came in the end"


def test_a_problem_is_said_once_by_each_log_that_has_it(caplog: pytest.LogCaptureFixture) -> None:
    """Though another log of the same process has said it in the same words."""
    logs = [Threads(), Threads()]
    with caplog.at_level(logging.WARNING):
        for threads in logs * 3:
            threads.say("app.log cannot be read: no")
    said = [record.message for record in caplog.records]
    assert said == ["trying again: app.log cannot be read: no"] * 2
