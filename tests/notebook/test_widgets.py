"""The view of a stream in a notebook: what it keeps, how often it speaks, how it ends."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.notebook.widgets import INTERVAL, LogView, StreamView
from server.sse.event import Event
from tests.running import Server, running

LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


@asynccontextmanager
async def viewing(url: str, **options: Any) -> AsyncIterator[tuple[LogView, list[Any]]]:
    """A view, and the messages that it sends to the page."""
    view = LogView(url, **options)
    sent: list[Any] = []
    view.area.send = sent.append
    try:
        yield view, sent
    finally:
        view.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("riacho")]


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
    assert condition(), what


def write(log: Path, *lines: str) -> None:
    with log.open("a") as file:
        file.writelines(line + "\n" for line in lines)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    log = tmp_path / "app.log"
    log.touch()
    return log


def with_server(
    tmp_path: Path, log: Path, test: Callable[[Server, LogView, list[Any]], Any], **options: Any
) -> None:
    async def run(server: Server) -> None:
        async with viewing(f"{server.url}/stream-logs", **options) as (view, sent):
            await test(server, view, sent)

    with running(tmp_path, log, "--retry", 20) as server:
        asyncio.run(run(server))


def test_it_shows_what_comes_and_goes_on_after_a_stop(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        assert view.stop_button.disabled
        view.start_button.click()
        await until(lambda: view.status.value.startswith("listening"), "the stream")
        assert view.start_button.disabled
        write(log, "one", "two")
        await until(lambda: view.lines == ["one", "two"], "two lines")
        view.stop_button.click()
        assert view.status.value == "stopped, 2 lines"
        write(log, "three")
        view.start_button.click()
        await until(lambda: sum(len(batch["lines"]) for batch in sent) == 3, "the third")
        assert view.lines == ["one", "two", "three"]
        assert [line for batch in sent for line in batch["lines"]] == [
            ("one", ""), ("two", ""), ("three", "")
        ]  # fmt: skip

    with_server(tmp_path, log, test)


def test_a_killed_server_costs_no_line_and_doubles_none(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        view.start()
        write(log, "one")
        await until(lambda: view.lines == ["one"], "a line")
        server.kill()
        await until(lambda: view.status.value.startswith("reconnecting"), "the loss")
        write(log, "two")
        server.start()
        await until(lambda: len(view.lines) > 1, "the second")
        assert view.lines == ["one", "two"]

    with_server(tmp_path, log, test)


@pytest.mark.parametrize("number", range(1, 5))
def test_a_level_hides_what_is_below(tmp_path: Path, log: Path, number: int) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        view.start()
        lines = [f"a {level} line" for level in LEVELS]
        write(log, *lines)
        await until(lambda: sum(len(batch["lines"]) for batch in sent) == 5, "the lines")
        view.level.value = LEVELS[number]
        assert view.lines == lines[number:]
        assert sent[-1] == {"clear": True, "lines": shown(lines[number:])}
        more = [f"another {level} line" for level in LEVELS]
        write(log, *more)
        await until(lambda: sent[-1]["lines"][-1][0] == more[-1], "the batch")
        assert [line for batch in sent[-2:] for line in batch["lines"]][number - 5 :] == shown(
            more[number:]
        )
        view.level.value = ""
        assert view.lines == lines + more

    with_server(tmp_path, log, test)


def shown(lines: list[str]) -> list[tuple[str, str]]:
    return [(line, line.split()[1].lower()) for line in lines]


TRACEBACK = ["Traceback (most recent call last):", '  File "x.py", line 1', "ValueError: x"]


def test_lines_without_a_level_stay_with_the_line_before_them(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        view.level.value = "WARNING"
        view.start()
        write(log, "no level yet", "INFO a", "  more", "ERROR b", *TRACEBACK, "DEBUG c", "  more")
        write(log, "CRITICAL end")
        await until(lambda: view.lines[-1:] == ["CRITICAL end"], "the lines")
        assert view.lines == ["no level yet", "ERROR b", *TRACEBACK, "CRITICAL end"]

    with_server(tmp_path, log, test)


def test_a_flood_of_one_level_leaves_the_others_in_place(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        view.start()
        await until(lambda: view.state == "listening", "the stream")
        for turn in range(30):
            write(log, f"ERROR {turn}", *(f"INFO {turn}" for _ in range(20)))
        await until(lambda: view.count == 30 * 21, "the lines")
        assert len(view.lines) == 10
        view.level.value = "ERROR"
        assert view.lines == [f"ERROR {turn}" for turn in range(20, 30)]

    with_server(tmp_path, log, test, bound=10)


def test_a_flood_crosses_to_the_page_in_few_messages_of_bounded_size(
    tmp_path: Path, log: Path
) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        times: list[float] = []
        loop = asyncio.get_running_loop()

        def record(message: Any) -> None:
            sent.append(message)
            times.append(loop.time())

        view.area.send = record
        view.start()
        await until(lambda: view.status.value.startswith("listening"), "the stream")
        write(log, *(f"line {number}" for number in range(50_000)))
        await until(lambda: view.count == 50_000, "all lines")
        await until(lambda: sent[-1]["lines"][-1][0] == "line 49999", "the last batch")
        assert view.lines == [f"line {number}" for number in range(49_900, 50_000)]
        assert all(len(message["lines"]) <= 100 for message in sent)
        assert all(late - early > INTERVAL * 0.9 for early, late in zip(times, times[1:]))  # noqa: B905, RUF007

    with_server(tmp_path, log, test, bound=100)


def test_facts_are_shown_and_other_events_are_not(tmp_path: Path) -> None:
    async def test() -> None:
        async with viewing("http://127.0.0.1:9/") as (view, sent):
            for name in ("gap", "unknown", "close"):
                view._receive(Event("{}", name=name))
            await until(lambda: sent, "a batch")
            assert [kind for _, kind in sent[0]["lines"]] == ["fact", "fact"]
            assert view.lines == []
            assert view.count == 0

    asyncio.run(test())


def test_what_is_no_stream_is_said(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        view.url = f"{server.url}/logs"
        view.start()
        await until(lambda: view.state == "failed", "the end")
        assert "it is no stream of events" in view.status.value
        assert not view.start_button.disabled
        view.url = f"{server.url}/stream-logs"
        view.start()
        await until(lambda: view.status.value == "listening, 0 lines", "the stream")

    with_server(tmp_path, log, test)


def test_what_has_finished_begins_anew(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        view.url = f"{server.url}/stream-numbers?to=3&interval=0"
        for turn in (1, 2):
            view.start_button.click()
            await until(lambda: view.state == "finished", "the end")
            assert view.lines == ["1", "2", "3"] * turn
            assert view.stop_button.disabled

    with_server(tmp_path, log, test)


class Broken(StreamView):
    def take(self, event: Event) -> None:
        raise ZeroDivisionError("division of " + str(event.data))


def test_an_error_in_a_view_of_one_s_own_is_shown(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        broken = Broken(view.url)
        broken.start()
        write(log, "a line")
        await until(lambda: broken.state == "failed", "the end")
        assert broken.status.value == "failed, 1 events: division of a line"

    with_server(tmp_path, log, test)


def test_a_stop_does_not_wait_for_a_server_that_hangs(tmp_path: Path, log: Path) -> None:
    async def test(server: Server, view: LogView, sent: list[Any]) -> None:
        server.proc.suspend()
        view.start()
        await until(lambda: view.state == "connecting", "the attempt")
        view.stop()
        server.proc.resume()

    with_server(tmp_path, log, test)


def test_it_needs_an_event_loop() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        LogView("http://127.0.0.1:9/")
