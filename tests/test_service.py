"""What systemd is told, by way of a real datagram socket."""

import asyncio
import os
import resource
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from server.service import feed_watchdog, notify, watchdog_interval
from tests.running import PATIENCE, running, wait_until


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Hears what a service manager would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(PATIENCE)
        yield channel


def test_systemd_is_told_when_the_server_is_ready_and_when_it_stops(
    tmp_path: Path, manager: socket.socket
) -> None:
    (tmp_path / "app.log").touch()
    env = {"NOTIFY_SOCKET": manager.getsockname()}
    with running(tmp_path, tmp_path / "app.log", env=env) as server:
        first, status = manager.recv(4096).decode().split("\n")
        assert first == "READY=1"
        assert status == f"STATUS=streams {tmp_path / 'app.log'} at {server.url}"
        assert server.get("/healthz")[0] == 200
        assert server.end() == 0
        assert manager.recv(4096) == b"STOPPING=1"


def test_a_server_that_is_well_gives_signs_of_life_and_one_that_hangs_gives_none(
    tmp_path: Path, manager: socket.socket
) -> None:
    (tmp_path / "app.log").touch()
    env = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "200000"}
    with running(tmp_path, tmp_path / "app.log", env=env) as server:
        seen = [manager.recv(4096) for _ in range(4)]
        assert seen.count(b"WATCHDOG=1") == 3
        server.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: server.proc.status() == psutil.STATUS_STOPPED, "it hangs")
        while select.select([manager], [], [], 0)[0]:
            manager.recv(4096)  # from before
        assert select.select([manager], [], [], 0.5)[0] == []
        server.process.send_signal(signal.SIGCONT)
        assert manager.recv(4096) == b"WATCHDOG=1"


def test_a_shortage_of_descriptors_does_not_end_the_signs_of_life(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    rounds: list[None] = []

    def is_well() -> bool:
        rounds.append(None)
        return True

    async def main() -> None:
        loop = asyncio.get_running_loop()
        feeding = asyncio.create_task(feed_watchdog(is_well))
        with no_descriptors_left():
            while len(rounds) < 3:
                await asyncio.sleep(0.01)
        manager.setblocking(False)
        assert await asyncio.wait_for(loop.sock_recv(manager, 4096), PATIENCE) == b"WATCHDOG=1"
        feeding.cancel()

    asyncio.run(main())


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Whatever needs a descriptor fails meanwhile."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, most))
    held = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (least, most))
        for descriptor in held:
            os.close(descriptor)


def test_a_name_may_be_any_bytes_and_begins_no_other_assignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / os.fsdecode(b"b\xff")
    directory.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(directory / "notify"))
        channel.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(directory / "notify"))
        notify("READY=1", f"STATUS=streams {directory.name}/é\nSTOPPING=1")
        assert channel.recv(4096).decode() == "READY=1\nSTATUS=streams b\\xff/é\\nSTOPPING=1"


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "/nobody/is/here"])
def test_without_systemd_nobody_is_told(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_an_abstract_address_begins_with_an_at_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"riacho-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")
        notify("READY=1", "STATUS=well")
        assert channel.recv(4096) == b"READY=1\nSTATUS=well"


@pytest.mark.parametrize(
    ("microseconds", "pid", "seconds"),
    [
        ("30000000", None, 30.0),
        ("500000", "own", 0.5),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        ("²", None, None),
        ("9" * 5000, None, None),
        ("", None, None),
    ],
)
def test_a_watchdog_is_fed_only_by_the_process_it_is_meant_for(
    monkeypatch: pytest.MonkeyPatch, microseconds: str, pid: str | None, seconds: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if pid:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert watchdog_interval() == seconds
