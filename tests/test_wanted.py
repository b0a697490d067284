"""What is asked of `/stream-logs`, and what `server.client.follow` makes of the answer."""

from pathlib import Path

import pytest

from server.client import StreamRefusedError, follow
from server.wanted import Wanted, address_of, has_names
from tests.running import running

URL = "http://h/stream-logs"


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        ({}, ""),
        ({"log": "a b", "grep": ["x&y", "+"]}, "?log=a+b&grep=x%26y&grep=%2B"),
        ({"log": [], "grep": None, "backlog": None, "level": None}, ""),
        ({"invert": True, "ignore_case": True, "from_start": True},
         "?invert=1&ignore_case=1&from=start"),
        ({"invert": False, "ignore_case": False, "from_start": False}, ""),
        ({"level": "warning", "since": "2h", "until": "2026-12-01T10:00+01:00"},
         "?level=warning&since=2h&until=2026-12-01T10%3A00%2B01%3A00"),
        ({"backlog": 0, "format": "json"}, "?backlog=0&format=json"),
        ({"grep": "\udcff"}, "?grep=%FF"),
    ],
)  # fmt: skip
def test_what_is_wanted_becomes_a_query(wanted: Wanted, query: str) -> None:
    assert address_of(URL, **wanted) == URL + query


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"{URL}?log=a", f"{URL}?log=a&level=info"),
        (f"{URL}?", f"{URL}?level=info"),
        (f"{URL}?log=a&", f"{URL}?log=a&level=info"),
        (f"{URL}?log=a#b?c", f"{URL}?log=a&level=info"),
    ],
)
def test_it_is_added_to_the_query_that_there_is(url: str, address: str) -> None:
    assert address_of(url, level="info") == address


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("", False),
        ("?log=a", False),
        ("?log=a&log=b", True),
        ("?log=%2A", True),
        ("?log=[a]", True),
    ],
)
def test_a_stream_of_several_logs_has_names(query: str, answer: bool) -> None:
    assert has_names(URL + query) is answer


def test_the_client_gets_what_it_wants_and_is_told_what_it_cannot_have(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_text("INFO one\nERROR two\nERROR three\nERROR four\n")
    with running(tmp_path, "app.log") as server:
        url = f"{server.url}/stream-logs?level=info"
        events = follow(url, grep="t", level="error", from_start=True, format="json")
        assert next(events).data == '{"log": "app.log", "line": "ERROR two", "level": "error"}'
        assert next(follow(url, grep=["T", "W"], ignore_case=True)).data == "ERROR two"
        assert next(follow(url, grep="ERROR", invert=True)).data == "INFO one"
        assert next(follow(url, log="app.log", backlog=1)).data == "ERROR four"
        with pytest.raises(StreamRefusedError, match=r" was refused: grep='\(': a \( has no \)"):
            next(follow(url, grep="("))
