"""Clients that nobody here wrote."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import httpx_sse
import pytest
import requests
import sseclient

from tests.running import PATIENCE, Server, running

NPM = Path(__file__).parent / "npm"
LINES = [
    "plain",
    "ação 😀 \u2028",
    " indented",
    "data: x",
    "two\rlines",
    "\x1b[31mred\x1b[0m <b>bold</b>",
    "x" * 100_000,
    "last",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("clients")
    (path / "app.log").write_bytes("".join(line + "\n" for line in LINES).encode())
    with running(path, path / "app.log", "--retry", "50") as server:
        yield server


EXPECTED = [line.replace("\r", "\n") for line in LINES]


def test_sseclient_py(server: Server) -> None:
    url = f"{server.url}/stream-logs?from=start"
    with requests.get(url, stream=True, timeout=PATIENCE) as response:
        client = sseclient.SSEClient(response.iter_content(None))
        events = [event for _, event in zip(LINES, client.events(), strict=False)]
        assert [event.data for event in events] == EXPECTED
        assert all(event.id and event.event == "message" for event in events)
    url = f"{server.url}/stream-numbers?to=3&interval=0"
    with requests.get(url, stream=True, timeout=PATIENCE) as response:
        numbers = [
            (event.event, event.data)
            for event in sseclient.SSEClient(response.iter_content(None)).events()
        ]
    assert numbers[:3] == [("message", "1"), ("message", "2"), ("message", "3")]
    assert numbers[3][0] == "close"


def test_httpx_sse(server: Server) -> None:
    url = f"{server.url}/stream-logs?from=start"
    with (
        httpx.Client(timeout=PATIENCE) as client,
        httpx_sse.connect_sse(client, "GET", url) as source,
    ):
        events = [event for _, event in zip(LINES, source.iter_sse(), strict=False)]
    assert [event.data for event in events] == EXPECTED
    with (
        httpx.Client(timeout=PATIENCE, headers={"Last-Event-ID": events[-2].id}) as client,
        httpx_sse.connect_sse(client, "GET", f"{server.url}/stream-logs") as source,
    ):
        assert next(iter(source.iter_sse())).data == "last"


def test_curl(server: Server) -> None:
    url = f"{server.url}/stream-numbers?to=3&interval=0"
    command = ["curl", "--silent", "--show-error", "--no-buffer", "--max-time", "30"]
    result = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    assert "id: 3\ndata: 3\n\nevent: close\n" in result.stdout
    # --http1.0 as old proxies speak it
    result = subprocess.run(
        [*command, "--http1.0", "-H", "Last-Event-ID: 2", url],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "data: 2\n" not in result.stdout
    assert "data: 3\n" in result.stdout


def node(script: str, *arguments: str) -> object:
    result = subprocess.run(
        ["node", script, *arguments],
        cwd=NPM,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return json.loads(result.stdout)


def test_npm_eventsource_reconnects_and_stops(server: Server) -> None:
    """It reconnects after the numbers' end, with the last id, and is told to stop by a 204."""
    seen = node("eventsource.js", f"{server.url}/stream-numbers?to=3&interval=0")
    assert seen == {
        "data": ["1", "2", "3"],
        "ids": ["1", "2", "3"],
        "closes": 1,
        "opens": 1,
        "state": "closed",
        "code": 204,
    }


def test_npm_eventsource_parser(server: Server) -> None:
    events = node("parser.js", f"{server.url}/stream-logs?from=start", str(len(LINES)))
    assert isinstance(events, list)
    assert [event["data"] for event in events] == EXPECTED
