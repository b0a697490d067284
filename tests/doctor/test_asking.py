"""What the doctor takes in, whoever answers: no more than a bounded part, in a bounded time."""

import threading
import tracemalloc
import zlib
from itertools import chain, repeat

import pytest

from server.doctor.asking import Target
from server.doctor.diagnosis import MOST
from server.doctor.examination import start_page
from tests.relay import Forward, Pieces, Treat, relaying

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def bomb(events: int) -> bytes:
    """So many events, which are hardly anything as long as they are packed."""
    pack = zlib.compressobj(9, wbits=31)
    numbers = b"id: 1\ndata: 1\n\n" * 1000
    return b"".join(pack.compress(numbers) for _ in range(events // 1000)) + pack.flush()


def dripping(begin: bytes, more: bytes) -> Treat:
    """`more` without end, each soon enough for whoever waits for the next one alone."""

    def treat(request: bytes, forward: Forward) -> Pieces:
        yield begin
        for piece in repeat(more):
            threading.Event().wait(0.02)
            yield piece

    return treat


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("begin", "more", "status"),
    [
        (b"", b"H", 0),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0),
        (STREAM, b"X", 0),
        (STREAM + b"\r\n", b"x", 200),
        (STREAM + b"Transfer-Encoding: chunked\r\n\r\n", b"0", 200),
        (STREAM + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n", 200),
        (STREAM + b"Content-Encoding: gzip\r\n\r\n" + bomb(0), b"x", 200),
    ],
    ids=[
        "no head",
        "heads without end",
        "a header",
        "a line",
        "the length of a chunk",
        "what follows the last chunk",
        "what follows what is packed",
    ],
)
def test_what_comes_in_drops_is_listened_to_no_longer(
    begin: bytes, more: bytes, status: int
) -> None:
    with relaying(dripping(begin, more)) as url:
        answer = Target(start_page(url)[0]).ask("stream-numbers", 0.5)
    assert (answer.status, answer.ended, answer.too_long) == (status, None, False)


@pytest.mark.parametrize(
    ("head", "body", "more"),
    [
        (STREAM + b"Content-Encoding: gzip\r\n\r\n", bomb(3_000_000), b""),
        (STREAM + b"\r\n", b"data: ", b"x" * 65536),
        (STREAM + b"\r\n", b"", b"\n" * 65536),
        (STREAM + b"\r\n", b"", b":\n\n" * 5000),
    ],
    ids=["packed events", "a line", "empty events", "comments"],
)
def test_what_is_too_long_takes_little_memory(head: bytes, body: bytes, more: bytes) -> None:
    assert len(body) < MOST  # so that it is not what is packed that is too long
    with relaying(lambda request, forward: chain([head + body], repeat(more))) as url:
        target = Target(start_page(url)[0])
        tracemalloc.start()
        try:
            answer = target.ask("stream-numbers")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.too_long
    assert peak < 64 * MOST
