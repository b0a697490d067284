"""What a delivery, a line and a client cost, in counts that no machine's speed changes.

How long these take is measured by the benchmarks. What is checked here is that nobody adds a
system call, a task switch or a copy to what is done thousands of times a second. A count that
has grown for a good reason may be raised.
"""

import asyncio
import gc
import re
import signal
import socket
import struct
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import psutil
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from server.app import make_app
from server.feeds.contract import Last
from server.feeds.fanout import Fanout
from server.logs.encoding import TextEncoder
from server.logs.lines import LineSplitter
from server.logs.position import START
from server.settings import Settings
from server.web.body import Caller
from server.web.context import Context
from server.web.events import EventBody
from server.web.health import Health
from server.web.listener import listen
from server.web.monitoring import LoopDelay
from tests.feeding import feeding
from tests.running import PATIENCE

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
def instructions(code: CodeType) -> Iterator[Counter[str]]:
    """Bytecode instructions in `code` and what it calls, in parts by function."""
    counted: Counter[str] = Counter()
    depth = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal depth
        if event == "call":
            if depth == 0 and frame.f_code is not code:
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
                body = EventBody(context, IOStream(one), True, Caller("", "/"), feed, Last(0))
                body.begin()
                others.append(other)
                bodies.append(body)
            for other in others:
                await receive(other, b"id: ")  # it has caught up
            with instructions(Fanout._push.__code__) as counted, log.open("a") as file:
                for number in range(1, LINES + 1):
                    print("line", number, file=file, flush=True)
                    await wait_until(lambda: all(body.events == number for body in bodies))  # noqa: B023
            await context.shut_down(PATIENCE)
            for other in others:
                other.close()
        return counted

    counted = asyncio.run(main())
    assert counted.total() / (CLIENTS * LINES) <= 130, counted


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


# --- memory ---------------------------------------------------------------------


def connect(port: int, number: int) -> list[socket.socket]:
    clients = []
    for _ in range(number):
        client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        client.sendall(b"GET /stream-logs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read_until(client, b"data: old")
        clients.append(client)
    return clients


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[tuple[Context, int]]:
    log = tmp_path / "app.log"
    log.write_text("old\n" * 100)
    context = Context(Settings())
    async with feeding(log) as feed:
        health = Health(feed, asyncio.create_task(asyncio.sleep(0)))
        server = HTTPServer(make_app(context, feed, health, LoopDelay()))
        [listener] = listen(0, "127.0.0.1")
        server.add_socket(listener)
        yield context, listener.getsockname()[1]
        server.stop()
        await context.shut_down(PATIENCE)
        await server.close_all_connections()


def test_a_client_takes_little_memory(tmp_path: Path) -> None:
    async def main() -> float:
        async with serving(tmp_path) as (_, port):
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


def test_a_stream_that_has_ended_is_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    def connections() -> int:
        return sum(isinstance(one, IOStream) for one in gc.get_objects())

    async def main() -> None:
        async with serving(tmp_path) as (context, port):
            gc.collect()
            before = connections()
            clients = await asyncio.to_thread(connect, port, 20)
            await wait_until(lambda: len(context.streams) == len(clients))
            gc.collect()  # what their requests have left behind
            gc.disable()
            try:
                assert connections() == before + len(clients)
                for client in clients:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()  # with a reset, which is an error to the server
                await wait_until(lambda: not context.streams)
                await wait_until(lambda: connections() == before)
            finally:
                gc.enable()

    asyncio.run(main())
