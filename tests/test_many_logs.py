"""Many logs on one server, as a user has them."""

import json
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from server.catalog.catalog import MOST_STREAMS
from tests.running import PATIENCE, Client, Server, following, running, wait_until


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A directory with three logs of a line each."""
    where = tmp_path / "logs"
    where.mkdir()
    for name in ("app.log", "web1.log", "web2.log"):
        append(where / name, f"{name} begins")
    return where


def shown(client: Client) -> list[str]:
    """What came, as LOG:LINE."""
    told = [json.loads(line) for line in client.lines]
    return [f"{one['log']}:{one['line']}" for one in told]


def of(client: Client, log: str) -> list[str]:
    return [line.removeprefix(f"{log}:") for line in shown(client) if line.startswith(f"{log}:")]


def names(server: Server) -> list[str]:
    return [log["name"] for log in server.json("/logs")["logs"]]


def refusal(server: Server, query: str) -> tuple[int, str]:
    status, _, body = server.get(f"/stream-logs{query}")
    return status, body.decode()


def stream(*wanted: str, more: str = "") -> str:
    """The address of a stream of these logs."""
    return "/stream-logs?" + "&".join(f"log={quote(name)}" for name in wanted) + more


def test_all_logs_are_listed(logs: Path, tmp_path: Path) -> None:
    with running(tmp_path, logs) as server:
        assert sorted(names(server)) == ["app.log", "web1.log", "web2.log"]


@pytest.mark.parametrize("others", [["l10.log", "l199.log"], ["l2.log", "l-3.log", "l.4.log"]])
def test_a_log_of_its_own_is_no_rotated_file_of_another(tmp_path: Path, others: list[str]) -> None:
    """Though its lines end before those of the other begin, and nobody writes to it."""
    where = tmp_path / "logs"
    where.mkdir()
    log = "l1.log" if "l10.log" in others else "l.log"
    for minute, name in enumerate([*others, log]):
        append(where / name, f"2026-11-27T10:{minute:02}:00 {name}")
    with running(tmp_path, where) as server:
        assert sorted(names(server)) == sorted([*others, log])
        with following(server, stream(log, more="&from=start")) as client:
            append(where / log, "2026-11-27T10:10:00 more")
            client.wait_for(2)
            assert client.lines == [
                f"2026-11-27T10:{minute:02}:00 {log}",
                "2026-11-27T10:10:00 more",
            ]
        [generations] = {
            one["generations"] for one in server.json("/logs")["logs"] if one["name"] == log
        }
        assert generations == 1  # the older files are not its own


@pytest.mark.parametrize(
    ("wanted", "logs_of_it"),
    [
        (["app.log", "web1.log"], ["app.log", "web1.log"]),
        (["web*"], ["web1.log", "web2.log"]),
        (["*"], ["app.log", "web1.log", "web2.log"]),
        (["web?.log", "app.log"], ["app.log", "web1.log", "web2.log"]),
    ],
)
def test_several_logs_are_one_stream(
    logs: Path, tmp_path: Path, wanted: list[str], logs_of_it: list[str]
) -> None:
    with running(tmp_path, logs) as server, following(server, stream(*wanted)) as client:
        client.wait_for(len(logs_of_it))
        for name in ("app.log", "web1.log", "web2.log"):
            append(logs / name, "more")
        client.wait_for(2 * len(logs_of_it))
        assert sorted(shown(client)) == sorted(
            f"{name}:{text}" for name in logs_of_it for text in (f"{name} begins", "more")
        )


def test_a_log_of_its_own_is_text_or_json(logs: Path, tmp_path: Path) -> None:
    with running(tmp_path, logs) as server:
        with following(server, stream("app.log")) as client:
            assert client.wait_for(1) == ["app.log begins"]
            id = client.events[0].id
        with following(server, stream("app.log", more="&format=json")) as client:
            client.wait_for(1)
            assert shown(client) == ["app.log:app.log begins"]
            assert client.events[0].id == id


def test_the_backlog_and_the_start_are_those_of_all_logs_together(
    logs: Path, tmp_path: Path
) -> None:
    for minute in range(60):
        append(logs / "web1.log", f"2026-11-29 10:{minute:02}:00 one")
        append(logs / "web2.log", f"2026-11-29 10:{minute:02}:30 two")
    with running(tmp_path, logs) as server:
        with following(server, stream("web*", more="&backlog=5")) as client:
            client.wait_for(5)
            append(logs / "web1.log", "end")
            client.wait_for(6)
            assert [line.rpartition(" ")[2] for line in shown(client)[:5]] == [
                "two", "one", "two", "one", "two",
            ]  # fmt: skip
        with following(server, stream("web*", more="&from=start")) as client:
            client.wait_for(123)
            assert len(of(client, "web1.log")) == 62
            lines = [line.partition(":")[2] for line in shown(client) if "2026-" in line]
            assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, ["several logs", "app.log", "web1.log", "web2.log"]),
        ("?log=ap.log", 404, ["'ap.log'", "app.log"]),
        ("?log=app.log&log=web3.log", 404, ["'web3.log'", "web1.log", "web2.log"]),
        ("?log=%2E%2E%2Fserver.err", 404, ["there is no log"]),
        ("?log=app.log&format=xml", 400, ["'xml'", "text or json"]),
        ("?log=*&format=text", 400, ["format=json"]),
        ("?log=app.log&log=web1.log&format=text", 400, ["format=json"]),
    ],
)
def test_what_is_asked_for_in_the_wrong_way_is_refused_with_a_remedy(
    logs: Path, tmp_path: Path, query: str, status: int, words: list[str]
) -> None:
    with running(tmp_path, logs) as server:
        answered, why = refusal(server, query)
        assert answered == status
        for word in words:
            assert word in why, why


def test_more_logs_than_fit_into_a_stream_are_refused(tmp_path: Path) -> None:
    for number in range(65):
        append(tmp_path / f"{number:02}.log", f"line {number}")
    with running(tmp_path, f"{tmp_path}/*.log") as server:
        status, why = refusal(server, "?log=*")
        assert (status, "65" in why, "64" in why) == (400, True, True)
        with following(server, stream("[0-5]*", "60*", "61*", "62*", "63*")) as client:
            assert client.status == 200
            client.wait_for(10)
            assert len(client.events[-1].id) == 64 * 24


def test_a_client_of_one_more_set_of_logs_is_told_to_come_back(logs: Path, tmp_path: Path) -> None:
    """Each set costs work for each line, and anybody can ask for as many as there are words."""
    with running(tmp_path, logs) as server, ExitStack() as stack:
        for number in range(MOST_STREAMS):
            client = stack.enter_context(
                following(server, stream("*", f"{number}*", more="&from=start"), reconnect=False)
            )
            client.wait_for(3)
        with following(server, stream("web*", more="&from=start"), reconnect=False) as refused:
            refused.join(PATIENCE)
        [fact] = refused.facts("refused")
        assert fact["why"] == f"{MOST_STREAMS} other sets of logs are read at the moment"
        with following(server, stream("*", "0*", more="&from=start")) as same:
            same.wait_for(3)
        client.stop()
        with following(server, stream("web*", more="&from=start")) as anew:
            anew.wait_for(2)


def test_new_logs_join_an_open_stream_and_old_ones_leave_it(logs: Path, tmp_path: Path) -> None:
    with running(tmp_path, logs) as server, following(server, stream("*")) as client:
        client.wait_for(3)
        append(logs / "new.log", *map(str, range(1000)))
        client.wait_for(1003)
        assert of(client, "new.log") == [str(number) for number in range(1000)]
        assert client.facts("log-added") == [{"log": "new.log"}]
        append(logs / "web2.log", "last words")
        (logs / "web2.log").unlink()
        wait_until(lambda: client.facts("log-removed") == [{"log": "web2.log"}], "it left")
        assert of(client, "web2.log") == ["web2.log begins", "last words"]
        assert len(client.events[-1].id) in (3 * 24, 4 * 24)
        assert "web2.log" not in names(server)


def test_a_pattern_that_matches_nothing_yet_waits(tmp_path: Path) -> None:
    where = tmp_path / "later"
    with running(tmp_path, f"{where}/*.log", "--port", 0) as server:
        assert names(server) == []
        with following(server, stream("*")) as client:
            where.mkdir()
            append(where / "a.log", "one")
            client.wait_for(1)
            assert shown(client) == ["a.log:one"]


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_every_line_comes_once_though_servers_are_killed(
    logs: Path, tmp_path: Path, is_elsewhere: bool
) -> None:
    """Also if the next server is another one, which has never seen the client."""
    paths = [logs / name for name in ("app.log", "web1.log", "web2.log")]
    wanted = {path.name: path.read_text().splitlines() for path in paths}

    def write(first: int, last: int) -> None:
        for path in paths:
            lines = [f"line {number:05}" for number in range(first, last)]
            append(path, *lines)
            wanted[path.name] += lines

    (tmp_path / "other").mkdir()
    with running(tmp_path, logs) as server, running(tmp_path / "other", logs) as other:
        client = Client(server.url + stream("*"), reconnect=not is_elsewhere)
        client.wait_for(3)
        write(0, 1000)
        client.wait_for(3 + 1000)  # it is in the midst of that
        server.kill()
        write(1000, 2000)
        for path in paths[1:]:
            path.rename(f"{path}.1")
            path.touch()
        write(2000, 3000)
        append(logs / "new.log", "new")
        if is_elsewhere:
            client.join()
            got = [json.loads(line) for line in client.lines]
            wait_until(lambda: "new.log" in names(other), "it is found")
            client = Client(other.url + stream("*"), last_event_id=client.last_event_id)
        else:
            got = []
            server.start()
        total = 3 * 3001 + 1
        client.wait_for(total - len(got))
        client.stop()
        got += [json.loads(line) for line in client.lines]
        assert client.facts("gap") == []
        for name, lines in {**wanted, "new.log": ["new"]}.items():
            assert [one["line"] for one in got if one["log"] == name] == lines
        if not is_elsewhere:
            server.end()
            server.start()


def test_logs_of_one_name_are_told_apart_and_aliases_are_names(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        append(tmp_path / name / "app.log", f"of {name}")
    one, two = tmp_path / "one" / "app.log", tmp_path / "two" / "app.log"
    with running(tmp_path, one, two) as server:
        assert sorted(names(server)) == ["one/app.log", "two/app.log"]
        with following(server, stream("two/app.log")) as client:
            assert client.wait_for(1) == ["of two"]
    with running(tmp_path, f"first={one}", two) as server:
        assert sorted(names(server)) == ["app.log", "first"]
        with following(server, stream("first", "app.log")) as client:
            client.wait_for(2)
            assert sorted(shown(client)) == ["app.log:of two", "first:of one"]


def test_a_log_that_is_a_directory_now_leaves_the_others_alone(logs: Path, tmp_path: Path) -> None:
    """Root may read anything but that."""
    with running(tmp_path, logs / "app.log", logs / "web1.log") as server:
        (logs / "app.log").unlink()
        (logs / "app.log").mkdir()
        with following(server, stream("web1.log", "app.log")) as client:
            client.wait_for(1)
            assert shown(client) == ["web1.log:web1.log begins"]
            (logs / "app.log").rmdir()
            append(logs / "app.log", "again")
            client.wait_for(2)
            assert shown(client)[1:] == ["app.log:again"]


# --- what is no file -------------------------------------------------------------------------


def piped(tmp_path: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """A server whose standard input is a pipe."""
    command = [sys.executable, "-m", "server", "--port", "0", "--state-dir", str(tmp_path / "s")]
    return subprocess.Popen(
        [*command, *arguments], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def address(process: "subprocess.Popen[bytes]") -> str:
    assert process.stdout
    for line in process.stdout:
        if b"the pages" in line:
            return line.split()[0].decode().rstrip("/")
    raise AssertionError("it did not start")


def test_standard_input_is_a_log_that_stays_readable_when_it_has_ended(tmp_path: Path) -> None:
    process = piped(tmp_path, "-")
    try:
        url = address(process)
        assert process.stdin
        client = Client(f"{url}/stream-logs")
        process.stdin.write(b"one\ntwo\n")
        process.stdin.flush()
        assert client.wait_for(2) == ["one", "two"]
        process.stdin.close()
        wait_until(lambda: client.facts("source-ended"), "its end is told")
        client.stop()
        again = Client(f"{url}/stream-logs?log=stdin&from=start")
        assert again.wait_for(2) == ["one", "two"]
        again.stop()
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        if process.stdout:
            process.stdout.close()


def test_commands_are_logs_beside_files(logs: Path, tmp_path: Path) -> None:
    command = "ticks=for n in 1 2 3; do echo tick $n; done; echo oops >&2; sleep 1000"
    state = ("--state-dir", tmp_path / "state")
    with running(tmp_path, logs / "app.log", "--command", command, *state) as server:
        assert sorted(names(server)) == ["app.log", "ticks"]
        with following(server, stream("*", more="&from=start")) as client:
            client.wait_for(5)
            assert of(client, "app.log") == ["app.log begins"]
            assert of(client, "ticks")[:3] == ["tick 1", "tick 2", "tick 3"]
            assert "oops" in of(client, "ticks")[3]
            told: list[Any] = client.facts("gap")
            assert told == []
