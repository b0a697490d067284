"""Requests that nobody would think of, sent to a real server: `python -m tests.fuzz --minutes 10`.

Hypothesis makes them of parts that a server reacts to, and of anything at all. None may
end in an error of the server's own, cost memory for good, or leave a descriptor open.
"""

import argparse
import random
import re
import socket
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.running import PATIENCE, Server, running, wait_until

TOKEN = "the-token-of-the-fuzzed-server"

ANSWER = 0.02
"""Seconds that an answer is waited for. A request that is not whole gets none."""

MEMORY = 20
"""MB that the server may grow."""

anything = st.binary(max_size=60)


def mostly(*likely: bytes) -> st.SearchStrategy[bytes]:
    """One of these, or several of them joined, or something else."""
    one = st.sampled_from(likely)
    return st.one_of(one, one, one, st.builds(bytes.__add__, one, one), anything)


methods = mostly(b"GET", b"GET", b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"TRACE", b"get")
versions = mostly(b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 ", b"")
paths = mostly(
    b"/", b"/stream-logs", b"/stream-numbers", b"/slow-numbers", b"/logs", b"/logs/app.log",
    b"/healthz", b"/metrics", b"/index.html", b"/riacho.js", b"/../", b"/%2e%2e/", b"//", b"*",
    b"/%00", b"/%ff", b"http://localhost/logs", b"/logs/..%2f", b"/logs/%e2%82", b"/.",
)  # fmt: skip
names = mostly(
    b"backlog", b"from", b"to", b"interval", b"last_event_id", b"token", b"log", b"%74oken", b"",
)  # fmt: skip
values = mostly(
    b"1", b"0", b"-1", b"1e9", b"nan", b"inf", b"start", b"end", b"%00", b"%ff", b"%0a", b"%",
    b"9" * 400, b"7-0-0", b"%d9%a3", TOKEN.encode(), b"12-%5b", b"0-0-0", b"1_0", b"+1", b"",
)  # fmt: skip
fields = mostly(
    b"Host", b"Host", b"Origin", b"Sec-Fetch-Site", b"Sec-Fetch-Mode", b"Sec-Fetch-Dest",
    b"Authorization", b"Cookie", b"Last-Event-ID", b"Range", b"If-None-Match", b"Connection",
    b"If-Modified-Since", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Content-Type",
    b"X-Forwarded-For", b"X-Forwarded-Proto", b"Accept", b"Accept-Encoding", b"Upgrade",
    b"If-Range", b"Content-Encoding", b"Access-Control-Request-Method",
)  # fmt: skip
contents = mostly(
    b"localhost", b"127.0.0.1:8000", b"[::1]", b"[", b"evil.example", b"https://evil.example",
    b"null", b"*", b"same-origin", b"cross-site", b"navigate", b"document", b"text/html", b"close",
    b"Bearer ", b"Bearer " + TOKEN.encode(), b"Basic eA==", b"riacho-8000=2|1:0|10:1|1:a|1:b|c",
    b"7-0-0", b"0", b"3", b"-3", b"chunked", b"gzip", b"100-continue", b"bytes=0-1", b"bytes=-",
    b"bytes=5-1", b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded",
    b"1.2.3.4, 5.6.7.8", b"Mon, 01 Jan 2024 00:00:00 GMT", b'W/"x"', b"\xe9", b"\x00", b"",
)  # fmt: skip
line_ends = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"", b"\r\n "])
bodies = mostly(b"", b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"--x--", b"a=%ff&b", b"0\r\n\r\n")


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """The bytes of something like a request, or of a few."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.binary(max_size=2000))
    pairs = draw(st.lists(st.tuples(names, values), max_size=4))
    query = b"&".join(name + b"=" + value for name, value in pairs)
    target = draw(paths) + (b"?" + query if query else b"")
    lines = [b" ".join([draw(methods), target, draw(versions)])]
    if draw(st.integers(0, 9)):
        lines.append(b"Host: localhost")
    separators = st.sampled_from([b": "] * 8 + [b":", b" : ", b""])
    for _ in range(draw(st.integers(0, 5))):
        lines.append(draw(fields) + draw(separators) + draw(contents))
    data = b"".join(line + draw(line_ends) for line in lines) + b"\r\n" + draw(bodies)
    match draw(st.integers(0, 19)):
        case 0:  # cut short
            return data[: draw(st.integers(0, len(data)))]
        case 1:  # a byte of it is another
            place = draw(st.integers(0, len(data) - 1))
            return data[:place] + draw(st.binary(max_size=3)) + data[place + 1 :]
        case 2:  # more than one
            return data * draw(st.integers(2, 20))
        case 3:  # large
            return data.replace(b"a", b"a" * draw(st.integers(1, 9000)))
    return data


def send(server: Server, request: bytes) -> None:
    """Send it and look at what comes; the server must not be at fault."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        data = b""
        with suppress(ConnectionError, TimeoutError):
            connection.sendall(request)
            connection.settimeout(ANSWER)
            while len(data) < 12 and (more := connection.recv(4096)):
                data += more
    match = re.match(rb"HTTP/1\.1 (\d)", data)
    assert not data or (match and match[1] != b"5"), (request, data)


def fuzz(server: Server, examples: int, start: int = 0) -> None:
    """Send so many requests, which `start` chooses; look at the server after them."""
    memory: list[int] = []
    server.tail()  # which has a descriptor, too
    descriptors = server.proc.num_fds()

    @seed(start)
    @settings(
        max_examples=examples,
        database=None,
        derandomize=False,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(requests())
    def attempt(request: bytes) -> None:
        send(server, request)
        if len(memory) < 200:  # what is loaded or grown to size by the first ones
            memory.append(server.proc.memory_info().rss)

    attempt()
    wait_until(lambda: server.proc.num_fds() <= descriptors, "descriptors at rest")
    grown = (server.proc.memory_info().rss - memory[-1]) / 2**20
    assert grown < MEMORY, f"memory grew by {grown:.0f} MB"
    errors = server.errors()
    assert "Traceback" not in errors, errors
    assert not re.search(" ERROR 5", errors), errors
    if server.env.get("RIACHO_TOKEN"):
        leaks = [line for line in errors.splitlines() if TOKEN in line]
        assert leaks == [], leaks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    began, sent = time.monotonic(), 0
    with (
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as other,
        serving(Path(one)) as open_to_all,
        serving(Path(other), TOKEN) as guarded,
    ):
        while time.monotonic() - began < 60 * arguments.minutes:
            for server in (open_to_all, guarded):
                fuzz(server, 1000, arguments.seed + sent)
                sent += 1000
                print(
                    f"{time.monotonic() - began:.0f} s: {sent} requests, "
                    f"{server.proc.memory_info().rss / 2**20:.1f} MB, "
                    f"{server.proc.num_fds()} descriptors",
                    flush=True,
                )


def serving(directory: Path, token: str = "") -> AbstractContextManager[Server]:
    log = directory / "app.log"
    log.write_text("one\n")
    return running(directory, log, env={"RIACHO_TOKEN": token} if token else None)


if __name__ == "__main__":
    main()
