"""A log that is open hands its lines on in each form, for as long as somebody wants that."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from server.feeds import served as module
from server.feeds.contract import FORMS, AfterId, Feed, Last, Oldest
from server.filters.filter import Filter
from server.logs.generation import LogBatch
from tests.event_stream import Parsed, Parser
from tests.feeds.several import PATIENCE, append, served, until


async def events(feed: Feed, count: int) -> list[Parsed]:
    """The oldest events."""
    parser, place, found = Parser(), await feed.locate(Oldest()), list[Parsed]()
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            batch = await feed.read(place)
            found += parser.feed(batch.frames)
            place = batch.end
    return found


def test_each_form_has_the_same_lines_with_the_same_ids(tmp_path: Path) -> None:
    async def main() -> None:
        append(tmp_path / "app.log", "one", 'a "quoted" é')
        async with served(tmp_path / "app.log", "app") as log:
            with log.feed("text") as text, log.feed("json") as objects:
                plain, told = await events(text, 2), await events(objects, 2)
                assert [event.data for event in plain] == ["one", 'a "quoted" é']
                assert [json.loads(event.data) for event in told] == [
                    {"log": "app", "line": event.data} for event in plain
                ]
                assert [event.id for event in plain] == [event.id for event in told]
                place = await objects.locate(AfterId(plain[0].id))
                assert (await objects.read(place)).events == 1

    asyncio.run(main())


def test_all_clients_of_a_form_share_it(tmp_path: Path) -> None:
    async def main() -> None:
        append(tmp_path / "app.log", "one")
        async with served(tmp_path / "app.log") as log:
            with log.feed("text") as one, log.feed("text") as other:
                assert one is other

    asyncio.run(main())


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_dropped_when_it_is_idle_but_never_while_it_is_used(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        append(tmp_path / "app.log", "one")
        async with served(tmp_path / "app.log") as log:
            with log.feed(form) as first:
                monkeypatch.setattr(module, "IDLE", -1)
                log.drop_idle()
                with log.feed(form) as again:
                    assert again is first
                place = await first.locate(Last(0))
                append(tmp_path / "app.log", "two")
                await until(first, place)
                assert (await first.read(place)).events == 1
            monkeypatch.setattr(module, "IDLE", 60)
            log.drop_idle()  # not yet
            with log.feed(form) as again:
                assert again is first
            monkeypatch.setattr(module, "IDLE", -1)
            log.drop_idle()
            with log.feed(form) as other:
                assert other is not first

    asyncio.run(main())


def test_any_number_of_filters_leaves_a_bounded_number_of_feeds(tmp_path: Path) -> None:
    """A client may ask for a million of them. The last ones are ready for those who come back."""

    async def main() -> None:
        append(tmp_path / "app.log", "one")
        async with served(tmp_path / "app.log") as log:
            feeds = []
            for number in range(module.MOST_IDLE + 10):
                with log.feed("text", Filter((f"^.{{{number}}}",))) as feed:
                    feeds.append(feed)
            with log.feed("text", Filter(("^.{0}",))) as first:
                assert first is not feeds[0]
            with log.feed("text", Filter((f"^.{{{number}}}",))) as last:
                assert last is feeds[-1]
            sizes = [sys.getrefcount(feed) for feed in feeds]
            assert sum(size > min(sizes) for size in sizes) <= module.MOST_IDLE

    asyncio.run(main())


def test_what_a_form_has_counted_outlives_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE", -1)

    async def main() -> None:
        append(tmp_path / "app.log", "one")
        async with served(tmp_path / "app.log") as log:
            with log.feed("text") as feed:
                [event] = await events(feed, 1)
                await feed.locate(AfterId(event.id))
            before = log.status().counters
            log.drop_idle()
            assert log.status().counters == before
            assert before["resumes_disk"] == 1

    asyncio.run(main())


def test_listeners_get_the_lines_as_they_are_until_they_leave(tmp_path: Path) -> None:
    async def main() -> None:
        append(tmp_path / "app.log", "one")
        async with served(tmp_path / "app.log") as log:
            batches: list[LogBatch] = []
            log.listen(batches.append)
            with log.feed("text") as feed:
                for text in ("two", "three"):
                    place = await feed.locate(Last(0))
                    append(tmp_path / "app.log", text)
                    await until(feed, place)
                    await feed.read(place)
                    if text == "two":
                        log.ignore(batches.append)
            assert len(batches) == 1

    asyncio.run(main())


def test_an_event_without_a_place_is_told_with_the_name_of_the_log(tmp_path: Path) -> None:
    async def main() -> None:
        append(tmp_path / "app.log", "one")
        async with served(tmp_path / "app.log", "app") as log:
            told: list[tuple[str, str, Mapping[str, object]]] = []
            log.tellers.append(lambda *all: told.append(all))
            log.tell("source-ended", {"code": 0})
            assert told == [("app", "source-ended", {"code": 0})]

    asyncio.run(main())


def test_an_error_ends_the_streams_of_all_forms(tmp_path: Path) -> None:
    async def main() -> None:
        append(tmp_path / "app.log", "one")
        async with served(tmp_path / "app.log") as log:
            with log.feed("text") as text, log.feed("json") as objects:
                log.fail(RuntimeError("a fault of its own"))
                for feed in (text, objects):
                    with pytest.raises(RuntimeError, match="a fault of its own"):
                        await feed.read(feed.end)

    asyncio.run(main())
