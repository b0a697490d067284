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
from tests.relay import relaying
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


def with_several(tmp_path: Path, test: Callable[[LogView, list[Any]], Any], logs: Any) -> None:
    """The same with a server of `a.log` and `b.log`, and of others as they appear."""

    async def run(url: str) -> None:
        async with viewing(f"{url}/stream-logs?backlog=5", logs=logs) as (view, sent):
            await test(view, sent)

    for name in ("a.log", "b.log"):
        (tmp_path / name).touch()
    with running(tmp_path, "*.log", "--retry", 20) as server:
        asyncio.run(run(server.url))


def test_several_logs_have_a_number_each_and_levels_of_their_own(tmp_path: Path) -> None:
    a, b = tmp_path / "a.log", tmp_path / "b.log"

    async def test(view: LogView, sent: list[Any]) -> None:
        def shown() -> list[Any]:
            return [line for batch in sent for line in batch["lines"]]

        view.start()
        await until(lambda: view.state == "listening", "the stream")
        write(a, "ERROR in a")
        await until(lambda: len(shown()) == 1, "a line")
        write(b, "<b>INFO</b>")
        await until(lambda: len(shown()) == 2, "the other log's line")
        write(a, "  more of a")
        await until(lambda: len(shown()) == 3, "the third line")
        assert shown() == [
            ("ERROR in a", "error", "a.log", 0),
            ("<b>INFO</b>", "info", "b.log", 1),
            ("  more of a", "error", "a.log", 0),
        ]
        view.stop()
        write(b, "missed")
        view.start()
        await until(lambda: len(shown()) == 4, "what was missed")
        assert view.lines == ["ERROR in a", "<b>INFO</b>", "  more of a", "missed"]
        a.rename(tmp_path / "a.log.1")
        write(a, "a new file")
        await until(lambda: view.lines[-1] == "a new file", "the new file's line")
        told = ("The log was rotated: a new file begins here.", "fact", "a.log", 0)
        await until(lambda: told in shown(), "the rotation")

    with_several(tmp_path, test, ["a.log", "b.log"])


def test_a_log_that_appears_is_told_and_shown(tmp_path: Path) -> None:
    async def test(view: LogView, sent: list[Any]) -> None:
        view.start()
        await until(lambda: view.state == "listening", "the stream")
        write(tmp_path / "c.log", "the first")
        lines = [("This log is new.", "fact", "c.log", 0), ("the first", "", "c.log", 0)]
        await until(lambda: lines == [one for batch in sent for one in batch["lines"]], "both")

    with_several(tmp_path, test, "*")


def test_one_log_of_several_is_named_too(tmp_path: Path) -> None:
    async def test(view: LogView, sent: list[Any]) -> None:
        write(tmp_path / "a.log", "not this one")
        write(tmp_path / "b.log", "this one")
        view.start()
        await until(lambda: sent, "the line")
        assert sent[0]["lines"] == [("this one", "", "b.log", 0)]

    with_several(tmp_path, test, "b.log")


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


def test_facts_are_shown_and_other_events_are_not() -> None:
    stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    for name in ("gap", "unknown", "close"):
        stream += Event("{}", name=name).encode()

    async def test() -> None:
        async with viewing(url) as (view, sent):
            view.start()
            await until(lambda: view.state == "finished", "the end")
            assert [kind for batch in sent for _, kind in batch["lines"]] == ["fact", "fact"]
            assert view.lines == []
            assert view.count == 0

    with relaying(lambda request, forward: iter([stream])) as url:
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
