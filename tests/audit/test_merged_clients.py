"""What a client of the audit of merged streams has got: faults are planted, and must be found."""

import json
import random
import socket
from collections.abc import Iterator

import pytest

from tests.audit.merged_clients import MergedAudience, MergedClient
from tests.audit.verdict import Record, Verdict

LINES = 5


@pytest.fixture
def client() -> Iterator[MergedClient]:
    """One that reads all of two logs, a and b."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        crowd = MergedAudience([port], 0, random.Random(1), ("a", "b"), ("log=*",))
        client = MergedClient("client", "from=start", 0, crowd)
        client.connect(port)
        assert client.socket
        with client.socket:
            client.feed(b"HTTP/1.0 200 OK\r\n\r\n")
            yield client


def event(log: str, number: int) -> bytes:
    told = json.dumps({"log": log, "line": f"{number}|text|{number}"})
    return b"id: t%d\ndata: %b\n\n" % (number, told.encode())


def fact(name: str, **details: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), json.dumps(details).encode())


def problems(client: MergedClient, log: str) -> set[str]:
    """What the verdict says of what came of `log`."""
    verdict = Verdict(Record(LINES, [0.0] * (LINES + 1)), [client.view(log)])
    verdict.judge_all()
    return {problem.kind for problem in verdict.problems}


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([1, 2, 3, 4, 5], set()),
        ([1, 2, 4, 5], {"lost"}),
        ([1, 2, 3, 4], {"lost"}),
        ([], {"lost"}),
        ([1, 2, 3, 3, 4, 5], {"doubled"}),
        ([1, 2, 4, 3, 5], {"lost", "out of order"}),
    ],
)
def test_a_fault_is_found_in_the_log_that_has_it(
    client: MergedClient, numbers: list[int], found: set[str]
) -> None:
    client.feed(b"".join(event("b", number) for number in range(1, LINES + 1)))
    client.feed(b"".join(event("a", number) for number in numbers))
    assert problems(client, "a") == found
    assert problems(client, "b") == set()


def test_a_gap_of_one_log_excuses_no_loss_in_another(client: MergedClient) -> None:
    for log in ("a", "b"):
        client.feed(event(log, 1))
    client.feed(fact("gap", log="b", why="no longer on disk"))
    for log in ("a", "b"):
        client.feed(b"".join(event(log, number) for number in (3, 4, 5)))
    assert problems(client, "a") == {"lost"}
    assert "false gaps" in problems(client, "b")
