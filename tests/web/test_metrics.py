"""What Prometheus reads is what happened."""

import gzip
import signal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.running import Client, Server, following, running, wait_until


def metrics(server: Server) -> dict[str, float]:
    """Each sample by its name and its labels' values."""
    text = server.get("/metrics")[2].decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_family_is_typed_and_explained(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("one\n")
    with running(tmp_path, tmp_path / "app.log") as server:
        status, headers, body = server.get("/metrics")
    families = list(text_string_to_metric_families(body.decode()))
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=")
    own = {family.name: family for family in families if family.name.startswith("riacho_")}
    assert own.keys() == {
        f"riacho_{name}"
        for name in (
            *("clients", "clients_behind", "behind_bytes", "streams", "refused", "deliveries"),
            *("sent_bytes", "resumes", "gaps", "rotations", "truncations", "tail_restarts"),
            *("tail_late", "tail_up", "log_readable", "log_size_bytes", "log_unread_bytes"),
            *("logs", "logs_followed"),
            *("loop_delay_seconds", "loop_delay_worst_seconds"),
        )
    }
    assert all(family.documentation for family in families)
    assert all(family.type in ("counter", "gauge") for family in families)
    assert {"process_open_fds", "process_resident_memory_bytes"} <= {one.name for one in families}


def test_clients_deliveries_and_bytes(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"line {number}\n" for number in range(10)))
    with running(tmp_path, "--max-clients", "3", log) as server:
        clients = [Client(server.url + "/stream-logs", reconnect=False) for _ in range(3)]
        for client in clients:
            client.wait_for(10)
        refused = Client(server.url + "/stream-logs", reconnect=False)
        refused.join()
        assert [event.type for event in refused.events] == ["refused"]
        with log.open("a") as file:
            file.write("more\n" * 5)
        for client in clients:
            client.wait_for(15)
        found = metrics(server)
        assert found["riacho_clients"] == 3
        assert found["riacho_clients_behind"] == found["riacho_behind_bytes"] == 0
        assert found["riacho_streams_total"] == 3
        assert found["riacho_refused_total"] == 1
        assert found["riacho_deliveries_total"] == 3 * 15
        size = found["riacho_sent_bytes_total"]
        clients[0].stop()
        wait_until(lambda: metrics(server)["riacho_clients"] == 2, "one client less")
        assert metrics(server)["riacho_deliveries_total"] == 3 * 15
        for client in clients[1:]:
            client.stop()
        wait_until(lambda: metrics(server)["riacho_clients"] == 0, "no client")
        server.get("/stream-numbers?to=2&interval=0")
        wait_until(lambda: metrics(server)["riacho_deliveries_total"] == 3 * 15 + 3, "three events")
        assert metrics(server)["riacho_streams_total"] == 4
        assert metrics(server)["riacho_sent_bytes_total"] > size > 3 * 15 * len("data: more\n\n")
        assert metrics(server)["riacho_log_size_bytes app.log"] == log.stat().st_size
        assert metrics(server)["riacho_tail_up app.log"] == 1


def test_a_client_that_is_behind_and_how_far(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    with running(tmp_path, log) as server, following(server) as slow, following(server) as fast:
        slow.stall()
        lines = 200_000
        with log.open("a") as file:
            file.write(f"{'x' * 99}\n" * lines)
        fast.wait_for(1 + lines)
        wait_until(lambda: metrics(server)["riacho_clients_behind"] == 1, "one that is behind")
        behind = metrics(server)["riacho_behind_bytes"]
        assert 0 < behind < 100 * lines
        slow.go_on()
        slow.wait_for(1 + lines)
        wait_until(lambda: metrics(server)["riacho_clients_behind"] == 0, "nobody behind")
        assert metrics(server)["riacho_behind_bytes"] == 0


def test_resumes_gaps_rotations_and_restarts_of_tail(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"line {number}\n" for number in range(10)))
    with running(tmp_path, log) as server:
        with following(server) as client:
            client.wait_for(10)
            on_disk = client.events[3].id  # written before the server was there
            with log.open("a") as file:
                file.write("more\n")
            client.wait_for(11)
            in_memory = client.last_event_id
        for id, lines in ((on_disk, 7), (in_memory, 0), ("nowhere", 11)):
            with following(server, last_event_id=id) as client:
                client.wait_for(lines)
        found = metrics(server)
        assert found["riacho_resumes_total app.log disk"] == 1
        assert found["riacho_resumes_total app.log memory"] == 1
        assert found["riacho_gaps_total app.log"] == 1
        assert (
            found["riacho_rotations_total app.log"]
            == found["riacho_truncations_total app.log"]
            == 0
        )

        log.rename(tmp_path / "app.log.1")
        log.write_text("new\n")
        wait_until(lambda: metrics(server)["riacho_rotations_total app.log"] == 1, "a rotation")
        (tmp_path / "app.log.1.gz").write_bytes(
            gzip.compress((tmp_path / "app.log.1").read_bytes())
        )
        (tmp_path / "app.log.1").unlink()
        with following(server, last_event_id=on_disk) as client:
            assert client.wait_for(8)[-1] == "new"
        assert metrics(server)["riacho_resumes_total app.log disk"] == 2

        log.write_text("")
        wait_until(lambda: metrics(server)["riacho_truncations_total app.log"] == 1, "a truncation")
        assert metrics(server)["riacho_tail_restarts_total app.log"] == 0
        server.tail().send_signal(signal.SIGKILL)
        wait_until(
            lambda: metrics(server)["riacho_tail_restarts_total app.log"] == 1, "another tail"
        )
        wait_until(lambda: metrics(server)["riacho_tail_up app.log"] == 1, "tail")


@pytest.mark.linux
@pytest.mark.usefixtures("namespaces")
def test_a_limit_of_inotify_instances_is_counted_and_told_once_with_its_remedy(
    tmp_path: Path,
) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    limit = 'echo 0 > /proc/sys/user/max_inotify_instances && exec "$@"'
    without = ["unshare", "--map-root-user", "sh", "-c", limit, "sh"]
    with running(tmp_path, log, before=without) as server, following(server) as client:
        lines = ["one"]
        while metrics(server)["riacho_tail_late_total app.log"] < 5:
            lines.append(f"line {len(lines)}")
            with log.open("a") as file:
                file.write(lines[-1] + "\n")
            assert client.wait_for(len(lines)) == lines
        warnings = [line for line in server.errors().splitlines() if "tail is late" in line]
        assert len(warnings) == 1
        assert "raise fs.inotify.max_user_instances" in warnings[0]
