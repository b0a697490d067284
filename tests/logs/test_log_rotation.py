"""A rotation costs no line and sends none twice, whoever rotates and whenever the server looks."""

import asyncio
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from server.logs import decisions, files
from server.logs.position import Position
from tests.feeding import data, feeding, frames, live, take, whole
from tests.logs.befallen import check, check_returns, down, stopped
from tests.rotations import LOGROTATIONS, ROTATIONS, Log, Rotate, copied_and_truncated, numbered
from tests.running import following, running

pytestmark = pytest.mark.long


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
