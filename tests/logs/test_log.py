"""Every complete line reaches every client once and in order, of any bytes and in any number."""

import asyncio
import os
import random
import re
import signal
import socket
import time
from pathlib import Path

import pytest
import sh

from server.feeds.contract import Last
from tests.feeding import data, feeding, frames, take
from tests.logs.befallen import check, check_returns, down
from tests.rotations import ROTATIONS, Log, numbered, packed
from tests.running import following, is_gone, running, wait_until

pytestmark = pytest.mark.long


# --- tail -----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP])
def test_a_tail_that_is_ended_or_stopped_costs_no_line(log: Log, number: int) -> None:
    with running(log.path.parent, log.path) as server, following(server) as client:
        tails = set()
        for _ in range(3):
            tail = server.tail()
            tails.add(tail)
            log.write(50)
            tail.send_signal(number)
            log.write(50)
            check(log, client)
            wait_until(lambda t=tail: is_gone(t), "it is gone")  # type: ignore[misc]
        wait_until(server.tails, "tail runs again")
        last = server.tail()
        wait_until(lambda: server.proc.children() == [last], "one tail and no zombies")
        log.write()
        check(log, client)
    assert is_gone(last)


def test_no_tail_outlives_a_server_that_is_killed(log: Log) -> None:
    with running(log.path.parent, log.path) as server:
        tail = server.tail()
        server.kill()
        wait_until(lambda: is_gone(tail), "tail is gone")


def test_what_tail_says_counts_only_if_it_stands_in_the_file(log: Log) -> None:
    log.write()

    async def test() -> None:
        async with feeding(log.path, tail=sh.Command("yes").bake("a lie")) as one:
            events = frames(one, Last(3))
            for _ in range(20):
                log.write(5)
            assert data(await take(events, len(log.lines))) == log.lines

    asyncio.run(test())


def test_a_tail_that_says_nothing_holds_no_line_back(log: Log, tmp_path: Path) -> None:
    """As past the system's limit of inotify instances, where tail looks once a second."""
    silent = tmp_path / "tail"
    silent.write_text("#!/bin/sh\nexec sleep 1000\n")
    silent.chmod(0o755)
    log.write()

    async def test() -> None:
        async with feeding(log.path, tail=sh.Command(str(silent))) as one:
            events = frames(one, Last(3))
            assert data(await take(events, 3)) == log.lines
            log.write(5)
            assert data(await take(events, 5)) == log.lines[3:]
            assert one.log.follower.tailing.is_running
            assert one.log.follower.tailing.restarts == 0  # nobody has given up on it yet

    asyncio.run(test())


def test_a_tail_that_opened_the_next_file_is_not_believed(log: Log, tmp_path: Path) -> None:
    slow = tmp_path / "tail"
    slow.write_text('#!/bin/sh\nuntil [ -e go ]; do sleep 0.01; done; exec tail "$@"\n')
    slow.chmod(0o755)
    log.write()

    async def test() -> None:
        command = sh.Command(str(slow)).bake(_cwd=str(tmp_path))
        async with feeding(log.path, tail=command) as one:
            events = frames(one, Last(3))
            assert data(await take(events, 3)) == log.lines
            numbered(log)
            log.write(50)
            (tmp_path / "go").touch()
            assert data(await take(events, 50)) == log.lines[3:]

    asyncio.run(test())


# --- how much -------------------------------------------------------------------------


def test_a_burst_of_a_million_lines_comes_whole(log: Log) -> None:
    with (
        running(log.path.parent, log.path) as server,
        socket.create_connection(("127.0.0.1", server.port)) as client,
    ):
        client.sendall(b"GET /stream-logs HTTP/1.0\r\n\r\n")
        received = bytearray(client.recv(65536))
        while b"stream opened" not in received:
            received += client.recv(65536)
        log.path.write_text("".join(f"{number}\n" for number in range(1_000_000)))
        while b"data: 999999\n\n" not in received[-65536:]:
            received += client.recv(1 << 20)
    numbers = [int(line) for line in re.findall(rb"\ndata: (.*)\n", received)]
    assert numbers == list(range(1_000_000))


@pytest.mark.linux
def test_only_the_end_of_5_gb_is_read_for_a_backlog(log: Log) -> None:
    log.append("first")
    os.truncate(log.path, 5 << 30)
    with log.path.open("a") as file:
        file.write("\n")
    log.write(20)

    def read_bytes() -> int:
        return int(re.search(r"rchar: (\d+)", Path("/proc/self/io").read_text())[1])  # type: ignore[index]

    async def test() -> None:
        async with feeding(log.path) as one:
            events = await take(frames(one, Last(10)), 10)
            assert data(events) == log.lines[-10:]
            assert data(await take(frames(one, events[0].id), 9)) == log.lines[-9:]

    before, started = read_bytes(), time.process_time()
    asyncio.run(test())
    assert time.process_time() - started < 0.2
    assert read_bytes() - before < 5_000_000


def test_a_first_line_of_10_mb_is_a_place_to_come_back_to(log: Log) -> None:
    length = 10_000_000
    log.append("x" * length)
    log.write()
    with running(log.path.parent, log.path) as server:
        for rotate in (None, numbered, ROTATIONS[".gz"]):
            if rotate:
                rotate(log)
                log.write()
            with following(server, "/stream-logs?from=start") as client:
                lines = client.wait_for(len(log.lines))
            assert lines == ["x" * 1024 * 1024, *log.lines[1:]]
            assert client.facts("clipped")[0]["length"] == length
            with down(server):
                pass
            with following(server, last_event_id=client.events[1].id) as late:
                assert late.wait_for(len(log.lines) - 1) == log.lines[1:]


# --- bytes as they are ----------------------------------------------------------------


BYTES = {
    "Latin-1": "começou a gravação\nnº 2: não\n".encode("latin-1"),
    "UTF-16": "começou\na gravação\n".encode("utf-16"),
    "UTF-16, big end first": "começou\r\na gravação\r\n".encode("utf-16-be"),
    "garbage": bytes(range(256)) * 20 + b"\n" + bytes(range(255, -1, -1)) + b"\n",
    "random": random.Random(1).randbytes(100_000) + b"\n",
    "colours": b"\x1b[31;1mERROR\x1b[0m it burns\n\x1b[2K\x1b[1Gdone\n",
    "CRLF": b"one\r\ntwo\r\n\r\nfour\r\r\n",
    "a progress bar": b"10%\r20%\r\r30%\rdone\nnext\n",
    "NUL": b"before\0after\n\0\n",
    "other line ends": "one\u2028two\u2029three\x85four\x0bfive\x0csix\n".encode(),
    "a byte order mark": b"\xef\xbb\xbffirst\n\xef\xbb\xbfsecond\n",
    "cut characters": "漢字🌊".encode()[:-2] + b"\n" + "🌊".encode()[1:] + b"\n",
    "surrogates": b"\xed\xa0\x80 \xed\xbf\xbf \xf4\x90\x80\x80 \xc0\x80\n",
    "fields of an event": b"data: x\nid: 1\n\n: comment\nevent: close\nretry: 1\n  \n",
}


def test_a_character_that_is_written_in_two_parts_comes_whole(log: Log) -> None:
    with (
        running(log.path.parent, log.path) as server,
        following(server, "/stream-logs?from=start") as client,
        log.path.open("ab", buffering=0) as file,
    ):
        file.write(b"caf\xc3")
        assert client.wait_for(1) == ["caf"]
        id = client.events[-1].id
        file.write(b"\xa9 fim\n")
        assert client.wait_for(2) == ["caf", "\u00e9 fim"]
        with (
            following(server, last_event_id=id) as back,
            following(server, "/stream-logs?from=start") as fresh,
        ):
            log.append("next")
            assert back.wait_for(2) == ["\u00e9 fim", "next"]
            wait_until(lambda: fresh.lines[-1:] == ["next"], "the last line")
            for one in (client, back, fresh):
                assert one.facts("gap") == []
        with down(server):
            file.write(b"\xe2\x82")
        with following(server, last_event_id=id) as back:
            assert back.wait_for(2) == ["\u00e9 fim", "next"]
            file.write(b"\xac\n")
            assert back.wait_for(3) == ["\u00e9 fim", "next", "\u20ac"]


def test_bytes_of_any_kind_come_as_text(log: Log) -> None:
    with running(log.path.parent, log.path) as server, following(server) as client:
        for content in BYTES.values():
            with log.path.open("ab") as file:
                file.write(content)
            client.wait_for(len(log.lines) + content.count(b"\n"))
            packed(".gz")(log)  # what has no newline goes out then
            lines = content.removesuffix(b"\n").split(b"\n")
            text = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
            log.lines += [line.replace("\r", "\n") for line in text]
            check(log, client)
        check_returns(server, log, client, 50)
