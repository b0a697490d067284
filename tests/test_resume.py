"""Nothing is lost and nothing comes twice when the plug is pulled."""

import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import pytest

from tests.running import Client, following, running, wait_until


def numbered(first: int, last: int) -> list[str]:
    return [f"line {number:06d} of a log that is followed" for number in range(first, last)]


def test_every_client_gets_every_line_though_the_server_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    lines = numbered(0, 100_000)
    with running(tmp_path, log) as server, log.open("a") as file:
        clients = [Client(f"{server.url}/stream-logs?from=start") for _ in range(20)]
        for kill in range(5):
            for client in clients:
                wait_until(lambda c=client, k=kill: c.connects > k, "all are back")  # type: ignore[misc]
            start = kill * 20_000
            append(file, lines[start : start + 10_000])
            clients[kill].wait_for(start + 1000)  # others are before or behind it
            server.kill()
            append(file, lines[start + 10_000 : start + 20_000])
            server.start()
        for client in clients:
            client.wait_for(len(lines))
            client.stop()
            assert client.lines == lines
            assert client.connects == 6
            assert client.facts("gap") == []


def append(file: TextIO, lines: list[str]) -> None:
    file.writelines(line + "\n" for line in lines)
    file.flush()


def test_a_client_is_served_from_the_file_what_memory_holds_no_more(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    lines = numbered(0, 150_000)
    with running(tmp_path, log, "--memory", 1024 * 1024) as server:
        with following(server, "/stream-logs") as client:
            log.write_text("".join(line + "\n" for line in lines))
            client.wait_for(len(lines))
            ids = [event.id for event in client.events]
        for index in (0, 1, 777, 75_000, 149_990):
            with following(server, last_event_id=ids[index]) as client:
                client.wait_for(len(lines) - index - 1)
                assert client.lines == lines[index + 1 :]


def test_a_client_that_falls_behind_costs_no_memory_and_catches_up(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    line = "x" * 99
    with (
        running(tmp_path, log, "--memory", 1024 * 1024) as server,
        following(server) as slow,
        following(server) as quick,
    ):
        slow.stall()
        with log.open("a") as file:
            resting = server.proc.memory_info().rss
            for start in range(0, 500_000, 5000):  # 50 MB
                file.writelines(f"{number} {line}\n" for number in range(start, start + 5000))
                file.flush()
            quick.wait_for(500_000)
            assert server.proc.memory_info().rss - resting < 20_000_000
            assert len(slow.lines) < 100_000
            slow.go_on()
            slow.wait_for(500_000)
            assert slow.lines == [f"{number} {line}" for number in range(500_000)]
            assert server.proc.memory_info().rss - resting < 30_000_000


def test_clients_that_take_nothing_share_what_waits_for_them(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    with (
        running(tmp_path, log, "--memory", 1024 * 1024) as server,
        ExitStack() as stack,
        following(server) as quick,
        log.open("a") as file,
    ):
        for _ in range(200):
            stack.enter_context(following(server)).stall()
        resting = server.proc.memory_info().rss
        append(file, numbered(0, 400_000))
        quick.wait_for(400_000)
        # up to half a megabyte for each
        assert server.proc.memory_info().rss - resting < 50_000_000


def test_a_client_that_takes_nothing_is_dropped_and_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    lines = [line + " " + "x" * 1000 for line in numbered(0, 30_000)]
    with running(tmp_path, log, "--keep-alive", 0.3) as server, following(server) as client:
        resting = server.proc.num_fds()
        client.stall()
        with log.open("a") as file:
            append(file, lines)
        wait_until(lambda: server.proc.num_fds() < resting, "the connection dropped")
        client.go_on()
        client.wait_for(len(lines))
        assert client.lines == lines
        assert client.connects >= 2


@pytest.mark.usefixtures("namespaces")
def test_a_client_whose_network_is_cut_is_dropped(tmp_path: Path) -> None:
    # in a network of its own, which may be cut without harm to anyone
    script = f"from tests.test_resume import cut_the_network; cut_the_network({str(tmp_path)!r})"
    inside = 'ip link set lo up && exec "$0" -c "$1"'
    subprocess.run(
        ["unshare", "--map-root-user", "--net", "sh", "-c", inside, sys.executable, script],
        cwd=Path(__file__).parent.parent,
        check=True,
    )


def cut_the_network(directory: str) -> None:
    """The server must notice that a client is gone which could not say goodbye."""
    cwd = Path(directory)
    log = cwd / "app.log"
    log.write_text("one\n")
    with running(cwd, log, "--keep-alive", 0.2) as server:
        client = Client(f"{server.url}/stream-logs", reconnect=False)
        client.wait_for(1)
        connected = server.proc.num_fds()
        subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
        wait_until(lambda: server.proc.num_fds() < connected, "the connection dropped")
        assert client.is_alive()  # it has not heard of it
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        client.stop()


def test_a_stopped_server_goes_on_where_it_was(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with running(tmp_path, log) as server, following(server) as client:
        server.process.send_signal(signal.SIGSTOP)
        log.write_text("".join(line + "\n" for line in numbered(0, 5000)))
        server.process.send_signal(signal.SIGCONT)
        assert client.wait_for(5000) == numbered(0, 5000)


def test_a_log_that_does_not_exist_yet_is_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    with running(tmp_path, log) as server, following(server) as client:
        assert "app.log does not exist yet" in server.errors()
        log.write_text("first\nsecond\n")
        assert client.wait_for(2) == ["first", "second"]


def test_a_client_that_had_no_event_yet_misses_none(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("before\n")
    with running(tmp_path, log) as server:
        for number, path in enumerate(["/stream-logs?backlog=0", "/stream-logs"]):
            with following(server, path) as client:
                wait_until(lambda c=client: c.last_event_id, "an id")  # type: ignore[misc]
                server.kill()
                with log.open("a") as file:
                    file.write(f"meanwhile {number}\n")
                server.start()
                assert client.wait_for(1) == [f"meanwhile {number}"]
            log.rename(tmp_path / "app.log.1")
            log.touch()
            wait_until(lambda: server.json("/logs")["logs"][0]["size"] == 0, "the rotation")


def test_a_last_line_is_sent_when_its_newline_comes(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\ntw")
    with running(tmp_path, log) as server, following(server) as client:
        assert client.wait_for(1) == ["one"]
        with log.open("a") as file:
            for piece in ("o", " and a half\nthr", "ee\n"):
                file.write(piece)
                file.flush()
        assert client.wait_for(3) == ["one", "two and a half", "three"]


def test_memory_stays_bounded_with_a_line_of_100_mb(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("before\n")
    with running(tmp_path, log) as server, following(server) as client:
        resting = server.proc.memory_info().rss
        with log.open("ab") as file:
            for _ in range(100):
                file.write(b"x" * 1_000_000)
                file.flush()
            file.write(b"\nafter\n")
        lines = client.wait_for(3)
        assert server.proc.memory_info().rss - resting < 25_000_000
        assert [len(line) for line in lines] == [6, 1024 * 1024, 5]
        assert client.facts("clipped")[0]["length"] == 100_000_000
        with following(server, "/stream-logs?backlog=2") as late:
            assert late.wait_for(2) == lines[1:]
        with following(server, "/stream-logs?from=start") as late:
            assert late.wait_for(3) == lines
        assert server.proc.memory_info().rss - resting < 35_000_000


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_clients_get_every_line_and_leave_nothing(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()
    with running(tmp_path, log) as server:
        with following(server):  # what the first client makes, a thread of the pool, stays
            pass
        resting = server.proc.num_fds()
        clients = [Client(server.url + "/stream-logs") for _ in range(1000)]
        for client in clients:
            wait_until(client.opened.is_set, "all are let in")
        lines = numbered(0, 50)
        with log.open("a") as file:
            for line in lines:
                file.write(line + "\n")
                file.flush()
        for client in clients:
            assert client.wait_for(50) == lines
        assert len(server.tails()) == 1
        for client in clients:
            client.stop()
        wait_until(
            lambda: server.proc.num_fds() <= resting,
            "a server at rest",
            5,
        )
