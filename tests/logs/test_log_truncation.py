"""A log that is truncated in place begins anew, and no line that a copy has is sent twice."""

import asyncio
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Literal

import pytest

from tests.feeding import data, log_feed, take, whole
from tests.logs.befallen import check, check_returns, down, stopped
from tests.rotations import Log, numbered
from tests.running import Server, following, running, wait_until

pytestmark = pytest.mark.long


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
