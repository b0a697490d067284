"""Streams of lines that a filter wants, as a user has them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from server.filters.filter import MOST_PATTERNS
from server.filters.pattern import MOST_BYTES
from tests.running import Client, Server, following, running, wait_until

ROOT = Path(__file__).parent.parent
LINES = [
    f"2026-11-27 10:{number // 60:02}:{number % 60:02} {'ERROR' if number % 10 == 3 else 'INFO'} "
    f"it rains, {number}"
    for number in range(2000)
]
SEVENTEENTH = [line for line in LINES if "ERROR it rains, 17" in line]
ERRORS = [line for line in LINES if "ERROR" in line]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of three files, of which one is compressed, and another log."""
    where = tmp_path_factory.mktemp("logs")
    for name, part in (("2", LINES[:800]), ("1", LINES[800:1500]), ("", LINES[1500:])):
        path = where / ("app.log" + name and f"app.log.{name}" if name else "app.log")
        path.write_text("".join(f"{line}\n" for line in part))
    subprocess.run(["gzip", where / "app.log.2"], check=True)
    (where / "other.log").write_text("ERROR elsewhere\nINFO elsewhere\n")
    return where


@pytest.fixture(scope="module")
def server(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server"), logs) as server:
        yield server


def stream(query: str) -> str:
    return f"/stream-logs?log=app.log&{query}"


def get(server: Server, query: str, lines: int) -> Client:
    with following(server, stream(query)) as client:
        client.wait_for(lines)
        return client


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("grep=ERROR&from=start", ERRORS),
        ("grep=ERROR&backlog=3", ERRORS[-3:]),
        ("grep=ERROR&backlog=1000", ERRORS),  # through all files
        ("grep=ERROR&grep=rains, 17&backlog=5", SEVENTEENTH[-5:]),
        ("grep=error&ignore_case=1&backlog=1", ERRORS[-1:]),
        ("grep=INFO&invert=1&from=start", ERRORS),
        ("level=warning&from=start", ERRORS),
        ("level=ERR&grep=rains, 17&backlog=2", SEVENTEENTH[-2:]),
        ("level=debug&grep=, 1993&grep=INFO&invert=true&backlog=2", LINES[-2:]),
    ],
)
def test_only_lines_that_are_wanted_come(server: Server, query: str, wanted: list[str]) -> None:
    assert get(server, quote(query, safe="=&"), len(wanted)).lines == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("since=2026-11-27T10:33:10", LINES[1990:]),
        ("since=2026-11-27 10:24:59.5", LINES[1500:]),  # where a file begins
        ("since=2026-11-27T10:05", LINES[300:]),  # in the compressed one
        ("since=2026-11-27T10:05&level=error", [line for line in LINES[300:] if "ERROR" in line]),
        ("since=2020-01-01", LINES),
        ("since=2026-11-27T10:33:15&backlog=500&from=start", LINES[1995:]),
    ],
)
def test_a_client_may_begin_at_a_moment(server: Server, query: str, wanted: list[str]) -> None:
    assert get(server, quote(query, safe="=&"), len(wanted)).lines == wanted


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("from=start&until=2026-11-27T10:00:05", LINES[:5]),
        ("since=2026-11-27T10:05&until=2026-11-27T10:31", LINES[300:1860]),  # through all files
        ("since=2026-11-27T10:05&until=2026-11-27T10:25&level=error", ERRORS[30:150]),
        ("from=start&until=2026-11-27T10:25:00&grep=, 1499$", LINES[1499:1500]),
        ("from=start&until=2026-11-27T10:05&grep=nothing", []),
        ("until=2026-11-27T10:00:05", LINES[:5]),  # there is no other place to begin
        ("from=start&until=2020-01-01", []),
        ("since=2026-11-27T10:33:19&until=10m", LINES[1999:]),
        ("backlog=3&until=2026-11-27T10:05", []),
    ],
)
def test_a_stream_may_end_at_a_moment(server: Server, query: str, wanted: list[str]) -> None:
    with following(server, stream(quote(query, safe="=&"))) as client:
        wait_until(lambda: client.finished, "the end")
        assert client.lines == wanted
        assert client.events[-1].type == "close"


def test_a_client_that_has_all_up_to_a_moment_is_told_not_to_come_back(server: Server) -> None:
    path = stream("from=start&until=2026-11-27T10:05")
    with following(server, path) as client:
        wait_until(lambda: client.finished, "the end")
        ids = [event.id for event in client.events if event.type == "message"]
    status, _, _ = server.get(path, **{"Last-Event-ID": ids[-1]})
    assert status == 204
    with following(server, path, last_event_id=ids[9]) as again:
        wait_until(lambda: again.finished, "the end")
        assert again.lines == LINES[10:300]


def test_several_logs_end_at_a_moment(server: Server) -> None:
    path = "/stream-logs?log=*&since=2026-11-27T10:05&until=2026-11-27T10:25&level=error"
    with following(server, path) as client:
        wait_until(lambda: client.finished, "the end")
        assert [json.loads(line)["line"] for line in client.lines] == ERRORS[30:150]
        id = [event.id for event in client.events if event.type == "message"][59]
    with following(server, path, last_event_id=id) as again:
        wait_until(lambda: again.finished, "the end")
        assert [json.loads(line)["line"] for line in again.lines] == ERRORS[90:150]


def test_a_client_that_comes_back_goes_on_where_it_was_whatever_moment_it_names(
    server: Server,
) -> None:
    first = get(server, "since=2026-11-27T10:30", 50)
    id = first.events[9].id
    with following(server, stream("since=2026-11-27T10:30"), last_event_id=id) as again:
        again.wait_for(190)
        assert again.lines == LINES[1810:]


def test_a_log_without_times_says_so_and_goes_on_at_its_end(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\ntwo\n")
    with running(tmp_path, log) as server, following(server, "/stream-logs?since=1h") as client:
        wait_until(lambda: bool(client.events), "the gap")
        assert "no line names its time" in json.loads(client.events[0].data)["why"]
        with log.open("a") as file:
            file.write("three\n")
        assert client.wait_for(1) == ["three"]


def test_a_client_comes_back_through_a_filter_and_with_another_one(server: Server) -> None:
    first = get(server, "grep=ERROR&from=start", 100)
    id = first.events[41].id
    at = LINES.index(first.lines[41]) + 1
    with following(server, stream("grep=ERROR"), last_event_id=id) as again:
        again.wait_for(158)
        assert first.lines[:42] + again.lines == ERRORS
    with following(server, stream("grep=INFO"), last_event_id=id) as other:
        wanted = [line for line in LINES[at:] if "INFO" in line]
        other.wait_for(len(wanted))
        assert other.lines == wanted


def test_lines_that_nobody_wants_move_the_last_event_id(tmp_path: Path) -> None:
    """Who comes back does not search again what was searched."""
    log = tmp_path / "app.log"
    log.write_text("".join(f"{line}\n" for line in LINES))
    path, end = "/stream-logs?grep=nothing&from=start", f"{log.stat().st_size:x}-"
    with running(tmp_path, log, "--keep-alive", 1) as server, following(server, path) as client:
        wait_until(lambda: client.last_event_id.startswith(end), "the id of the log's end")
        assert client.lines == []


def test_several_logs_are_filtered_as_one_stream(server: Server) -> None:
    with following(server, "/stream-logs?log=*&grep=ERROR&from=start") as client:
        client.wait_for(len(ERRORS) + 1)
        lines = [json.loads(line) for line in client.lines]
        assert [one["line"] for one in lines if one["log"] == "app.log"] == ERRORS
        assert [one["line"] for one in lines if one["log"] == "other.log"] == ["ERROR elsewhere"]
    path = "/stream-logs?log=*&since=2026-11-27T10:33:10&level=error"
    with following(server, path) as client:
        client.wait_for(1)
        assert [json.loads(line)["line"] for line in client.lines] == ERRORS[-1:]
        [gap] = [json.loads(event.data) for event in client.events if event.type == "gap"]
        assert gap["why"].startswith("other.log: no line names its time")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("grep=a(?=b)", ["'a(?=b)'", "lookahead"]),
        ("grep=(a)%5C1", ["backreferences"]),
        ("grep=%5Bx", ["a [ has no ]"]),
        (f"grep={'x' * (MOST_BYTES + 1)}", [f"longer than {MOST_BYTES} bytes"]),
        ("&".join(f"grep={number}" for number in range(MOST_PATTERNS + 1)), ["too many"]),
        ("invert=1", ["grep=PATTERN"]),
        ("grep=x&invert=maybe", ["'maybe'", "invert=1"]),
        ("grep=100%25(", ["'100%('"]),
        ("level=loud", ["'loud'", "warning"]),
        ("since=yesterday", ["'yesterday'", "ISO 8601"]),
        ("since=2999-01-01", ["future"]),
        ("until=2999-01-01", ["future"]),
        ("since=1h&until=2h", ["before since"]),
    ],
)
def test_a_filter_that_cannot_be_taken_is_refused_with_a_remedy(
    server: Server, query: str, words: list[str]
) -> None:
    for path in (stream(query), f"/stream-logs?log=*&{query}"):
        status, _, body = server.get(path)
        assert status == 400
        for word in words:
            assert word in body.decode()
    assert "Traceback" not in server.errors()


def test_without_the_package_a_request_for_a_filter_says_what_is_missing(tmp_path: Path) -> None:
    """All other requests are answered as ever."""
    (tmp_path / "app.log").write_text("one\n")
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['re2'] = None\n")
    with running(
        tmp_path, tmp_path / "app.log", env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    ) as server:
        status, _, body = server.get("/stream-logs?grep=one")
        assert (status, b"pip install 'riacho[filters]'" in body) == (400, True)
        with following(server, "/stream-logs") as client:
            assert client.wait_for(1) == ["one"]
