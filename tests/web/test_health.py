"""Whether a server says that it is well when it is, and that it is ill when it is."""

import asyncio
import json
import signal
import threading
import time
from pathlib import Path

import pytest

from server.feeds.contract import Progress, Status
from server.feeds.memory import Memory
from server.feeds.served import ServedLog
from server.logs.log import Log
from server.logs.tail import find_tail
from server.web.health import LONG, Health
from server.web.health import PATIENCE as WAIT
from server.web.monitoring import LoopDelay
from tests.feeding import MAX_LINE, MEMORY
from tests.running import PATIENCE, following, on_small_disk, running, wait_until


def test_a_server_that_is_well_says_so(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    with running(tmp_path, log) as server, following(server) as client:
        client.wait_for(1)
        server.tail()
        wait_until(lambda: server.json("/healthz")["tail"], "tail")
        status, headers, _ = server.get("/healthz")
        assert (status, headers.get_content_type()) == (200, "application/json")
        health = server.json("/healthz")
        assert health.pop("free") > 0
        assert health.pop("quiet") >= 0
        assert health == {
            "status": "ok",
            "log": "app.log",
            "exists": True,
            "tail": True,
            "end": client.last_event_id,
            "unread": 0,
            "problems": [],
        }
        # the position moves with the file
        with log.open("a") as file:
            file.write("two\n")
        client.wait_for(2)
        assert server.json("/healthz")["end"] == client.last_event_id != health["end"]


def test_details_are_for_those_who_know_the_token(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    env = {"RIACHO_TOKEN": "correct-horse"}
    with running(tmp_path, tmp_path / "app.log", env=env) as server:
        assert server.json("/healthz") == {"status": "ok"}
        assert server.json("/healthz?token=wrong") == {"status": "ok"}
        assert server.json("/healthz?token=correct-horse")["log"] == "app.log"


def test_a_tail_that_stops_is_replaced_and_nobody_is_ill(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    with running(tmp_path, log) as server, following(server) as client:
        stopped = server.tail()
        stopped.send_signal(signal.SIGSTOP)
        with log.open("a") as file:
            file.write("two\n")
        assert client.wait_for(2) == ["one", "two"]
        wait_until(lambda: server.tails() not in ([], [stopped]), "another tail")
        wait_until(lambda: server.json("/healthz")["tail"], "tail")
        assert server.get("/healthz")[0] == 200
        assert server.json("/healthz")["unread"] == 0


def test_a_log_that_is_waited_for_is_no_illness_at_first_and_named_as_such(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with running(tmp_path, log) as server:
        status, _, body = server.get("/healthz")
        health = json.loads(body)
        assert (status, health["status"], health["problems"]) == (200, "ok", [])
        assert health["state"] == "waiting for app.log, which does not exist yet"
        log.write_text("one\n")
        wait_until(lambda: "state" not in server.json("/healthz"), "the log")


@pytest.mark.linux
@pytest.mark.usefixtures("namespaces")
def test_a_log_that_stays_away_and_a_full_disk_are_illnesses(tmp_path: Path) -> None:
    disk, here = tmp_path / "disk", tmp_path / "here"
    disk.mkdir()
    here.mkdir()
    (here / "app.log").write_text("one\n")
    with (
        running(tmp_path, disk / "app.log", before=on_small_disk(disk, "32m")) as full,
        running(here, here / "app.log") as missing,
    ):
        (here / "app.log").unlink()
        gone = time.monotonic()
        inside = Path(f"/proc/{full.process.pid}/root{disk}")
        (inside / "app.log").write_text("one\n")
        assert full.get("/healthz")[0] == 200
        (inside / "fill").write_bytes(bytes(20 * 2**20))
        health = full.json("/healthz")
        assert (health["status"], full.get("/healthz")[0]) == ("ill", 503)
        assert health["problems"] == ["the disk of app.log has no room"]
        assert health["free"] < 16 * 2**20
        (inside / "fill").unlink()
        assert full.get("/healthz")[0] == 200
        # a rotation leaves no log for a moment: that is no illness
        wait_until(lambda: not missing.json("/healthz")["exists"], "a look at the path")
        assert missing.json("/healthz")["status"] == "ok"
        wait_until(lambda: missing.get("/healthz")[0] == 503, "an illness")
        assert time.monotonic() - gone > 9
        assert missing.json("/healthz")["problems"] == ["app.log does not exist yet"]
        (here / "app.log").write_text("two\n")
        wait_until(lambda: missing.get("/healthz")[0] == 200, "a recovery")


class OneLog:
    """The only log that is served, and all logs at once."""

    problem = ""

    def __init__(self, log: "ServedLog | QuietLog") -> None:
        self.names = [log.name]
        self.status = log.status
        self.progress = log.progress

    def get(self, name: str) -> "OneLog":
        return self


def health_of(log: "ServedLog | QuietLog", patience: float = WAIT) -> Health:
    return Health(OneLog(log), patience)  # type: ignore[arg-type]


def unfollowed(path: Path) -> ServedLog:
    """A log that nobody follows, which a server would not let happen."""
    log = Log(path, find_tail(), MAX_LINE)
    return ServedLog(log.name, log, MAX_LINE, Memory(MEMORY))


@pytest.mark.linux
def test_a_file_system_that_reports_no_blocks_is_not_full() -> None:
    log = unfollowed(Path("/proc/version"))
    report = health_of(log).report()
    assert (report["free"], report["problems"]) == (None, [])
    log.close()


def test_bytes_that_nobody_reads_are_an_illness(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "app.log"
        path.write_text("one\n")
        log = unfollowed(path)
        await log.log.open()
        health = health_of(log, patience=0)
        health.look()
        with path.open("a") as file:
            file.write("two\n")
        health.look()
        report = health.report()
        assert report["unread"] == 4
        assert health.is_stuck()
        assert report["problems"] == ["bytes of app.log have not been read for 0 s"]
        assert health.is_ill(["any"])
        log.close()

    asyncio.run(main())


class QuietLog:
    """A log to which nothing has come for as long as it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.quiet = 0.0

    def progress(self) -> Progress:
        return Progress("", 0, 0, self.quiet)

    def status(self) -> Status:
        return Status(self.progress(), True, "0-0-0", 0, None, {})


@pytest.mark.parametrize(
    ("name", "has_hint"), [("app.log", False), ("app-20261127.log", True), ("2026-11-27.log", True)]
)
def test_a_log_that_is_quiet_for_long_is_told_once_each_time_and_is_no_illness(
    name: str, has_hint: bool, caplog: pytest.LogCaptureFixture
) -> None:
    log = QuietLog(name)
    health = health_of(log)
    told = []
    for log.quiet in (0, LONG - 1, LONG, LONG + 1, 10 * LONG, 0, LONG):
        health.look()
        told.append(len(caplog.records))
        report = health.report()
        assert (report["quiet"], report["problems"]) == (log.quiet, [])
    assert told == [0, 0, 1, 1, 1, 1, 2]
    for record in caplog.records:
        message = record.getMessage()
        assert message.startswith(f"nothing has come to {name} for 3600 s")
        assert ("follow a link" in message) is has_hint


@pytest.mark.parametrize("path", ["/healthz", "/logs"])
def test_the_seconds_without_a_line_begin_anew_with_each_line(tmp_path: Path, path: str) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    with running(tmp_path, log) as server, following(server) as client:

        def quiet() -> int:
            answer = server.json(path)
            return int(answer["quiet"] if path == "/healthz" else answer["logs"][0]["quiet"])

        wait_until(lambda: quiet() >= 2, "silence")
        written = time.monotonic()
        with log.open("a") as file:
            file.write("two\n")
        client.wait_for(2)
        assert quiet() <= time.monotonic() - written


def test_the_loop_s_delay_is_measured() -> None:
    async def main() -> None:
        delay = LoopDelay()
        delay.interval = 0.01
        measuring = asyncio.create_task(delay.measure())
        await asyncio.sleep(0)  # it has begun
        threading.Event().wait(0.3)  # the loop stands still
        async with asyncio.timeout(PATIENCE):
            while not delay.worst:
                await asyncio.sleep(0)
        measuring.cancel()
        assert delay.last >= 0.25
        assert delay.take_worst() >= 0.25
        assert delay.take_worst() == 0

    asyncio.run(main())
