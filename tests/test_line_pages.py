"""`/logs/NAME/lines`: pages of a log's lines, of a real server."""

import asyncio
import errno
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from server.feeds.contract import PageWish
from server.feeds.paging import page_of
from server.filters.backwards import Backwards, View
from tests.feeding import feeding
from tests.logs.test_trouble import unreadable
from tests.running import PATIENCE, Server, following, running, wait_until
from tests.serving import serving

LINES = [
    f"2026-12-01T10:{number // 60:02}:{number % 60:02} {'ERROR' if number % 10 == 3 else 'INFO'} "
    f"it rains, {number}"
    for number in range(2000)
]
ERRORS = [line for line in LINES if "ERROR" in line]
ODD_NAME = b"caf\xe9 100%.log"
"""A file's name that is no UTF-8: its log is called by what can be told of it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A log of three files, of which one is compressed, one in a directory, and an odd one."""
    where = tmp_path_factory.mktemp("logs")
    for name, part in (("app.log.2", LINES[:800]), ("app.log.1", LINES[800:1500])):
        (where / name).write_text("".join(f"{line}\n" for line in part))
    (where / "app.log").write_text("".join(f"{line}\n" for line in LINES[1500:]))
    subprocess.run(["gzip", where / "app.log.2"], check=True)
    Path(os.fsdecode(bytes(where) + b"/" + ODD_NAME)).write_text("odd\n")
    for name in "ab":
        (where / name).mkdir()
        (where / name / "lines").write_text(f"in {name}\n")
    arguments = ["--allow-origin", "https://a.example"]
    with running(
        tmp_path_factory.mktemp("server"), where, where / "a/lines", where / "b/lines", *arguments
    ) as server:
        yield server


def ask(server: Server, **query: object) -> Any:
    status, headers, body = server.get(f"/logs/app.log/lines?{urlencode(query, doseq=True)}")
    assert status == 200, body
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    return json.loads(body)


def lines_of(page: Any) -> list[str]:
    return [entry["line"] for entry in page["lines"] if "line" in entry]


def ends_with(server: Server, line: str) -> bool:
    return lines_of(ask(server, limit=1)) == [line]


def test_the_last_lines_of_a_log(server: Server) -> None:
    page = ask(server)
    assert page["log"] == "app.log"
    assert lines_of(page) == LINES[-100:]
    assert (page["more_before"], page["more_after"]) == (True, False)
    assert page["lines"][3] == {
        "id": page["lines"][3]["id"],
        "line": LINES[1903],
        "level": "error",
        "time": "2026-12-01T10:31:43Z",
    }


def test_a_page_leads_to_those_beside_it_through_all_files(server: Server) -> None:
    got, page = list[str](), ask(server, limit=300)
    while True:
        got = lines_of(page) + got
        if not page["more_before"]:
            break
        page = ask(server, limit=300, before=page["first"])
    assert got == LINES
    got, page = [], ask(server, after=page["first"], limit=700)
    while True:
        got += lines_of(page)
        if not page["more_after"]:
            break
        page = ask(server, limit=700, after=page["last"])
    assert got == LINES


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"grep": "ERROR", "limit": 200}, ERRORS),
        ({"level": "warning", "limit": 3}, ERRORS[-3:]),
        ({"grep": ["error", "rains, 17"], "ignore_case": 1, "limit": 2}, LINES[1783:1794:10]),
        ({"grep": "INFO", "invert": 1, "limit": 200, "after": "0-0-0"}, ERRORS),
    ],
)
def test_a_page_of_lines_that_are_wanted(
    server: Server, query: dict[str, object], wanted: list[str]
) -> None:
    assert lines_of(ask(server, **query)) == wanted


def test_the_ids_are_those_of_streams(server: Server) -> None:
    """Of one log and of several; and a stream goes on where a page ends."""
    page = ask(server, limit=10)
    with following(server, "/stream-logs?log=app.log&backlog=10") as client:
        client.wait_for(10)
        assert [(event.id, event.data) for event in client.events] == [
            (entry["id"], entry["line"]) for entry in page["lines"]
        ]
    around = ask(server, around=page["lines"][4]["id"], limit=4)
    assert lines_of(around) == LINES[1993:1997]
    with following(server, "/stream-logs?log=app.log&log=a/lines&backlog=10") as client:
        client.wait_for(10)
        id = next(event.id for event in client.events if LINES[1994] in event.data)
        assert lines_of(ask(server, around=id, limit=2)) == LINES[1994:1996]
    path = "/stream-logs?log=app.log"
    with following(server, path, last_event_id=page["lines"][6]["id"]) as client:
        assert client.wait_for(3) == LINES[-3:]


def test_a_page_of_a_log_of_any_name(server: Server) -> None:
    status, _, body = server.get(f"/logs/{quote('caf_ 100%.log')}/lines")
    assert (status, lines_of(json.loads(body))) == (200, ["odd"])
    assert server.get(f"/logs/{quote('a/lines', safe='')}")[2] == b"in a\n"
    body = server.get(f"/logs/{quote('a/lines', safe='')}/lines")[2]
    assert lines_of(json.loads(body)) == ["in a"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("app.log/lines?limit=0", 400, ["limit='0'", "from 1 to 5000"]),
        ("app.log/lines?limit=5001", 400, ["limit='5001'"]),
        ("app.log/lines?limit=ten", 400, ["limit='ten'"]),
        ("app.log/lines?before=1-2-3&after=1-2-3", 400, ["before and after: give one"]),
        ("app.log/lines?grep=%5Bx", 400, ["a [ has no ]"]),
        ("app.log/lines?level=loud", 400, ["'loud'"]),
        ("app.log/lines?invert=1", 400, ["grep=PATTERN"]),
        ("app.log/lines?after=1-2-3", 404, ["after='1-2-3'", "no such line", "after=0-0-0"]),
        ("app.log/lines?around=100%25", 404, ["around='100%'", "no such line", "after=0-0-0"]),
        ("ap.log/lines", 404, ["'ap.log'", "app.log"]),
    ],
)
def test_what_cannot_be_answered_is_refused_with_a_remedy(
    server: Server, path: str, status: int, words: list[str]
) -> None:
    got, headers, body = server.get(f"/logs/{path}")
    assert got == status
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    for word in words:
        assert word in body.decode()


def test_head_and_other_origins_are_answered_as_elsewhere(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    origin = {"Origin": "https://a.example"}
    lengths = set()
    for method in ("HEAD", "GET"):
        connection.request(method, "/logs/app.log/lines", headers=origin)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
        lengths.add(response.headers["Content-Length"])
        assert len(body) == (0 if method == "HEAD" else int(response.headers["Content-Length"]))
    assert len(lengths) == 1
    connection.request("OPTIONS", "/logs/app.log/lines", headers=origin)
    assert connection.getresponse().status == 204
    connection.close()


def test_who_may_not_read_gets_no_lines(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("secret\n")
    with running(tmp_path, tmp_path / "app.log", "--token", "a" * 32) as server:
        status, _, body = server.get("/logs/app.log/lines")
        assert (status, b"secret" in body) == (401, False)
        status, _, body = server.get("/logs/app.log/lines", Authorization="Bearer " + "a" * 32)
        assert (status, b"secret" in body) == (200, True)


def test_pages_go_on_while_the_log_is_rotated_and_compressed(tmp_path: Path) -> None:
    """Each step takes a page, and then the log moves on."""
    log = tmp_path / "app.log"
    log.write_text("".join(f"{line}\n" for line in LINES[:400]))
    with running(tmp_path, log) as server:
        page = ask(server, after="0-0-0", limit=150)
        got, at = lines_of(page), 400
        while page["more_after"] or at < len(LINES):
            if at < len(LINES):
                for number in range(8, 0, -1):
                    for suffix in ("", ".gz"):
                        old = tmp_path / f"app.log.{number}{suffix}"
                        if old.exists():
                            old.rename(tmp_path / f"app.log.{number + 1}{suffix}")
                log.rename(tmp_path / "app.log.1")
                new = LINES[at : at + 400]
                log.write_text("".join(f"{line}\n" for line in new))
                at += len(new)
                wait_until(partial(ends_with, server, new[-1]), "it goes on")
                subprocess.run(["gzip", tmp_path / "app.log.1"], check=True)
            page = ask(server, after=page["last"], limit=150)
            got += lines_of(page)
        assert got == LINES
        got, page = [], ask(server, limit=170)
        while True:
            got = lines_of(page) + got
            if not page["more_before"]:
                break
            page = ask(server, limit=170, before=page["first"])
        assert got == LINES


def test_a_place_that_is_gone_is_a_404_that_says_where_the_log_begins_now(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"{line}\n" for line in LINES[:40]))
    with running(tmp_path, log) as server:
        id = ask(server, limit=10)["first"]
        log.write_text("another log\n")
        wait_until(lambda: lines_of(ask(server))[-1:] == ["another log"], "it goes on")
        assert ask(server)["lines"][0]["gap"] == "no longer on disk"
        status, _, body = server.get(f"/logs/app.log/lines?before={id}")
        assert (status, b"begins at after=" in body) == (404, True)
        oldest = body.decode().split("after=")[-1].strip()
        assert lines_of(ask(server, after=oldest)) == ["another log"]


def test_a_log_that_is_not_there_yet_is_a_404(tmp_path: Path) -> None:
    with running(tmp_path, f"app={tmp_path / 'app.log'}") as server:
        status, _, body = server.get("/logs/app/lines")
        assert (status, body) == (404, b"app does not exist yet\n")
        (tmp_path / "app.log").write_text("here\n")
        wait_until(lambda: b"here" in server.get("/logs/app/lines")[2], "the line")


def test_a_long_page_is_bounded_in_bytes(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("".join(f"{number:08} {'x' * 8000}\n" for number in range(2000)))
    with running(tmp_path, log) as server:
        page = ask(server, limit=5000)
        assert 500 < len(page["lines"]) < 600
        assert page["lines"][-1]["line"].startswith("00001999 ")
        assert (page["more_before"], page["more_after"]) == (True, False)
        page = ask(server, limit=5000, after="0-0-0")
        assert 500 < len(page["lines"]) < 600
        assert (page["more_before"], page["more_after"]) == (False, True)


@pytest.mark.parametrize("query", ["", "?grep=line", "?after=0-0-0"])
def test_a_log_that_cannot_be_read_now_is_a_503_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    log = tmp_path / "app.log"
    log.write_text("line of a log\n" * 40_000)

    def get(port: int) -> tuple[int, str | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", f"/logs/app.log/lines{query}")
            response = connection.getresponse()
            return response.status, response.headers["Retry-After"], response.read()
        finally:
            connection.close()

    async def main() -> None:
        async with serving(log) as (context, port):
            assert (await asyncio.to_thread(get, port))[0] == 200
            with unreadable(monkeypatch, log, errno.EIO):
                status, retry, body = await asyncio.to_thread(get, port)
                assert (status, retry) == (503, "10")
                assert b"app.log cannot be read: " in body
            assert (await asyncio.to_thread(get, port))[0] == 200
            assert context.quota is None or not context.quota.used

    asyncio.run(main())


def test_a_client_that_leaves_ends_its_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "app.log"
    log.write_text("one\n")
    begun, ended = asyncio.Event(), asyncio.Event()

    async def look(self: Backwards, *args: Any) -> View:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    async def main() -> None:
        async with serving(log) as (_, port), asyncio.timeout(PATIENCE):
            monkeypatch.setattr(Backwards, "look", look)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /logs/app.log/lines HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await begun.wait()
            writer.close()
            await ended.wait()

    asyncio.run(main())
    assert not [record for record in caplog.records if record.exc_info]


def test_the_event_loop_is_not_held_by_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks at the log's bytes and makes a page of its lines runs in threads."""
    log = tmp_path / "app.log"
    log.write_text("".join(f"{line}\n" for line in LINES))

    async def main() -> None:
        async with feeding(log) as feed:
            pools = feed.log.threads
            calls = list[str]()
            run = pools.counters.run

            async def noted(function: Any, *args: Any) -> Any:
                calls.append(function.__name__)
                return await run(function, *args)

            monkeypatch.setattr(pools.counters, "run", noted)
            page = await page_of(feed.log, 8192, PageWish("before", None, 1000))
            assert len(page.entries) == 1000
            assert set(calls) == {"look_back", "_take"}

    asyncio.run(main())
