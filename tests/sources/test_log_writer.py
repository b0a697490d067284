"""The demo's log: its form, its levels, its size."""

import asyncio
import re
import time
from pathlib import Path

import pytest

from server.sources.log_writer import BACKUPS, MAX_BYTES, LogWriter
from tests.running import following, on_small_disk, running, wait_until

LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} - log_writer - "
    r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) - \S.*"
)


def test_lines_have_the_form_and_all_levels(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "logs" / "demo.log", 0.3)
    for _ in range(2000):
        writer.write_line()
    writer.stop()
    lines = (tmp_path / "logs" / "demo.log").read_text().splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    assert len(lines) == 2000
    assert len({match[1] for match in matches if match}) == 5
    assert all(matches)


def test_the_demo_never_fills_the_disk(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "demo.log", 0.3)
    while not (tmp_path / f"demo.log.{BACKUPS}").exists():
        writer.write_line()
    for _ in range(30_000):
        writer.write_line()
    writer.stop()
    assert len(list(tmp_path.iterdir())) == BACKUPS + 1
    assert all(path.stat().st_size <= MAX_BYTES for path in tmp_path.iterdir())


def test_it_writes_at_its_interval(tmp_path: Path) -> None:
    path = tmp_path / "demo.log"

    async def main() -> float:
        writer = LogWriter(path, 0.05)
        started = time.monotonic()
        writer.start()
        while path.read_text().count("\n") < 10:
            await asyncio.sleep(0)
        writer.stop()
        return time.monotonic() - started

    assert asyncio.run(asyncio.wait_for(main(), 20)) > 0.45


def test_the_demo_streams_what_it_writes(tmp_path: Path) -> None:
    arguments = ["--writer-interval", "0.01"]
    with running(tmp_path, *arguments) as server, following(server) as client:
        lines = client.wait_for(50)
    assert (tmp_path / "logs" / "log_gerado.log").read_text().splitlines()[:50] == lines[:50]


def test_a_real_log_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("mine\n")
    with running(tmp_path, "app.log") as server, following(server) as client:
        client.wait_for(1)
    assert (tmp_path / "app.log").read_text() == "mine\n"
    assert not (tmp_path / "logs").exists()


def test_the_writer_can_be_left_out_and_put_on(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "log_gerado.log").write_text("old\n")
    with running(tmp_path, "--no-log-writer") as server, following(server) as client:
        assert client.wait_for(1) == ["old"]
    assert (tmp_path / "logs" / "log_gerado.log").read_text() == "old\n"
    arguments = ["app.log", "--log-writer", "--writer-interval", "0.01"]
    with running(tmp_path, *arguments) as server, following(server) as client:
        assert LINE.fullmatch(client.wait_for(3)[0])


@pytest.mark.usefixtures("namespaces")
def test_on_a_full_disk_it_drops_lines_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    arguments = [disk / "app.log", "--log-writer", "--writer-interval", "0.005"]
    with (
        running(tmp_path, *arguments, before=on_small_disk(disk, "64k")) as server,
        following(server) as client,
    ):
        filler = Path(f"/proc/{server.process.pid}/root{disk}/filler")
        client.wait_for(10)
        filler.write_bytes(b"x" * (40 * 1024))
        wait_until(lambda: "lines are dropped" in server.errors(), "the disk is full")
        assert "No space left on device" in server.errors()
        filler.unlink()
        wait_until(lambda: "can be written again" in server.errors(), "it goes on")
        count = len(client.lines)
        lines = client.wait_for(count + 10)
        assert server.errors().count("lines are dropped") == 1
        assert all(LINE.fullmatch(line) for line in lines)
        assert len(set(lines)) == len(lines)
