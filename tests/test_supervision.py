"""Long-lived tasks that fail: in the supervisor alone, and in a real server."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from server.supervision import next_delay, supervise
from tests.running import PATIENCE, Client, Server, following, wait_until


@pytest.mark.parametrize(
    ("previous", "ran", "delay"),
    [
        (0, 0, 1),
        (0, 3600, 1),
        (1, 0, 2),
        (2, 59.9, 4),
        (32, 0, 60),
        (60, 0, 60),
        (60, 60, 1),  # it ran well in between
        (4, 3600, 1),
    ],
)
def test_the_delay_doubles_up_to_a_minute_until_a_run_goes_well(
    previous: float, ran: float, delay: float
) -> None:
    assert next_delay(previous, ran) == delay


def at_once(previous: float, ran: float) -> float:
    return 0


def runs(*outcomes: Exception | None) -> Callable[[], Coroutine[Any, Any, None]]:
    """Makes coroutines that end in these ways, one after the other."""
    left = list(outcomes)

    async def run() -> None:
        outcome = left.pop(0)
        await asyncio.sleep(0)
        if outcome:
            raise outcome

    return run


def test_a_task_that_fails_is_logged_by_name_and_runs_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make = runs(OSError("no room"), ValueError("nonsense"), None)
    asyncio.run(supervise("the watch", make, at_once))
    assert [record.getMessage() for record in caplog.records] == [
        "the watch failed; it starts again in 0 s"
    ] * 2
    assert all(record.levelno == logging.ERROR for record in caplog.records)
    assert "OSError: no room" in caplog.text
    assert "ValueError: nonsense" in caplog.text


def test_each_delay_follows_from_the_one_before() -> None:
    seen: list[float] = []

    def decide(previous: float, ran: float) -> float:
        seen.append(previous)
        assert ran >= 0
        return previous + 0.001

    asyncio.run(supervise("the watch", runs(OSError(), OSError(), OSError(), None), decide))
    assert seen == [0, 0.001, 0.002]


def test_a_task_that_ends_well_is_not_started_again() -> None:
    asyncio.run(supervise("the watch", runs(None), at_once))  # a second run has no outcome


@pytest.mark.parametrize("when", ["it runs", "it waits"])
def test_a_cancellation_ends_the_task_and_its_supervision(when: str) -> None:
    async def main() -> None:
        ended = asyncio.Event()
        waits = asyncio.Event()

        async def run() -> None:
            if when == "it waits":
                raise OSError
            waits.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        def decide(previous: float, ran: float) -> float:
            waits.set()
            ended.set()
            return 3600

        task = asyncio.create_task(supervise("the watch", run, decide))
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(main())


FAILING = """
import sys
from server import app, cli, reloading
from server.logs import log
from server.web import context, health, monitoring

owner, name = {task}
well = getattr(owner, name)
runs = []

async def fail_once(*arguments):
    runs.append(arguments)
    if len(runs) == 1:
        raise RuntimeError("a fault of its own")
    sys.stderr.write("the second run\\n")
    await well(*arguments)

setattr(owner, name, fail_once)
sys.argv[1:] = sys.argv[4:]  # what would start the server without this script
cli.main()
"""


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ('monitoring.LoopDelay, "measure"', "the measurement of the loop's delay"),
        ('health.Health, "watch"', "the watch of the logs' health"),
        ('app, "feed_watchdog"', "the watchdog's feeding"),
        ('reloading.Reloading, "run"', "the reading of new certificates and tokens"),
        ('log.Log, "_drop_idle"', "the closing of files that nobody reads"),
        ('context.Context, "_keep_alive"', "the keep-alive of the streams"),
    ],
)
def test_a_server_says_which_task_failed_and_goes_on(tmp_path: Path, task: str, said: str) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    python = [sys.executable, "-c", FAILING.format(task=task)]
    server = Server(tmp_path, log, before=python)
    try:
        with following(server) as client:
            wait_until(lambda: "the second run" in server.errors(), "it is started again")
            assert f"ERROR {said} failed; it starts again in 1 s" in server.errors()
            assert "RuntimeError: a fault of its own" in server.errors()
            with log.open("a") as file:
                file.write("two\n")
            assert client.wait_for(2) == ["one", "two"]
            assert server.get("/healthz")[0] == 200
        assert server.end() == 0
    finally:
        server.process.kill()


FAILING_WHEN_TOLD = """
import pathlib, sys
from server import app, cli
from server.logs import file_follower
from server.sources import log_writer

owner, name = {part}
well = getattr(owner, name)
sign = pathlib.Path("fail")

def fail(*arguments):
    if sign.exists():
        sign.unlink()
        raise RuntimeError("a fault of its own")
    return well(*arguments)

setattr(owner, name, fail)
sys.argv[1:] = sys.argv[4:]
cli.main()
"""


def test_a_demo_whose_writer_fails_says_so_and_goes_on(tmp_path: Path) -> None:
    part = 'log_writer.LogWriter, "write_line"'
    python = [sys.executable, "-c", FAILING_WHEN_TOLD.format(part=part)]
    server = Server(tmp_path, "--writer-interval", "0.01", before=python)
    try:
        with following(server) as client:
            (tmp_path / "fail").touch()
            wait_until(lambda: "a fault of its own" in server.errors(), "a fault")
            client.wait_for(len(client.lines) + 3)
        assert "ERROR Exception in callback" in server.errors()
        assert server.end() == 0
    finally:
        server.process.kill()


@pytest.mark.parametrize("query", ["", "?log=*"])
def test_a_log_whose_follower_fails_is_opened_anew_and_its_clients_come_back(
    tmp_path: Path, query: str
) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    part = 'file_follower, "decide"'
    python = [sys.executable, "-c", FAILING_WHEN_TOLD.format(part=part)]
    server = Server(tmp_path, log, before=python)
    try:
        with following(server, f"/stream-logs{query}") as client:
            client.wait_for(1)
            (tmp_path / "fail").touch()
            wait_until(lambda: client.connects > 1, "the client comes back")
            with log.open("a") as file:
                file.write("two\n")
            client.wait_for(2)
            assert [event.type for event in client.events if event.data] == ["message"] * 2
        errors = server.errors()
        assert "app.log is no longer followed, and is opened anew" in errors
        assert "RuntimeError: a fault of its own" in errors
        assert errors.count("Traceback") == 1
        assert server.get("/healthz")[0] == 200
        assert server.end() == 0
    finally:
        server.process.kill()


def test_the_only_log_is_opened_anew_though_nobody_reads_it(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    part = 'file_follower, "decide"'
    python = [sys.executable, "-c", FAILING_WHEN_TOLD.format(part=part)]
    server = Server(tmp_path, log, before=python)
    try:
        (tmp_path / "fail").touch()
        wait_until(lambda: "opened anew" in server.errors(), "a fault")
        wait_until(lambda: server.json("/healthz").get("log") == "app.log", "it is followed")
        assert server.get("/healthz")[0] == 200
        assert server.end() == 0
    finally:
        server.process.kill()


def test_a_server_that_cannot_go_on_says_why_and_ends_its_streams_cleanly(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    part = 'app.os, "kill"'  # the watch of the process of --pid
    python = [sys.executable, "-c", FAILING_WHEN_TOLD.format(part=part)]
    server = Server(tmp_path, "--pid", os.getpid(), log, before=python)
    try:
        client = Client(server.url + "/stream-logs", reconnect=False)
        assert client.wait_for(1) == ["one"]
        (tmp_path / "fail").touch()
        assert server.wait() == 1
        client.join(PATIENCE)
        assert len(client.facts("shutdown")) == 1
        assert "RuntimeError: a fault of its own" in server.errors()
    finally:
        server.process.kill()
