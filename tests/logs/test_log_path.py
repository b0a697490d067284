"""The log goes on after its path was missing, unreadable or something else for a while."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.logs.befallen import check, check_returns, down, stopped
from tests.rotations import Log, numbered
from tests.running import following, running, wait_until

pytestmark = pytest.mark.long


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
