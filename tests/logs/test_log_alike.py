"""Files that are alike are told apart, and what a copy or an edit repeats is not sent again."""

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.logs.befallen import check, check_returns, down, stopped
from tests.rotations import ROTATIONS, Log, numbered
from tests.running import Server, following, running

pytestmark = pytest.mark.long


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
