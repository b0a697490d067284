"""What a delivery, a line and a client cost, in counts that no machine's speed changes.

How long these take is measured by the benchmarks. What is checked here is that nobody adds a
system call, a task switch or a copy to what is done thousands of times a second. A count that
has grown for a good reason may be raised.
"""

import asyncio
import gc
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

import psutil
import pytest
from tornado.iostream import IOStream

from server.feeds import fanout
from server.feeds.contract import Last, Oldest
from server.logs.encoding import TextEncoder
from server.logs.history import History
from server.logs.lines import HOLE, LineSplitter
from server.logs.position import START
from server.settings import Settings
from server.web.body import Caller
from server.web.context import Context
from server.web.events import EventBody
from tests.feeding import data, feeding, take, whole
from tests.running import PATIENCE
from tests.serving import serving

CLIENTS = 20
LINES = 30


# --- system calls ---------------------------------------------------------------


def read_until(client: socket.socket, text: bytes) -> None:
    data = b""
    while text not in data:
        more = client.recv(65536)
        assert more, data
        data += more


def system_calls(tmp_path: Path) -> Counter[str]:
    """Those that the server makes between the first of LINES lines, one at a time, and the last."""
    log, trace = tmp_path / "app.log", tmp_path / "trace"
    log.write_text("old\n")
    command = ["strace", "-f", "-qq", "-s", "256", "-o", str(trace)]
    with subprocess.Popen(
        [*command, sys.executable, "-m", "server", "--port", "0", str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as strace:
        assert strace.stdout
        while not (match := re.search(r"http://127.0.0.1:(\d+)/ ", strace.stdout.readline())):
            pass
        [server] = psutil.Process(strace.pid).children()
        clients = []
        for _ in range(CLIENTS):
            client = socket.create_connection(("127.0.0.1", int(match[1])), timeout=PATIENCE)
            client.sendall(b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n\r\n")
            read_until(client, b"data: old")
            clients.append(client)
        with log.open("a") as file:
            for number in range(LINES):
                print(f"line {number}.", file=file, flush=True)
                for client in clients:
                    read_until(client, b"data: line %d." % number)
        for client in clients:
            client.close()
        server.send_signal(signal.SIGTERM)
        strace.communicate(timeout=PATIENCE)
    calls, is_counting = Counter[str](), False
    for text in trace.read_text(errors="replace").splitlines():
        match = re.match(rf"{server.pid} +(\w+)\(", text)
        if "data: line 0." in text:
            is_counting = True
        elif is_counting and match:
            calls[match[1]] += 1
        if f"data: line {LINES - 1}." in text:
            break
    return calls


def test_a_delivery_is_one_system_call_and_a_line_a_dozen(tmp_path: Path) -> None:
    calls = system_calls(tmp_path)
    sent = calls.pop("sendto")
    deliveries = CLIENTS * LINES
    assert deliveries * 0.9 <= sent <= deliveries
    assert calls.total() <= 20 * LINES, calls


# --- Python ---------------------------------------------------------------------


@contextmanager
def instructions(where: CodeType | ModuleType) -> Iterator[Counter[str]]:
    """Bytecode instructions in a function or a module, and in what is called there, by function."""
    counted: Counter[str] = Counter()
    globals_of = vars(where) if isinstance(where, ModuleType) else None
    depth = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal depth
        if event == "call":
            if depth == 0 and where is not frame.f_code and frame.f_globals is not globals_of:
                return None
            depth += 1
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            counted[frame.f_code.co_qualname] += 1
        elif event == "return":
            depth -= 1
        return trace

    sys.settrace(trace)
    try:
        yield counted
    finally:
        sys.settrace(None)


async def receive(client: socket.socket, text: bytes) -> None:
    client.setblocking(False)
    data = b""
    async with asyncio.timeout(PATIENCE):
        while text not in data:
            data += await asyncio.get_running_loop().sock_recv(client, 65536)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


def test_a_delivery_takes_few_instructions(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.touch()

    async def main() -> Counter[str]:
        context = Context(Settings())
        async with feeding(log) as feed:
            others, bodies = [], []
            for _ in range(CLIENTS):
                one, other = socket.socketpair()
                opening, caller = nullcontext(feed), Caller("", "/")
                body = EventBody(context, IOStream(one), True, caller, opening, Last(0))
                body.begin()
                others.append(other)
                bodies.append(body)
            for other in others:
                await receive(other, b"id: ")  # it has caught up
            with instructions(fanout) as counted, log.open("a") as file:
                for number in range(1, LINES + 1):
                    print("line", number, file=file, flush=True)
                    await wait_until(lambda: all(body.events == number for body in bodies))  # noqa: B023
            await context.shut_down(PATIENCE)
            for other in others:
                other.close()
        return counted

    counted = asyncio.run(main())
    assert counted.total() / (CLIENTS * LINES) <= 140, counted


def test_a_line_takes_few_instructions() -> None:
    block = b"2026-11-25 07:00:00,123 INFO some text that goes on\n" * 1000
    for max_line in (8192, 2**20):
        encode = TextEncoder(max_line)
        [batch] = LineSplitter(START, b"", max_line).feed(block)
        for code in (LineSplitter.feed.__code__, TextEncoder.__call__.__code__):
            with instructions(code) as counted:
                LineSplitter(START, b"", max_line).feed(block)
                encode(batch)
            assert counted.total() / 1000 <= 60, counted


# --- copies ---------------------------------------------------------------------


def bytes_made(steps: Iterable[object]) -> int:
    """How many bytes the steps of an iteration take from the memory, freed again or not."""
    made = 0
    tracemalloc.start()
    try:
        iterator = iter(steps)
        while True:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            try:
                next(iterator)
            except StopIteration:
                return made
            made += tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "begin",
    [b"", b"\0", HOLE, b"before\n", b"before\n\0"],
    ids=["text", "NUL", "a hole", "a line before", "NUL behind a line"],
)
@pytest.mark.parametrize("max_line", [8192, 2**26])
def test_a_line_that_is_twice_as_long_costs_twice_as_many_copied_bytes(
    max_line: int, begin: bytes
) -> None:
    def parts(count: int) -> Iterator[object]:
        splitter = LineSplitter(START, b"", max_line)
        for part in (begin, *[b"x" * 10_000] * count, b"\n"):
            yield splitter.feed(part), splitter.last_bytes, splitter.has_unfinished

    assert bytes_made(parts(400)) < 2.5 * bytes_made(parts(200))


def test_twice_as_many_holes_are_read_back_with_twice_as_many_instructions(tmp_path: Path) -> None:
    """Each of them begins a batch of its own, and what follows that is read another time."""

    async def read_back(count: int) -> Counter[str]:
        log = tmp_path / f"{count}.log"
        log.write_bytes((HOLE + b"x\n") * count)
        async with feeding(log) as feed:
            with instructions(History.read.__code__) as counted:
                place = await feed.locate(Oldest())
                while not feed.is_live(place):
                    place = (await feed.log.read(place)).end
        return counted

    few, many = (asyncio.run(read_back(count)).total() for count in (20, 40))
    assert many < 2.5 * few


# --- files ----------------------------------------------------------------------


def test_four_times_as_many_files_are_read_back_with_four_times_as_many_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            result = real(*arguments, **options)
            calls["bytes"] += result if name == "preadv" else 0
            calls["bytes"] += len(result) if name == "pread" else 0
            return result

        return call

    async def read_back(count: int) -> Counter[str]:
        directory = tmp_path / str(count)
        directory.mkdir()
        for number in range(count):
            path = directory / f"app.log.{count - number}"
            path.write_text(f"line {number}\n")
            os.utime(path, (1e9 + number, 1e9 + number))
        log = directory / "app.log"
        log.write_text("last\n")
        os.utime(directory, (1e9, 1e9))  # its last change is long ago
        calls.clear()
        async with feeding(log) as feed:
            lines = data(await take(whole(feed), count + 1))
            assert lines == [*(f"line {number}" for number in range(count)), "last"]
        return calls.copy()

    for name in ("open", "pread", "preadv", "lstat", "listdir"):
        monkeypatch.setattr(os, name, counted(name))
    few, many = (asyncio.run(read_back(count)) for count in (50, 200))
    for name in ("open", "pread", "preadv", "lstat", "bytes"):
        assert many[name] <= 4.5 * few[name], (name, few, many)
    assert many["listdir"] <= few["listdir"] + 2, (few, many)


# --- memory ---------------------------------------------------------------------


def old_log(directory: Path) -> Path:
    log = directory / "app.log"
    log.write_text("old\n" * 100)
    return log


def connect(port: int, number: int) -> list[socket.socket]:
    clients = []
    for _ in range(number):
        client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        client.sendall(b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(client, b"data: old")
        clients.append(client)
    return clients


def test_a_client_takes_little_memory(tmp_path: Path) -> None:
    async def main() -> float:
        async with serving(old_log(tmp_path)) as (_, port):
            clients = await asyncio.to_thread(connect, port, 20)  # what they load is loaded
            tracemalloc.start()
            clients += await asyncio.to_thread(connect, port, 100)
            gc.collect()
            size, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            for client in clients:
                client.close()
        return size / 100

    assert asyncio.run(main()) <= 9_000


def check_that_streams_are_freed(path: Path) -> None:
    """Without the garbage collector, soon after their clients have gone."""

    def connections() -> list[IOStream]:
        return [one for one in gc.get_objects() if isinstance(one, IOStream)]

    async def main() -> None:
        async with serving(old_log(path)) as (context, port):
            clients = await asyncio.to_thread(connect, port, 20)
            await wait_until(lambda: len(context.streams) == len(clients))
            gc.collect()  # what their requests have left behind
            gc.disable()
            assert len(connections()) == len(clients)
            for client in clients:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()  # with a reset, which is an error to the server
            await wait_until(lambda: not context.streams)
            await wait_until(lambda: not connections())

    asyncio.run(main())


def test_a_stream_that_has_ended_is_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    """In a process of its own: what others have left behind in this one may hold on to it."""
    name = check_that_streams_are_freed.__name__
    code = f"import pathlib, sys; from {__name__} import {name}; {name}(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
