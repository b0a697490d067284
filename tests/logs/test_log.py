"""Every complete line on disk reaches every client once and in order, whatever befalls the log."""

import asyncio
import json
import os
import random
import re
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
import sh

from server.feeds.contract import Last
from server.logs import decisions, files
from server.logs.position import Position
from tests.feeding import data, feeding, frames, live, log_feed, take, whole
from tests.rotations import (
    LOGROTATIONS,
    PACK,
    ROTATIONS,
    Log,
    Rotate,
    copied_and_truncated,
    numbered,
    packed,
)
from tests.running import Client, Server, following, is_gone, running, wait_until

pytestmark = pytest.mark.long


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "app.log")


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """The server sees nothing of what is done meanwhile."""
    server.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: server.proc.status() == psutil.STATUS_STOPPED, "it has stopped")
    yield
    server.process.send_signal(signal.SIGCONT)


@contextmanager
def down(server: Server) -> Iterator[None]:
    server.kill()
    yield
    server.start()


def check(log: Log, client: Client) -> None:
    """All lines came, once and in order, and nothing was said to be missing."""
    assert client.wait_for(len(log.lines)) == log.lines
    assert client.facts("gap") == []


def check_returns(
    server: Server, log: Log, client: Client, step: int = 1, but: str | None = None
) -> None:
    """Clients that come back get what they missed, once and in order.

    They come back from each `step`th line that is not `but`.
    """
    events = [event for event in client.events if event.type == "message"]
    with ExitStack() as stack:
        enter = stack.enter_context
        fresh = enter(following(server, "/stream-logs?from=start"))
        back = {
            number: enter(following(server, last_event_id=events[number].id))
            for number in range(0, len(events), step)
            if events[number].data != but
        }
        log.write(1)  # comes after all that could come twice
        for number, late in back.items():
            assert late.wait_for(len(log.lines) - number - 1) == log.lines[number + 1 :]
            assert late.facts("gap") == []
        check(log, fresh)
        check(log, client)


def go_through(log: Log, rotate: Rotate) -> None:
    """Rotate at each pace: watched by the server, faster than it looks, and while it is down."""
    cwd = log.path.parent
    log.write()
    with running(cwd, log.path) as server, following(server, "/stream-logs?from=start") as client:
        for situation in (nullcontext, stopped, down):
            with situation(server):
                for _ in range(2):
                    log.write()
                    rotate(log)
                    log.write()
            check(log, client)
        assert len(list(cwd.glob("app*"))) == 7
        check_returns(server, log, client, 3)
        with down(server):
            pass
        check_returns(server, log, client, 5)


# --- rotation -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROTATIONS)
def test_every_line_comes_once_through_a_rotation(log: Log, name: str) -> None:
    go_through(log, ROTATIONS[name])


@pytest.mark.linux
@pytest.mark.parametrize("name", LOGROTATIONS)
def test_every_line_comes_once_through_logrotate(log: Log, name: str) -> None:
    go_through(log, LOGROTATIONS[name])


def test_what_a_writer_adds_to_a_renamed_file_comes_before_the_next_file(log: Log) -> None:
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        with log.path.open("a") as old:
            numbered(log)
            later = Log(log.path)
            later.append("of the next file")
            for number in range(10):
                print("of the renamed file", number, file=old, flush=True)
                log.lines.append(f"of the renamed file {number}")
                assert client.wait_for(len(log.lines)) == log.lines
        log.lines += later.lines
        check(log, client)
        check_returns(server, log, client)


def test_a_file_with_a_forgotten_writer_does_not_come_again_after_a_restart(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "QUIET_WRITER", 0.2)
    monkeypatch.setattr(files, "QUIET_WRITER", 0.2)
    log.write()

    async def test() -> None:
        with log.path.open("a"):
            numbered(log)
            log.write()
            async with feeding(log.path) as one:
                events = await take(whole(one), 6)
                assert data(events) == log.lines
            with log.path.open("a") as file:
                file.write("unfinished")
            async with feeding(log.path) as one:
                back = frames(one, events[-1].id)
                for last, line in ((" line\n", "unfinished line"), ("next\n", "next")):
                    with log.path.open("a") as file:
                        file.write(last)
                    came = ""
                    while came != line:  # in parts if it is long in coming
                        came += "".join(data(await take(back, 1)))
                        assert line.startswith(came)

    asyncio.run(test())


def test_a_last_line_without_newline_goes_out_when_the_file_is_finished(log: Log) -> None:
    with running(log.path.parent, log.path) as server, following(server) as client:
        for rotate in (numbered, copied_and_truncated):
            with log.path.open("a") as file:
                print("one", "", sep="\n", end="last, without", file=file, flush=True)
                log.lines += ["one", "last, without newline"]
                client.wait_for(len(log.lines) - 1)
                print(" newline", end="", file=file)
            rotate(log)
            check(log, client)
            log.write()
        check_returns(server, log, client)


@pytest.mark.linux  # without leases, a rotation is waited out for 10 s
def test_more_files_than_are_kept_open_are_read_as_often_as_asked_for(log: Log) -> None:
    for number in range(40):
        log.write(2)
        ROTATIONS[".gz" if number % 2 else "numbered"](log)
    log.write(1)
    with running(log.path.parent, log.path) as server:
        for _ in range(3):
            with following(server, "/stream-logs?from=start") as client:
                check(log, client)


# --- truncation -----------------------------------------------------------------------


@pytest.mark.parametrize("situation", [nullcontext, stopped, down])
@pytest.mark.parametrize("lines", [0, 5, 500], ids=lambda lines: f"{lines} lines then")
def test_a_log_truncated_in_place_begins_anew(
    log: Log, situation: Callable[[Server], Any], lines: int
) -> None:
    log.write(5)
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        check(log, client)
        with situation(server):
            os.truncate(log.path, 0)
            log.write(lines)
        log.write(1)
        if situation is down:  # only the client knows that there was more
            wait_until(lambda: client.facts("gap"), "a gap")
            assert client.wait_for(len(log.lines)) == log.lines
        else:
            check(log, client)
            assert len(client.facts("truncated")) == 1


@pytest.mark.linux  # without leases, a rotation is waited out for 10 s
@pytest.mark.parametrize("lines", [3, 200_000])
def test_lines_that_a_copy_has_are_not_sent_twice(log: Log, lines: int) -> None:
    """However much was written between the copy and the truncation: 4 MB in a second are usual."""
    log.write(100)
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        shutil.copyfile(log.path, log.shift())
        copied = len(log.lines)
        log.write(lines)
        check(log, client)
        with stopped(server):
            os.truncate(log.path, 0)
        log.write(1)
        check(log, client)
        assert client.facts("gap") == []
        with following(server, "/stream-logs?from=start") as fresh:
            wait_until(lambda: fresh.lines[-1:] == log.lines[-1:], "the live end")
            if len(fresh.lines) < len(log.lines):  # they are not in memory any more
                [gap] = fresh.facts("gap")
                assert fresh.lines == [*log.lines[:copied], log.lines[-1]]
                assert gap["why"] == "no longer on disk"


@pytest.mark.linux  # without leases, a rotation is waited out for 10 s
def test_lines_that_a_copy_has_not_are_not_sent_twice(log: Log) -> None:
    log.write(100)
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        shutil.copyfile(log.path, log.shift())
        log.write(3)
        check(log, client)
        with stopped(server):
            os.truncate(log.path, 0)
        end = client.last_event_id
        log.write(1)
        check(log, client)
        with down(server):
            pass
        with following(server, last_event_id=end) as late:
            assert late.wait_for(1) == log.lines[-1:]
            log.write(1)
            assert late.wait_for(2) == log.lines[-2:]
            assert late.facts("gap") == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_whole_copy_of_a_log_that_is_not_truncated_yet_does_not_come_twice(
    log: Log, restart: bool
) -> None:
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        numbered(log)
        log.write()
        check(log, client)
        shutil.copyfile(log.path, log.shift())
        with down(server) if restart else nullcontext():
            log.write()
        check_returns(server, log, client)
        os.truncate(log.path, 0)
        log.write()
        check(log, client)


class WatchedEvent(asyncio.Event):
    """Says when somebody has come to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_waited_for = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.is_waited_for.set()
        return await super().wait()


def test_a_log_is_not_read_anew_before_its_follower_knows_that_it_was_truncated(log: Log) -> None:
    log.write()
    shutil.copyfile(log.path, log.shift())

    async def test() -> None:
        one = log_feed(log.path)
        await one.log.open()
        events = whole(one)
        assert data(await take(events, 3)) == log.lines
        os.truncate(log.path, 0)
        log.write(1)
        progress = one.log.follower.progress = WatchedEvent()
        coming = asyncio.ensure_future(take(events, 1))
        waiting = asyncio.ensure_future(progress.is_waited_for.wait())
        await asyncio.wait({coming, waiting}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert not coming.done()
        async with asyncio.TaskGroup() as tasks:
            follower = tasks.create_task(one.log.follow(one.publish))
            assert data(await coming) == log.lines[-1:]
            log.write(1)
            assert data(await take(events, 1)) == log.lines[-1:]
            follower.cancel()

    asyncio.run(test())


def test_a_copy_that_is_still_being_made_is_not_read(log: Log) -> None:
    log.write(1000)
    content = log.path.read_text()
    with running(log.path.parent, log.path) as server, log.beside(".1").open("w") as copy:
        print(content[:5000], end="", file=copy, flush=True)
        with following(server, "/stream-logs?from=start") as client:
            check(log, client)
            check_returns(server, log, client, 100)
        print(content[5000:], end="", file=copy)


def test_a_copy_that_was_taken_in_mid_line_does_not_cut_the_line(log: Log) -> None:
    log.path.write_text("one\nhalf ")
    shutil.copyfile(log.path, log.beside(".1"))
    with log.path.open("a") as file:
        file.write("a line\n")
    log.lines = ["one", "half a line"]
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        check_returns(server, log, client)


# --- which file is the log ------------------------------------------------------------


def test_a_log_that_is_deleted_and_made_again_goes_on(log: Log) -> None:
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        for situation in (nullcontext, stopped):
            with situation(server):
                check(log, client) if situation is nullcontext else None
                log.path.unlink()
                log.path.touch()
                log.write()
            check(log, client)


def test_an_inode_that_is_used_again_is_another_file(log: Log) -> None:
    log.write()
    with running(log.path.parent, log.path) as server:
        with following(server, "/stream-logs?from=start") as client:
            check(log, client)
        with down(server):
            log.path.unlink()
            again = Log(log.path)  # ext4 gives it the same inode
            again.write(5, "another first line")
        with following(server, last_event_id=client.last_event_id) as late:
            assert late.wait_for(6) == again.lines
            assert [gap["why"] for gap in late.facts("gap")] == ["not in the log"]


@pytest.mark.parametrize("situation", [nullcontext, stopped, down])
def test_only_new_lines_come_of_a_log_that_an_editor_wrote_anew(
    log: Log, situation: Callable[[Server], Any]
) -> None:
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        check(log, client)
        for _ in range(2):
            with situation(server):
                shutil.copyfile(log.path, log.beside("~"))
                log.beside("~").replace(log.path)
                log.write()
            check(log, client)
        check_returns(server, log, client)


@pytest.mark.parametrize("is_rotated", [False, True])
def test_a_log_whose_front_was_cut_off_goes_on_also_after_its_rotation(
    log: Log, is_rotated: bool
) -> None:
    log.write(100)
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        check(log, client)
        with stopped(server):
            log.write(10)
            cut_the_front(log, 30, is_rotated)
            log.write(10)
        check(log, client)


@pytest.mark.parametrize("is_rotated", [False, True])
def test_a_client_goes_on_in_a_log_whose_front_was_cut_off_while_the_server_was_down(
    log: Log, is_rotated: bool
) -> None:
    log.write(1000)
    with running(log.path.parent, log.path) as server:
        with following(server, "/stream-logs?from=start") as client:
            check(log, client)
        with down(server):
            cut_the_front(log, 300, is_rotated)
            log.write(10)
        with following(server, last_event_id=client.last_event_id) as late:
            assert late.wait_for(10) == log.lines[-10:]
            assert late.facts("gap") == []


def cut_the_front(log: Log, left: int, is_rotated: bool) -> None:
    """Leave so many lines of the log, and perhaps rotate it then."""
    kept = log.path.read_bytes().splitlines(keepends=True)[-left:]
    log.beside("~").write_bytes(b"".join(kept))
    log.beside("~").replace(log.path)
    if is_rotated:
        log.path.rename(log.beside("-20261127-1"))
        log.path.touch()


def test_a_symbolic_link_is_followed_to_whichever_file_it_leads(tmp_path: Path) -> None:
    pods = tmp_path / "pods"
    pods.mkdir()
    container = Log(pods / "0.log")
    link = tmp_path / "app.log"
    link.symlink_to(container.path)
    container.write()
    with (
        running(tmp_path, link) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        for hour in range(3):
            container.path.rename(container.beside(f".20261122-{hour}00000"))
            if hour < 2:  # the kubelet leaves the youngest unpacked
                container.pack(container.beside(f".20261122-{hour}00000"))
            container.path.touch()
            container.write()
            check(container, client)
        check_returns(server, container, client)
        restarted = Log(pods / "1.log")
        restarted.lines = container.lines
        (tmp_path / "new").symlink_to(restarted.path)
        (tmp_path / "new").replace(link)
        restarted.write()
        check(restarted, client)


@pytest.fixture
def no_superuser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server may not read what file modes forbid."""
    if os.geteuid() == 0:
        lost = "-dac_override,-dac_read_search"
        python = tmp_path / "python"
        setpriv = f"setpriv --bounding-set={lost} --inh-caps={lost}"
        python.write_text(f'#!/bin/sh\nexec {setpriv} "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))


@pytest.mark.usefixtures("no_superuser")
def test_a_log_that_cannot_be_read_for_a_while_goes_on(log: Log) -> None:
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        log.path.chmod(0o200)  # its writer may go on
        with stopped(server):
            server.tail().kill()
        log.write()
        check(log, client)
        with stopped(server):
            numbered(log)
            log.path.chmod(0o200)
            log.write()
        client.drop()
        wait_until(lambda: client.connects == 2, "the client is back")
        log.path.chmod(0o644)
        log.write()
        check(log, client)


@pytest.mark.usefixtures("no_superuser")
@pytest.mark.parametrize("pack", [False, True])
def test_a_rotated_file_that_may_not_be_read_is_a_gap(log: Log, pack: bool) -> None:
    """Whether that was so when the server started or not."""
    log.write()
    for _ in range(3):
        (packed(".gz") if pack else numbered)(log)
        log.write()
    rotated = sorted(log.path.parent.glob("app.log.*"))
    rotated[2].chmod(0)
    with running(log.path.parent, log.path) as server:
        with following(server, "/stream-logs?from=start") as client:
            assert client.wait_for(9) == log.lines[3:]
        rotated[1].chmod(0)
        with following(server, "/stream-logs?from=start") as other:
            other.wait_for(6)
            assert other.lines == log.lines[6:]
        rotated[2].chmod(0o644)
        with following(server, "/stream-logs?from=start") as last:
            assert last.wait_for(9) == log.lines[:3] + log.lines[6:]
    for one, file in ((client, rotated[2]), (other, rotated[1]), (last, rotated[1])):
        [gap] = one.facts("gap")
        assert gap["why"] == f"{file.name} cannot be read: Permission denied"


@pytest.mark.usefixtures("no_superuser")
def test_a_directory_that_may_not_be_listed_is_enough_for_the_log(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = Log(tmp_path / "logs" / "app.log")
    log.write()
    log.path.parent.chmod(0o300)
    with (
        running(tmp_path, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        check(log, client)
        log.path.rename(log.beside(".1"))
        log.write()
        check(log, client)


@pytest.mark.usefixtures("no_superuser")
def test_a_directory_that_is_closed_for_a_while_is_no_end(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = Log(tmp_path / "logs" / "app.log")
    log.write()
    with (
        running(tmp_path, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        with log.path.open("a") as file:
            log.path.parent.chmod(0)
            file.write("written unseen\n")
        log.lines.append("written unseen")
        check(log, client)
        with following(server, "/stream-logs?from=start") as fresh:
            check(log, fresh)
        log.path.parent.chmod(0o700)
        numbered(log)
        log.write()
        check_returns(server, log, client)


def test_a_log_whose_directory_is_moved_away_and_back_goes_on(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    log = Log(tmp_path / "logs" / "app.log")
    log.write()
    moved = tmp_path / "moved"
    with (
        running(tmp_path, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        log.path.parent.rename(moved)
        with (moved / "app.log").open("a") as file:
            file.write("written elsewhere\n")
        log.lines.append("written elsewhere")
        check(log, client)
        moved.rename(log.path.parent)
        log.write()
        check_returns(server, log, client)


def test_a_log_that_is_moved_away_and_back_goes_on(log: Log) -> None:
    """Also when nothing is written then."""
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        for _ in range(3):
            server.tail()
            log.path.rename(log.beside("~"))
            wait_until(lambda: not server.tails(), "the server has noticed")
            log.beside("~").rename(log.path)
            log.write(1)
            check(log, client)


def test_something_else_in_its_place_for_a_while_is_no_end(tmp_path: Path) -> None:
    directory, moved = tmp_path / "logs", tmp_path / "moved"
    directory.mkdir()
    log = Log(directory / "app.log")
    log.write()
    makes: list[Callable[[Path], object]] = [
        Path.touch,
        Path.mkdir,
        os.mkfifo,
        lambda path: path.symlink_to(path),
    ]
    with (
        running(tmp_path, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        for path in (directory, log.path):
            for make in makes[path == log.path :]:
                path.rename(moved)
                make(path)
                with following(server, "/stream-logs?from=start") as fresh:
                    check(log, fresh)
                path.rmdir() if path.is_dir() else path.unlink()
                moved.rename(path)
                log.write()
                check(log, client)


def header_of(length: int) -> str:
    return ("#Fields: date time level message " * 100)[:length]


@pytest.mark.parametrize("length", [20, 1024, 5000])
@pytest.mark.parametrize("name", ["numbered", ".gz", "copytruncate"])
def test_files_that_begin_alike_are_told_apart(log: Log, length: int, name: str) -> None:
    header = header_of(length)
    log.write(3, header)
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        for situation in (nullcontext, stopped, down):
            check(log, client)
            with situation(server):
                ROTATIONS[name](log)
                log.write(3, header)
        check(log, client)
        # where a header ends is the same place in all of these files
        check_returns(server, log, client, but=header)


@pytest.mark.parametrize("name", ["numbered", ".gz"])
def test_a_file_that_holds_no_more_than_a_header_comes(log: Log, name: str) -> None:
    log.append("a header")
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        for situation in (nullcontext, stopped):
            for _ in range(3):
                check(log, client)
                with situation(server):
                    ROTATIONS[name](log)
                    log.append("a header")
        log.write()
        check(log, client)


@pytest.mark.parametrize("pack", [False, True])
def test_files_that_are_equal_are_no_endless_loop(log: Log, pack: bool) -> None:
    """As a copy of an idle log is, made twice."""
    log.write()
    for number in (1, 2, 3):
        shutil.copyfile(log.path, log.beside(f".{number}"))
        if pack:
            log.pack(log.beside(f".{number}"))
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        check_returns(server, log, client)
        assert len(client.facts("rotated")) <= 3


def test_an_empty_log_has_no_lines_but_those_that_come(log: Log) -> None:
    with (
        running(log.path.parent, log.path) as server,
        following(server) as live,
        following(server, "/stream-logs?from=start") as fresh,
    ):
        for rotate in (numbered, ROTATIONS[".gz"], numbered):  # empty ones, too
            with stopped(server):
                rotate(log)
        log.write()
        check(log, live)
        check(log, fresh)
        check_returns(server, log, live)


def test_a_log_that_is_made_and_rotated_before_anyone_looks_is_read(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    with running(tmp_path, path) as server, following(server) as client:
        with stopped(server):
            log = Log(path)
            for rotate in (numbered, ROTATIONS[".gz"], numbered):
                log.write()
                rotate(log)
        log.write()
        check(log, client)
        check_returns(server, log, client)


def test_a_first_line_of_10_mb_is_a_place_to_come_back_to(log: Log) -> None:
    length = 10_000_000
    log.append("x" * length)
    log.write()
    with running(log.path.parent, log.path) as server:
        for rotate in (None, numbered, ROTATIONS[".gz"]):
            if rotate:
                rotate(log)
                log.write()
            with following(server, "/stream-logs?from=start") as client:
                lines = client.wait_for(len(log.lines))
            assert lines == ["x" * 1024 * 1024, *log.lines[1:]]
            assert client.facts("clipped")[0]["length"] == length
            with down(server):
                pass
            with following(server, last_event_id=client.events[1].id) as late:
                assert late.wait_for(len(log.lines) - 1) == log.lines[1:]


# --- what is gone ---------------------------------------------------------------------


def test_a_client_is_told_what_was_deleted_while_it_was_away(log: Log) -> None:
    log.write()
    with running(log.path.parent, log.path) as server:
        with following(server, "/stream-logs?from=start") as client:
            check(log, client)
        for _ in range(3):
            numbered(log)
            log.write()
        with down(server):
            log.beside(".3").unlink()
        oldest = log.lines[3:]
        with following(server, last_event_id=client.last_event_id, reconnect=False) as late:
            assert late.wait_for(len(oldest)) == oldest
        gap, first = late.events[:2]
        assert gap.type == "gap"
        assert json.loads(gap.data) == {
            "from": client.last_event_id,
            "to": gap.id,
            "bytes": None,
            "why": "not in the log",
        }
        assert first.data == oldest[0]
        with following(server, last_event_id=gap.id) as again:
            assert again.wait_for(len(oldest)) == oldest
            assert again.facts("gap") == []


def test_a_client_that_stalled_is_told_what_was_rotated_away_meanwhile(log: Log) -> None:
    cwd = log.path.parent
    with (
        running(cwd, log.path, "--memory", 1024 * 1024) as server,
        following(server, "/stream-logs?from=start") as stalled,
        following(server) as quick,
    ):
        stalled.stall()
        log.append(*(f"{number:01000}" for number in range(30_000)))
        check(log, quick)
        for _ in range(20):  # more files than are kept open
            numbered(log)
            log.write(1)
            check(log, quick)
        for path in cwd.glob("app.log.*"):
            path.unlink()
        stalled.go_on()
        wait_until(lambda: stalled.lines[-1:] == log.lines[-1:], "the live end")
        read = len(stalled.lines) - 20  # the last ones are still in memory
        assert stalled.lines == log.lines[:read] + log.lines[30_000:]
        [gap] = stalled.facts("gap")
        assert gap["bytes"] == 1001 * (30_000 - read)
        assert gap["why"] == "no longer on disk"


@pytest.mark.parametrize("pack", [False, True])
def test_a_client_in_a_copy_is_told_what_was_destroyed_after_it(log: Log, pack: bool) -> None:
    def write() -> list[str]:
        first = len(log.lines)
        log.append(*(f"{number:0100}" for number in range(first, first + 15_000)))
        return log.lines[first:]

    with (
        running(log.path.parent, log.path, "--memory", 1024 * 1024) as server,
        following(server, "/stream-logs?from=start") as client,
    ):
        copied = write()
        check(log, client)
        shutil.copyfile(log.path, log.shift())
        log.write(1)
        uncopied = log.lines[-1]
        check(log, client)
        os.truncate(log.path, 0)
        destroyed = write()
        check(log, client)
        if pack:
            log.pack(log.beside(".1"))
        os.truncate(log.path, 0)
        last = write()
        check(log, client)
        with following(server, last_event_id=client.events[10].id) as late:
            log.write(1)
            wait_until(lambda: late.lines[-1:] == log.lines[-1:], "the live end")
            first, second = late.facts("gap")
            assert first["bytes"] == len(uncopied) + 1
            # What was read back for another client may still be there.
            kept = len(destroyed) - second["bytes"] // 101
            assert 0 <= kept < len(destroyed)
            assert late.lines == [*copied[11:], *destroyed[:kept], *last, log.lines[-1]]


@pytest.mark.parametrize("id", ["3e8-1-1", "no id at all", "é", "0-0-0-0", "7" * 5000])
def test_an_id_of_another_log_is_answered_with_a_gap(log: Log, id: str) -> None:
    log.write()
    numbered(log)
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, last_event_id=id.encode().decode("latin-1")) as client,
    ):
        assert client.wait_for(6) == log.lines
        assert client.facts("gap")[0]["from"] == id


def in_place(log: Log) -> None:
    os.truncate(log.path, 0)


@pytest.mark.parametrize(
    ("change", "fact"),
    [(numbered, "rotated"), (copied_and_truncated, "truncated"), (in_place, "truncated")],
)
def test_a_stream_says_where_one_file_ends_and_the_next_begins(
    log: Log, change: Rotate, fact: str
) -> None:
    with running(log.path.parent, log.path) as server, following(server) as client:
        log.write()
        check(log, client)
        end = client.last_event_id
        change(log)
        log.write()
        check(log, client)
        assert [event.type for event in client.events[3:-3]] == [fact]
        assert client.facts(fact) == [{"from": end}]


@pytest.mark.parametrize("suffix", PACK)
def test_a_rotated_file_that_is_garbage_harms_nothing_else(log: Log, suffix: str) -> None:
    log.beside(".3").write_bytes(b"")
    log.beside(f".2{suffix}").write_bytes(b"")
    log.beside(f".1{suffix}").write_bytes(random.Random(1).randbytes(5000))
    log.write()
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
        following(server, last_event_id="3e8-1-1") as stranger,
    ):
        packed(suffix)(log)
        log.write()
        assert client.wait_for(6) == log.lines
        [gap] = client.facts("gap")
        # the name that it had when it was read, before or after the rotation
        assert re.match(rf"app\.log\.[12]\{suffix} is damaged", gap["why"])
        assert stranger.wait_for(6) == log.lines


def test_what_cannot_be_unpacked_here_harms_nothing_else(log: Log) -> None:
    (log.path.parent / "zstandard.py").write_text("raise ImportError('not installed')\n")
    log.beside(".1.zst").write_bytes(PACK[".zst"](b"cannot be read\n"))
    log.write()
    with (
        running(log.path.parent, log.path, env={"PYTHONPATH": str(log.path.parent)}) as server,
        following(server, "/stream-logs?from=start") as client,
        following(server, last_event_id="3e8-1-1") as stranger,
    ):
        numbered(log)
        log.write()
        assert client.wait_for(6) == log.lines
        [gap] = client.facts("gap")
        assert ".1.zst cannot be unpacked: not installed" in gap["why"]
        assert stranger.wait_for(6) == log.lines


# --- tail -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_a_tail_that_is_ended_or_stopped_costs_no_line(log: Log, number: int) -> None:
    with running(log.path.parent, log.path) as server, following(server) as client:
        tails = set()
        for _ in range(3):
            tail = server.tail()
            tails.add(tail)
            log.write(50)
            tail.send_signal(number)
            log.write(50)
            check(log, client)
            wait_until(lambda t=tail: is_gone(t), "it is gone")  # type: ignore[misc]
        wait_until(server.tails, "tail runs again")
        last = server.tail()
        wait_until(lambda: server.proc.children() == [last], "one tail and no zombies")
        log.write()
        check(log, client)
    assert is_gone(last)


def test_no_tail_outlives_a_server_that_is_killed(log: Log) -> None:
    with running(log.path.parent, log.path) as server:
        tail = server.tail()
        server.kill()
        wait_until(lambda: is_gone(tail), "tail is gone")


def test_what_tail_says_counts_only_if_it_stands_in_the_file(log: Log) -> None:
    log.write()

    async def test() -> None:
        async with feeding(log.path, tail=sh.Command("yes").bake("a lie")) as one:
            events = frames(one, Last(3))
            for _ in range(20):
                log.write(5)
            assert data(await take(events, len(log.lines))) == log.lines

    asyncio.run(test())


def test_a_tail_that_says_nothing_holds_no_line_back(log: Log, tmp_path: Path) -> None:
    """As past the system's limit of inotify instances, where tail looks once a second."""
    silent = tmp_path / "tail"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    log.write()

    async def test() -> None:
        async with feeding(log.path, tail=sh.Command(str(silent))) as one:
            events = frames(one, Last(3))
            assert data(await take(events, 3)) == log.lines
            log.write(5)
            assert data(await take(events, 5)) == log.lines[3:]
            assert one.log.follower.tailing.is_running
            assert one.log.follower.tailing.restarts == 0  # nobody has given up on it yet

    asyncio.run(test())


def test_a_tail_that_opened_the_next_file_is_not_believed(log: Log, tmp_path: Path) -> None:
    slow = tmp_path / "tail"
    slow.write_text('#!/bin/sh\nuntil [ -e go ]; do sleep 0.01; done; exec tail "$@"\n')
    slow.chmod(0o755)
    log.write()

    async def test() -> None:
        command = sh.Command(str(slow)).bake(_cwd=str(tmp_path))
        async with feeding(log.path, tail=command) as one:
            events = frames(one, Last(3))
            assert data(await take(events, 3)) == log.lines
            numbered(log)
            log.write(50)
            (tmp_path / "go").touch()
            assert data(await take(events, 50)) == log.lines[3:]

    asyncio.run(test())


# --- how much -------------------------------------------------------------------------


def test_a_burst_of_a_million_lines_comes_whole(log: Log) -> None:
    with (
        running(log.path.parent, log.path) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"GET /stream-logs HTTP/1.0\r\n\r\n")
        received = bytearray(client.recv(65536))
        while b"stream opened" not in received:
            received += client.recv(65536)
        log.path.write_text("".join(f"{number}\n" for number in range(1_000_000)))
        while b"data: 999999\n\n" not in received[-65536:]:
            received += client.recv(1 << 20)
    numbers = [int(line) for line in re.findall(rb"\ndata: (.*)\n", received)]
    assert numbers == list(range(1_000_000))


@pytest.mark.linux
def test_only_the_end_of_5_gb_is_read_for_a_backlog(log: Log) -> None:
    log.append("first")
    os.truncate(log.path, 5 << 30)
    with log.path.open("a") as file:
        file.write("\n")
    log.write(20)

    def read_bytes() -> int:
        return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])  # type: ignore[index]

    async def test() -> None:
        async with feeding(log.path) as one:
            events = await take(frames(one, Last(10)), 10)
            assert data(events) == log.lines[-10:]
            assert data(await take(frames(one, events[0].id), 9)) == log.lines[-9:]

    before, started = read_bytes(), time.process_time()
    asyncio.run(test())
    assert time.process_time() - started < 0.2
    assert read_bytes() - before < 5_000_000


# --- bytes as they are ----------------------------------------------------------------

BYTES = {
    "Latin-1": "começou a gravação\nnº 2: não\n".encode("latin-1"),
    "UTF-16": "começou\na gravação\n".encode("utf-16"),
    "UTF-16, big end first": "começou\r\na gravação\r\n".encode("utf-16-be"),
    "garbage": bytes(range(256)) * 20 + b"\n" + bytes(range(255, -1, -1)) + b"\n",
    "random": random.Random(1).randbytes(100_000) + b"\n",
    "colours": b"\x1b[31;1mERROR\x1b[0m it burns\n\x1b[2K\x1b[1Gdone\n",
    "CRLF": b"one\r\ntwo\r\n\r\nfour\r\r\n",
    "a progress bar": b"10%\r20%\r\r30%\rdone\nnext\n",
    "NUL": b"before\0after\n\0\n",
    "other line ends": "one\u2028two\u2029three\x85four\x0bfive\x0csix\n".encode(),
    "a byte order mark": b"\xef\xbb\xbffirst\n\xef\xbb\xbfsecond\n",
    "cut characters": "漢字🌊".encode()[:-2] + b"\n" + "🌊".encode()[1:] + b"\n",
    "surrogates": b"\xed\xa0\x80 \xed\xbf\xbf \xf4\x90\x80\x80 \xc0\x80\n",
    "fields of an event": b"data: x\nid: 1\n\n: comment\nevent: close\nretry: 1\n  \n",
}


def test_a_character_that_is_written_in_two_parts_comes_whole(log: Log) -> None:
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
        log.path.open("ab", buffering=0) as file,
    ):
        file.write(b"caf\xc3")
        assert client.wait_for(1) == ["caf"]
        id = client.events[-1].id
        file.write(b"\xa9 fim\n")
        assert client.wait_for(2) == ["caf", "\u00e9 fim"]
        with (
            following(server, last_event_id=id) as back,
            following(server, "/stream-logs?from=start") as fresh,
        ):
            log.append("next")
            assert back.wait_for(2) == ["\u00e9 fim", "next"]
            wait_until(lambda: fresh.lines[-1:] == ["next"], "the last line")
            for one in (client, back, fresh):
                assert one.facts("gap") == []
        with down(server):
            file.write(b"\xe2\x82")
        with following(server, last_event_id=id) as back:
            assert back.wait_for(2) == ["\u00e9 fim", "next"]
            file.write(b"\xac\n")
            assert back.wait_for(3) == ["\u00e9 fim", "next", "\u20ac"]


def test_bytes_of_any_kind_come_as_text(log: Log) -> None:
    with running(log.path.parent, log.path) as server, following(server) as client:
        for content in BYTES.values():
            with log.path.open("ab") as file:
                file.write(content)
            client.wait_for(len(log.lines) + content.count(b"\n"))
            packed(".gz")(log)  # what has no newline goes out then
            lines = content.removesuffix(b"\n").split(b"\n")
            text = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
            log.lines += [line.replace("\r", "\n") for line in text]
            check(log, client)
        check_returns(server, log, client, 50)


def test_a_client_whose_last_line_is_a_header_of_several_files_loses_nothing(
    tmp_path: Path,
) -> None:
    log = Log(tmp_path / "app.log")
    log.append("header")
    with running(tmp_path, log.path) as server:
        with following(server) as client:
            client.wait_for(1)
        log.append("a")
        numbered(log)
        log.append("header", "b")
        with following(server, "/stream-logs?from=start") as other:
            other.wait_for(4)
        server.kill()
        server.start()
        with following(server, last_event_id=client.last_event_id) as late:
            assert late.wait_for(3) == ["a", "header", "b"]
            assert late.facts("gap") == []


def test_a_file_younger_than_the_followed_one_is_read_to_its_end(tmp_path: Path) -> None:
    log, one, two = (tmp_path / name for name in ("app.log", "app.log.1", "app.log.2"))
    log.write_text("e\n")
    one.write_text("b\nc\n")
    two.write_text("a\n")
    content = one.read_bytes()
    position = Position.at(2, lambda offset, length: content[offset : offset + length])
    with (
        two.open("a") as older,
        one.open("a") as younger,
        running(tmp_path, log) as server,
        following(server, last_event_id=str(position)) as late,
        following(server, "/stream-logs?from=start") as whole,
    ):
        whole.wait_for(1)
        younger.write("d\n")
        younger.close()
        older.close()
        assert whole.wait_for(5) == ["a", "b", "c", "d", "e"]
        assert late.wait_for(3) == ["c", "d", "e"]


def test_what_was_written_to_a_file_that_is_gone_before_anything_was_taken_of_it_comes(
    log: Log,
) -> None:
    """The server had no time while the empty log was written to, rotated, and removed."""

    async def test() -> None:
        async with feeding(log.path) as feed:
            lines = live(feed)
            await anext(lines)  # it has come to the live end
            log.write()
            numbered(log)
            log.beside(".1").unlink()
            log.write()
            assert data(await take(lines, 6)) == log.lines

    asyncio.run(test())
